"""Real data of two families.

The breast cancer table (Wolberg et al., 1995; it ships with scikit-learn): 569 tumours, 30 measured
features, benign or malignant. Every triple of features is one logistic regression: 4,060 problems.

Monthly returns of 30 portfolios and three factors, 1949 to 2017, of Kenneth French's data library (they ship
with linearmodels). Every portfolio and every 60 months in a row are one robust regression: 22,800 problems.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from l2o.base import arguments
from l2o.families import Logistic, RobustRegression
from l2o.problems import Problems

__all__ = ["FactorRegressions", "breast_cancer_triples", "factor_regressions"]

FACTORS = ["MktRF", "SMB", "HML"]  # market less riskless rate, small less big, high less low book-to-market


def breast_cancer_triples(every: int = 1) -> Problems:
    """Return the logistic regressions on the triples of standardised features, starting at zero.

    Parameters
    ----------
    every : int
        Take every n-th triple only.

    Returns
    -------
    Problems
        Of dimension 4 with 569 points each; 4,060 of them for ``every=1``.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    features = (table.data - table.data.mean(axis=0)) / table.data.std(axis=0)
    triples = np.array(list(combinations(range(features.shape[1]), 3)))[::every]
    X = features.T[triples].transpose(0, 2, 1)
    return Logistic().from_data(X, np.broadcast_to(table.target, X.shape[:2]))


@dataclass(frozen=True, eq=False)
class FactorRegressions:
    """Rolling regressions of the excess returns of portfolios on factors, portfolio by portfolio, by first month.

    Attributes
    ----------
    X : ndarray, shape (m, n, 3)
        Factors of the n months of each window, in units of `scale`.
    y : ndarray, shape (m, n)
        Excess returns of the portfolio, in units of `scale`.
    least_squares : ndarray, shape (m, 4)
        Coefficients of least squares: three betas, and alpha in units of `scale`.
    scale : ndarray, shape (m,)
        Standard deviation of the residuals of least squares, with n - 4 degrees of freedom, a month.
    portfolio : ndarray of str, shape (m,)
        Portfolios.
    first, last : ndarray of datetime64[M], shape (m,)
        First and last month of each window.
    """

    X: np.ndarray
    y: np.ndarray
    least_squares: np.ndarray
    scale: np.ndarray
    portfolio: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, which: slice | np.ndarray) -> FactorRegressions:
        return FactorRegressions(*(getattr(self, field.name)[which] for field in fields(self)))

    def problems(self) -> Problems:
        """Return the robust regressions, starting at least squares."""
        return RobustRegression().from_data(self.X, self.y, self.least_squares)

    def residual_problems(self) -> Problems:
        """Return those of the residuals of least squares: the same functions with the origin moved to their start."""
        fitted = np.einsum("mnp,mp->mn", self.X, self.least_squares[:, :3]) + self.least_squares[:, 3:]
        return RobustRegression().from_data(self.X, self.y - fitted)


def factor_regressions(months: int = 60) -> FactorRegressions:
    """Return the regressions of 12 industry and 18 sorted portfolios on the three factors of Fama and French.

    Parameters
    ----------
    months : int
        Length of a window, at least 5.

    Returns
    -------
    FactorRegressions
        22,800 windows for ``months=60``; the 12 industries come first.

    Raises
    ------
    ImportError
        If linearmodels is not installed.
    """
    from linearmodels.datasets import french

    months, table = arguments.count("months", months, 5), french.load()
    portfolios = np.array(table.columns[6:])
    excess = table[portfolios].to_numpy() - table[["RF"]].to_numpy()
    dates = table["dates"].to_numpy().astype("datetime64[M]")
    y = sliding_window_view(excess, months, axis=0).swapaxes(0, 1)  # (portfolios, windows, months)
    X = sliding_window_view(table[FACTORS].to_numpy(), months, axis=0).swapaxes(1, 2)
    design = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
    coefficients = np.einsum("wdn,kwn->kwd", np.linalg.pinv(design), y)
    residuals = y - np.einsum("wnd,kwd->kwn", design, coefficients)
    scale = np.sqrt((residuals**2).sum(axis=2) / (months - 4))
    coefficients[..., 3] /= scale
    m = scale.size
    return FactorRegressions(
        (X / scale[..., None, None]).reshape(m, months, 3), (y / scale[..., None]).reshape(m, months),
        coefficients.reshape(m, 4), scale.reshape(m), np.repeat(portfolios, len(X)),
        np.tile(dates[: len(X)], len(portfolios)), np.tile(dates[months - 1 :], len(portfolios)))
