"""The data of many curves as a user gives them, and as the kernels read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike

__all__ = ["Curves", "read_curves"]


@dataclass(frozen=True, eq=False)
class Curves:
    """The points of m curves, one after the other.

    Attributes
    ----------
    t : ndarray, shape (n, k) or (N, k)
        Where the points are: the same for all curves, or one row for each of their N points.
    y : ndarray, shape (N,)
        Values; NaN is a masked point.
    sigma : ndarray, shape (n,) or (N,), optional
        Standard errors of the values; inf is a masked point.
    offsets : ndarray of intp, shape (m + 1,)
        The points of curve i are those from offsets[i] to offsets[i + 1].
    shape : tuple of int, or None
        Shape of the values as they were given; None of lists of different lengths.
    """

    t: np.ndarray
    y: np.ndarray
    sigma: np.ndarray | None
    offsets: np.ndarray
    shape: tuple[int, ...] | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: slice) -> Curves:
        offsets = self.offsets[rows.start : rows.stop + 1]
        points = slice(int(offsets[0]), int(offsets[-1]))
        t, sigma = self.t, self.sigma
        if len(t) == len(self.y):
            t = t[points]
        if sigma is not None and len(sigma) == len(self.y):
            sigma = sigma[points]
        return Curves(t, self.y[points], sigma, offsets - offsets[0], None)

    def chosen(self, rows: np.ndarray) -> Curves:
        """Return some of the curves."""
        sizes, total = np.diff(self.offsets)[rows], len(self.y)
        offsets = np.append(0, np.cumsum(sizes)).astype(np.intp)
        if self.shape is None:
            where = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], sizes)

        def some(column: np.ndarray | None) -> np.ndarray | None:
            if column is None or len(column) != total:
                return column
            if self.shape is None:
                return column[where]
            return column.reshape(len(self), -1, *column.shape[1:])[rows].reshape(-1, *column.shape[1:])

        shape = None if self.shape is None else (len(rows), self.shape[-1])
        return Curves(cast(np.ndarray, some(self.t)), cast(np.ndarray, some(self.y)), some(self.sigma), offsets, shape)

    @property
    def known(self) -> np.ndarray:
        """The values (N,), NaN where masked."""
        if self.sigma is None or not np.isinf(self.sigma).any():
            return self.y
        return np.where(np.resize(np.isinf(self.sigma), len(self.y)), np.nan, self.y)

    @property
    def share_points(self) -> bool:
        """Whether all curves have the same points; one alone has."""
        return self.shape is not None and len(self.t) * len(self) == len(self.y)

    @property
    def k(self) -> int:
        """How many numbers make a t."""
        return self.t.shape[1]

    @property
    def leading(self) -> tuple[int, ...]:
        """The shape of what there is one of for each curve."""
        return (len(self),) if self.shape is None else self.shape[:-1]

    def parted(self, values: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """Return values (N,) in the shape of those that were given."""
        if self.shape is not None:
            return values.reshape(self.shape)
        return [values[i:j] for i, j in zip(self.offsets[:-1], self.offsets[1:])]


def read_curves(t: ArrayLike | Sequence[ArrayLike], Y: ArrayLike | Sequence[ArrayLike],
                sigma: ArrayLike | Sequence[ArrayLike] | None) -> Curves:
    """Return the data of a call.

    Parameters
    ----------
    t : array_like, shape (n,), (n, k), (..., n) or (..., n, k), or a list of m of (n_i,) or (n_i, k)
        Where the points are, the same for all curves or their own.
    Y : array_like, shape (..., n), or a list of m of (n_i,)
        Values. NaN, and what a masked array masks, is a masked point.
    sigma : None, float, array_like of shape (n,), (..., n), (...) or (..., 1), or a list of m of (n_i,)
        Standard errors. (...) is one for each curve, where n is not the length of its last axis.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, or a sigma is not positive.
    """
    if _is_ragged(Y):
        return _ragged(t, Y, sigma)
    y = _values("Y", Y)
    if y.ndim == 0:
        raise ValueError("Y is a number; expected curves (..., n)")
    n, m = y.shape[-1], int(np.prod(y.shape[:-1]))
    offsets = np.arange(m + 1, dtype=np.intp) * n
    return Curves(_points(t, y.shape), y.reshape(-1), _errors(sigma, y.shape, y), offsets, y.shape)


def _is_ragged(Y: Any) -> bool:
    return not hasattr(Y, "shape") and len({np.shape(row) for row in Y} if np.iterable(Y) else ()) > 1


def _values(name: str, values: Any) -> np.ndarray:
    """Return values as float64, NaN where masked."""
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
    return arguments.array(name, values, None, finite=False)


def _points(t: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return t as (n, k), or as (N, k) where each curve has its own."""
    points, n = arguments.array("t", t, None, finite=False), shape[-1]
    own = points.shape == shape or points.shape[:-1] == shape
    if not own and not (points.ndim in (1, 2) and len(points) == n):
        raise ValueError(f"t has shape {points.shape} and Y {shape}; expected ({n},) or ({n}, k), the same for all "
                         f"curves, or {shape}, with k numbers a point {(*shape, 'k')}".replace("'", ""))
    k = points.shape[-1] if points.ndim == len(shape) + 1 or (points.ndim == 2 and not own) else 1
    if k == 0:
        raise ValueError(f"t has shape {points.shape}; expected at least one number a point")
    points = points.reshape(-1, k)
    if not np.isfinite(points).all() and len(points) == n:
        i = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise ValueError(f"t holds {points[i].tolist()} at {i}; expected finite numbers")
    return points


