"""Curve fits that learn inside the batch where the others begin: from the values of some curves, and their fits.

Of standardised values z, the first components p of some curves and their fitted parameters x, a ridge regression

    x = a + B z + sum_ij c_ij p_i p_j,    i <= j,

predicts where another curve ends. From there a fit takes fewer evaluations than from one start for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from l2o.base.status import CONVERGED, SINGULAR
from l2o.curves.data import Curves
from l2o.curves.several import ALIKE, Columns
from l2o.learning.ridge import Ridge

__all__ = ["LearnedStart", "fit_adaptively"]

FEWEST = 200  # curves from which on it is tried
SHARE, LEAST_LABELS, MOST_LABELS = 20, 40, 150  # one curve in so many is a label, within limits
MOST_TRIALS = 50  # of the labels, on which the prediction is tried
COMPONENTS = 5
WORTH = 0.95  # of the evaluations: what counts as a gain

Fit = Callable[[np.ndarray, "np.ndarray | None"], Columns]  # rows, and starts, or None for those of the call


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


@dataclass(frozen=True, eq=False)
class _Prediction:
    """Where curves begin by their values."""

    mean: np.ndarray
    axes: np.ndarray  # (n, r)
    ridge: Ridge

    def __call__(self, y: np.ndarray) -> np.ndarray:
        return self.ridge.predict(_inputs(y - self.mean, self.axes))


def _inputs(centred: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return values (m, n), and products of their components in pairs."""
    p = centred @ axes
    i, j = np.triu_indices(p.shape[1])
    return np.hstack([centred, p[:, i] * p[:, j]])


def fit_adaptively(curves: Curves, fit: Fit) -> tuple[Columns, LearnedStart]:
    """Fit some curves from their starts, learn from them where the others begin, and fit these.

    Parameters
    ----------
    curves : Curves
        The m curves.
    fit : callable
        Fits some of them, from their starts or from others.
    """
    m, everything, why = len(curves), np.arange(len(curves)), _refusal(curves)
    if why:
        return fit(everything, None), LearnedStart(False, why)
    y = curves.y.reshape(m, -1)
    rows = np.linspace(0, m - 1, min(max(m // SHARE, LEAST_LABELS), MOST_LABELS)).astype(np.intp)
    predict, labelled, lesson = _taught(y[rows], fit(rows, None), lambda which, starts: fit(rows[which], starts))
    rest = np.setdiff1d(everything, rows, assume_unique=True)
    known = np.isfinite(y[rest]).all(axis=1) & (predict is not None)
    parts = [(rows, labelled), (rest[~known], fit(rest[~known], None))]
    if predict is not None:
        others = rest[known]
        parts.append((others, _repaired(fit(others, predict(y[others])), lambda which: fit(others[which], None))))
    joined = Columns(*(np.empty((m, *column.shape[1:]), column.dtype) for column in labelled))
    for where, columns in parts:
        for whole, column in zip(joined, columns):
            whole[where] = column
    return joined, lesson


def _refusal(curves: Curves) -> str:
    """Return why nothing can be learned from such curves, or nothing."""
    if len(curves) < FEWEST:
        return f"fewer than {FEWEST} curves"
    shared = curves.shape is not None and len(curves.t) * len(curves) == len(curves.y)
    return "" if shared else "curves with points of their own"


def _taught(y: np.ndarray, first: Columns, fit: Fit) -> tuple[_Prediction | None, Columns, LearnedStart]:
    """Return a prediction, if it pays, the best fits of the labelled curves, with all evaluations, what was learned."""
    usable = np.flatnonzero((first.status == CONVERGED) & np.isfinite(y).all(axis=1)
                            & np.isfinite(first.cov).all(axis=(1, 2)))
    if len(usable) < LEAST_LABELS // 2:
        return None, first, LearnedStart(False, f"only {len(usable)} of {len(y)} curves were fit to learn from")
    x, mean = first.x[usable], y[usable].mean(axis=0)
    centred = y[usable] - mean
    _, sizes, right = np.linalg.svd(centred, full_matrices=False)
    axes = right[:COMPONENTS].T * (np.sqrt(len(centred)) / max(sizes[0], np.finfo(float).tiny))
    each = tuple(slice(j, j + 1) for j in range(x.shape[1]))
    ridge, crossed = Ridge.crossed(_inputs(centred, axes), x, each, np.arange(len(usable)) % 5)
    tried = np.linspace(0, len(usable) - 1, min(len(usable), MOST_TRIALS)).astype(np.intp)
    which = usable[tried]
    trial = fit(which, crossed[tried])
    scores = float(first.nfev[which].mean()), float(trial.nfev.mean())
    lower = trial.chi2 < first.chi2[which] * (1.0 - ALIKE)
    higher = ~(trial.chi2 <= first.chi2[which] * (1.0 + ALIKE))
    best = _lower(first, which, trial)
    if higher.sum() > lower.sum() or scores[1] > WORTH * scores[0]:
        return None, best, LearnedStart(False, "which is not worth it", len(usable), scores)
    return _Prediction(mean, axes, ridge), best, LearnedStart(True, "", len(usable), scores)


def _repaired(columns: Columns, again: Callable[[np.ndarray], Columns]) -> Columns:
    """Return fits of which those that came to no end are made from their own starts, too, and the lower is kept."""
    failed = np.flatnonzero((columns.status != CONVERGED) & (columns.status != SINGULAR))
    return _lower(columns, failed, again(failed)) if len(failed) else columns


def _lower(columns: Columns, rows: np.ndarray, tried: Columns) -> Columns:
    """Return columns with the rows replaced that ended lower when they were tried again; evaluations add up."""
    result = Columns(*(column.copy() for column in columns))
    better = (tried.chi2 < columns.chi2[rows]) | np.isnan(columns.chi2[rows])
    for column, new in zip(result, tried):
        column[rows[better]] = new[better]
    result.nfev[rows] = columns.nfev[rows] + tried.nfev
    return result
