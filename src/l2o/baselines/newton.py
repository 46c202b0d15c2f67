"""Newton's method, damped, with the Hessian of the objective, or by differences of its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.base.runnable import Runnable, Wrapped
from l2o.baselines._native import NativeMethod
from l2o.methods import Box, Callback, Record, Solution, Stopping

__all__ = ["Newton", "at_once"]

MOST_AT_ONCE = 6  # variables up to which a Hessian comes with each value: of more, one that is not used costs too much


@dataclass(frozen=True)
class Newton(NativeMethod):
    """Newton's method with a line search to the strong Wolfe conditions; it has no settings.

    From the second step on it uses the curvature to expect in the middle of a step. Let B be the Hessian at the
    iterate, B_before that at the previous iterate, a step s back, and th half of -g's / s'Bs, between -1/2 and 1/2. The
    curvature is then B (B_before^-1 B)^th, or B + th (B - B_before) if one of the two is not positive definite. If that
    fails, it is B, and if B is not positive definite, a multiple of its diagonal is added. The method is for small d: a
    step takes two factors of d^3 / 6 operations, and the Hessian itself, which `nfev` does not count. If the objective
    has no Hessian, central differences of the gradient within the bounds replace it: 2 d evaluations a step, which
    `nfev` counts.

    References
    ----------
    Nocedal and Wright, *Numerical Optimization*, 2006, section 3.4.
    """

    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels with the Hessian of the problems."""
        expansion = problems.expansion_function if at_once(problems) else None
        return _kernels.newton.method(problems.hessian_function or 0, expansion or 0)

    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        if problems.hessian_function is not None:
            return super().solve(problems, stopping, callback, box)
        differenced = _Differenced(problems, box)
        found = super().solve(differenced, stopping, callback, box)
        return found._replace(nfev=found.nfev + differenced.nfev)

    def record(self, problems: Runnable, n_steps: int, out: Record | None = None) -> Record:
        return super().record(_Differenced.where_needed(problems), n_steps, out)


def at_once(problems: Runnable) -> bool:
    """Whether Newton's method computes Hessians along with values."""
    return problems.expansion_function is not None and problems.dim <= MOST_AT_ONCE


class _Differenced(Wrapped):
    """Problems with Hessians by differences of their gradients, which it counts."""

    function, over_hessian = _kernels.differences.FUNCTION, _kernels.differences.HESSIAN

    def __init__(self, problems: Runnable, box: Box | None = None) -> None:
        super().__init__(problems)
        self._box, self.nfev = box, np.zeros(len(problems), np.intp)

    @classmethod
    def where_needed(cls, problems: Runnable) -> Runnable:
        """Return problems with a Hessian."""
        return problems if problems.hessian_function is not None else cls(problems)

    @property
    def hessian_function(self) -> int:
        """Address of the differences."""
        return self.over_hessian

    def addresses(self) -> np.ndarray:
        low, high = (None, None) if self._box is None else (self._box.low, self._box.high)
        return _kernels.differences.over(self._problems.function, self._problems.addresses(), low, high, self.dim,
                                         self.nfev)
