"""Price: about how long runs take, so that what saves evaluations and takes more time for it is not chosen.

Beside its evaluations a run takes time for its steps, and one from a prior for its beginning. These times are a model,
in microseconds, measured once, since a choice by the clock would be another one each time. So is that of an evaluation,
by the numbers that it reads; the clock is asked only whether it takes many times as long, and steps next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import thread_time
from typing import cast

import numpy as np

from l2o.baselines.newton import at_once
from l2o.learning.prior import Prior
from l2o.policies.prior import PriorShape
from l2o.policies.trainable import Expectant
from l2o.problems import Problems

__all__ = ["Cost", "Price"]

CALL, NUMBER = 0.08, 0.00025  # of an evaluation, and of a number of the data in it
OWN_NUMBER = 0.0025  # of a number where the user wrote the objective, with an exponential or so
DEAR = 8.0  # times the model's, from which the clock's price counts
ROUNDS = 3  # of the clock, the shortest of which counts
SHARE = 0.35, 0.2  # of an evaluation's time that a Hessian takes, and for each variable
SHARE_AT_ONCE = 0.05, 0.14  # where it comes with the value
OWN_SHARE = 1.0, 0.5  # where the user wrote it
LOOP = 0.1  # of a trial of a policy, beside its step
SOLVING, CUBED = 0.12, 0.00026  # of a step of Newton's method, and of each of d^3 operations
READ = 0.0004  # of a number of the data that is in no near cache: where a run begins, and where a start is predicted
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
    hessian : float
        How many times as long a Hessian takes.
    size : float
        Numbers of the data of a problem.
    """

    kind: Expectant
    dim: int
    evaluation: float
    hessian: float
    size: float = 0.0

    @classmethod
    def of(cls, kind: Expectant, problems: Problems) -> Price:
        """Return the price for some problems of a family."""
        model, measured = cls.modelled(kind, problems), _clocked(problems)
        dear = measured > DEAR * model.evaluation
        return replace(model, evaluation=2.0 ** float(np.round(np.log2(measured)))) if dear else model

    @classmethod
    def modelled(cls, kind: Expectant, problems: Problems) -> Price:
        """Return the price as the model has it; the clock is not asked."""
        number, share = (NUMBER, SHARE) if problems.kernel.source is None else (OWN_NUMBER, OWN_SHARE)
        if at_once(problems):
            share = SHARE_AT_ONCE
        dim = problems.dim
        return cls(kind, dim, CALL + number * problems.mean_size, share[0] + share[1] * dim, problems.mean_size)

    @property
    def classical(self) -> Cost:
        """What a run of L-BFGS costs."""
        return Cost(self.evaluation, 0.11 + 0.0165 * self.dim, READ * self.size, free=2)

    @property
    def alone(self) -> Cost:
        """What a run without a prior costs."""
        return Cost(self.evaluation, self._step(None), READ * self.size)

    def with_prior(self, prior: Prior) -> Cost:
        """Return what a run from a prior costs."""
        step = self._newton if prior.newton else self._step(prior.shape)
        return Cost(self.evaluation, step, self._beginning(prior))

    @property
    def newton_weight(self) -> float:
        """How many evaluations of L-BFGS take as long as one of Newton's method, each with its step."""
        return (self.evaluation + self._newton) / (self.evaluation + self.classical.step)

    def by_newton(self, nfev: np.ndarray, nit: np.ndarray) -> np.ndarray:
        """Return the evaluations from a prior that take as long as runs of Newton's method."""
        return (self.evaluation * nfev + self._newton * nit) / (self.evaluation + self._step(PriorShape()))

    @property
    def _newton(self) -> float:
        """Of a step of Newton's method, with the Hessian."""
        return self.hessian * self.evaluation + SOLVING + CUBED * self.dim**3

    def _step(self, shape: PriorShape | None) -> float:
        return cast(Expectant, self.kind.with_prior(shape)).step_time(self.dim) + LOOP

    def _beginning(self, prior: Prior) -> float:
        d, shape, total = self.dim, prior.shape, READ * self.size
        if shape.predicts:
            total += SEEN * (d + 2) + PRODUCT * shape.n_inputs(d) * shape.n_outputs(d)
        if shape.curvature in ("diagonal", "full"):
            total += CUBE * d**3
        return total if shape.data is None else total + shape.data.time(d) + READ * self.size


def _clocked(problems: Problems) -> float:
    """Return the microseconds of an evaluation by the clock of this thread."""
    taken = []
    for _ in range(ROUNDS):
        begun = thread_time()
        problems.value_and_grad(problems.x0)
        taken.append(thread_time() - begun)
    return 1e6 * min(taken) / len(problems)
