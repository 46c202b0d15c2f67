"""Where fits of curves begin by their values: linear in all values, a polynomial in their leading components.

    c = y - mean,   p = A'c, within +-4,   x = a + B'c + sum_ij c_ij p_i p_j + sum_ijk c_ijk p_i p_j p_k + ...

l2o.learning.values_start finds the numbers; the kernel is _kernels/policies/_values_start.pyx.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import comb

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.policies.weights import Weights

__all__ = ["ValuesShape", "ValuesStart", "n_products", "terms"]

FAR = _kernels.values_start.FAR  # standard deviations within which components are taken


@dataclass(frozen=True)
class ValuesShape:
    """What a start by the values of a curve consists of.

    Parameters
    ----------
    n_points : int
        Points n of a curve.
    n_numbers : int
        Numbers that make a point.
    orders : tuple of int
        As in `ValuesStart`.
    """

    n_points: int
    n_numbers: int = 1
    orders: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("n_points", "n_numbers"):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name)))
        orders = tuple(arguments.count("orders", r) for r in self.orders)  # a card has a list
        if any(later > earlier for earlier, later in pairwise(orders)):
            raise ValueError(f"orders is {orders}; expected no number above the one before it")
        object.__setattr__(self, "orders", orders)

    def shapes(self, dim: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        return {"values_points": (self.n_points, self.n_numbers), "values_mean": (self.n_points,),
                "values_axes": (self.n_points, max(self.orders, default=0)),
                "values_terms": (self.n_points + n_products(self.orders) + 1, dim), "values_range": (2, dim)}

    def start(self, weights: Weights) -> ValuesStart:
        """Return what tells where curves begin."""
        return ValuesStart(weights["values_mean"], weights["values_axes"], self.orders, weights["values_terms"],
                           *weights["values_range"])


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

    def weights(self, points: np.ndarray) -> Weights:
        """Return the numbers as a policy has them, with the points (n, k) that the values are at."""
        return {"values_points": points, "values_mean": self.mean, "values_axes": self.axes,
                "values_terms": self.coefficients, "values_range": np.stack([self.low, self.high])}

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Return where curves with values (m, n) begin, (m, d)."""
        axes, rows = (_filled(matrix.T) for matrix in (self.axes, self.coefficients[:-1]))
        limits, result = np.stack([self.coefficients[-1], self.low, self.high]), np.empty((len(y), len(self.low)))
        work = _kernels.aligned((rows.shape[1] + axes.shape[1] + len(axes),))
        _kernels.values_start.starts(np.ascontiguousarray(y, np.float64), self.mean, axes,
                                     np.array(self.orders, np.intp), rows, limits, work, result)
        return result


def _filled(rows: np.ndarray) -> np.ndarray:
    """Return rows with zeros at their ends, as the kernel multiplies them."""
    wide = -(-rows.shape[1] // _kernels.values_start.MULTIPLE) * _kernels.values_start.MULTIPLE
    result = _kernels.aligned((len(rows), wide))
    result[:, : rows.shape[1]] = rows
    return result


def n_products(orders: tuple[int, ...]) -> int:
    """Return how many products of components there are."""
    return sum(comb(r + factors - 1, factors) for factors, r in enumerate(orders, 2))


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
