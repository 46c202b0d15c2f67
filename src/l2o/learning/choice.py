"""Choice: which prior, if any, saves evaluations on problems that it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from l2o.baselines import LBFGS
from l2o.learning.data_start import DataStart, Source
from l2o.learning.labels import Labels
from l2o.learning.price import Cost, Price
from l2o.learning.prior import NEWTON, Candidates, Prior, priors
from l2o.methods import Method
from l2o.problems import Problems

__all__ = ["CLASSICAL", "LEAST", "MOST", "Choice", "Engine", "choose", "lowest", "score"]

LEAST = 8  # labels without which nothing is learned: of ten problems two are held out
TARGETS = (1e-2, 1e-4, 1e-6)  # of the fall, to which evaluations are counted
END = 1e-10  # of the fall, to which time is: about where a run ends
MOST = 60  # evaluations that are looked at; what is not reached counts as twice that
BASIN = 1e-3  # of the fall: who ends so far above the lowest value known has ended in another minimum
MARGIN = np.log(1.05)  # by which a candidate must beat a simpler one
QUADRATIC_MARGIN = np.log(1.03)
CLASSICAL = "L-BFGS"  # what all scores are relative to
EVALUATION = Cost(1.0, 0.0)
NO_RIVALS: Mapping[str, Method] = {}
FOLDS = 3  # parts of the labels, each of which is held out in turn

# (problems, prior, most) -> lowest value after each of `most` evaluations, (m, most)
Engine = Callable[[Problems, Prior, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen for a family, and what it was chosen from.

    Attributes
    ----------
    name : str
        The candidate: base point, learned step or not, matrix, or Newton's method; or a method without a prior, where
        none pays.
    rule : str
        The same; if it is Newton's method, the best of the others from that base point, for runs that are not its.
    prior : Prior or None
        The prior, learned from all labels; None for a method without one.
    quadratic : bool
        Whether predictions use products of inputs.
    scores, times : dict of str to float
        For each candidate the ratio of its evaluations to those of L-BFGS, on problems held out, and of its time.
    """

    name: str
    rule: str
    prior: Prior | None
    quadratic: bool
    scores: dict[str, float]
    times: dict[str, float]


def choose(labels: Labels, engine: Engine, price: Price, rivals: Mapping[str, Method] = NO_RIVALS,
           source: Source | None = None, candidates: Candidates = priors) -> Choice:
    """Choose a prior for a family on labels held out, each third in turn, and learn it from all.

    Candidates are L-BFGS and its rivals, from the problems' own starts, then priors, simple ones first; the simplest
    that takes no more than 5 %, or one standard error of the difference, longer than the best is chosen.

    Parameters
    ----------
    labels : Labels
        At least 8.
    engine : callable
        ``engine(problems, prior, most)`` runs problems from a prior.
    price : Price
        What runs cost.
    rivals : mapping of str to Method
        Methods without a prior that may be chosen.
    source : Source, optional
        Features of the problems' data, from which starts may be predicted.
    candidates : callable
        ``candidates(labels, quadratic, data)`` learns priors, the simplest first.
    """
    if len(labels) < LEAST:
        raise ValueError(f"labels are of {len(labels)} problems; expected at least {LEAST}")
    methods = {CLASSICAL: LBFGS(), **rivals}
    without, by_inputs = _judged(labels, _Engine(engine, price), methods, source, candidates)
    quadratic, name = _best({inputs: without | each for inputs, each in by_inputs.items()})
    rule, newton = name, name.endswith(NEWTON)
    if newton:
        base = name.removesuffix(NEWTON)
        quadratic, rule = _best({inputs: {other: values for other, values in each.items()
                                          if other.startswith(base) and other != name}
                                 for inputs, each in by_inputs.items()})
    scores = without | by_inputs[quadratic]
    evaluations, times = ({each: float(np.exp((values - scores[CLASSICAL])[row].mean()))
                           for each, values in scores.items()} for row in (EVALUATIONS, TIME))
    prior = None
    if name not in methods:
        data = None if source is None else DataStart.fit(labels, source)
        prior = replace(dict(candidates(labels, quadratic, data))[rule], newton=newton)
    return Choice(name, rule, prior, quadratic, evaluations, times)


Scores = dict[str, np.ndarray]  # of each candidate on all labels, by evaluations and by time, (2, m)
EVALUATIONS, TIME = range(2)


