"""CurvatureRegression: learn where a family's problems begin, their first step and their curvature, in closed form.

What is learned, and what from, is in the room l2o.learning; docs/learning-a-family.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Card
from l2o.baselines import LBFGS
from l2o.learning.choice import CLASSICAL, LEAST, Choice, choose, lowest, score
from l2o.learning.data_start import DataStart, Source
from l2o.learning.engine import lowest_values
from l2o.learning.labels import Labels
from l2o.learning.price import Price
from l2o.learning.prior import Prior, candidates_of
from l2o.methods import Method, StepMethod
from l2o.policies import Architecture, Policy, QuasiNewton, load
from l2o.policies.data_start import Features, name_of
from l2o.policies.trainable import Expectant
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.solving.starts import begun
from l2o.training.progress import Clock, Progress
from l2o.training.task import Task
from l2o.training.trainer import Trainer

__all__ = ["CurvatureRegression"]

RULE = "the rule without a prior"


@dataclass(frozen=True)
class CurvatureRegression(Trainer):
    """Learn a prior for the problems of a family by regression; about a second for 100 problems.

    The training solves each problem and learns to predict its minimiser and Hessian from the value and the gradient at
    a base point. Some thirty priors of different kinds compete with L-BFGS and with the rule without a prior, on
    problems that they were not learned from; the simplest within 5 % of the best is then learned from all. Problems
    without a minimum are left out, and the card counts them; if fewer than eight are left, nothing is learned. This
    pays if the variables mean the same from problem to problem. Use `EvolutionStrategy` for families where they do not,
    and after this training to adapt the constants of the rule.

    Parameters
    ----------
    n_starts : int
        Starts from which each training problem is solved; the lowest end counts.
    newton : bool
        Whether Newton's method from a learned start competes, too, where the family has a Hessian. If it takes the
        least time, `minimize_many` uses it for batches of 192 or more; single runs, smaller batches and objectives
        without a Hessian are left to the rule.
    features : callable, optional
        ``features(data) -> (k,)``: the inputs of the prediction of starts. It must be a function of a module, which the
        policy finds again by its name. `data` is the table (rows, columns) of a problem of `l2o.families.Custom`, and
        the data block of other problems. By default the inputs are the entries that vary, if the data blocks of all
        problems have one shape.
    """

    asks: ClassVar[type] = Expectant
    policy: ClassVar[type[Architecture]] = QuasiNewton

    n_starts: int = 3
    newton: bool = True
    features: Features | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_starts", arguments.count("n_starts", self.n_starts))
        object.__setattr__(self, "newton", arguments.flag("newton", self.newton))
        if self.features is not None:
            name_of(self.features)

    def card(self) -> Card:
        """Return the settings as a record that JSON holds: of the function of features its name."""
        name = None if self.features is None else name_of(self.features)
        return {"kind": type(self).__name__, "n_starts": self.n_starts, "newton": self.newton, "features": name}

    def judge(self, task: Task, clock: Clock) -> Held:
        """Return the validation functions, solved."""
        with clock("labels"):
            return Held.of(task, self.n_starts)

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Learn a prior, and offer the rule that begins with it, or without one where none pays."""
        task = progress.task
        with progress.clock("labels"):
            (functions,) = task.functions
            if len(functions) < LEAST:
                raise ValueError(f"family has {len(functions)} training functions, without those held out; expected at "
                                 f"least {LEAST}")
            labels = Labels.of(functions, self.n_starts, rng)
        with progress.clock("choice"):
            kind = cast(Expectant, task.network)
            rule = self._rule(kind)
            price = Price.of(kind, functions)
            choice, features = self._choice(labels, price, rule)
        facts = {"choice": choice.name, "rule": choice.rule, "quadratic": choice.quadratic, "scores": choice.scores,
                 "times": choice.times, "microseconds": price.evaluation, "n_labels": len(labels),
                 "data_features": features, **_left_out(labels, len(functions))}
        prior = None if choice.prior is None else choice.prior.gated(labels)
        network = kind.with_prior(None if prior is None else prior.shape)
        if prior is None:
            progress.become(network, rule.weights, **facts)
        else:
            constants = network.initial(task.dim, rng)
            progress.become(network, {**constants, **prior.weights()}, **facts)

    def _rule(self, kind: Expectant) -> Policy:
        """Return the policy without a prior: the shipped one, or, as Newton needs none, the constants by hand."""
        if kind.shipped is not None:
            return load(kind.shipped)
        network = kind.with_prior(None)
        return Policy(network, network.initial(None, np.random.default_rng(0)))

    def _choice(self, labels: Labels, price: Price, rule: Policy) -> tuple[Choice, int | str]:
        """Return the choice, and the number of data features or why there are none.

        With too few minima to learn from it is the rule without a prior.
        """
        if len(labels) < LEAST:
            return Choice(RULE, RULE, None, False, {}, {}), "too few functions to learn from"
        source, why_not = Source.of(labels.problems, self.features)
        engine = partial(lowest_values, kind=price.kind)
        choice = choose(labels, engine, price, {RULE: rule}, source, partial(self._candidates, price.kind))
        return choice, why_not if source is None else source.shape.n_features


    def _candidates(self, kind: Expectant, labels: Labels, quadratic: bool,
                    data: DataStart | None) -> list[tuple[str, Prior]]:
        """Return the priors that compete."""
        candidates = candidates_of(kind)(labels, quadratic, data)
        return [(name, prior) for name, prior in candidates if self.newton or not prior.newton]


def _left_out(labels: Labels, given: int) -> dict[str, Any]:
    """Return what a card says of functions without a label: how many by reason, and which."""
    if not labels.left_out:
        return {}
    return {"left_out": labels.left_out, "left_out_rows": np.delete(np.arange(given), labels.rows).tolist()}


@dataclass(frozen=True, eq=False)
class Held:
    """Validation functions with their minima: a policy's score is the mean log ratio of evaluations to L-BFGS's."""

    labels: Labels
    rival: np.ndarray
    measure = "mean log ratio of evaluations to those of L-BFGS, over tolerances of 1e-2, 1e-4, 1e-6 of the fall of f"

    @classmethod
    def of(cls, task: Task, n_starts: int) -> Held:
        """Solve the validation functions."""
        (functions,) = task.held_out
        labels = Labels.of(functions, n_starts, np.random.default_rng(0))
        if len(labels) == 0:
            raise ValueError(f"none of the {len(functions)} validation functions has a minimum: {labels.left_out}; "
                             "expected one that does")
        return cls(labels, _by_evaluations(labels, labels.problems, LBFGS()))

    def score(self, method: StepMethod) -> float:
        """Return the score of a policy; it begins where it begins by itself."""
        own = _by_evaluations(self.labels, begun(self.labels.problems, method), method)
        return float((own - self.rival).mean())

    def beside(self) -> dict[str, Any]:
        """Return what L-BFGS scores, and which validation functions are not among these."""
        return {CLASSICAL: 0.0, **({"left_out": self.labels.left_out} if self.labels.left_out else {})}


def _by_evaluations(labels: Labels, problems: Problems, method: Method) -> np.ndarray:
    """Return the scores (m,) of a method by the evaluations that it takes from the problems' starts."""
    return score(labels, lowest(problems, method))[0]
