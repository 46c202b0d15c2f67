"""Imitate: fit the policy to the teachers' steps, a weighted regression.

Minimise the mean over samples of 1/2 (mu(o) - a)^T P (mu(o) - a), with P the teacher's precision, a
squared Mahalanobis distance: Li and Malik (2016), section 3.3. Adam with a one-cycle rate, from the
present weights. Single precision: a factor of two, and far finer than the noise of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from l2o._kernels.training.adam import adam
from l2o.policies.trainable import Examples, Imitable
from l2o.policies.weights import Weights

__all__ = ["Regression", "imitate"]


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


def one_cycle(step: int, total: int, top: float) -> float:
    """Return the rate: up for 30 % of the steps, then down to nearly nothing, both as a cosine."""
    rise = 0.3 * total
    if step < rise:
        return float(top * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * step / rise))))
    return float(top * (1e-3 + (1 - 1e-3) * 0.5 * (1 + np.cos(np.pi * (step - rise) / (total - rise)))))


def imitate(network: Imitable, weights: Weights, examples: Examples, settings: Regression,
            rng: np.random.Generator) -> Weights:
    """Return the weights after the regression; those before it, if they or the loss leave the finite numbers.

    Parameters
    ----------
    network : Imitable
        Kind of policy.
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
    fit = network.regression(weights, examples)
    mean, square = np.zeros_like(fit.vector), np.zeros_like(fit.vector)
    total, step = settings.epochs * (n // size), 0
    for _ in range(settings.epochs):
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            if not isfinite(fit.loss(order[start : start + size])):
                return weights
            rate = one_cycle(step, total, settings.rate)
            step += 1
            adam(fit.vector, fit.gradient, mean, square, step, rate, settings.clip)
    return network.with_parameters(weights, fit.vector) if np.isfinite(fit.vector).all() else weights
