"""Which solutions lie on a way to infinity: the objective has no minimum there."""

from __future__ import annotations

import numpy as np

from l2o.base.status import PRECISION_LOSS
from l2o.methods import Box, Solution
from l2o.problems import Problems

__all__ = ["endless"]


def endless(problems: Problems, solution: Solution, box: Box | None) -> np.ndarray | None:
    """Return why the minimum of each problem lies at infinity, (m,), 0 for others; None where all have one, or may.

    Bounds on the way are ends of it. Runs that met trouble are not judged.
    """
    kernel, fun = problems.kernel, solution.fun
    look = kernel.endless
    if look is None or not len(fun):
        return None
    lowest = fun.item() if len(fun) == 1 else np.fmin.reduce(fun)  # an array of one would cost as much as ten
    if not lowest < kernel.suspect:
        return None
    with np.errstate(all="ignore"):  # of points at the ends of the numbers, and of rows without any
        found = look(problems, solution.x, fun, solution.jac)
    judged = solution.status <= PRECISION_LOSS
    if box is not None:
        ends = ((found.way > 0.0) & (box.high < np.inf)) | ((found.way < 0.0) & (box.low > -np.inf))
        judged &= ~ends.any(axis=1)
    reason = np.where(judged, found.reason, 0)
    return reason if reason.any() else None
