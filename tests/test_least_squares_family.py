"""The family of least-squares fits: value and gradient, the same minima as curve_fit_many, policies on it."""

import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import l2o

TIMES = np.linspace(0.0, 4.0, 30)


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def plane(t, p):
    return p[0] + p[1] * t[0] + p[2] * t[1]


def draw(rng):
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal(3))
    y = p[0] * np.exp(-p[1] * TIMES) + p[2] + 0.05 * rng.standard_normal(30)
    return y, [y[0] - y[-1], 1.0, y[-1]]


@pytest.fixture(scope="module")
def family():
    return l2o.families.LeastSquares(decay, TIMES, draw, sigma=np.linspace(0.04, 0.06, 30))


def test_value_is_half_of_chi2(family):
    problems = family.sample(5, rng=0)
    for i, table in enumerate(problems.data()):
        x = problems.x0[i]
        fun, jac = problems[i].value_and_grad(x)
        r = (decay(table[:, 0], x) - table[:, 1]) * table[:, 2]
        assert fun == pytest.approx(0.5 * r @ r, rel=1e-13)
        assert jac == pytest.approx(decay.jacobian(table[:, 0], x).T @ (r * table[:, 2]), rel=1e-11)


def test_family_keeps_the_contract(family):
    l2o.testing.check_family(family)


def test_all_methods_end_where_curve_fit_does(family):
    problems = family.sample(30, rng=1)
    Y = np.array([table[:, 1] for table in problems.data()])
    fit = l2o.curve_fit_many(decay, TIMES, Y, problems.x0, sigma=family.sigma, tol=1e-8)
    for method in ("lbfgs", "cg", l2o.load("universal")):
        batch = l2o.minimize_many(problems, method=method, tol=1e-6)
        np.testing.assert_allclose(batch.x, fit.x, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(2.0 * batch.fun, fit.chi2, rtol=1e-9)


def test_missing_points_are_left_out(family):
    Y = np.array([draw(np.random.default_rng(i))[0] for i in range(4)])
    Y[2, ::3] = np.nan
    problems = family.from_data(Y, np.ones((4, 3)))
    fit = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=family.sigma, tol=1e-8)
    np.testing.assert_allclose(l2o.minimize_many(problems, method="lbfgs", tol=1e-6).x, fit.x, rtol=1e-4, atol=1e-5)


def test_points_of_two_numbers_and_many_points():
    grid = np.mgrid[:40, :50].reshape(2, -1).T / 10.0  # beyond what the stack holds
    family = l2o.families.LeastSquares(plane, grid, lambda rng: (grid @ rng.standard_normal(2) + 1.0, np.zeros(3)))
    batch = l2o.minimize_many(family.sample(3, rng=0), method="lbfgs")
    assert batch.success.all()
    np.testing.assert_allclose(batch.x[:, 0], 1.0, atol=1e-5)


def test_problems_go_to_other_processes(family):
    problems = family.sample(8, rng=0)
    again = pickle.loads(pickle.dumps(problems))
    np.testing.assert_array_equal(again.evaluate(problems.x0)[0], problems.evaluate(problems.x0)[0])
    here = l2o.minimize_many(problems, method="lbfgs")
    with ProcessPoolExecutor(1) as pool:
        np.testing.assert_array_equal(l2o.minimize_many(problems, method="lbfgs", workers=pool).x, here.x)


def test_policy_learns_of_it(family):
    policy = l2o.train(family, n_functions=60, rng=0)
    problems = family.sample(100, rng=7)
    learned, plain = (l2o.minimize_many(problems, method=method) for method in (policy, "lbfgs"))
    assert learned.success.all()
    assert learned.nfev.mean() < plain.nfev.mean()
    report = l2o.compare(problems, {"learned": policy, "L-BFGS": "lbfgs"}, n_steps=5)
    assert "learned" in report.table(at=(1, 5))


def test_network_learns_of_it(family):
    policy = l2o.train(family, policy=l2o.policies.MLP(history=3, width=4), n_functions=3, rng=0,
                       trainer=l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=8, epochs=1))
    assert l2o.minimize_many(family.sample(20, rng=7), method=policy).success.all()


WRONG = {
    "t has shape": (ValueError, {"t": 1.0}),
    "draw is 3": (TypeError, {"draw": 3}),
    "sigma is 0": (ValueError, {"sigma": 0}),
    "model is 3": (TypeError, {"model": 3}),
    "draw returned ndarray": (ValueError, {"draw": lambda rng: TIMES}),
    r"y of draw has shape \(3,\)": (ValueError, {"draw": lambda rng: (np.ones(3), np.ones(3))}),
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_settings_are_named(message):
    error, wrong = WRONG[message]
    given = {"model": decay, "t": TIMES, "draw": draw} | wrong
    with pytest.raises(error, match=message):
        l2o.families.LeastSquares(given.pop("model"), given.pop("t"), given.pop("draw"), **given)


def test_family_without_draw_is_for_data():
    family = l2o.families.LeastSquares(decay, TIMES)
    Y = 2.0 * np.exp(-np.linspace(0.5, 1.5, 5)[:, None] * TIMES)
    problems = family.from_data(Y, np.ones(3))
    assert problems.dim == 3
    assert l2o.minimize_many(problems, method="lm").success.all()
    for draws in (lambda: family.sample(3), lambda: l2o.train(family), lambda: family.dim):
        with pytest.raises(TypeError, match=r"draw is missing; expected a callable, draw\(rng\) -> \(y, x0\)"):
            draws()
