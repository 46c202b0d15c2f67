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
MANY = 500  # rows from which on their products are decomposed, which is shorter


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear model of standardised inputs, whose predictions stay near what training showed.

    Attributes
    ----------
    mean, inverse : ndarray, shape (k,)
        Mean of each input, and one over its standard deviation: zero where it is constant.
    coefficients : ndarray, shape (k + 1, q)
        Of the standardised inputs, within `far`; then the intercepts.
    low, high : ndarray, shape (q,)
        Limits of the predictions.
    far : float
        Standard deviations within which inputs are taken.
    """

    mean: np.ndarray
    inverse: np.ndarray
    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray
    far: float = FAR

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
                fold: np.ndarray, far: float = FAR) -> tuple[Ridge, np.ndarray]:
        """Fit as `fit`; return predictions (m, q), too, each made without the rows of its own fold.

        Parameters
        ----------
        inputs, targets, parts
            As in `fit`.
        fold : ndarray of int, shape (m,)
            Rows of one number are left out together.
        far : float
            Standard deviations within which inputs are taken.
        """
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        tiny = 1e-9 * (1.0 + np.abs(mean))
        inverse = np.where(deviation > tiny, 1.0 / np.maximum(deviation, tiny), 0.0)
        models = _Models.of(_standardised(inputs, mean, inverse, far))
        errors = models.errors(targets, fold)
        few = len(inputs) < 2 * FOLDS  # to choose by
        chosen = [-1 if few else int((errors[:, :, part] ** 2).sum(axis=(1, 2)).argmin()) for part in parts]
        coefficients = [models.coefficients(targets[:, part], each) for part, each in zip(parts, chosen)]
        out = targets - np.hstack([errors[each][:, part] for part, each in zip(parts, chosen)])
        low, high = targets.min(axis=0), targets.max(axis=0)
        margin = BEYOND * (high - low)
        ridge = cls(mean, inverse, np.hstack(coefficients), low - margin, high + margin, far)
        return ridge, np.clip(out, ridge.low, ridge.high)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the targets (m, q) that inputs (m, k) suggest."""
        standard = _standardised(inputs, self.mean, self.inverse, self.far)
        return np.clip(standard @ self.coefficients[:-1] + self.coefficients[-1], self.low, self.high)

    @property
    def linear(self) -> np.ndarray:
        """The coefficients of inputs as they are, then the intercepts, (k + 1, q); where none is too far."""
        plain = self.inverse[:, None] * self.coefficients[:-1]
        return np.vstack([plain, self.coefficients[-1] - self.mean @ plain])


def _standardised(inputs: np.ndarray, mean: np.ndarray, inverse: np.ndarray, far: float) -> np.ndarray:
    return np.clip((inputs - mean) * inverse, -far, far)


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
        if len(inputs) < max(MANY, 2 * inputs.shape[1]):
            return cls(centre, *np.linalg.svd(inputs - centre, full_matrices=False))
        centred = inputs - centre
        squares, vectors = np.linalg.eigh(centred.T @ centred)
        sizes = np.sqrt(np.maximum(squares, np.finfo(float).eps * squares[-1]))  # below, penalties leave nothing
        return cls(centre, centred @ (vectors / np.maximum(sizes, TINY)), sizes, vectors.T)

    @property
    def kept(self) -> np.ndarray:
        """What each penalty leaves of each direction, (penalties, r)."""
        return self.sizes**2 / (self.sizes**2 + len(self.left) * PENALTIES[:, None] + TINY)

    def coefficients(self, targets: np.ndarray, which: int) -> np.ndarray:
        """Return those of the model with a penalty, the free intercepts last, (k + 1, q)."""
        middle = targets.mean(axis=0)
        along = self.left.T @ (targets - middle)
        coefficients = self.right.T @ ((self.kept[which] / np.maximum(self.sizes, TINY))[:, None] * along)
        return np.vstack([coefficients, middle - self.centre @ coefficients])

    def errors(self, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Return for each penalty the errors on rows left out by folds, (penalties, m, q).

        A model without some rows is not made: the errors e of the whole model tell its errors there, (I - H)^-1 e, with
        the rows and columns of the hat matrix H. That is A K A', K diagonal, and where A has more rows than columns,
        (I - H)^-1 = I + A (I - K A'A)^-1 K A'.
        """
        rows, middle = len(self.left), targets.mean(axis=0)
        along, kept = self.left.T @ (targets - middle), self.kept[:, :, None]
        errors = targets - middle - self.left @ (kept * along)
        whole = np.column_stack([self.left, np.full(rows, rows**-0.5)])
        kept = np.hstack([kept, np.ones((len(kept), 1, 1))])
        for k in np.unique(fold):
            A = whole[fold == k]
            e = errors[:, fold == k]
            if len(A) <= A.shape[1]:
                hat = (A * kept[:, None, :, 0]) @ A.T
                errors[:, fold == k] = np.linalg.solve(np.eye(len(A)) - hat, e)
            else:
                errors[:, fold == k] += A @ np.linalg.solve(np.eye(A.shape[1]) - kept * (A.T @ A), kept * (A.T @ e))
        return errors
