"""Nonlinear conjugate gradient: SciPy's CG (Polak-Ribiere)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from l2o.baselines._scipy import ScipyMethod
from l2o.methods import Stopping

__all__ = ["ConjugateGradient"]


@dataclass(frozen=True)
class ConjugateGradient(ScipyMethod):
    """Nonlinear conjugate gradient with a strong Wolfe line search; it has no settings.

    References
    ----------
    Nocedal and Wright, *Numerical Optimization*, 2006, section 5.2.
    """

    scipy_name = "CG"

    def options(self, stopping: Stopping | None) -> dict[str, Any]:
        """Return SciPy's options; None asks for no tolerance at all. CG has no limit of evaluations."""
        return {"gtol": 0.0} if stopping is None else {"gtol": stopping.gtol, "maxiter": stopping.maxiter}
