"""Bounds and fixed variables as a user gives them; the loops of the methods keep them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.methods import Box

__all__ = ["read_box"]


def read_box(bounds: Any, fixed: Any, x0: np.ndarray) -> Box | None:
    """Return where the variables may be; None if nothing says so.

    Parameters
    ----------
    bounds : None, scipy.optimize.Bounds, sequence of (low, high), or (lows, highs)
        One pair a variable, None for no bound; the limits of a `Bounds` may also be (m, d). Two sequences of length d
        are the lower and the upper limits, as in `scipy.optimize.curve_fit`; for d = 2 they are pairs, unless x0 is not
        within these, but within them as limits.
    fixed : None or array_like of bool, shape (d,) or (m, d)
        Variables that stay at their start.
    x0 : ndarray, shape (m, d)
        Starting points.

    Raises
    ------
    ValueError, TypeError
        If they do not fit, or a variable is fixed outside its bounds.

    Warns
    -----
    OptimizeWarning
        If two rows of d = 2 are read as (lows, highs), since x0 is within them so, and not as pairs.
    """
    if bounds is None and fixed is None:
        return None
    arguments.unmasked("bounds", bounds)
    low, high = _limits(bounds, x0)
    if fixed is not None:
        held = np.asarray(fixed)
        if held.dtype != bool:
            raise TypeError(f"fixed is {fixed!r}; expected True or False for each variable")
        held = _spread("fixed", held, x0.shape)
        outside = held & ~((low <= x0) & (x0 <= high))
        if outside.any():
            i, j = (int(k) for k in np.argwhere(outside)[0])
            raise ValueError(f"x0 is {x0[i, j]} at {(i, j)}, where it is fixed; expected a value within its "
                             f"bounds, {low[i, j]} to {high[i, j]}")
        low, high = np.where(held, x0, low), np.where(held, x0, high)
    return Box(low, high)


def _limits(bounds: Any, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper limits (m, d)."""
    if bounds is None:
        return np.full(x0.shape, -np.inf), np.full(x0.shape, np.inf)
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") and hasattr(bounds, "ub") else _columns(bounds, x0)
    low, high = (_spread("bounds", arguments.array("bounds", each, (None,) * np.ndim(each), finite=False), x0.shape)
                 for each in (low, high))
    wrong = ~((low <= high) & (low < np.inf) & (high > -np.inf))
    if wrong.any():
        i, j = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(f"bounds are {low[i, j]} and {high[i, j]} for variable {j}; expected low <= high")
    return low, high


def _columns(bounds: Any, x0: np.ndarray) -> tuple[Any, Any]:
    """Return the lower and the upper limits of pairs, or of two sequences."""
    dim = x0.shape[1]
    if np.iterable(bounds) and any(np.ndim(each) == 2 for each in bounds):
        raise ValueError("bounds hold arrays of two dimensions; expected (low, high) for each variable, or, for limits "
                         f"of each problem, scipy.optimize.Bounds(low, high) with low and high {x0.shape}")
    try:
        rows = [list(row) for row in bounds]
    except TypeError:
        raise ValueError(f"bounds is {bounds!r}; expected (low, high) for each variable, or a "
                         "scipy.optimize.Bounds") from None
    if len(rows) == 2 and all(len(row) == dim for row in rows) and (dim != 2 or _are_columns(rows, x0)):
        rows = [list(pair) for pair in zip(*rows)]
    if any(len(row) != 2 for row in rows):
        raise ValueError(f"bounds is {bounds!r}; expected (low, high) for each variable, or a scipy.optimize.Bounds")
    if len(rows) != dim:
        raise ValueError(f"bounds has {len(rows)} pairs; expected {dim}, one for each variable")
    low, high = ([none if pair[side] is None else pair[side] for pair in rows]
                 for side, none in enumerate((-np.inf, np.inf)))
    return low, high


def _are_columns(rows: list[list[Any]], x0: np.ndarray) -> bool:
    """Say whether two rows rather are the lower and the upper limits of two variables than two pairs.

    They are if they leave no room as pairs, or if the starts are not within these, but within them as limits.
    """
    try:
        given = np.array(rows, float)  # None is NaN, and within nothing
    except (TypeError, ValueError):
        return False
    (low, high), (lows, highs) = given.T, given
    if not (lows <= highs).all() or ((low <= x0) & (x0 <= high)).all():
        return False
    if not (low <= high).all():
        return True
    if not ((lows <= x0) & (x0 <= highs)).all():
        return False
    from scipy.optimize import OptimizeWarning

    warnings.warn(f"bounds were read as lower limits {rows[0]} and upper limits {rows[1]}, for x0 is not within them "
                  "as pairs; scipy.optimize.Bounds(low, high) says which is meant", OptimizeWarning, stacklevel=6)
    return True


def _spread(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values for each problem (m, d)."""
    try:
        return np.ascontiguousarray(np.broadcast_to(values, shape))
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}; expected ({shape[1]},) or {shape}") from None
