"""Gradient descent with a fixed step size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.methods import Step, StepMethod

__all__ = ["GradientDescent"]


@dataclass(frozen=True)
class GradientDescent(StepMethod):
    """Gradient descent, x <- x - step_size g.

    Parameters
    ----------
    step_size : float
        Step size, above 0. `l2o.tune` finds the best for given problems.
    """

    step_size: float = 0.1

    def __post_init__(self) -> None:
        arguments.number("step_size", self.step_size, exclusive=True)

    def step(self, dim: int) -> Step:
        """Return the step: that of momentum with decay 0."""
        return Step(_kernels.linear.MOMENTUM, np.array([[self.step_size, 0.0]]), 1, dim)
