"""L-BFGS and Newton in the kernels: against SciPy, against matrices, and where functions misbehave."""

import warnings

import numpy as np
import pytest
import scipy.optimize
from benchmarks import native_parts
from compiled import Compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from standard_functions import FUNCTIONS

import l2o
from l2o import _kernels
from l2o.baselines import LBFGS, Newton, ScipyLBFGS
from l2o.families import Logistic, NeuralNet
from l2o.methods import Stopping

GTOL = 1e-5
DECREASE, CURVATURE = 1e-3, 0.9  # of the Wolfe conditions
STANDARD = [(name, dim) for name in FUNCTIONS for dim in (4, 12)]


def solve(method, target, gtol=GTOL, maxiter=2000, maxfun=15000):
    """Return x, f, g, nit, nfev, status of the first run."""
    return tuple(part[0] for part in method.solve(target, Stopping(gtol, maxiter, maxfun))[:6])


def record(method, target, n_steps):
    """Return x (T+1, d), f (T+1,), g (T+1, d), nfev (T+1,), status and evaluations of the first run."""
    return tuple(part[0] for part in method.record(target, n_steps))


def steps_taken(nfev):
    """Return the number of steps before a record repeats its last row."""
    return int((np.diff(nfev) > 0).sum())


def slack(f):
    """Return what rounding may change a value by: 8 epsilon of it in the kernels, and the rounding of the sum."""
    return 9 * np.finfo(float).eps * np.abs(f)


def assert_strong_wolfe(x, f, g, n_steps):
    """Both conditions hold at every step; along s = a p they read f' <= f + c1 g's and |g''s| <= c2 |g's|."""
    for k in range(n_steps):
        s = x[k + 1] - x[k]
        slope = g[k] @ s
        fuzz = 1e-6 * abs(slope) + 4 * np.finfo(float).eps * np.abs(x[k]).max() * np.abs(g[k]).sum()  # s is rounded
        assert slope < fuzz
        assert f[k + 1] <= f[k] + DECREASE * slope + slack(f[k]) + fuzz
        assert abs(g[k + 1] @ s) <= CURVATURE * abs(slope) + fuzz


# -- against SciPy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [4, 12])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_standard_function_has_the_gradient_that_it_says(name, dim):
    function = FUNCTIONS[name]
    x = function.start(dim) + 0.01 * np.sin(np.arange(dim))
    step = 1e-6 * np.maximum(1, np.abs(x))
    moves = np.diag(step)
    f, g = function.value_and_grad(x)
    assert (np.shape(f), g.shape) == ((), (dim,))
    slopes = [(function.value_and_grad(x + h)[0] - function.value_and_grad(x - h)[0]) / (2 * h.sum()) for h in moves]
    rounding = np.finfo(float).eps * abs(f) / step
    np.testing.assert_allclose(g, slopes, rtol=1e-5, atol=float((1e-6 * np.abs(g).max() + 10 * rounding).max()))


def test_there_are_enough_standard_functions():
    assert len(FUNCTIONS) >= 30


@pytest.fixture(scope="module")
def on_standard_functions():
    """Return f, max |g|, evaluations of (ours, SciPy's) on each standard function in dimensions 4 and 12."""
    rows = {}
    for name, dim in STANDARD:
        function, x0 = FUNCTIONS[name].value_and_grad, FUNCTIONS[name].start(dim)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = l2o.minimize(function, x0, method="lbfgs", tol=GTOL)
            theirs = scipy.optimize.minimize(function, x0, jac=True, method="L-BFGS-B", options={
                "gtol": GTOL, "ftol": 0.0, "maxiter": 200 * dim})
            rows[name, dim] = [(r.fun, np.abs(r.jac).max(), r.nfev) for r in (ours, theirs)]
    return rows


def test_lbfgs_solves_standard_functions_as_often_as_scipy(on_standard_functions):
    solved = {True: 0, False: 0}
    for ours, theirs in on_standard_functions.values():
        best = min(ours[0], theirs[0])
        for is_ours, (f, slope, _) in ((True, ours), (False, theirs)):
            solved[is_ours] += bool(slope <= GTOL or f <= best + 1e-8)
    assert solved[True] >= solved[False] >= 80


