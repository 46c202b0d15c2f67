"""Data of regressions: features, a label or target and a weight of each point, checked and laid out for the kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.families.points import HEADER, LANES

__all__ = ["Regressions", "check_labels", "read", "signs", "weighted"]


class Regressions(NamedTuple):
    """The data of m functions.

    Attributes
    ----------
    X : ndarray, shape (m, n, p) or (n, p)
        Features of n points, for each function or the same for all.
    y : ndarray, shape (m, n)
        Labels or targets.
    weights : ndarray, shape (m, n), or None
        Weights of the points; None for 1. What a point of weight zero holds is replaced by zeros.
    x0 : ndarray, shape (m, d)
        Starting points.
    bad : ndarray of bool, shape (m,), or None
        Functions whose data are not finite, or without weight; None if there are none.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    x0: np.ndarray
    bad: np.ndarray | None

    @property
    def columns(self) -> np.ndarray:
        """The features with the points innermost, (..., p, n)."""
        return self.X.swapaxes(-1, -2)


def read(X: ArrayLike, y: ArrayLike, x0: ArrayLike | None, weights: ArrayLike | None, check: str,
         shape: tuple[int, int]) -> Regressions:
    """Return data, checked.

    Parameters
    ----------
    X : array_like, shape (m, n, p) or (n, p)
        Features.
    y : array_like, shape (m, n)
        Labels or targets.
    x0 : array_like, shape (m, d) or (d,), or None
        Starting points; zero by default.
    weights : array_like, shape (m, n) or (n,), or None
        Weights. A point that a masked array masks has weight zero.
    check : {"row", "raise"}
        Whether a function that is not finite is status 3, or an error.
    shape : tuple of int
        (p, d).

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, a weight is negative, or no function is finite.
    """
    p, d = shape
    hidden = _hidden(X)
    hidden = _hidden(y) if hidden is False else hidden.any(axis=-1) | _hidden(y)
    X = arguments.array("X", _filled(X), None, finite=False)
    shared = X.ndim == 2
    X = arguments.array("X", X, (None, p) if shared else (None, None, p),
                        "(points, features) for all functions" if shared else "(functions, points, features)",
                        finite=False)
    n = X.shape[-2]
    if n == 0:
        raise ValueError("X has 0 points; expected at least 1")
    y = arguments.array("y", _filled(y), (None if shared else len(X), n), "one for each point", finite=False)
    m = len(y)
    x0 = np.zeros((m, d)) if x0 is None else arguments.starts(x0, m, d)
    if weights is None and np.any(hidden):
        weights = np.ones(n)
    if weights is not None:
        X, y, weights = _weighed(X, y, weights, np.broadcast_to(hidden, y.shape))
    if shared and not np.isfinite(X).all():
        arguments.array("X", X, X.shape)
    given: dict[str, Any] = {} if shared else {"X": X}
    given |= {"y": y} | ({} if weights is None else {"weights": weights})
    arguments.bad_rows(check, **given, x0=x0)
    return Regressions(X, y, weights, x0, _bad(check, given))


def _bad(check: str, given: dict[str, np.ndarray]) -> np.ndarray | None:
    """Return which functions have data that are not finite, or no weight."""
    bad = arguments.bad_rows(check, **given)
    if "weights" in given:
        empty = (given["weights"] == 0.0).all(axis=1)
        if empty.any() and (check == "raise" or empty.all()):
            raise ValueError(f"weights are all zero for function {int(empty.argmax())}; expected a point that counts")
        bad = (empty if bad is None else bad | empty) if empty.any() else bad
    return bad


def _hidden(values: object) -> Any:
    """Return the mask of a masked array; False of others."""
    return np.ma.getmaskarray(values) if np.ma.is_masked(values) and isinstance(values, np.ndarray) else False


def _filled(values: Any) -> Any:
    """Return a masked array with zeros where it is masked; others as they are."""
    return np.ma.filled(values, 0) if isinstance(values, np.ma.MaskedArray) else values


