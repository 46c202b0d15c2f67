"""Runs from a prior, of the lean rule or of another kind, counted by evaluation, to choose by."""

from __future__ import annotations

import numpy as np

from l2o.learning.choice import lowest
from l2o.learning.prior import LEAN, Prior
from l2o.policies.trainable import Expectant
from l2o.problems import Problems

__all__ = ["lowest_values"]


def lowest_values(problems: Problems, prior: Prior, most: int, kind: Expectant = LEAN) -> np.ndarray:
    """Return the lowest value after each of the first `most` evaluations of runs from a prior, (m, most)."""
    return lowest(problems.with_starts(prior.starts(problems)), prior.policy(kind), most)
