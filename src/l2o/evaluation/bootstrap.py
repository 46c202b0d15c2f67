"""Bootstrap over functions: how sure a mean over problems is.

A resample draws as many functions as there are, with replacement; what matters of it is how often each
was drawn. With these counts as a matrix (resamples, functions), the means of all resamples are one matrix
product, and the same matrix serves all methods and all k, so that differences stay paired.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CONFIDENCE", "interval", "resample"]

CONFIDENCE = 0.95
ROWS = 256  # resamples at a time: bounds the memory that counts take as float64


def resample(m: int, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of m functions was drawn in each resample, (n_bootstrap, m)."""
    counts = np.empty((n_bootstrap, m), np.uint16 if m < 2**16 else np.uint32)
    for row in counts:
        row[:] = np.bincount(rng.integers(m, size=m), minlength=m)
    return counts


def interval(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % percentile interval of the mean over functions.

    Parameters
    ----------
    values : ndarray, shape (m, n)
        Finite values of m functions.
    counts : ndarray, shape (n_bootstrap, m)
        How often each function was drawn. A resample may leave out all m, if they are a part of what was
        drawn from; it is then passed over.

    Returns
    -------
    low, high : ndarray, shape (n,)
        NaN if no resample has a function.
    """
    counts = counts[counts.any(axis=1)]
    if len(counts) == 0:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    means = np.empty((len(counts), values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run may be finite and enormous
        for start in range(0, len(counts), ROWS):
            block = counts[start : start + ROWS].astype(np.float64)
            means[start : start + ROWS] = block @ values / block.sum(axis=1, keepdims=True)
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high
