"""Ridge regression with several outputs; its penalty is chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Ridge"]

PENALTIES = tuple(10.0**power for power in range(-6, 1))  # times the number of rows
FOLDS = 5
BEYOND = 0.1  # of the range of a target in training, by which a prediction may leave it
FAR = 4.0  # standard deviations within which inputs are taken


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear model of standardised inputs, whose predictions stay near what training showed.

    Attributes
    ----------
    mean, inverse : ndarray, shape (k,)
        Mean of each input, and one over its standard deviation: zero where it is constant.
    coefficients : ndarray, shape (k + 1, q)
        Of the standardised inputs, clipped to 4 standard deviations; then the intercepts.
    low, high : ndarray, shape (q,)
        Limits of the predictions.
    """

    mean: np.ndarray
    inverse: np.ndarray
    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, targets: np.ndarray, parts: tuple[slice, ...]) -> Ridge:
        """Fit targets (m, q) to inputs (m, k); each part of the targets has a penalty of its own.

        Parameters
        ----------
        inputs, targets : ndarray, shape (m, k) and (m, q)
            What is seen, and what is to be predicted.
        parts : tuple of slice
            Columns of the targets that share a penalty.

        References
        ----------
        Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2009, sections 3.4.1 and 7.10.
        """
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        tiny = 1e-9 * (1.0 + np.abs(mean))
        inverse = np.where(deviation > tiny, 1.0 / np.maximum(deviation, tiny), 0.0)
        standard = _standardised(inputs, mean, inverse)
        coefficients = np.hstack([_solved(standard, targets[:, part], (_penalty(standard, targets[:, part]),))[0]
                                  for part in parts])
        low, high = targets.min(axis=0), targets.max(axis=0)
        margin = BEYOND * (high - low)
        return cls(mean, inverse, coefficients, low - margin, high + margin)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the targets (m, q) that inputs (m, k) suggest."""
        standard = _standardised(inputs, self.mean, self.inverse)
        return np.clip(standard @ self.coefficients[:-1] + self.coefficients[-1], self.low, self.high)


def _standardised(inputs: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    return np.clip((inputs - mean) * inverse, -FAR, FAR)


def _solved(inputs: np.ndarray, targets: np.ndarray, penalties: tuple[float, ...]) -> np.ndarray:
    """Return coefficients and free intercepts for each penalty, (penalties, k + 1, q), from one decomposition."""
    centre, middle = inputs.mean(axis=0), targets.mean(axis=0)
    left, sizes, right = np.linalg.svd(inputs - centre, full_matrices=False)
    along = left.T @ (targets - middle)
    shrunk = sizes / (sizes**2 + len(inputs) * np.array(penalties)[:, None])
    coefficients = right.T @ (shrunk[:, :, None] * along)
    return np.concatenate([coefficients, (middle - centre @ coefficients)[:, None]], axis=1)


def _penalty(inputs: np.ndarray, targets: np.ndarray) -> float:
    """Return the penalty with the least squared error on rows left out, every fifth in turn."""
    if len(inputs) < 2 * FOLDS:
        return PENALTIES[-1]
    fold, errors = np.arange(len(inputs)) % FOLDS, np.zeros(len(PENALTIES))
    for k in range(FOLDS):
        kept, held = fold != k, fold == k
        models = _solved(inputs[kept], targets[kept], PENALTIES)
        missed = inputs[held] @ models[:, :-1] + models[:, -1:] - targets[held]
        errors += (missed**2).sum(axis=(1, 2))
    return PENALTIES[int(errors.argmin())]
