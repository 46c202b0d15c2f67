"""Bounds and fixed variables: reached exactly, never crossed, from any start, at no cost where they are far."""

import warnings

import numpy as np
import pytest
import scipy.optimize
from compiled import Compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from standard_functions import FUNCTIONS

import l2o
from l2o.families import Logistic

SOLVERS = ("lbfgs", "newton", "cg", "scipy-lbfgs")
QUICK = ("lbfgs", "cg", "scipy-lbfgs")  # without a Hessian


def bowl(centre, weight=1.0):
    """Return the function sum of weight (x - centre)^2, whose minimum in a box is the point next to the centre."""
    centre = np.asarray(centre, float)
    return lambda x: (float((weight * (x - centre) ** 2).sum()), 2 * weight * (x - centre))


@pytest.fixture(scope="module")
def problems():
    return l2o.families.Logistic(n_points=30).sample(12, rng=0)


# -- from any start ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("away", [0.0, 1e-300, 1e-14, 1e-11, 1e-6, 0.5])
@pytest.mark.parametrize("side", [-1, 1])
def test_start_beside_a_bound_goes_down(method, away, side):
    bounds = [(0, 10)] if side > 0 else [(-10, 0)]
    result = l2o.minimize(bowl([5 * side]), [side * away], method=method, bounds=bounds, tol=1e-6)
    assert result.success
    assert result.x[0] == pytest.approx(5 * side, abs=1e-5)


@pytest.mark.parametrize("method", QUICK)
def test_start_on_all_bounds_of_a_narrow_valley_goes_down(method):
    def valley(x):  # Rosenbrock's, whose minimum (1, 1) is inside
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, np.array(
            [2 * (x[0] - 1) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)])

    for start in ([0.0, 3.0], [0.0, 0.0], [2.0, 3.0], [2.0, 0.0], [1e-14, 3 - 1e-14]):
        result = l2o.minimize(valley, start, method=method, bounds=[(0, 2), (0, 3)], tol=1e-6)
        assert result.success
        np.testing.assert_allclose(result.x, 1, atol=1e-4)


@pytest.mark.parametrize("method", QUICK)
def test_result_is_a_start(method):
    first = l2o.minimize(bowl([-3.0, 4.0]), [1.0, 1.0], method=method, bounds=[(0, None), (None, None)], tol=1e-8)
    again = l2o.minimize(bowl([7.0, 4.0]), first.x, method=method, bounds=[(0, None), (None, None)], tol=1e-8)
    assert first.x[0] == 0.0
    np.testing.assert_allclose(again.x, [7, 4], atol=1e-7)


@pytest.mark.parametrize("method", QUICK)
def test_start_outside_is_moved_to_the_bound(method):
    seen = []

    def watched(x):
        seen.append(x.copy())
        return bowl([5.0, -2.0])(x)

    result = l2o.minimize(watched, [-4.0, 30.0], method=method, bounds=[(1, 9), (-3, 3)], tol=1e-6)
    assert seen[0].tolist() == [1.0, 3.0]
    np.testing.assert_allclose(result.x, [5, -2], atol=1e-5)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e12])
def test_run_that_ends_by_its_decrease_is_right_in_any_units(unit, size):
    rng = np.random.default_rng(3)
    for _ in range(5):
        half, centre = rng.standard_normal((6, 4)), 2 * rng.standard_normal(4)
        low = centre + rng.standard_normal(4)
        high = low + 10.0 ** rng.uniform(-2, 1, 4)

        def quartic(x, half=half, centre=centre):
            r = half @ (x / unit - centre)
            return size * (r @ r / 2 + (r**4).sum() / 4), size * half.T @ (r + r**3) / unit

        box = scipy.optimize.Bounds(low, high)
        best = scipy.optimize.minimize(lambda z, f=quartic: (lambda v, g: (v / size, g * unit / size))(*f(z * unit)),
                                       low, jac=True, bounds=box, method="L-BFGS-B", tol=1e-15)
        target = Compiled(quartic, (low + 1e-14) * unit)
        x, f, _, _, nfev, status = (part[0] for part in l2o.baselines.LBFGS().solve(
            target, l2o.methods.Stopping(0.0, 1000, 1000, ftol=2.2e-9),
            box=l2o.methods.Box(low[None] * unit, high[None] * unit))[:6])
        assert status == 0
        assert f / size <= best.fun + 1e-6 * (1 + abs(best.fun))
        assert nfev <= 3 * best.nfev + 20
        on = (x == low * unit) | (x == high * unit)
        assert on[(best.x == low) | (best.x == high)].all()


