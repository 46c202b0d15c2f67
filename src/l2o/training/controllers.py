"""Time-varying linear-Gaussian controllers: the teachers of guided policy search.

One a training function: psi_t(a|s) = N(K_t s + k_t, G_t), Li and Malik (2016), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o import _kernels
from l2o.methods import Step, StepMethod
from l2o.training.trajectories import Layout, Trajectories

__all__ = ["Controllers", "momentum_controllers"]


@dataclass(frozen=True, eq=False)
class Controllers(StepMethod):
    """Linear-Gaussian controllers of m functions.

    Attributes
    ----------
    K : ndarray, shape (m, T, d, S)
        Gains.
    k : ndarray, shape (m, T, d)
        Offsets, such that the mean step is K_t s + k_t.
    precision : ndarray, shape (m, T, d, d)
        Inverse covariances G_t^-1.
    layout : Layout
        Layout of the state s.
    index : ndarray of int, shape (runs,)
        The function of each run when they are simulated.
    """

    K: np.ndarray
    k: np.ndarray
    precision: np.ndarray
    layout: Layout
    index: np.ndarray

    def step(self, dim: int) -> Step:
        """Return the step: each run has the gains of its function, K_t and k_t, in a block."""
        m, T = self.k.shape[:2]
        header = np.broadcast_to([float(T), self.layout.history, self.layout.kept], (m, 3))
        blocks = np.concatenate([header, self.K.reshape(m, -1), self.k.reshape(m, -1)], axis=1)
        length = max(self.layout.history + 1, self.layout.kept)
        return Step(_kernels.linear.CONTROLLER, np.ascontiguousarray(blocks), length, 0, self.index)

    def for_runs(self, rows: slice) -> Controllers:
        """Return the controllers of some runs, with no data that they do not need."""
        used, index = np.unique(self.index[rows], return_inverse=True)
        return Controllers(self.K[used], self.k[used], self.precision[used], self.layout, index)

    def repeated(self, n: int) -> Controllers:
        """Return the same controllers with n runs of each function."""
        return replace(self, index=np.repeat(np.arange(len(self.k)), n))

    def replaced(self, which: np.ndarray, new: Controllers) -> Controllers:
        """Return the controllers with those of some functions, which (m,), taken from others."""
        pick = which[:, None, None]
        return replace(self, K=np.where(pick[..., None], new.K, self.K), k=np.where(pick, new.k, self.k),
                       precision=np.where(pick[..., None], new.precision, self.precision))

    def means(self, states: np.ndarray) -> np.ndarray:
        """Return the mean steps at states (m, n, T, S): (m, n, T, d)."""
        per_step = states.transpose(0, 2, 1, 3) @ self.K.transpose(0, 1, 3, 2)
        return per_step.transpose(0, 2, 1, 3) + self.k[:, None]

    @classmethod
    def around(cls, nominal: Trajectories, K: np.ndarray, k: np.ndarray, precision: np.ndarray,
               layout: Layout) -> Controllers:
        """Make controllers whose gains act on deviations from a nominal trajectory."""
        offset = nominal.actions + k - np.einsum("mtds,mts->mtd", K, nominal.states(layout))
        return cls(K, offset, precision, layout, np.arange(len(K)))


def momentum_controllers(step_sizes: np.ndarray, decays: np.ndarray, horizon: int, sigma: float,
                         layout: Layout) -> Controllers:
    """Make the first teachers: momentum, a linear feedback on the gradient history.

    Parameters
    ----------
    step_sizes, decays : ndarray, shape (m,)
        Settings of each function.
    horizon : int
        Steps T.
    sigma : float
        Standard deviation of the exploration.
    layout : Layout
        Layout of the state.
    """
    m, dim = len(step_sizes), layout.dim
    K = np.zeros((m, horizon, dim, layout.size))
    for i in range(layout.kept):
        column = dim + layout.history + i * dim
        K[:, :, np.arange(dim), column + np.arange(dim)] = -(step_sizes * decays**i)[:, None, None]
    precision = np.broadcast_to(np.eye(dim) / sigma**2, (m, horizon, dim, dim)).copy()
    return Controllers(K, np.zeros((m, horizon, dim)), precision, layout, np.arange(m))
