"""The kernel of Levenberg and Marquardt, beside SciPy's, on a model that is written out in C's terms."""

import numba
import numpy as np
import pytest
from numba import types
from scipy.optimize import curve_fit, least_squares

from l2o import _kernels

TIMES = np.linspace(0.0, 4.0, 30)
DOUBLES = types.CPointer(types.float64)


@numba.cfunc(types.int32(DOUBLES, DOUBLES, types.intp, DOUBLES, DOUBLES, types.intp, DOUBLES))
def decay(p, t, n, values, jacobian, d, user):
    """A exp(-k t) + c; it fails at k above user[0], and is not a number at k below -user[0]."""
    if p[1] > user[0]:
        return 1
    for i in range(n):
        part = np.exp(-p[1] * t[i]) if p[1] > -user[0] else np.nan
        values[i] = p[0] * part + p[2]
        jacobian[i], jacobian[n + i], jacobian[2 * n + i] = part, -p[0] * part * t[i], 1.0
    return 0


def curve(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


def drawn(m, seed=0, noise=0.05):
    """Return values (m, 30) and starts (m, 3)."""
    rng = np.random.default_rng(seed)
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal((m, 3)))
    y = np.array([curve(TIMES, *row) for row in p]) + noise * rng.standard_normal((m, len(TIMES)))
    return y, np.column_stack([y[:, 0] - y[:, -1], np.ones(m), y[:, -1]])


def fit(y, x0, *, t=TIMES, sigma=None, box=(None, None), rule=_kernels.levenberg.MORE, first=100.0, tol=1e-3, most=500,
        offsets=None, limit=np.inf):
    """Run the kernel; return what it fills, by name."""
    (m, d), limit = x0.shape, np.array([limit])
    offsets = np.arange(m + 1) * y.shape[-1] if offsets is None else offsets
    found = {"x": x0.copy(), "cov": np.empty((m, d, d)), "chi2": np.empty(m), "used": np.empty(m, np.intp),
             "nfev": np.empty(m, np.intp), "nit": np.empty(m, np.intp), "status": np.empty(m, np.intc),
             "on_bound": np.empty((m, d), np.bool_)}
    _kernels.levenberg.fit_many(decay.address, limit.ctypes.data, rule, np.atleast_1d(first), _kernels.levenberg.LINEAR,
                                tol, most, 1, t.reshape(-1, 1), y.reshape(-1), sigma, offsets, *box, *found.values())
    return found


RULES = {"more": (_kernels.levenberg.MORE, 100.0), "nielsen": (_kernels.levenberg.NIELSEN, 1e-2)}


@pytest.mark.parametrize("rule", RULES)
def test_fit_is_where_scipy_ends(rule):
    y, x0 = drawn(40)
    found = fit(y, x0, tol=1e-8, rule=RULES[rule][0], first=RULES[rule][1])
    assert (found["status"] == 0).all()
    for i in range(40):
        x, cov = curve_fit(curve, TIMES, y[i], p0=x0[i], ftol=1e-14, xtol=1e-14, gtol=1e-14)
        assert found["x"][i] == pytest.approx(x, rel=1e-6)
        assert found["cov"][i] * found["chi2"][i] / 27 == pytest.approx(cov, rel=1e-5)
        assert found["chi2"][i] == pytest.approx(((curve(TIMES, *x) - y[i]) ** 2).sum(), rel=1e-12)


def test_fit_stops_within_standard_errors():
    y, x0 = drawn(300)
    end, near = fit(y, x0, tol=1e-9), fit(y, x0)
    step = near["x"] - end["x"]
    variance = end["chi2"] / 27
    distance = np.sqrt(np.einsum("mi,mij,mj->m", step, np.linalg.inv(end["cov"]), step) / variance / 3)
    assert distance.max() < 1e-3
    assert near["nfev"].mean() < 5


def test_minimum_at_infinity_is_not_converged_and_ends_early():
    """Where the first point is high and the second low, the larger the rate the better."""
    y = 0.02 * np.random.default_rng(0).standard_normal((20, 30)) + (TIMES == 0.0)
    y[:, 1] = -0.2
    found = fit(y, np.ones((20, 3)))
    assert (found["status"] == 6).all()
    assert found["nfev"].max() < 50


def test_row_is_the_single_fit():
    y, x0 = drawn(20)
    y[3, ::4] = np.nan
    many = fit(y, x0)
    for i in range(20):
        alone = fit(y[i : i + 1], x0[i : i + 1])
        for name, column in alone.items():
            np.testing.assert_array_equal(many[name][i], column[0], name)


