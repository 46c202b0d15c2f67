"""Limits: the range of what a policy met in training, and how far beyond it a run may go.

A policy sees objective changes and gradients, and is good at what it has seen of them. The curvature along its steps is
not seen at once, but it decides what a step leads to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Card

__all__ = ["Limits"]

MARGIN = 0.25  # a quarter beyond what was met is not outside: another hundred functions reach a little further
ROUNDING = 1e-8  # shorter steps, in units of the location, show no curvature but rounding


@dataclass(frozen=True)
class Limits:
    """What runs of a policy met on the functions that it was trained on.

    Attributes
    ----------
    horizon : int
        Steps of the runs.
    gradient : (float, float)
        The smallest gradient at a start and the largest anywhere, maximum norms.
    change : (float, float)
        The lowest and the highest change of f in a step.
    curvature : (float, float)
        The lowest and the highest curvature s'y / s's along a step s that changed the gradient by y.
    """

    horizon: int
    gradient: tuple[float, float]
    change: tuple[float, float]
    curvature: tuple[float, float]

    @classmethod
    def of(cls, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> Limits | None:
        """Return the limits of runs: x (m, T+1, d), fun (m, T+1), jac (m, T+1, d); None if no step is finite."""
        with np.errstate(all="ignore"):  # runs that leave the finite numbers are left out below
            steps, changes = np.diff(x, axis=1), np.diff(jac, axis=1)
            length2 = (steps**2).sum(axis=2)
            curvature = (steps * changes).sum(axis=2) / length2
            curvature[length2 <= ROUNDING**2 * (x[:, 1:] ** 2).sum(axis=2)] = np.nan
            size, change = np.abs(jac).max(axis=2), np.diff(fun, axis=1)
        start, size, change, curvature = (part[np.isfinite(part)] for part in (size[:, 0], size, change, curvature))
        if not (len(start) and len(change) and len(curvature)):
            return None
        return cls(fun.shape[1] - 1, (float(start.min()), float(size.max())),
                   (float(change.min()), float(change.max())), (float(curvature.min()), float(curvature.max())))

    def card(self) -> Card:
        """Return the limits as a record that JSON holds."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_card(cls, card: Card) -> Limits | None:
        """Return the limits that a card has; None for the horizon alone, all that older files have.

        Raises
        ------
        ValueError, TypeError, KeyError
            If they are no limits.
        """
        given = dict(card)
        if "gradient" not in given:
            return None
        pairs = {name: _pair(name, given[name]) for name in ("gradient", "change", "curvature")}
        return cls(arguments.count("horizon", given["horizon"]), **pairs)

    def widened(self) -> np.ndarray:
        """Return the limits with the margin, as the kernels have them, (7,)."""
        return np.array([self.gradient[0] / (1 + MARGIN), self.gradient[1] * (1 + MARGIN), *_wider(self.change),
                         *_wider(self.curvature), self.horizon], np.float64)


def _pair(name: str, given: Any) -> tuple[float, float]:
    """Return a pair of finite numbers, the lower one first."""
    low, high = (arguments.number(name, value, -np.inf) for value in given)
    if low > high:
        raise ValueError(f"{name} is {low} and {high}; expected the lower one first")
    return low, high


def _wider(pair: tuple[float, float]) -> tuple[float, float]:
    """Move both ends out by the margin's share of the larger."""
    margin = MARGIN * max(abs(pair[0]), abs(pair[1]))
    return pair[0] - margin, pair[1] + margin
