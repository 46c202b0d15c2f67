"""The local model: how gradient and objective change around a nominal trajectory.

Of the dynamics of the state only f(x') and g(x') are unknown, and both depend on x' = x + a alone; all
else is a shift register. So the model of a step is a d x d matrix, the derivative of the gradient.
The generic fit of Li and Malik (2016), section 3.2, estimates the whole S x (S + d) map instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o.problems import Problems
from l2o.training.trajectories import Trajectories

__all__ = ["LocalModel", "from_hessians", "from_samples"]


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Quadratic cost and linear dynamics around nominal trajectories of m functions.

    Attributes
    ----------
    gradient : ndarray, shape (m, T+1, d)
        Gradients at the nominal points.
    curvature : ndarray, shape (m, T+1, d, d)
        Derivative of the gradient there: the dynamics.
    convex : ndarray, shape (m, T+1, d, d)
        The same with its eigenvalues floored: the cost.
    """

    gradient: np.ndarray
    curvature: np.ndarray
    convex: np.ndarray


def floored(matrices: np.ndarray, floor: float) -> np.ndarray:
    """Return symmetric matrices (..., d, d) with no eigenvalue below floor."""
    values, vectors = np.linalg.eigh(matrices)
    return np.einsum("...ij,...j,...kj->...ik", vectors, np.maximum(values, floor), vectors)


def from_hessians(problems: Problems, nominal: Trajectories, floor: float) -> LocalModel:
    """Take the family's own Hessians at the nominal points.

    Parameters
    ----------
    problems : Problems
        The m functions.
    nominal : Trajectories
        One noise-free run of each.
    floor : float
        Lower bound of the eigenvalues in the cost.
    """
    m, points, dim = nominal.x.shape
    hessian = problems[np.repeat(np.arange(m), points)].hessian(nominal.x.reshape(-1, dim))
    curvature = hessian.reshape(m, points, dim, dim)
    return LocalModel(nominal.jac, curvature, floored(curvature, floor))


def _distinct(x: np.ndarray) -> np.ndarray:
    """Return which points (m, n, T+1) of n runs are not those of an earlier run: noise-free samples coincide."""
    same = (x[:, :, None] == x[:, None, :]).all(axis=-1)
    earlier = np.tri(x.shape[1], k=-1, dtype=bool)[None, :, :, None]
    return ~(same & earlier).any(axis=2)


def from_samples(nominal: Trajectories, samples: Trajectories, previous: LocalModel | None, floor: float, *,
                 ridge: float = 0.1, neighbours: int = 1) -> LocalModel:
    """Fit the derivative of the gradient to sampled points by least squares through the nominal point.

    Each step has a model of its own, fitted to its samples and those of neighbouring steps. Deviations
    are weighted by 1 / (length^2 + spread^2), so that near samples count as much as far ones; the ridge
    pulls towards the previous iteration's model (at first towards the mean over the steps).

    Parameters
    ----------
    nominal : Trajectories
        One noise-free run of each of m functions.
    samples : Trajectories
        n noisy runs of each, (m n) runs in the order of the functions.
    previous : LocalModel or None
        The model of the iteration before.
    floor : float
        Lower bound of the eigenvalues in the cost.
    ridge : float
        Weight of the pull, in units of one sample.
    neighbours : int
        Steps before and after whose samples are pooled.
    """
    m, points, dim = nominal.x.shape
    x, g = (part.reshape(m, -1, points, dim) for part in (samples.x, samples.jac))
    distinct = _distinct(x)
    xx, gx = np.zeros((m, points, dim, dim)), np.zeros((m, points, dim, dim))
    reach = min(neighbours, points - 1)
    for shift in range(-reach, reach + 1):
        at = np.arange(max(0, -shift), min(points, points - shift))
        dx, dg = x[:, :, at + shift] - nominal.x[:, None, at], g[:, :, at + shift] - nominal.jac[:, None, at]
        length2 = np.einsum("mntd,mntd->mnt", dx, dx)
        usable = np.isfinite(length2) & np.isfinite(dg).all(axis=-1) & (length2 > 0) & distinct[:, :, at + shift]
        n_usable = np.maximum(usable.sum(axis=1, keepdims=True), 1)
        spread2 = 0.01 * np.where(usable, length2, 0.0).sum(axis=1, keepdims=True) / n_usable + 1e-12
        weight = np.where(usable, 1.0 / (length2 + spread2), 0.0)[..., None]
        dx, dg = np.where(usable[..., None], dx, 0.0), np.where(usable[..., None], dg, 0.0)
        xx[:, at] += np.einsum("mnti,mntj->mtij", weight * dx, dx)
        gx[:, at] += np.einsum("mnti,mntj->mtij", weight * dg, dx)
    if previous is None:
        total = xx.sum(axis=1, keepdims=True) + 1e-6 * np.eye(dim)
        target = np.broadcast_to(gx.sum(axis=1, keepdims=True) @ np.linalg.inv(total), gx.shape)
    else:
        target = previous.curvature
    curvature = (gx + ridge * target) @ np.linalg.inv(xx + ridge * np.eye(dim))
    curvature = 0.5 * (curvature + curvature.swapaxes(-1, -2))
    return LocalModel(nominal.jac, curvature, floored(curvature, floor))
