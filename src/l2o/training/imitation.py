"""Imitate: fit the policy to the teachers' steps, a weighted regression.

Minimise the mean over samples of 1/2 (mu(o) - a)^T P (mu(o) - a), with P the teacher's precision, a
squared Mahalanobis distance: Li and Malik (2016), section 3.3. Adam with a one-cycle rate, from the
present weights. Single precision: a factor of two, and far finer than the noise of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from l2o import _kernels
from l2o._kernels.training.adam import adam
from l2o.policies import MLP
from l2o.training.examples import Examples

__all__ = ["Regression", "imitate"]

ALIGNED = 16  # rows of the features are filled up to a multiple of so many numbers: they are read faster


@dataclass(frozen=True)
class Regression:
    """Settings of the regression.

    Parameters
    ----------
    epochs : int
        Passes over the samples.
    batch : int
        Rows a step.
    rate : float
        Highest learning rate of the cycle.
    clip : float
        Longest gradient.
    """

    epochs: int = 10
    batch: int = 512
    rate: float = 3e-3
    clip: float = 10.0


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

    def __init__(self, n_inputs: int, units: int, dim: int, dtype: Any) -> None:
        self.n_inputs, columns = n_inputs, -(-(n_inputs + 1) // ALIGNED) * ALIGNED
        self.vector: np.ndarray = np.zeros((columns + dim) * units, dtype)
        self.first = self.vector[: columns * units].reshape(columns, units)
        self.second = self.vector[columns * units :].reshape(dim, units)

    @classmethod
    def of(cls, weights: dict[str, np.ndarray], dtype: Any) -> Trained:
        """Take the weights of a network."""
        units, n_inputs = weights["W1"].shape
        trained = cls(n_inputs, units, len(weights["W2"]), dtype)
        trained.first[:n_inputs], trained.bias[:], trained.second[:] = weights["W1"].T, weights["b1"], weights["W2"]
        return trained

    @property
    def bias(self) -> np.ndarray:
        """b1, (units,)."""
        return self.first[self.n_inputs]

    def weights(self) -> dict[str, np.ndarray]:
        """Return W1, b1 and W2."""
        return {"W1": self.first[: self.n_inputs].T.astype(float), "b1": self.bias.astype(float),
                "W2": self.second.astype(float)}


class Batches:
    """Loss and gradient of batches of examples: the work of the regression."""

    def __init__(self, examples: Examples, like: Trained, activation: str) -> None:
        self.rectified = activation == "relu"
        n, dtype, (columns, units), dim = len(examples), like.vector.dtype, like.first.shape, len(like.second)
        self.features = np.zeros((n, columns), dtype)
        self.features[:, : like.n_inputs], self.features[:, like.n_inputs] = examples.features, 1
        self.targets = np.empty((n, 1 + dim + dim * dim), dtype)
        self.targets[:, 0], self.targets[:, 1 : 1 + dim] = examples.scale, examples.actions
        self.targets[:, 1 + dim :] = examples.precision.reshape(n, dim * dim)
        self.gradient = Trained(like.n_inputs, units, dim, dtype)

    def differentiate(self, weights: Trained, rows: np.ndarray) -> float:
        """Return the mean loss of some rows, and write its gradient to `gradient`.

        The network is mu = r W2 (sigma(W1 z + b1) - sigma(b1)).
        """
        return _kernels.regression.differentiate(
            self.features, self.targets, rows, weights.first, weights.second, weights.n_inputs, self.rectified,
            self.gradient.first, self.gradient.second)


def one_cycle(step: int, total: int, top: float) -> float:
    """Return the rate: up for 30 % of the steps, then down to nearly nothing, both as a cosine."""
    rise = 0.3 * total
    if step < rise:
        return float(top * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * step / rise))))
    return float(top * (1e-3 + (1 - 1e-3) * 0.5 * (1 + np.cos(np.pi * (step - rise) / (total - rise)))))


def imitate(network: MLP, weights: dict[str, np.ndarray], examples: Examples, settings: Regression,
            rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the weights after the regression; those before it, if they or the loss leave the finite numbers.

    Parameters
    ----------
    network : MLP
        Shape of the network.
    weights : dict of ndarray
        Where to start.
    examples : Examples
        What to imitate.
    settings : Regression
        Epochs, batch, rate.
    rng : Generator
        Order of the rows.
    """
    if len(examples) == 0:
        return weights
    n, size = len(examples), min(settings.batch, len(examples))
    now = Trained.of(weights, np.float32)
    batches = Batches(examples, now, network.activation)
    mean, square = np.zeros_like(now.vector), np.zeros_like(now.vector)
    total, step = settings.epochs * (n // size), 0
    for _ in range(settings.epochs):
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            if not isfinite(batches.differentiate(now, order[start : start + size])):
                return weights
            rate = one_cycle(step, total, settings.rate)
            step += 1
            adam(now.vector, batches.gradient.vector, mean, square, step, rate, settings.clip)
    return network.at_rest({**weights, **now.weights()}) if np.isfinite(now.vector).all() else weights
