"""Ridge regression with several outputs; its penalty is chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Ridge"]

PENALTIES = 10.0 ** np.arange(-6.0, 1.0)  # times the number of rows
FOLDS = 5
BEYOND = 0.1  # of the range of a target in training, by which a prediction may leave it
TINY = 1e-200  # sizes of nothing
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
        return cls.crossed(inputs, targets, parts, np.arange(len(inputs)) % FOLDS)[0]

    @classmethod
    def crossed(cls, inputs: np.ndarray, targets: np.ndarray, parts: tuple[slice, ...],
                fold: np.ndarray) -> tuple[Ridge, np.ndarray]:
        """Fit as `fit`; return predictions (m, q), too, each made without the rows of its own fold.

        Parameters
        ----------
        inputs, targets, parts
            As in `fit`.
        fold : ndarray of int, shape (m,)
            Rows of one number are left out together.
        """
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        tiny = 1e-9 * (1.0 + np.abs(mean))
        inverse = np.where(deviation > tiny, 1.0 / np.maximum(deviation, tiny), 0.0)
        models = _Models.of(_standardised(inputs, mean, inverse))
        made = [models.best(targets[:, part], fold) for part in parts]
        low, high = targets.min(axis=0), targets.max(axis=0)
        margin = BEYOND * (high - low)
        ridge = cls(mean, inverse, np.hstack([each[0] for each in made]), low - margin, high + margin)
        return ridge, np.clip(np.hstack([each[1] for each in made]), ridge.low, ridge.high)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the targets (m, q) that inputs (m, k) suggest."""
        standard = _standardised(inputs, self.mean, self.inverse)
        return np.clip(standard @ self.coefficients[:-1] + self.coefficients[-1], self.low, self.high)


def _standardised(inputs: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    return np.clip((inputs - mean) * inverse, -FAR, FAR)


@dataclass(frozen=True, eq=False)
class _Models:
    """Linear models of the same inputs for all penalties, from one decomposition of the centred inputs.

    Attributes
    ----------
    centre : ndarray, shape (k,)
        What was subtracted.
    left, sizes, right : ndarray, shape (m, r), (r,) and (r, k)
        Singular vectors and values.
    """

    centre: np.ndarray
    left: np.ndarray
    sizes: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray) -> _Models:
        """Decompose inputs (m, k)."""
        centre = inputs.mean(axis=0)
        return cls(centre, *np.linalg.svd(inputs - centre, full_matrices=False))

    def best(self, targets: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients (k + 1, q), the free intercepts last, and predictions (m, q) of rows left out by folds.

        The penalty has the least squared error there. A model without some rows is not made: the errors e of the
        whole model tell its errors there, (I - H)^-1 e, with the rows and columns of the hat matrix H.
        """
        rows, middle = len(self.left), targets.mean(axis=0)
        along = self.left.T @ (targets - middle)
        kept = self.sizes**2 / (self.sizes**2 + rows * PENALTIES[:, None] + TINY)
        fitted = middle + (self.left * kept[:, None, :]) @ along
        errors = np.empty_like(fitted)
        for k in np.unique(fold):
            out = fold == k
            hat = (self.left[out] * kept[:, None, :]) @ self.left[out].T + 1.0 / rows
            errors[:, out] = np.linalg.solve(np.eye(out.sum()) - hat, targets[out] - fitted[:, out])
        least = int((errors**2).sum(axis=(1, 2)).argmin()) if rows >= 2 * FOLDS else -1
        coefficients = self.right.T @ ((kept[least] / np.maximum(self.sizes, TINY))[:, None] * along)
        return np.vstack([coefficients, middle - self.centre @ coefficients]), targets - errors[least]
