"""SciPy's L-BFGS-B without bounds: what the compiled L-BFGS is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from l2o.base import arguments
from l2o.baselines._scipy import ScipyMethod
from l2o.methods import Stopping

__all__ = ["ScipyLBFGS"]

MOST_PAIRS = 2**31 - 1


@dataclass(frozen=True)
class ScipyLBFGS(ScipyMethod):
    """Limited-memory BFGS, SciPy's L-BFGS-B without bounds.

    Parameters
    ----------
    memory : int
        Curvature pairs kept, from 1 to 2^31 - 1.

    References
    ----------
    Byrd, Lu, Nocedal and Zhu, *A limited memory algorithm for bound constrained optimization*, 1995.
    """

    memory: int = 10

    scipy_options = MappingProxyType({"maxcor": "memory"})

    scipy_name = "L-BFGS-B"

    def __post_init__(self) -> None:
        arguments.count("memory", self.memory, most=MOST_PAIRS)

    def options(self, stopping: Stopping | None) -> dict[str, Any]:
        """Return SciPy's options; None asks for no tolerance at all."""
        if stopping is None:
            return {"maxcor": self.memory, "gtol": 0.0, "ftol": 0.0, "maxfun": 10**9}
        return {"maxcor": self.memory, "gtol": stopping.gtol, "ftol": 0.0, "maxiter": stopping.maxiter,
                "maxfun": stopping.maxfun}
