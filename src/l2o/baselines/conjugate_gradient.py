"""Nonlinear conjugate gradient: SciPy's CG (Polak-Ribiere), and one in the kernels within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.baselines._native import NativeMethod
from l2o.baselines._scipy import ScipyMethod
from l2o.methods import Box, Callback, Runnable, Solution, Stopping

__all__ = ["ConjugateGradient"]


@dataclass(frozen=True)
class ConjugateGradient(ScipyMethod):
    """Nonlinear conjugate gradient with a strong Wolfe line search; it has no settings.

    It is SciPy's, which knows no bounds; within bounds it is that of the kernels, with Hestenes and Stiefel's formula.

    References
    ----------
    Nocedal and Wright, *Numerical Optimization*, 2006, section 5.2.
    """

    scipy_name = "CG"

    def solve(self, problems: Any, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        """Minimise each problem; the best point seen is what is returned."""
        if box is not None:
            return _WithinBounds().solve(problems, stopping, callback, box)
        return super().solve(problems, stopping, callback)

    def options(self, stopping: Stopping | None) -> dict[str, Any]:
        """Return SciPy's options; None asks for no tolerance at all. CG has no limit of evaluations."""
        return {"gtol": 0.0} if stopping is None else {"gtol": stopping.gtol, "maxiter": stopping.maxiter}


class _WithinBounds(NativeMethod):
    """The method in the kernels, which keep bounds."""

    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels."""
        return _kernels.conjugate.method()
