"""Policies: what is learned. One file a kind of network, named here."""

from l2o.policies.mlp import MLP
from l2o.policies.policy import Policy, load

__all__ = ["MLP", "Policy", "load"]
