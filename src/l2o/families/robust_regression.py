"""Robust linear regression with the Geman-McClure loss, as in Li and Malik (2016), section 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families import points, regression
from l2o.families.family import Family
from l2o.problems import ROBUST, WEIGHTED_ROBUST, Problems, from_blocks

__all__ = ["RobustRegression"]


@dataclass(frozen=True)
class RobustRegression(Family):
    r"""Robust linear regressions: a bounded loss, so that outliers pull no more; it is not convex.

    .. math:: f(w, b) = \frac1n \sum_i \frac{r_i^2}{c^2 + r_i^2}, \qquad r_i = y_i - w \cdot x_i - b

    The parameters are (w_1, ..., w_p, b).

    Parameters
    ----------
    n_features : int
        Number p of features; the dimension is p + 1.
    n_points : int
        Points of a function that `sample` draws, at least n_clusters; data given to `from_data` may have any number.
    c : float
        Size of a residual whose loss is one half, above 0.
    n_clusters : int
        Gaussians that `sample` draws the points of a function from.
    noise : float
        Standard deviation of the noise of the targets that `sample` draws, at least 0.

    References
    ----------
    Li and Malik, *Learning to Optimize*, 2016, section 4.3.
    """

    n_training: ClassVar[int] = 120

    n_features: int = 3
    n_points: int = 100
    c: float = 1.0
    n_clusters: int = 4
    noise: float = 1.0

    def __post_init__(self) -> None:
        n_clusters = arguments.count("n_clusters", self.n_clusters)
        for name, value in (("n_features", arguments.count("n_features", self.n_features)),
                            ("n_points", arguments.count("n_points", self.n_points, n_clusters)),
                            ("c", arguments.number("c", self.c, exclusive=True)),
                            ("n_clusters", n_clusters),
                            ("noise", arguments.number("noise", self.noise))):
            object.__setattr__(self, name, value)  # Python's own numbers, which a card holds

    @property
    def dim(self) -> int:
        """Number of variables, n_features + 1."""
        return self.n_features + 1

    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw members: a few Gaussians, each with a linear law of its own for the targets.

        A Gaussian has a random mean and covariance I; its targets are v . x + a plus noise, with a random
        vector v and a random number a. All of these and the starting points are standard normal. The
        first k of m members are those of ``sample(k)`` with the same seed.

        Parameters
        ----------
        m : int
            How many.
        rng : None, int, SeedSequence or Generator, optional
            Source of randomness.

        Returns
        -------
        Problems
        """
        m, rng = arguments.count("m", m), arguments.generator(rng)
        n, p = self.n_points, self.n_features
        X, y, x0 = np.empty((m, n, p)), np.empty((m, n)), np.empty((m, self.dim))
        for i in range(m):
            for rows in points.clusters(n, self.n_clusters):
                mean, vector, number = rng.standard_normal(p), rng.standard_normal(p), rng.standard_normal()
                X[i, rows] = mean + rng.standard_normal((len(rows), p))
                y[i, rows] = X[i, rows] @ vector + number + self.noise * rng.standard_normal(len(rows))
            x0[i] = rng.standard_normal(self.dim)
        return self.from_data(X, y, x0)

    def from_data(self, X: ArrayLike, y: ArrayLike, x0: ArrayLike | None = None, *, weights: ArrayLike | None = None,
                  check: str = "row") -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        X : array_like, shape (m, n, p) or (n, p)
            Features of n points for each of m functions, or one design for all, which is kept once.
        y : array_like, shape (m, n)
            Targets, any real numbers. A point that X or y masks, in a masked array, has weight zero.
        x0 : array_like, shape (m, d) or (d,), optional
            Starting points, or one for all; zero by default.
        weights : array_like, shape (m, n) or (n,), optional
            Weights of the points, at least 0: f is sum(weight * loss) / sum(weight), and what a point of weight zero
            holds does not matter.
        check : {"row", "raise"}
            A function with a number that is not finite, or without weight, ends with status 3, or is an error.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError
            If shapes do not fit, a weight is negative, or no function is finite.
        """
        data = regression.read(X, y, x0, weights, check, (self.n_features, self.dim))
        if data.X.ndim == 2 or data.weights is not None:
            blocks, design = regression.weighted(data, data.y / self.c, self.c)
            return from_blocks(WEIGHTED_ROBUST, blocks, data.x0, shared=design)
        m, n, p = data.X.shape
        blocks, columns = points.columns(m, n, p + 2)
        columns[:, 0, :n] = data.y / self.c
        np.divide(data.columns, -self.c, out=columns[:, 1 : p + 1, :n])
        columns[:, p + 1, :n] = -1.0 / self.c
        if data.bad is not None:
            blocks[data.bad, 0] = np.nan  # the number of points: so are value and gradient
        return from_blocks(ROBUST, blocks, data.x0)