# -- where bounds are ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", SOLVERS)
@pytest.mark.parametrize("bounds", [[(0, None)] * 4, [(None, 0.5), (-0.2, 0.3), (None, None), (0.1, 0.1)]])
def test_minimum_is_that_of_lbfgsb_and_bounds_are_reached_exactly(method, bounds, problems):
    low, high = np.array([[-np.inf if a is None else a, np.inf if b is None else b] for a, b in bounds]).T
    batch = l2o.minimize_many(problems, method=method, bounds=bounds, tol=1e-7)
    assert ((low <= batch.x) & (batch.x <= high)).all()
    for i in range(len(problems)):
        theirs = scipy.optimize.minimize(problems[i].value_and_grad, problems.x0[i], jac=True, bounds=bounds,
                                         method="L-BFGS-B", tol=1e-14, options={"gtol": 1e-9})
        assert batch.fun[i] == pytest.approx(theirs.fun, rel=1e-7)
        np.testing.assert_allclose(batch.jac[i], problems[i].grad(batch.x[i]), rtol=0, atol=0)
        on = (theirs.x == low) | (theirs.x == high)
        assert (batch.x[i][on & (abs(theirs.jac) > 1e-4)] == theirs.x[on & (abs(theirs.jac) > 1e-4)]).all()


@pytest.mark.parametrize("far", [1e3, 1e8, 1e15, 1e300, np.finfo(float).max])
@pytest.mark.parametrize("method", ["lbfgs", "cg"])
def test_far_bounds_change_no_bit(method, far):
    def run(bounds):
        return l2o.minimize(bowl([5.0, 0.3], np.array([1, 7])), [1.0, 0.9], method=method, bounds=bounds, tol=1e-8)

    for bounds, same in (([(-far, far)] * 2, [(None, None)] * 2), ([(-far, None), (None, far)], [(None, None)] * 2),
                         ([(0, far), (0.35, far)], [(0, None), (0.35, None)])):
        result, free = run(bounds), run(same)
        assert (result.x.tolist(), result.nfev, result.success) == (free.x.tolist(), free.nfev, True)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6, 1e12])
def test_box_of_any_size_is_no_matter(unit):
    result = l2o.minimize(bowl([0.3 * unit, 2 * unit], unit**-2), [0.9 * unit, 0.1 * unit], method="lbfgs",
                          bounds=[(0, unit)] * 2, tol=1e-8 / unit)
    assert result.success
    assert result.x[0] == pytest.approx(0.3 * unit)
    assert result.x[1] == unit


