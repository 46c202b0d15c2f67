"""Policies: what is learned. One file a kind, named in kinds.py."""

from l2o.methods import Handoff
from l2o.policies.architecture import Architecture
from l2o.policies.kinds import ARCHITECTURES
from l2o.policies.levenberg_marquardt import LevenbergMarquardt
from l2o.policies.mlp import MLP
from l2o.policies.native import Native
from l2o.policies.newton import Newton
from l2o.policies.policy import Policy, load
from l2o.policies.quasi_newton import QuasiNewton

__all__ = ["ARCHITECTURES", "Architecture", "Handoff", "LevenbergMarquardt", "MLP", "Native", "Newton", "Policy",
           "QuasiNewton", "load"]
