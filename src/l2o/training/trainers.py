"""The trainers. A new one is one file more, named here; where none is asked for, the first that fits is taken."""

from __future__ import annotations

from l2o.policies import Architecture
from l2o.training.curvature_regression import CurvatureRegression
from l2o.training.evolution_strategy import EvolutionStrategy
from l2o.training.guided_policy_search import GuidedPolicySearch
from l2o.training.start_regression import StartRegression
from l2o.training.trainer import Trainer
from l2o.training.unrolled_gradient import UnrolledGradient

__all__ = ["TRAINERS", "check", "fitting"]

TRAINERS: tuple[type[Trainer], ...] = (GuidedPolicySearch, UnrolledGradient, CurvatureRegression, StartRegression,
                                       EvolutionStrategy)


def fitting(network: Architecture, *, mixture: bool = False) -> list[type[Trainer]]:
    """Return the trainers that can train a kind of policy, for a mixture of objectives or dimensions or for one."""
    return [each for each in TRAINERS if isinstance(network, each.asks) and (each.mixtures or not mixture)]


def check(trainer: Trainer, network: Architecture, *, mixture: bool) -> None:
    """Raise ValueError if a trainer cannot train a kind of policy, or not on a mixture; name one that can."""
    name, kind = type(trainer).__name__, type(network).__name__
    others = [f"{each.__name__}()" for each in fitting(network, mixture=mixture)]
    instead = f"expected {' or '.join(others) or 'a trainer that asks for less; l2o has none that fits'}"
    if not isinstance(network, trainer.asks):
        what = (trainer.asks.__doc__ or "").partition("\n")[0].rstrip(".")
        raise ValueError(f"trainer is {name}, which asks for {trainer.asks.__name__}, {what[:1].lower()}{what[1:]}; "
                         f"policy is {kind}, which is none: {instead}")
    if mixture and not trainer.mixtures:
        raise ValueError(f"trainer is {name}, which trains on functions of one objective and dimension; family has "
                         f"several: {instead}")
