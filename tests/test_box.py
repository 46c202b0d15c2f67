"""Bounds and fixed variables: inside at every evaluation, the minimum that others find, nothing else changed."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import l2o
from l2o.box import Box

SOLVERS = ("lbfgs", "cg", "scipy-lbfgs", "newton")
LIMITS = [(-np.inf, np.inf), (0.25, np.inf), (-np.inf, 0.25), (-1.0, 0.5), (1e-3, 1e3), (0.25, 0.25)]


@pytest.fixture
def problems():
    return l2o.families.Logistic(n_points=30).sample(12, rng=0)


def box_of(low, high, x0):
    return Box.of(scipy.optimize.Bounds(low, high), None, np.atleast_2d(np.asarray(x0, float)))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(LIMITS), st.floats(-50, 50))
def test_points_are_inside_and_starts_lead_back(limits, z):
    low, high = limits
    box = box_of(low, high, [0.3])
    x = box.points(np.array([[z]]))[0, 0]
    assert low <= x <= high
    start = box_of(low, high, [x]).starts(np.array([[x]]))
    again = box.points(start)[0, 0]
    if low < x < high:
        assert again == pytest.approx(x, rel=1e-7, abs=1e-14)
    elif low < high:
        assert low < again < high


@pytest.mark.parametrize("limits", LIMITS)
def test_gradient_and_hessian_are_those_of_the_value(limits, problems):
    box = box_of(*limits, problems.x0).changed(problems)
    z = box.x0 + 0.3
    step = 1e-6 * np.eye(4)
    g, h = box.value_and_grad(z)[1], box.hessian(z)
    expected = [(box.value_and_grad(z + e)[0] - box.value_and_grad(z - e)[0]) / 2e-6 for e in step]
    np.testing.assert_allclose(g, np.transpose(expected), rtol=1e-5, atol=1e-6 * (1 + abs(g).max()))
    expected = [(box.value_and_grad(z + e)[1] - box.value_and_grad(z - e)[1]) / 2e-6 for e in step]
    if limits[0] == limits[1]:  # Newton divides by it
        expected = np.eye(4)[:, None]
    np.testing.assert_allclose(h, np.transpose(np.broadcast_to(expected, (4, 12, 4)), (1, 0, 2)), rtol=1e-5,
                               atol=1e-5 * (1 + abs(h).max()))


@pytest.mark.parametrize("method", SOLVERS)
@pytest.mark.parametrize("bounds", [[(0, None)] * 4, [(None, 0.5), (-0.2, 0.3), (None, None), (0.1, 0.1)]])
def test_minimum_is_that_of_lbfgsb(method, bounds, problems):
    low, high = np.array([[-np.inf if a is None else a, np.inf if b is None else b] for a, b in bounds]).T
    batch = l2o.minimize_many(problems, method=method, bounds=bounds, tol=1e-8)
    assert ((low <= batch.x) & (batch.x <= high)).all()
    for i in range(len(problems)):
        theirs = scipy.optimize.minimize(problems[i].value_and_grad, problems.x0[i], jac=True, bounds=bounds,
                                         method="L-BFGS-B", tol=1e-14, options={"gtol": 1e-9})
        assert batch.fun[i] == pytest.approx(theirs.fun, rel=1e-7)
        np.testing.assert_allclose(batch.jac[i], problems[i].grad(batch.x[i]), rtol=0, atol=0)


@pytest.mark.parametrize("method", [*SOLVERS, "momentum", "policy"])
def test_row_is_the_single_call_and_does_not_depend_on_workers(method, problems):
    method = l2o.load("logistic") if method == "policy" else method
    if method == "momentum":
        method = l2o.baselines.Momentum(0.5, 0.5)
    bounds, fixed = [(-0.5, 0.5)] * 4, np.arange(12)[:, None] % 4 == np.arange(4)
    start = np.clip(problems.x0, -0.4, 0.4)
    batch = l2o.minimize_many(problems, start, method=method, bounds=bounds, fixed=fixed)
    other = l2o.minimize_many(problems, start, method=method, bounds=bounds, fixed=fixed, workers=3)
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name))
    for i in range(12):
        single = l2o.minimize(problems[i], start[i], method=method, bounds=bounds, fixed=fixed[i])
        assert (single.x.tolist(), single.fun, single.nfev) == (batch.x[i].tolist(), batch.fun[i], batch.nfev[i])
    np.testing.assert_array_equal(batch.x[fixed], start[fixed])
    assert (batch.fun <= problems.value_and_grad(start)[0]).all()


def test_fixed_is_the_problem_of_the_others():
    def bowl(x):
        return ((x - [1, 2, 3]) ** 2).sum() + x[0] * x[1], 2 * (x - [1, 2, 3]) + [x[1], x[0], 0]

    result = l2o.minimize(bowl, [5.0, 1.0, 0.0], method="lbfgs", fixed=[True, False, False])
    np.testing.assert_allclose(result.x, [5, -0.5, 3], atol=1e-6)
    assert result.success
    assert result.jac[0] == pytest.approx(7.5)
    alone = l2o.minimize(lambda y: (lambda f, g: (f, g[1:]))(*bowl(np.r_[5.0, y])), [1.0, 0.0], method="lbfgs")
    assert result.nit == alone.nit
    all_fixed = l2o.minimize(bowl, [5.0, 1.0, 0.0], method="lbfgs", fixed=[True] * 3)
    assert (all_fixed.x.tolist(), all_fixed.nit, all_fixed.status) == ([5.0, 1.0, 0.0], 0, 0)


def test_scipy_hands_bounds_to_a_policy_and_the_callback_sees_x(problems):
    seen = []
    result = scipy.optimize.minimize(problems[0].fun, problems.x0[0], jac=problems[0].grad, method=l2o.load("logistic"),
                                     bounds=scipy.optimize.Bounds(-0.2, [0.3, 0.3, 0.3, np.inf]), callback=seen.append)
    assert result.success
    assert (np.array([*seen, result.x]) >= -0.2).all()
    assert (np.array([*seen, result.x])[:, :3] <= 0.3).all()


def test_start_on_a_bound_or_beyond_it_does_not_stay_there():
    def slope(x):
        return ((x - 2) ** 2).sum(), 2 * (x - 2)

    for x0 in ([0.0, 0.0, 5.0], [-3.0, 5.0, -1.0]):
        result = l2o.minimize(slope, x0, method="lbfgs", bounds=[(0, None), (0, 5), (None, 5)])
        np.testing.assert_allclose(result.x, 2, atol=1e-4)


def test_nothing_outside_the_bounds_is_evaluated():
    def positive(x):
        assert (x >= 0).all()
        return (x - np.log(x + 1e-3)).sum(), 1 - 1 / (x + 1e-3)

    result = l2o.minimize(positive, [3.0, 0.01, 400.0], method="lbfgs", bounds=[(0, None)] * 3, tol=1e-6)
    np.testing.assert_allclose(result.x, 0.999, atol=1e-3)
    with pytest.raises(ZeroDivisionError):
        l2o.minimize(lambda x: (1 / 0, x), [1.0], method="lbfgs", bounds=[(0, None)])


@pytest.mark.parametrize(("changes", "error", "told"), [
    ({"bounds": [(0, 1)] * 3}, ValueError, "bounds has 3 pairs; expected 4"),
    ({"bounds": [(1, 0)] * 4}, ValueError, "bounds are 1.0 and 0.0 for variable 0; expected low <= high"),
    ({"bounds": [(np.nan, 0)] * 4}, ValueError, "bounds are nan and 0.0"),
    ({"bounds": [(np.inf, None)] * 4}, ValueError, "bounds are inf and inf"),
    ({"bounds": 3}, ValueError, r"bounds is 3; expected \(low, high\)"),
    ({"bounds": [("a", "b")] * 4}, TypeError, "bounds cannot be read"),
    ({"bounds": scipy.optimize.Bounds([0, 0], [1, 1])}, ValueError, r"bounds has shape \(2,\); expected \(4,\)"),
    ({"fixed": [1, 0, 0, 0]}, TypeError, "expected True or False"),
    ({"fixed": [True] * 3}, ValueError, r"fixed has shape \(3,\); expected \(4,\)"),
    ({"fixed": [True] * 4, "bounds": [(90, 91)] * 4}, ValueError, "where it is fixed; expected a value within"),
])
def test_bounds_that_do_not_fit_are_an_error(changes, error, told, problems):
    with pytest.raises(error, match=told):
        l2o.minimize_many(problems, method="lbfgs", **changes)