@pytest.mark.parametrize("method", QUICK)
def test_nothing_outside_the_bounds_is_evaluated(method):
    def positive(x):
        assert (x >= 0).all()
        return (x - np.log(x + 1e-3)).sum(), 1 - 1 / (x + 1e-3)

    result = l2o.minimize(positive, [3.0, 0.01, 400.0], method=method, bounds=[(0, None)] * 3, tol=1e-6)
    np.testing.assert_allclose(result.x, 0.999, atol=1e-3)
    with pytest.raises(ZeroDivisionError):
        l2o.minimize(lambda x: (1 / 0, x), [1.0], method=method, bounds=[(0, None)])


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "wood", "helical-valley", "broyden-banded", "levy"])
def test_standard_function_in_a_box_is_minimised_as_by_lbfgsb(name):
    function, start = FUNCTIONS[name].value_and_grad, FUNCTIONS[name].start(12)
    box = scipy.optimize.Bounds(start - 0.3, start + [0.2, 1.1, 0.7] * 4)
    ours, theirs = (run(function, start, jac=True, bounds=box, method=method, tol=1e-9, options={"gtol": 1e-6})
                    for run, method in ((l2o.minimize, "lbfgs"), (scipy.optimize.minimize, "L-BFGS-B")))
    assert ours.success
    assert ours.fun <= theirs.fun + 1e-6 * (1 + abs(theirs.fun))
    assert ours.nfev <= 1.5 * theirs.nfev + 5


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.sampled_from(QUICK), st.booleans())
def test_convex_run_ends_at_the_minimum_and_never_above_its_start(seed, method, at_minimum):
    rng = np.random.default_rng(seed)
    half, centre, low = rng.standard_normal((3, 3)), 3 * rng.standard_normal(3), 2 * rng.standard_normal(3)
    high, kind = low + 10.0 ** rng.uniform(-3, 2, 3), rng.integers(0, 4, 3)
    bounds = scipy.optimize.Bounds(np.where(kind % 2, low, -np.inf), np.where(kind // 2, high, np.inf))
    H = half @ half.T + 0.01 * np.eye(3)

    def quadratic(x):
        return (x - centre) @ H @ (x - centre) / 2, H @ (x - centre)

    start = np.clip(2 * rng.standard_normal(3), bounds.lb, bounds.ub)
    best = scipy.optimize.minimize(quadratic, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-15)
    start = best.x if at_minimum else start
    result = l2o.minimize(quadratic, start, method=method, bounds=bounds, tol=1e-7)
    assert result.fun <= quadratic(start)[0]
    assert result.fun <= best.fun + 1e-8 * (1 + abs(best.fun))
    assert (result.fun, result.jac.tolist()) == (quadratic(result.x)[0], quadratic(result.x)[1].tolist())


@pytest.mark.parametrize("method", QUICK)
def test_start_that_is_the_minimum_is_kept_to_the_bit(method):
    def edge(x):
        return x[0] + 1e10 * (x[1] - 0.3) ** 2 - x[2], np.array([1.0, 2e10 * (x[1] - 0.3), -1.0])

    result = l2o.minimize(edge, [0.0, 0.3, 7.0], method=method, bounds=[(0, None), (0, 1), (None, 7)], tol=1e-6)
    assert (result.x.tolist(), result.success, result.nit, result.nfev) == ([0.0, 0.3, 7.0], True, 0, 1)


# -- rows of a batch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*SOLVERS, "momentum", "policy"])
def test_row_is_the_single_call_and_does_not_depend_on_workers(method, problems):
    method = l2o.load("logistic") if method == "policy" else method
    if method == "momentum":
        method = l2o.baselines.Momentum(0.5, 0.5)
    low = -0.5 + 0.02 * np.arange(48).reshape(12, 4)
    bounds, fixed = scipy.optimize.Bounds(low, low + 1), np.arange(12)[:, None] % 4 == np.arange(4)
    start = np.clip(problems.x0, low + 0.1, low + 0.9)
    batch = l2o.minimize_many(problems, start, method=method, bounds=bounds, fixed=fixed)
    other = l2o.minimize_many(problems, start, method=method, bounds=bounds, fixed=fixed, workers=3)
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name))
    for i in range(12):
        single = l2o.minimize(problems[i], start[i], method=method, bounds=scipy.optimize.Bounds(low[i], low[i] + 1),
                              fixed=fixed[i])
        assert (single.x.tolist(), single.fun, single.nfev) == (batch.x[i].tolist(), batch.fun[i], batch.nfev[i])
    np.testing.assert_array_equal(batch.x[fixed], start[fixed])
    assert ((low <= batch.x) & (batch.x <= low + 1)).all()
    assert (batch.fun <= problems.value_and_grad(start)[0]).all()


# -- fixed variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", QUICK)
def test_fixed_is_the_problem_of_the_others(method):
    def coupled(x):
        return ((x - [1, 2, 3]) ** 2).sum() + x[0] * x[1], 2 * (x - [1, 2, 3]) + [x[1], x[0], 0]

    result = l2o.minimize(coupled, [5.0, 1.0, 0.0], method=method, fixed=[True, False, False], tol=1e-7)
    np.testing.assert_allclose(result.x, [5, -0.5, 3], atol=1e-6)
    assert result.success
    assert result.jac[0] == pytest.approx(7.5)
    alone = l2o.minimize(lambda y: (lambda f, g: (f, g[1:]))(*coupled(np.r_[5.0, y])), [1.0, 0.0], method=method,
                         tol=1e-7)
    assert result.nit <= alone.nit + 1
    all_fixed = l2o.minimize(coupled, [5.0, 1.0, 0.0], method=method, fixed=[True] * 3)
    assert (all_fixed.x.tolist(), all_fixed.nit, all_fixed.nfev, all_fixed.status) == ([5.0, 1.0, 0.0], 0, 1, 0)


