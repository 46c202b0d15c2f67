"""Fits of the same curves from several starts: which is kept, and how many agree with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Columns", "best_of"]

Columns = tuple[np.ndarray, ...]  # x, cov, chi2, used, nfev, nit, status, on_bound; one row a curve
CHI2, NFEV = 2, 4
ALIKE = 1e-6  # relative to the least chi2


def best_of(found: Sequence[Columns]) -> tuple[Columns, np.ndarray]:
    """Return the fit of least chi2 of each curve, with the evaluations of all, and how many have reached it, (m,).

    Parameters
    ----------
    found : sequence of Columns
        Fits from each start. The first is kept where none has a value.
    """
    if len(found) == 1:
        return found[0], np.isfinite(found[0][CHI2]).astype(np.intp)
    chi2 = np.array([columns[CHI2] for columns in found])
    chi2 = np.where(np.isnan(chi2), np.inf, chi2)
    which, rows = chi2.argmin(axis=0), np.arange(chi2.shape[1])
    best = [np.array([columns[j] for columns in found])[which, rows] for j in range(len(found[0]))]
    best[NFEV] = np.sum([columns[NFEV] for columns in found], axis=0)
    return tuple(best), (np.isfinite(chi2) & (chi2 <= chi2.min(axis=0) * (1.0 + ALIKE))).sum(axis=0)
