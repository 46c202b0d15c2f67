"""Curve fits with robust losses and of counts, beside SciPy, NumPy and the laws that data were drawn from."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import least_squares

import l2o
from l2o.problems.losses import LOSSES

TIMES = np.linspace(0.0, 4.0, 30)
SIGMA = 0.05
RHO = {  # rho, rho', rho'' of u
    "huber": lambda u: np.array(np.where(u <= 1.0, [u, 1.0 + 0 * u, 0 * u],
                                         [2 * np.sqrt(u) - 1, u ** -0.5, -0.5 * u ** -1.5])),
    "soft_l1": lambda u: np.array([2 * (np.sqrt(1 + u) - 1), (1 + u) ** -0.5, -0.5 * (1 + u) ** -1.5]),
    "cauchy": lambda u: np.array([np.log(1 + u), 1 / (1 + u), -1 / (1 + u) ** 2]),
    "geman-mcclure": lambda u: np.array([u / (1 + u), (1 + u) ** -2.0, -2 * (1 + u) ** -3.0])}


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def growth(t, p):
    return np.exp(p[0] + p[1] * t)


@l2o.model
def spot(t, p):
    return p[0] * np.exp(-0.5 * ((t[0] - p[1]) ** 2 + (t[1] - p[2]) ** 2) / p[3] ** 2) + p[4]


def drawn(m, seed=0, outliers=0.08):
    """Return true parameters (m, 3) and curves (m, 30), of whose points some are far off."""
    rng = np.random.default_rng(seed)
    p = np.exp([0.2, 0.4, 0.2] * rng.standard_normal((m, 3)))
    Y = p[:, :1] * np.exp(-p[:, 1:2] * TIMES) + p[:, 2:] + SIGMA * rng.standard_normal((m, 30))
    off = rng.random(Y.shape) < outliers
    Y[off] += 15 * SIGMA * rng.standard_normal(off.sum())
    return p, Y


def robust(loss, Y, **more):
    return l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 1.0], sigma=SIGMA, loss=loss, **more)


@pytest.mark.parametrize("loss", RHO)
def test_minimum_is_that_of_scipy(loss):
    Y = drawn(20)[1]
    fit = robust(loss, Y, tol=1e-7)
    assert fit.success.all()
    rho = RHO[loss] if loss == "geman-mcclure" else loss
    for i, y in enumerate(Y):
        told = least_squares(lambda p, y=y: (p[0] * np.exp(-p[1] * TIMES) + p[2] - y) / SIGMA, fit.x[i] + 0.01,
                             loss=rho, xtol=1e-15, ftol=1e-15, gtol=1e-12)
        assert fit.chi2[i] == pytest.approx(2.0 * told.cost, rel=1e-9)
        assert fit.x[i] == pytest.approx(told.x, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("loss", RHO)
def test_covariance_is_the_sandwich(loss):
    """Written for reading: K^2 B^-1 (sum of g_i g_i' / (1 - h_i)^2) B^-1, B the mean curvature, h_i the leverage."""
    Y = drawn(20, seed=1)[1]
    fit = robust(loss, Y, tol=1e-7)
    for x, cov, y in zip(fit.x, fit.cov, Y):
        J = decay.jacobian(TIMES, x) / SIGMA
        r = (decay(TIMES, x) - y) / SIGMA
        _, weight, second = RHO[loss](r * r)
        curvature = weight + 2.0 * r * r * second
        share = max(curvature.mean() / weight.mean(), 0.1)
        mean = share * weight.mean()
        inverse = np.linalg.inv(share * J.T @ (weight[:, None] * J))
        leverage = np.clip(share * weight * np.einsum("ni,ij,nj->n", J, inverse, J), 0.0, 0.9)
        each = J * (weight * r / (1.0 - leverage))[:, None]
        correction = 1.0 + 3 / 30 * (np.mean(curvature**2) / mean**2 - 1.0)
        assert cov == pytest.approx(correction**2 * inverse @ (each.T @ each) @ inverse, rel=1e-4)


def test_errors_do_not_scatter():
    """Those of redraws of one curve, by the spread of the estimates; by the curvature of each point tails are 8 and 18.
    """
    rng, times = np.random.default_rng(0), np.linspace(5.0, 120.0, 24)
    clean = 600.0 * np.exp(-times / 53.0) + 40.0
    Y = clean + 15.0 * rng.standard_normal((2000, 24))
    for loss, most, tail in (("huber", 1.2, 3.0), ("cauchy", 1.25, 3.5), ("geman-mcclure", 1.25, 6.0)):
        fit = l2o.curve_fit_many(decay, times, Y, [600.0, 1.0 / 53.0, 40.0], sigma=15.0, loss=loss)
        spread = 1.4826 * np.median(np.abs(fit.x[:, 1] - np.median(fit.x[:, 1])))
        assert 0.9 < np.median(fit.stderr[:, 1]) / spread < most
        assert np.quantile(fit.stderr[:, 1], 0.99) < tail * spread


def test_errors_hold_with_outliers():
    x, Y = drawn(1000, seed=2)
    for loss in ("huber", "soft_l1", "cauchy"):
        fit = robust(loss, Y)
        assert fit.success.mean() > 0.99
        assert 0.93 < np.mean(np.abs(fit.x - x) < 1.96 * fit.stderr) < 0.97


def test_outliers_do_less_harm_than_to_least_squares():
    x, Y = drawn(1000, seed=3)
    plain = np.median(np.abs(robust("linear", Y).x - x), axis=0)
    for loss, share in {"huber": 0.6, "soft_l1": 0.6, "cauchy": 0.6, "geman-mcclure": 0.8}.items():
        assert (np.median(np.abs(robust(loss, Y).x - x), axis=0) < share * plain).all()


def test_weights_show_what_counts_less():
    _, Y = drawn(5, seed=4, outliers=0.0)
    Y[:, 7] += 40 * SIGMA
    Y[0, 3] = np.nan
    for loss in RHO:
        fit = robust(loss, Y)
        u = (fit.residuals() / SIGMA) ** 2
        np.testing.assert_allclose(fit.weights, RHO[loss](u)[1], rtol=1e-12)
        assert (fit.weights[:, 7] < 0.05).all()
        assert np.isnan(fit.weights[0, 3])
    assert (robust("linear", Y).weights[1:] == 1.0).all()
    ragged = l2o.curve_fit_many(decay, [TIMES, TIMES[:20]], [Y[1], Y[2, :20]], [1.0, 1.0, 1.0], sigma=SIGMA,
                                loss="huber")
    assert [len(each) for each in ragged.weights] == [30, 20]


def test_all_points_outliers_have_a_status():
    rng = np.random.default_rng(0)
    for loss in RHO:
        fit = robust(loss, 1e3 * rng.standard_normal((50, 30)))
        assert np.isfinite(fit.x).all()
        assert set(np.unique(fit.status)) <= {0, 1, 2, 6}
        assert np.isfinite(robust(loss, 1e200 * np.ones((1, 30))).x).all()


def test_bounds_and_fixed_hold_in_robust_fits():
    _, Y = drawn(50, seed=5)
    fit = robust("cauchy", Y, bounds=([0.0, 0.0, 1.0], [5.0, 5.0, 5.0]), fixed=[False, True, False])
    free = robust("cauchy", Y, fixed=[False, True, False])
    inside = free.x[:, 2] > 1.0
    assert 5 < inside.sum() < 45
    np.testing.assert_allclose(fit.x[inside], free.x[inside], rtol=1e-3)
    assert (fit.x[~inside, 2] == 1.0).all()
    assert (fit.x[:, 1] == 1.0).all()
    assert np.isnan(fit.stderr[~inside, 2]).all()
    assert (fit.stderr[:, 1] == 0.0).all()
    assert (np.isfinite(fit.stderr) != fit.on_bound).all()
    assert (fit.cov[:, 1] == 0.0).all()


def test_robust_fits_do_not_depend_on_workers():
    Y = drawn(300, seed=6)[1]
    one, two = robust("cauchy", Y), robust("cauchy", Y, workers=2)
    for name in ("x", "cov", "chi2", "nfev"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def counted(m, seed=0):
    rng = np.random.default_rng(seed)
    p = np.column_stack([rng.uniform(0.0, 2.0, m), rng.uniform(-0.5, 0.7, m)])
    return p, rng.poisson(np.exp(p[:, :1] + p[:, 1:] * TIMES)).astype(float)


def test_counts_are_fitted_as_by_iterated_weights():
    """A Poisson regression with a logarithmic link has a textbook algorithm, IRLS."""
    _, Y = counted(20)
    Y[3, 5] = np.nan
    fit = l2o.curve_fit_many(growth, TIMES, Y, [0.5, 0.1], loss="poisson", tol=1e-8)
    assert fit.success.all()
    for x, cov, chi2, y in zip(fit.x, fit.cov, fit.chi2, Y):
        known = ~np.isnan(y)
        X, y, beta = np.column_stack([np.ones(30), TIMES])[known], y[known], np.array([0.5, 0.1])
        for _ in range(100):
            rate = np.exp(X @ beta)
            beta = beta + np.linalg.solve(X.T @ (rate[:, None] * X), X.T @ (y - rate))
        assert x == pytest.approx(beta, abs=1e-8)
        assert cov == pytest.approx(np.linalg.inv(X.T @ (rate[:, None] * X)), rel=1e-6)
        logs = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / rate), 0.0)
        assert chi2 == pytest.approx(2.0 * np.sum(rate - y + logs), rel=1e-9)


