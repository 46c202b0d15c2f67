"""Newton's method, damped: for objectives that offer a Hessian."""

from __future__ import annotations

from dataclasses import dataclass

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.base.runnable import Runnable
from l2o.baselines._native import NativeMethod

__all__ = ["Newton"]


@dataclass(frozen=True)
class Newton(NativeMethod):
    """Newton's method with a line search to the strong Wolfe conditions; it has no settings.

    From the second step on it takes the curvature to expect in the middle of a step. With the Hessian B at the iterate,
    B_before at the one before, a step s back, and th, between -1/2 and 1/2, half of -g's / s'Bs, that is
    B (B_before^-1 B)^th, or, where one of them is not positive definite, B + th (B - B_before). If that fails, B is
    taken, and where B is not positive definite, a multiple of its diagonal is added. For small d: a step takes two
    factors of d^3 / 6 operations, and the Hessian itself, which `nfev` does not count.

    References
    ----------
    Nocedal and Wright, *Numerical Optimization*, 2006, section 3.4.
    """

    def check_problems(self, problems: Runnable) -> None:
        """Raise ValueError if the objective offers no Hessian."""
        self.kernel(problems)

    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels with the Hessian of the problems."""
        if problems.hessian_function is None:
            nearest = "" if problems.normal_function is None else "; 'lm' takes products of the residuals' derivatives"
            raise ValueError(f"method is 'newton', which needs a Hessian; this objective offers none{nearest}")
        return _kernels.newton.method(problems.hessian_function)