def test_newton_knows_the_matrix_of_the_free_variables():
    H, b = np.array([[4.0, 1, 2], [1, 3, 1], [2, 1, 5]]), np.array([1.0, 2, 3])
    target = Compiled(lambda x: (x @ H @ x / 2 - b @ x, H @ x - b), [7.0, 0.0, 0.0], lambda x: H)
    fixed = l2o.methods.Box(np.array([[7.0, -9, -9]]), np.array([[7.0, 9, 9]]))
    stopping = l2o.methods.Stopping(1e-9, 100, 100)
    x, _, _, nit, nfev, status = (part[0] for part in l2o.baselines.Newton().solve(target, stopping, box=fixed)[:6])
    np.testing.assert_allclose(x[1:], np.linalg.solve(H[1:, 1:], b[1:] - 7 * H[1:, 0]), rtol=1e-12)
    assert (x[0], nit, nfev, status, target.hessians) == (7.0, 1, 2, 0, 1)


@pytest.mark.parametrize("method", QUICK)
def test_gradient_of_a_fixed_variable_need_not_be_finite(method):
    def power(x):
        return (x[0] - 2) ** 2 + x[1] ** 2, np.array([2 * (x[0] - 2), np.nan])

    result = l2o.minimize(power, [0.0, 1.0], method=method, fixed=[False, True], tol=1e-6)
    assert result.success
    np.testing.assert_allclose(result.x, [2, 1], atol=1e-6)


# -- functions that fail -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lbfgs", "scipy-lbfgs"])
@pytest.mark.parametrize("at", [0.005, 0.01, 3.0])
def test_error_of_the_objective_leaves_the_best_point_known(method, at):
    def line(x):
        return -1 if x[0] > at else (5.0 + x[0], np.ones(1))

    start = 0.0 if method == "lbfgs" else 0.5 * at
    target = Compiled(line, [start])
    box = l2o.methods.Box(np.zeros((1, 1)), np.full((1, 1), 4.0))
    solution = l2o.baselines.LBFGS().solve(target, l2o.methods.Stopping(1e-5, 50, 50), box=box)
    assert [part[0].tolist() for part in solution[:3]] == [[0.0], 5.0, [1.0]]
    assert solution.status[0] == 0


def test_error_in_the_midst_leaves_the_best_point_known():
    def failing(x):
        return -1 if x[0] > 1.5 else bowl([3.0, 1.0])(x)

    target = Compiled(failing, [0.0, 0.0])
    box = l2o.methods.Box(np.zeros((1, 2)), np.full((1, 2), 9.0))
    x, f, g, _, nfev, status = (part[0] for part in l2o.baselines.LBFGS().solve(
        target, l2o.methods.Stopping(1e-5, 50, 50), box=box)[:6])
    assert (status, nfev) == (4, len(target.values))
    assert f == min(target.values)
    assert (f, g.tolist()) == (bowl([3.0, 1.0])(x)[0], bowl([3.0, 1.0])(x)[1].tolist())


@pytest.mark.parametrize("method", QUICK)
def test_gradient_that_is_not_finite_leaves_the_best_point_known(method):
    def pole(x):
        return float((x**2).sum()), np.where(x > 1, 2 * x, np.nan)

    result = l2o.minimize(pole, [5.0], method=method, bounds=[(0, 9)])
    assert not result.success or result.x[0] == 0
    assert result.fun <= 25
    unbounded = l2o.minimize(lambda x: (-np.inf if x[0] == 0 else x @ x, 2 * x), [3.0], method="lbfgs",
                             bounds=[(0, None)])
    assert np.isfinite(unbounded.fun)