def _weighed(X: np.ndarray, y: np.ndarray, weights: ArrayLike,
             hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and weights (m, n), those of masked points zero; zeros stand where nothing counts."""
    unseen = _hidden(weights) | hidden
    given = arguments.array("weights", _filled(weights), None, finite=False)
    if given.shape not in (y.shape, y.shape[1:]):
        raise ValueError(f"weights has shape {given.shape}; expected {y.shape} or {y.shape[1:]}: one for each point")
    if (given < 0.0).any():
        where = tuple(int(i) for i in np.argwhere(given < 0.0)[0])
        raise ValueError(f"weights holds {given[where]} at {where}; expected numbers of at least 0")
    result = np.where(unseen, 0.0, given)
    nothing = result == 0.0
    if X.ndim == 2:
        nothing_at_all = nothing.all(axis=0)
        return np.where(nothing_at_all[:, None], 0.0, X), np.where(nothing, 0.0, y), result
    return np.where(nothing[:, :, None], 0.0, X), np.where(nothing, 0.0, y), result


def check_labels(y: np.ndarray, known: np.ndarray, expected: str) -> None:
    """Raise ValueError if a label is none of those known; one that is not finite is another matter."""
    wrong = np.isfinite(y) & ~np.isin(y, known)
    if wrong.any():
        raise ValueError(f"y holds the label {y[wrong][0]}; expected {expected}")


def signs(data: Regressions) -> np.ndarray:
    """Return the labels (m, n) as -1 and 1, 0 for points without weight; they are 0 and 1, or -1 and 1 themselves.

    Raises
    ------
    ValueError
        If a label is another one.
    """
    counts = np.ones(data.y.shape, bool) if data.weights is None else data.weights != 0.0
    by_sign = (data.y[counts] == -1.0).any()
    check_labels(data.y[counts], np.array([-1, 1] if by_sign else [0, 1]), "0 or 1, or -1 or 1, for all functions")
    return np.where(counts, data.y if by_sign else 2.0 * data.y - 1.0, 0.0)


def weighted(data: Regressions, own: np.ndarray, setting: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Return blocks (m, size) and the shared design of regressions with weights, as _weighted.pxd has them.

    Parameters
    ----------
    data : Regressions
        The data.
    own : ndarray, shape (m, n)
        What the objective keeps of the labels or targets; zero where a point does not count.
    setting : float
        Of the objective.
    """
    (m, n), p = own.shape, data.X.shape[-1]
    padded, shared = -(-n // LANES) * LANES, data.X.ndim == 2
    n_columns = 1 + (data.weights is not None) + (0 if shared else p + 2)
    blocks = _kernels.aligned((m, HEADER + n_columns * padded))
    columns = blocks[:, HEADER:].reshape(m, n_columns, padded)
    columns[:, 0, :n] = own
    total: np.ndarray | float = float(n)
    weights_at = design_at = 0
    if data.weights is not None:
        columns[:, 1, :n] = data.weights
        total, weights_at = data.weights.sum(axis=1), HEADER + padded
    design = None
    if shared:
        design = _kernels.aligned(((p + 2) * padded,))
        _fill(design.reshape(p + 2, padded), data.columns, n)
    else:
        design_at = HEADER + (n_columns - p - 2) * padded
        _fill(columns[:, n_columns - p - 2 :], data.columns, n)
    blocks[:, 0] = total
    blocks[:, 1:6] = padded, setting, weights_at, design_at, p + 1
    if data.bad is not None:
        blocks[data.bad, 0] = np.nan
    return blocks, design


def _fill(design: np.ndarray, columns: np.ndarray, n: int) -> None:
    """Write features (..., p, n) and ones to a design (..., p + 2, padded) of zeros."""
    design[..., 1:-1, :n] = columns
    design[..., -1, :n] = 1.0
