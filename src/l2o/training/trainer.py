"""Trainer: what turns a task, functions to train and to choose on, into weights of a policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import ClassVar

import numpy as np

from l2o.base.typing import Card
from l2o.policies import MLP, Architecture
from l2o.policies.weights import Weights
from l2o.training.progress import Clock, Judge, Progress
from l2o.training.task import Task

__all__ = ["Trainer"]


class Trainer(ABC):
    """Train the weights of a policy. A subclass is a frozen dataclass of its settings.

    Attributes
    ----------
    asks : type
        What a kind of policy must be for it: `Architecture`, which is all kinds, or a protocol of
        policies/trainable.py.
    mixtures : bool
        Whether it trains on functions of several objectives and dimensions at once.
    policy : type
        The kind that it trains if none is named.
    records : tuple of type
        Dataclasses that its state is made of, if it has one: `Progress.rounds` keeps them in a checkpoint.
    """

    asks: ClassVar[type] = Architecture
    mixtures: ClassVar[bool] = False
    policy: ClassVar[type[Architecture]] = MLP
    records: ClassVar[tuple[type, ...]] = ()

    def judge(self, task: Task, clock: Clock) -> Judge:
        """Return what scores policies on the validation functions; the task itself, unless a trainer has its own."""
        with clock("tuning momentum"):
            return task.settle()

    @abstractmethod
    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Train from the weights (None: from random ones), offering what is found to `progress`.

        One that goes through ``progress.rounds`` goes on from the middle of a checkpoint, others from their start.
        """

    def card(self) -> Card:
        """Return the settings as a record that JSON holds."""
        return {"kind": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]