# -- arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "error", "told"), [
    ({"bounds": [(0, 1)] * 3}, ValueError, "bounds has 3 pairs; expected 4"),
    ({"bounds": [(1, 0)] * 4}, ValueError, "bounds are 1.0 and 0.0 for variable 0; expected low <= high"),
    ({"bounds": [(np.nan, 0)] * 4}, ValueError, "bounds are nan and 0.0"),
    ({"bounds": [(np.inf, None)] * 4}, ValueError, "bounds are inf and inf"),
    ({"bounds": [(0, 1, 2)] * 4}, ValueError, r"expected \(low, high\)"),
    ({"bounds": 3}, ValueError, r"bounds is 3; expected \(low, high\)"),
    ({"bounds": [("a", "b")] * 4}, TypeError, "bounds cannot be read"),
    ({"bounds": scipy.optimize.Bounds([0, 0], [1, 1])}, ValueError, r"bounds has shape \(2,\); expected \(4,\)"),
    ({"bounds": ([0] * 4, [1, 1, -1, 1])}, ValueError, "bounds are 0.0 and -1.0 for variable 2"),
    ({"fixed": [1, 0, 0, 0]}, TypeError, "expected True or False"),
    ({"fixed": [True] * 3}, ValueError, r"fixed has shape \(3,\); expected \(4,\)"),
    ({"fixed": [True] * 4, "bounds": [(90, 91)] * 4}, ValueError, "where it is fixed; expected a value within"),
])
def test_bounds_that_do_not_fit_are_an_error(changes, error, told, problems):
    with pytest.raises(error, match=told):
        l2o.minimize_many(problems, method="lbfgs", **changes)


