"""Logistic regression with an unregularised bias, as in Li and Malik (2016), section 4.2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families import points, regression
from l2o.families.family import Family
from l2o.problems import LOGISTIC, WEIGHTED_LOGISTIC, Problems, from_blocks

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

    @property
    def _suspect(self) -> float:
        """Value below which labels may be separable: any, without regularisation; else where there is but one."""
        return LOGISTIC.suspect if self.l2 else math.inf

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

    def from_data(self, X: ArrayLike, y: ArrayLike, x0: ArrayLike | None = None, *, weights: ArrayLike | None = None,
                  check: str = "row") -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        X : array_like, shape (m, n, p) or (n, p)
            Features of n points for each of m functions, or one design for all, which is kept once.
        y : array_like, shape (m, n)
            Labels, 0 or 1, False or True, or -1 or 1. A point that X or y masks, in a masked array, has weight zero.
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
            If shapes do not fit, a label is none of these, a weight is negative, or no function is finite.
        """
        data = regression.read(X, y, x0, weights, check, (self.n_features, self.dim))
        sign = regression.signs(data) * np.log2(np.e)
        if data.X.ndim == 2 or data.weights is not None:
            blocks, design = regression.weighted(data, sign, self.l2)
            return from_blocks(WEIGHTED_LOGISTIC.suspecting(self._suspect), blocks, data.x0, shared=design)
        m, n, p = data.X.shape
        blocks, columns = points.columns(m, n, p + 2, self.l2)
        columns[:, 0, n:] = PADDING_MARGIN
        np.multiply(data.columns, sign[:, None, :], out=columns[:, 1 : p + 1, :n])
        columns[:, p + 1, :n] = sign
        if data.bad is not None:
            blocks[data.bad, 0] = np.nan  # the number of points: so are value and gradient
        return from_blocks(LOGISTIC.suspecting(self._suspect), blocks, data.x0)
