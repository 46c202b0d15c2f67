"""Fits of the same curves from several starts: which is kept, and how many agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Columns", "best_of"]

ALIKE = 1e-6  # relative to the least chi2


class Columns(NamedTuple):
    """What came of m fits, one row a curve: as in `CurveFit`, with the points that were not masked, `used`."""

    x: np.ndarray
    cov: np.ndarray
    chi2: np.ndarray
    used: np.ndarray
    nfev: np.ndarray
    nit: np.ndarray
    status: np.ndarray
    on_bound: np.ndarray


def best_of(found: Sequence[Columns]) -> tuple[Columns, np.ndarray]:
    """Return the fit of least chi2 of each curve, with the evaluations of all, and how many have reached it, (m,).

    Parameters
    ----------
    found : sequence of Columns
        Fits from each start. The first is kept where none has a value.
    """
    if len(found) == 1:
        return found[0], np.isfinite(found[0].chi2).astype(np.intp)
    chi2 = np.array([columns.chi2 for columns in found])
    chi2 = np.where(np.isnan(chi2), np.inf, chi2)
    which, rows = chi2.argmin(axis=0), np.arange(chi2.shape[1])
    best = Columns(*(np.array(column)[which, rows] for column in zip(*found)))
    best = best._replace(nfev=np.sum([columns.nfev for columns in found], axis=0))
    return best, (np.isfinite(chi2) & (chi2 <= chi2.min(axis=0) * (1.0 + ALIKE))).sum(axis=0)
