"""The method of Levenberg and Marquardt in the seat: what all methods keep, and what it finds on sums of squares."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import l2o
from l2o.baselines import LevenbergMarquardt
from l2o.solving.counting import evaluations_until

TIMES = np.linspace(0.0, 4.0, 30)
SIGMA = np.linspace(0.04, 0.06, 30)


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def dose(t, p):
    return p[0] + (p[1] - p[0]) / (1.0 + np.exp(p[2] * (t - p[3])))


@l2o.model
def plane(t, p):
    return p[0] + p[1] * t[0] + p[2] * t[1]


@l2o.model
def root(t, p):
    return np.sqrt(p[0]) * t


def draw(rng):
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal(3))
    y = p[0] * np.exp(-p[1] * TIMES) + p[2] + 0.05 * rng.standard_normal(30)
    return y, [y[0] - y[-1], 1.0, y[-1]]


@pytest.fixture(scope="module")
def family():
    return l2o.families.LeastSquares(decay, TIMES, draw, sigma=SIGMA)


@pytest.fixture(scope="module")
def problems(family):
    return family.sample(60, rng=1)


def curves(problems):
    return np.array([table[:, 1] for table in problems.data()])


def equal(one, other):
    names = ("x", "fun", "jac", "nfev", "status")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_normal_equations_are_the_products_of_residuals_and_derivatives(problems):
    """By SciPy: a step of Gauss and Newton from the start is what one step of the method takes without a radius."""
    x = l2o.minimize_many(problems, method=LevenbergMarquardt("nielsen", 1e-13), options={"maxfun": 2}).x
    for i, y in enumerate(curves(problems)):
        J, r = decay.jacobian(TIMES, problems.x0[i]) / SIGMA[:, None], (decay(TIMES, problems.x0[i]) - y) / SIGMA
        step = np.linalg.lstsq(J, -r, rcond=None)[0]
        if np.array_equal(x[i], problems.x0[i]):
            continue  # it led uphill
        np.testing.assert_allclose(x[i] - problems.x0[i], step, rtol=1e-7)


@pytest.mark.parametrize("damping", ["more", "nielsen"])
def test_runs_end_where_scipy_does(problems, damping):
    batch = l2o.minimize_many(problems, method=LevenbergMarquardt(damping), tol=1e-5)
    assert batch.success.all()
    for i, y in enumerate(curves(problems)[:20]):
        theirs = least_squares(lambda p, y=y: (decay(TIMES, p) - y) / SIGMA, problems.x0[i], ftol=1e-15, xtol=1e-15,
                               gtol=1e-12)
        np.testing.assert_allclose(batch.x[i], theirs.x, rtol=1e-6)
        assert batch.fun[i] == pytest.approx(theirs.cost, rel=1e-12)


def test_value_and_gradient_are_those_of_the_objective(problems):
    batch = l2o.minimize_many(problems, method="lm")
    fun, jac = problems.value_and_grad(batch.x)
    np.testing.assert_allclose(batch.fun, fun, rtol=1e-13)
    np.testing.assert_allclose(batch.jac, jac, rtol=1e-9, atol=1e-9)


def test_evaluations_are_a_fraction_of_those_of_lbfgs(problems):
    ours, theirs = (l2o.minimize_many(problems, method=method) for method in ("lm", "lbfgs"))
    assert ours.success.all()
    assert ours.nfev.mean() < 0.5 * theirs.nfev.mean()
    np.testing.assert_allclose(ours.fun, theirs.fun, rtol=1e-8)


def test_method_where_none_is_named(problems):
    assert equal(l2o.minimize_many(problems), l2o.minimize_many(problems, method="lm"))
    assert equal(l2o.minimize(problems[3]), l2o.minimize(problems[3], method="lm"))
    assert l2o.minimize_many(problems).learned is None
    assert l2o.minimize_many(problems, method="adaptive").learned is not None
    assert l2o.minimize_many(problems, ordered=True).learned is not None


def test_row_is_the_single_run_for_any_workers(problems):
    batch = l2o.minimize_many(problems, method="lm")
    assert equal(batch, l2o.minimize_many(problems, method="lm", workers=2))
    for i in range(0, 60, 7):
        one = l2o.minimize(problems[i], method="lm")
        np.testing.assert_array_equal(one.x, batch.x[i])
        assert (one.fun, one.nfev, one.status) == (batch.fun[i], batch.nfev[i], batch.status[i])


def test_bounds_and_fixed_are_those_of_curve_fit(problems):
    low, high = np.array([0.0, 0.8, 1.0]), np.array([1.2, 1.5, np.inf])
    pairs = list(zip(low, high))
    fit = l2o.curve_fit_many(decay, TIMES, curves(problems), problems.x0, sigma=SIGMA, bounds=(low, high), tol=1e-8)
    batch = l2o.minimize_many(problems, method="lm", bounds=pairs)
    assert batch.success.all()
    assert fit.on_bound.any(axis=1).mean() > 0.3
    np.testing.assert_allclose(2.0 * batch.fun, fit.chi2, rtol=1e-8)
    np.testing.assert_array_equal(batch.x[fit.on_bound], fit.x[fit.on_bound])
    held = l2o.minimize_many(problems, method="lm", fixed=[False, True, False])
    np.testing.assert_array_equal(held.x[:, 1], problems.x0[:, 1])
    linear = l2o.curve_fit_many(decay, TIMES, curves(problems), problems.x0, sigma=SIGMA, fixed=[False, True, False])
    np.testing.assert_allclose(2.0 * held.fun, linear.chi2, rtol=1e-8)
    everything = l2o.minimize_many(problems, method="lm", fixed=np.ones(3, bool))
    assert everything.success.all()
    assert (everything.nfev == 1).all()


@pytest.mark.parametrize("options", [{"maxiter": 0}, {"maxfun": 1}, {"maxiter": 2}, {"maxfun": 3}])
def test_limits_are_kept(problems, options):
    batch = l2o.minimize_many(problems, method="lm", options=options)
    assert (batch.nit <= options.get("maxiter", 99)).all()
    assert (batch.nfev <= options.get("maxfun", 99)).all()
    assert (batch.fun <= problems.value_and_grad(problems.x0)[0] * (1 + 1e-14)).all()
    assert set(batch.status.tolist()) <= {0, 1}
    assert 1 in batch.status


@pytest.mark.parametrize("tolerances", [{"gtol": 1e-5}, {"ftol": 1e-9}, {"xtol": 1e-6}, {"gtol": 1e-3, "ftol": 1e-4}])
def test_tolerances_are_those_of_all_methods(problems, tolerances):
    batch = l2o.minimize_many(problems, method="lm", options=tolerances)
    assert batch.success.all()
    lowest = l2o.minimize_many(problems, method="lm", tol=1e-9).fun
    assert (batch.fun <= lowest * (1 + 1e-3)).all()


@pytest.mark.parametrize("unit", [2.0**-50, 2.0**40])
def test_units_of_the_values_do_not_matter(problems, unit):
    one = l2o.families.LeastSquares(decay, TIMES, draw)
    there = one.from_data(curves(problems) * unit, problems.x0 * [unit, 1.0, unit])
    here = one.from_data(curves(problems), problems.x0)
    ours, theirs = (l2o.minimize_many(some, method="lm") for some in (here, there))
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_array_equal(ours.nfev, theirs.nfev)
    np.testing.assert_allclose(theirs.x / [unit, 1.0, unit], ours.x, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_a_column_do_not_matter(problems, unit):
    here = l2o.families.LeastSquares(decay, TIMES, draw).from_data(curves(problems), problems.x0)
    scaled = l2o.families.LeastSquares(decay, TIMES / unit, draw)
    ours, theirs = (l2o.minimize_many(some, method="lm") for some in
                    (here, scaled.from_data(curves(problems), problems.x0 * [1.0, unit, 1.0])))
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_allclose(theirs.fun, ours.fun, rtol=1e-8)


def test_minimum_at_infinity_is_no_success_and_ends_early():
    t = np.repeat(np.linspace(-3.5, 3.5, 8), 2)
    rng = np.random.default_rng(0)
    Y = np.where(t > 3.0, 0.2, 1.0) + 0.01 * rng.standard_normal((20, 16))
    Y[:, :14] -= 0.02 * np.exp(t[:14])  # it bends downwards, and only beyond the points it would end
    family = l2o.families.LeastSquares(dose, t, lambda rng: (Y[0], np.zeros(4)))
    batch = l2o.minimize_many(family.from_data(Y, np.tile([1.0, 0.2, 1.0, 2.0], (20, 1))), method="lm")
    fit = l2o.curve_fit_many(dose, t, Y, [1.0, 0.2, 1.0, 2.0])
    np.testing.assert_array_equal(batch.success, fit.success)
    assert not batch.success.all()
    assert batch.nfev.max() < 1000


def test_exact_data_are_met():
    family = l2o.families.LeastSquares(decay, TIMES, draw)
    p = np.exp(0.3 * np.random.default_rng(0).standard_normal((20, 3)))
    problems = family.from_data(np.array([decay(TIMES, row) for row in p]), np.ones((20, 3)))
    batch = l2o.minimize_many(problems, method="lm")
    assert batch.success.all()
    np.testing.assert_allclose(batch.x, p, rtol=1e-5)
    again = l2o.minimize_many(problems.with_starts(p), method="lm")
    assert again.success.all()
    assert again.nfev.max() <= 6


def test_start_without_a_value_is_a_status():
    family = l2o.families.LeastSquares(root, TIMES, lambda rng: (2.0 * TIMES, [1.0]))
    problems = family.from_data(np.tile(2.0 * TIMES, (3, 1)), [[-0.5], [1.0], [100.0]])
    batch, by_gradient = (l2o.minimize_many(problems, method=method) for method in ("lm", "lbfgs"))
    assert batch.status.tolist() == [3, 0, 0]
    assert batch.x[1:, 0] == pytest.approx([4.0, 4.0])
    np.testing.assert_array_equal(by_gradient.status[:2], batch.status[:2])
    assert batch.nfev[0] == by_gradient.nfev[0] == 1
    assert np.array_equal(batch.x[0], [-0.5])


def test_points_beyond_the_stack_are_points():
    grid = np.mgrid[:40, :50].reshape(2, -1).T / 10.0
    family = l2o.families.LeastSquares(plane, grid, lambda rng: (grid @ rng.standard_normal(2) + 1.0, np.zeros(3)))
    batch = l2o.minimize_many(family.sample(3, rng=0), method="lm")
    assert batch.success.all()
    np.testing.assert_allclose(batch.x[:, 0], 1.0, rtol=1e-9)


def test_callback_sees_each_step_and_may_stop(problems):
    seen = []
    result = l2o.minimize(problems[0], method="lm", callback=lambda x: seen.append(x.copy()))
    assert len(seen) == result.nit
    np.testing.assert_array_equal(seen[-1], result.x)

    def stop(x):
        raise StopIteration

    assert l2o.minimize(problems[0], method="lm", callback=stop).status == 99


def test_rollout_has_a_row_for_each_accepted_step(problems):
    runs = l2o.rollout(problems, method="lm", n_steps=6)
    assert (np.diff(runs.fun, axis=1) <= 1e-14 * runs.fun[:, :-1]).all()
    np.testing.assert_array_equal(runs.x[:, 0], problems.x0)
    for t in range(7):
        fun, jac = problems.value_and_grad(runs.x[:, t])
        np.testing.assert_allclose(runs.fun[:, t], fun, rtol=1e-13)
        np.testing.assert_allclose(runs.jac[:, t], jac, rtol=1e-8, atol=1e-8)
    made = np.isfinite(runs.evaluations).sum(axis=1)
    assert (made >= runs.nfev[:, -1]).all()
    for i in range(len(problems)):
        for t in range(7):
            assert runs.evaluations[i, : runs.nfev[i, t]].min() == pytest.approx(runs.fun[i, t], rel=1e-13)
    whole = l2o.minimize_many(problems, method="lm")
    for i in np.flatnonzero(whole.nit <= 6):
        assert runs.fun[i, whole.nit[i]] == whole.fun[i]


def test_evaluations_until_a_target_are_counted(problems):
    lowest = l2o.minimize_many(problems, method="lm", tol=1e-9).fun
    targets = np.column_stack([2.0 * lowest, lowest * (1.0 + 1e-6)])
    count = evaluations_until(problems, LevenbergMarquardt(), targets, 50)
    runs = l2o.rollout(problems, method="lm", n_steps=30)
    for i in range(len(problems)):
        for j in range(2):
            assert count[i, j] == np.flatnonzero(runs.evaluations[i] <= targets[i, j])[0]


def test_methods_are_compared_and_tuned_on_least_squares(problems):
    report = l2o.compare(problems, {"lm": "lm", "L-BFGS": "lbfgs"}, n_steps=6)
    assert "lm" in report.table(at=(1, 6))
    tuned, tried = l2o.tune(LevenbergMarquardt, problems[:20], 5, return_grid=True)
    means = [l2o.rollout(problems[:20], method=each, n_steps=5).fun[:, 1:].mean() for each in (tuned, *tried)]
    assert means[0] == min(means)


REFUSED = {
    "'lm', which needs residuals, and the objective, 'logistic', has none; .* families.LeastSquares":
        lambda: l2o.minimize_many(l2o.families.Logistic().sample(2, rng=0), method="lm"),
    "a function of Python, has none": lambda: l2o.minimize(lambda x: x @ x, [1.0], method="lm"),
    "damping is 'less'": lambda: LevenbergMarquardt("less"),
    "factor is 0": lambda: LevenbergMarquardt(factor=0.0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_named(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_newton_by_differences_finds_the_same_minima(problems):
    found, expected = (l2o.minimize_many(problems, method=method, tol=1e-7) for method in ("newton", "lm"))
    both = found.success & expected.success & (np.abs(found.fun - expected.fun) < 1e-6 * (1.0 + expected.fun))
    assert both.mean() > 0.7
    np.testing.assert_allclose(found.x[both], expected.x[both], rtol=1e-3, atol=1e-4)
