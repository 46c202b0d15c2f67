"""Task: what a trainer is given, functions to train on and functions to choose on, with what is known of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from l2o.base.typing import Workers
from l2o.baselines import Momentum
from l2o.methods import StepMethod
from l2o.policies import Architecture
from l2o.problems import Problems
from l2o.solving.optimum import best_known
from l2o.solving.tuning import tune
from l2o.solving.usable import usable
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
    left_out : ndarray of int
        Rows of the given functions that are not among these: not finite where they start.
    f_star : ndarray, shape (m,)
        Lowest known values.
    momentum : Momentum
        Tuned on the training functions of this objective and dimension.
    """

    problems: Problems
    left_out: np.ndarray
    f_star: np.ndarray
    momentum: Momentum

    @classmethod
    def of(cls, given: Problems, momentum: Momentum, n_steps: int = SETTLED) -> Yardstick:
        """Find the lowest values from the end points of tuned momentum."""
        problems, left_out = usable(given)
        runs = momentum.simulate(problems, n_steps)
        return cls(problems, left_out, best_known(problems, runs.x[:, [0, -1]]), momentum)

    def gaps(self, method: StepMethod, n_steps: int, workers: Workers) -> np.ndarray:
        """Return f - f_star along runs of the method, (m, n_steps + 1), +inf where not finite."""
        fun = simulate(method, self.problems, n_steps, workers=workers).fun
        return np.where(np.isfinite(fun), fun - self.f_star[:, None], np.inf)


@dataclass(frozen=True, eq=False)
class Task:
    """What a trainer is given.

    Attributes
    ----------
    functions : tuple of Problems
        Functions to train on, by objective and dimension; most trainings have one.
    held_out : tuple of Problems
        Functions to choose the best policy on, of the same dimensions.
    network : Architecture
        Kind of policy.
    horizon : int
        Steps T that validation covers.
    workers : int, map-like callable or executor
        Threads.
    """

    functions: tuple[Problems, ...]
    held_out: tuple[Problems, ...]
    network: Architecture
    horizon: int = 40
    workers: Workers = 1

    @property
    def measure(self) -> str:
        """What the score is, in words."""
        return f"mean of f - f_star over k = 1..{self.horizon} and the validation functions"

    @cached_property
    def _tuned(self) -> list[Momentum]:
        # hundreds of short batches: threads would only wait
        return [tune(Momentum, usable(problems)[0], n_steps=self.horizon) for problems in self.functions]

    @cached_property
    def training(self) -> tuple[Yardstick, ...]:
        """The functions to train on with what is known of them, found when it is first asked for."""
        return tuple(map(Yardstick.of, self.functions, self._tuned))

    @cached_property
    def validation(self) -> tuple[Yardstick, ...]:
        """The functions to choose on with what is known of them, found when it is first asked for."""
        return tuple(map(Yardstick.of, self.held_out, self._tuned))

    def settle(self) -> Task:
        """Find all that is asked for later, and return the task."""
        _ = self.training, self.validation
        return self

    @property
    def only(self) -> Yardstick:
        """The training functions, where all are of one objective and dimension."""
        (functions,) = self.training
        return functions

    @property
    def dim(self) -> int | None:
        """Number of variables; None if the functions have several."""
        first, *others = (problems.dim for problems in self.functions)
        return None if any(dim != first for dim in others) else first

    def score(self, method: StepMethod) -> float:
        """Return the mean of f - f_star over k = 1..horizon and the validation functions; lower is better.

        Each objective and dimension counts as much as any other.
        """
        return float(np.mean([functions.gaps(method, self.horizon, self.workers)[:, 1:].mean()
                              for functions in self.validation]))

    def beside(self) -> dict[str, Any]:
        """Return the score of momentum, tuned for each objective and dimension, with its settings.

        With them, where there are any, the rows of the functions that are left out, for each objective and dimension.
        """
        score = float(np.mean([functions.gaps(functions.momentum, self.horizon, self.workers)[:, 1:].mean()
                               for functions in self.validation]))
        settings = [asdict(each.momentum) for each in self.training]
        left_out = {name: [each.left_out.tolist() for each in parts]
                    for name, parts in (("left_out", self.validation), ("left_out_training", self.training))}
        return {"momentum": score, "momentum_settings": settings[0] if len(settings) == 1 else settings,
                **{name: rows for name, rows in left_out.items() if any(rows)}}
