"""StartRegression: learn where least-squares fits of a family begin, and how their damping does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from l2o.baselines.damping import DAMPING, TEXTBOOK
from l2o.methods import StepMethod
from l2o.policies import Architecture, LevenbergMarquardt
from l2o.policies.weights import Weights
from l2o.training.curve_trials import Fits, Outcome, Trials, Way
from l2o.training.progress import Clock, Progress
from l2o.training.start_plans import CONSTANT, OWN, Plan, plans_for, with_any_points
from l2o.training.task import Task
from l2o.training.trainer import Trainer

__all__ = ["StartRegression"]

LEAST = 20  # curves without which nothing is learned
FOLDS = 3  # one part of so many is held out, to choose by
FIRST = (1e-3, 1e-2, 1e-1, 1.0)  # dampings that are tried


@dataclass(frozen=True)
class StartRegression(Trainer):
    """Learn where least-squares fits of a family begin, by regression on their values; seconds for 1,000 curves.

    The training curves are fitted from their own starts. Then the own start, a constant, and polynomials of the values,
    up to products of five of their leading components, compete on a third of the curves that they were not learned
    from. The best polynomial competes with one of the principal components that the values tell, and with starts of the
    central nine tenths of the curves alone. Curves at other points begin by these components, too.

    Then dampings compete from the start that has won: five first ones of the textbook's rules, and the learned one for
    losses that are fitted by it. What counts is the mean logarithm of the evaluations of a fit, twice where it ends
    above the best minimum; of what is about as good the simplest is taken.
    """

    asks: ClassVar[type] = LevenbergMarquardt
    policy: ClassVar[type[Architecture]] = LevenbergMarquardt

    def judge(self, task: Task, clock: Clock) -> Held:
        """Return the validation curves, fitted from their own starts."""
        with clock("labels"):
            fits = Fits.of(task.held_out[0])
            return Held(fits, fits.by(None))

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Learn a start and a damping, and offer the policy."""
        fits = Fits.of(progress.task.functions[0])
        with progress.clock("labels"):
            own = fits.by(None)
        usable = np.flatnonzero(own.usable)
        facts: dict[str, Any] = {"n_labels": len(usable), "left_out": len(own.usable) - len(usable)}
        if len(usable) < LEAST:
            way = cast(Way, OWN.way(fits, own.x))
            progress.become(way.kind, way.weights, choice=f"own: fewer than {LEAST} curves to learn from", **facts)
            return
        with progress.clock("choice"):
            held = np.arange(len(usable)) % FOLDS == FOLDS - 1
            trials = Trials(fits.some(usable[held]), own.some(usable[held]))
            learn, name = _chosen(trials, fits.some(usable[~held]), own.x[usable[~held]])
            damping = trials.best(_dampings(name, trials.ways[name], fits.source.loss.damping))
        with progress.clock("all"):
            way = learn(fits.some(usable), own.x[usable]) or trials.ways[name]  # more curves have more points
            way = _dampings(name, way, fits.source.loss.damping)[damping]
        progress.become(way.kind, way.weights, choice=damping, scores=trials.scores(), **facts)


def _chosen(trials: Trials, fits: Fits, x: np.ndarray) -> tuple[Callable[[Fits, np.ndarray], Way | None], str]:
    """Try what can be learned of fits that have ended at x (m, d); return what learns the best, and its name.

    A polynomial is tried on its own first, then with the components in place of the values, then of central curves.
    What tells nothing is left out.
    """
    def best(plans: Sequence[Plan]) -> Plan:
        named = {each.name: each for each in plans}
        ways = {name: each.way(fits, x) for name, each in named.items() if name not in trials.ways}
        new = {name: way for name, way in ways.items() if way is not None}
        return named[trials.best(new, [name for name in named if name in new or name in trials.ways])]

    plan = best(plans_for(fits))
    if not plan.is_polynomial:
        return plan.way, plan.name
    points = plan._replace(by="points")
    plan = best([plan, points])
    plan = best([plan, plan._replace(central=True)])
    if points.name in trials.ways and plan.by == "values" and trials.cost(points.name) < trials.cost(CONSTANT.name):
        return partial(with_any_points, plan), plan.name
    return plan.way, plan.name


def _dampings(name: str, way: Way, usual: str) -> dict[str, Way]:
    """Return a way to begin with each of the dampings, by the name of the start and theirs.

    They are some first ones of the textbook's rules, and before them the loss's usual rule, if that has none.
    """
    more = float(DAMPING["more"](None).numbers[0])
    others = {each: value for each, value in way.weights.items() if each != "factor"}
    ways = {} if usual in TEXTBOOK else {f"{name}, {usual}": Way(replace(way.kind, damping=usual), others)}
    return ways | {f"{name}, {rule} {first:g}": Way(replace(way.kind, damping=rule),
                                                    {**others, "factor": np.log([first])})
                   for rule, first in (("more", more), *(("nielsen", each) for each in FIRST))}


@dataclass(frozen=True, eq=False)
class Held:
    """Validation curves: a policy's score is the mean log ratio of its evaluations to those from the own starts."""

    fits: Fits
    own: Outcome
    measure = "mean log ratio of evaluations to those from the own start; a fit that ends above the lower counts twice"

    def score(self, method: StepMethod) -> float:
        """Return the score of a policy."""
        found = self.fits.by(method)
        lowest = np.minimum(found.chi2, self.own.chi2)
        return found.cost(lowest) - self.own.cost(lowest)

    def beside(self) -> dict[str, float]:
        """Return the score of fits from the own starts."""
        return {"own start": 0.0}
