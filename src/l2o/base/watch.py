"""Ctrl-C while kernels run: between two evaluations, wherever they are; how is in _kernels/base/_watch.pyx."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from l2o import _kernels
from l2o.base.runnable import Runnable, Wrapped

__all__ = ["Watch", "Watched", "heard"]

T = TypeVar("T")

Watch = _kernels.watch.Watch


class Watched(Wrapped):
    """Problems that the kernels leave, with an error of each that is not done, when their watch says so.

    Methods that are Python hear by themselves: they are given the objectives without it.
    """

    function, over_hessian, over_normal = _kernels.watch.FUNCTION, _kernels.watch.HESSIAN, _kernels.watch.NORMAL
    over_expansion = _kernels.watch.EXPANSION

    def __init__(self, problems: Runnable, watch: Watch) -> None:
        super().__init__(problems)
        self._watch = watch

    def addresses(self) -> np.ndarray:
        problems = self._problems
        return self._watch.over(problems.function, problems.hessian_function or 0, problems.normal_function or 0,
                                problems.expansion_function or 0, problems.addresses())


def heard(call: Callable[[Watch], T]) -> T:
    """Return ``call(watch)``, which Ctrl-C ends between two evaluations, whoever of the call's threads makes them.

    The watch is that of the call which this thread works for, if there is one; runs that it ends are not looked at.
    """
    watch = _kernels.watch.watch_here()
    if watch is None:
        with Watch() as watch:
            result = call(watch)
    else:
        result = call(watch)
    watch.check()
    return result
