"""Starts of curve fits by the values of the curves: a ridge regression of fitted parameters, chosen among polynomials.

What it predicts with is in l2o.policies.values_start.
"""

from __future__ import annotations

import numpy as np

from l2o.learning.prior import within_reach
from l2o.learning.ridge import FOLDS, Ridge
from l2o.policies.values_start import ValuesStart, n_products, terms

__all__ = ["ORDERS", "are_enough", "learn_start"]

ORDERS = ((), (5,), (5, 5), (8, 6, 3))  # components in products of two, three, four factors
FOR_AXES = 2000  # curves that tell the components
REST = 1e-9  # of the largest component: those below are none
TERMS = 0.7  # of the curves: with more terms than that a regression learns them by heart


def are_enough(m: int, n: int, orders: tuple[int, ...]) -> bool:
    """Return whether m curves of n values are enough for a regression with such products."""
    return n + n_products(orders) <= TERMS * m


def learn_start(y: np.ndarray, x: np.ndarray, orders: tuple[tuple[int, ...], ...] = ORDERS, cut: float = 0.0
                ) -> tuple[ValuesStart, np.ndarray]:
    """Learn where curves end by their values; return that for some curves made without them, too, (m, d).

    Parameters
    ----------
    y : ndarray, shape (m, n)
        Values.
    x : ndarray, shape (m, d)
        Fitted parameters.
    orders : tuple of tuples of int
        Polynomials to choose among, the simplest first; the one with the least error on curves left out is taken.
    cut : float
        Share of the parameters that are moved to the next quantile, on either side; 0 moves what is far away alone.
    """
    x, mean = np.clip(x, *np.quantile(x, [cut, 1.0 - cut], axis=0)) if cut else within_reach(x), y.mean(axis=0)
    _, _, right = np.linalg.svd((y - mean)[:: -(-len(y) // FOR_AXES)], full_matrices=False)
    spread = ((y - mean) @ right.T).std(axis=0)
    axes = np.divide(right, spread[:, None], out=np.zeros_like(right), where=spread[:, None] > REST * spread.max())
    fold, unit = np.arange(len(y)) % FOLDS, np.maximum(x.std(axis=0), np.finfo(float).tiny)
    low, high = x.min(axis=0), x.max(axis=0)  # a rate a little below all others may be a negative one
    each = tuple(slice(j, j + 1) for j in range(x.shape[1]))
    found: list[tuple[float, ValuesStart, np.ndarray]] = []
    for wanted in orders:
        chosen = tuple(min(r, len(right)) for r in wanted)
        if found and not are_enough(len(y), y.shape[1], chosen):
            break
        mixed = axes[: max(chosen, default=0)].T
        inputs = terms(y, mean, mixed, chosen).T
        ridge, crossed = Ridge.crossed(inputs, x, each, fold, far=np.inf)
        error = float((((crossed - x) / unit) ** 2).sum())
        found.append((error, ValuesStart(mean, mixed, chosen, ridge.linear, low, high), np.clip(crossed, low, high)))
    return min(found, key=lambda each: each[0])[1:]