def test_lbfgs_needs_as_many_evaluations_as_scipy_on_standard_functions(on_standard_functions):
    both = np.array([[part[2] for part in row] for row in on_standard_functions.values()])
    ours, theirs = np.median(both, axis=0)
    assert ours <= 1.1 * theirs
    assert np.median(both[:, 0] / both[:, 1]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("gtol", [1e-4, 1e-6])
def test_lbfgs_needs_as_many_evaluations_as_scipy_on_logistic_regressions(gtol):
    problems = Logistic().sample(200, rng=11)
    ours, theirs = (l2o.minimize_many(problems, method=method, tol=gtol) for method in ("lbfgs", "scipy-lbfgs"))
    assert ours.success.all()
    assert np.median(ours.nfev) <= 1.1 * np.median(theirs.nfev)
    assert (ours.nfev == theirs.nfev).mean() > 0.95
    np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-8)


def test_lbfgs_takes_the_steps_of_scipy_until_rounding_parts_them():
    problems = Logistic().sample(20, rng=3)
    ours, theirs = (l2o.rollout(problems, method=method, n_steps=8) for method in (LBFGS(), ScipyLBFGS()))
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(ours.nfev, theirs.nfev)
    one, ten = (l2o.rollout(problems, method=LBFGS(m), n_steps=8).x for m in (1, 10))
    theirs = l2o.rollout(problems, method=ScipyLBFGS(1), n_steps=8)
    np.testing.assert_allclose(one, theirs.x, rtol=1e-5, atol=1e-7)
    assert not np.allclose(one, ten, rtol=1e-3)


def test_newton_solves_logistic_regressions_in_fewer_steps():
    problems = Logistic().sample(200, rng=11)
    newton, lbfgs = (l2o.minimize_many(problems, method=method, tol=1e-8) for method in ("newton", "lbfgs"))
    assert newton.success.all()
    assert np.median(newton.nit) < 0.5 * np.median(lbfgs.nit)
    assert np.median(newton.nfev) < 0.7 * np.median(lbfgs.nfev)
    assert (newton.fun <= lbfgs.fun + 1e-12).all()


# -- the line search -----------------------------------------------------------------------------------


@st.composite
def quartics(draw):
    """Return f = sum of (rows x - shift)^4 weights / 4 + x' A x / 2, A of either sign, and a start."""
    dim = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, shift = rng.standard_normal((2 * dim, dim)), rng.standard_normal(2 * dim)
    weights = 10.0 ** rng.uniform(-3, 3, 2 * dim)
    half = rng.standard_normal((dim, dim))
    A = (half + half.T) * 10.0 ** draw(st.integers(-3, 3))

    def value_and_grad(x):
        away = rows @ x - shift
        return weights @ away**4 / 4 + x @ A @ x / 2, rows.T @ (weights * away**3) + A @ x

    def hessian(x):
        return (rows.T * (3 * weights * (rows @ x - shift) ** 2)) @ rows + A

    return value_and_grad, hessian, rng.standard_normal(dim) * 10.0 ** draw(st.integers(-2, 2))


@settings(max_examples=150, deadline=None)
@given(quartics())
def test_strong_wolfe_conditions_hold_at_every_step(quartic):
    value_and_grad, hessian, x0 = quartic
    for method in (LBFGS(), Newton()):
        x, f, g, nfev, _, evaluations = record(method, Compiled(value_and_grad, x0, hessian), 60)
        moved = f[:-1] - f[1:] > 1e4 * slack(f[:-1])  # near the floor of precision slopes of f are rounding, too
        n_steps = min(steps_taken(nfev), int(np.argmin(np.append(moved, False))))
        assert n_steps >= 1
        assert_strong_wolfe(x, f, g, n_steps)
        assert (np.diff(f) <= slack(f[:-1])).all()
        assert f[-1] <= np.nanmin(evaluations) + 1e4 * slack(f[-1])


@pytest.mark.parametrize(("name", "dim"), STANDARD)
def test_strong_wolfe_conditions_hold_on_standard_functions(name, dim):
    function = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        x, f, g, nfev, _, evaluations = record(LBFGS(), Compiled(function.value_and_grad, function.start(dim)), 30)
    moved = f[:-1] - f[1:] > 1e4 * slack(f[:-1])
    assert_strong_wolfe(x, f, g, min(steps_taken(nfev), int(np.argmin(np.append(moved, False)))))
    assert (np.diff(f) <= slack(f[:-1])).all()
    assert nfev[-1] <= np.isfinite(evaluations).sum()


