"""Classifiers with one hidden layer of rectified units, as in Li and Malik (2016), section 4.4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families import points, regression
from l2o.families.family import Family
from l2o.problems import NEURAL_NET, Problems, from_blocks

__all__ = ["NeuralNet"]

CHUNK, SCRATCH = 512, 8192  # as in _kernels/objectives/_neural_net.pyx: most points at a time, and numbers kept of them
LEAST_CHUNK = 8
LARGEST_LOG2 = 1000  # of a product of as many sums over the classes as a chunk has points


@dataclass(frozen=True)
class NeuralNet(Family):
    r"""Neural networks that classify: inputs, one hidden layer of rectified units, a score for each class.

    .. math:: f = -\frac1n \sum_i \log \operatorname{softmax}(U \max(W x_i + b, 0) + c)_{y_i}
              + \frac\lambda2 (\|W\|^2 + \|U\|^2)

    The parameters are W (n_hidden, n_inputs), b, U (n_classes, n_hidden), c, each row by row. The derivative
    of max(a, 0) at a = 0 is taken to be 0. The objective is not convex; its Hessian is that of the smooth
    piece.

    Parameters
    ----------
    n_inputs : int
        Number of features of a point.
    n_hidden : int
        Number of hidden units. 2 n_hidden + n_classes may be 1024 at most.
    n_classes : int
        Number of classes, at least 2.
    n_points : int
        Points of a function that `sample` draws, at least n_clusters; data given to `from_data` may have any number.
    l2 : float
        Regularisation weight lambda, at least 0; biases are not regularised.
    n_clusters : int
        Gaussians that `sample` draws the points of a function from, at least 2.

    References
    ----------
    Li and Malik, *Learning to Optimize*, 2016, section 4.4.
    """

    n_training: ClassVar[int] = 80

    n_inputs: int = 2
    n_hidden: int = 2
    n_classes: int = 2
    n_points: int = 100
    l2: float = 5e-4
    n_clusters: int = 4

    def __post_init__(self) -> None:
        n_clusters = arguments.count("n_clusters", self.n_clusters, 2)
        for name, value in (("n_inputs", arguments.count("n_inputs", self.n_inputs)),
                            ("n_hidden", arguments.count("n_hidden", self.n_hidden)),
                            ("n_classes", arguments.count("n_classes", self.n_classes, 2)),
                            ("n_points", arguments.count("n_points", self.n_points, n_clusters)),
                            ("l2", arguments.number("l2", self.l2)),
                            ("n_clusters", n_clusters)):
            object.__setattr__(self, name, value)  # Python's own numbers, which a card holds
        if self._rows * LEAST_CHUNK > SCRATCH:
            raise ValueError(f"n_hidden is {self.n_hidden} and n_classes is {self.n_classes}; "
                             f"expected 2 n_hidden + n_classes of at most {SCRATCH // LEAST_CHUNK}")

    @property
    def dim(self) -> int:
        """Number of variables, n_hidden (n_inputs + 1) + n_classes (n_hidden + 1)."""
        return self.n_hidden * (self.n_inputs + 1) + self.n_classes * (self.n_hidden + 1)

    @property
    def _rows(self) -> int:
        """Numbers that the kernels keep of a point."""
        return 2 * self.n_hidden + self.n_classes

    @property
    def _chunk(self) -> int:
        """Points at a time: as many as the kernels can keep, and as leave the product of their sums finite."""
        fits = min(CHUNK, SCRATCH // self._rows, int(LARGEST_LOG2 / np.log2(self.n_classes)))
        return fits // LEAST_CHUNK * LEAST_CHUNK

    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw members: a few Gaussians, each with a random label, not all the same.

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
        n, p = self.n_points, self.n_inputs
        X, y, x0 = np.empty((m, n, p)), np.empty((m, n)), np.empty((m, self.dim))
        for i in range(m):
            labels = rng.integers(self.n_classes, size=self.n_clusters)
            while (labels == labels[0]).all():
                labels = rng.integers(self.n_classes, size=self.n_clusters)
            for label, rows in zip(labels, points.clusters(n, self.n_clusters)):
                X[i, rows], y[i, rows] = points.gaussian(rng, len(rows), p), label
            x0[i] = rng.standard_normal(self.dim)
        return self.from_data(X, y, x0)

    def from_data(self, X: ArrayLike, y: ArrayLike, x0: ArrayLike | None = None, *,
                  check: str = "row") -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        X : array_like, shape (m, n, n_inputs) or (n, n_inputs)
            Features of n points for each of m functions, or the same for all.
        y : array_like, shape (m, n)
            Labels, integers from 0 to n_classes - 1.
        x0 : array_like, shape (m, d) or (d,)
            Starting points, or one for all, for instance ``family.starts(m, rng)``. There is no default: at zero all
            hidden units rest and the gradient for W, b and U vanishes.
        check : {"row", "raise"}
            A member with a number that is not finite ends with status 3, or is an error.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError
            If x0 is missing, shapes do not fit, a label is not one of the classes, or no member is finite.
        """
        if x0 is None:
            raise ValueError("x0 is None; expected starting points, for instance family.starts(m, rng): "
                             "zero, where the gradient for W, b and U vanishes, is none")
        data = regression.read(X, y, x0, None, check, (self.n_inputs, self.dim))
        if data.weights is not None:
            raise ValueError("X or y is masked; expected arrays without a mask: leave these points out")
        classes = np.arange(self.n_classes)
        regression.check_labels(data.y, classes, f"0 to {self.n_classes - 1}")
        (m, n), p = data.y.shape, self.n_inputs
        blocks, columns = points.columns(m, n, p + 1 + self.n_classes, self.l2, p, self.n_hidden, self.n_classes,
                                         self._chunk)
        columns[:, :p, :n] = data.columns
        columns[:, p, :n] = 1.0
        columns[:, p + 1 :, :n] = data.y[:, None, :] == classes[:, None]
        if data.bad is not None:
            blocks[data.bad, 0] = np.nan  # the number of points: so are value and gradient
        return from_blocks(NEURAL_NET, blocks, data.x0)
