"""CurvatureRegression: a family's start, first step and curvature in closed form, and the policy that uses them."""

import numpy as np
import pytest
from test_learning import outcomes

import l2o
from l2o.policies import QuasiNewton


@l2o.objective
def bowl(x, data, grad):
    """A quadratic around data[0]; data[1, 0] is 1: no value, 2: no gradient away from the minimum, 3: no minimum."""
    f = 0.0
    for i in range(len(x)):
        away = x[i] - data[0, i]
        grad[i] = (1.0 + i) * away
        f += 0.5 * (1.0 + i) * away**2
        if data[1, 0] == 2.0 and 0.0 < abs(away) < 1e-4:
            grad[i] = np.nan
        if data[1, 0] == 3.0:
            grad[i] = 1.0
    return np.nan if data[1, 0] == 1.0 else x.sum() if data[1, 0] == 3.0 else f


def bowls(m, dim, seed=0, failing=None):
    """Return quadratics around random points; some of them fail, each in its way."""
    data = np.zeros((m, 2, dim))
    data[:, 0] = 1 + np.random.default_rng(seed).random((m, dim))
    for row, way in (failing or {}).items():
        data[row, 1, 0] = way
    return l2o.families.Custom(bowl, dim=dim).from_data(data, np.zeros((m, dim)))


@pytest.fixture(scope="module")
def policy():
    return l2o.train(outcomes(80, 0), rng=0, trainer=l2o.CurvatureRegression())


@pytest.fixture(scope="module")
def others():
    return outcomes(100, 1, side=1)


def course(policy):
    return policy.card["training"]["course"][0]


def test_learned_prior_saves_evaluations_on_problems_of_another_source(policy, others):
    learned = l2o.minimize_many(others, method=policy, tol=1e-6)
    classical = l2o.minimize_many(others, method="lbfgs", tol=1e-6)
    assert learned.success.all()
    np.testing.assert_allclose(learned.fun, classical.fun, rtol=1e-9)
    assert learned.nfev.sum() < 0.8 * classical.nfev.sum()


def test_card_says_what_was_chosen_from_what(policy):
    facts = course(policy)
    assert facts["scores"]["L-BFGS"] == 1.0
    assert facts["scores"][facts["choice"]] < 0.9
    assert len(facts["scores"]) == 35
    assert facts["n_labels"] == policy.card["training"]["n_functions"] == 64
    assert policy.card["quality"]["policy"] < -0.1
    assert policy.card["network"]["prior"]["curvature"] in ("mean", "scale", "diagonal", "full")


def test_policy_with_a_prior_saves_loads_and_runs_alike(policy, others, tmp_path):
    policy.save(tmp_path / "family.npz")
    loaded = l2o.load(tmp_path / "family.npz")
    for name, value in policy.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], value)
    first, second = (l2o.minimize_many(others[:5], method=each, tol=1e-6) for each in (policy, loaded))
    np.testing.assert_array_equal(first.x, second.x)
    assert loaded.network == policy.network


def test_row_of_a_batch_is_the_single_run_to_the_bit(policy, others):
    batch = l2o.minimize_many(others[:4], method=policy, tol=1e-6, workers=2)
    for i in range(4):
        single = l2o.minimize(others[i], method=policy, tol=1e-6)
        np.testing.assert_array_equal(single.x, batch.x[i])
        assert single.nfev == batch.nfev[i]


def test_start_in_the_call_is_not_replaced(policy, others):
    base = {**policy.weights, "base": np.full(4, 9.0)}
    far = l2o.Policy(policy.network, base, policy.card)
    begun = l2o.rollout(others[:3], method=far, n_steps=0).x[:, 0]
    given = l2o.rollout(others[:3], others.x0[:3], method=far, n_steps=0).x[:, 0]
    np.testing.assert_array_equal(given, others.x0[:3])
    assert (begun != given).any()


def test_family_without_a_common_meaning_gets_the_rule_without_a_prior():
    learned = l2o.train(l2o.families.Logistic(n_points=30), n_functions=40, n_validation=20, rng=0,
                        trainer=l2o.CurvatureRegression())
    if course(learned)["choice"] == "the rule without a prior":
        assert learned.network == QuasiNewton()
    assert learned.card["quality"]["policy"] < 0.05


