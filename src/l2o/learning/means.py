"""One inverse matrix for a family, from the Hessians of its members: three means, none of which is best for all.

The log-Euclidean mean is in the middle. The inverse of the mean Hessian is best where curvature varies along the way,
the mean of the inverses where the Hessians are anisotropic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["MEANS", "inverse_of_mean", "log_euclidean", "mean_of_inverses"]

OUTLYING = 3.0  # a Hessian so many times as large as the log-Euclidean mean is scaled down to that


def log_euclidean(hessians: np.ndarray) -> np.ndarray:
    """Return exp(-mean log H), (d, d), of positive definite H (m, d, d).

    References
    ----------
    Arsigny et al., *Log-Euclidean metrics for fast and simple calculus on diffusion tensors*, 2006.
    """
    values, vectors = np.linalg.eigh(hessians)
    mean = np.einsum("mij,mj,mkj->ik", vectors, np.log(values), vectors) / len(hessians)
    values, vectors = np.linalg.eigh(mean)
    return (vectors * np.exp(-values)) @ vectors.T


def inverse_of_mean(hessians: np.ndarray) -> np.ndarray:
    """Return the inverse of the mean of H (m, d, d); one far above the log-Euclidean mean L, by tr(L H), is shortened.

    One outlying Hessian would rule the mean.
    """
    size = np.einsum("ij,mji->m", log_euclidean(hessians), hessians) / hessians.shape[1]
    return np.linalg.inv((hessians * np.minimum(1.0, OUTLYING / size)[:, None, None]).mean(axis=0))


def mean_of_inverses(hessians: np.ndarray) -> np.ndarray:
    """Return the mean of H^-1, (d, d), of positive definite H (m, d, d)."""
    return np.linalg.inv(hessians).mean(axis=0)


MEANS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": log_euclidean, "inverse": inverse_of_mean, "harmonic": mean_of_inverses}
