"""Improve the teachers: minimise expected cost inside a trust region round a reference distribution.

The reference is a linear-Gaussian controller in deviations from a nominal trajectory: the policy,
linearised (mirror descent), or the previous teacher (Li and Malik, 2016). With multiplier eta,

    psi = argmin  E[cost] + eta KL(psi || reference) + sum_t (nu_t KL(psi_t || policy) - lambda_t' a_t)

is one backward Riccati pass. One eta serves all functions, so that those with most to gain move most;
it is found by bisection on the KL divergence of real, noise-free rollouts of the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2o._kernels.training.riccati import backward_many
from l2o.base.parallel import map_rows, threads_of
from l2o.base.typing import Workers
from l2o.problems import Problems
from l2o.training.controllers import Controllers
from l2o.training.coupling import Coupling
from l2o.training.local_model import LocalModel
from l2o.training.trajectories import Layout, Trajectories, simulate

__all__ = ["Reference", "Teachers", "TrustRegion", "improve"]

FLOOR = 1e-10  # of the eigenvalues of Q_aa
SHORTER = (1.0, 4.0, 16.0, 64.0)  # multiples of eta tried for functions whose teacher is worse in a real run
LEAST_ETA, LARGEST_ETA = 1e-8, 1e16
LARGEST_KL = 20.0  # a function counts at most that many times the bound


@dataclass(frozen=True, eq=False)
class Reference:
    """Linear-Gaussian controllers of m functions, in deviations from their nominal trajectories.

    Attributes
    ----------
    K : ndarray, shape (m, T, d, S)
        Gains.
    k : ndarray, shape (m, T, d)
        Mean step minus nominal step, at the nominal state.
    precision : ndarray, shape (m, T, d, d)
        Inverse covariances.
    """

    K: np.ndarray
    k: np.ndarray
    precision: np.ndarray

    def __getitem__(self, rows: slice | np.ndarray) -> Reference:
        return Reference(self.K[rows], self.k[rows], self.precision[rows])


@dataclass(frozen=True, eq=False)
class TrustRegion:
    """What the teachers are improved in.

    Attributes
    ----------
    problems : Problems
        The m training functions.
    nominal : Trajectories
        A noise-free run of each.
    model : LocalModel
        Cost and dynamics around it.
    cost_weights : ndarray, shape (T+1,)
        Weight of f(x_t) in the cost.
    reference : Reference
        Centre of the trust region.
    linearised : Reference or None
        The linearised policy, if the teachers are coupled to it.
    coupling : Coupling or None
        Weights of KL(psi || policy), and multipliers; given if the policy is.
    layout : Layout
        Layout of the states.
    workers : int, map-like callable or executor
        Threads.
    """

    problems: Problems
    nominal: Trajectories
    model: LocalModel
    cost_weights: np.ndarray
    reference: Reference
    linearised: Reference | None
    coupling: Coupling | None
    layout: Layout
    workers: Workers = 1

    def solve(self, eta: float, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return K, k, Q_aa of the best controllers of some functions, and whether each exists."""
        return map_rows(_Backward(self, eta, rows), len(rows), threads_of(self.workers), pieces=True)

    def cost(self, runs: Trajectories, psi: Reference, rows: np.ndarray) -> np.ndarray:
        """Return the weighted sum of objective values of each run, and what the coupling adds to it, (rows,)."""
        cost = np.where(np.isfinite(runs.fun), runs.fun, np.inf) @ self.cost_weights
        if self.linearised is not None and self.coupling is not None:
            cost = cost + self.coupling[rows].price(runs.actions, self.divergences(runs, psi, self.linearised, rows))
        return cost

    def divergence(self, runs: Trajectories, psi: Reference, other: Reference, rows: np.ndarray) -> np.ndarray:
        """Return KL(psi || other) of whole trajectories, at the states of noise-free runs of psi, (rows,)."""
        return self.divergences(runs, psi, other, rows).sum(axis=1)

    def divergences(self, runs: Trajectories, psi: Reference, other: Reference, rows: np.ndarray) -> np.ndarray:
        """Return the same step by step, (rows, T)."""
        other = other[rows]
        deviation = runs.states(self.layout) - self.nominal[rows].states(self.layout)
        apart = np.einsum("mtds,mts->mtd", psi.K - other.K, deviation) + psi.k - other.k
        ratio = other.precision @ np.linalg.inv(psi.precision)
        spread = np.trace(ratio, axis1=-2, axis2=-1) - ratio.shape[-1] - np.linalg.slogdet(ratio)[1]
        moved = np.einsum("mtd,mtde,mte->mt", apart, other.precision, apart)
        return 0.5 * (spread + moved)


