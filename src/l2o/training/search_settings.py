"""Settings of guided policy search, checked."""

from __future__ import annotations

from dataclasses import dataclass

from l2o.base import arguments

__all__ = ["SearchSettings"]


@dataclass(frozen=True)
class SearchSettings:
    """Guided policy search.

    Parameters
    ----------
    n_iterations : int
        Rounds of sampling, improving the teachers and imitation.
    n_samples : int
        Trajectories sampled for each training function in a round.
    horizon : int
        Steps T of a trajectory. The policy does not use what happened more than T steps ago.
    samples : {"policy", "teacher"}
        Where trajectories are sampled from.
    trust_region : {"policy", "teacher"}
        What the teachers stay near: the linearised policy, or the teachers of the previous round.
    local_model : {"samples", "hessian"}
        Whether the derivative of the gradient is fitted to the samples, as in unknown dynamics, or the
        family's own Hessian.
    kl_bound : float
        Target of the mean divergence of a whole trajectory, epsilon.
    coupling : float
        Weight nu of the divergence from the policy, if the trust region is around the teacher.
    dual_rate : float
        Rate alpha of the dual variables that make teacher and policy agree in the mean (Bregman ADMM), if the trust
        region is around the teacher. It is in units of the precision, which is 1 / sigma^2 at first; 0 is the form of
        2016, which has no dual variables.
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
        Pull of the fitted local model, in samples, towards that of the previous round, or with fresh starts
        towards its mean over the steps.
    neighbours : int
        Number of steps before and after whose samples are pooled in the fit.
    relative : float
        Share of the weights of the cost that is inversely proportional to momentum's gap, in [0, 1]; 0 is the
        paper's plain sum.
    first_step : float
        Factor of the weight of the first step, at which a policy knows no more than a fixed step does.
    rotations : float
        Share of the imitated trajectories whose axes are rotated at random, in [0, 1].
    fresh_starts : bool
        Whether a round starts each function where the previous round started another. Teachers that stay
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
