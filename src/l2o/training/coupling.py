"""Bregman ADMM: what couples the teachers to the policy, where the trust region is round the teachers.

In the mean, teacher and policy are to make the same steps. The method of multipliers takes turns:

    teacher   min  E[c(s_t) - lambda_t' a_t] + nu_t KL(psi_t || pi)
    policy    min  nu_t / 2 (mu - m_t)' G_t^-1 (mu - m_t) + lambda_t' mu,   so mu is to be m_t - G_t lambda_t / nu_t
    dual      lambda_t += alpha nu_t (E_psi[E_pi a_t] - E_psi[a_t])

with m_t the teacher's mean step, and expectations along its noise-free run. Without multipliers (alpha = 0) that is
the form of Li and Malik (2016); with them that of Levine, Finn, Darrell and Abbeel (2016), *End-to-end training of
deep visuomotor policies*, and of Li and Malik (2017), *Learning to optimize neural nets*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o.training.controllers import Controllers

__all__ = ["Coupling"]

RAISED, LOWERED = 0.5, -1.0  # standard deviations from the mean over the steps beyond which a weight is changed


@dataclass(frozen=True, eq=False)
class Coupling:
    """What the teachers of m functions and the policy pay for being apart.

    Attributes
    ----------
    weights : ndarray, shape (m, T)
        Weights nu_t of the divergence.
    multipliers : ndarray, shape (m, T, d)
        Dual variables lambda_t.
    """

    weights: np.ndarray
    multipliers: np.ndarray

    @classmethod
    def uniform(cls, weight: float, m: int, horizon: int, dim: int) -> Coupling:
        """Return the same weight for all steps, and no multipliers."""
        return cls(np.full((m, horizon), weight), np.zeros((m, horizon, dim)))

    def __getitem__(self, rows: np.ndarray) -> Coupling:
        return Coupling(self.weights[rows], self.multipliers[rows])

    @property
    def relative(self) -> np.ndarray:
        """Weights in units of the largest, (m, T): how much each step counts when the policy is fitted."""
        largest = self.weights.max()
        return self.weights / largest if largest > 0 else np.ones_like(self.weights)

    def price(self, actions: np.ndarray, divergences: np.ndarray) -> np.ndarray:
        """Return what runs with these steps (m, T, d) and divergences (m, T) pay: (m,)."""
        return (self.weights * divergences).sum(axis=1) - np.einsum("mtd,mtd->m", self.multipliers, actions)

    def targets(self, teachers: Controllers) -> Controllers:
        """Return what the policy is to imitate: means moved by -G_t lambda_t / nu_t, precisions weighted by nu_t."""
        k = teachers.k
        if self.multipliers.any():
            moved = np.linalg.solve(teachers.precision, self.multipliers[..., None])[..., 0]
            k = k - moved / self.weights[..., None]
        return replace(teachers, k=k, precision=self.relative[..., None, None] * teachers.precision)

    def updated(self, apart: np.ndarray, rate: float) -> Coupling:
        """Return the coupling after a dual step; `apart` is the policy's mean step less the teacher's, (m, T, d)."""
        seen = np.where(np.isfinite(apart), apart, 0.0)  # a run that is lost says nothing
        return replace(self, multipliers=self.multipliers + rate * self.weights[..., None] * seen)

    def adapted(self, divergences: np.ndarray) -> Coupling:
        """Return twice the weight where a function's divergences (m, T) are high, and half of it where they are low.

        High is half a standard deviation above the mean over the steps, low is one below, as in the authors' code for
        robots (github.com/cbfinn/gps, "fixed_lg_step 3" with its defaults).
        """
        finite = np.where(np.isfinite(divergences), divergences, 0.0)
        distance = finite - finite.mean(axis=1, keepdims=True)
        spread = finite.std(axis=1, keepdims=True)
        factor = np.where(distance > RAISED * spread, 2.0, np.where(distance < LOWERED * spread, 0.5, 1.0))
        return replace(self, weights=factor * self.weights)
