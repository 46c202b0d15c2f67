"""Chained: the lean rule on problems whose neighbours are alike; each run begins as the one before it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from l2o import _kernels
from l2o.methods import Step, StepMethod
from l2o.policies.expecting import LEAN
from l2o.policies.quasi_newton import matrix_place

__all__ = ["ORIGINS", "PIECE", "Chained", "Link"]

PIECE = 256  # problems that are chained; each piece begins anew, so that pieces may be solved side by side
ORIGINS = ("own start", "solution", "offset")  # as in _kernels/solvers/_chain.pxd


@dataclass(frozen=True)
class Link:
    """What a run takes over from the one before it.

    Attributes
    ----------
    origin : {"own start", "solution", "offset"}
        Where it begins: where it would alone, where the other ended, or as far from its own start as that.
    carries : bool
        Whether it expects the matrix that the other left, but after a run of more than 4 d + 4 evaluations.
    far : float
        Where the predicted gap at the start is so many times its mean, the run looks at its own start, too.
    """

    origin: str
    carries: bool
    far: float = np.inf

    def chain(self, block: np.ndarray, dim: int, place: int = 0) -> _kernels.chain.Chain:
        """Return what the kernels need for one call; of a `block` the matrix (d, d) to expect stands at `place`."""
        memory = _kernels.aligned((len(block) + 5 * dim,))
        return _kernels.chain.Chain(block, memory, dim, place, PIECE, ORIGINS.index(self.origin), self.carries,
                                    float(np.log(self.far)), 4 * dim + 4)


@dataclass(frozen=True, eq=False)
class Chained(StepMethod):
    """The lean rule with what runs take over.

    Attributes
    ----------
    matrix : ndarray, shape (d, d)
        Inverse Hessian that the first run of a piece expects, and any that takes none over.
    link : Link
        What is taken over.
    """

    matrix: np.ndarray
    link: Link

    safeguarded = True
    piece = PIECE

    def __reduce__(self) -> tuple[type[Chained], tuple[np.ndarray, Link]]:
        return Chained, (self.matrix, self.link)  # what the kernels need is made again elsewhere

    def step(self, dim: int) -> Step:
        """Return what the kernels need."""
        return self._step

    @cached_property
    def _step(self) -> Step:
        dim = len(self.matrix)
        return replace(LEAN.step({**LEAN.initial(dim), "matrix": self.matrix}, dim), handoff=LEAN.handoff)

    def chain(self, dim: int) -> _kernels.chain.Chain:
        step = self.step(dim)
        return self.link.chain(step.blocks[0], dim, matrix_place(step))
