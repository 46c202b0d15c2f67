"""Choice: which prior, if any, saves evaluations on problems that it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from l2o.baselines import LBFGS
from l2o.learning.labels import Labels
from l2o.learning.prior import Prior, priors
from l2o.methods import Method
from l2o.problems import Problems

__all__ = ["CLASSICAL", "LEAST", "MOST", "Choice", "Engine", "choose", "lowest", "score"]

LEAST = 10  # labels without which nothing is learned
TARGETS = (1e-2, 1e-4, 1e-6)  # of the fall, to which evaluations are counted
MOST = 60  # evaluations that are looked at; what is not reached counts as twice that
MARGIN = np.log(1.05)  # by which a candidate must beat a simpler one
QUADRATIC_MARGIN = np.log(1.03)
CLASSICAL = "L-BFGS"  # what all scores are relative to
NO_RIVALS: Mapping[str, Method] = {}
ONE_FOLD = 60  # labels above which one part of them is held out, not each of three in turn

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


def choose(labels: Labels, engine: Engine, rivals: Mapping[str, Method] = NO_RIVALS) -> Choice:
    """Choose a prior for a family on labels held out, and learn it from all.

    Candidates are L-BFGS and its rivals, from the problems' own starts, then priors, simple ones first; the simplest
    within 5 % of the best is chosen.

    Parameters
    ----------
    labels : Labels
        At least 10.
    engine : callable
        ``engine(problems, prior, most)`` runs problems from a prior.
    rivals : mapping of str to Method
        Methods without a prior that may be chosen.
    """
    if len(labels) < LEAST:
        raise ValueError(f"labels are of {len(labels)} problems; expected at least {LEAST}")
    methods = {CLASSICAL: LBFGS(), **rivals}
    without = _means((name, score(held, lowest(held.problems, method)))
                     for _, held in _folds(labels) for name, method in methods.items())
    scores = {quadratic: without | _means((name, score(held, engine(held.problems, prior, MOST)))
                                          for kept, held in _folds(labels) for name, prior in priors(kept, quadratic))
              for quadratic in (False, True)}
    best = {quadratic: min(each.values()) for quadratic, each in scores.items()}
    quadratic = bool(best[True] < best[False] - QUADRATIC_MARGIN)
    chosen = scores[quadratic]
    name = next(each for each, value in chosen.items() if value <= best[quadratic] + MARGIN)
    ratios = {each: float(np.exp(value - chosen[CLASSICAL])) for each, value in chosen.items()}
    prior = None if name in methods else dict(priors(labels, quadratic))[name]
    return Choice(name, prior, quadratic, ratios)


def _means(scores: Iterable[tuple[str, np.ndarray]]) -> dict[str, float]:
    """Return the mean score of each candidate over the problems of all folds, in the order of the candidates."""
    found: dict[str, list[float]] = {}
    for name, values in scores:
        found.setdefault(name, []).extend(values)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _folds(labels: Labels) -> Iterator[tuple[Labels, Labels]]:
    """Yield labels to learn from and labels to judge on; neighbours in a batch are often alike, so every third."""
    rows = np.arange(len(labels)) % 3
    for held in (0,) if len(labels) > ONE_FOLD else (0, 1, 2):
        yield labels[rows != held], labels[rows == held]


def lowest(problems: Problems, method: Method, most: int = MOST) -> np.ndarray:
    """Return the lowest value of a method after each of its first evaluations, (m, most)."""
    made = method.record(problems, most - 1).evaluations[:, :most]
    made = np.pad(made, ((0, 0), (0, most - made.shape[1])), constant_values=np.inf)
    return np.minimum.accumulate(np.where(np.isfinite(made), made, np.inf), axis=1)


def score(labels: Labels, lowest: np.ndarray) -> np.ndarray:
    """Return for each problem the mean log of the evaluations to 1e-2, 1e-4 and 1e-6 of its fall, (m,).

    Parameters
    ----------
    labels : Labels
        m problems with their minima.
    lowest : ndarray, shape (m, MOST)
        Lowest values after each evaluation.
    """
    floor = np.minimum(labels.fun, lowest[:, -1])
    gap, rounding = lowest - floor[:, None], 1e-14 * np.abs(floor)
    total = np.zeros(len(labels))
    for target in TARGETS:
        hit = gap <= (target * labels.fall + rounding)[:, None]
        total += np.log(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, 2.0 * MOST))
    return total / len(TARGETS)
