"""Gradients by differences of values, within bounds: the steps of SciPy's least_squares and curve_fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["SCHEMES", "Differences"]

EPS = np.finfo(float).eps
SCHEMES = {"2-point": EPS ** (1 / 2), "3-point": EPS ** (1 / 3)}  # the step of each, relative to a variable

Value = Callable[[np.ndarray], float]
Point = tuple[float, float]  # of a line along one variable: it, and the value
Line = Callable[[float], Point]


@dataclass(frozen=True)
class Differences:
    """Differences by 2 points (forward) or 3 (central; one-sided beside a bound).

    Parameters
    ----------
    scheme : {"2-point", "3-point"}
        How many values a derivative takes, that at x among them.
    step : float or ndarray, shape (d,), optional
        Absolute step, of SciPy's option ``eps``.
    relative_step : float or ndarray, shape (d,), optional
        Step relative to a variable, of SciPy's option ``finite_diff_rel_step``. Without either it is the root of the
        machine epsilon (2 points) or its third root (3 points), times max(1, \\|x\\|).
    """

    scheme: str = "2-point"
    step: float | np.ndarray | None = None
    relative_step: float | np.ndarray | None = None

    def n_values(self, low: np.ndarray, high: np.ndarray) -> int:
        """Return how many values a gradient takes, that at x among them; a variable with equal bounds takes none."""
        return 1 + (1 + (self.scheme == "3-point")) * int(np.count_nonzero(low < high))

    def gradient(self, value: Value, x: np.ndarray, fun: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the gradient (d,) at x (d,), where the value is fun; no step leaves the bounds (d,)."""
        h, result = self._steps(x), np.zeros(x.shape)
        derivative = _forward if self.scheme == "2-point" else _central
        for j in np.flatnonzero(low < high).tolist():
            def at(t: float, j: int = j) -> tuple[float, float]:
                point = x.copy()
                point[j] = min(max(x[j] + t, low[j]), high[j])
                return float(point[j]), value(point)

            result[j] = derivative(at, (x[j], fun), h[j], x[j] - low[j], high[j] - x[j])
        return result

    def _steps(self, x: np.ndarray) -> np.ndarray:
        """Return the steps (d,), away from zero; one that does not change x is the usual one."""
        sign = np.where(x >= 0, 1.0, -1.0)
        usual = SCHEMES[self.scheme] * sign * np.maximum(1.0, np.abs(x))
        if self.step is not None:
            h = np.broadcast_to(self.step, x.shape)
        elif self.relative_step is not None:
            h = self.relative_step * sign * np.abs(x)
        else:
            return usual
        return np.where((x + h) - x == 0, usual, h)


def _forward(at: Line, here: Point, h: float, below: float, above: float) -> float:
    """Return a derivative by one more value, on the side where there is room."""
    if not -below <= h <= above:
        h = -h if abs(h) <= max(below, above) else (above if above >= below else -below)
    return _slope(at(h), here)


def _central(at: Line, here: Point, h: float, below: float, above: float) -> float:
    """Return a derivative by two more values: one on each side or, where a bound is close, both on one."""
    h, near, one_sided = abs(h), min(below, above), min(abs(h), 0.5 * max(below, above))
    if one_sided <= near:
        return _slope(at(min(h, near)), at(-min(h, near)))
    h = one_sided if above >= below else -one_sided
    (_, half), (end, whole) = at(h), at(2 * h)
    with np.errstate(all="ignore"):
        return float((4 * half - 3 * here[1] - whole) / (end - here[0]))


def _slope(one: Point, other: Point) -> float:
    with np.errstate(all="ignore"):
        return float((one[1] - other[1]) / np.float64(one[0] - other[0]))
