"""The exact gradient through the unrolled rollout: nothing linearised, and nothing sampled but functions, starts, axes.

The gradient itself is that of unrolled.py. Here is the descent along it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o._kernels.training.adam import adam
from l2o._kernels.training.unrolled import BLOCK
from l2o.base import arguments
from l2o.training.cost import Cost
from l2o.training.imitation import Trained
from l2o.training.trainer import Progress, Task, Trainer, Weights
from l2o.training.trajectories import Layout, simulate
from l2o.training.unrolled import Unrolled, differentiate

__all__ = ["Descent", "UnrolledGradient"]

END = 100  # steps of momentum to where near starts are
NEAR = (1.0, 3.0)  # powers of ten by which a near start is nearer


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
        Share of the weights of the cost that goes as one over momentum's gap, in [0, 1]; 0 is the plain sum.
    first_step : float
        Factor of the weight of the first step, at which a policy knows no more than a fixed step does.
    rotations : float
        Share of the rollouts, by blocks of 32, whose axes are turned at random, in [0, 1].
    rate : float
        Highest learning rate; it falls to zero as a cosine.
    clip : float
        Longest gradient of the cost, which is measured in units of tuned momentum's; a longer one is shortened.
    n_rounds : int
        How often the policy is judged on the validation functions.

    References
    ----------
    Andrychowicz et al., *Learning to learn by gradient descent by gradient descent*, 2016. They leave the second
    derivatives out; here they are in.
    """

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

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator, show: bool) -> None:
        """Train, from random weights if `weights` is None."""
        start = self.first_horizon if weights is None else self.horizon
        descent = Descent(self, progress.task, weights, rng)
        if not progress.resumed(descent):
            progress.offer(descent.weights(), round=0)
        for i in progress.rounds(descent, self.n_rounds, show, "unrolled gradient"):
            done, upto = (each * self.n_steps // self.n_rounds for each in (i, i + 1))
            with progress.clock("unrolled gradient"):
                costs = [descent.step(step, self.horizon_at(step, start)) for step in range(done, upto)]
            if costs:
                progress.offer(descent.weights(), round=i + 1, horizon=self.horizon_at(upto - 1, start),
                               cost=float(np.mean([cost for cost, _ in costs])),
                               lost=sum(lost for _, lost in costs))
            descent.round = i + 1


class Descent:
    """Weights on their way down: one step of Adam after the other.

    Parameters
    ----------
    settings : UnrolledGradient
        Settings.
    task : Task
        Functions, network, momentum.
    weights : dict of ndarray or None
        Where to start; None for random weights.
    rng : Generator
        Source of weights, functions, starting points and axes.
    """

    def __init__(self, settings: UnrolledGradient, task: Task, weights: Weights | None,
                 rng: np.random.Generator) -> None:
        self.settings, self.task, self.rng = settings, task, rng
        network = task.network
        gaps = task.training.gaps(task.momentum, settings.horizon, task.workers)
        self.cost = Cost.of(gaps, settings.relative, settings.first_step)
        ends = simulate(task.momentum, task.training.problems, END, workers=task.workers).x[:, -1]
        self.ends = np.where(np.isfinite(ends).all(axis=1, keepdims=True), ends, task.training.problems.x0)
        if weights is None:
            weights = network.initial(task.dim, rng, self._observed())
        self.deviation = weights["deviation"].astype(float)
        self.trained = Trained.of(weights, float)
        self.mean, self.square = np.zeros((2, len(self.trained.vector)))  # moments of the gradient
        self.coming = np.empty((0, 2), int)  # pairs of functions that were drawn and not used yet
        self.round = 0

    def state(self) -> dict[str, Any]:
        """Return what a round leaves to the next."""
        return {"round": self.round, "vector": self.trained.vector, "mean": self.mean, "square": self.square,
                "deviation": self.deviation, "coming": self.coming}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.round, self.deviation, self.coming = state["round"], state["deviation"], state["coming"]
        self.mean, self.square = state["mean"], state["square"]
        self.trained.vector[:] = state["vector"]  # the network's arrays are parts of it

    def _observed(self) -> np.ndarray:
        """Return the observations along runs of momentum that stay among the finite numbers, (runs, T, n)."""
        runs = simulate(self.task.momentum, self.task.training.problems, self.settings.horizon,
                        workers=self.task.workers)
        observations = runs.observations(Layout.of(self.task.network, self.task.dim))
        return observations[np.isfinite(observations).all(axis=(1, 2))]

    def weights(self) -> Weights:
        """Return the present weights."""
        return self.task.network.at_rest({"deviation": self.deviation, **self.trained.weights()})

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the functions of the rollouts (runs,) and where they start (runs, d)."""
        function, start = self._pairs().T
        x0, end = self.task.training.problems.x0[start], self.ends[function]
        near = self.rng.random((len(x0), 1)) < self.settings.near
        nearer = 10.0 ** -self.rng.uniform(*NEAR, (len(x0), 1))
        return function, np.where(near, end + nearer * (x0 - end), x0)

    def _pairs(self) -> np.ndarray:
        """Return pairs (runs, 2) of a function and of the one whose starting point it gets: all, then all again."""
        m = len(self.task.training.problems)
        while len(self.coming) < self.settings.n_runs:
            drawn = np.stack([self.rng.permutation(m), self.rng.permutation(m)], axis=1)
            self.coming = np.concatenate([self.coming, drawn])
        pairs, self.coming = np.split(self.coming, [self.settings.n_runs])
        return pairs

    def _turns(self, n: int) -> np.ndarray:
        """Draw an orthogonal matrix for a share of the blocks, and the unit matrix for the others, (n, d, d)."""
        turns, upper = np.linalg.qr(self.rng.standard_normal((n, self.task.dim, self.task.dim)))
        turns *= np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[..., None, :]  # uniform: Stewart (1980)
        turns[self.rng.random(n) >= self.settings.rotations] = np.eye(self.task.dim)
        return turns

    def step(self, step: int, horizon: int) -> tuple[float, int]:
        """Take a step; return the cost in units of momentum's, and how many runs left the finite numbers."""
        training, settings = self.task.training, self.settings
        function, x0 = self._draw()
        problems = training.problems[function].with_starts(x0)
        cost_weights = self.cost.weights(horizon)
        reference = float(cost_weights @ self.cost.momentum_gap[: horizon + 1])
        cost_weights /= reference if 0 < reference < np.inf else 1.0
        unrolled_runs = Unrolled(self.task.network, self.trained, self.deviation, problems, cost_weights,
                                 self._turns(-(-len(problems) // BLOCK)))
        cost, usable, gradient = differentiate(unrolled_runs, self.task.workers)
        if usable.any():
            adam(self.trained.vector, gradient, self.mean, self.square, step + 1, settings.rate_at(step),
                            settings.clip)
        cost = cost[usable] - cost_weights.sum() * training.f_star[function[usable]]
        return float(cost.mean()) if usable.any() else np.inf, int((~usable).sum())
