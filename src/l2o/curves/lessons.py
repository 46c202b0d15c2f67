"""What curves of a batch are told by: values at the points that all have, or values at points of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from l2o.curves.data import Curves
from l2o.learning.points_start import learn_points_start, nodes_of
from l2o.learning.values_start import ORDERS, learn_start
from l2o.problems.models import Model

__all__ = ["Lesson", "Predict", "lesson_of"]

MOST_HOLES = 0.5  # of curves that share their points: if more miss values, all count as with points of their own

Orders = tuple[tuple[int, ...], ...]
Predict = Callable[[np.ndarray], np.ndarray]  # rows of the batch -> starts (len(rows), d)


class Lesson(Protocol):
    """What starts are learned from."""

    @property
    def known(self) -> np.ndarray:
        """Which curves say where they begin, (m,)."""

    def learn(self, rows: np.ndarray, x: np.ndarray, orders: Orders = ORDERS) -> tuple[Predict, np.ndarray] | None:
        """Return what tells where others begin, of curves that have ended at x (len(rows), d); and where these do,
        each told without itself. None if they tell nothing. `orders` are those of `learn_start`."""


@dataclass(frozen=True, eq=False)
class ByValues:
    """Curves with the same points.

    Attributes
    ----------
    y : ndarray, shape (m, n)
        Values.
    known : ndarray of bool, shape (m,)
        Which curves have all of them.
    """

    y: np.ndarray
    known: np.ndarray

    def learn(self, rows: np.ndarray, x: np.ndarray, orders: Orders = ORDERS) -> tuple[Predict, np.ndarray]:
        """Learn from the values."""
        start, crossed = learn_start(self.y[rows], x, orders)
        return lambda others: start(self.y[others]), crossed


@dataclass(frozen=True, eq=False)
class ByPoints:
    """Curves with points of their own.

    Attributes
    ----------
    model : Model
        Of which they are curves.
    curves : Curves
        The m curves.
    nodes : ndarray, shape (g, k)
        Points that stand for all.
    known : ndarray of bool, shape (m,)
        Which curves have a finite value at a finite point at all.
    """

    model: Model
    curves: Curves
    nodes: np.ndarray
    known: np.ndarray

    def learn(self, rows: np.ndarray, x: np.ndarray, orders: Orders = ORDERS) -> tuple[Predict, np.ndarray] | None:
        """Learn from what the family's curves have in common; None if they are not finite at each other's points."""
        learned = learn_points_start(self.model, self.nodes, self._of(rows), x, orders)
        if learned is None:
            return None
        start, crossed = learned
        return lambda others: start(*self._of(others)), crossed

    def _of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        some = self.curves.chosen(rows)
        return some.t, some.known, some.offsets


def lesson_of(model: Model, curves: Curves) -> Lesson | None:
    """Return what curves are told by; None if nothing tells."""
    finite = np.isfinite(curves.known)
    if curves.share_points:
        whole = finite.reshape(len(curves), -1).all(axis=1)
        if whole.mean() >= 1.0 - MOST_HOLES:
            return ByValues(curves.y.reshape(len(curves), -1), whole)
    nodes = nodes_of(curves.t, curves.known)
    finite &= np.resize(np.isfinite(curves.t).all(axis=1), len(finite))
    some = np.diff(np.append(0, np.cumsum(finite))[curves.offsets]) > 0
    return None if nodes is None else ByPoints(model, curves, nodes, some)
