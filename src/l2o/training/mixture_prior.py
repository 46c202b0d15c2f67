"""The generic fit of the dynamics, as the paper has it: a reference to read and to compare with. Training uses
local_model.py instead, which estimates only what is not known.

Every step has dynamics s' ~ N(A s + B a + c, F). They follow from a Gaussian of the points p = [s, a, s'] at that step,
which the few samples determine with the help of a prior (Levine and Abbeel, 2014; Li and Malik, 2016, section 3.2):

1. a mixture of Gaussians is fitted to the points of all steps, by expectation and maximisation;
2. at a step, the components that its n points belong to have mean mu_0 and covariance S_0;
3. with their own mean mu and covariance S, and a prior that counts as n_0 points,

       Sigma = (n S + n_0 S_0 + n n_0 / (n + n_0) (mu - mu_0) (mu - mu_0)') / (n + n_0);

4. [A B] = Sigma_{s',sa} Sigma_{sa,sa}^-1, c makes it pass through mu, F is what is left of Sigma_{s's'}.

Of 8 or 11 entries of a state few vary independently (gradients follow from locations), so A is determined only in
those directions; B is determined, because the noise of the actions is independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Seed
from l2o.training.local_model import LocalModel
from l2o.training.trajectories import Layout, Trajectories

__all__ = ["Dynamics", "Mixture", "from_mixture", "from_structure"]

FLOOR = 1e-6  # added to variances, in units of their mean: most directions of a state have none


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussians with weights.

    Attributes
    ----------
    weights : ndarray, shape (k,)
        Shares of the components.
    means : ndarray, shape (k, D)
        Means.
    covariances : ndarray, shape (k, D, D)
        Covariances.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray, n_components: int, rng: np.random.Generator, n_rounds: int = 50) -> Mixture:
        """Fit to points (n, D): each belongs to the nearest of some of them at first, then rounds of EM."""
        centres = points[rng.choice(len(points), min(n_components, len(points)), replace=False)]
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        shares = np.eye(len(centres))[nearest]
        for _ in range(n_rounds):
            mixture = cls._of(points, shares)
            shares = mixture.shares(points)
        return mixture

    @classmethod
    def _of(cls, points: np.ndarray, shares: np.ndarray) -> Mixture:
        """Maximise the likelihood for shares (n, k) of the points in the components."""
        mass = shares.sum(axis=0) + 1e-12
        means = shares.T @ points / mass[:, None]
        apart = points[:, None] - means
        covariances = np.einsum("nk,nki,nkj->kij", shares, apart, apart, optimize=True) / mass[:, None, None]
        floor = FLOOR * points.var(axis=0).mean() + np.finfo(float).tiny
        return cls(mass / mass.sum(), means, covariances + floor * np.eye(points.shape[1]))

    def shares(self, points: np.ndarray) -> np.ndarray:
        """Return how far points (n, D) belong to each component, (n, k)."""
        lower = np.linalg.cholesky(self.covariances)
        apart = np.linalg.solve(lower, (points[:, None] - self.means).transpose(1, 2, 0))
        half_log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        log = np.log(self.weights) - half_log_det - 0.5 * (apart**2).sum(axis=1).T
        shares = np.exp(log - log.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def moments(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (D,) and covariance (D, D) of the components that points (n, D) belong to."""
        weight = self.shares(points).mean(axis=0)
        mean = weight @ self.means
        apart = self.means - mean
        return mean, np.einsum("k,kij->ij", weight, self.covariances) + (weight * apart.T) @ apart


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Linear-Gaussian dynamics s' ~ N(A s + B a + c, F) of T steps.

    Attributes
    ----------
    A : ndarray, shape (T, S, S)
        Derivative by the state.
    B : ndarray, shape (T, S, d)
        Derivative by the action.
    c : ndarray, shape (T, S)
        Offset.
    F : ndarray, shape (T, S, S)
        Covariance.
    """

    A: np.ndarray
    B: np.ndarray
    c: np.ndarray
    F: np.ndarray

    def means(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return the mean next states (n, T, S) for states (n, T, S) and actions (n, T, d)."""
        return np.einsum("tij,ntj->nti", self.A, states) + np.einsum("tij,ntj->nti", self.B, actions) + self.c


