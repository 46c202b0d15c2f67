"""Fixtures that several files share: small policies and problems."""

import signal

import numpy as np
import pytest

import l2o
from l2o.policies import MLP, Policy


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """Set Python's handler of Ctrl-C, which a job that a shell starts in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def random_policy():
    """Return a maker of policies with random weights of usual size."""

    def make(dim=4, seed=0, card=None, **settings):
        network = MLP(**{"history": 3, "width": 5, **settings})
        rng = np.random.default_rng(seed)
        weights = {name: rng.standard_normal(shape) / np.sqrt(shape[-1]) for name, shape in network.shapes(dim).items()}
        weights["deviation"] = rng.uniform(0.5, 2.0, network.n_observations(dim))
        return Policy(network, weights, card)

    return make


@pytest.fixture(scope="session")
def descent_policy():
    """Return a maker of networks that are gradient descent: softplus(z) - softplus(-z) = z."""

    def make(dim=4, step_size=0.5, **settings):
        network = MLP(**{"history": 1, "width": 2 * dim, "inputs": "raw", "max_step": np.inf, **settings})
        weights = {name: np.zeros(shape) for name, shape in network.shapes(dim).items()}
        newest = slice(network.history, network.history + dim)
        weights["W1"][:dim, newest], weights["W1"][dim:, newest] = np.eye(dim), -np.eye(dim)
        weights["W2"][:, :dim], weights["W2"][:, dim:] = -step_size * np.eye(dim), step_size * np.eye(dim)
        weights["deviation"] += 1
        return Policy(network, weights)

    return make


@pytest.fixture(scope="session")
def problems():
    """Return twelve logistic regressions of dimension 4."""
    return l2o.families.Logistic(n_points=20).sample(12, rng=7)
