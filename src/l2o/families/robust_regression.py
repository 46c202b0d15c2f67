"""Robust linear regression with the Geman-McClure loss, as in Li and Malik (2016), section 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families import points
from l2o.families.family import Family
from l2o.problems import ROBUST, Problems, from_blocks

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

    def from_data(self, X: ArrayLike, y: ArrayLike, x0: ArrayLike | None = None) -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        X : array_like, shape (m, n, p)
            Features of n points for each of m functions.
        y : array_like, shape (m, n)
            Targets, any real numbers.
        x0 : array_like, shape (m, d), optional
            Starting points, zero by default.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError
            If shapes do not fit or a value is not finite.
        """
        X = points.features(X, self.n_features)
        m, n, p = X.shape
        y = arguments.array("y", y, (m, n), "a target for each point")
        x0 = np.zeros((m, self.dim)) if x0 is None else arguments.starts(x0, m, self.dim)
        blocks, columns = points.columns(m, n, p + 2)
        columns[:, 0, :n] = y / self.c
        np.divide(X.transpose(0, 2, 1), -self.c, out=columns[:, 1 : p + 1, :n])
        columns[:, p + 1, :n] = -1.0 / self.c
        return from_blocks(ROBUST, blocks, x0)
