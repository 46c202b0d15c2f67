"""Expecting: the lean rule with a matrix of its own for each run, for those who choose among matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o import _kernels
from l2o.methods import Step, StepMethod
from l2o.policies.prior import HEADER, PriorShape
from l2o.policies.quasi_newton import QuasiNewton

__all__ = ["Expecting"]

LEAN = QuasiNewton().with_prior(PriorShape())


@dataclass(frozen=True, eq=False)
class Expecting(StepMethod):
    """The lean rule on m problems of which each begins at its own start, with its own matrix.

    Attributes
    ----------
    matrices : ndarray, shape (m, d, d)
        Inverse Hessians to expect.
    """

    matrices: np.ndarray

    safeguarded = True

    def step(self, dim: int) -> Step:
        """Return what the kernels need: a block for each run."""
        one, m = LEAN.step(LEAN.initial(dim), dim), len(self.matrices)
        blocks = _kernels.aligned((m, one.blocks.shape[1]))
        blocks[:] = one.blocks
        at = int(blocks[0, 6]) + HEADER  # the matrix, first in the block of the prior
        blocks[:, at : at + dim * dim] = self.matrices.reshape(m, -1)
        return replace(one, blocks=blocks, index=np.arange(m), handoff=LEAN.handoff)