@dataclass(frozen=True)
class _Backward:
    region: TrustRegion
    eta: float
    rows: np.ndarray

    def __getitem__(self, part: slice) -> _Backward:
        return replace(self, rows=self.rows[part])

    def __call__(self) -> tuple[np.ndarray, ...]:
        region, rows = self.region, self.rows
        weights, model = region.cost_weights, region.model
        linear = weights[:, None] * model.gradient[rows]
        references: list[tuple[Any, Reference]] = [(self.eta, region.reference[rows])]
        if region.linearised is not None and region.coupling is not None:
            coupling = region.coupling[rows]
            references.append((coupling.weights[..., None, None], region.linearised[rows]))
            linear[:, :-1] += coupling.multipliers  # a_t = x_{t+1} - x_t: a cost of steps is one of locations
            linear[:, 1:] -= coupling.multipliers
        parts = zip(*((each.K, each.k, weight * each.precision) for weight, each in references))
        K, k, P = (np.ascontiguousarray(np.stack(part, axis=1)) for part in parts)
        K_new, k_new, Q = np.zeros(K[:, 0].shape), np.zeros(k[:, 0].shape), np.zeros(P[:, 0].shape)
        ok = np.zeros(len(rows), bool)
        backward_many(weights[:, None, None] * model.convex[rows], linear, model.curvature[rows],
                      model.gradient[rows], region.layout.history, K, k, P, FLOOR, K_new, k_new, Q, ok)
        return K_new, k_new, Q, ok


@dataclass(frozen=True, eq=False)
class Teachers:
    """Improved controllers and how they were found.

    Attributes
    ----------
    controllers : Controllers
        One a function.
    accepted : ndarray of bool, shape (m,)
        Whether the teacher's real noise-free run is at least as good as the nominal one, coupling included.
    eta : float
        Multiplier of the trust region.
    kl : float
        Mean divergence of the accepted teachers from the reference, whole trajectories.
    """

    controllers: Controllers
    accepted: np.ndarray
    eta: float
    kl: float


def improve(region: TrustRegion, kl_bound: float, eta: float, trial_rows: np.ndarray, *,
            n_trials: int = 7) -> Teachers:
    """Find the multiplier on some functions, then the teachers of all.

    Parameters
    ----------
    region : TrustRegion
        Problems, model and reference.
    kl_bound : float
        Wanted mean of the KL divergence of a whole trajectory.
    eta : float
        Multiplier to start from.
    trial_rows : ndarray of int
        The functions that the search is made on.
    n_trials : int
        Most backward passes of the search.
    """
    eta = _search(region, kl_bound, eta, trial_rows, n_trials)
    rows = np.arange(len(region.problems))
    bound = region.cost(region.nominal, region.reference, rows)
    K, k, precision = (np.array(part) for part in (region.reference.K, region.reference.k, region.reference.precision))
    accepted, kl = np.zeros(len(rows), bool), np.zeros(len(rows))
    for factor in SHORTER:
        rows = np.flatnonzero(~accepted)
        if len(rows) == 0:
            break
        psi, ok, runs = _candidates(region, factor * eta, rows)
        better = ok & (region.cost(runs, psi, rows) <= bound[rows])
        divergence = region.divergence(runs, psi, region.reference, rows)
        now = rows[better]
        accepted[now], kl[now] = True, divergence[better]
        K[now], k[now], precision[now] = psi.K[better], psi.k[better], psi.precision[better]
    controllers = Controllers.around(region.nominal, K, k, precision, region.layout)
    return Teachers(controllers, accepted, eta, float(kl[accepted].mean()) if accepted.any() else 0.0)


def _candidates(region: TrustRegion, eta: float, rows: np.ndarray) -> tuple[Reference, np.ndarray, Trajectories]:
    """Return the teachers for one eta, whether each exists, and their noise-free runs."""
    K, k, Q, ok = region.solve(eta, rows)
    old = region.reference[rows]
    K, k = np.where(ok[:, None, None, None], K, old.K), np.where(ok[:, None, None], k, old.k)
    total = eta if region.coupling is None else eta + region.coupling.weights[rows][..., None, None]
    precision = np.where(ok[:, None, None, None], Q / total, old.precision)
    controllers = Controllers.around(region.nominal[rows], K, k, precision, region.layout)
    runs = simulate(controllers, region.problems[rows], K.shape[1], workers=region.workers)
    return Reference(K, k, precision), ok, runs


def _search(region: TrustRegion, kl_bound: float, eta: float, rows: np.ndarray, n_trials: int) -> float:
    """Bracket by factors of 4, then bisect geometrically, until the mean KL is within .6 to 1.3 of the bound."""
    low, high = 0.0, np.inf
    for _ in range(n_trials):
        psi, ok, runs = _candidates(region, eta, rows)
        kl = region.divergence(runs, psi, region.reference, rows)
        kl = np.where(np.isfinite(kl), np.minimum(kl, LARGEST_KL * kl_bound), LARGEST_KL * kl_bound).mean()
        if ok.all() and 0.6 * kl_bound <= kl <= 1.3 * kl_bound:
            return eta
        if not ok.all() or kl > kl_bound:
            low = eta
        else:
            high = eta
        eta = eta * 4.0 if np.isinf(high) else eta / 4.0 if low == 0.0 else float(np.sqrt(low * high))
        if not LEAST_ETA <= eta <= LARGEST_ETA:
            return float(np.clip(eta, LEAST_ETA, LARGEST_ETA))
    return eta if np.isinf(high) else high
