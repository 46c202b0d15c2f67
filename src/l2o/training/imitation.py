"""Imitate: fit the policy to the teachers' steps, a weighted regression.

Minimise the mean over samples of 1/2 (mu(o) - a)^T P (mu(o) - a), with P the teacher's precision, a
squared Mahalanobis distance: Li and Malik (2016), section 3.3. Adam with a one-cycle rate, from the
present weights. Single precision: a factor of two, and far finer than the noise of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from l2o.policies import MLP
from l2o.training.examples import Examples

__all__ = ["Regression", "imitate"]

TRAINED = ("W1", "b1", "W2")  # b2 follows: no step where nothing is seen
# Rows of one product. A stack of products so small is spared BLAS's threads, which for batches of this size wait for
# each other more than they work (five times slower on a busy machine), and whose number would change the result.
BLOCK = 32
FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.999  # decays of Adam


@dataclass(frozen=True)
class Regression:
    """Settings of the regression.

    Parameters
    ----------
    epochs : int
        Passes over the samples.
    batch : int
        Rows a step; best a multiple of 32.
    rate : float
        Highest learning rate of the cycle.
    clip : float
        Longest gradient.
    """

    epochs: int = 10
    batch: int = 512
    rate: float = 3e-3
    clip: float = 10.0


def loss_and_gradient(weights: dict[str, np.ndarray], rows: Examples) -> tuple[float, dict[str, np.ndarray]]:
    """Return the mean loss and its gradient with respect to W1, b1, W2, with b2 = -W2 softplus(b1)."""
    n = len(rows)
    blocks = rows.features.reshape(n // gcd(n, BLOCK), gcd(n, BLOCK), -1)
    pre = (blocks @ weights["W1"].T).reshape(n, -1)
    pre += weights["b1"]
    gate = np.tanh(0.5 * pre)  # NumPy's exp, log and tanh are vectorised in single precision; log1p is not
    gate += 1
    gate *= 0.5
    hidden = np.maximum(pre, 0) + np.log(1 + np.exp(-np.abs(pre)))
    hidden -= np.logaddexp(weights["b1"].dtype.type(0), weights["b1"])
    error = rows.scale[:, None] * (hidden @ weights["W2"].T) - rows.actions
    weighted = np.matmul(rows.precision, error[:, :, None])[:, :, 0]
    upstream = weighted * (rows.scale[:, None] / n)
    inner = (upstream @ weights["W2"]) * gate
    at_rest = (upstream.sum(axis=0) @ weights["W2"]) / (1 + np.exp(-weights["b1"]))
    W1 = inner.reshape(*blocks.shape[:2], -1).swapaxes(1, 2) @ blocks
    gradient = {"W1": W1.sum(axis=0), "b1": inner.sum(axis=0) - at_rest, "W2": upstream.T @ hidden}
    return 0.5 * float((error * weighted).sum()) / n, gradient


def one_cycle(step: int, total: int, top: float) -> float:
    """Return the rate: up for 30 % of the steps, then down to nearly nothing, both as a cosine."""
    rise = 0.3 * total
    if step < rise:
        return float(top * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * step / rise))))
    return float(top * (1e-3 + (1 - 1e-3) * 0.5 * (1 + np.cos(np.pi * (step - rise) / (total - rise)))))


def imitate(network: MLP, weights: dict[str, np.ndarray], examples: Examples, settings: Regression,
            rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the weights after the regression.

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
    rows = examples.single()
    now = {name: weights[name].astype(np.float32) for name in TRAINED}
    mean = {name: np.zeros_like(value) for name, value in now.items()}
    square = {name: np.zeros_like(value) for name, value in now.items()}
    n, size = len(rows), min(settings.batch, len(rows))
    total, step = settings.epochs * (n // size), 0
    for _ in range(settings.epochs):
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            _, gradient = loss_and_gradient(now, rows[order[start : start + size]])
            norm = np.sqrt(sum(float((g * g).sum()) for g in gradient.values()))
            shrink = min(1.0, settings.clip / norm) if norm > 0 else 1.0
            rate = one_cycle(step, total, settings.rate)
            step += 1
            for name, g in gradient.items():  # Kingma and Ba (2015), algorithm 1
                mean[name] += (1 - FIRST_MOMENT) * (shrink * g - mean[name])
                square[name] += (1 - SECOND_MOMENT) * ((shrink * g) ** 2 - square[name])
                denominator = np.sqrt(square[name] / (1 - SECOND_MOMENT**step)) + 1e-8
                now[name] -= np.float32(rate / (1 - FIRST_MOMENT**step)) * mean[name] / denominator
    return network.at_rest({**weights, **{name: value.astype(np.float64) for name, value in now.items()}})