def test_step_of_one_is_the_first_trial_and_the_first_step_has_length_one():
    for scale in (1e-3, 1.0, 1e5):
        target = Compiled(lambda x, c=scale: (c * (x @ x), 2 * c * x), [3.0, 4.0])
        solve(LBFGS(), target, gtol=1e-9)
        assert np.linalg.norm(target.points[1] - target.points[0]) == pytest.approx(1)


def test_kink_ends_with_the_best_point_and_precision_loss():
    def kink(x):
        return 1 + np.abs(x).sum() + x @ x / 2, np.sign(x) + x

    target = Compiled(kink, [3.3, -2.1, 0.7])
    x, f, _, _, nfev, status = solve(LBFGS(), target)
    assert status == 2
    assert f <= min(target.values) + slack(1.0) < 1 + 1e-12
    assert any(value == f and (point == x).all() for value, point in zip(target.values, target.points, strict=True))
    assert nfev < 300


def test_kinks_are_followed_to_the_minimum_from_any_start():
    def kink(x):
        return 1 + np.abs(x).sum() + x @ x / 2, np.sign(x) + x

    for x0 in np.random.default_rng(0).normal(0, 3, (40, 3)):
        assert solve(LBFGS(), Compiled(kink, x0))[1] <= 1 + 1e-12


def test_rectified_networks_end_as_low_as_with_scipy():
    problems = NeuralNet().sample(60, rng=3)
    ours = l2o.minimize_many(problems, method="lbfgs", options={"gtol": GTOL}).fun
    with np.errstate(all="ignore"):
        theirs = np.array([scipy.optimize.minimize(
            problems[i].value_and_grad, problems.x0[i], jac=True, method="L-BFGS-B",
            options={"gtol": GTOL, "ftol": 0.0, "maxiter": 5000}).fun for i in range(len(problems))])
    best = np.minimum(ours, theirs) + 1e-6
    assert (ours <= best).sum() >= (theirs <= best).sum()


@pytest.mark.parametrize("level", [1.0, 1e6, 1e12])
def test_level_does_not_matter_but_for_rounding(level):
    target = Compiled(lambda x: (level + ((x - 1) ** 2) @ [1, 30], 2 * (x - 1) * [1, 30]), [3.0, 2.0])
    x, _, _, _, nfev, status = solve(LBFGS(), target)
    assert status == 0
    assert nfev < 40
    np.testing.assert_allclose(x, 1, atol=1e-4)


def test_slopes_decide_where_values_differ_by_rounding_alone():
    def flat(x):
        return 1 + np.finfo(float).eps * (len(target.values) % 7 or 7), 1e-18 * x  # rising, six times of seven

    target = Compiled(flat, [100.0, -50.0])
    _, _, _, _, nfev, status = solve(LBFGS(), target, gtol=1e-21)
    assert status == 0
    assert nfev < 15


def test_noise_ends_with_precision_loss_and_not_with_the_limit():
    rng = np.random.default_rng(0)
    target = Compiled(lambda x: (x @ x + 1e-9 * rng.standard_normal(), 2 * x), [3.0, -2.0])
    x, f, _, _, nfev, status = solve(LBFGS(), target, gtol=1e-300)
    assert status in (0, 2)  # 0: a gradient of zero
    assert nfev < 300
    assert f <= 1e-8
    assert np.abs(x).max() < 1e-3


@pytest.mark.parametrize("method", [LBFGS(), Newton()], ids=repr)
def test_run_without_tolerance_ends_soon_after_the_floor_of_precision(method):
    runs = l2o.rollout(Logistic().sample(100, rng=5), method=method, n_steps=400)
    assert set(runs.status.tolist()) <= {0, 2}
    assert np.abs(runs.jac[:, -1]).max() < 1e-8
    assert (~np.isnan(runs.evaluations)).sum(axis=1).max() < 150


# -- directions ----------------------------------------------------------------------------------------


