"""Where curve fits start, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.curves.data import Curves
from l2o.methods import Box
from l2o.solving.bounds import read_box

if TYPE_CHECKING:
    from scipy.optimize import Bounds

__all__ = ["check_listed", "read_limits", "read_more_starts", "read_starts", "within_bounds"]

N_WITHIN = 8  # starts within bounds, where nothing else says where to look


class _Limits(NamedTuple):
    """Bounds (m, d) in the words of `scipy.optimize.Bounds`."""

    lb: np.ndarray
    ub: np.ndarray


def read_starts(p0: ArrayLike | Callable[..., ArrayLike] | None, t: object, Y: object, curves: Curves) -> np.ndarray:
    """Return starting parameters (m, d), read-only.

    Parameters
    ----------
    p0 : array_like, shape (d,) or (..., d), or callable
        One start for all curves, one for each, or ``p0(t, Y)`` that returns them.
    t, Y : object
        What a callable is given.
    curves : Curves
        The data.

    Raises
    ------
    TypeError
        If there is none.
    ValueError
        If its shape does not fit, or the one start for all curves is not finite.
    """
    if p0 is None:
        raise TypeError("p0 is missing; expected starting parameters (d,) or (..., d), a function p0(t, Y), a policy "
                        "that has learned them, "
                        "options={'starts': [[...], ...]}, or finite bounds with method='adaptive'. There is no "
                        "default: from ones many fits end in a wrong minimum, and nothing tells them from good ones")
    given = p0(t, Y) if callable(p0) else p0
    name = "p0(t, Y)" if callable(p0) else "p0"
    values = arguments.array(name, given, None, finite=np.ndim(given) == 1)
    leading = curves.leading
    if values.ndim == 0 or values.shape[-1] == 0 or values.shape[:-1] not in ((), leading):
        raise ValueError(f"{name} has shape {values.shape}; expected (d,) or {(*leading, 'd')}".replace("'d'", "d"))
    return np.broadcast_to(values.reshape(-1, values.shape[-1]), (len(curves), values.shape[-1]))


def within_bounds(bounds: Bounds | tuple[ArrayLike, ArrayLike] | None) -> np.ndarray | None:
    """Return starts (s, d) spread over bounds, or None where they do not say where to look."""
    sides: tuple[ArrayLike, ...]
    if bounds is None:
        return None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        sides = (bounds.lb, bounds.ub)
    elif isinstance(bounds, (tuple, list)) and len(bounds) == 2:
        sides = tuple(bounds)
    else:
        return None
    low, high = np.broadcast_arrays(*(arguments.array("bounds", side, None, finite=False) for side in sides))
    if low.ndim != 1 or not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        return None
    from scipy.stats.qmc import Halton

    return low + (high - low) * Halton(len(low), scramble=False).random(N_WITHIN + 1)[1:]  # the first is a corner


def check_listed(starts: ArrayLike | None) -> None:
    """Raise TypeError if the option `starts` is a number, ValueError if it is one point."""
    if starts is not None and np.ndim(starts) == 0:
        raise TypeError(f"starts is {starts!r}; expected starting parameters (s, d) or (s, ..., d), one row a start")
    if starts is not None and np.ndim(starts) == 1 and np.size(starts) > 0:
        raise ValueError(f"starts has shape {np.shape(starts)}; expected (s, d) or (s, ..., d), one row a start")


def read_more_starts(starts: ArrayLike | None, shape: tuple[int, ...], curves: Curves) -> list[np.ndarray]:
    """Return further starts, each (m, d).

    Parameters
    ----------
    starts : None or array_like, shape (s, d) or (s, ..., d)
        The option of that name.
    shape : tuple of int
        (m, d).
    curves : Curves
        The data.

    Raises
    ------
    ValueError
        If the shape does not fit.
    """
    if starts is None:
        return []
    values = arguments.array("starts", starts, None, finite=np.ndim(starts) == 2)
    d, leading = shape[-1], curves.leading
    if values.ndim < 2 or values.shape[-1] != d or values.shape[1:-1] not in ((), leading):
        raise ValueError(f"starts has shape {values.shape}; expected (s, {d}) or {('s', *leading, d)}".replace("'", ""))
    return [np.broadcast_to(each.reshape(-1, d), shape) for each in values]


def read_limits(bounds: Bounds | tuple[ArrayLike, ArrayLike] | None, fixed: ArrayLike | None, p0: np.ndarray,
                leading: tuple[int, ...]) -> Box | None:
    """Return where the parameters may be; None if nothing says so.

    Parameters
    ----------
    bounds : None, (low, high) or scipy.optimize.Bounds
        Each limit a number, (d,) or (..., d).
    fixed : None or array_like of bool, shape (d,) or (..., d)
        Parameters that stay at their start.
    p0 : ndarray, shape (m, d)
        Starts.
    leading : tuple of int
        The shape that ... stands for.

    Raises
    ------
    ValueError, TypeError
        If they do not fit, or a parameter is fixed outside its bounds.
    """
    shape = (*leading, p0.shape[1])
    if bounds is not None:
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
            sides: tuple[ArrayLike, ...] = (bounds.lb, bounds.ub)
        elif np.iterable(bounds) and len(tuple(bounds)) == 2:  # as in SciPy's curve_fit, never pairs
            sides = tuple(bounds)
        else:
            raise ValueError(f"bounds is {bounds!r}; expected (low, high), each a number, ({p0.shape[1]},) or {shape}, "
                             "or scipy.optimize.Bounds(low, high); of pairs, as in minimize, make tuple(zip(*pairs))")
        bounds = _Limits(*(_spread("bounds", arguments.array("bounds", side, None, finite=False), shape, p0.shape)
                           for side in sides))
    if fixed is not None:
        held = np.asarray(fixed)
        if held.dtype != bool:
            raise TypeError(f"fixed is {fixed!r}; expected True or False for each parameter")
        fixed = _spread("fixed", held, shape, p0.shape)
    return read_box(bounds, fixed, p0)


def _spread(name: str, values: np.ndarray, shape: tuple[int, ...], flat: tuple[int, int]) -> np.ndarray:
    """Return values of any shape that spreads to (..., d) as (m, d)."""
    try:
        return np.broadcast_to(values, shape).reshape(flat)
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}; expected ({shape[-1]},) or {shape}") from None
