"""StartRegression: learn where least-squares fits of a family begin, and how their damping does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from l2o.baselines.damping import DAMPING, TEXTBOOK
from l2o.learning.points_start import MOST_COMPONENTS, learn_points_start, nodes_of
from l2o.learning.values_start import ORDERS, are_enough, learn_start
from l2o.methods import StepMethod
from l2o.policies import Architecture, LevenbergMarquardt
from l2o.policies.points_start import PointsShape
from l2o.policies.values_start import ValuesShape
from l2o.policies.weights import Weights
from l2o.training.curve_trials import Fits, Outcome, Trials, Way
from l2o.training.progress import Clock, Progress
from l2o.training.task import Task
from l2o.training.trainer import Trainer

__all__ = ["StartRegression"]

LEAST = 20  # curves without which nothing is learned
FOLDS = 3  # one part of so many is held out, to choose by
POLYNOMIALS = (*ORDERS, (10, 8, 4), (12, 8, 6, 3), (14, 10, 6, 4))
FIRST = (1e-3, 1e-2, 1e-1, 1.0)  # dampings that are tried


@dataclass(frozen=True)
class StartRegression(Trainer):
    """Learn where least-squares fits of a family begin, by regression on their values; seconds for 1,000 curves.

    The training curves are fitted from their own starts. Then the own start, a constant, and polynomials of the values,
    up to products of five of their leading components, compete on a third of the curves that they were not learned
    from. Then dampings compete from the start that has won: five first ones of the textbook's rules, and the learned
    one for losses that are fitted by it. What counts is the mean logarithm of the evaluations of a fit, twice where it
    ends above the best minimum; of what is about as good the simplest is taken. Where curves differ in their points,
    their principal components, as their own points tell them, take the place of the values.
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
            way = _own(fits.source.loss.damping)
            progress.become(way.kind, way.weights, choice=f"own: fewer than {LEAST} curves to learn from", **facts)
            return
        with progress.clock("choice"):
            held = np.arange(len(usable)) % FOLDS == FOLDS - 1
            trials = Trials(fits.some(usable[held]), own.some(usable[held]))
            ways = _starts(fits.some(usable[~held]), own.x[usable[~held]])
            start = trials.best(ways)
            damping = trials.best(_dampings(start, ways[start], fits.source.loss.damping))
        with progress.clock("all"):
            way = _starts(fits.some(usable), own.x[usable], start)[start]
            way = _dampings(start, way, fits.source.loss.damping)[damping]
        progress.become(way.kind, way.weights, choice=damping, scores=trials.scores(), **facts)


def _own(damping: str) -> Way:
    kind = LevenbergMarquardt(damping)
    return Way(kind, kind.initial())


def _starts(fits: Fits, x: np.ndarray, wanted: str | None = None) -> dict[str, Way]:
    """Return starts by name, the simplest first, learned from fits that have ended at x (m, d); or the one wanted."""
    usual, base, common = fits.source.loss.damping, np.median(x, axis=0), fits.common()
    kind = LevenbergMarquardt(usual, constant=True)
    constant = Way(kind, {**kind.initial(len(base)), "base": base})
    ways = {"own": _own(usual), "constant": constant}
    if common is None:
        return ways | _by_points(fits, x, constant, wanted)
    points, y = common
    (m, n), k = y.shape, points.shape[1]
    for orders in POLYNOMIALS:
        name = " ".join(["values", *map(str, orders)])
        if wanted == name or (wanted is None and are_enough(m, n, orders)):
            start, _ = learn_start(y, x, (orders,))
            begun = replace(kind, values=ValuesShape(n, k, start.orders))
            ways[name] = Way(begun, {**constant.weights, **start.weights(points)})
    return ways


def _by_points(fits: Fits, x: np.ndarray, constant: Way, wanted: str | None) -> dict[str, Way]:
    """Return starts by values at any points, as `_starts`."""
    curves = fits.joined()
    nodes = nodes_of(curves[0])
    ways: dict[str, Way] = {}
    if nodes is None:
        return ways
    for orders in POLYNOMIALS:
        name = " ".join(["points", *map(str, orders)])
        if wanted == name or (wanted is None and are_enough(len(x), MOST_COMPONENTS, orders)):
            start, _ = learn_points_start(fits.source.model, nodes, curves, x, (orders,))
            shape = PointsShape(len(nodes), nodes.shape[1], start.basis.shape[1] - 1, start.values.orders)
            ways[name] = Way(replace(constant.kind, points=shape), {**constant.weights, **start.weights()})
    return ways


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
