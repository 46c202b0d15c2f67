"""Progress: the best weights of a training so far, its course, its clock, and what is kept on file of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from l2o.base.parallel import shown
from l2o.methods import StepMethod
from l2o.policies import Architecture
from l2o.policies.bare import Bare
from l2o.policies.kinds import architecture
from l2o.policies.weights import Weights
from l2o.training.checkpoint import Checkpoint
from l2o.training.task import Task

__all__ = ["Clock", "Judge", "Progress", "State", "finite"]


def finite(value: float) -> float | None:
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


class State(Protocol):
    """What a round of a trainer leaves to the next: a frozen dataclass, of those in `Trainer.records`.

    Its fields are numbers, arrays, None, such records, and dicts of them. All that the next round needs is in it, but
    for what follows from the arguments of the training alone, and the generator, which is kept beside it.
    """

    @property
    def round(self) -> int:
        """Rounds that are done."""


class Judge(Protocol):
    """What policies are compared by, on the validation functions."""

    @property
    def measure(self) -> str:
        """What the score is, in words."""

    def score(self, method: StepMethod) -> float:
        """Return the score of a policy; lower is better."""

    def beside(self) -> dict[str, Any]:
        """Return what a card says beside the score of the policy: that of a rival, and how it was found."""


S = TypeVar("S", bound=State)


@dataclass
class Progress:
    """The best weights seen on the validation functions, and the course of the training.

    Attributes
    ----------
    task : Task
        What is trained on.
    clock : Clock
        Seconds.
    checkpoint : Checkpoint
        The file, if there is one.
    weights, score : dict of ndarray, float
        The best so far, and what they reach.
    course : list of dict
        What was offered, in order.
    measure : str
        What `score` is, in words.
    show : bool
        Whether rounds move a progress bar.
    judge : Judge, optional
        What scores policies; by default the task.
    """

    task: Task
    clock: Clock = field(default_factory=Clock)
    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(None))
    weights: Weights = field(default_factory=dict)
    score: float = np.inf
    course: list[dict[str, Any]] = field(default_factory=list)
    measure: str = ""
    show: bool = False
    judge: Judge | None = None

    @classmethod
    def resumed(cls, task: Task, clock: Clock, checkpoint: Checkpoint, show: bool) -> Progress:
        """Return the progress that a checkpoint holds, of the kind of policy that was trained last; or a new one."""
        kept = dict(checkpoint.state.get("progress", {}))
        if "network" in kept:
            task = replace(task, network=architecture(kept.pop("network")))
        return cls(task, clock, checkpoint, **kept, show=show)

    def judged_by(self, judge: Judge) -> None:
        """Compare policies by another judge from here on; the best so far is judged anew."""
        self.judge = judge
        if self.weights and self.measure != judge.measure:
            self.score = self._score(self.weights)
        self.measure = judge.measure

    def become(self, network: Architecture, weights: Weights, **facts: Any) -> float:
        """Train another kind of policy from here on; what was best so far is forgotten. Offer its weights."""
        self.task, self.weights = replace(self.task, network=network), {}
        return self.offer(weights, **facts)

    def extend(self, network: Architecture, weights: Weights) -> None:
        """Train a larger kind of policy from here on, with weights that do what the best so far do."""
        self.task, self.weights = replace(self.task, network=network), weights

    def _score(self, weights: Weights) -> float:
        with self.clock("validation"):
            return (self.judge or self.task).score(Bare(self.task.network, weights))

    def offer(self, weights: Weights, **facts: Any) -> float:
        """Score the weights, keep them if they are the best, and note the facts."""
        score = self._score(weights)
        if not self.weights or score < self.score:
            self.weights, self.score = weights, score
        facts["validation"] = score
        self.course.append({key: finite(value) for key, value in facts.items()})
        return score

    def rounds(self, begin: Callable[[], S], advance: Callable[[S], S], n_rounds: int, label: str,
               enough: Callable[[S], bool] = lambda state: False) -> S:
        """Go from state to state, each kept in the checkpoint; return the last.

        Parameters
        ----------
        begin : callable
            Makes the state before the first round. It is not called where the checkpoint has a state.
        advance : callable
            Makes the state after a round from the one before it, which it leaves as it is.
        n_rounds : int
            Rounds in all.
        label : str
            What a progress bar calls them.
        enough : callable, optional
            Whether a state is the last, before all rounds are done.
        """
        state = self.checkpoint.state.get("search")
        if state is None:
            state = begin()
            self.keep(search=state)
        for _ in shown(range(state.round, n_rounds), self.show, n_rounds - state.round, label):
            if enough(state):
                break
            state = advance(state)
            self.keep(search=state)
        return state

    def keep(self, **parts: Any) -> None:
        """Write the checkpoint, with these parts of its state new."""
        best = {"network": self.task.network.card(), "weights": self.weights, "score": self.score,
                "course": self.course, "measure": self.measure}
        self.checkpoint.keep(progress=best, clock=self.clock.state(), **parts)
