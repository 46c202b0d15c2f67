"""Starts of curve fits by values at any points: basis curves, the errors of values, a polynomial of the components.

What it predicts with is in l2o.policies.points_start.
"""

from __future__ import annotations

import numpy as np

from l2o.learning.prior import within_reach
from l2o.learning.values_start import ORDERS, learn_start
from l2o.policies.points_start import PointsStart, components, places
from l2o.problems.models import Model

__all__ = ["learn_points_start", "nodes_of"]

MOST_NODES = 128  # where one number makes a point
FOR_NODES = 20_000  # points that tell them
MOST_PLACES = 1024  # where more do, and there is nothing between them
MOST_COMPONENTS = 14
SMALL = 0.05  # of the errors, basis curves that are none
ROUGH = 1e-3  # of the spread of curves: errors are no smaller, since basis curves are straight between nodes
LEAST_SHAPES = 20  # curves that are finite at all nodes, or half of all: with fewer nothing is learned
NORMAL = 1.4826  # standard deviation of what is normal over the median of its size


def nodes_of(t: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Return points (g, k) that stand for all that are finite and have values; None if they are too many.

    Parameters
    ----------
    t : ndarray, shape (n, k) or (N, k)
        Points, the same for all curves or each one's own.
    y : ndarray, shape (N,)
        Values, NaN where there is none.
    """
    count = np.isfinite(t).all(axis=1)
    if len(t):
        count &= np.isfinite(y).reshape(-1, len(t)).any(axis=0)
    t = t if count.all() else t[count]
    some = t if len(t) <= FOR_NODES else np.random.default_rng(0).choice(t, FOR_NODES)  # grids have periods
    if t.shape[1] > 1:
        distinct = np.unique(some, axis=0)
        if len(some) < len(t) and len(distinct) <= MOST_PLACES:
            others = t[np.isnan(places(distinct, t))]
            distinct = np.unique(np.concatenate([distinct, others]), axis=0)
        return distinct if len(distinct) <= MOST_PLACES else None
    points = np.unique(np.append(some, [t.min(), t.max()] if len(t) else []))
    if len(points) > MOST_NODES:
        points = np.unique(np.quantile(points, np.linspace(0.0, 1.0, MOST_NODES)))
    return points[:, None]


def learn_points_start(model: Model, nodes: np.ndarray, curves: tuple[np.ndarray, np.ndarray, np.ndarray],
                       x: np.ndarray, orders: tuple[tuple[int, ...], ...] = ORDERS, cut: float = 0.0
                       ) -> tuple[PointsStart, np.ndarray] | None:
    """Learn where curves end by their values at any points; return that for some curves made without them, too, (m, d).

    It is None if too few of the curves are finite at all nodes, or differ by more than numbers can say.

    Parameters
    ----------
    model : Model
        Of which they are curves.
    nodes : ndarray, shape (g, k)
        Of `nodes_of`.
    curves : tuple (t, y, offsets)
        The curves to learn from, as `PointsStart` takes them.
    x : ndarray, shape (m, d)
        Fitted parameters.
    orders, cut
        As in `learn_start`, of the components.
    """
    t, y, offsets = curves
    x = within_reach(x)
    shapes = model.curves(nodes, np.arange(len(x) + 1) * len(nodes), x)[0].reshape(len(x), -1)
    shapes = shapes[np.isfinite(shapes).all(axis=1)]
    fitted = model.curves(t, offsets, x)[0]
    known = np.isfinite(y) & np.isfinite(fitted)
    if len(shapes) < min(LEAST_SHAPES, 0.5 * len(x)) or not known.any():
        return None
    noise = NORMAL * float(np.median(np.abs(y[known] - fitted[known])))
    found = _basis(shapes, noise)
    if found is None:
        return None
    basis, noise = found
    values, crossed = learn_start(components(places(nodes, t), y, offsets, basis, noise), x, orders, cut)
    return PointsStart(nodes, basis, noise, values), crossed


def _basis(shapes: np.ndarray, noise: float) -> tuple[np.ndarray, float] | None:
    """Return the basis (g, r + 1) of curves (m, g) whose values have such errors, and what counts as their errors."""
    _, exponent = np.frexp(np.abs(shapes).max())
    shapes, noise = np.ldexp(shapes, -exponent), float(np.ldexp(noise, -exponent))  # squares stay within the numbers
    mean = shapes.mean(axis=0)
    try:
        _, sizes, right = np.linalg.svd(shapes - mean, full_matrices=False)
    except np.linalg.LinAlgError:
        return None
    spread = sizes[:, None] * right / np.sqrt(len(shapes))
    of_all = np.sqrt(sizes @ sizes / shapes.size)
    noise = max(noise, ROUGH * of_all, np.finfo(float).tiny)
    count = int((sizes > SMALL * noise * np.sqrt(shapes.size)).sum())
    basis = np.column_stack([*spread[: min(max(count, 1), MOST_COMPONENTS)], mean])
    with np.errstate(over="ignore"):
        basis, noise = np.ldexp(basis, exponent), max(float(np.ldexp(noise, exponent)), np.finfo(float).tiny)
    return (basis, noise) if np.isfinite(basis).all() and np.isfinite(noise) else None
