"""EvolutionStrategy: train any kind of policy on what it is used for, the number of evaluations, by trying.

A count has no derivative. The weights theta are moved by what 2 n neighbours of them score on the same functions:

    r(+-) = ranks of the scores of theta +- sigma e_i, e_i ~ N(0, I), i = 1..n, centred, within +-1/2
    G     = 1/n sum_i (r_i+ - r_i-) e_i + pull (theta - theta_0),        theta by Adam along -G.

Salimans, Ho, Chen, Sidor, Sutskever: Evolution strategies as a scalable alternative to reinforcement learning (2017).
What is judged on the validation functions, and kept, is the running average of theta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.parallel import map_rows
from l2o.policies import Architecture, QuasiNewton, load
from l2o.policies.bare import Bare
from l2o.policies.trainable import Expectant
from l2o.policies.weights import Weights, flat, like
from l2o.training import from_prior
from l2o.training.progress import Clock, Progress
from l2o.training.race import SCORES, Mixture
from l2o.training.task import Task
from l2o.training.trainer import Trainer
from l2o.training.trajectories import from_several_starts

__all__ = ["EvolutionStrategy"]

MOMENTUM, SQUARES = 0.9, 0.99  # how much of its past Adam keeps a generation
AVERAGE = 0.97  # how much of its past the average of the weights keeps
TINY = 1e-8


@dataclass(frozen=True, eq=False)
class Evolved:
    """What a generation leaves to the next.

    Attributes
    ----------
    round : int
        Generations that are done.
    begun : float
        Seconds of the training before the first.
    first, centre, average : ndarray, shape (n,)
        theta_0, theta and its running average.
    momentum, square : ndarray, shape (n,)
        Adam's averages of G and G^2.
    """

    round: int
    begun: float
    first: np.ndarray
    centre: np.ndarray
    average: np.ndarray
    momentum: np.ndarray
    square: np.ndarray

    def moved(self, gradient: np.ndarray, rate: float) -> Evolved:
        """Return the state after a step of Adam."""
        t = self.round + 1
        momentum = MOMENTUM * self.momentum + (1 - MOMENTUM) * gradient
        square = SQUARES * self.square + (1 - SQUARES) * gradient**2
        step = momentum / (1 - MOMENTUM**t) / (np.sqrt(square / (1 - SQUARES**t)) + TINY)
        centre = self.centre - rate * step
        kept = min(AVERAGE, 1 - 1 / t)  # the plain mean, as long as that is shorter
        return replace(self, round=t, centre=centre, momentum=momentum, square=square,
                       average=kept * self.average + (1 - kept) * centre)


@dataclass(frozen=True)
class EvolutionStrategy(Trainer):
    """Train by evolution strategies: no derivative, any kind of policy, the true count of evaluations.

    Use it for a policy of tens or hundreds of weights that is judged by a count, such as `QuasiNewton`. It needs only
    runs, 2 n_pairs times `batch` of them a generation. Use `GuidedPolicySearch` for a network of thousands of weights,
    where trying is too slow, and which is judged by the value after a number of steps.

    The untrained and the given policy are judged first, so the result is no worse than these on the validation
    functions. Functions that cannot be minimised are left out; ``card["training"]["course"]`` names them. A seed gives
    the same bits for any number of workers, unless `seconds` cuts the training short.

    Parameters
    ----------
    n_generations : int
        Length of the schedule.
    seconds : float, optional
        Time after which the training stops and the schedule is cut short; the course says after which generation.
    n_pairs : int
        Pairs of neighbours a generation, theta + sigma e and theta - sigma e.
    sigma : float, optional
        Standard deviation of the neighbours; by default 0.06, and 0.15 where ten numbers or fewer are trained.
    batch : int
        Functions a generation, the same for all neighbours.
    rate, last_rate : float
        Learning rate of Adam at the start and at the end, with half a cosine between them; by default it starts at
        0.03, and at 0.06 if ten numbers or fewer are trained.
    pull : float
        Weight of the pull towards the first weights.
    score : {"evaluations", "curve"}
        What is minimised. "evaluations": the mean log ratio to the evaluations that L-BFGS needs on the same function,
        over tolerances of 1e-1 to 1e-7 of the fall of f. "curve": the mean of f - f_star over the first steps.
    n_starts : int
        Number of starting points of each training function: its own, and those of other functions.
    judged_every : int
        Number of generations between two judgements on the validation functions.
    weights : {"lean", "all"}
        Which part of a rule that begins with a prior is trained: eight constants, or the whole rule, which then sees
        all its features and keeps five pairs. Each training function begins with priors that were learned without it,
        and only from its own start.
    """

    mixtures: ClassVar[bool] = True
    policy: ClassVar[type[Architecture]] = QuasiNewton
    records: ClassVar[tuple[type, ...]] = (Evolved,)

    n_generations: int = 220
    seconds: float | None = None
    n_pairs: int = 12
    sigma: float | None = None
    batch: int = 200
    rate: float | None = None
    last_rate: float = 0.001
    pull: float = 1e-4
    score: str = "evaluations"
    n_starts: int = 10
    judged_every: int = 40
    weights: str = "lean"

    def __post_init__(self) -> None:
        for name, least in (("n_generations", 0), ("n_pairs", 1), ("batch", 1), ("n_starts", 1), ("judged_every", 1)):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name), least))
        for name in ("sigma", "rate", "last_rate", "pull"):
            positive, value = name in ("sigma", "rate"), getattr(self, name)
            if value is not None or not positive:
                object.__setattr__(self, name, arguments.number(name, value, exclusive=positive))
        if self.seconds is not None:
            object.__setattr__(self, "seconds", arguments.number("seconds", self.seconds))
        arguments.choice("score", self.score, SCORES)
        arguments.choice("weights", self.weights, ("lean", "all"))

    def judge(self, task: Task, clock: Clock) -> Mixture:
        """Return the validation functions with their scores."""
        with clock("runs of L-BFGS"):
            return Mixture.of("validation", task.held_out, self.score, task.horizon, task.workers)

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Train from the weights, or from those of the kind that are shipped, or from its initial ones."""
        if self.weights == "all" and weights and isinstance(progress.task.network, Expectant) and (
                progress.task.network.prior is not None):
            progress.extend(*progress.task.network.whole(progress.weights))
            weights = progress.weights
        search = _Search(self, progress, rng)
        last = progress.rounds(lambda: search.begin(weights), search.advance, self.n_generations, "generations",
                               search.is_over)
        search.offer(last)

    def rate_at(self, generation: int, first: float) -> float:
        """Return the learning rate of a generation, counted from 0, that falls from the first."""
        fall = 0.5 * (1 + np.cos(np.pi * generation / self.n_generations))
        return float(self.last_rate + (first - self.last_rate) * fall)


