"""What the benchmarks share: a policy of usual size and problems, without any training."""

import numpy as np

import l2o
from l2o.policies import MLP, Policy

FAMILY = l2o.families.Logistic()


def policy(**settings):
    """Return a policy with random weights: what a step costs does not depend on what it has learned."""
    network = MLP(**settings)
    return Policy(network, network.at_rest(network.initial(FAMILY.dim, np.random.default_rng(0))))


def problems(runs):
    """Return 90 functions with 20 starting points each, the first `runs` of these 1,800."""
    functions = FAMILY.sample(90, rng=0)
    return functions[np.repeat(np.arange(90), 20)].with_starts(FAMILY.starts(1800, rng=1))[:runs]