def dense_inverse(S, Y, dim):
    """Return H of the BFGS update of s'y / y'y I with the pairs (Nocedal and Wright, 2006, equation 6.17)."""
    H = np.eye(dim) * (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y in zip(S, Y):
        left = np.eye(dim) - np.outer(s, y) / (y @ s)
        H = left @ H @ left.T + np.outer(s, s) / (y @ s)
    return H


def direction(S, Y, g, memory):
    """Return the direction of the kernels."""
    return native_parts.direction(_kernels.lbfgs.method(memory), S, Y, g)


@pytest.mark.parametrize("memory", [1, 3, 10])
@pytest.mark.parametrize("pairs", [1, 2, 3, 7, 10, 25])
def test_direction_is_the_product_with_the_dense_matrix(memory, pairs):
    rng = np.random.default_rng(pairs)
    for dim in (1, 4, 12):
        root = rng.standard_normal((dim, dim))
        A = root @ root.T + np.eye(dim)
        S, g = rng.standard_normal((pairs, dim)), rng.standard_normal(dim)
        kept = slice(-memory, None)
        expected = -dense_inverse(S[kept], (S @ A)[kept], dim) @ g
        np.testing.assert_allclose(direction(S, S @ A, g, memory), expected, rtol=1e-9, atol=1e-12)


def test_pair_without_positive_curvature_is_not_taken():
    rng = np.random.default_rng(0)
    S, Y, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    Y *= np.sign((S * Y).sum(axis=1))[:, None]
    expected = direction(S, Y, g, 10)
    across = Y[2] - (Y[2] @ S[2]) / (S[2] @ S[2]) * S[2]
    for s, y in ((S[0], -Y[0]), (np.zeros(4), Y[0]), (S[0], np.zeros(4)), (S[0], np.full(4, np.nan)),
                 (S[0], np.full(4, np.inf)), (S[2], across + 1e-17 * S[2]), (1e-200 * S[0], 1e-200 * Y[0])):
        np.testing.assert_array_equal(direction(np.vstack([S, s]), np.vstack([Y, y]), g, 10), expected)


@pytest.mark.parametrize("dim", [1, 4, 12, 20])
def test_newton_solves_a_quadratic_in_one_step(dim):
    rng = np.random.default_rng(dim)
    root = rng.standard_normal((dim, dim))
    A, b = root @ root.T + 0.1 * np.eye(dim), rng.standard_normal(dim)
    target = Compiled(lambda x: (x @ A @ x / 2 - b @ x, A @ x - b), rng.standard_normal(dim), lambda x: A)
    x, _, _, nit, nfev, status = solve(Newton(), target, gtol=1e-8)
    assert (nit, nfev, status, target.hessians) == (1, 2, 0, 1)
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-6)


@pytest.mark.parametrize("hessian", [
    lambda x: np.diag([3 * x[0] ** 2 - 1, 1.0]), lambda x: np.zeros((2, 2)), lambda x: np.full((2, 2), np.nan),
    lambda x: -np.eye(2), lambda x: np.array([[1.0, 2.0], [2.0, 1.0]]), lambda x: 1,
], ids=["right", "zero", "nan", "negative", "indefinite", "refused"])
def test_newton_finds_a_minimum_with_any_hessian(hessian):
    target = Compiled(lambda x: (x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2 / 2, np.array([x[0] ** 3 - x[0], x[1]])),
                      [0.1, 3.0], hessian)
    f = record(Newton(), target, 20)[1]
    assert (np.diff(f) <= slack(f[:-1])).all()
    x, f, _, _, _, status = solve(Newton(), target, maxiter=3000)  # a Hessian that is wrong is slow
    assert status == 0
    np.testing.assert_allclose(np.abs(x), [1, 0], atol=1e-4)
    assert f == pytest.approx(-0.25)


def test_newton_without_a_hessian_takes_differences(problems):
    result = l2o.minimize(lambda x: (x @ x, 2 * x), [1.0], method="newton")
    assert (result.success, result.x.tolist()) == (True, [0.0])
    found = Newton().solve(Compiled(lambda x: (x @ x, 2 * x), [1.0]), Stopping(1e-5, 10, 10))
    assert found.status.tolist() == [0]
    assert l2o.minimize(problems[0], method="newton").success
    report = l2o.compare(problems, {"a": "newton", "b": "lbfgs", "c": "scipy-lbfgs"}, n_steps=4, n_bootstrap=10)
    assert report.curves()["a"].mean[-1] < report.curves()["b"].mean[-1]


# -- where functions misbehave -------------------------------------------------------------------------


OUTSIDE = {"nan": (np.nan, np.zeros(3)), "inf": (np.inf, np.zeros(3)), "-inf": (-np.inf, np.zeros(3)),
           "slope": (0.0, np.full(3, np.nan)), "code": 1}


