"""How many evaluations a method needs until f is down to given values."""

from __future__ import annotations

import numpy as np

from l2o import _kernels
from l2o.base.runnable import Runnable, Wrapped
from l2o.base.watch import Watched, heard
from l2o.methods import Method, Stopping

__all__ = ["evaluations_until"]


class _Counted(Wrapped):
    """Problems whose evaluations are counted; each run ends when it has met its targets or spent its evaluations."""

    function, over_hessian, over_normal = _kernels.count.FUNCTION, _kernels.count.HESSIAN, _kernels.count.NORMAL

    def __init__(self, problems: Runnable, targets: np.ndarray, limit: int) -> None:
        super().__init__(problems)
        self._targets = np.ascontiguousarray(targets, np.float64)
        self.met = np.empty(targets.shape, np.intp)
        self._addresses = _kernels.count.over(problems.function, problems.hessian_function or 0,
                                              problems.normal_function or 0, problems.addresses(), self._targets,
                                              limit, self.met)

    def addresses(self) -> np.ndarray:
        return self._addresses


def evaluations_until(problems: Runnable, method: Method, targets: np.ndarray, limit: int) -> np.ndarray:
    """Count the evaluations, line-search trials included, until f is no more than each of some values.

    Nothing is recorded but the counts, and a run ends with its last target. A policy runs alone, without a safeguard.

    Parameters
    ----------
    problems : Runnable
        m problems.
    method : Method
        One whose loop is native.
    targets : ndarray, shape (m, k)
        Values of f, falling along each row.
    limit : int
        Evaluations after the first that a run may take.

    Returns
    -------
    ndarray of int, shape (m, k)
        Evaluations after the first; 0 is the start, -1 a value that was not met.
    """
    counted = _Counted(problems, targets, limit)
    heard(lambda watch: method.solve(Watched(counted, watch), Stopping(0.0, limit, limit + 1, safeguard=False)))
    return counted.met
