"""Where fits of curves begin that are known at points of their own: by what the family's curves have in common.

    f(t) = mean(t) + sum_a z_a phi_a(t),   y_j = f(t_j) + e_j,   z normal (0, 1), e normal (0, noise^2)

The most likely z of the values of a curve are as many numbers for each curve, whatever its points are; a polynomial of
them tells where it begins. mean and phi are known at nodes, between which they are straight lines.
l2o.learning.points_start finds the numbers; the kernel is _kernels/solvers/_components.pyx.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.policies.values_start import ValuesShape, ValuesStart
from l2o.policies.weights import Weights

__all__ = ["PointsShape", "PointsStart", "components", "places"]


@dataclass(frozen=True)
class PointsShape:
    """What a start by values at any points consists of.

    Parameters
    ----------
    n_nodes : int
        Points at which the basis curves are known.
    n_numbers : int
        Numbers that make a point.
    n_components : int
        Basis curves.
    orders : tuple of int
        As in `ValuesStart`, of the components.
    """

    n_nodes: int
    n_numbers: int = 1
    n_components: int = 1
    orders: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("n_nodes", "n_numbers", "n_components"):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name)))
        object.__setattr__(self, "orders", self._by_components.orders)

    @property
    def _by_components(self) -> ValuesShape:
        return ValuesShape(self.n_components, 1, self.orders)

    def shapes(self, dim: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        inner = self._by_components.shapes(dim)
        return {"points_nodes": (self.n_nodes, self.n_numbers), "points_basis": (self.n_nodes, self.n_components + 1),
                "points_mean": inner["values_mean"], "points_axes": inner["values_axes"],
                "points_terms": inner["values_terms"], "points_range": inner["values_range"], "points_noise": (1,)}

    def start(self, weights: Weights) -> PointsStart:
        """Return what tells where curves begin."""
        by_components = ValuesStart(weights["points_mean"], weights["points_axes"], self.orders,
                                    weights["points_terms"], *weights["points_range"])
        return PointsStart(weights["points_nodes"], weights["points_basis"], float(weights["points_noise"][0]),
                           by_components)


@dataclass(frozen=True, eq=False)
class PointsStart:
    """Where curves begin.

    Attributes
    ----------
    nodes : ndarray, shape (g, k)
        Points at which the basis curves are known; where one number makes a point, in ascending order.
    basis : ndarray, shape (g, r + 1)
        The r basis curves there, then the mean.
    noise : float
        Standard deviation of a value.
    values : ValuesStart
        Where curves with r components begin.
    """

    nodes: np.ndarray
    basis: np.ndarray
    noise: float
    values: ValuesStart

    def weights(self) -> Weights:
        """Return the numbers as a policy has them."""
        inner = self.values.weights(self.nodes)
        renamed = {name.replace("values", "points"): each for name, each in inner.items() if name != "values_points"}
        return {**renamed, "points_nodes": self.nodes, "points_basis": self.basis,
                "points_noise": np.array([self.noise])}

    def counts(self, t: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return how many values of each curve are known, and say something, (m,); arguments as of `__call__`."""
        known = np.isfinite(y) & np.resize(np.isfinite(places(self.nodes, t)), len(y))
        return np.diff(np.append(0, np.cumsum(known))[offsets])

    def components(self, t: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return the components (m, r) of curves, whose points and values are as in `__call__`."""
        return components(places(self.nodes, t), y, offsets, self.basis, self.noise)

    def __call__(self, t: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return where curves begin, (m, d).

        Parameters
        ----------
        t : ndarray, shape (n, k) or (N, k)
            Points, the same for all curves or each one's own. One beyond the nodes tells nothing.
        y : ndarray, shape (N,)
            Values, NaN where there is none.
        offsets : ndarray of intp, shape (m + 1,)
            The values of curve i are those from offsets[i] to offsets[i + 1].
        """
        return self.values(self.components(t, y, offsets))


def components(place: np.ndarray, y: np.ndarray, offsets: np.ndarray, basis: np.ndarray, noise: float) -> np.ndarray:
    """Return the most likely components (m, r) of curves.

    Parameters
    ----------
    place : ndarray, shape (n,) or (N,)
        Where the points are, of `places`.
    y, offsets
        Values, and where curves lie among them, as `PointsStart` takes them.
    basis, noise
        As in `PointsStart`.
    """
    z = np.empty((len(offsets) - 1, basis.shape[1] - 1))
    _kernels.components.components(place, np.ascontiguousarray(y) / noise, offsets, basis / noise, z)
    return z


def places(nodes: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return where points (n, k) are among nodes (g, k), counted from 0, or NaN; between two only where k is 1."""
    if nodes.shape[1] == 1:
        return np.interp(t[:, 0], nodes[:, 0], np.arange(float(len(nodes))), np.nan, np.nan)
    of_nodes, of_t = np.zeros(len(nodes), np.intp), np.zeros(len(t), np.intp)
    for column, wanted in zip(nodes.T, t.T):  # ranks by the numbers so far, which no units round away
        (among, wanted_among), n = _ranks(column, wanted), len(nodes)
        of_nodes, of_t = _ranks(n * of_nodes + among, n * of_t + wanted_among)
    nearest = np.unique(of_nodes, return_index=True)[1][of_t]
    return np.where((nodes[nearest] == t).all(axis=1), nearest, np.nan)


def _ranks(values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of values among themselves, and of wanted ones; any rank for what is not among them."""
    distinct = np.unique(values)
    return np.searchsorted(distinct, values), np.searchsorted(distinct, wanted).clip(max=len(distinct) - 1)
