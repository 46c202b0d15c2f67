"""Price: about how long runs take, so that what saves evaluations and takes more time for it is not chosen.

Beside its evaluations a run takes time for its steps, and one from a prior for its beginning. These times are a model,
in microseconds, measured once, since a choice by the clock would be another one each time. So is that of an evaluation,
by the numbers that it reads; the clock is asked only whether it takes many times as long, and steps next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import thread_time
from typing import cast

import numpy as np

from l2o.learning.prior import Prior
from l2o.policies.prior import PriorShape
from l2o.policies.trainable import Expectant
from l2o.problems import Problems

__all__ = ["Cost", "Price"]

CALL, NUMBER = 0.08, 0.00025  # of an evaluation, and of a number of the data in it
OWN_NUMBER = 0.0025  # of a number where the user wrote the objective, with an exponential or so
DEAR = 8.0  # times the model's, from which the clock's price counts
ROUNDS = 3  # of the clock, the shortest of which counts
SEEN, PRODUCT, CUBE = 0.02, 0.0004, 0.0002  # of a prediction: an input, a product with a coefficient, one of a matrix


@dataclass(frozen=True)
class Cost:
    """Microseconds of a run.

    Attributes
    ----------
    evaluation, step : float
        Of each evaluation, and of each step after the first `free` evaluations.
    start : float
        Of the beginning.
    free : int
        Evaluations without a step of full price after them.
    """

    evaluation: float
    step: float
    start: float = 0.0
    free: int = 1

    def __call__(self, evaluations: np.ndarray) -> np.ndarray:
        """Return the time of runs of so many evaluations."""
        steps = np.maximum(evaluations - self.free, 0.0)
        return self.start + self.evaluation * evaluations + self.step * steps


@dataclass(frozen=True)
class Price:
    """What runs of a family cost by L-BFGS, and by a kind of policy with a prior and without.

    Attributes
    ----------
    kind : Expectant
        The kind.
    dim : int
        Number of variables.
    evaluation : float
        Microseconds of an evaluation.
    """

    kind: Expectant
    dim: int
    evaluation: float

    @classmethod
    def of(cls, kind: Expectant, problems: Problems) -> Price:
        """Return the price for some problems of a family."""
        model, measured = cls.modelled(kind, problems), _clocked(problems)
        dear = measured > DEAR * model.evaluation
        return cls(kind, problems.dim, 2.0 ** float(np.round(np.log2(measured)))) if dear else model

    @classmethod
    def modelled(cls, kind: Expectant, problems: Problems) -> Price:
        """Return the price as the model has it; the clock is not asked."""
        number = NUMBER if problems.kernel.source is None else OWN_NUMBER
        return cls(kind, problems.dim, CALL + number * problems.mean_size)

    @property
    def classical(self) -> Cost:
        """What a run of L-BFGS costs."""
        return Cost(self.evaluation, 0.11 + 0.0165 * self.dim, free=2)

    @property
    def alone(self) -> Cost:
        """What a run without a prior costs."""
        return Cost(self.evaluation, self._step(None))

    def with_prior(self, prior: Prior) -> Cost:
        """Return what a run from a prior costs."""
        return Cost(self.evaluation, self._step(prior.shape), self._beginning(prior))

    def _step(self, shape: PriorShape | None) -> float:
        return cast(Expectant, self.kind.with_prior(shape)).step_time(self.dim)

    def _beginning(self, prior: Prior) -> float:
        d, shape, total = self.dim, prior.shape, 0.0
        if shape.predicts:
            total += SEEN * (d + 2) + PRODUCT * shape.n_inputs(d) * shape.n_outputs(d)
        if shape.curvature in ("diagonal", "full"):
            total += CUBE * d**3
        return total if shape.data is None else total + shape.data.time(d)


def _clocked(problems: Problems) -> float:
    """Return the microseconds of an evaluation by the clock of this thread."""
    taken = []
    for _ in range(ROUNDS):
        begun = thread_time()
        problems.value_and_grad(problems.x0)
        taken.append(thread_time() - begun)
    return 1e6 * min(taken) / len(problems)
