"""Bregman ADMM: the formulas one by one, and that together they find the consensus."""

import numpy as np
import oracles
import pytest

from l2o.training.controllers import Controllers
from l2o.training.coupling import Coupling
from l2o.training.trajectories import Layout

M, T, DIM = 3, 5, 2
LAYOUT = Layout(DIM, 2, 2, 0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def teachers(rng):
    root = rng.standard_normal((M, T, DIM, DIM))
    return Controllers(rng.standard_normal((M, T, DIM, LAYOUT.size)), rng.standard_normal((M, T, DIM)),
                       root @ root.swapaxes(-1, -2) + np.eye(DIM), LAYOUT, np.arange(M))


def test_dual_step_is_that_of_the_statement(rng):
    coupling = Coupling(rng.uniform(0.1, 1, (M, T)), rng.standard_normal((M, T, DIM)))
    policy, teacher = rng.standard_normal((2, M, T, DIM))
    found = coupling.updated(policy - teacher, 0.3)
    for i in range(M):
        expected = oracles.dual_step(coupling.multipliers[i], coupling.weights[i], 0.3, policy[i], teacher[i])
        np.testing.assert_allclose(found.multipliers[i], expected, rtol=1e-12)
    np.testing.assert_array_equal(found.weights, coupling.weights)


def test_dual_step_of_a_lost_run_changes_nothing(rng):
    apart = rng.standard_normal((M, T, DIM))
    apart[1, 2:] = np.nan
    found = Coupling.uniform(0.5, M, T, DIM).updated(apart, 2.0)
    np.testing.assert_array_equal(found.multipliers[1, 2:], 0)
    np.testing.assert_array_equal(found.multipliers[1, :2], apart[1, :2])


def test_targets_are_those_of_the_statement(rng):
    """The minimum of the policy's part of the Lagrangian at any state; errors count nu_t times."""
    weights = rng.uniform(0.1, 1, (M, T))
    coupling, given = Coupling(weights, rng.standard_normal((M, T, DIM))), teachers(rng)
    states = rng.standard_normal((M, 4, T, LAYOUT.size))
    found = coupling.targets(given)
    for i, t in np.ndindex(M, T):
        for n in range(4):
            mean = given.K[i, t] @ states[i, n, t] + given.k[i, t]
            covariance = np.linalg.inv(given.precision[i, t])
            expected = oracles.admm_target(mean, covariance, coupling.multipliers[i, t], weights[i, t])
            np.testing.assert_allclose(found.means(states)[i, n, t], expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.precision * weights.max(), weights[..., None, None] * given.precision, rtol=1e-12)


@pytest.mark.parametrize("nu", [0.0, 0.1, 7.0])
def test_without_multipliers_targets_are_the_teachers_to_the_bit(nu, rng):
    given = teachers(rng)
    found = Coupling.uniform(nu, M, T, DIM).targets(given)
    for part in ("K", "k", "precision"):
        assert getattr(found, part).tobytes() == getattr(given, part).tobytes()


def consensus(rate, curvature, wanted, rounds=1000, nu=0.5):
    """Alternate teachers of min c_i/2 (a_i - b_i)^2, T = d = 1, one policy for all, and dual steps; return both."""
    coupling, policy = Coupling.uniform(nu, M, 1, 1), 0.0
    for _ in range(rounds):
        price = coupling.multipliers[:, 0, 0]
        steps = (curvature * wanted + price + nu * policy) / (curvature + nu)  # G = 1
        given = Controllers(np.zeros((M, 1, 1, 1)), steps[:, None, None], np.ones((M, 1, 1, 1)), LAYOUT, np.arange(M))
        policy = coupling.targets(given).k.mean()
        coupling = coupling.updated((policy - steps)[:, None, None], rate)
    return steps, policy


def test_multipliers_make_teachers_and_policy_agree_on_the_best():
    """With them at the minimum of the sum; without them teachers and policy stay apart, elsewhere."""
    curvature, wanted = np.array([1.0, 2.0, 5.0]), np.array([1.0, -1.0, 0.5])
    best = curvature @ wanted / curvature.sum()
    for rate in (0.3, 1.0):
        steps, policy = consensus(rate, curvature, wanted)
        np.testing.assert_allclose([*steps, policy], best, rtol=0, atol=1e-6)
    steps, policy = consensus(0.0, curvature, wanted)
    assert np.ptp(steps) > 0.5
    assert abs(policy - best) > 0.05


def test_weights_double_where_divergences_are_high_and_halve_where_they_are_low():
    """Of each function: half a standard deviation above the mean of its steps, one below."""
    divergences = np.array([[1.0, 1, 1, 1, 6], [5, 5, 5, 5, 0], [2, 2, 2, 2, 2]])
    coupling = Coupling.uniform(0.1, M, T, DIM)
    found = coupling.adapted(divergences)
    np.testing.assert_array_equal(found.weights / 0.1, [[1, 1, 1, 1, 2], [1, 1, 1, 1, 0.5], [1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(found.relative, found.weights / 0.2)
    assert np.isfinite(coupling.adapted(np.full((M, T), np.nan)).weights).all()
