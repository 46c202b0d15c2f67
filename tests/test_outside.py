"""Outside of training: what a card says that a policy met, and when a result says that a run left it."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

import l2o
from l2o.policies import Policy
from l2o.policies.limits import Limits
from l2o.training import streams

FAMILY = l2o.families.Logistic(n_points=30)
SHORT = l2o.GuidedPolicySearch(n_iterations=2, n_samples=4, horizon=10, epochs=2)
GRADIENT = l2o.UnrolledGradient(n_steps=4, n_runs=32, horizon=5, n_rounds=1)
BARE = {"safeguard": False, "gtol": 0.0}
WIDE = {"horizon": 10**6, "gradient": [1e-300, 1e300], "change": [-1e150, 1e150], "curvature": [-1e150, 1e150]}


@pytest.fixture(scope="module")
def trained():
    """Return a policy trained on 60 functions."""
    return l2o.train(FAMILY, n_functions=60, n_validation=20, rng=0, trainer=SHORT)


@pytest.fixture(scope="module")
def made(random_policy):
    """Return a maker of a policy with random weights and limits given in part."""
    return lambda seed=0, **limits: random_policy(seed=seed, card={"limits": {**WIDE, **limits}})


def quietly(fun, x0, **settings):
    """Return the result of `minimize`, whatever the function warns of."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return l2o.minimize(fun, x0, **settings)


def observed(runs):
    """Return gradients (m, T+1), changes and curvatures (m, T) along rollouts, run by run and step by step."""
    steps, bends = np.diff(runs.x, axis=1), np.diff(runs.jac, axis=1)
    curvature = [[s @ y / (s @ s) for s, y in zip(*run)] for run in zip(steps, bends)]
    return np.abs(runs.jac).max(axis=2), np.diff(runs.fun, axis=1), np.array(curvature)


# -- what the card says --------------------------------------------------------------------------------


@pytest.mark.parametrize("trainer", [SHORT, GRADIENT], ids=lambda trainer: type(trainer).__name__)
def test_card_has_the_range_over_the_training_functions_from_four_starts_each(trainer, tmp_path):
    policy = l2o.train(FAMILY, n_functions=5, n_validation=4, rng=1, trainer=trainer)
    functions = FAMILY.sample(5, streams(1)["training"])
    x0 = np.concatenate([np.roll(functions.x0, shift, axis=0) for shift in range(4)])
    runs = l2o.rollout(functions[np.arange(20) % 5], x0, method=policy, n_steps=40)
    size, change, curvature = observed(runs)
    limits = policy.card["limits"]
    assert limits["horizon"] == 40
    assert limits["gradient"] == [size[:, 0].min(), size.max()]
    assert limits["change"] == [change.min(), change.max()]
    np.testing.assert_allclose(limits["curvature"], [curvature.min(), curvature.max()], rtol=1e-12)
    policy.save(tmp_path / "p.npz")
    assert l2o.load(tmp_path / "p.npz").card["limits"] == json.loads(json.dumps(limits)) == limits


def test_limits_leave_out_what_is_not_finite_and_steps_too_short_to_show_curvature():
    x = np.array([[[0.0], [1.0], [1.0 + 1e-9], [3.0], [np.inf]], [[0.0], [0.0], [0.0], [0.0], [0.0]]])
    fun = np.array([[4.0, 2.0, 2.5, 2.0, np.inf], [np.nan] * 5])
    jac = np.array([[[-3.0], [-1.0], [50.0], [3.0], [np.nan]], [[np.nan]] * 5])
    limits = Limits.of(x, fun, jac)
    assert limits == Limits(4, (3.0, 50.0), (-2.0, 0.5), pytest.approx((-23.5, 2.0), rel=1e-6))
    assert Limits.of(x[1:], fun[1:], jac[1:]) is None
    np.testing.assert_allclose(limits.widened(), [2.4, 62.5, -2.5, 1.0, -29.375, 7.875, 4], rtol=1e-6)


@pytest.mark.parametrize("limits", [{**WIDE, "change": [0.0]}, {"gradient": [1, 2]}, {**WIDE, "curvature": "ab"}, [40]])
def test_file_whose_limits_are_damaged_is_an_error(limits, made, tmp_path):
    path = tmp_path / "p.npz"
    policy = made()
    card = {**policy.card, "limits": limits}
    np.savez(path, card=np.frombuffer(json.dumps(card).encode(), np.uint8), **policy.weights)
    with pytest.raises(l2o.errors.PolicyFileError, match=r"p\.npz holds no complete policy"):
        l2o.load(path)