def test_errors_of_spots_hold_for_counts():
    rng = np.random.default_rng(7)
    t = np.mgrid[:7, :7].reshape(2, -1).T.astype(float)
    x = np.column_stack([60 * np.exp(0.3 * rng.standard_normal(1000)), rng.uniform(2, 4, (1000, 2)),
                         rng.uniform(0.9, 1.6, 1000), 10 * np.exp(0.2 * rng.standard_normal(1000))])
    Y = rng.poisson([spot(t, p) for p in x]).astype(float)
    fit = l2o.curve_fit_many(spot, t, Y, [60.0, 3.0, 3.0, 1.2, 10.0], loss="poisson")
    assert fit.success.all()
    inside = np.abs(fit.x - x) < 1.96 * fit.stderr
    assert (np.abs(inside.mean(axis=0) - 0.95) < 0.02).all()
    low, high = fit.band()
    true = np.array([spot(t, p) for p in x])
    assert 0.93 < np.mean((low < true) & (true < high)) < 0.97


def test_rates_that_are_not_positive_are_no_crash():
    """At the start: status 3. Later: the step is not taken."""
    Y = counted(5)[1]
    start = l2o.curve_fit_many(lambda t, p: p[0] + p[1] * t, TIMES, Y, [1.0, -1.0], loss="poisson")
    assert (start.status == 3).all()
    near = l2o.curve_fit_many(lambda t, p: p[0] + p[1] * t, TIMES, Y, [1.0, 0.0], loss="poisson")
    assert np.isfinite(near.x).all()
    assert (near.predict() > 0.0).all()
    empty = l2o.curve_fit_many(growth, TIMES, np.zeros((2, 30)), [0.0, 0.0], loss="poisson")
    assert (empty.stderr > 100.0).all()  # the rate falls for ever, but no longer by much of its error