@dataclass(frozen=True)
class _Engine:
    """What runs problems, and scores that by evaluations and by time."""

    run: Engine
    price: Price

    def of_method(self, labels: Labels, name: str, method: Method) -> np.ndarray:
        """Return the scores (2, m) of a method without a prior."""
        cost = self.price.classical if name == CLASSICAL else self.price.alone
        return score(labels, lowest(labels.problems, method), cost)

    def of_prior(self, labels: Labels, prior: Prior) -> np.ndarray:
        """Return the scores (2, m) of a prior."""
        return score(labels, self.run(labels.problems, prior, MOST), self.price.with_prior(prior))


def _judged(labels: Labels, engine: _Engine, methods: Mapping[str, Method],
            source: Source | None, candidates: Candidates) -> tuple[Scores, dict[bool, Scores]]:
    """Return the scores of methods, and those of priors with inputs as they are and with products."""
    folds = np.arange(len(labels)) % FOLDS  # neighbours in a batch are often alike
    without = {name: np.empty((2, len(labels))) for name in methods}
    of_priors: dict[bool, Scores] = {False: {}, True: {}}
    for fold in range(FOLDS):
        held = folds == fold
        kept, judged = labels[~held], labels[held]
        data = None if source is None else DataStart.fit(kept, source)
        for name, method in methods.items():
            without[name][:, held] = engine.of_method(judged, name, method)
        for quadratic, scores in of_priors.items():
            for name, prior in candidates(kept, quadratic, data):
                values = scores.setdefault(name, np.empty((2, len(labels))))
                values[:, held] = (of_priors[False][name][:, held] if quadratic and not prior.predicts  # the same prior
                                   else engine.of_prior(judged, prior))
    return without, of_priors


def _best(by_inputs: dict[bool, Scores]) -> tuple[bool, str]:
    """Return whether products of inputs pay, and the candidate to take."""
    best = {inputs: min(values.mean(axis=1)[TIME] for values in each.values()) for inputs, each in by_inputs.items()}
    quadratic = bool(best[True] < best[False] - QUADRATIC_MARGIN)
    return quadratic, _simplest({name: values[TIME] for name, values in by_inputs[quadratic].items()})


def _simplest(scores: dict[str, np.ndarray]) -> str:
    """Return the first candidate that is not clearly behind the best."""
    best = scores[min(scores, key=lambda name: scores[name].mean())]
    for name, values in scores.items():
        behind = values - best
        error = behind.std(ddof=1) / np.sqrt(len(behind))
        if behind.mean() <= max(MARGIN, error):
            return name
    raise AssertionError("the best is not behind itself")


def lowest(problems: Problems, method: Method, most: int = MOST) -> np.ndarray:
    """Return the lowest value of a method after each of its first evaluations, (m, most)."""
    made = method.serving(problems).record(problems, most - 1).evaluations[:, :most]
    made = np.pad(made, ((0, 0), (0, most - made.shape[1])), constant_values=np.inf)
    return np.minimum.accumulate(np.where(np.isfinite(made), made, np.inf), axis=1)


def score(labels: Labels, lowest: np.ndarray, cost: Cost = EVALUATION) -> np.ndarray:
    """Return for each problem the mean log of the evaluations to 1e-2, 1e-4 and 1e-6 of its fall, and log time, (2, m).

    The time is that to 1e-10. A run that ends in another minimum is counted to that one, and twice, as one that has to
    be done again; one that has not fallen half of the way is counted as not having got anywhere.

    Parameters
    ----------
    labels : Labels
        m problems with their minima.
    lowest : ndarray, shape (m, MOST)
        Lowest values after each evaluation.
    cost : Cost
        What a run costs; by default nothing but its evaluations.
    """
    end = lowest[:, -1]
    elsewhere = ~(end - labels.fun <= BASIN * labels.fall)
    floor = np.where(elsewhere, end, np.minimum(labels.fun, end))
    with np.errstate(invalid="ignore"):
        gap, rounding = lowest - floor[:, None], 1e-14 * np.abs(floor)
    lost = elsewhere & ~(labels.start - end >= 0.5 * labels.fall)
    taken = []
    for target in (*TARGETS, END):
        hit = (gap <= (target * labels.fall + rounding)[:, None]) & ~lost[:, None]
        taken.append(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, 2.0 * MOST))
    evaluations = np.log(taken[:-1]).mean(axis=0)
    return np.log(2.0) * elsewhere + np.stack([evaluations, np.log(cost(taken[-1]))])
