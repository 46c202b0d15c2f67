"""Guided policy search: Levine and Abbeel (2014), as Li and Malik (2016), section 3, use it.

One driver for two forms. The teachers' samples and trust region are those of the previous teachers
(2016), or those of the policy itself (mirror descent: Montgomery and Levine, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.policies import Policy
from l2o.training.controllers import momentum_controllers
from l2o.training.cost import Cost, Merit, best_momentum
from l2o.training.coupling import Coupling
from l2o.training.examples import label
from l2o.training.imitation import Regression, imitate
from l2o.training.local_model import LocalModel, floored, from_hessians, from_samples
from l2o.training.teacher import Reference, Teachers, TrustRegion, improve
from l2o.training.trainer import Progress, Trainer, Weights
from l2o.training.trajectories import Layout, Trajectories, simulate

__all__ = ["GuidedPolicySearch"]

QUIET = (1.0, 1.0, 0.2, 0.0)  # exploration of the samples by quarters: the late, small-gradient region is seen too
BACKTRACKING = (1.0, 0.5, 0.25, 0.1)  # shares of the regression's change that are tried
MERIT_STEPS = 100  # steps over which they are judged: beyond the horizon, for stability
STARTS_SHIFT = 7  # functions from which a round's starting points are taken, further on each round
START_EPOCHS = 20  # of the imitation of the first teachers
FIRST_ENTROPY = 0.01  # the entropy weight of the first round, in units of that of the last


@dataclass(frozen=True)
class GuidedPolicySearch(Trainer):
    """Guided policy search.

    Parameters
    ----------
    n_iterations : int
        Rounds of sampling, improving the teachers and imitation.
    n_samples : int
        Trajectories sampled for each training function in a round.
    horizon : int
        Steps T of a trajectory. The policy then makes no use of what happened more than T steps ago.
    samples : {"policy", "teacher"}
        Where trajectories are sampled from.
    trust_region : {"policy", "teacher"}
        What the teachers stay near: the linearised policy, or the teachers of the round before.
    local_model : {"samples", "hessian"}
        Whether the derivative of the gradient is fitted to the samples, as in unknown dynamics, or the
        family's own Hessian.
    kl_bound : float
        Wanted mean divergence of a whole trajectory, epsilon.
    coupling : float
        Weight nu of the divergence from the policy, where the trust region is round the teacher.
    dual_rate : float
        Rate alpha of the dual variables that make teacher and policy agree in the mean (Bregman ADMM), where the
        trust region is round the teacher, in units of the precision, which is 1 / sigma^2 at first; 0 is the form of
        2016, which has none.
    adapt_coupling : bool
        Whether each step has a weight of its own, which doubles where the divergence from the policy is high for the
        function and is halved where it is low.
    sigma : float
        First standard deviation of the exploration.
    least_sigma : float
        Lower bound of it.
    entropy : float
        Weight of the policy's variance in the last round; it grows geometrically from a hundredth of that. It adds
        twice itself to the policy's precision, so that exploration fades.
    quiet : bool
        Whether a quarter of the samples has no noise and a quarter a fifth of it.
    curvature_floor : float
        Lower bound of the eigenvalues of the cost's curvature.
    ridge : float
        Pull of the fitted local model, in samples, towards that of the round before, or with fresh starts
        towards its mean over the steps.
    neighbours : int
        Steps before and after whose samples are pooled in the fit.
    relative : float
        Share of the weights of the cost that goes as one over momentum's gap, in [0, 1]; 0 is the paper's
        plain sum.
    first_step : float
        Factor of the weight of the first step, at which a policy knows no more than a fixed step does.
    rotations : float
        Share of the imitated trajectories whose axes are turned at random, in [0, 1].
    fresh_starts : bool
        Whether a round starts each function where the round before started another. Teachers that stay
        from round to round (``samples`` or ``trust_region`` "teacher") keep their starting points.
    epochs, batch, rate : int, int, float
        The regression: passes, rows a step, highest learning rate.
    backtracking : bool
        Whether the policy goes only as far towards the result of the regression as real runs get better.

    Raises
    ------
    ValueError, TypeError
        If a setting is out of range, or multipliers or adapted weights are asked for where nothing is coupled.

    References
    ----------
    Li and Malik, *Learning to Optimize*, 2016, section 3. Montgomery and Levine, *Guided policy search
    via approximate mirror descent*, 2016. Levine, Finn, Darrell and Abbeel, *End-to-end training of deep
    visuomotor policies*, 2016.
    """

    n_iterations: int = 14
    n_samples: int = 20
    horizon: int = 40
    samples: str = "policy"
    trust_region: str = "policy"
    local_model: str = "samples"
    kl_bound: float = 10.0
    coupling: float = 0.1
    dual_rate: float = 0.0
    adapt_coupling: bool = False
    sigma: float = 0.1
    least_sigma: float = 0.04
    entropy: float = 0.0
    quiet: bool = True
    curvature_floor: float = 1e-3
    ridge: float = 0.1
    neighbours: int = 1
    relative: float = 0.5
    first_step: float = 2.0
    rotations: float = 1.0
    fresh_starts: bool = True
    epochs: int = 10
    batch: int = 512
    rate: float = 3e-3
    backtracking: bool = True

    def __post_init__(self) -> None:
        for name, least in (("n_iterations", 0), ("n_samples", 4), ("horizon", 1), ("neighbours", 0), ("epochs", 1),
                            ("batch", 1)):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name), least))
        for name in ("kl_bound", "sigma", "least_sigma", "curvature_floor", "ridge", "rate"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name), exclusive=True))
        for name in ("coupling", "dual_rate", "entropy", "relative", "first_step", "rotations"):
            object.__setattr__(self, name, arguments.number(name, getattr(self, name)))
        for name in ("adapt_coupling", "quiet", "fresh_starts", "backtracking"):
            object.__setattr__(self, name, arguments.flag(name, getattr(self, name)))
        for name in ("relative", "rotations"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number in [0, 1]")
        for name, known in (("samples", ("policy", "teacher")), ("trust_region", ("policy", "teacher")),
                            ("local_model", ("samples", "hessian"))):
            arguments.choice(name, getattr(self, name), known)
        for name in ("dual_rate", "adapt_coupling"):
            if getattr(self, name) and (self.trust_region == "policy" or self.coupling == 0):
                raise ValueError(f"{name} is {getattr(self, name)} with trust_region {self.trust_region!r} and "
                                 f"coupling {self.coupling}; expected trust_region 'teacher' and a coupling above 0")

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator, show: bool) -> None:
        """Train, from random weights if `weights` is None."""
        search = _Search(self, progress, rng)
        if not progress.resumed(search):
            search.start(weights)
        for _ in progress.rounds(search, self.n_iterations, show, "guided policy search"):
            policy = Policy(progress.task.network, search.weights)
            samples = search.sample(policy)
            region = search.fit(policy, samples)
            teachers = search.improve(region)
            search.accept(search.imitate(samples, teachers))


class _Search:
    """The state of one search; its methods are the steps of the algorithm, in order."""

    def __init__(self, settings: GuidedPolicySearch, progress: Progress, rng: np.random.Generator) -> None:
        task = progress.task
        self.settings, self.progress, self.task, self.rng = settings, progress, task, rng
        self.problems, self.clock = task.training.problems, progress.clock
        self.layout = Layout.of(task.network, task.dim)
        gaps = task.training.gaps(task.momentum, max(settings.horizon, MERIT_STEPS), task.workers)
        cost = Cost.of(gaps, settings.relative, settings.first_step)
        self.cost_weights, self.merit = cost.weights(settings.horizon), Merit(task, cost, MERIT_STEPS)
        self.covariance = settings.sigma**2 * np.eye(task.dim)
        nu = settings.coupling if settings.trust_region == "teacher" else 0.0
        self.coupling = Coupling.uniform(nu, len(self.problems), settings.horizon, task.dim)
        self.kl_bound, self.eta, self.round = settings.kl_bound, 1.0, 0
        self.model: LocalModel | None = None
        self.facts: dict[str, Any] = {}
        with self.clock("start"):  # the first teachers: momentum with the best setting of each function
            momentum = best_momentum(task, settings.horizon, self.cost_weights)
            self.teachers = momentum_controllers(*momentum, settings.horizon, settings.sigma, self.layout)
        self.weights: Weights
        self.reached: float  # merit of the weights

    def state(self) -> dict[str, Any]:
        """Return what a round leaves to the next; only teachers and models that the next one looks at."""
        last = "teacher" in (self.settings.samples, self.settings.trust_region)
        return {"weights": self.weights, "reached": self.reached, "covariance": self.covariance, "eta": self.eta,
                "kl_bound": self.kl_bound, "round": self.round, "coupling": self.coupling,
                "teachers": self.teachers if last else None, "model": None if self._moves else self.model}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        for name, value in state.items():
            if name != "teachers" or value is not None:
                setattr(self, name, value)

    @property
    def _moves(self) -> bool:
        """Whether each round starts the functions elsewhere: not where teachers are those of the round before."""
        return self.settings.fresh_starts and self.settings.samples == self.settings.trust_region == "policy"

    def start(self, weights: Weights | None) -> None:
        """Begin with these weights, or without any with those that imitate the first teachers."""
        settings, network = self.settings, self.task.network
        with self.clock("start"):
            if weights is None:
                weights = network.initial(self.task.dim, self.rng)
                samples = self._draw(self.teachers.repeated(settings.n_samples), self.covariance[None, None])
                weights = network.standardised(weights, samples.observations(self.layout))
                weights = network.at_rest(weights)  # perhaps they stay
                weights = self._regress(weights, samples, np.ones(len(self.problems), bool), START_EPOCHS)
        with self.clock("backtracking"):
            self.reached = self.merit(Policy(network, weights))
        self.progress.offer(weights, round=0)
        self.weights = weights

    def sample(self, policy: Policy) -> Trajectories:
        """Draw noisy trajectories from the policy or from the teachers."""
        settings, training = self.settings, self.task.training.problems
        if self._moves:
            self.problems = training.with_starts(np.roll(training.x0, STARTS_SHIFT * self.round, axis=0))
            self.model = None  # it was fitted along other trajectories
        with self.clock("sampling"):
            if settings.samples == "policy":
                return self._draw(policy, self.covariance[None, None])
            return self._draw(self.teachers.repeated(self.settings.n_samples), np.linalg.inv(self.teachers.precision))

    def _draw(self, source: Any, covariance: np.ndarray) -> Trajectories:
        m, n, T, dim = len(self.problems), self.settings.n_samples, self.settings.horizon, self.task.dim
        noise = self.rng.standard_normal((m, n, T, dim))
        if self.settings.quiet:
            noise *= np.take(QUIET, np.arange(n) * len(QUIET) // n)[:, None, None]
        factor = np.broadcast_to(np.linalg.cholesky(covariance), (m, T, dim, dim))
        noise = np.einsum("mtij,mntj->mnti", factor, noise).reshape(m * n, T, dim)
        return simulate(source, self.problems[np.repeat(np.arange(m), n)], T, noise=noise, workers=self.task.workers)

    def fit(self, policy: Policy, samples: Trajectories) -> TrustRegion:
        """Fit the local model round the nominal trajectories: noise-free runs of the trust region's centre."""
        settings, round_policy = self.settings, self.settings.trust_region == "policy"
        with self.clock("sampling"):
            centre = policy if round_policy else self.teachers
            nominal = simulate(centre, self.problems, settings.horizon, workers=self.task.workers)
        with self.clock("fitting"):
            if settings.local_model == "hessian":
                self.model = from_hessians(self.problems, nominal, settings.curvature_floor)
            else:
                self.model = from_samples(nominal, samples, self.model, settings.curvature_floor, ridge=settings.ridge,
                                          neighbours=settings.neighbours)
            linearised = self._linearise(policy, nominal)
            previous = Reference(self.teachers.K, np.zeros_like(self.teachers.k), self.teachers.precision)
        region = TrustRegion(self.problems, nominal, self.model, self.cost_weights,
                             linearised if round_policy else previous, None, None, self.layout, self.task.workers)
        return region if round_policy else self._couple(region, linearised)

    def _couple(self, region: TrustRegion, policy: Reference) -> TrustRegion:
        """Couple the teachers to the policy, after a dual step along their noise-free runs, the nominal ones."""
        if self.settings.dual_rate > 0:
            self.coupling = self.coupling.updated(policy.k, self.settings.dual_rate)
        if self.settings.adapt_coupling:
            rows = np.arange(len(self.problems))
            apart = region.divergences(region.nominal, region.reference, policy, rows)
            self.coupling = self.coupling.adapted(apart)
        return replace(region, policy=policy, coupling=self.coupling)

    def _linearise(self, policy: Policy, nominal: Trajectories) -> Reference:
        """The policy as a linear-Gaussian controller: its Jacobian at the nominal states."""
        m, T, dim = nominal.actions.shape
        observations = nominal.observations(self.layout).reshape(m * T, -1)
        K = np.zeros((m * T, dim, self.layout.size))
        K[:, :, self.layout.observed] = policy.network.jacobian(policy.weights, observations)
        k = policy.actions(observations).reshape(m, T, dim) - nominal.actions
        precision = np.broadcast_to(np.linalg.inv(self.covariance), (m, T, dim, dim))
        return Reference(K.reshape(m, T, dim, -1), k, precision)

    def improve(self, region: TrustRegion) -> Teachers:
        """Improve the teachers inside the trust region; where that fails the old ones stay."""
        with self.clock("Riccati"):
            m = len(self.problems)
            trial_rows = np.arange(self.round % 3, m, 3) if m > 2 else np.arange(m)  # a third is enough to find eta
            teachers = improve(region, self.kl_bound, self.eta, trial_rows)
        self.eta = teachers.eta
        self.teachers = self.teachers.replaced(teachers.accepted, teachers.controllers)
        self.facts = {"eta": teachers.eta, "kl": teachers.kl, "accepted": float(teachers.accepted.mean())}
        return teachers

    def imitate(self, samples: Trajectories, teachers: Teachers) -> Weights:
        """Fit the policy to the teachers' steps at the sampled states, and its covariance in closed form."""
        round_policy = self.settings.trust_region == "policy"  # else a teacher that stays is a teacher all the same
        used = teachers.accepted if round_policy else np.ones(len(self.problems), bool)
        if not used.any():
            return self.weights
        with self.clock("regression"):
            candidate = self._regress(self.weights, samples, used, self.settings.epochs)
        self.covariance = self._closed_form(self.teachers.precision[used], self.coupling.relative[used])
        return candidate

    def _closed_form(self, precision: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Minimise over Sigma the weighted mean of tr(P Sigma) / 2 - log det(Sigma) / 2, plus entropy tr(Sigma)."""
        settings, left = self.settings, self.settings.n_iterations - 1 - self.round
        entropy = settings.entropy * FIRST_ENTROPY ** (left / max(settings.n_iterations - 1, 1))
        mean = (weight[..., None, None] * precision).mean(axis=(0, 1)) / weight.mean()
        return floored(np.linalg.inv(mean + 2 * entropy * np.eye(len(mean))), settings.least_sigma**2)

    def _regress(self, weights: Weights, samples: Trajectories, used: np.ndarray, epochs: int) -> Weights:
        network, settings = self.task.network, self.settings
        targets = self.coupling.targets(self.teachers)
        examples = label(samples, targets, used, network, weights["deviation"], settings.rotations, self.rng,
                         np.float32)
        return imitate(network, weights, examples, Regression(epochs, settings.batch, settings.rate), self.rng)

    def accept(self, new: Weights) -> None:
        """Go towards the new weights as far as real runs get better."""
        network, old, start = self.task.network, self.weights, self.settings.kl_bound
        with self.clock("backtracking"):
            trials = [(self.reached, 0.0, old)] if self.settings.backtracking else []
            for share in BACKTRACKING if self.settings.backtracking else (1.0,):
                mixed = network.at_rest({name: old[name] + share * (new[name] - old[name]) for name in old})
                trials.append((self.merit(Policy(network, mixed)), share, mixed))
            self.reached, share, self.weights = min(trials, key=lambda trial: trial[0])
        change = 1.3 if share >= 0.5 else 0.6 if share < 0.25 else 1.0
        self.kl_bound = float(np.clip(self.kl_bound * change, 0.05 * start, 3.0 * start))
        self.round += 1
        self.progress.offer(self.weights, round=self.round, merit=self.reached, share=share, **self.facts)
