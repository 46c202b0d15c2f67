"""A model that Numba cannot compile: Python calls it at each point, and its derivatives are differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np

from l2o import _kernels
from l2o._kernels.duals import NotANumber

__all__ = ["SlowModel"]

Numbers = Sequence[float] | np.ndarray
STEP = np.finfo(float).eps ** (1 / 3)  # relative to a parameter; of central differences


class SlowModel:
    """A Python function of one point behind the C interface of a model.

    Parameters
    ----------
    function : callable
        ``function(t, p)``, or ``function(t, p, jac)`` that writes its derivatives to jac (d,).
    k : int
        Numbers that make a point.
    by_hand : bool
        Whether it writes its derivatives.

    Attributes
    ----------
    error : BaseException or None
        What the function raised last.
    """

    address = _kernels.python.MODEL

    def __init__(self, function: Callable[..., float], k: int, by_hand: bool) -> None:
        self.function, self.k, self.by_hand = function, k, by_hand
        self.error: BaseException | None = None

    @property
    def user(self) -> int:
        """Address that the C function is called with: this object."""
        return id(self)

    def value(self, point: Numbers, p: Numbers) -> float:
        """Return the value at a point (k,) for parameters (d,).

        Raises
        ------
        NotANumber
            If the function does not return a number.
        """
        more = (np.empty(len(p)),) if self.by_hand else ()
        return self._called(point, np.asarray(p), *more)

    def value_and_derivatives(self, point: Numbers, p: Numbers) -> tuple[float, np.ndarray]:
        """Return the value at a point (k,) for parameters (d,), and its derivatives (d,)."""
        x = np.asarray(p, dtype=float)
        row = np.full(len(x), np.nan)
        if self.by_hand:
            return self._called(point, x, row), row
        steps = STEP * np.where(x == 0.0, 1.0, np.abs(x))
        for j, step in enumerate(steps):
            above, below = x.copy(), x.copy()
            above[j] += step
            below[j] -= step
            row[j] = (self._called(point, above) - self._called(point, below)) / (above[j] - below[j])
        return self._called(point, x), row

    def _called(self, point: Numbers, p: np.ndarray, *row: np.ndarray) -> float:
        """Return a value, of NumPy's numbers: divided by zero they are inf or NaN, as in a compiled model."""
        t = np.asarray(point, dtype=float)
        with np.errstate(all="ignore"):
            value = self.function(t[0] if self.k == 1 else tuple(t), tuple(p), *row)
        if not isinstance(value, (Real, np.bool_)):
            raise NotANumber(_shown(value))
        return float(value)


def _shown(value: object) -> str:
    """Return what a model has returned, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return "nothing" if value is None else f"{value!r}"