def all_states(runs: Trajectories, layout: Layout) -> np.ndarray:
    """Return the states of runs, with those that the last steps lead to, (runs, T+1, S)."""
    once_more = (np.concatenate([part, part[:, -1:]], axis=1) for part in (runs.x, runs.fun, runs.jac))
    return Trajectories(*once_more).states(layout)


def from_mixture(samples: Trajectories, layout: Layout, *, n_components: int = 10, strength: float = 1.0,
                 rng: Seed = None) -> Dynamics:
    """Fit the dynamics of one function to sampled trajectories, under a mixture prior.

    Parameters
    ----------
    samples : Trajectories
        n noisy runs.
    layout : Layout
        Layout of the states.
    n_components : int
        Components of the mixture; the paper has 10.
    strength : float
        Number of points n_0 that the prior counts as.
    rng : None, int, SeedSequence or Generator, optional
        Source of the first centres.

    Raises
    ------
    ValueError, TypeError
        If a setting does not fit, or a run is not finite.
    """
    n_components = arguments.count("n_components", n_components)
    strength = arguments.number("strength", strength, exclusive=True)
    states = all_states(samples, layout)
    points = np.concatenate([states[:, :-1], samples.actions, states[:, 1:]], axis=2)
    points = arguments.array("samples", points, (None, None, None))
    n, T, D = points.shape
    mixture = Mixture.fit(points.reshape(-1, D), n_components, arguments.generator(rng))
    known = layout.size + layout.dim  # s and a
    slopes, offsets, left = np.zeros((T, layout.size, known)), np.zeros((T, layout.size)), []
    for t, at_step in enumerate(points.swapaxes(0, 1)):
        mean, (prior_mean, prior) = at_step.mean(axis=0), mixture.moments(at_step)
        apart, moved = at_step - mean, mean - prior_mean
        pull = n * strength / (n + strength) * np.outer(moved, moved)
        sigma = (apart.T @ apart + strength * prior + pull) / (n + strength)
        slopes[t] = np.linalg.solve(sigma[:known, :known], sigma[:known, known:]).T
        offsets[t] = mean[known:] - slopes[t] @ mean[:known]
        left.append(sigma[known:, known:] - slopes[t] @ sigma[:known, known:])
    return Dynamics(slopes[..., : layout.size], slopes[..., layout.size :], offsets, np.array(left))


def from_structure(nominal: Trajectories, model: LocalModel, layout: Layout) -> Dynamics:
    """Write the structured local model of one function as such dynamics; what is known exactly has no covariance.

    Parameters
    ----------
    nominal : Trajectories
        Its noise-free run.
    model : LocalModel
        Its model along that run.
    layout : Layout
        Layout of the states.
    """
    T, dim, size = nominal.x.shape[1] - 1, layout.dim, layout.size
    newest = dim + layout.history
    maps = np.zeros((T, size, size + dim))
    location = np.hstack([np.eye(dim, size), np.eye(dim)])  # x' = x + a, over [s a]
    for t in range(T):
        change = model.gradient[0, t + 1] @ location - model.gradient[0, t] @ np.eye(dim, size + dim)
        exist = np.arange(dim, dim + min(t + 1, layout.history))
        maps[t, :dim], maps[t, exist] = location, change
        maps[t, exist[1:], exist[:-1]] += 1
        maps[t, newest : newest + dim] = model.curvature[0, t + 1] @ location
        maps[t, newest + dim :, newest : size - dim] = np.eye(size - dim - newest)
    states = all_states(nominal, layout)[0]
    before = np.concatenate([states[:-1], nominal.actions[0]], axis=1)
    offsets = states[1:] - np.einsum("tij,tj->ti", maps, before)
    return Dynamics(maps[..., :size], maps[..., size:], offsets, np.zeros((T, size, size)))
