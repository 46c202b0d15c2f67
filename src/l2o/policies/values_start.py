"""Where fits of curves begin by their values: linear in all values, a polynomial in their leading components.

    c = y - mean,   p = A'c, within +-4,   x = a + B'c + sum_ij c_ij p_i p_j + sum_ijk c_ijk p_i p_j p_k + ...

l2o.learning.values_start finds the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

__all__ = ["ValuesStart", "terms"]

FAR = 4.0  # standard deviations within which components are taken
TOGETHER = 1024  # curves whose terms stay in the cache


@dataclass(frozen=True, eq=False)
class ValuesStart:
    """Where curves of n values begin.

    Attributes
    ----------
    mean : ndarray, shape (n,)
        Of the values.
    axes : ndarray, shape (n, r)
        The matrix A: components have the standard deviation 1.
    orders : tuple of int
        How many of the components are in products of two factors, of three, and so on; no more than in those before.
    coefficients : ndarray, shape (n + K + 1, d)
        Of the n centred values, of the K products, then a.
    low, high : ndarray, shape (d,)
        Limits of what is predicted.
    """

    mean: np.ndarray
    axes: np.ndarray
    orders: tuple[int, ...]
    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Return where curves with values (m, n) begin, (m, d)."""
        result = np.empty((len(y), len(self.low)))
        for first in range(0, len(y), TOGETHER):
            some = slice(first, first + TOGETHER)
            result[some] = (self.coefficients[:-1].T @ terms(y[some], self.mean, self.axes, self.orders)).T
        return np.clip(result + self.coefficients[-1], self.low, self.high)


def terms(y: np.ndarray, mean: np.ndarray, axes: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
    """Return the centred values and the products of components of curves (m, n), (n + K, m).

    Products are in the order of their last factor, the largest: those of the first a components are the first of them.
    """
    centred = (y - mean).T
    p = np.clip(axes.T @ centred, -FAR, FAR)
    blocks, before = [centred], p
    for factors, r in enumerate(orders, 2):
        before = np.concatenate([p[a] * before[: comb(a + factors - 1, factors - 1)] for a in range(r)])
        blocks.append(before)
    return np.concatenate(blocks)
