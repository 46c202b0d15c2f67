"""Trajectories of training: simulated runs, and the states and observations along them.

State s = [location (d), objective changes f_t - f_{t-i} (H), gradients (kept d)], newest first, entries
of steps that have not happened zero. The policy observes the changes and H of the gradients: the newest
ones, or those from the second on (then the state keeps one more, so that it can be shifted).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from l2o.base.parallel import map_rows
from l2o.base.typing import Workers
from l2o.methods import Simulation, StepMethod, empty_simulation
from l2o.policies.trainable import Parametrised
from l2o.problems import Problems

__all__ = ["Layout", "Trajectories", "from_several_starts", "simulate"]

N_STARTS = 4


@dataclass(frozen=True)
class Layout:
    """Where things stand in a state.

    Attributes
    ----------
    dim, history, kept : int
        Variables, objective changes and gradients in a state.
    first : int
        Newest gradient that the policy observes, 0 or 1.
    """

    dim: int
    history: int
    kept: int
    first: int

    @classmethod
    def of(cls, network: Parametrised, dim: int) -> Layout:
        """Return the layout of the states that a kind of policy needs."""
        return cls(dim, network.history, network.kept, network.kept - network.history)

    @property
    def size(self) -> int:
        """Length S of a state."""
        return self.dim + self.history + self.kept * self.dim

    @property
    def observed(self) -> np.ndarray:
        """Entries of a state that the policy observes."""
        gradients = self.dim + self.history + self.first * self.dim
        return np.r_[self.dim : self.dim + self.history, gradients : gradients + self.history * self.dim]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Runs of T steps.

    Attributes
    ----------
    x : ndarray, shape (runs, T+1, d)
        Locations.
    fun : ndarray, shape (runs, T+1)
        Objective values.
    jac : ndarray, shape (runs, T+1, d)
        Gradients.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray

    def __getitem__(self, rows: slice | np.ndarray) -> Trajectories:
        return Trajectories(self.x[rows], self.fun[rows], self.jac[rows])

    @property
    def actions(self) -> np.ndarray:
        """Steps taken, (runs, T, d)."""
        return np.diff(self.x, axis=1)

    def states(self, layout: Layout) -> np.ndarray:
        """Return the states at which the steps were taken, (runs, T, S)."""
        runs, T, dim = self.actions.shape
        states = np.zeros((runs, T, layout.size))
        states[:, :, :dim] = self.x[:, :-1]
        history = layout.history
        past = np.zeros((runs, T + history))
        past[:, history:] = self.fun[:, :-1]
        older = sliding_window_view(past, history + 1, axis=1)[:, :, -2::-1]  # f_{t-1}, ..., f_{t-H}
        exists = np.arange(1, history + 1) <= np.arange(T)[:, None]
        with np.errstate(invalid="ignore"):  # inf - inf, in a run that left the domain
            states[:, :, dim : dim + history] = np.where(exists, self.fun[:, :-1, None] - older, 0.0)
        past = np.zeros((runs, T + layout.kept - 1, dim))
        past[:, layout.kept - 1 :] = self.jac[:, :-1]
        window = sliding_window_view(past, layout.kept, axis=1)[..., ::-1]  # (runs, T, d, kept)
        states[:, :, dim + history :] = window.transpose(0, 1, 3, 2).reshape(runs, T, -1)
        return states

    def observations(self, layout: Layout) -> np.ndarray:
        """Return what the policy observed, (runs, T, H + H d)."""
        return self.states(layout)[:, :, layout.observed]


def from_several_starts(problems: Problems, n_starts: int = N_STARTS) -> Problems:
    """Return the functions several times: from their own starting points, from those of the next functions, ..."""
    x0 = np.concatenate([np.roll(problems.x0, shift, axis=0) for shift in range(n_starts)])
    return problems[np.tile(np.arange(len(problems)), n_starts)].with_starts(x0)


@dataclass(frozen=True)
class _Simulation:
    method: Any
    problems: Problems
    n_steps: int
    noise: np.ndarray | None

    def __getitem__(self, rows: slice) -> _Simulation:
        noise = None if self.noise is None else self.noise[rows]
        return _Simulation(self.method.for_runs(rows), self.problems[rows], self.n_steps, noise)

    def __call__(self, out: Any = None) -> Simulation:
        return self.method.simulate(self.problems, self.n_steps, self.noise, None if out is None else Simulation(*out))


def simulate(method: StepMethod, problems: Problems, n_steps: int, *, noise: np.ndarray | None = None,
             workers: Workers = 1) -> Trajectories:
    """Run a method on each problem; noise (runs, T, d) is added to its steps."""
    x, fun, jac, _ = map_rows(_Simulation(method, problems, n_steps, noise), len(problems), workers,
                              empty=partial(empty_simulation, n_steps, problems.dim))
    return Trajectories(x, fun, jac)
