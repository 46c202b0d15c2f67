"""NewtonFrom: Newton's method from where a batch has learned to begin, for objectives with a Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.baselines import Newton
from l2o.learning.prior import Base
from l2o.policies.chained import ORIGINS, PIECE
from l2o.problems import Problems

__all__ = ["NewtonFrom", "NewtonInOrder"]

FAR = 4.0  # times the usual fall: a run that follows another looks at its own start, too


@dataclass(frozen=True, eq=False)
class NewtonFrom(Newton):
    """Newton's method from a base point.

    Attributes
    ----------
    base : Base
        Where runs begin that are not told where.
    """

    base: Base

    def starts(self, problems: Problems) -> np.ndarray:
        return self.base.of(problems.x0)


@dataclass(frozen=True, eq=False)
class NewtonInOrder(Newton):
    """Newton's method on problems whose neighbours are alike; each run begins by where the one before it ended.

    Attributes
    ----------
    origin : {"solution", "offset"}
        Whether it begins there, or as far from its own start as that.
    """

    origin: str

    piece = PIECE

    def chain(self, dim: int) -> _kernels.chain.Chain:
        memory = _kernels.aligned((dim * dim + 5 * dim,))  # no matrix is taken over, but there is room for one
        matrix = _kernels.aligned((dim * dim,))
        return _kernels.chain.Chain(matrix, memory, dim, 0, PIECE, ORIGINS.index(self.origin), False,
                                    float(np.log(FAR)), 0)
