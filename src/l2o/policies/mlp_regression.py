"""The weights of the network as one vector, and a regression of its steps on examples, in a kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from l2o import _kernels
from l2o.policies.trainable import Examples
from l2o.policies.weights import Weights

__all__ = ["Batches", "Trained"]

ALIGNED = 16  # rows of the features are filled up to a multiple of so many numbers: they are read faster


class Trained:
    """What is trained of the weights, in one vector; b2 follows, so that no step is made where nothing is seen.

    Attributes
    ----------
    vector : ndarray
        All of it.
    first : ndarray, shape (columns, units)
        W1 transposed, then a row b1, then rows of zeros.
    second : ndarray, shape (d, units)
        W2.
    """

    def __init__(self, n_inputs: int, units: int, dim: int, dtype: DTypeLike,
                 vector: np.ndarray | None = None) -> None:
        self.n_inputs, columns = n_inputs, -(-(n_inputs + 1) // ALIGNED) * ALIGNED
        self.vector: np.ndarray = np.zeros((columns + dim) * units, dtype) if vector is None else vector
        self.first = self.vector[: columns * units].reshape(columns, units)
        self.second = self.vector[columns * units :].reshape(dim, units)

    @classmethod
    def of(cls, weights: Weights, dtype: DTypeLike) -> Trained:
        """Take the weights of a network."""
        trained = cls.like(weights, None, dtype)
        trained.first[: trained.n_inputs], trained.bias[:] = weights["W1"].T, weights["b1"]
        trained.second[:] = weights["W2"]
        return trained

    @classmethod
    def like(cls, weights: Weights, vector: np.ndarray | None, dtype: DTypeLike = float) -> Trained:
        """Take a vector, or zeros, as what is trained of weights of such shapes."""
        units, n_inputs = weights["W1"].shape
        return cls(n_inputs, units, len(weights["W2"]), dtype, vector)

    @property
    def bias(self) -> np.ndarray:
        """b1, (units,)."""
        return self.first[self.n_inputs]

    def weights(self) -> Weights:
        """Return W1, b1 and W2."""
        return {"W1": self.first[: self.n_inputs].T.astype(float), "b1": self.bias.astype(float),
                "W2": self.second.astype(float)}


class Batches:
    """Loss and gradient of batches of examples: the work of the regression.

    Attributes
    ----------
    vector, gradient : ndarray, shape (n,)
        What is trained, which the caller moves, and the derivative of the last loss.
    """

    def __init__(self, examples: Examples, trained: Trained, activation: str) -> None:
        self.trained, self.rectified = trained, activation == "relu"
        n, dtype, (columns, units), dim = (len(examples), trained.vector.dtype, trained.first.shape,
                                           len(trained.second))
        self.features = np.zeros((n, columns), dtype)
        self.features[:, : trained.n_inputs], self.features[:, trained.n_inputs] = examples.features, 1
        self.targets = np.empty((n, 1 + dim + dim * dim), dtype)
        self.targets[:, 0], self.targets[:, 1 : 1 + dim] = examples.scale, examples.actions
        self.targets[:, 1 + dim :] = examples.precision.reshape(n, dim * dim)
        self.by_trained = Trained(trained.n_inputs, units, dim, dtype)
        self.vector, self.gradient = trained.vector, self.by_trained.vector

    def loss(self, rows: np.ndarray) -> float:
        """Return the mean loss of some rows, and write its gradient to `gradient`.

        The network is mu = r W2 (sigma(W1 z + b1) - sigma(b1)).
        """
        trained, by = self.trained, self.by_trained
        return _kernels.regression.differentiate(self.features, self.targets, rows, trained.first, trained.second,
                                                 trained.n_inputs, self.rectified, by.first, by.second)
