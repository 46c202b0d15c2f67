"""Training: one file a trainer, and one file a step of guided policy search."""

from l2o.training._train import streams, train
from l2o.training.curvature_regression import CurvatureRegression
from l2o.training.evolution_strategy import EvolutionStrategy
from l2o.training.guided_policy_search import GuidedPolicySearch
from l2o.training.start_regression import StartRegression
from l2o.training.trainer import Trainer
from l2o.training.trainers import TRAINERS
from l2o.training.unrolled_gradient import UnrolledGradient

__all__ = ["TRAINERS", "CurvatureRegression", "EvolutionStrategy", "GuidedPolicySearch", "StartRegression", "Trainer",
           "UnrolledGradient", "streams", "train"]
