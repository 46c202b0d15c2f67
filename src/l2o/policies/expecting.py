"""Expecting: the lean rule with a matrix of its own for each run, for those who choose among matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from l2o import _kernels
from l2o.methods import Step, StepMethod
from l2o.policies.prior import PriorShape
from l2o.policies.quasi_newton import QuasiNewton, matrix_place

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
        one, m = _from_the_unit_matrix(dim), len(self.matrices)
        place = matrix_place(one)
        blocks = _kernels.aligned((m, one.blocks.shape[1]))
        blocks[:] = one.blocks
        blocks[:, place : place + dim * dim] = self.matrices.reshape(m, -1)
        return replace(one, blocks=blocks, index=np.arange(m), handoff=LEAN.handoff)


@cache
def _from_the_unit_matrix(dim: int) -> Step:
    return LEAN.step(LEAN.initial(dim), dim)
