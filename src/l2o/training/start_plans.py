"""What StartRegression may learn of where curves begin: a constant, or a polynomial of their values or components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from l2o.learning.points_start import MOST_COMPONENTS, learn_points_start, nodes_of
from l2o.learning.values_start import ORDERS, are_enough, learn_start
from l2o.policies import LevenbergMarquardt
from l2o.policies.points_start import PointsShape
from l2o.policies.values_start import ValuesShape
from l2o.training.curve_trials import Fits, Way

__all__ = ["CONSTANT", "OWN", "Plan", "plans_for", "with_any_points"]

POLYNOMIALS = (*ORDERS, (10, 8, 4), (12, 8, 6, 3), (14, 10, 6, 4))
CENTRAL = 0.05  # of the fits that are cut off on either side: extreme ones lie in long valleys, a bad place to begin


class Plan(NamedTuple):
    """What is to be learned.

    Attributes
    ----------
    by : {"own", "constant", "values", "points"}
        What tells where a curve begins; "points" are the components, which values at any points tell.
    orders : tuple of int
        As in `ValuesStart`.
    central : bool
        Whether starts are those of the central nine tenths of the curves.
    """

    by: str
    orders: tuple[int, ...] = ()
    central: bool = False

    @property
    def name(self) -> str:
        """What the card calls it."""
        return " ".join([self.by, *map(str, self.orders), *(["central"] if self.central else [])])

    @property
    def is_polynomial(self) -> bool:
        """Whether there is a polynomial to be learned."""
        return self.by in ("values", "points")

    def way(self, fits: Fits, x: np.ndarray) -> Way | None:
        """Learn of fits that have ended at x (m, d); None if they tell nothing."""
        return LEARN[self.by](self, fits, x)


OWN, CONSTANT = Plan("own"), Plan("constant")


def plans_for(fits: Fits) -> list[Plan]:
    """Return what can be learned of such curves, the simplest first, all but the variants of a plan."""
    common, m = fits.common(), len(fits.tables)
    if common is None and nodes_of(*fits.joined()[:2]) is None:
        return [OWN, CONSTANT]
    by, n = ("points", MOST_COMPONENTS) if common is None else ("values", len(common[0]))
    return [OWN, CONSTANT, *(Plan(by, orders) for orders in POLYNOMIALS if are_enough(m, n, orders))]


def with_any_points(plan: Plan, fits: Fits, x: np.ndarray) -> Way:
    """Learn by the values, and by the components, if they tell something, for curves with other points."""
    by_values, by_points = cast(Way, plan.way(fits, x)), plan._replace(by="points").way(fits, x)
    if by_points is None:
        return by_values
    kind = replace(by_values.kind, points=by_points.kind.points)
    return Way(kind, {**by_values.weights, **by_points.weights})


def _own(plan: Plan, fits: Fits, x: np.ndarray) -> Way:
    kind = LevenbergMarquardt(fits.source.loss.damping)
    return Way(kind, kind.initial())


def _constant(plan: Plan, fits: Fits, x: np.ndarray) -> Way:
    kind, base = LevenbergMarquardt(fits.source.loss.damping, constant=True), np.median(x, axis=0)
    return Way(kind, {**kind.initial(len(base)), "base": base})


def _by_values(plan: Plan, fits: Fits, x: np.ndarray) -> Way:
    points, y = cast(tuple[np.ndarray, np.ndarray], fits.common())
    start, _ = learn_start(y, x, (plan.orders,), _cut(plan))
    kind, weights = _constant(plan, fits, x)
    shape = ValuesShape(len(points), points.shape[1], start.orders)
    return Way(replace(kind, values=shape), {**weights, **start.weights(points)})


def _by_points(plan: Plan, fits: Fits, x: np.ndarray) -> Way | None:
    curves, (kind, weights) = fits.joined(), _constant(plan, fits, x)
    nodes = nodes_of(*curves[:2])
    learned = (None if nodes is None else
               learn_points_start(fits.source.model, nodes, curves, x, (plan.orders,), _cut(plan)))
    if nodes is None or learned is None:
        return None
    start, _ = learned
    shape = PointsShape(len(nodes), nodes.shape[1], start.basis.shape[1] - 1, start.values.orders)
    return Way(replace(kind, points=shape), {**weights, **start.weights()})


def _cut(plan: Plan) -> float:
    return CENTRAL if plan.central else 0.0


LEARN: dict[str, Callable[[Plan, Fits, np.ndarray], Way | None]] = {
    "own": _own, "constant": _constant, "values": _by_values, "points": _by_points}