@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=OUTSIDE)
def test_region_that_is_not_finite_is_walked_round(outside):
    weight = np.array([0.1, 1.0, 30.0])

    def barrier(x):
        return (weight @ x - np.log(x).sum(), weight - 1 / x) if (x > 0).all() else outside

    for x0 in ([1e-3, 1.0, 5.0], [50.0, 50.0, 50.0], [0.01, 0.01, 0.01]):
        target = Compiled(barrier, x0, lambda x: np.diag(1 / x**2))
        for method in (LBFGS(), Newton()):
            x, f, _, _, nfev, status = solve(method, target)
            assert status == 0
            np.testing.assert_allclose(x, 1 / weight, rtol=1e-3)
            assert f <= barrier(np.array(x0))[0]
            assert nfev < 150


@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("method", [LBFGS(), Newton()], ids=repr)
def test_function_that_is_finite_at_the_start_only_has_status_3_and_the_start(method, outside):
    x0 = np.array([1.0, -2.0, 3.0])
    target = Compiled(lambda x: (x @ x, 2 * x) if (x == x0).all() else outside, x0, lambda x: 2 * np.eye(3))
    x, f, g, nit, nfev, status = solve(method, target)
    assert (status, nit) == (3, 0)
    assert nfev <= 21
    np.testing.assert_array_equal(x, x0)
    np.testing.assert_array_equal(g, 2 * x0)
    assert f == 14


@pytest.mark.parametrize("method", [LBFGS(), Newton()], ids=repr)
@pytest.mark.parametrize("at", [1, 2, 3, 6])
def test_negative_code_ends_the_run_with_status_4_and_the_best_point(at, method):
    def failing(x):
        return (x**2 @ x**2, 4 * x**3) if len(target.values) + 1 < at else -1

    target = Compiled(failing, [1.0, 2.0, 3.0], lambda x: np.diag(12 * x**2))
    x, f, _, _, nfev, status = solve(method, target, gtol=1e-12)
    assert (status, nfev, len(target.values)) == (4, at, at)
    if at > 1:
        assert f == min(target.values)
        np.testing.assert_array_equal(x, target.points[int(np.argmin(target.values))])


def test_negative_code_of_the_hessian_ends_the_run_with_status_4():
    target = Compiled(lambda x: (x @ x, 2 * x), [1.0, 2.0], lambda x: -1)
    assert solve(Newton(), target)[3:] == (0, 1, 4)


def test_start_outside_of_the_domain_has_status_3():
    for outside in OUTSIDE.values():
        for method in (LBFGS(), Newton()):
            target = Compiled(lambda x, r=outside: r, [1.0, 2.0, 3.0], lambda x: np.eye(3))
            x, _, _, nit, nfev, status = solve(method, target)
            assert (nit, nfev, status) == (0, 1, 3)
            np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])


def test_function_without_a_minimum_ends_below_its_start():
    for value_and_grad in (lambda x: (-x.sum(), -np.ones(2)), lambda x: (-np.exp(x).sum(), -np.exp(x))):
        with np.errstate(over="ignore"):
            target = Compiled(value_and_grad, [0.0, 1.0])
            _, f, g, _, _, status = solve(LBFGS(), target, maxiter=50)
        assert status in (1, 2, 3)
        assert np.isfinite(f)
        assert np.isfinite(g).all()
        assert f < target.values[0]


@pytest.mark.parametrize("size", [1e-150, 1e150, 1e300])
def test_size_of_the_values_does_not_matter(size):
    target = Compiled(lambda x: (size * (x @ x), 2 * size * x), [3.3, -2.1])
    _, _, _, _, nfev, status = solve(LBFGS(), target, gtol=1e-9 * size)
    assert status == 0
    assert nfev < 10


@pytest.mark.parametrize("maxfun", [*range(1, 14), 40])
def test_maxfun_is_exact_in_the_midst_of_a_line_search(maxfun):
    function = FUNCTIONS["rosenbrock"]
    for method in (LBFGS(), Newton()):
        target = Compiled(function.value_and_grad, function.start(4), lambda x: np.eye(4))
        x, f, _, _, nfev, status = solve(method, target, maxfun=maxfun)
        assert (nfev, len(target.values), status) == (maxfun, maxfun, 1)
        assert f == min(target.values)
        np.testing.assert_array_equal(x, target.points[int(np.argmin(target.values))])


