"""Trainer: what turns a task (functions to train and to choose on) into a policy."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from l2o.base.parallel import shown
from l2o.baselines import Momentum
from l2o.methods import StepMethod
from l2o.policies import MLP, Policy
from l2o.problems import Problems
from l2o.solving.optimum import best_known
from l2o.solving.tuning import tune
from l2o.training.checkpoint import Checkpoint
from l2o.training.trajectories import simulate

__all__ = ["Clock", "Progress", "Search", "Task", "Trainer", "Yardstick", "finite"]

Weights = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Functions with what is known of them: how far a method's values are from the lowest known.

    Attributes
    ----------
    problems : Problems
        m functions.
    f_star : ndarray, shape (m,)
        Lowest known values.
    """

    problems: Problems
    f_star: np.ndarray

    @classmethod
    def of(cls, problems: Problems, momentum: Momentum, n_steps: int) -> Yardstick:
        """Find the lowest values from the end points of tuned momentum."""
        runs = momentum.simulate(problems, n_steps)
        return cls(problems, best_known(problems, runs[0][:, [0, -1]]))

    def gaps(self, method: StepMethod, n_steps: int, workers: Any) -> np.ndarray:
        """Return f - f_star along runs of the method, (m, n_steps + 1), +inf where not finite."""
        fun = simulate(method, self.problems, n_steps, workers=workers).fun
        return np.where(np.isfinite(fun), fun - self.f_star[:, None], np.inf)


@dataclass(frozen=True, eq=False)
class Task:
    """What a trainer is given.

    Attributes
    ----------
    training : Yardstick
        Functions to train on.
    validation : Yardstick
        Functions to choose the best policy on.
    network : MLP
        Shape of the policy.
    momentum : Momentum
        Tuned on the training functions.
    horizon : int
        Steps T that validation covers.
    workers : int, map-like callable or executor
        Threads.
    """

    training: Yardstick
    validation: Yardstick
    network: MLP
    momentum: Momentum
    horizon: int = 40
    workers: Any = 1

    @classmethod
    def of(cls, training: Problems, validation: Problems, network: MLP, horizon: int, workers: Any) -> Task:
        """Tune momentum and find the lowest values."""
        momentum = tune(Momentum, training, n_steps=horizon)  # hundreds of short batches: threads would only wait
        return cls(Yardstick.of(training, momentum, 100), Yardstick.of(validation, momentum, 100), network, momentum,
                   horizon, workers)

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.training.problems.dim

    def score(self, policy: StepMethod) -> float:
        """Return the mean of f - f_star over k = 1..horizon and the validation functions; lower is better."""
        return float(self.validation.gaps(policy, self.horizon, self.workers)[:, 1:].mean())


def finite(value: Any) -> Any:
    """Return the value, or None for a number that JSON does not have."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


class Clock:
    """Seconds spent in each part of a training, and in all, over its sittings.

    Parameters
    ----------
    parts, total, sittings : dict of float, float, int
        Those of the sittings before this one.
    """

    def __init__(self, parts: dict[str, float] | None = None, total: float = 0.0, sittings: int = 0) -> None:
        self.seconds: dict[str, float] = dict(parts or {})
        self.sittings = sittings + 1
        self._begun = time.perf_counter() - total

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start

    @property
    def total(self) -> float:
        """Seconds in all."""
        return time.perf_counter() - self._begun

    def state(self) -> dict[str, Any]:
        """Return what the clock of the next sitting starts from."""
        return {"parts": self.seconds, "total": self.total, "sittings": self.sittings}


class Search(Protocol):
    """What a trainer does round after round. Its state is all that a round leaves to the next, but for the generator.

    Attributes
    ----------
    round : int
        Rounds that are done.
    """

    round: int

    def state(self) -> dict[str, Any]:
        """Return the state: numbers, arrays, records of `checkpoint.RECORDS`, dicts of them."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""


@dataclass
class Progress:
    """The best weights seen on the validation functions, and the course of the training."""

    task: Task
    clock: Clock = field(default_factory=Clock)
    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(None))
    weights: Weights = field(default_factory=dict)
    score: float = np.inf
    course: list[dict[str, Any]] = field(default_factory=list)

    def offer(self, weights: Weights, **facts: Any) -> float:
        """Score the weights, keep them if they are the best, and note the facts."""
        with self.clock("validation"):
            score = self.task.score(Policy(self.task.network, weights))
        if not self.weights or score < self.score:
            self.weights, self.score = weights, score
        facts["validation"] = score
        self.course.append({key: finite(value) for key, value in facts.items()})
        return score

    def resumed(self, search: Search) -> bool:
        """Put a search where the checkpoint has it, and say whether it has it."""
        state = self.checkpoint.state.get("search")
        if state is not None:
            search.restore(state)
            self.checkpoint.rewind()  # what making the search has drawn was drawn before
        return state is not None

    def rounds(self, search: Search, n_rounds: int, show: bool, label: str) -> Iterator[int]:
        """Yield the numbers of the rounds that are left; before the first and after each the search is kept."""
        if self.checkpoint.state.get("search") is None:
            self.keep(search=search.state())
        for i in shown(range(search.round, n_rounds), show, n_rounds - search.round, label):
            yield i
            self.keep(search=search.state())

    def keep(self, **parts: Any) -> None:
        """Write the checkpoint, with these parts of its state new."""
        best = {"weights": self.weights, "score": self.score, "course": self.course}
        self.checkpoint.keep(progress=best, clock=self.clock.state(), **parts)


class Trainer(ABC):
    """Train the weights of a policy. A subclass is a frozen dataclass of its settings."""

    @abstractmethod
    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator, show: bool) -> None:
        """Train from the weights (None: from random ones), offering what is found to `progress`.

        One that goes through ``progress.rounds`` goes on from the middle of a checkpoint, others from their start.
        """

    def card(self) -> dict[str, Any]:
        """Return the settings as a record that JSON holds."""
        return {"kind": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]
