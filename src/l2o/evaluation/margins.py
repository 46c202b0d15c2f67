"""Margin of victory (Li and Malik 2016, section 4): by how much a method beats the best of all others.

On one function, of method A at k: min over B != A of f_B(k), minus f_A(k). At each k only the best method
has a positive one, so a method whose mean margin is positive wins against the best choice, per function,
of all its rivals.
"""

from __future__ import annotations

import numpy as np

from l2o.evaluation.curves import Curve, Values, curve

__all__ = ["margin", "margins"]


def margin(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the margin of victory on each function at each k.

    Parameters
    ----------
    own : ndarray, shape (m, T+1)
        f - f_star of method A.
    others : ndarray, shape (b, m, T+1)
        f - f_star of each other method B.

    Returns
    -------
    ndarray, shape (m, T+1)
        Where A is not finite, -(f(x0) - f_star). A rival that is not finite is not the best; where all
        are not, they count as f(x0). NaN where f(x0) is called for and not finite.
    """
    start = own[:, :1]
    best = np.where(np.isfinite(others), others, np.inf).min(axis=0)
    best = np.where(np.isfinite(best), best, start)
    finite = np.isfinite(own)
    return np.where(finite, best - np.where(finite, own, 0.0), -np.where(np.isfinite(start), start, np.nan))


def margins(values: Values, k: np.ndarray, counts: np.ndarray) -> dict[str, Curve]:
    """Return the curve of each method's margin of victory, over all problems with a finite f(x0)."""
    result = {}
    for name, own in values.items():
        each = margin(own, np.stack([other for rival, other in values.items() if rival != name]))
        over = curve(k, each, np.isfinite(each).all(axis=1), counts)
        n_nonfinite = int((~np.isfinite(own)).any(axis=1).sum())  # runs of A, not margins: those have a value
        median = np.where(np.isfinite(over.median), over.median, np.nan)
        result[name] = Curve(k, over.mean, median, over.low, over.high, n_nonfinite, over.n_averaged, len(own))
    return result
