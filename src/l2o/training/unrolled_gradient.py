"""The exact gradient through the unrolled rollout: nothing linearised, and nothing sampled but functions, starts, axes.

The gradient itself is the kind of policy's. Here is the descent along it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast

import numpy as np

from l2o._kernels.training.adam import adam
from l2o._kernels.training.unrolled import BLOCK
from l2o.base import arguments
from l2o.policies.trainable import Differentiable
from l2o.policies.weights import Weights
from l2o.training.cost import Cost
from l2o.training.progress import Progress
from l2o.training.task import Task
from l2o.training.trainer import Trainer
from l2o.training.trajectories import Layout, simulate

__all__ = ["Descent", "DescentState", "UnrolledGradient"]

END = 100  # steps of momentum to where near starts are
NEAR = (1.0, 3.0)  # powers of ten by which a near start is nearer


@dataclass(frozen=True, eq=False)
class DescentState:
    """What a step, or a round of them, leaves to the next.

    Attributes
    ----------
    round : int
        Rounds that are done.
    weights : dict of ndarray
        Those at the start, with what is not trained.
    vector : ndarray, shape (n,)
        What is trained.
    mean, square : ndarray, shape (n,)
        Moments of the gradient.
    coming : ndarray of int, shape (pairs, 2)
        Pairs of functions that were drawn and not used yet.
    """

    round: int
    weights: Weights
    vector: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    coming: np.ndarray


@dataclass(frozen=True)
class UnrolledGradient(Trainer):
    """Descent along the exact gradient of the mean cost of rollouts.

    From random weights, rollouts are short at first: through many steps of a policy that does not descend yet, the
    gradient says little. From the weights of a policy (``init``, or an earlier trainer) all of them are of full length.

    Parameters
    ----------
    n_steps : int
        Steps of Adam.
    n_runs : int
        Rollouts of each; best a multiple of 32.
    horizon : int
        Steps T of a rollout.
    first_horizon : int
        Steps of the first rollouts, at most `horizon`.
    growth : float
        Share of the training over which rollouts grow from `first_horizon` to `horizon`, geometrically, in [0, 1].
    near : float
        Share of the rollouts that start near where momentum ends, in [0, 1]: at a policy's rest point, which most
        rollouts reach only at their end, its steps must not grow.
    relative : float
        Share of the weights of the cost that is inversely proportional to momentum's gap, in [0, 1]; 0 is the plain
        sum.
    first_step : float
        Factor of the weight of the first step, at which a policy knows no more than a fixed step does.
    rotations : float
        Share of the rollouts, by blocks of 32, whose axes are rotated at random, in [0, 1].
    rate : float
        Highest learning rate; it falls to zero as a cosine.
    clip : float
        Longest gradient of the cost, in units of the cost of tuned momentum; a longer one is shortened.
    n_rounds : int
        How often the policy is judged on the validation functions.

    References
    ----------
    Andrychowicz et al., *Learning to learn by gradient descent by gradient descent*, 2016. They leave out the second
    derivatives, which are included here.
    """

    asks: ClassVar[type] = Differentiable
    records: ClassVar[tuple[type, ...]] = (DescentState,)

    n_steps: int = 4000
    n_runs: int = 96
    horizon: int = 40
    first_horizon: int = 4
    growth: float = 0.5
    near: float = 0.25
    relative: float = 0.5
    first_step: float = 2.0
    rotations: float = 0.5
    rate: float = 2e-3
    clip: float = 1.0
    n_rounds: int = 40

    def __post_init__(self) -> None:
        for name, least in (("n_steps", 0), ("n_runs", 1), ("horizon", 1), ("first_horizon", 1), ("n_rounds", 1)):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name), least))
        for name in ("rate", "clip"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name), exclusive=True))
        for name in ("growth", "near", "relative", "first_step", "rotations"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name)))
        for name in ("growth", "near", "relative", "rotations"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number in [0, 1]")
        if self.first_horizon > self.horizon:
            raise ValueError(f"first_horizon is {self.first_horizon}; expected at most horizon, {self.horizon}")

    def horizon_at(self, step: int, start: int) -> int:
        """Return the length of the rollouts of a step, from `start` to `horizon`."""
        grown = min(1.0, step / (self.growth * self.n_steps)) if self.growth > 0 else 1.0
        return round(start * (self.horizon / start) ** grown)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: a cosine from `rate` to zero."""
        return 0.5 * self.rate * (1 + np.cos(np.pi * step / self.n_steps))

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Train, from random weights if `weights` is None."""
        descent = Descent(self, progress.task, rng)
        start = self.first_horizon if weights is None else self.horizon

        def begin() -> DescentState:
            state = descent.begin(weights)
            progress.offer(descent.weights(state), round=0)
            return state

        def advance(state: DescentState) -> DescentState:
            done, upto = (each * self.n_steps // self.n_rounds for each in (state.round, state.round + 1))
            state, costs = replace(state, round=state.round + 1), []
            with progress.clock("unrolled gradient"):
                for step in range(done, upto):
                    state, cost, lost = descent.step(state, step, self.horizon_at(step, start))
                    costs.append((cost, lost))
            if costs:
                progress.offer(descent.weights(state), round=state.round, horizon=self.horizon_at(upto - 1, start),
                               cost=float(np.mean([cost for cost, _ in costs])),
                               lost=sum(lost for _, lost in costs))
            return state

        progress.rounds(begin, advance, self.n_rounds, "unrolled gradient")


class Descent:
    """The descent with its settings on a task: what all steps have in common.

    Parameters
    ----------
    settings : UnrolledGradient
        Settings.
    task : Task
        Functions and kind of policy.
    rng : Generator
        Source of weights, functions, starting points and axes.
    """

    def __init__(self, settings: UnrolledGradient, task: Task, rng: np.random.Generator) -> None:
        self.settings, self.rng = settings, rng
        self.functions, self.workers = task.only, task.workers
        self.network = cast(Differentiable, task.network)  # as `asks` says
        problems, momentum = self.functions.problems, self.functions.momentum
        gaps = self.functions.gaps(momentum, settings.horizon, task.workers)
        self.cost = Cost.of(gaps, settings.relative, settings.first_step)
        ends = simulate(momentum, problems, END, workers=task.workers).x[:, -1]
        self.ends = np.where(np.isfinite(ends).all(axis=1, keepdims=True), ends, problems.x0)

    def begin(self, weights: Weights | None) -> DescentState:
        """Begin with these weights, or without any with random ones."""
        if weights is None:
            weights = self.network.initial(self.functions.problems.dim, self.rng, self._observed())
        vector = self.network.parameters(weights)
        return DescentState(0, weights, vector, np.zeros_like(vector), np.zeros_like(vector), np.empty((0, 2), int))

    def weights(self, state: DescentState) -> Weights:
        """Return the present weights."""
        return self.network.with_parameters(state.weights, state.vector)

    def _observed(self) -> np.ndarray:
        """Return the observations along runs of momentum that stay among the finite numbers, (runs, T, n)."""
        problems = self.functions.problems
        runs = simulate(self.functions.momentum, problems, self.settings.horizon, workers=self.workers)
        observations = runs.observations(Layout.of(self.network, problems.dim))
        return observations[np.isfinite(observations).all(axis=(1, 2))]

    def _draw(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the functions of the rollouts (runs,) and where they start (runs, d)."""
        function, start = pairs.T
        x0, end = self.functions.problems.x0[start], self.ends[function]
        near = self.rng.random((len(x0), 1)) < self.settings.near
        nearer = 10.0 ** -self.rng.uniform(*NEAR, (len(x0), 1))
        return function, np.where(near, end + nearer * (x0 - end), x0)

    def _pairs(self, coming: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs (runs, 2) of a function and of the one whose starting point it gets, and those that come next.

        All functions have their turn, then all again.
        """
        m = len(self.functions.problems)
        while len(coming) < self.settings.n_runs:
            drawn = np.stack([self.rng.permutation(m), self.rng.permutation(m)], axis=1)
            coming = np.concatenate([coming, drawn])
        pairs, coming = np.split(coming, [self.settings.n_runs])
        return pairs, coming

    def _turns(self, n: int) -> np.ndarray:
        """Draw an orthogonal matrix for a share of the blocks, and the unit matrix for the others, (n, d, d)."""
        dim = self.functions.problems.dim
        turns, upper = np.linalg.qr(self.rng.standard_normal((n, dim, dim)))
        turns *= np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[..., None, :]  # uniform: Stewart (1980)
        turns[self.rng.random(n) >= self.settings.rotations] = np.eye(dim)
        return turns

    def step(self, state: DescentState, step: int, horizon: int) -> tuple[DescentState, float, int]:
        """Take a step; return also the cost in units of momentum's, and how many runs left the finite numbers."""
        settings, f_star = self.settings, self.functions.f_star
        pairs, coming = self._pairs(state.coming)
        function, x0 = self._draw(pairs)
        problems = self.functions.problems[function].with_starts(x0)
        cost_weights = self.cost.weights(horizon)
        reference = float(cost_weights @ self.cost.momentum_gap[: horizon + 1])
        cost_weights /= reference if 0 < reference < np.inf else 1.0
        turns = self._turns(-(-len(problems) // BLOCK))
        cost, usable, gradient = self.network.cost_gradient(self.weights(state), problems, cost_weights, turns,
                                                            self.workers)
        if not usable.any():
            return replace(state, coming=coming), np.inf, len(usable)
        vector, mean, square = state.vector.copy(), state.mean.copy(), state.square.copy()
        adam(vector, gradient, mean, square, step + 1, settings.rate_at(step), settings.clip)
        cost = cost[usable] - cost_weights.sum() * f_star[function[usable]]
        state = replace(state, vector=vector, mean=mean, square=square, coming=coming)
        return state, float(cost.mean()), int((~usable).sum())
