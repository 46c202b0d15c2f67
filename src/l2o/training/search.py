"""A search of guided policy search: the steps of a round, from one state to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from l2o.policies.bare import Bare
from l2o.policies.trainable import Imitable
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.training.controllers import Controllers, momentum_controllers
from l2o.training.cost import Cost, Merit, best_momentum
from l2o.training.coupling import Coupling
from l2o.training.examples import label
from l2o.training.imitation import Regression, imitate
from l2o.training.local_model import LocalModel, floored, from_hessians, from_samples
from l2o.training.progress import Progress
from l2o.training.search_settings import SearchSettings
from l2o.training.teacher import Reference, Teachers, TrustRegion, improve
from l2o.training.trajectories import Layout, Trajectories, simulate

__all__ = ["Search", "SearchState"]

QUIET = (1.0, 1.0, 0.2, 0.0)  # exploration of the samples by quarters: the late, small-gradient region is seen too
BACKTRACKING = (1.0, 0.5, 0.25, 0.1)  # shares of the regression's change that are tried
MERIT_STEPS = 100  # steps over which they are judged: beyond the horizon, for stability
STARTS_SHIFT = 7  # functions from which a round's starting points are taken, further on each round
START_EPOCHS = 20  # of the imitation of the first teachers
FIRST_ENTROPY = 0.01  # the entropy weight of the first round, in units of that of the last


@dataclass(frozen=True, eq=False)
class SearchState:
    """What a round leaves to the next.

    Attributes
    ----------
    round : int
        Rounds that are done.
    weights : dict of ndarray
        The policy's.
    reached : float
        Their merit.
    covariance : ndarray, shape (d, d)
        Of the policy's exploration.
    eta, kl_bound : float
        Multiplier of the trust region, and its wanted divergence.
    coupling : Coupling
        What teachers and policy pay for being apart.
    teachers : Controllers or None
        The last ones, if the next round looks at them.
    model : LocalModel or None
        The last one, if the next round starts from it.
    """

    round: int
    weights: Weights
    reached: float
    covariance: np.ndarray
    eta: float
    kl_bound: float
    coupling: Coupling
    teachers: Controllers | None
    model: LocalModel | None


class Search:
    """The algorithm with its settings on a task: what all rounds have in common.

    Parameters
    ----------
    settings : SearchSettings
        Settings.
    progress : Progress
        Task, clock, and where policies are offered.
    rng : Generator
        Source of weights, noise, rotations and orders.
    """

    def __init__(self, settings: SearchSettings, progress: Progress, rng: np.random.Generator) -> None:
        task = progress.task
        self.settings, self.progress, self.rng = settings, progress, rng
        self.clock, self.workers = progress.clock, task.workers
        self.network = cast(Imitable, task.network)  # as `asks` says
        functions, self.problems = task.only, task.only.problems
        self.dim, self.layout = self.problems.dim, Layout.of(self.network, self.problems.dim)
        gaps = functions.gaps(functions.momentum, max(settings.horizon, MERIT_STEPS), task.workers)
        cost = Cost.of(gaps, settings.relative, settings.first_step)
        self.cost_weights, self.merit = cost.weights(settings.horizon), Merit(task, cost, MERIT_STEPS)
        with self.clock("start"):  # the first teachers: momentum with the best setting of each function
            momentum = best_momentum(task, settings.horizon, self.cost_weights)
            self.first_teachers = momentum_controllers(*momentum, settings.horizon, settings.sigma, self.layout)

    @property
    def _around_policy(self) -> bool:
        """Whether the trust region is round the policy, not round the teachers of the round before."""
        return self.settings.trust_region == "policy"

    @property
    def _moves(self) -> bool:
        """Whether each round starts the functions elsewhere: not where teachers are those of the round before."""
        return self.settings.fresh_starts and self.settings.samples == self.settings.trust_region == "policy"

    def _bare(self, weights: Weights) -> Bare:
        return Bare(self.progress.task.network, weights)

    def begin(self, weights: Weights | None) -> SearchState:
        """Begin with these weights, or without any with those that imitate the first teachers."""
        settings = self.settings
        covariance = settings.sigma**2 * np.eye(self.dim)
        nu = 0.0 if self._around_policy else settings.coupling
        coupling = Coupling.uniform(nu, len(self.problems), settings.horizon, self.dim)
        with self.clock("start"):
            if weights is None:
                weights = self._imitating(covariance, coupling)
        with self.clock("backtracking"):
            reached = self.merit(self._bare(weights))
        self.progress.offer(weights, round=0)
        return SearchState(0, weights, reached, covariance, 1.0, settings.kl_bound, coupling, None, None)

    def _imitating(self, covariance: np.ndarray, coupling: Coupling) -> Weights:
        """Return weights that imitate the first teachers, along noisy runs of these."""
        weights = self.network.initial(self.dim, self.rng)
        samples = self._draw(self.problems, self.first_teachers.repeated(self.settings.n_samples),
                             covariance[None, None])
        weights = self.network.standardised(weights, samples.observations(self.layout))
        weights = self.network.at_rest(weights)  # perhaps they stay
        every = np.ones(len(self.problems), bool)
        return self._regress(weights, samples, coupling.targets(self.first_teachers), every, START_EPOCHS)

    def round(self, state: SearchState) -> SearchState:
        """Sample, fit, improve the teachers, imitate them, and go as far as real runs get better."""
        policy = self._bare(state.weights)
        teachers = self.first_teachers if state.teachers is None else state.teachers
        problems, model = self._start(state)
        samples = self._sample(problems, policy, teachers, state.covariance)
        nominal = self._nominal(problems, policy, teachers)
        with self.clock("fitting"):
            model = self._fit(problems, nominal, samples, model)
            linearised = self._linearise(policy, nominal, state.covariance)
        region, coupling = self._region(problems, nominal, model, linearised, teachers, state.coupling)
        improved = self._improve(region, state)
        teachers = teachers.replaced(improved.accepted, improved.controllers)
        # where the trust region is round the teachers, one that stays is a teacher all the same
        used = improved.accepted if self._around_policy else np.ones(len(problems), bool)
        state = replace(state, round=state.round + 1, eta=improved.eta, coupling=coupling,
                        teachers=teachers if "teacher" in (self.settings.samples, self.settings.trust_region) else None,
                        model=None if self._moves else model)
        candidate, state = self._imitate(state, samples, teachers, used)
        return self._accept(state, candidate, improved)

    def _start(self, state: SearchState) -> tuple[Problems, LocalModel | None]:
        """Return the functions with the round's starting points, and the model of the round before, if it is of use."""
        if not self._moves:
            return self.problems, state.model
        x0 = np.roll(self.problems.x0, STARTS_SHIFT * state.round, axis=0)
        return self.problems.with_starts(x0), None  # the model was fitted along other trajectories

    def _sample(self, problems: Problems, policy: Bare, teachers: Controllers, covariance: np.ndarray) -> Trajectories:
        """Draw noisy trajectories from the policy or from the teachers."""
        with self.clock("sampling"):
            if self.settings.samples == "policy":
                return self._draw(problems, policy, covariance[None, None])
            repeated = teachers.repeated(self.settings.n_samples)
            return self._draw(problems, repeated, np.linalg.inv(teachers.precision))

    def _draw(self, problems: Problems, source: Bare | Controllers, covariance: np.ndarray) -> Trajectories:
        m, n, T, dim = len(problems), self.settings.n_samples, self.settings.horizon, self.dim
        noise = self.rng.standard_normal((m, n, T, dim))
        if self.settings.quiet:
            noise *= np.take(QUIET, np.arange(n) * len(QUIET) // n)[:, None, None]
        factor = np.broadcast_to(np.linalg.cholesky(covariance), (m, T, dim, dim))
        noise = np.einsum("mtij,mntj->mnti", factor, noise).reshape(m * n, T, dim)
        return simulate(source, problems[np.repeat(np.arange(m), n)], T, noise=noise, workers=self.workers)

    def _nominal(self, problems: Problems, policy: Bare, teachers: Controllers) -> Trajectories:
        """Return noise-free runs of the trust region's centre."""
        with self.clock("sampling"):
            centre = policy if self._around_policy else teachers
            return simulate(centre, problems, self.settings.horizon, workers=self.workers)

    def _fit(self, problems: Problems, nominal: Trajectories, samples: Trajectories,
             before: LocalModel | None) -> LocalModel:
        """Fit the local model round the nominal trajectories."""
        settings = self.settings
        if settings.local_model == "hessian":
            return from_hessians(problems, nominal, settings.curvature_floor)
        return from_samples(nominal, samples, before, settings.curvature_floor, ridge=settings.ridge,
                            neighbours=settings.neighbours)

    def _linearise(self, policy: Bare, nominal: Trajectories, covariance: np.ndarray) -> Reference:
        """The policy as a linear-Gaussian controller: its Jacobian at the nominal states."""
        m, T, dim = nominal.actions.shape
        observations = nominal.observations(self.layout).reshape(m * T, -1)
        K = np.zeros((m * T, dim, self.layout.size))
        K[:, :, self.layout.observed] = self.network.jacobian(policy.weights, observations)
        k = self.network.actions(policy.weights, observations).reshape(m, T, dim) - nominal.actions
        precision = np.broadcast_to(np.linalg.inv(covariance), (m, T, dim, dim))
        return Reference(K.reshape(m, T, dim, -1), k, precision)

    def _region(self, problems: Problems, nominal: Trajectories, model: LocalModel, linearised: Reference,
                teachers: Controllers, coupling: Coupling) -> tuple[TrustRegion, Coupling]:
        """Return the trust region round the policy, or round the teachers and coupled to the policy.

        The coupling makes a dual step first, along the teachers' noise-free runs, the nominal ones.
        """
        previous = Reference(teachers.K, np.zeros_like(teachers.k), teachers.precision)
        region = TrustRegion(problems, nominal, model, self.cost_weights,
                             linearised if self._around_policy else previous, None, None, self.layout, self.workers)
        if self._around_policy:
            return region, coupling
        if self.settings.dual_rate > 0:
            coupling = coupling.updated(linearised.k, self.settings.dual_rate)
        if self.settings.adapt_coupling:
            rows = np.arange(len(problems))
            coupling = coupling.adapted(region.divergences(nominal, region.reference, linearised, rows))
        return replace(region, linearised=linearised, coupling=coupling), coupling

    def _improve(self, region: TrustRegion, state: SearchState) -> Teachers:
        """Improve the teachers inside the trust region; where that fails the old ones stay."""
        with self.clock("Riccati"):
            m = len(region.problems)
            trial_rows = np.arange(state.round % 3, m, 3) if m > 2 else np.arange(m)  # a third is enough to find eta
            return improve(region, state.kl_bound, state.eta, trial_rows)

    def _imitate(self, state: SearchState, samples: Trajectories, teachers: Controllers,
                 used: np.ndarray) -> tuple[Weights, SearchState]:
        """Fit the policy to the teachers' steps at the sampled states, and its covariance in closed form."""
        if not used.any():
            return state.weights, state
        with self.clock("regression"):
            targets = state.coupling.targets(teachers)
            candidate = self._regress(state.weights, samples, targets, used, self.settings.epochs)
        covariance = self._closed_form(teachers.precision[used], state.coupling.relative[used], state.round)
        return candidate, replace(state, covariance=covariance)

    def _closed_form(self, precision: np.ndarray, weight: np.ndarray, n_rounds: int) -> np.ndarray:
        """Minimise over Sigma the weighted mean of tr(P Sigma) / 2 - log det(Sigma) / 2, plus entropy tr(Sigma)."""
        settings, left = self.settings, self.settings.n_iterations - n_rounds
        entropy = settings.entropy * FIRST_ENTROPY ** (left / max(settings.n_iterations - 1, 1))
        mean = (weight[..., None, None] * precision).mean(axis=(0, 1)) / weight.mean()
        return floored(np.linalg.inv(mean + 2 * entropy * np.eye(len(mean))), settings.least_sigma**2)

    def _regress(self, weights: Weights, samples: Trajectories, targets: Controllers, used: np.ndarray,
                 epochs: int) -> Weights:
        network, settings = self.network, self.settings
        examples = label(samples, targets, used, network, weights, settings.rotations, self.rng,
                         np.float32)
        return imitate(network, weights, examples, Regression(epochs, settings.batch, settings.rate), self.rng)

    def _accept(self, state: SearchState, new: Weights, teachers: Teachers) -> SearchState:
        """Go towards the new weights as far as real runs get better."""
        old, start, backtracking = state.weights, self.settings.kl_bound, self.settings.backtracking
        with self.clock("backtracking"):
            trials = [(state.reached, 0.0, old)] if backtracking else []
            for share in BACKTRACKING if backtracking else (1.0,):
                mixed = self.network.at_rest({name: old[name] + share * (new[name] - old[name]) for name in old})
                trials.append((self.merit(self._bare(mixed)), share, mixed))
            reached, share, weights = min(trials, key=lambda trial: trial[0])
        change = 1.3 if share >= 0.5 else 0.6 if share < 0.25 else 1.0
        self.progress.offer(weights, round=state.round, merit=reached, share=share, eta=teachers.eta, kl=teachers.kl,
                            accepted=float(teachers.accepted.mean()))
        return replace(state, weights=weights, reached=reached,
                       kl_bound=float(np.clip(state.kl_bound * change, 0.05 * start, 3.0 * start)))
