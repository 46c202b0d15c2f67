"""L-BFGS: the curvature method that learned runs are measured by, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.base import arguments
from l2o.baselines._native import NativeMethod
from l2o.methods import Runnable

__all__ = ["LBFGS"]

MOST_PAIRS = 2**31 - 1


@dataclass(frozen=True)
class LBFGS(NativeMethod):
    """Limited-memory BFGS with a line search to the strong Wolfe conditions.

    The first step has length 1 before its line search. Sufficient decrease 1e-3 and curvature 0.9 are those of SciPy's
    L-BFGS-B; evaluation by evaluation both do equally well.

    Parameters
    ----------
    memory : int
        Curvature pairs kept, from 1 to 2^31 - 1.

    References
    ----------
    Liu and Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989.
    More and Thuente, *Line search algorithms with guaranteed sufficient decrease*, 1994.
    """

    memory: int = 10

    scipy_options = MappingProxyType({"maxcor": "memory"})

    def __post_init__(self) -> None:
        arguments.count("memory", self.memory, most=MOST_PAIRS)

    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels."""
        return _kernels.lbfgs.method(self.memory)