@dataclass(frozen=True, eq=False)
class _Moved:
    """The numbers of weights that are moved, as one vector.

    Attributes
    ----------
    base : dict of ndarray
        All weights.
    free : ndarray of bool, shape (all,)
        Which numbers are moved.
    """

    base: Weights
    free: np.ndarray

    @classmethod
    def of(cls, network: Architecture, base: Weights) -> _Moved:
        """Take what the kind moves of its weights."""
        return cls(base, np.concatenate([mask.ravel() for mask in network.moved(base).values()]))

    def vector(self, weights: Weights) -> np.ndarray:
        """Return theta (n,) of weights."""
        return flat({name: weights[name] for name in self.base})[self.free]  # a file may have them in another order

    def weights(self, vector: np.ndarray) -> Weights:
        """Return weights with theta (n,)."""
        numbers = flat(self.base)
        numbers[self.free] = vector
        return like(self.base, numbers)


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Vectors (2 n, moved) with the functions of a generation: what workers score."""

    vectors: np.ndarray
    network: Architecture
    moved: _Moved
    functions: Mixture

    def __getitem__(self, rows: slice) -> _Neighbours:
        return replace(self, vectors=self.vectors[rows])

    def __call__(self) -> tuple[np.ndarray]:
        """Return the mean score of each, (2 n,); weights that make no policy, or no finite score, have +inf."""
        return (np.array([self._score(self.moved.weights(vector)) for vector in self.vectors]),)

    def _score(self, weights: Weights) -> float:
        try:
            self.network.check(weights)
        except ValueError:
            return np.inf
        return self.functions.score(Bare(self.network, weights))


FEW = 10  # numbers that are moved further
SIGMA, RATE = (0.15, 0.06), (0.06, 0.03)  # of few, of many


class _Search:
    """A training: its functions with their scores, and what is done in a generation."""

    def __init__(self, trainer: EvolutionStrategy, progress: Progress, rng: np.random.Generator) -> None:
        self.trainer, self.progress, self.rng, task = trainer, progress, rng, progress.task
        self.network, self.workers = task.network, task.workers
        known = progress.weights if self.network.one_dimension else {}
        self.moved = _Moved.of(self.network, known or self.network.initial(task.dim, np.random.default_rng(0)))
        few = int(self.moved.free.sum()) > FEW
        self.sigma = SIGMA[few] if trainer.sigma is None else trainer.sigma
        self.rate = RATE[few] if trainer.rate is None else trainer.rate
        with progress.clock("runs of L-BFGS"):
            self.functions = self._functions()

    def _functions(self) -> Mixture:
        """Return the training functions: from several starts, or from priors that were learned without them."""
        trainer, task, score = self.trainer, self.progress.task, self.trainer.score
        kind = self.network if isinstance(self.network, Expectant) and self.network.prior is not None else None
        chosen = [each["rule"] for each in self.progress.course if "rule" in each]
        if kind is not None and chosen:
            crossed = from_prior.crossed(task.functions[0], kind, chosen[-1], score, task.horizon, task.workers)
            if crossed is not None:
                return crossed
        starts = [from_several_starts(problems, trainer.n_starts if kind is None else 1)
                  for problems in task.functions]
        return Mixture.of("training", starts, score, task.horizon, task.workers)

    def begin(self, weights: Weights | None) -> Evolved:
        """Judge the untrained policy, and start from the given one, or from a shipped one, if there is one."""
        if weights is None or not self.network.one_dimension:
            weights = self._untrained(weights)
        first = self.moved.vector(weights)
        nothing = np.zeros_like(first)
        return Evolved(0, self.progress.clock.total, first, first, first, nothing, nothing)

    def _untrained(self, weights: Weights | None) -> Weights:
        """Judge the initial weights, and those that are shipped if none are given; return what to start from."""
        initial = self.network.initial(self.progress.task.dim, self.rng)
        left_out = {"left_out": self.functions.left_out} if any(self.functions.left_out) else {}
        self.progress.offer(initial, round=0, policy="untrained", **left_out)
        if weights is None and self.network.shipped is not None:
            policy = load(self.network.shipped)
            if policy.network == self.network:
                weights = policy.weights
                self.progress.offer(weights, round=0, policy=self.network.shipped)
        return initial if weights is None else weights

    def advance(self, state: Evolved) -> Evolved:
        """Do a generation, and judge what came of it if it is time to."""
        trainer, progress = self.trainer, self.progress
        with progress.clock("generations"):
            ranks, noise = self._tried(state)
            gradient = (ranks[:, 0] - ranks[:, 1]) @ noise / trainer.n_pairs
            gradient += trainer.pull * (state.centre - state.first)
            state = state.moved(gradient, trainer.rate_at(state.round, self.rate))
        if state.round % trainer.judged_every == 0 and state.round < trainer.n_generations:
            self.offer(state)
        return state

    def _tried(self, state: Evolved) -> tuple[np.ndarray, np.ndarray]:
        """Return the centred ranks of each pair (n, 2), and by what they differ from the centre (n, weights)."""
        trainer = self.trainer
        rows = np.sort(self.rng.permutation(len(self.functions))[: trainer.batch])
        noise = self.rng.standard_normal((trainer.n_pairs, len(state.centre)))
        pairs = state.centre + self.sigma * np.stack([noise, -noise], axis=1)
        tried = _Neighbours(pairs.reshape(-1, len(state.centre)), self.network, self.moved, self.functions[rows])
        (scores,) = map_rows(tried, len(tried.vectors), self.workers)
        return centred_ranks(scores).reshape(-1, 2), noise

    def offer(self, state: Evolved) -> None:
        """Judge the average."""
        over = {"ended_by": "seconds"} if self.is_over(state) and state.round < self.trainer.n_generations else {}
        self.progress.offer(self.moved.weights(state.average), round=state.round, **over)

    def is_over(self, state: Evolved) -> bool:
        """Return whether the seconds are spent."""
        seconds = self.trainer.seconds
        return seconds is not None and self.progress.clock.total - state.begun >= seconds


def centred_ranks(scores: np.ndarray) -> np.ndarray:
    """Return the ranks of scores within +-1/2; equal scores share theirs, and what is not finite comes last."""
    scores = np.where(np.isfinite(scores), scores, np.inf)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count + 1) / 2
    return middle[place] / (len(scores) - 1) - 0.5
