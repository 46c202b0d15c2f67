"""Gradient descent with momentum (heavy ball)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.methods import Step, StepMethod

__all__ = ["Momentum"]


@dataclass(frozen=True)
class Momentum(StepMethod):
    """Gradient descent with momentum, v <- decay v - step_size g, x <- x + v.

    Parameters
    ----------
    step_size : float
        Step size, above 0. `l2o.tune` finds the best setting for given problems.
    decay : float
        Share of the last step that is kept, in [0, 1).

    References
    ----------
    Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
    """

    step_size: float = 0.1
    decay: float = 0.9

    def __post_init__(self) -> None:
        arguments.number("step_size", self.step_size, exclusive=True)
        if not arguments.number("decay", self.decay) < 1:
            raise ValueError(f"decay is {self.decay}; expected a number in [0, 1)")

    def step(self, dim: int) -> Step:
        """Return the step: its block is step size and decay, its state the velocity."""
        return Step(_kernels.linear.MOMENTUM, np.array([[self.step_size, self.decay]]), 1, dim)
