"""Where the gradient of a Python function comes from: from itself, from a second function, from differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from l2o.problems import PythonObjective, number_of
from l2o.problems.python import Limits, Source
from l2o.solving.differences import SCHEMES, Differences

__all__ = ["python_objective"]


class _Function:
    """A user's function with its further arguments; it counts its calls."""

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fun, self.args, self.calls = fun, args, 0
        self.known: tuple[bytes, Any] | None = None

    def __call__(self, x: np.ndarray) -> Any:
        """Return what fun returns at x (d,), an array that nobody needs any more: fun may change it."""
        if self.known is not None:
            (point, result), self.known = self.known, None
            if point == x.tobytes():
                return result
        self.calls += 1
        return self.fun(x, *self.args)

    def look(self, x: np.ndarray) -> Any:
        """Return what fun returns at x (d,), and keep it for the next call, which is that of the run."""
        result = self(x.copy())
        self.known = x.tobytes(), result
        return result


def python_objective(fun: Callable[..., Any], x0: np.ndarray, args: tuple[object, ...], jac: object,
                     differences: dict[str, np.ndarray]) -> PythonObjective:
    """Return a Python function as the kernels run it.

    Parameters
    ----------
    fun, args, jac
        As `minimize` has them.
    x0 : ndarray, shape (d,)
        Starting point.
    differences : dict
        Settings of `Differences`.

    Raises
    ------
    ValueError, TypeError
        If jac does not fit.
    """
    function = _Function(fun, args)

    def together(x: np.ndarray, limits: Limits) -> tuple[Any, Any]:
        result = function(x)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise ValueError("fun returned no pair of value and gradient; with jac=True it must return (f, g), "
                             "else pass jac=None (2-point differences) or a callable")
        return result[0], result[1]

    if jac is True:
        return PythonObjective(together, lambda: function.calls, x0)

    def begin(x: np.ndarray, limits: Limits) -> tuple[Source, int]:
        """Return the source for a run that starts at x, and how often it calls fun at a point."""
        if callable(jac):
            return lambda z, _: (function(z.copy()), jac(z, *args)), 1
        if jac is None and _is_pair(function.look(x), len(x)):
            return together, 1
        rule = Differences(jac if isinstance(jac, str) else "2-point", **differences)
        return _by(rule, lambda z: number_of(function(z))), rule.n_values(*_both(x, limits))

    known = jac is None or isinstance(jac, bool) or callable(jac)
    if not known and not isinstance(jac, str):
        raise TypeError(f"jac is {jac!r}; expected True, False, None, {', '.join(map(repr, SCHEMES))} or a callable")
    if not known and jac not in SCHEMES:
        raise ValueError(f"jac is {jac!r}; expected True, False, None, {', '.join(map(repr, SCHEMES))} or a callable")
    return PythonObjective(together, lambda: function.calls, x0, begin)


def _by(rule: Differences, value: Callable[[np.ndarray], float]) -> Source:
    """Return the source that takes differences of values."""
    def source(x: np.ndarray, limits: Limits) -> tuple[float, np.ndarray]:
        fun = value(x.copy())
        return fun, rule.gradient(value, x, fun, *_both(x, limits)) if np.isfinite(fun) else np.full(x.shape, np.nan)

    return source


def _both(x: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds (d,), infinite where there are none."""
    return (np.full(x.shape, -np.inf), np.full(x.shape, np.inf)) if limits is None else limits


def _is_pair(result: Any, dim: int) -> bool:
    """Return whether what fun returned is a number and what is meant for a gradient.

    A tuple of a number and an array is; a list, which residuals may be, only if the second is of x's shape.
    """
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        return False
    value, slope = result
    try:
        if not isinstance(value, float) and np.shape(value) != ():
            return False
        shape = np.shape(slope)
    except ValueError:  # of parts of different shapes
        return False
    return shape == (dim,) or (isinstance(result, tuple) and shape != ())
