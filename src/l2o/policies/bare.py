"""Bare: a kind of policy with weights and nothing else, for a training, which runs hundreds of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o.methods import Method, Runnable, Step, StepMethod
from l2o.policies.architecture import Architecture
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["Bare"]


@dataclass(frozen=True, eq=False)
class Bare(StepMethod):
    """A policy without card, copies and checks: making a `Policy` takes as long as a run.

    Attributes
    ----------
    network : Architecture
        Its kind.
    weights : dict of ndarray
        Its weights, which must fit and must not be changed.
    """

    network: Architecture
    weights: Weights

    def starts(self, problems: Problems) -> np.ndarray:
        return self.network.beginning(self.weights)(problems)

    def serving(self, problems: Runnable) -> Method:
        method = self.network.serving(self.weights, problems)
        return self if method is None else method

    def step(self, dim: int) -> Step:
        """Return what the kernels need for problems of that dimension."""
        return replace(self.network.step(self.weights, dim), handoff=self.network.handoff)
