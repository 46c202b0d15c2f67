"""What the benchmarks share: a policy of usual size and problems, without any training."""

import numpy as np

import l2o
from l2o.policies import MLP, Policy

WIDTHS = {25: 50, 8: 24}  # hidden units by history: the paper's network and the small one


def policy(dim=4, precision="float64", **settings):
    """Return a policy that descends: what a step costs does not depend on what it has learned."""
    network = MLP(**settings)
    return Policy(network, descending(network, dim)).astype(precision)


def descending(network, dim):
    """Return weights whose step is, to first order, minus a decaying sum of the newest gradients."""
    rng = np.random.default_rng(0)
    weights = network.initial(dim, rng)
    weights["W1"] *= 2.0
    weights["b1"] = 0.3 * rng.standard_normal(network.width)
    wanted = np.zeros((dim, network.n_observations(dim)))
    for i in range(min(3, network.history)):
        wanted[:, network.history + i * dim : network.history + (i + 1) * dim] = -(0.5 ** (i + 1)) * np.eye(dim)
    slope = 1.0 / (1.0 + np.exp(-weights["b1"]))
    weights["W2"] = wanted @ np.linalg.pinv(slope[:, None] * weights["W1"])
    return network.at_rest(weights)


def problems(runs, dim=4, n_points=100):
    """Return up to 90 functions, in turn, with another starting point for each run."""
    family = l2o.families.Logistic(n_features=dim - 1, n_points=n_points)
    functions = family.sample(min(runs, 90), rng=0)
    return functions[np.arange(runs) % len(functions)].with_starts(family.starts(runs, rng=1))