# -- when a run is outside -----------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["least gradient", "most gradient", "fall", "rise", "low", "high"])
@pytest.mark.parametrize("steps", [1, 6])
def test_run_is_outside_where_one_of_its_steps_is_beyond_a_limit(which, steps, made):
    problems = FAMILY.sample(200, rng=3)
    size, change, curvature = observed(l2o.rollout(problems, method=made(), n_steps=steps))
    extremes = {"least gradient": size[:, 0], "most gradient": size.max(axis=1), "fall": change.min(axis=1),
                "rise": change.max(axis=1), "low": curvature.min(axis=1), "high": curvature.max(axis=1)}[which]
    limit = float(np.median(extremes))
    beyond = extremes < limit if which in ("least gradient", "fall", "low") else extremes > limit
    name, first = {"least gradient": ("gradient", True), "most gradient": ("gradient", False), "fall": ("change", True),
                   "rise": ("change", False), "low": ("curvature", True), "high": ("curvature", False)}[which]
    policy = made(**{name: [limit, WIDE[name][1]] if first else [WIDE[name][0], limit]})
    policy.step(4).limits[:6] = np.ravel([policy.card["limits"][key] for key in ("gradient", "change", "curvature")])
    batch = l2o.minimize_many(problems, method=policy, options={**BARE, "maxiter": steps})
    np.testing.assert_array_equal(batch.outside_training, beyond)
    assert 50 < beyond.sum() < 150
    if steps == 1:  # a first step is the same with a safeguard
        guarded = l2o.minimize_many(problems, method=policy, options={"gtol": 0.0, "maxiter": 1})
        np.testing.assert_array_equal(guarded.outside_training, beyond)


def test_margin_is_a_quarter(made):
    problems = FAMILY.sample(200, rng=3)
    largest = observed(l2o.rollout(problems, method=made(), n_steps=3))[0].max(axis=1)
    met = float(np.median(largest)) / 1.25
    batch = l2o.minimize_many(problems, method=made(gradient=[1e-300, met]), options={**BARE, "maxiter": 3})
    np.testing.assert_array_equal(batch.outside_training, largest > 1.25 * met)


def test_steps_beyond_the_horizon_are_outside_and_those_of_lbfgs_are_not_counted(made):
    problems, policy = FAMILY.sample(50, rng=3), made(horizon=10)
    for maxiter, outside in ((10, False), (11, True)):
        batch = l2o.minimize_many(problems, method=policy, options={**BARE, "maxiter": maxiter})
        assert (batch.nit == maxiter).all()
        assert (batch.outside_training == outside).all()
    guarded = l2o.minimize_many(problems, method=policy, tol=1e-9)
    assert guarded.nit.max() > 10
    assert not guarded.outside_training.any()


def test_run_without_a_step_of_the_policy_is_not_outside(made):
    problems = FAMILY.sample(5, rng=0)
    ends = l2o.minimize_many(problems, method="lbfgs", tol=1e-9).x
    assert not l2o.minimize_many(problems, ends, method=made(gradient=[0.1, 0.2]), tol=1e-5).outside_training.any()


