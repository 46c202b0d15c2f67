"""Choice: which prior, if any, saves evaluations on problems that it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from l2o.base.watch import heard
from l2o.baselines import LBFGS
from l2o.learning.data_start import DataStart, Source
from l2o.learning.labels import Labels
from l2o.learning.prior import Candidates, Prior, priors
from l2o.methods import Method
from l2o.problems import Problems

__all__ = ["CLASSICAL", "LEAST", "MOST", "Choice", "Engine", "choose", "lowest", "score"]

LEAST = 8  # labels without which nothing is learned: of ten problems two are held out
TARGETS = (1e-2, 1e-4, 1e-6)  # of the fall, to which evaluations are counted
MOST = 60  # evaluations that are looked at; what is not reached counts as twice that
BASIN = 1e-3  # of the fall: who ends so far above the lowest value known has ended in another minimum
MARGIN = np.log(1.05)  # by which a candidate must beat a simpler one
QUADRATIC_MARGIN = np.log(1.03)
CLASSICAL = "L-BFGS"  # what all scores are relative to
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
        The candidate: base point, learned step or not, matrix; or a method without a prior, where none pays.
    prior : Prior or None
        The prior, learned from all labels; None for a method without one.
    quadratic : bool
        Whether predictions use products of inputs.
    scores : dict of str to float
        For each candidate the ratio of its evaluations to those of L-BFGS, on problems held out.
    """

    name: str
    prior: Prior | None
    quadratic: bool
    scores: dict[str, float]


def choose(labels: Labels, engine: Engine, rivals: Mapping[str, Method] = NO_RIVALS,
           source: Source | None = None, candidates: Candidates = priors) -> Choice:
    """Choose a prior for a family on labels held out, each third in turn, and learn it from all.

    Candidates are L-BFGS and its rivals, from the problems' own starts, then priors, simple ones first; the simplest
    that is no more than 5 %, or one standard error of the difference, behind the best is chosen.

    Parameters
    ----------
    labels : Labels
        At least 8.
    engine : callable
        ``engine(problems, prior, most)`` runs problems from a prior.
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
    without, by_inputs = _judged(labels, engine, methods, source, candidates)
    best = {quadratic: min(map(np.mean, (without | each).values())) for quadratic, each in by_inputs.items()}
    quadratic = bool(best[True] < best[False] - QUADRATIC_MARGIN)
    scores = without | by_inputs[quadratic]
    name = _simplest(scores)
    ratios = {each: float(np.exp((values - scores[CLASSICAL]).mean())) for each, values in scores.items()}
    prior = None
    if name not in methods:
        data = None if source is None else DataStart.fit(labels, source)
        prior = dict(candidates(labels, quadratic, data))[name]
    return Choice(name, prior, quadratic, ratios)


Scores = dict[str, np.ndarray]  # of each candidate on all labels, (m,)


def _judged(labels: Labels, engine: Engine, methods: Mapping[str, Method],
            source: Source | None, candidates: Candidates) -> tuple[Scores, dict[bool, Scores]]:
    """Return the scores of methods, and those of priors with inputs as they are and with products."""
    folds = np.arange(len(labels)) % FOLDS  # neighbours in a batch are often alike
    without = {name: np.empty(len(labels)) for name in methods}
    of_priors: dict[bool, Scores] = {False: {}, True: {}}
    for fold in range(FOLDS):
        held = folds == fold
        kept, judged = labels[~held], labels[held]
        data = None if source is None else DataStart.fit(kept, source)
        for name, method in methods.items():
            without[name][held] = score(judged, lowest(judged.problems, method))
        for quadratic, scores in of_priors.items():
            for name, prior in candidates(kept, quadratic, data):
                values = scores.setdefault(name, np.empty(len(labels)))
                values[held] = (of_priors[False][name][held] if quadratic and not prior.predicts  # the same prior
                                else score(judged, engine(judged.problems, prior, MOST)))
    return without, of_priors


def _simplest(scores: Scores) -> str:
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
    made = heard(lambda listening: method.record(listening, most - 1), problems).evaluations[:, :most]
    made = np.pad(made, ((0, 0), (0, most - made.shape[1])), constant_values=np.inf)
    return np.minimum.accumulate(np.where(np.isfinite(made), made, np.inf), axis=1)


def score(labels: Labels, lowest: np.ndarray) -> np.ndarray:
    """Return for each problem the mean log of the evaluations to 1e-2, 1e-4 and 1e-6 of its fall, (m,).

    A run that ends in another minimum is counted to that one, and twice, as one that has to be done again; one that has
    not fallen half of the way is counted as not having got anywhere.

    Parameters
    ----------
    labels : Labels
        m problems with their minima.
    lowest : ndarray, shape (m, MOST)
        Lowest values after each evaluation.
    """
    end = lowest[:, -1]
    elsewhere = ~(end - labels.fun <= BASIN * labels.fall)
    floor = np.where(elsewhere, end, np.minimum(labels.fun, end))
    with np.errstate(invalid="ignore"):
        gap, rounding = lowest - floor[:, None], 1e-14 * np.abs(floor)
    lost = elsewhere & ~(labels.start - end >= 0.5 * labels.fall)
    total = np.log(2.0) * len(TARGETS) * elsewhere
    for target in TARGETS:
        hit = (gap <= (target * labels.fall + rounding)[:, None]) & ~lost[:, None]
        total += np.log(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, 2.0 * MOST))
    return total / len(TARGETS)
