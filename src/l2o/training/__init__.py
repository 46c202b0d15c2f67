"""Training: guided policy search, one file a step of the method; the gradient through the unrolled rollout."""

from l2o.training._train import streams, train
from l2o.training.evolution_strategy import EvolutionStrategy
from l2o.training.guided_policy_search import GuidedPolicySearch
from l2o.training.trainer import Trainer
from l2o.training.trainers import TRAINERS
from l2o.training.unrolled_gradient import UnrolledGradient

__all__ = ["EvolutionStrategy", "GuidedPolicySearch", "TRAINERS", "Trainer", "UnrolledGradient", "streams", "train"]