def test_record_holds_every_evaluation_in_order():
    function = FUNCTIONS["helical-valley"]
    for n_steps in (0, 1, 7, 200):
        target = Compiled(function.value_and_grad, [function.start(4), function.start(4) + 0.3])
        x, f, g, nfev, status, evaluations = LBFGS().record(target, n_steps)
        assert x.shape == (2, n_steps + 1, 4)
        made = ~np.isnan(evaluations)
        assert evaluations[made].tolist() == target.values
        assert (made.sum(axis=1) >= nfev[:, -1]).all()
        for i in range(2):
            for t in range(n_steps + 1):
                assert f[i, t] == function.value_and_grad(x[i, t])[0]
                np.testing.assert_array_equal(g[i, t], function.value_and_grad(x[i, t])[1])
        assert (status == 1).all() if n_steps < 10 else (status != 1).all()


def test_long_batch_is_recorded_like_its_parts():
    problems = Logistic(n_points=20).sample(600, rng=1)
    for method in (LBFGS(), Newton()):
        whole = method.record(problems, 5)
        for rows in (slice(0, 3), slice(255, 258), slice(597, 600)):
            part = method.record(problems[rows], 5)
            for a, b in zip(whole[:-1], part[:-1]):
                np.testing.assert_array_equal(a[rows], b)
            n = part[-1].shape[1]
            np.testing.assert_array_equal(whole[-1][rows, :n], part[-1])
            assert np.isnan(whole[-1][rows, n:]).all()


# -- taking over ---------------------------------------------------------------------------------------


def resume(target, S, Y, x, *, nfev=5, gtol=1e-8, maxfun=15000, memory=10, first=None):
    """Return what L-BFGS does from x, whose value is known, with pairs that others have paid for."""
    f, g = target.value_and_grad(x)
    batch = Compiled(target.value_and_grad, x)
    x, f, _, nit, nfev, status = native_parts.resume(
        batch.function, int(batch.addresses()[0]), _kernels.lbfgs.method(memory), (S, Y), Stopping(gtol, 1000, maxfun),
        (x, f, g), first=f if first is None else first, lowest=f, nit=3, nfev=nfev)
    return x, f, nit, nfev, status, batch.values


def test_run_that_is_taken_over_begins_with_the_pairs_already_paid_for():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((4, 4))
    A = root @ root.T + np.eye(4)

    class Quadratic:
        value_and_grad = staticmethod(lambda x: (x @ A @ x / 2, A @ x))

    conjugate = np.linalg.eigh(A)[1].T.copy()  # these pairs tell the whole Hessian
    x0 = rng.standard_normal(4)
    x, f, nit, nfev, status, values = resume(Quadratic, conjugate, conjugate @ A, x0)
    assert (nit, nfev, status, len(values)) == (4, 6, 0, 1)  # one more step, one more evaluation
    np.testing.assert_allclose(x, 0, atol=1e-8)
    cold = resume(Quadratic, np.empty((0, 4)), np.empty((0, 4)), x0)
    assert cold[3] > 8
    assert f == pytest.approx(cold[1], abs=1e-14)


def test_run_that_is_taken_over_without_pairs_is_a_cold_one_less_its_first_evaluation():
    for name in ("rosenbrock", "wood", "beale"):
        function = FUNCTIONS[name]
        cold = Compiled(function.value_and_grad, function.start(4))
        x, f, _, nit, nfev, _ = solve(LBFGS(), cold, gtol=1e-8)
        taken = resume(function, np.empty((0, 4)), np.empty((0, 4)), function.start(4))
        np.testing.assert_array_equal(taken[0], x)
        assert taken[1:4] == (f, nit + 3, nfev + 4)
        assert cold.values[1:] == taken[5]


def test_limits_count_what_was_done_before():
    function = FUNCTIONS["rosenbrock"]
    taken = resume(function, np.empty((0, 4)), np.empty((0, 4)), function.start(4), nfev=5, maxfun=9)
    assert taken[3:5] == (9, 1)
    assert len(taken[5]) == 4
    taken = resume(function, np.empty((0, 4)), np.empty((0, 4)), np.ones(4), nfev=5)
    assert taken[2:5] == (3, 5, 0)
