"""Task: what a trainer is given, functions to train on and functions to choose on, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o.baselines import Momentum
from l2o.methods import StepMethod
from l2o.policies import Architecture
from l2o.problems import Problems
from l2o.solving.optimum import best_known
from l2o.solving.tuning import tune
from l2o.training.trajectories import simulate

__all__ = ["Task", "Yardstick"]

SETTLED = 100  # steps of momentum from whose ends the lowest values are found


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Functions of one objective and dimension, with what is known of them.

    Attributes
    ----------
    problems : Problems
        m functions.
    f_star : ndarray, shape (m,)
        Lowest known values.
    momentum : Momentum
        Tuned on the training functions of this objective and dimension.
    """

    problems: Problems
    f_star: np.ndarray
    momentum: Momentum

    @classmethod
    def of(cls, problems: Problems, momentum: Momentum, n_steps: int = SETTLED) -> Yardstick:
        """Find the lowest values from the end points of tuned momentum."""
        runs = momentum.simulate(problems, n_steps)
        return cls(problems, best_known(problems, runs[0][:, [0, -1]]), momentum)

    def gaps(self, method: StepMethod, n_steps: int, workers: Any) -> np.ndarray:
        """Return f - f_star along runs of the method, (m, n_steps + 1), +inf where not finite."""
        fun = simulate(method, self.problems, n_steps, workers=workers).fun
        return np.where(np.isfinite(fun), fun - self.f_star[:, None], np.inf)


@dataclass(frozen=True, eq=False)
class Task:
    """What a trainer is given.

    Attributes
    ----------
    training : tuple of Yardstick
        Functions to train on, by objective and dimension; most trainings have one.
    validation : tuple of Yardstick
        Functions to choose the best policy on, of the same dimensions.
    network : Architecture
        Kind of policy.
    horizon : int
        Steps T that validation covers.
    workers : int, map-like callable or executor
        Threads.
    """

    training: tuple[Yardstick, ...]
    validation: tuple[Yardstick, ...]
    network: Architecture
    horizon: int = 40
    workers: Any = 1

    @classmethod
    def of(cls, training: tuple[Problems, ...], validation: tuple[Problems, ...], network: Architecture, horizon: int,
           workers: Any) -> Task:
        """Tune momentum and find the lowest values."""
        # hundreds of short batches: threads would only wait
        tuned = [tune(Momentum, problems, n_steps=horizon) for problems in training]
        return cls(tuple(map(Yardstick.of, training, tuned)), tuple(map(Yardstick.of, validation, tuned)), network,
                   horizon, workers)

    @property
    def only(self) -> Yardstick:
        """The training functions, where all are of one objective and dimension."""
        (functions,) = self.training
        return functions

    @property
    def dim(self) -> int | None:
        """Number of variables; None if the functions have several."""
        first, *others = (functions.problems.dim for functions in self.training)
        return None if any(dim != first for dim in others) else first

    def score(self, method: StepMethod) -> float:
        """Return the mean of f - f_star over k = 1..horizon and the validation functions; lower is better.

        Each objective and dimension counts as much as any other.
        """
        return float(np.mean([functions.gaps(method, self.horizon, self.workers)[:, 1:].mean()
                              for functions in self.validation]))

    def momentum_score(self) -> float:
        """Return the score of momentum, tuned for each objective and dimension."""
        return float(np.mean([functions.gaps(functions.momentum, self.horizon, self.workers)[:, 1:].mean()
                              for functions in self.validation]))
