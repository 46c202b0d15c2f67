"""What a user's callback is told of a run, or of each of many, in either of SciPy's forms."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature

import numpy as np

__all__ = ["BatchCallback", "OneCallback"]


class OneCallback:
    """A user's callback of one run; returns whether to stop."""

    def __init__(self, callback: Callable[..., object]) -> None:
        self._callback, self._wants_result = callback, _wants_result(callback)

    def __call__(self, x: list[float], fun: float) -> bool:
        if self._wants_result:
            return _stops(self._callback, intermediate_result=_intermediate(x=np.array(x), fun=fun))
        return _stops(self._callback, np.array(x))


class BatchCallback:
    """A user's callback of many runs."""

    def __init__(self, callback: Callable[..., object]) -> None:
        self._callback, self._wants_result = callback, _wants_result(callback)

    def of(self, problem: int) -> Callable[[list[float], float], bool]:
        """Return the callback of the run of one problem, which counts its iterations."""
        iteration = 0

        def report(x: list[float], fun: float) -> bool:
            nonlocal iteration
            iteration += 1
            if self._wants_result:
                result = _intermediate(x=np.array(x), fun=fun, problem=problem, nit=iteration)
                return _stops(self._callback, intermediate_result=result)
            return _stops(self._callback, problem, iteration)

        return report


def _wants_result(callback: Callable[..., object]) -> bool:
    """Return whether a callback has SciPy's newer form, one parameter of that name."""
    if not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a callable")
    try:
        parameters = list(signature(callback).parameters.values())
    except ValueError:  # a builtin without a signature
        return False
    return [p.name for p in parameters] == ["intermediate_result"] and (
        parameters[0].kind is not Parameter.POSITIONAL_ONLY)


def _intermediate(**parts: object) -> object:
    from scipy.optimize import OptimizeResult

    return OptimizeResult(**parts)


def _stops(callback: Callable[..., object], *args: object, **kwargs: object) -> bool:
    try:
        callback(*args, **kwargs)
    except StopIteration:
        return True
    return False
