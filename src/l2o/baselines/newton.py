"""Newton's method, damped: for objectives that offer a Hessian."""

from __future__ import annotations

from dataclasses import dataclass

from l2o import _kernels
from l2o.base.runnable import Runnable
from l2o.baselines._native import NativeMethod

__all__ = ["Newton"]


@dataclass(frozen=True)
class Newton(NativeMethod):
    """Newton's method with a line search to the strong Wolfe conditions; it has no settings.

    Where the Hessian is not positive definite, a multiple of the identity is added. For small d: a step takes
    d^3 / 3 operations for the Cholesky factor, and the Hessian itself, which `nfev` does not count.

    References
    ----------
    Nocedal and Wright, *Numerical Optimization*, 2006, section 3.4.
    """

    def check_problems(self, problems: Runnable) -> None:
        """Raise ValueError if the objective offers no Hessian."""
        self.kernel(problems)

    def kernel(self, problems: Runnable) -> tuple[int, int]:
        """Return the descent method, and the Hessian that it takes as its setting."""
        if problems.hessian_function is None:
            raise ValueError("method is 'newton', which needs a Hessian; this objective offers none")
        return _kernels.newton.METHOD, problems.hessian_function
