"""Logistic regression with an unregularised bias, as in Li and Malik (2016), section 4.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families import points
from l2o.families.family import Family
from l2o.problems import LOGISTIC, Problems, from_blocks

__all__ = ["Logistic"]

PADDING_MARGIN = 2000.0  # as in _kernels/objectives/_logistic.pyx: 2^-2000 is exactly 0


@dataclass(frozen=True)
class Logistic(Family):
    r"""Logistic regressions: labels from features, weights and a bias to be found.

    .. math:: f(w, b) = \frac1n \sum_i \log(1 + e^{-y_i (w \cdot x_i + b)}) + \frac\lambda2 \|w\|^2,
              \qquad y_i = \pm 1

    The parameters are (w_1, ..., w_p, b).

    Parameters
    ----------
    n_features : int
        Number p of features; the dimension is p + 1.
    n_points : int
        Points of a function that `sample` draws; data given to `from_data` may have any number.
    l2 : float
        Regularisation weight lambda, at least 0.

    References
    ----------
    Li and Malik, *Learning to Optimize*, 2016, section 4.2.
    """

    n_training: ClassVar[int] = 90

    n_features: int = 3
    n_points: int = 100
    l2: float = 5e-4

    def __post_init__(self) -> None:
        for name, value in (("n_features", arguments.count("n_features", self.n_features)),
                            ("n_points", arguments.count("n_points", self.n_points, 2)),
                            ("l2", arguments.number("l2", self.l2))):
            object.__setattr__(self, name, value)  # Python's own numbers, which a card holds

    @property
    def dim(self) -> int:
        """Number of variables, n_features + 1."""
        return self.n_features + 1

    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw members: two Gaussians, one a label, with random means and covariances.

        Means and starting points are standard normal; covariances are A A^T, A of standard normal
        entries. The first k of m members are those of ``sample(k)`` with the same seed.

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
        p, half = self.n_features, self.n_points // 2
        X, x0 = np.empty((m, self.n_points, p)), np.empty((m, self.dim))
        y = np.tile(np.arange(self.n_points) < half, (m, 1)).astype(float)
        for i in range(m):
            for rows in (slice(0, half), slice(half, None)):
                X[i, rows] = points.gaussian(rng, len(X[i, rows]), p)
            x0[i] = rng.standard_normal(self.dim)
        return self.from_data(X, y, x0)

    def from_data(self, X: ArrayLike, y: ArrayLike, x0: ArrayLike | None = None) -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        X : array_like, shape (m, n, p)
            Features of n points for each of m functions.
        y : array_like, shape (m, n)
            Labels, 0 or 1.
        x0 : array_like, shape (m, d), optional
            Starting points, zero by default.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError
            If shapes do not fit, a value is not finite, or a label is neither 0 nor 1.
        """
        X = points.features(X, self.n_features)
        m, n, p = X.shape
        y = arguments.array("y", y, (m, n), "a label for each point")
        if not np.isin(y, (0.0, 1.0)).all():
            raise ValueError(f"y holds the label {y[~np.isin(y, (0.0, 1.0))][0]}; expected 0 or 1")
        x0 = np.zeros((m, self.dim)) if x0 is None else arguments.starts(x0, m, self.dim)
        blocks, columns = points.columns(m, n, p + 2, self.l2)
        columns[:, 0, n:] = PADDING_MARGIN
        sign = (2.0 * y - 1.0) * np.log2(np.e)
        np.multiply(X.transpose(0, 2, 1), sign[:, None, :], out=columns[:, 1 : p + 1, :n])
        columns[:, p + 1, :n] = sign
        return from_blocks(LOGISTIC, blocks, x0)
