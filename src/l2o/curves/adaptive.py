"""Curve fits that learn inside the batch where the others begin: from the values of some curves, and their fits.

What predicts from the values of a curve where it ends is learned in l2o.curves.lessons. From there a fit takes fewer
evaluations than from one start for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from l2o.base.status import CONVERGED, SINGULAR
from l2o.curves.chance import beyond_chance, common_scale
from l2o.curves.data import Curves
from l2o.curves.lessons import Lesson, Predict, lesson_of
from l2o.curves.several import ALIKE, Columns
from l2o.learning.values_start import ORDERS
from l2o.problems.models import Model

__all__ = ["LearnedStart", "fit_adaptively"]

FEWEST = 200  # curves from which on it is tried
SHARE, LEAST_LABELS, MOST_LABELS = 20, 40, 150  # one curve in so many is a label, within limits
MOST_TRIALS = 50  # of the labels, on which the prediction is tried
GROWTH, ENOUGH = 4, 2000  # times as many curves teach again, until so many do
ALIKE_NOISE = 0.5  # of the fits that are no worse than chance; if fewer are, curves differ in their noise
PAYS = 5  # times as many curves are left as teach again: else it is not worth its time
WORTH = 0.95  # of the evaluations: what counts as a gain

Fit = Callable[[np.ndarray, "np.ndarray | None"], Columns]  # rows, and starts, or None for those of the call

_Part = tuple[np.ndarray, Columns]  # rows, and their fits


@dataclass(frozen=True, repr=False)
class LearnedStart:
    """What was learned of a batch of curves. Its repr is a sentence.

    Attributes
    ----------
    chosen : bool
        Whether the other curves began where their values say.
    why : str
        Why not, if so.
    n_labels : int
        Curves that were learned from.
    scores : tuple of float
        Evaluations of a fit of some of them: from their own starts, and from where they would begin without having been
        learned from.
    """

    chosen: bool
    why: str = ""
    n_labels: int = 0
    scores: tuple[float, float] = (np.nan, np.nan)

    def __repr__(self) -> str:
        if self.n_labels == 0:
            return f"LearnedStart(nothing: {self.why})"
        told = "from {:.2f} evaluations a fit to {:.2f}".format(*self.scores)
        return f"LearnedStart({self.n_labels} curves teach how to begin: {told}{'; ' if self.why else ''}{self.why})"


def fit_adaptively(model: Model, curves: Curves, fit: Fit) -> tuple[Columns, LearnedStart]:
    """Fit some curves from their starts, learn from them where the others begin, and fit these.

    Parameters
    ----------
    model : Model
        Of which they are curves.
    curves : Curves
        The m curves.
    fit : callable
        Fits some of them, from their starts or from others.
    """
    m, everything = len(curves), np.arange(len(curves))
    lesson = None if m < FEWEST else lesson_of(model, curves)
    if lesson is None:
        why = f"fewer than {FEWEST} curves" if m < FEWEST else "curves with points of their own"
        return fit(everything, None), LearnedStart(False, why)
    rows = _spread(everything, min(max(m // SHARE, LEAST_LABELS), MOST_LABELS))
    predict, labelled, learned = _taught(lesson, rows, fit(rows, None), fit)
    rest = np.setdiff1d(everything, rows, assume_unique=True)
    known = lesson.known[rest] & (predict is not None)
    parts = [(rows, labelled), (rest[~known], fit(rest[~known], None))]
    if predict is not None:
        parts += _in_stages(lesson, rest[known], parts[0], predict, fit)
    joined = Columns(*(np.empty((m, *column.shape[1:]), column.dtype) for column in labelled))
    for where, columns in parts:
        for whole, column in zip(joined, columns):
            whole[where] = column
    return joined, learned


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    """Return n of the rows from all over them, or all if they are fewer."""
    return rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(np.intp)]


def _in_stages(lesson: Lesson, rows: np.ndarray, labelled: _Part, predict: Predict, fit: Fit) -> list[_Part]:
    """Fit rows from where they are predicted to end, each time some more, which teach better predictions for the rest.

    Parameters
    ----------
    lesson : Lesson
        What all curves are told by.
    rows : ndarray of int
        Those to be fitted.
    labelled : (ndarray of int, Columns)
        Curves that the first prediction was learned from.
    predict : callable
        The first prediction.
    fit : callable
        As in `fit_adaptively`.
    """
    parts = [labelled]
    while len(rows):
        known = sum(len(some) for some, _ in parts)
        more = (GROWTH - 1) * known
        some = _spread(rows, more) if known < ENOUGH and len(rows) >= (PAYS + 1) * more else rows
        parts.append((some, _repaired(some, fit(some, predict(some)), fit)))
        rows = np.setdiff1d(rows, some, assume_unique=True)
        if len(rows) >= PAYS * (known + len(some)):
            usable = [_usable(columns, lesson.known[some]) for some, columns in parts]
            taught = np.concatenate([some[which] for (some, _), which in zip(parts, usable)])
            x = np.concatenate([columns.x[which] for (_, columns), which in zip(parts, usable)])
            better = lesson.learn(taught, x, ORDERS[len(parts) - 1 : len(parts) + 1])
            predict = predict if better is None else better[0]
    return parts[1:]


def _usable(columns: Columns, known: np.ndarray) -> np.ndarray:
    """Return which fits of curves, of which some (m,) are known, tell where others end: none of a wrong minimum."""
    ended = np.flatnonzero((columns.status == CONVERGED) & np.isfinite(columns.cov).all(axis=(1, 2)) & known)
    chi2, dof = columns.chi2[ended], np.maximum(columns.used[ended] - columns.x.shape[1], 0)
    scale = common_scale(chi2, dof)
    if not scale > 0.0:
        return ended
    right = ended[~beyond_chance(chi2, dof, scale)]
    return right if len(right) >= ALIKE_NOISE * len(ended) else ended


def _taught(lesson: Lesson, rows: np.ndarray, first: Columns, fit: Fit
            ) -> tuple[Predict | None, Columns, LearnedStart]:
    """Return a prediction, if it pays, the best fits of the labelled curves, with all evaluations, what was learned."""
    usable = _usable(first, lesson.known[rows])
    if len(usable) < LEAST_LABELS // 2:
        return None, first, LearnedStart(False, f"only {len(usable)} of {len(rows)} curves were fit to learn from")
    taught = lesson.learn(rows[usable], first.x[usable])
    if taught is None:
        return None, first, LearnedStart(False, "too few curves are finite at the points of others")
    predict, crossed = taught
    tried = np.linspace(0, len(usable) - 1, min(len(usable), MOST_TRIALS)).astype(np.intp)
    which = usable[tried]
    trial = fit(rows[which], crossed[tried])
    scores = float(first.nfev[which].mean()), float(trial.nfev.mean())
    lower = trial.chi2 < first.chi2[which] * (1.0 - ALIKE)
    higher = ~(trial.chi2 <= first.chi2[which] * (1.0 + ALIKE))
    best = _lower(first, which, trial)
    if higher.sum() > lower.sum() or scores[1] > WORTH * scores[0]:
        return None, best, LearnedStart(False, "which is not worth it", len(usable), scores)
    return predict, best, LearnedStart(True, "", len(usable), scores)


def _repaired(rows: np.ndarray, columns: Columns, fit: Fit) -> Columns:
    """Return fits of which those that came to no end are made from their own starts, too, and the lower is kept."""
    failed = np.flatnonzero((columns.status != CONVERGED) & (columns.status != SINGULAR))
    return _lower(columns, failed, fit(rows[failed], None)) if len(failed) else columns


def _lower(columns: Columns, rows: np.ndarray, tried: Columns) -> Columns:
    """Return columns with the rows replaced that ended lower when they were tried again; evaluations add up."""
    result = Columns(*(column.copy() for column in columns))
    better = (tried.chi2 < columns.chi2[rows]) | np.isnan(columns.chi2[rows])
    for column, new in zip(result, tried):
        column[rows[better]] = new[better]
    result.nfev[rows] = columns.nfev[rows] + tried.nfev
    return result