def test_form_of_curve_fit_is_understood_where_it_can_be():
    centre = [-1.0, 5.0, 0.5]
    for bounds in (([0, 0, 0], [1, 2, 3]), (np.zeros(3), [1, 2, 3]), ([0, None, 0], [1, 2, np.inf])):
        result = l2o.minimize(bowl(centre), [0.5] * 3, method="lbfgs", bounds=bounds, tol=1e-6)
        np.testing.assert_allclose(result.x, [0, 2, 0.5], atol=1e-6)
    with pytest.warns(scipy.optimize.OptimizeWarning, match=r"read as lower limits \[0, 0\] and upper"):
        result = l2o.minimize(bowl([3.0, 14.0]), [1.0, 1.0], method="lbfgs", bounds=([0, 0], [10, 10]))
    np.testing.assert_allclose(result.x, [3.0, 10.0], atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = l2o.minimize(bowl([3.0, 14.0]), [1.0, 11.0], method="lbfgs", bounds=([0, 2], [10, 12]), tol=1e-6)
    np.testing.assert_allclose(result.x, [2, 12], atol=1e-6)


def test_scipy_hands_bounds_to_a_policy_and_the_callback_sees_x(problems):
    seen = []
    result = scipy.optimize.minimize(problems[0].fun, problems.x0[0], jac=problems[0].grad, method=l2o.load("logistic"),
                                     bounds=scipy.optimize.Bounds(-0.2, [0.3, 0.3, 0.3, np.inf]), callback=seen.append)
    assert result.success
    assert (np.array([*seen, result.x]) >= -0.2).all()
    assert (np.array([*seen, result.x])[:, :3] <= 0.3).all()


# -- policies, momentum and gradient descent -----------------------------------------------------------


def stepper(name, descent_policy):
    """Return a method with steps of its own."""
    named = {"gradient-descent": l2o.baselines.GradientDescent(0.3), "momentum": l2o.baselines.Momentum(0.3, 0.5),
             "policy": descent_policy(4), "logistic": l2o.load("logistic"), "universal": l2o.load("universal")}
    return named[name]


STEPPERS = ("gradient-descent", "momentum", "policy", "logistic", "universal")


@pytest.mark.parametrize("name", STEPPERS)
def test_steps_end_where_lbfgsb_does_and_bounds_are_reached_exactly(name, problems, descent_policy):
    low, high = np.array([-0.5, 0.0, -np.inf, 0.2]), np.array([0.1, np.inf, 0.3, 0.2])
    bounds = scipy.optimize.Bounds(low, high)
    batch = l2o.minimize_many(problems, method=stepper(name, descent_policy), bounds=bounds, tol=1e-6,
                              options={"maxiter": 5000})
    assert batch.success.all()
    for i in range(len(problems)):
        best = scipy.optimize.minimize(problems[i].value_and_grad, np.clip(problems.x0[i], low, high), jac=True,
                                       bounds=bounds, method="L-BFGS-B", tol=1e-14, options={"gtol": 1e-9})
        assert batch.fun[i] == pytest.approx(best.fun, rel=1e-6)
        sure = ((best.x == low) | (best.x == high)) & (abs(best.jac) > 1e-3)
        assert (batch.x[i][sure] == best.x[sure]).all()
        np.testing.assert_array_equal(batch.jac[i], problems[i].grad(batch.x[i]))
    assert ((low <= batch.x) & (batch.x <= high)).all()


@pytest.mark.parametrize("name", STEPPERS)
@pytest.mark.parametrize("away", [0.0, 1e-300, 1e-14, 0.3])
def test_steps_lead_away_from_a_bound(name, away, descent_policy):
    result = l2o.minimize(bowl([5, 0.5, -3, 2]), [away, 1 - away, 0 - away, away], tol=1e-6,
                          method=stepper(name, descent_policy), bounds=[(0, 9), (0, 1), (-4, 0), (0, None)])
    assert result.success
    np.testing.assert_allclose(result.x, [5, 0.5, -3, 2], atol=1e-5)


def test_policy_whose_steps_leave_the_numbers_stays_inside():
    net = l2o.policies.MLP(history=1, width=1, inputs="raw", activation="relu", max_step=np.inf)
    hinge = lambda x: (max(0.0, x[0]), np.array([float(x[0] > 0)]))  # noqa: E731
    for slope, low, high in ((-1e200, None, 8.0), (-1e200, -7.0, 8.0), (1e300, -3.0, None)):
        weights = {"W1": np.zeros((1, 2)), "b1": np.ones(1), "W2": np.full((1, 1), slope), "b2": np.zeros(1),
                   "deviation": np.ones(2)}
        result = l2o.minimize(hinge, [5.0], method=l2o.policies.Policy(net, weights), bounds=[(low, high)])
        assert np.isfinite(result.x).all()
        assert (result.fun, result.success) == (max(0.0, result.x[0]), True)


def test_pairs_of_a_policy_are_those_of_its_steps(descent_policy):
    H = np.diag([1.0, 10, 100, 2]) + 0.5
    centre = np.array([-2.0, 1, 1, 5])

    def quadratic(x):
        return (x - centre) @ H @ (x - centre) / 2, H @ (x - centre)

    policy, box = descent_policy(4), [(0, None), (None, 0.5), (None, None), (0, 3)]
    alone, handed = (l2o.minimize(quadratic, [1.0, 0, 0, 1], method=method, bounds=box, tol=1e-8)
                     for method in ("lbfgs", policy))
    np.testing.assert_allclose(handed.x, alone.x, atol=1e-8)
    assert (handed.x[[0, 1, 3]] == [0, 0.5, 3]).all()
    assert handed.nfev <= alone.nfev + 12


def test_batch_of_a_policy_in_groups_is_its_rows():
    problems = l2o.families.Logistic(n_points=20).sample(21, rng=2)
    low = np.linspace(-0.4, 0.1, 84).reshape(21, 4)
    policy = l2o.load("logistic")
    batch = l2o.minimize_many(problems, method=policy, bounds=scipy.optimize.Bounds(low, low + 0.5))
    for i in range(0, 21, 5):
        one = l2o.minimize(problems[i], method=policy, bounds=scipy.optimize.Bounds(low[i], low[i] + 0.5))
        assert (one.x.tolist(), one.nfev, one.status) == (batch.x[i].tolist(), batch.nfev[i], batch.status[i])
    assert ((low <= batch.x) & (batch.x <= low + 0.5)).all()


def test_conjugate_gradients_in_far_bounds_cost_no_more_than_free_ones():
    problems = Logistic().sample(40, rng=1)
    far = np.full(4, 1e9)
    free, within = (sum(l2o.minimize(problems[i].value_and_grad, problems.x0[i], method="cg", bounds=bounds,
                                     options={"gtol": 1e-5}).nfev for i in range(40))
                    for bounds in (None, scipy.optimize.Bounds(-far, far)))
    assert within <= free  # of SciPy's
