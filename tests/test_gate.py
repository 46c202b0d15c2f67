"""The gate of a policy with a prior: single runs and small batches far from its training are L-BFGS's."""

from dataclasses import replace

import numpy as np
import pytest
from test_learning import outcomes

import l2o

COLUMNS = ("x", "fun", "jac", "status")


@pytest.fixture(scope="module")
def policy():
    return l2o.train(outcomes(80, 0), rng=0, trainer=l2o.CurvatureRegression(newton=False))


@pytest.fixture(scope="module")
def near():
    return outcomes(60, 1)


def scaled(problems, factor):
    """Return the problems with wider covariates."""
    m, rng = len(problems), np.random.default_rng(0)
    X = rng.standard_normal((m, 200, 3))
    y = X @ rng.standard_normal(3) + rng.standard_normal((m, 200)) > 0
    return l2o.families.Logistic(3, l2=1e-3).from_data(factor * X, y.astype(float))


@pytest.fixture(scope="module")
def far(near):
    return scaled(near, 100.0)


def seen(policy, problems):
    """Return what the gate looks at, from the formulas: asinh(T'g / sqrt(s)), log|T'g|, asinh(f / s), x."""
    weights, x = policy.weights, policy.starts(problems)
    fun, jac = problems.value_and_grad(x)
    slope, unit = jac @ weights["metric"], weights["unit"][0]
    return np.column_stack([np.arcsinh(slope / np.sqrt(unit)), np.log(np.linalg.norm(slope, axis=1)),
                            np.arcsinh(fun / unit), x])


def beyond(policy, problems):
    """Return which problems leave the range of training by more than its width."""
    low, high = policy.weights["met"]
    width, inputs = high - low, seen(policy, problems)
    out = (inputs < low - width) | (inputs > high + width)
    out[:, 4] = inputs[:, 4] > (high + width)[4]  # a small gradient is not far
    return out[:, width > 1e-9 * (1 + np.abs(low))].any(axis=1)


def test_gate_says_what_the_formulas_say(policy, near, far):
    for problems in (near, far, scaled(near, 3.0), scaled(near, 8.0)):
        batch = l2o.minimize_many(problems, method=policy, tol=1e-6)
        assert batch.outside_training.tolist() == beyond(policy, problems).tolist()
    assert beyond(policy, near).mean() < 0.1
    assert beyond(policy, far).all()


def test_training_problems_are_within_the_gate(policy):
    assert not l2o.minimize_many(outcomes(80, 0), method=policy, tol=1e-6).outside_training.any()


def test_problems_outside_are_those_of_lbfgs_after_one_look(policy, far):
    policy = at_own_starts(policy)
    batch, classical = (l2o.minimize_many(far, method=each, tol=1e-6) for each in (policy, "lbfgs"))
    assert batch.outside_training.all()
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(batch, name), getattr(classical, name))
    np.testing.assert_array_equal(batch.nfev, classical.nfev + 1)


def at_own_starts(policy):
    """Return the policy with its base point moved to the problems' own starts."""
    return with_prior(policy, {"base": np.zeros(4)}, relative=True, data=None)


def with_prior(policy, weights, **settings):
    """Return the policy with other settings of its prior; weights that these do not have are dropped."""
    network = replace(policy.network, prior=replace(policy.network.prior, **settings))
    kept = {name: value for name, value in policy.weights.items() if name in network.shapes(4)}
    return l2o.Policy(network, kept | weights, policy.card)


def test_learned_base_far_from_training_is_left_for_the_lower_start(policy, far):
    moved = with_prior(policy, {"base": np.full(4, 5.0)}, relative=False, data=None)
    batch = l2o.minimize_many(far, method=moved, tol=1e-6)
    first = np.minimum(*(far.value_and_grad(x)[0] for x in (far.x0, moved.starts(far))))
    assert batch.outside_training.all()
    assert batch.success.all()
    assert (batch.fun <= first).all()


def test_single_run_has_the_gate_of_its_row(policy, near, far):
    for problems in (near[:4], far[:4]):
        batch = l2o.minimize_many(problems, method=policy, tol=1e-6)
        for i in range(4):
            single = l2o.minimize(problems[i], method=policy, tol=1e-6)
            np.testing.assert_array_equal(single.x, batch.x[i])
            assert (single.nfev, single.outside_training) == (batch.nfev[i], batch.outside_training[i])


def test_python_function_outside_is_solved_by_lbfgs_with_its_callback(policy, far):
    seen_points = []
    result = l2o.minimize(far[0].value_and_grad, far.x0[0], method=policy, jac=True, tol=1e-6,
                          callback=lambda x: seen_points.append(x))
    classical = l2o.minimize(far[0].value_and_grad, far.x0[0], method="lbfgs", jac=True, tol=1e-6)
    np.testing.assert_array_equal(result.x, classical.x)
    assert result.outside_training is True
    assert (result.nfev, len(seen_points)) == (classical.nfev + 1, classical.nit)


def test_large_batch_has_no_gate_but_says_what_it_would(policy, near, far):
    """200 problems: the first verdict falls after row 192, so the rows before are the policy's own."""
    problems = far[np.arange(200) % len(far)]
    batch, without = (l2o.minimize_many(problems, method=each, tol=1e-6)
                      for each in (policy, with_prior(policy, {}, gate=False)))
    np.testing.assert_array_equal(batch.x, without.x)
    assert batch.outside_training[:192].all()
    assert without.outside_training is None


def test_gate_is_open_without_the_safeguard(policy, near):
    alone = l2o.minimize(scaled(near, 10.0)[0], method=policy, options={"safeguard": False, "maxiter": 3, "gtol": 0.0})
    assert alone.outside_training
    assert alone.nit == 3


def test_limits_of_one_evaluation_end_a_declined_run(policy, far):
    for options in ({"maxfun": 1}, {"maxiter": 0}):
        result = l2o.minimize(far[0], far.x0[0], method=policy, options={"gtol": 1e-9, **options})
        assert (result.status, result.nfev, result.outside_training) == (1, 1, True)


def test_inputs_that_never_varied_have_no_limits(policy, near):
    """All training problems start at zero; a start that is given is judged by its value and gradient."""
    low, high = policy.weights["met"][:, -4:]
    if (low == high).all():
        given = l2o.minimize(near[0], np.full(4, 1e-3), method=policy, tol=1e-6)
        assert not given.outside_training


def test_range_upside_down_is_a_clear_error(policy):
    with pytest.raises(ValueError, match="lowest value above the highest"):
        l2o.Policy(policy.network, {**policy.weights, "met": policy.weights["met"][::-1]}, policy.card)
