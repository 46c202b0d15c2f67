"""Fits that could not begin: what of their data was not finite."""

from __future__ import annotations

import numpy as np

from l2o.curves.data import Curves

__all__ = ["not_begun"]

START = "the start is not finite: nothing was fitted"
VALUES = "a value is infinite, or its sigma NaN: nothing was fitted"
MODEL = "at the start the model or a derivative is not finite, or a rate not positive: nothing was fitted"


def not_begun(where: np.ndarray, x: np.ndarray, curves: Curves) -> dict[str, np.ndarray]:
    """Return sentences, and of which curves (m,) each is true.

    Parameters
    ----------
    where : ndarray of bool, shape (m,)
        Fits that ended at the start, since something was not finite.
    x : ndarray, shape (m, d)
        Their starts.
    curves : Curves
        The data.
    """
    if not where.any():
        return {}
    infinite = np.isinf(curves.y)
    if curves.sigma is not None:
        rows = infinite.reshape(-1, len(curves.sigma))
        rows[:] = (rows | np.isnan(curves.sigma)) & ~np.isinf(curves.sigma)
        infinite &= ~np.isnan(curves.y)
    before = np.append(0, np.cumsum(infinite))[curves.offsets]
    start = where & ~np.isfinite(x).all(axis=-1)
    values = where & ~start & (before[1:] > before[:-1])
    return {START: start, VALUES: values, MODEL: where & ~start & ~values}
