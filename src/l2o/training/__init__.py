"""Training: guided policy search, one file a step of the method."""

from l2o.training._train import streams, train
from l2o.training.guided_policy_search import GuidedPolicySearch
from l2o.training.trainer import Trainer

__all__ = ["GuidedPolicySearch", "Trainer", "streams", "train"]