def test_akaike_is_of_likelihoods_only():
    Y = counted(5)[1]
    fit = l2o.curve_fit_many(growth, TIMES, Y, [0.5, 0.1], loss="poisson")
    np.testing.assert_allclose(fit.aicc, fit.chi2 + 4.0 + 12.0 / 27.0)
    assert np.isnan(robust("huber", Y).aicc).all()


def test_what_does_not_fit_is_named():
    Y = np.ones((2, 30))
    with pytest.raises(ValueError, match=r"loss is 'cauchy' and sigma is None; expected sigma"):
        l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 1.0], loss="cauchy")
    with pytest.raises(ValueError, match=r"loss is 'poisson' and sigma is given; expected no sigma"):
        l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 1.0], loss="poisson", sigma=1.0)
    Y[1, 4] = -3.0
    with pytest.raises(ValueError, match=r"Y holds -3\.0 at \(1, 4\); expected counts of at least 0"):
        l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 1.0], loss="poisson")
    with pytest.raises(ValueError, match=r"loss is 'tukey'; expected .*'huber'"):
        l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 1.0], loss="tukey", sigma=1.0)


@pytest.mark.parametrize("loss", ["linear", *RHO, "poisson"])
def test_family_minimises_the_same_loss(loss):
    """The objective that every method sees is half of chi2; "lm" takes the engine's steps on it."""
    counts = loss == "poisson"
    Y = counted(12)[1] if counts else drawn(12, seed=8)[1]
    Y[2, 7] = np.nan
    model, x0, sigma = (growth, [0.5, 0.1], None) if counts else (decay, [1.0, 1.0, 1.0], SIGMA)
    family = l2o.families.LeastSquares(model, TIMES, lambda rng: (np.ones(30), x0), sigma=sigma, loss=loss)
    problems = family.from_data(Y, x0)
    fit = l2o.curve_fit_many(model, TIMES, Y, x0, sigma=sigma, loss=loss, tol=1e-7)
    value, gradient = problems.value_and_grad(fit.x)
    np.testing.assert_allclose(value, 0.5 * fit.chi2, rtol=1e-9)
    start = problems.value_and_grad(problems.x0)[1]
    assert (np.abs(gradient).max(axis=1) < 1e-5 * np.abs(start).max(axis=1)).all()
    many_minima = loss == "geman-mcclure"
    for method in ("lm",) if many_minima else ("lm", "lbfgs"):
        batch = l2o.minimize_many(problems, fit.x + (1e-4 if many_minima else 1e-2), method=method)
        assert batch.success.all()
        np.testing.assert_allclose(batch.fun, 0.5 * fit.chi2, rtol=1e-6)
    assert family.settings()["loss"] == loss


def test_family_says_what_a_loss_needs():
    with pytest.raises(ValueError, match="loss is 'cauchy' and sigma is None"):
        l2o.families.LeastSquares(decay, TIMES, lambda rng: (np.ones(30), [1.0, 1.0, 1.0]), loss="cauchy")
    family = l2o.families.LeastSquares(growth, TIMES, lambda rng: (np.ones(30), [0.5, 0.1]), loss="poisson")
    with pytest.raises(ValueError, match=r"Y holds -1\.0 at \(0, 3\)"):
        family.from_data(np.where(np.arange(30) == 3, -1.0, 1.0)[None], [0.5, 0.1])


def test_loss_is_found_again_in_another_process():
    """Where kernels lie at other addresses."""
    read = ("import pickle, sys; from l2o.problems.losses import LOSSES; "
            "assert all(each is LOSSES[each.name] for each in pickle.loads(sys.stdin.buffer.read()))")
    told = subprocess.run([sys.executable, "-c", read], input=pickle.dumps(list(LOSSES.values())), capture_output=True)
    assert told.returncode == 0, told.stderr.decode()
