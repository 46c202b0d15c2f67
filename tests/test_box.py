"""Bounds and fixed variables: inside at every evaluation, the minimum that others find, nothing else changed."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import l2o
from l2o.solving.box import Box

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


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["lbfgs", "momentum", "cg"]), st.booleans())
def test_no_run_ends_above_its_start(seed, method, at_minimum):
    rng = np.random.default_rng(seed)
    half, centre, low = rng.standard_normal((3, 3)), 3 * rng.standard_normal(3), 2 * rng.standard_normal(3)
    high, kind = low + 10.0 ** rng.uniform(-3, 2, 3), rng.integers(0, 4, 3)
    bounds = scipy.optimize.Bounds(np.where(kind % 2, low, -np.inf), np.where(kind // 2, high, np.inf))

    def bowl(x):
        return (x - centre) @ half @ half.T @ (x - centre) / 2, half @ half.T @ (x - centre)

    start = np.clip(2 * rng.standard_normal(3), bounds.lb, bounds.ub)
    if at_minimum:
        start = scipy.optimize.minimize(bowl, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    result = l2o.minimize(bowl, start, method=method, bounds=bounds)
    assert result.fun <= bowl(start)[0]
    assert (result.fun, result.jac.tolist()) == (bowl(result.x)[0], bowl(result.x)[1].tolist())


@pytest.mark.parametrize("method", ["lbfgs", "cg", "policy"])
def test_start_that_is_the_minimum_is_kept_to_the_bit(method, descent_policy):
    method = descent_policy(3) if method == "policy" else method
    start, seen = np.array([0.0, 0.3, 7.0]), []

    def bowl(x):
        seen.append(x.copy())
        return x[0] + 1e10 * (x[1] - 0.3) ** 2 - x[2], np.array([1.0, 2e10 * (x[1] - 0.3), -1.0])

    result = l2o.minimize(bowl, start, method=method, bounds=[(0, None), (0, 1), (None, 7)])
    assert result.x.tolist() == start.tolist()
    assert (result.success, result.nfev) == (True, len(seen))
    assert (np.array(seen)[:, 1] == 0.3).any()
    inside = l2o.minimize(bowl, [0.5, 0.3, 6.0], method=method, bounds=[(0, None), (0, 1), (None, 7)],
                          fixed=[True, False, True])
    assert (inside.x.tolist(), inside.nit, inside.nfev) == ([0.5, 0.3, 6.0], 0, 2)


def test_start_on_a_bound_is_no_success_where_the_gradient_is_not_zero():
    def dip(x):  # lower at the start than where the run, moved inside, ends
        return (-1.0, np.array([0.0, 5.0])) if x[0] == 0 else (x @ x, 2 * x)

    result = l2o.minimize(dip, [0.0, 1.0], method="lbfgs", bounds=[(0, None), (None, None)])
    assert (result.x.tolist(), result.fun, result.status) == ([0.0, 1.0], -1.0, 2)
    unbounded = l2o.minimize(lambda x: (-np.inf if x[0] == 0 else x @ x, 2 * x), [0.0], method="lbfgs",
                             bounds=[(0, None)])
    assert unbounded.success
    assert np.isfinite(unbounded.fun)


def test_bounds_of_1e20_are_none():
    def bowl(x):
        return ((x - 0.3) ** 2).sum(), 2 * (x - 0.3)

    free = l2o.minimize(bowl, [0.7, 0.9], method="lbfgs", bounds=[(None, None), (0, None)])
    for far in (1e20, 1e300, np.finfo(float).max):
        result = l2o.minimize(bowl, [0.7, 0.9], method="lbfgs", bounds=[(-far, far), (0, far)])
        assert (result.x.tolist(), result.success) == (free.x.tolist(), True)


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