def _errors(sigma: Any, shape: tuple[int, ...], y: np.ndarray) -> np.ndarray | None:
    """Return sigma as (n,), or as (N,) where each curve has its own."""
    if sigma is None:
        return None
    errors = _values("sigma", sigma)
    if errors.shape not in ((), shape[-1:]):
        errors = _spread(errors, shape)
    wrong = (errors <= 0.0) & ~np.isnan(y if errors.shape == shape else 0.0)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"sigma holds {errors[where]}{f' at {where}' if where else ''}; expected standard errors "
                         "above 0, inf for a masked point")
    return np.full(shape[-1], errors) if errors.ndim == 0 else errors.reshape(-1)


def _spread(errors: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return sigma in the shape of Y: a number for each curve, (...) or (..., 1), or whatever spreads to it."""
    given = errors.shape
    if given == shape[:-1] and given[-1] != shape[-1]:
        errors = errors[..., None]
    elif given == shape[:-1] and given[-1:] == shape[-1:]:
        raise ValueError(f"sigma has shape {given}; expected {(*given, 1)}, one for each curve, or {shape}: its last "
                         "axis may be either")
    try:
        return np.ascontiguousarray(np.broadcast_to(errors, shape))
    except ValueError:
        raise ValueError(f"sigma has shape {given}; expected a number, {shape[-1:]}, {shape}, or one for each curve, "
                         f"{(*shape[:-1], 1)}") from None


def _ragged(t: Any, Y: Any, sigma: Any) -> Curves:
    """Return curves of different lengths; t has as many, sigma too, unless it is None or a number."""
    rows = [_values(f"Y[{i}]", row) for i, row in enumerate(Y)]
    for i, row in enumerate(rows):
        if row.ndim != 1:
            raise ValueError(f"Y[{i}] has shape {row.shape}; expected (n,): curves of different lengths are a list")
    if hasattr(t, "shape") or len(t) != len(rows):
        raise ValueError(f"Y is a list of {len(rows)} curves of different lengths; expected t as such a list, too")
    points = []
    for i, (each, row) in enumerate(zip(t, rows)):
        given = arguments.array(f"t[{i}]", each, None, finite=False)
        if given.ndim not in (1, 2) or len(given) != len(row):
            raise ValueError(f"t[{i}] has shape {given.shape}; expected ({len(row)},) or ({len(row)}, k)")
        points.append(given.reshape(len(row), -1) if len(row) else given.reshape(0, max(given.shape[1:], default=1)))
    if len({each.shape[1] for each in points}) > 1:
        raise ValueError("t has points of different numbers; expected the same k for all curves")
    errors = None
    if sigma is not None:
        errors = _ragged_errors(sigma, rows)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.intp)
    return Curves(np.ascontiguousarray(np.concatenate(points)), np.concatenate(rows), errors, offsets, None)


def _ragged_errors(sigma: Any, rows: list[np.ndarray]) -> np.ndarray | None:
    """Return sigma (N,) of curves of different lengths: a number, or a list with an entry for each."""
    if not np.iterable(sigma):
        y = np.concatenate(rows)
        return _errors(sigma, y.shape, y)
    each_sigma = list(sigma)
    if len(each_sigma) != len(rows):
        raise ValueError(f"sigma has {len(each_sigma)} entries; expected a number, or one for each curve: {len(rows)}")
    return np.concatenate([np.broadcast_to(cast(np.ndarray, _errors(each, row.shape, row)), row.shape)
                           for each, row in zip(each_sigma, rows)])