@pytest.mark.parametrize("unit", [1e-15, 1e12])
def test_units_of_the_data_do_not_matter(unit):
    y, x0 = drawn(40)
    here, there = fit(y, x0), fit(y * unit, x0 * [unit, 1.0, unit])
    np.testing.assert_array_equal(here["status"], there["status"])
    np.testing.assert_array_equal(here["nfev"], there["nfev"])
    np.testing.assert_allclose(there["x"] / [unit, 1.0, unit], here["x"], rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_of_a_column_do_not_matter(unit):
    y, x0 = drawn(40)
    here, there = fit(y, x0), fit(y, x0 * [1.0, unit, 1.0], t=TIMES / unit)
    np.testing.assert_array_equal(here["status"], there["status"])
    np.testing.assert_allclose(there["x"] / [1.0, unit, 1.0], here["x"], rtol=1e-9)


def test_masked_points_are_as_absent():
    y, x0 = drawn(20)
    holes = np.random.default_rng(1).random(y.shape) < 0.3
    whole = fit(np.where(holes, np.nan, y), x0)
    by_sigma = fit(y, x0, sigma=np.where(holes, np.inf, 1.0).reshape(-1))
    kept = [~row for row in holes]
    offsets = np.concatenate([[0], np.cumsum([row.sum() for row in kept])])
    ragged = fit(np.concatenate([row[keep] for row, keep in zip(y, kept)]), x0, offsets=offsets,
                 t=np.concatenate([TIMES[keep] for keep in kept]))
    for name in whole:
        np.testing.assert_array_equal(whole[name], ragged[name], name)
        np.testing.assert_array_equal(whole[name], by_sigma[name], name)
    np.testing.assert_array_equal(whole["used"], (~holes).sum(axis=1))


def test_weights_are_those_of_scipy():
    y, x0 = drawn(5)
    sigma = np.linspace(0.02, 0.2, 30)
    found = fit(y, x0, sigma=sigma, tol=1e-8)
    for i in range(5):
        x, cov = curve_fit(curve, TIMES, y[i], p0=x0[i], sigma=sigma, absolute_sigma=True, xtol=1e-14, ftol=1e-14)
        assert found["x"][i] == pytest.approx(x, rel=1e-6)
        assert found["cov"][i] == pytest.approx(cov, rel=1e-5)


def test_bounds_are_reached_and_kept():
    y, x0 = drawn(60)
    low, high = np.array([0.8, -np.inf, 0.9]), np.array([1.5, 1.0, np.inf])
    box = np.tile(low, (60, 1)), np.tile(high, (60, 1))
    found = fit(y, x0, box=box, tol=1e-6)
    assert (found["status"] == 0).all()
    assert ((low <= found["x"]) & (found["x"] <= high)).all()
    np.testing.assert_array_equal(found["on_bound"], (found["x"] == low) | (found["x"] == high))
    assert 20 < found["on_bound"].any(axis=1).sum() < 60
    assert np.isnan(found["cov"][found["on_bound"].any(axis=1)]).any(axis=(1, 2)).all()
    for i in range(0, 60, 6):
        best = least_squares(lambda p, i=i: curve(TIMES, *p) - y[i], np.clip(x0[i], low + 1e-6, high - 1e-6),
                             bounds=(low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15)
        assert found["chi2"][i] == pytest.approx(2 * best.cost, rel=1e-8)


def test_fixed_parameter_is_as_none():
    y, x0 = drawn(10)
    x0[:, 2] = 0.7
    low, high = np.full(x0.shape, -np.inf), np.full(x0.shape, np.inf)
    low[:, 2] = high[:, 2] = 0.7
    found = fit(y, x0, box=(low, high), tol=1e-8)
    for i in range(10):
        x, cov = curve_fit(lambda t, a, k: curve(t, a, k, 0.7), TIMES, y[i], p0=x0[i, :2], xtol=1e-14, ftol=1e-14)
        assert found["x"][i] == pytest.approx([*x, 0.7], rel=1e-6)
        assert found["cov"][i, :2, :2] * found["chi2"][i] / 28 == pytest.approx(cov, rel=1e-5)
    assert not found["cov"][:, 2].any()
    assert not found["on_bound"].any()


def test_data_without_noise_are_met():
    p = np.array([[2.0, 1.5, 0.3]])
    found = fit(curve(TIMES, *p[0])[None], p * 1.3)
    assert found["status"][0] == 0
    assert found["x"] == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("start", ["model fails", "not a number", "data not finite", "too few points"])
def test_fit_that_cannot_begin_is_a_status(start):
    y, x0 = drawn(3)
    x0[1, 1] = {"model fails": 60.0, "not a number": -60.0}.get(start, x0[1, 1])
    y[1, :28] = {"data not finite": np.inf, "too few points": np.nan}.get(start, y[1, :28])
    found = fit(y, x0, limit=50.0)
    assert found["status"].tolist() == [0, {"too few points": 5, "model fails": 4}.get(start, 3), 0]
    np.testing.assert_array_equal(found["x"][1], x0[1])
    assert np.isnan(found["cov"][1]).all()
    assert np.isnan(found["chi2"][1])


def test_trial_where_the_model_fails_is_rejected():
    y, x0 = drawn(20)
    x0[:, 1] = 0.1
    free, more = fit(y, x0, tol=1e-8), 0
    for i in range(20):
        limited = fit(y[i : i + 1], x0[i : i + 1], tol=1e-8, limit=1.3 * free["x"][i, 1])
        assert limited["x"][0] == pytest.approx(free["x"][i], rel=1e-7)
        more += limited["nfev"][0] - free["nfev"][i]
    assert more > 0  # how often a trial goes beyond the limit depends on last digits


def test_parameter_without_influence_is_singular():
    """All t alike: amplitude and rate are one, and only their curve's height is known."""
    y, x0 = drawn(4)
    found = fit(y, x0, t=np.full(30, 0.5))
    assert found["status"].tolist() == [6] * 4
    assert np.isinf(found["cov"][:, [0, 1, 2], [0, 1, 2]]).all()


def test_limit_is_kept():
    y, x0 = drawn(3)
    found = fit(y, x0 * 3.0, most=2)
    assert found["status"].tolist() == [1] * 3
    assert found["nfev"].tolist() == [2] * 3
