"""Policies of families with Hessians: Newton's method makes their large batches, the rule all else."""

from dataclasses import replace

import numpy as np
import pytest
from test_learning import outcomes

import l2o
from l2o.families import Logistic, RobustRegression
from l2o.policies import QuasiNewton
from l2o.policies.prior import PriorShape

TRAINER = l2o.CurvatureRegression()


@pytest.fixture(scope="module")
def policy():
    return l2o.train(outcomes(80, 0), rng=0, trainer=TRAINER)


@pytest.fixture(scope="module")
def many():
    return outcomes(300, 1)


def test_newton_is_chosen_by_time_and_the_card_says_so(policy):
    facts = policy.card["training"]["course"][0]
    assert facts["choice"].endswith("Newton")
    assert facts["times"][facts["choice"]] < 1.0
    assert facts["rule"].startswith(facts["choice"].removesuffix("Newton"))  # it begins at the same point
    assert facts["times"][facts["choice"]] < facts["times"][facts["rule"]] < 1.0
    assert policy.card["network"]["prior"]["newton"] is True
    assert policy.card["training"]["trainers"][0]["newton"] is True
    assert policy.card["quality"]["policy"] < -0.3  # the log of evaluations, those of L-BFGS as 1


def test_large_batch_is_newtons_from_where_the_policy_begins(policy, many):
    batch = l2o.minimize_many(many, method=policy, tol=1e-6)
    newton = l2o.minimize_many(many, policy.starts(many), method="newton", tol=1e-6)
    no_probe = np.arange(300) % 32 != 31
    np.testing.assert_array_equal(batch.x, newton.x)
    np.testing.assert_array_equal(batch.nfev[no_probe], newton.nfev[no_probe])
    assert batch.success.all()
    assert batch.outside_training is None
    assert (batch.nfev[~no_probe][:6] > newton.nfev[~no_probe][:6]).all()  # of the verdict after row 192


def test_small_batches_and_single_runs_keep_the_rule_and_its_gate(policy, many):
    few = many[:50]
    batch = l2o.minimize_many(few, method=policy, tol=1e-6)
    single = l2o.minimize(few[0], method=policy, tol=1e-6)
    assert batch.outside_training.shape == (50,)
    np.testing.assert_array_equal(single.x, batch.x[0])
    rule = l2o.Policy(policy.network.expecting(replace(policy.network.prior, newton=False)), policy.weights)
    steps = l2o.minimize_many(few, method=rule, tol=1e-6)
    np.testing.assert_array_equal(steps.x, batch.x)


def test_bare_policy_makes_its_own_steps(policy, many):
    bare = l2o.minimize_many(many, method=policy, options={"safeguard": False, "gtol": 1e-6})
    newton = l2o.minimize_many(many, policy.starts(many), method="newton", tol=1e-6)
    assert (bare.nfev != newton.nfev).any()


def test_objective_without_a_hessian_is_left_to_the_rule(policy, many):
    problems = many[:3]
    for i in range(3):
        result = l2o.minimize(problems[i].value_and_grad, problems.x0[i], jac=True, method=policy, tol=1e-6)
        assert result.success


def test_another_objective_is_left_to_the_rule(policy):
    rng = np.random.default_rng(0)
    problems = RobustRegression(3).from_data(rng.standard_normal((250, 60, 3)), rng.standard_normal((250, 60)))
    assert l2o.minimize_many(problems, method=policy, tol=1e-6).outside_training[:192].all()


def test_probes_weigh_what_hessians_take():
    """Of 20 variables and 60 points a Hessian takes longer than the evaluations that it saves."""
    rng = np.random.default_rng(0)
    problems = Logistic(19).from_data(rng.standard_normal((300, 60, 19)), rng.integers(2, size=(300, 60)))
    kind = QuasiNewton().with_prior(PriorShape(newton=True))
    batch = l2o.minimize_many(problems, method=l2o.Policy(kind, kind.initial(20)), tol=1e-6)
    newton, classical = (l2o.minimize_many(problems, method=each, tol=1e-6) for each in ("newton", "lbfgs"))
    np.testing.assert_array_equal(batch.x[:192], newton.x[:192])
    np.testing.assert_array_equal(batch.x[192:], classical.x[192:])
    assert 2 * newton.nfev.sum() < classical.nfev.sum()


def test_policy_saves_and_loads(policy, many, tmp_path):
    policy.save(tmp_path / "family.npz")
    loaded = l2o.load(tmp_path / "family.npz")
    one, other = (l2o.minimize_many(many, method=each, tol=1e-6) for each in (policy, loaded))
    np.testing.assert_array_equal(one.x, other.x)


def test_without_newton_the_rule_is_learned(many):
    policy = l2o.train(outcomes(80, 0), rng=0, trainer=l2o.CurvatureRegression(newton=False))
    assert "Newton" not in "".join(policy.card["training"]["course"][0]["scores"])
    assert policy.card["network"]["prior"]["newton"] is False
    assert l2o.minimize_many(many, method=policy, tol=1e-6).outside_training is not None


def test_rule_beside_newton_is_the_one_that_would_be_learned_alone():
    both, alone = (l2o.train(outcomes(80, 0), rng=0, trainer=l2o.CurvatureRegression(newton=newton))
                   for newton in (True, False))
    told, other = (policy.card["training"]["course"][0] for policy in (both, alone))
    assert told["choice"] == "x0, Newton"
    assert other["choice"].startswith("x0, ")
    assert (told["rule"], told["quadratic"]) == (other["choice"], other["quadratic"])
    for name, value in alone.weights.items():
        np.testing.assert_array_equal(both.weights[name], value)


@pytest.mark.parametrize("newton", [1, "yes", None])
def test_newton_is_a_flag(newton):
    with pytest.raises(TypeError, match="newton"):
        l2o.CurvatureRegression(newton=newton)


def test_rollouts_show_what_batches_do(policy, many):
    runs = l2o.rollout(many[:5], method=policy, n_steps=4)
    newton = l2o.rollout(many[:5], policy.starts(many[:5]), method="newton", n_steps=4)
    np.testing.assert_array_equal(runs.x, newton.x)


def test_constants_are_trained_for_the_rule_after_newton_is_chosen(many):
    trainers = [TRAINER, l2o.EvolutionStrategy(n_generations=2)]
    policy = l2o.train(outcomes(80, 0), rng=0, trainer=trainers)
    assert policy.card["network"]["prior"]["newton"] is True
    assert l2o.minimize_many(many, method=policy, tol=1e-6).success.all()
