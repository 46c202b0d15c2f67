"""A model's problems as objectives: half the sum of squares of residuals, in units of sigma, or of another loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.problems.kernel import Kernel
from l2o.problems.layout import blocks
from l2o.problems.losses import LINEAR, Loss
from l2o.problems.models import Model
from l2o.problems.problems import Problems, from_blocks
from l2o.problems.separation import NO_COUNTS, Endless

__all__ = ["SquaresOf", "least_squares"]

NEXT_TO_NO_RATE = 1e-3  # half a deviance, of no count the sum of the rates: a fit that has ended has less


@dataclass(frozen=True, eq=False)
class SquaresOf:
    """What the objective of a model is made of.

    Attributes
    ----------
    model : Model
        The model.
    d, k : int
        Number of its parameters, and of the numbers that make a point.
    loss : Loss
        What is made of the residuals.
    """

    model: Model
    d: int
    k: int
    loss: Loss

    @property
    def source_hash(self) -> str | None:
        """That of the model."""
        return self.model.card()["source"]

    @property
    def kernel(self) -> Kernel:
        """The objective as the kernels see it; the model is compiled."""
        self.model.address(self.d, self.k)
        return Kernel(f"least squares of {self.model.name}", _kernels.least_squares.FUNCTION, source=self,
                      over=self.over, normal=_kernels.least_squares.NORMAL, damping=self.loss.damping,
                      suspect=NEXT_TO_NO_RATE if self.loss.name == "poisson" else -math.inf, endless=_without_counts)

    def over(self, data: np.ndarray, shared: int) -> np.ndarray:
        """Return the addresses (m,) of what the function is called with, of data at addresses (m,)."""
        return _kernels.least_squares.over(self.model.address(self.d, self.k), self.model.user(self.d, self.k),
                                           self.loss.address, data)


def _without_counts(problems: Problems, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> Endless:
    """Look for curves of counts that are all zero at x (m, d), where they have the values fun (m,)."""
    found = Endless(np.zeros(len(x), np.int8), np.zeros(x.shape))
    for i in np.flatnonzero(fun < NEXT_TO_NO_RATE):
        table = next(problems[[int(i)]].data())
        found.reason[i] = 0 if table[:, -2].any() else NO_COUNTS
    return found


def least_squares(model: Model, tables: Sequence[np.ndarray], x0: np.ndarray, loss: Loss = LINEAR) -> Problems:
    """Return problems whose objective is half the sum of squares, or half of what a loss makes of them.

    Parameters
    ----------
    model : Model
        The model.
    tables : sequence of m ndarray, each (n, k + 2)
        A row for each point: t, y, and 1 / sigma.
    x0 : ndarray, shape (m, d)
        Starting parameters.
    loss : Loss
        What is made of the residuals.
    """
    k = tables[0].shape[1] - 2
    made, offsets = blocks(tables)
    return from_blocks(SquaresOf(model, x0.shape[1], k, loss).kernel, made, x0, offsets)