@pytest.mark.parametrize("safeguard", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_step_to_where_the_function_is_not_finite_is_outside(safeguard, value, made):
    def walled(x):
        return (x @ x, 2 * x) if np.array_equal(x, np.ones(4)) else (value, x)

    result = quietly(walled, np.ones(4), method=made(), options={"safeguard": safeguard})
    assert result.outside_training is True


# -- against training ----------------------------------------------------------------------------------


def test_fresh_functions_are_rarely_outside(trained):
    batch = l2o.minimize_many(FAMILY.sample(500, streams(0)["fresh"]), method=trained)
    assert batch.outside_training.dtype == bool
    assert batch.outside_training.mean() <= 0.03


def scaled(factor):
    rng = np.random.default_rng(3)
    X, w = rng.standard_normal((60, 30, 3)), rng.standard_normal((60, 3))
    return FAMILY.from_data(factor * X, np.einsum("mnp,mp->mn", X, w) > 0, rng.standard_normal((60, 4)))


@pytest.mark.parametrize(("problems", "least"), [
    (scaled(1000.0), 0.95), (l2o.families.Logistic(n_features=3, n_points=30, l2=1e3).sample(60, rng=2), 0.95),
], ids=["features times 1000", "penalty times 2 million"])
def test_other_members_of_the_family_are_outside_by_what_the_policy_meets(problems, least, trained):
    assert l2o.minimize_many(problems, method=trained).outside_training.mean() >= least
    assert l2o.minimize_many(scaled(1.0), method=trained).outside_training.mean() <= 0.05


def test_plain_function_is_judged_by_what_the_policy_meets(trained):
    for factor, outside in ((1.0, False), (1e-3, True), (1e3, True)):
        one = FAMILY.sample(1, rng=5)[0]
        result = l2o.minimize(lambda x, one=one, factor=factor: (factor * one.fun(x), factor * one.grad(x)), one.x0,
                              method=trained)
        assert result.outside_training is outside
        same = scipy.optimize.minimize(lambda x, one=one, factor=factor: factor * one.fun(x), one.x0, method=trained,
                                       jac=lambda x, one=one, factor=factor: factor * one.grad(x))
        assert same.outside_training is outside


def test_another_objective_is_outside_whatever_the_policy_meets(trained):
    policy = trained.with_card(limits=WIDE)
    robust = l2o.families.RobustRegression(n_points=32).sample(3, rng=0)
    assert l2o.minimize_many(robust, method=policy).outside_training.all()
    assert l2o.minimize(robust[0], method=policy).outside_training is True
    assert l2o.minimize(robust[0].value_and_grad, robust.x0[0], method=policy).outside_training is False  # not known
    assert not l2o.minimize_many(FAMILY.sample(3, rng=0), method=policy).outside_training.any()


def test_training_goes_on_for_the_same_objective_only(trained):
    with pytest.raises(ValueError, match=r"init was trained on the objective .*logistic.*; expected .*robust"):
        l2o.train(l2o.families.RobustRegression(), n_functions=4, n_validation=4, init=trained, trainer=SHORT)
    again = l2o.train(l2o.families.Logistic(n_points=20, l2=0.1), n_functions=4, n_validation=4, init=trained, rng=0,
                      trainer=l2o.GuidedPolicySearch(n_iterations=0))
    assert again.card["limits"] != trained.card["limits"]


def test_changed_source_is_another_objective(made):
    problems = FAMILY.sample(2, rng=0)  # as if it were a user's own, of this source
    kernel = replace(problems.kernel, name="mine.f", source=SimpleNamespace(source_hash="a"))
    problems = replace(problems, kernel=kernel)
    for name, source, outside in (("mine.f", "a", False), ("mine.f", "b", True), ("mine.g", "a", True)):
        policy = made().with_card(objective={"name": name, "source": source})
        assert (l2o.minimize_many(problems, method=policy).outside_training == outside).all()
        assert l2o.minimize(problems[0], method=policy).outside_training is outside


def test_nothing_is_said_where_nothing_is_known(random_policy, problems):
    old = l2o.load(Path(__file__).parent / "data" / "policy_format_1.npz")
    others = l2o.families.Logistic(n_features=old.dim - 1).sample(2, rng=0)
    for method, some in (("lbfgs", problems), ("momentum", problems), ("cg", problems), (random_policy(), problems),
                         (random_policy(card={"limits": {"horizon": 40}}), problems), (old, others)):
        assert l2o.minimize_many(some, method=method).outside_training is None
        assert l2o.minimize(some[0], method=method).outside_training is None


def test_row_equals_the_single_run_for_any_workers(trained, tmp_path):
    problems = FAMILY.sample(40, rng=9)
    policy = trained.with_card(limits={**trained.card["limits"], "change": [-0.3, 0.05]})
    whole = l2o.minimize_many(problems, method=policy).outside_training
    assert 5 < whole.sum() < 35
    policy.save(tmp_path / "p.npz")
    with ThreadPoolExecutor(2) as pool:
        for method, workers in ((policy, 2), (policy, pool), (policy.astype("float64"), map),
                                (l2o.load(tmp_path / "p.npz"), 1)):
            again = l2o.minimize_many(problems, method=method, workers=workers)
            np.testing.assert_array_equal(again.outside_training, whole)
    assert [l2o.minimize(each, method=policy).outside_training for each in problems] == whole.tolist()


def test_policy_keeps_its_limits_in_another_precision_and_not_in_a_new_card(trained):
    np.testing.assert_array_equal(trained.astype("float32").step(4).limits, trained.step(4).limits)
    assert Policy(trained.network, trained.weights).step(4).limits is None
