"""Gate: which starts are near those that a prior was learned from, so that a single run may rely on it.

The kernel's part is _kernels/solvers/_gate.pxd. In a large batch probes tell more than a gate.
"""

from __future__ import annotations

import numpy as np

__all__ = ["packed"]

FARTHEST = 1.0  # widths of the range met in training, by which a start may leave it


def packed(metric: np.ndarray, unit: float, met: np.ndarray) -> np.ndarray:
    """Return the limits as the kernel reads them, one after the other.

    What did not vary in training says nothing of how far is far, and has no limits; nor is a small gradient far.

    Parameters
    ----------
    metric : ndarray, shape (d, d)
        T, lower triangular.
    unit : float
        s.
    met : ndarray, shape (2, 2 d + 2)
        Lowest and highest of asinh(T'g / sqrt(s)), log|T'g|, asinh(f / s) and x in training.
    """
    dim = len(metric)
    with np.errstate(over="ignore"):  # what is too large for a number is no limit
        width = met[1] - met[0]
        fixed = width <= 1e-9 * (1.0 + np.abs(met[0]))
        limits = np.where(fixed, [[-np.inf], [np.inf]], met + FARTHEST * width * np.array([[-1.0], [1.0]]))
        limits[0, dim] = -np.inf
        limits[:, :dim] = np.sqrt(unit) * np.sinh(limits[:, :dim])
        limits[:, dim] = np.exp(2.0 * limits[:, dim])
        limits[:, dim + 1] = unit * np.sinh(limits[:, dim + 1])
    return np.concatenate([metric.ravel(), limits.ravel()])
