"""Which fits are worse than chance would have it: of a wrong minimum, or of a curve that is not the model's."""

from __future__ import annotations

import numpy as np

__all__ = ["FEWEST", "beyond_chance", "common_scale"]

RARE = 1e-4  # one right fit in so many is called worse
FEWEST = 20  # fits that tell a common scale
QUANTILE = 0.25  # of the fits, by which it is told: where less than three quarters are wrong it is that of right ones


def beyond_chance(chi2: np.ndarray, dof: np.ndarray, scale: float) -> np.ndarray:
    """Return whether sums of squares (m,) are larger than one in 10,000 of their law, with a variance that is known.

    Parameters
    ----------
    chi2, dof : ndarray, shape (m,)
        Weighted sums of squares, and degrees of freedom; where there is none nothing is said.
    scale : float
        The variance, in units of sigma squared.
    """
    from scipy.special import chdtrc

    known = (dof > 0) & np.isfinite(chi2)
    return known & (chdtrc(np.where(known, dof, 1), np.where(known, chi2, 0.0) / scale) < RARE)


def common_scale(chi2: np.ndarray, dof: np.ndarray) -> float:
    """Return the variance of errors that all curves share, by the lower quartile of sums of squares (m,); NaN if few.
    """
    from scipy.special import chdtri

    known = (dof > 0) & np.isfinite(chi2)
    if known.sum() < FEWEST:
        return np.nan
    usual = chdtri(dof[known], 1.0 - QUANTILE)  # by the probability of what is above
    return float(np.quantile(chi2[known] / usual, QUANTILE))