def test_training_is_the_same_for_the_same_seed(policy):
    again = l2o.train(outcomes(80, 0), rng=0, trainer=l2o.CurvatureRegression())
    for name, value in policy.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)


def test_policy_of_another_dimension_is_a_clear_error(policy):
    problems = l2o.families.Logistic(5).sample(2, rng=0)
    with pytest.raises(ValueError, match="dimension 6; the policy was trained for dimension 4"):
        l2o.minimize_many(problems, method=policy)


def test_too_few_problems_are_a_clear_error():
    with pytest.raises(ValueError, match="7 training functions, without those held out; expected at least 8"):
        l2o.train(outcomes(8, 0), rng=0)
    assert course(l2o.train(outcomes(10, 0), rng=0))["n_labels"] == 8


def test_constant_data_and_one_dimension_are_learned_from():
    X, y = np.random.default_rng(0).standard_normal((50, 3)), np.arange(50) % 2
    same = l2o.families.Logistic(3, l2=0.1).from_data(np.repeat(X[None], 20, axis=0), np.repeat(y[None], 20, axis=0))
    learned = l2o.train(same, rng=0, trainer=l2o.CurvatureRegression())
    assert l2o.minimize_many(same, method=learned, tol=1e-6).nfev.max() <= 4


def test_one_variable_is_learned_from():
    problems = bowls(30, 1)
    learned = l2o.train(problems, rng=0)
    assert learned.dim == 1
    assert l2o.minimize_many(problems, method=learned, tol=1e-6).nfev.max() <= 4


def test_fifty_variables_are_learned_from():
    learned = l2o.train(bowls(15, 50), rng=0, trainer=l2o.CurvatureRegression(n_starts=1))
    assert learned.dim in (50, None)
    assert l2o.minimize_many(bowls(5, 50, 1), method=learned, tol=1e-6).success.all()


def test_functions_that_fail_are_left_out_counted_and_named():
    """Values that are not finite, Hessians that are not, no minimum: of each kind some."""
    problems = bowls(40, 2, failing={3: 1.0, 17: 2.0, 30: 3.0})
    learned = l2o.train(problems, validation=bowls(5, 2, 1), rng=0)
    facts = course(learned)
    assert facts["left_out"] == {"not finite": 1, "Hessian not finite": 1, "not converged": 1}
    assert facts["left_out_rows"] == [3, 17, 30]
    assert facts["n_labels"] == 37
    assert l2o.minimize_many(problems, method=learned).success.sum() >= 37


def test_family_without_minima_gets_the_rule_and_the_card_says_so():
    learned = l2o.train(bowls(20, 2, failing=dict.fromkeys(range(15), 3.0)), validation=bowls(5, 2, 1), rng=0)
    facts = course(learned)
    assert facts["choice"] == "the rule without a prior"
    assert facts["data_features"] == "too few functions to learn from"
    assert facts["left_out"] == {"not converged": 15}
    assert learned.network == QuasiNewton()
    with pytest.raises(ValueError, match=r"none of the 3 validation functions has a minimum: \{'not converged': 3\}"):
        l2o.train(bowls(20, 2), validation=bowls(3, 2, failing=dict.fromkeys(range(3), 3.0)), rng=0)


def test_trainer_asks_for_a_kind_that_can_begin_with_a_prior():
    with pytest.raises(ValueError, match=r"CurvatureRegression, which asks for Expectant.*policy is MLP"):
        l2o.train(outcomes(20, 0), policy=l2o.policies.MLP(), trainer=l2o.CurvatureRegression())


@pytest.mark.parametrize(("name", "value", "message"), [
    ("matrix", -np.eye(4), "not positive definite"),
    ("matrix", np.eye(3), r"weights\['matrix'\] has shape \(3, 3\); expected \(4, 4\)"),
    ("base", np.array([1.0, np.nan, 0.0, 0.0]), r"weights\['base'\] holds nan"),
])
def test_card_whose_prior_does_not_fit_its_weights_is_a_clear_error(policy, name, value, message):
    with pytest.raises(ValueError, match=message):
        l2o.Policy(policy.network, {**policy.weights, name: value}, policy.card)
