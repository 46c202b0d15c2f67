"""Bounds and fixed variables, by a smooth change of variables x(z), z free: _kernels/solvers/_box.pyx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.methods import CONVERGED, OBJECTIVE_FAILED, PRECISION_LOSS, Runnable, Solution
from l2o.problems import Kernel, Problems

__all__ = ["Box"]

NO_BOUND = 1e20  # from here on a bound is none: between two of them numbers of size 1 would be lost in rounding
INSIDE = 0.1  # z from that of a bound to where a start on or beyond it is moved: there the slope is zero


@dataclass(frozen=True, eq=False)
class Box:
    """Where the variables of a batch may be.

    Attributes
    ----------
    low, high : ndarray, shape (m, d)
        Bounds; equal ones fix a variable.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, bounds: Any, fixed: Any, x0: np.ndarray) -> Box | None:
        """Read the arguments of a user; None if there are none.

        Parameters
        ----------
        bounds : None, scipy.optimize.Bounds or sequence of (low, high)
            One pair a variable, None for no bound; the limits of a `Bounds` may also be (m, d).
        fixed : None or array_like of bool, shape (d,) or (m, d)
            Variables that stay at their start.
        x0 : ndarray, shape (m, d)
            Starting points.

        Raises
        ------
        ValueError, TypeError
            If they do not fit, or a variable is fixed outside its bounds.
        """
        if bounds is None and fixed is None:
            return None
        low, high = _limits(bounds, x0.shape)
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
        return cls(low, high)

    def __getitem__(self, rows: slice) -> Box:
        return Box(self.low[rows], self.high[rows])

    def points(self, z: np.ndarray) -> np.ndarray:
        """Return x (m, d) of z (m, d)."""
        x = np.empty(z.shape)
        _kernels.box.points(z, self.low, self.high, x)
        return x

    def starts(self, x0: np.ndarray) -> np.ndarray:
        """Return z (m, d) of starting points, moved inside where they are on a bound or beyond."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            above, below, width = x0 - self.low, self.high - x0, self.high - self.low
            two = np.arcsin(np.clip(2 * above / width - 1, -1, 1))
            two = np.where(above > 0, np.where(below > 0, two, np.pi / 2 - INSIDE), INSIDE - np.pi / 2)
            from_low = np.where(above > 0, np.sqrt(above * (above + 2)), INSIDE)
            from_high = np.where(below > 0, np.sqrt(below * (below + 2)), INSIDE)
        free_below, free_above = np.isinf(self.low), np.isinf(self.high)
        z = np.select([self.low == self.high, free_below & free_above, free_above, free_below],
                      [np.zeros(x0.shape), x0, from_low, from_high], two)
        return np.ascontiguousarray(z)

    def changed(self, problems: Runnable) -> Problems:
        """Return the problems in the free variables."""
        m, dim = problems.x0.shape
        head, hessian = _kernels.box.HEAD, problems.hessian_function
        blocks = np.zeros((m, head + 6 * dim))
        addresses = blocks[:, :head].view(np.uintp)
        addresses[:, 0], addresses[:, 1], addresses[:, 2] = problems.function, hessian or 0, problems.addresses()
        z, x = self._start(problems.x0)
        blocks[:, head : head + 4 * dim] = np.hstack([self.low, self.high, z, x])
        kernel = Kernel("an objective within bounds", _kernels.box.FUNCTION, hessian and _kernels.box.HESSIAN)
        return Problems(kernel, blocks, np.arange(m), z)

    def _start(self, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the start as z and as x: x0 itself, where it is inside."""
        z = self.starts(x0)
        return z, np.where((self.low < x0) & (x0 < self.high), x0, self.points(z))

    def solution(self, problems: Runnable, found: Solution, gtol: float) -> Solution:
        """Return what was found for the free variables as x, with the gradient by x: one more evaluation.

        A start on a bound, from where the run was moved inside, takes another: if it is not above what was found, it
        is the result, and converged if its gradient is zero, within gtol, but for what points out of the bounds.
        """
        z, fun, jac, nit, nfev, status, *rest = found
        x0, low, high = problems.x0, self.low, self.high
        start, at_start = self._start(x0)
        x = np.where(z == start, at_start, self.points(z))
        works = status != OBJECTIVE_FAILED
        edge = (low < high) & ((x0 == low) | (x0 == high))
        on = works & edge.any(axis=1) & ((low <= x0) & (x0 <= high)).all(axis=1)
        value = _evaluated(problems, x0, on)[0]
        back = np.isfinite(value) & ~(value > fun)  # or fun is NaN
        x[back] = x0[back]
        value, jac = _evaluated(problems, x, works)
        fun, status = np.where(back, value, fun), status.copy()
        slope = np.abs(x - np.clip(x - jac, low, high)).max(axis=1)
        status[back & (status == CONVERGED) & ~(slope <= gtol)] = PRECISION_LOSS
        return x, fun, jac, nit, nfev + works + on, status, *rest


def _evaluated(problems: Runnable, x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values and gradients at some rows of x, NaN in the others."""
    fun, jac = np.full(len(x), np.nan), np.full(x.shape, np.nan)
    if rows.any():
        some = np.ascontiguousarray(x[rows])
        f, g, status = np.empty(len(some)), np.empty(some.shape), np.empty(len(some), np.intc)
        _kernels.evaluate.evaluate_many(problems.function, problems.addresses()[rows], some, f, g, status)
        fun[rows], jac[rows] = f, g
    return fun, jac


def _limits(bounds: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper limits (m, d)."""
    if bounds is None:
        return np.full(shape, -np.inf), np.full(shape, np.inf)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        low, high = bounds.lb, bounds.ub
    else:
        try:
            pairs = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
        except (TypeError, ValueError):
            raise ValueError(f"bounds is {bounds!r}; expected (low, high) for each variable, or a "
                             "scipy.optimize.Bounds") from None
        if len(pairs) != shape[-1]:
            raise ValueError(f"bounds has {len(pairs)} pairs; expected {shape[-1]}, one for each variable")
        low, high = zip(*pairs)
    low, high = (_spread("bounds", arguments.array("bounds", each, (None,) * np.ndim(each), finite=False), shape)
                 for each in (low, high))
    low, high = np.where(low <= -NO_BOUND, -np.inf, low), np.where(high >= NO_BOUND, np.inf, high)
    wrong = ~((low <= high) & (low < np.inf) & (high > -np.inf))
    if wrong.any():
        i, j = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(f"bounds are {low[i, j]} and {high[i, j]} for variable {j}; expected low <= high")
    return low, high


def _spread(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values for each problem (m, d)."""
    try:
        return np.ascontiguousarray(np.broadcast_to(values, shape))
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}; expected ({shape[1]},) or {shape}") from None
