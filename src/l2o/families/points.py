"""Points with a label each, n for every member: drawing them, checking them, laying them out for the kernels."""

from __future__ import annotations

import numpy as np

from l2o import _kernels

__all__ = ["HEADER", "clusters", "columns", "gaussian"]

HEADER, LANES = 8, 8  # numbers before the columns of a block, and points at a time: as in the kernels


def clusters(n_points: int, n_clusters: int) -> list[np.ndarray]:
    """Return the numbers of the points of each cluster; sizes differ by at most 1."""
    return np.array_split(np.arange(n_points), n_clusters)


def gaussian(rng: np.random.Generator, n: int, p: int) -> np.ndarray:
    """Draw n points (n, p) of a Gaussian with a standard normal mean and covariance A A^T, A standard normal."""
    mean, factor = rng.standard_normal(p), rng.standard_normal((p, p))
    return mean + rng.standard_normal((n, p)) @ factor.T


def columns(m: int, n: int, n_columns: int, *settings: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the blocks of m members, n points, padded points and settings in the header, and their columns.

    The columns, (m, n_columns, padded), are zero and share memory with the blocks.
    """
    padded = -(-n // LANES) * LANES
    blocks = _kernels.aligned((m, HEADER + n_columns * padded))
    blocks[:, : 2 + len(settings)] = n, padded, *settings
    return blocks, blocks[:, HEADER:].reshape(m, n_columns, padded)
