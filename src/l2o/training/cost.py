"""The cost of a trajectory: a weighted sum of objective values, and how weights are judged by it.

The paper's cost is the plain sum. On these families f - f_star falls a hundredfold in 40 steps, so that
the plain sum hardly sees the late ones; part of the weight therefore goes as one over the gap that tuned
momentum has left at that step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o.baselines import Momentum
from l2o.methods import StepMethod
from l2o.training.task import Task, Yardstick
from l2o.training.trajectories import N_STARTS, from_several_starts

__all__ = ["Cost", "Merit", "best_momentum"]

TINY = 1e-300  # where all functions start at their minimum
LEAST_GAP = 1e-3  # of the gap at the start: steps by which momentum has converged do not outweigh all others


@dataclass(frozen=True, eq=False)
class Cost:
    """Weights of f(x_t).

    Attributes
    ----------
    momentum_gap : ndarray, shape (T'+1,)
        Mean of f - f_star of tuned momentum on the training functions.
    relative : float
        Share of the weight that goes as one over that gap; the rest is the same for all steps.
    first_step : float
        Factor of the weight of the first step.
    """

    momentum_gap: np.ndarray
    relative: float
    first_step: float

    @classmethod
    def of(cls, gaps: np.ndarray, relative: float, first_step: float) -> Cost:
        """Take the mean over functions of momentum's gaps (m, T'+1); one that is lost must not spoil the others."""
        sound = gaps[np.isfinite(gaps).all(axis=1)]
        return cls(sound.mean(axis=0) if len(sound) else np.ones(gaps.shape[1]), relative, first_step)

    def weights(self, n_steps: int) -> np.ndarray:
        """Return the weights of t = 0..n_steps, (n_steps + 1,); that of the start is 0."""
        gap = self.momentum_gap[: n_steps + 1]
        per_gap = 1.0 / np.maximum(gap, max(LEAST_GAP * gap[0], TINY))
        weights = self.relative * per_gap / per_gap[1:].mean() + (1.0 - self.relative)
        weights[0] = 0.0
        weights[1] *= self.first_step
        return weights


class Merit:
    """Judge a policy by real, noise-free runs on the training functions, from several starting points each."""

    def __init__(self, task: Task, cost: Cost, n_steps: int, n_starts: int = N_STARTS) -> None:
        functions = task.only
        self._yardstick = Yardstick(from_several_starts(functions.problems, n_starts), functions.left_out,
                                    np.tile(functions.f_star, n_starts), functions.momentum)
        self._weights, self._workers = cost.weights(n_steps), task.workers
        self._reference = max(float(self._weights @ cost.momentum_gap[: n_steps + 1]), TINY)

    def __call__(self, method: StepMethod) -> float:
        """Return the cost in units of tuned momentum's; lower is better."""
        gaps = self._yardstick.gaps(method, len(self._weights) - 1, self._workers)
        return float(self._weights[1:] @ gaps.mean(axis=0)[1:]) / self._reference


def best_momentum(task: Task, horizon: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the step size and decay (m,) of least cost for each training function, on a grid round the tuned ones."""
    momentum = task.only.momentum
    grid = [(momentum.step_size * factor, decay)
            for factor in np.geomspace(0.2, 5.0, 8) for decay in (0.0, 0.3, 0.5, 0.7, 0.8)]
    costs = [task.only.gaps(Momentum(*setting), horizon, task.workers)[:, 1:] @ weights[1:] for setting in grid]
    best = np.argmin(np.nan_to_num(costs, nan=np.inf), axis=0)  # a lost run costs inf, or 0 inf
    return np.array(grid)[best, 0], np.array(grid)[best, 1]
