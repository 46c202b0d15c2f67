"""NewtonFrom: Newton's method from where a batch has learned to begin, for objectives with a Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.baselines import Newton
from l2o.learning.prior import Base
from l2o.policies.chained import PIECE, Link
from l2o.problems import Problems

__all__ = ["NewtonFrom", "NewtonInOrder"]


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
    link : Link
        What is taken over; there is no matrix.
    """

    link: Link

    piece = PIECE

    def chain(self, dim: int) -> _kernels.chain.Chain:
        return self.link.chain(_kernels.aligned((dim * dim,)), dim)  # room for a matrix that nobody reads
