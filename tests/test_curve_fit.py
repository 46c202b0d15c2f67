"""curve_fit and curve_fit_many, beside SciPy's; shapes, masks, errors, what users give."""

import pickle
import re

import numpy as np
import pytest
from scipy.optimize import Bounds
from scipy.optimize import curve_fit as scipy_fit

import l2o

TIMES = np.linspace(0.0, 4.0, 30)
NAMES = ["amplitude", "rate", "offset"]


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def plane(t, p):
    return p[0] + p[1] * t[0] + p[2] * t[1]


def curve(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


def drawn(*leading, seed=0, noise=0.05):
    """Return values (..., 30)."""
    rng = np.random.default_rng(seed)
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal((*leading, 3)))
    return curve(TIMES, *np.moveaxis(p[..., None], -2, 0)) + noise * rng.standard_normal((*leading, len(TIMES)))


def guess(t, Y):
    """Return starts (..., 3)."""
    Y = np.asarray(Y)
    return np.stack([Y[..., 0] - Y[..., -1], np.ones(Y.shape[:-1]), Y[..., -1]], axis=-1)


def same(left, right):
    """Compare all columns of two results to the bit."""
    for name in ("x", "cov", "chi2", "dof", "status", "nfev", "nit", "on_bound"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


def test_image_stays_an_image():
    Y = drawn(4, 5)
    fit = l2o.curve_fit_many(decay, TIMES, Y, guess)
    assert fit.success.all()
    assert (fit.x.shape, fit.stderr.shape, fit.cov.shape) == ((4, 5, 3), (4, 5, 3), (4, 5, 3, 3))
    assert {getattr(fit, name).shape for name in ("chi2", "rchi2", "dof", "aicc", "status", "nfev", "nit")} == {(4, 5)}
    assert fit.predict().shape == fit.residuals().shape == Y.shape
    np.testing.assert_array_equal(fit.residuals(), Y - fit.predict())
    np.testing.assert_allclose((fit.residuals() ** 2).sum(axis=-1), fit.chi2, rtol=1e-6)


def test_errors_are_those_of_scipy():
    Y = drawn(5)
    sigma = np.linspace(0.02, 0.2, 30)
    for absolute in (False, True):
        fit = l2o.curve_fit_many(decay, TIMES, Y, guess, sigma=sigma, absolute_sigma=absolute, tol=1e-8)
        for i, y in enumerate(Y):
            x, cov = scipy_fit(curve, TIMES, y, p0=guess(TIMES, y), sigma=sigma, absolute_sigma=absolute, xtol=1e-14,
                               ftol=1e-14)
            assert fit.x[i] == pytest.approx(x, rel=1e-6)
            assert fit.cov[i] == pytest.approx(cov, rel=1e-5)
            assert fit.stderr[i] == pytest.approx(np.sqrt(np.diag(cov)), rel=1e-5)
    np.testing.assert_allclose(fit.correlation[..., [0, 1, 2], [0, 1, 2]], 1.0)
    np.testing.assert_allclose(fit.rchi2, fit.chi2 / 27)


def test_message_is_of_one_fit():
    fit = l2o.curve_fit_many(decay, TIMES, drawn(2, 3), guess)
    assert fit.message((1, 2)).startswith("Optimization terminated successfully")
    with pytest.raises(IndexError, match="i is 0; expected the index of one fit, 2 integers"):
        fit.message(0)
    with pytest.raises(IndexError):
        fit.message((5, 5))


def test_single_fit_is_the_batch_of_one():
    Y = drawn(3)
    many = l2o.curve_fit_many(decay, TIMES, Y, guess)
    for i, y in enumerate(Y):
        one = l2o.curve_fit(decay, TIMES, y, guess)
        assert one.x.shape == (3,)
        assert one.success
        np.testing.assert_array_equal(one.x, many.x[i])
        np.testing.assert_array_equal(one.cov, many.cov[i])
        assert one.chi2 == many.chi2[i]


def test_shared_and_own_points_are_one():
    Y = drawn(2, 3)
    shared = l2o.curve_fit_many(decay, TIMES, Y, guess)
    same(shared, l2o.curve_fit_many(decay, np.broadcast_to(TIMES, Y.shape), Y, guess))
    same(shared, l2o.curve_fit_many(decay, TIMES[:, None], Y, guess))


@pytest.mark.parametrize("own", [False, True])
def test_points_of_two_numbers(own):
    grid = np.mgrid[:4, :5].reshape(2, -1).T.astype(float)
    p = np.random.default_rng(0).standard_normal((6, 3))
    Y = p @ np.column_stack([np.ones(20), grid]).T
    fit = l2o.curve_fit_many(plane, np.tile(grid, (6, 1, 1)) if own else grid, Y, np.zeros(3))
    assert fit.success.all()
    np.testing.assert_allclose(fit.x, p, atol=1e-9)


def test_lists_may_be_ragged():
    Y = [y[: 12 + 3 * i] for i, y in enumerate(drawn(5))]
    t = [TIMES[: len(y)] for y in Y]
    fit = l2o.curve_fit_many(decay, t, Y, np.ones(3), sigma=[np.full(len(y), 0.1) for y in Y])
    assert fit.dof.tolist() == [9 + 3 * i for i in range(5)]
    for i, y in enumerate(Y):
        one = l2o.curve_fit(decay, t[i], y, np.ones(3), sigma=0.1)
        np.testing.assert_array_equal(one.x, fit.x[i])
        np.testing.assert_array_equal(fit.predict()[i], one.predict())
        np.testing.assert_array_equal(fit.residuals()[i], one.residuals())


def test_masks_of_all_kinds_are_one():
    Y, holes = drawn(4, 3), np.random.default_rng(1).random((4, 3, 30)) < 0.3
    p0 = guess(TIMES, Y)
    by_nan = l2o.curve_fit_many(decay, TIMES, np.where(holes, np.nan, Y), p0, sigma=1.0)
    same(by_nan, l2o.curve_fit_many(decay, TIMES, np.ma.array(Y, mask=holes), p0, sigma=1.0))
    same(by_nan, l2o.curve_fit_many(decay, TIMES, Y, p0, sigma=np.where(holes, np.inf, 1.0)))
    np.testing.assert_array_equal(np.isnan(by_nan.residuals()), holes)
    np.testing.assert_array_equal(by_nan.dof, (~holes).sum(axis=-1) - 3)


def test_residuals_leave_out_what_a_common_sigma_masks():
    fit = l2o.curve_fit_many(decay, TIMES, drawn(2), guess, sigma=np.where(TIMES > 3.0, np.inf, 1.0))
    np.testing.assert_array_equal(np.isnan(fit.residuals()), np.tile(TIMES > 3.0, (2, 1)))


def test_arrays_of_others_are_read_by_their_values():
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    Y = drawn(4)
    fit = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3))
    same(fit, l2o.curve_fit_many(decay, pandas.Series(TIMES), pandas.DataFrame(Y), np.ones(3)))
    same(fit, l2o.curve_fit_many(decay, xarray.DataArray(TIMES), xarray.DataArray(Y), np.ones(3)))


def test_arrays_of_any_layout_are_read():
    Y = (drawn(4) * 100).round()
    fit = l2o.curve_fit_many(decay, TIMES, Y, guess)
    strided = np.zeros((8, 60))
    strided[::2, ::2] = Y
    read_only = Y.copy()
    read_only.flags.writeable = False
    for same_values in (Y.astype(int), Y.astype(np.float32), strided[::2, ::2], read_only, np.asfortranarray(Y)):
        same(fit, l2o.curve_fit_many(decay, TIMES, same_values, guess))


@pytest.mark.parametrize("bounds", [([0.8, -np.inf, 0.9], [1.5, 1.0, np.inf]),
                                    Bounds([0.8, -np.inf, 0.9], [1.5, 1.0, np.inf])])
def test_bounds_are_kept(bounds):
    fit = l2o.curve_fit_many(decay, TIMES, drawn(40), guess, bounds=bounds)
    assert fit.success.all()
    assert ((fit.x >= [0.8, -np.inf, 0.9]) & (fit.x <= [1.5, 1.0, np.inf])).all()
    assert 10 < fit.on_bound.any(axis=1).sum() < 40
    np.testing.assert_array_equal(np.isnan(fit.stderr), fit.on_bound)


def test_bounds_may_be_two_numbers_or_each_curves_own():
    Y = drawn(2, 3)
    p0 = guess(TIMES, Y)
    assert (l2o.curve_fit_many(decay, TIMES, Y, p0, bounds=(0.9, np.inf)).x >= 0.9).all()
    fit = l2o.curve_fit_many(decay, TIMES, Y, p0, bounds=(p0 - 0.1, p0 + 0.1))
    assert (np.abs(fit.x - p0) <= 0.1 + 1e-12).all()


def test_errors_beside_a_bound_are_those_without_it():
    """As SciPy's, whose covariance knows nothing of bounds: the bound may not be the truth."""
    Y, low = drawn(40), np.array([0.0, 0.0, 1.0])
    fit = l2o.curve_fit_many(decay, TIMES, Y, guess, sigma=0.05, absolute_sigma=True, bounds=(low, np.inf), tol=1e-6)
    rows = np.flatnonzero(fit.on_bound[:, 2] & ~fit.on_bound[:, :2].any(axis=1))
    assert len(rows) > 5
    for i in rows:
        J = decay.jacobian(TIMES, fit.x[i]) / 0.05
        assert fit.cov[i, :2, :2] == pytest.approx(np.linalg.inv(J.T @ J)[:2, :2], rel=1e-4)
    assert np.isnan(fit.cov[rows, 2]).all()


def test_fixed_parameters_stay():
    Y = drawn(3, 2)
    p0 = guess(TIMES, Y)
    held = np.zeros(p0.shape, bool)
    held[0, 0, 1] = True
    fit = l2o.curve_fit_many(decay, TIMES, Y, p0, fixed=held)
    assert fit.x[0, 0, 1] == p0[0, 0, 1]
    assert (fit.cov[0, 0, 1] == 0.0).all()
    assert (fit.cov[0, 0, :, 1] == 0.0).all()
    assert fit.dof.reshape(-1).tolist() == [28] + [27] * 5
    assert (l2o.curve_fit_many(decay, TIMES, Y, p0, fixed=[False, True, False]).x[..., 1] == p0[..., 1]).all()


def test_bad_members_are_statuses():
    Y = drawn(5)
    Y[0] = np.nan
    Y[1, 2:] = np.nan
    Y[2, 3] = np.inf
    p0 = guess(TIMES, drawn(5))
    p0[3, 1] = np.nan
    fit = l2o.curve_fit_many(decay, TIMES, Y, p0)
    assert fit.status.tolist() == [5, 5, 3, 3, 0]
    np.testing.assert_array_equal(fit.x[:4], p0[:4])
    assert np.isnan(fit.stderr[:4]).all()
    assert "fewer points" in fit.message(0)
    assert fit.message(2) == "A value is infinite, or its sigma NaN: nothing was fitted."
    assert fit.message(3) == "The start is not finite: nothing was fitted."
    assert [(each.rows.tolist(), each.partition(":")[0]) for each in fit.warnings] == [
        ([3], "1 of 5 curves (3)"), ([2], "1 of 5 curves (2)")]
    assert all(each in fit.table() for each in fit.warnings)
    assert fit.success.tolist() == [False] * 4 + [True]


def test_parameter_without_influence_is_named_by_its_error():
    @l2o.model
    def idle(t, p):
        return p[0] * np.exp(-p[1] * t) + 0.0 * p[2]

    fit = l2o.curve_fit(idle, TIMES, 2.0 * np.exp(-TIMES) + 0.01 * np.sin(40 * TIMES), [1.0, 0.5, 3.0])
    assert fit.status == 6
    np.testing.assert_array_equal(np.isinf(fit.stderr), [False, False, True])
    assert fit.x[:2] == pytest.approx([2.0, 1.0], abs=0.02)


def test_exact_fit_leaves_undetermined_what_it_was():
    fit = l2o.curve_fit_many(plane, np.zeros((6, 2)), np.zeros((2, 6)), np.zeros(3))
    assert (fit.status == 6).all()
    np.testing.assert_array_equal(fit.chi2, 0.0)
    np.testing.assert_array_equal(fit.stderr, [[0.0, np.inf, np.inf]] * 2)


def test_duplicate_points_are_points():
    y = np.concatenate([drawn(1)[0], drawn(1, seed=1)[0]])
    fit = l2o.curve_fit(decay, np.tile(TIMES, 2), y, [1.0, 1.0, 0.0])
    assert fit.success
    assert fit.dof == 57


@pytest.mark.parametrize("shape", [(0, 30), (3, 0), (0, 2, 30)])
def test_empty_batches_have_empty_results(shape):
    fit = l2o.curve_fit_many(decay, TIMES[: shape[-1]], np.empty(shape), np.ones(3))
    assert fit.x.shape == (*shape[:-1], 3)
    assert (fit.status == 5).all()
    assert fit.predict().shape == shape
    assert "converged" in fit.table()


def test_workers_and_pieces_do_not_matter():
    Y = drawn(300)
    Y[:, ::7] = np.where(np.random.default_rng(0).random(Y[:, ::7].shape) < 0.5, np.nan, Y[:, ::7])
    one = l2o.curve_fit_many(decay, TIMES, Y, guess(TIMES, drawn(300)))
    same(one, l2o.curve_fit_many(decay, TIMES, Y, guess(TIMES, drawn(300)), workers=3))
    same(one, l2o.curve_fit_many(decay, TIMES, Y, guess(TIMES, drawn(300)), workers=map))
    ragged = l2o.curve_fit_many(decay, [TIMES[3 * (i % 2) :] for i in range(300)],
                                [y[3 * (i % 2) :] for i, y in enumerate(Y)], guess(TIMES, drawn(300)), workers=map)
    np.testing.assert_array_equal(ragged.x[::2], one.x[::2])


def test_result_survives_pickling():
    fit = l2o.curve_fit_many(decay, TIMES, drawn(3), guess)
    again = pickle.loads(pickle.dumps(fit))
    same(fit, again)
    np.testing.assert_array_equal(fit.predict(), again.predict())


def test_band_covers_the_curve():
    """In 95 of 100 measurements the band holds the true curve at a point; 3 standard errors of that share are .014."""
    true = curve(TIMES, 2.0, 1.0, 0.5)
    Y = true + 0.05 * np.random.default_rng(0).standard_normal((2000, 30))
    for settings in ({}, {"sigma": 0.05, "absolute_sigma": True}):
        fit = l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 0.0], **settings)
        low, high = fit.band(TIMES[[2, 10, 25]])
        inside = (low <= true[[2, 10, 25]]) & (true[[2, 10, 25]] <= high)
        assert inside.mean(axis=0) == pytest.approx(0.95, abs=0.015)
    assert (fit.band(confidence=0.5)[1] < fit.band()[1]).all()


def test_aicc_prefers_the_model_that_made_the_data():
    Y = 2.0 * np.exp(-TIMES) + 0.05 * np.random.default_rng(0).standard_normal((200, 30))
    p0, held = [1.0, 1.0, 0.0], [False, False, True]
    for settings in ({}, {"sigma": 0.05, "absolute_sigma": True}):
        more = l2o.curve_fit_many(decay, TIMES, Y, p0, **settings)
        less = l2o.curve_fit_many(decay, TIMES, Y, p0, fixed=held, **settings)
        assert 0.75 < (less.aicc < more.aicc).mean() < 0.95  # a further parameter wins by chance in one of eight or so
    n = 30
    expected = more.chi2 + 6 + 24 / (n - 4)
    np.testing.assert_allclose(more.aicc, expected)


def test_table_has_the_names():
    Y = drawn(20)
    table = l2o.curve_fit_many(decay, TIMES, Y, guess).table(NAMES)
    assert all(name in table for name in NAMES)
    assert "20 of 20 curves converged" in table
    one = l2o.curve_fit(decay, TIMES, Y[0], guess, bounds=([-np.inf, -np.inf, 0.0], [5.0, np.inf, 0.1])).table()
    assert one.count("on a bound") == 1
    assert "p[2]" in one


def test_data_without_noise_in_any_unit():
    for unit in (1e-15, 1.0, 1e12):
        fit = l2o.curve_fit(decay, TIMES, unit * curve(TIMES, 2.0, 1.5, 0.3), [unit, 1.0, 0.0])
        assert fit.success
        assert fit.x / [unit, 1.0, unit] == pytest.approx([2.0, 1.5, 0.3], rel=1e-9)


def test_best_of_several_starts_is_kept():
    @l2o.model
    def wave(t, p):
        return p[0] * np.sin(p[1] * t)

    rng = np.random.default_rng(0)
    frequency = rng.uniform(2.0, 6.0, (4, 10))
    Y = np.sin(frequency[..., None] * TIMES) + 0.1 * rng.standard_normal((4, 10, 30))
    alone = l2o.curve_fit_many(wave, TIMES, Y, [1.0, 1.0])
    starts = np.column_stack([np.ones(9), np.linspace(2.0, 6.0, 9)])
    fit = l2o.curve_fit_many(wave, TIMES, Y, [1.0, 1.0], options={"starts": starts})
    assert (np.abs(alone.x[..., 1] - frequency) < 0.1).mean() < 0.5
    assert (np.abs(fit.x[..., 1] - frequency) < 0.1).all()
    assert fit.agreement.shape == (4, 10)
    assert (fit.agreement >= 1).all()
    assert fit.agreement.max() > 1
    assert (fit.nfev > alone.nfev).all()
    assert alone.agreement is None
    own = l2o.curve_fit_many(wave, TIMES, Y, [1.0, 1.0],
                             options={"starts": np.broadcast_to(starts[:, None, None], (9, 4, 10, 2))})
    same(fit, own)


def test_model_that_is_not_finite_at_the_start_is_named():
    fit = l2o.curve_fit_many(lambda t, p: p[0] * t**p[1], [0.0, 1.0, 2.0, 3.0], np.ones((2, 2, 4)), [1.0, -1.0])
    assert (fit.status == 3).all()
    assert fit.message((1, 1)).startswith("At the start the model or a derivative is not finite")
    assert fit.warnings[0].rows.tolist() == [0, 1, 2, 3]


def test_noise_map_is_one_sigma_for_each_curve():
    Y = drawn(12).reshape(3, 4, 30)
    noise = np.random.default_rng(0).uniform(0.01, 0.1, (3, 4))
    whole = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=np.repeat(noise[..., None], 30, axis=-1))
    for given in (noise, noise[..., None]):
        same(whole, l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=given))
    noise[1, 2] = np.nan
    unknown = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=noise)
    assert unknown.status[1, 2] == 3
    assert [each.rows.tolist() for each in unknown.warnings] == [[6]]
    assert "sigma NaN" in unknown.message((1, 2))
    rows = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=noise[:, :1, None])
    same(rows, l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=np.broadcast_to(noise[:, :1, None], Y.shape)))
    with pytest.raises(ValueError, match=r"sigma has shape \(2, 3\); expected \(2, 3, 1\), one for each curve"):
        l2o.curve_fit_many(decay, TIMES[:3], np.ones((2, 3, 3)), np.ones(3), sigma=np.ones((2, 3)))


Y3 = drawn(3)
WRONG = {
    "p0 is missing.*finite bounds with method='adaptive'": (TypeError, {"p0": None}),
    r"p0 has shape \(2, 3\); expected \(d,\) or \(3, d\)": (ValueError, {"p0": np.ones((2, 3))}),
    "p0 holds nan": (ValueError, {"p0": [1.0, np.nan, 1.0]}),
    "sigma holds 0.0": (ValueError, {"sigma": 0.0}),
    r"sigma holds -1.0 at \(4,\)": (ValueError, {"sigma": np.where(np.arange(30) == 4, -1.0, 1.0)}),
    r"sigma has shape \(7,\)": (ValueError, {"sigma": np.ones(7)}),
    "absolute_sigma is True and sigma is None": (ValueError, {"absolute_sigma": True}),
    r"t has shape \(29,\)": (ValueError, {"t": TIMES[1:]}),
    "t holds": (ValueError, {"t": np.where(TIMES > 3.9, np.nan, TIMES)}),
    "Y is a number": (ValueError, {"Y": 1.0}),
    "Y cannot be read as an array of real numbers": (TypeError, {"Y": Y3 + 1j}),
    "loss is 'tukey'; expected one of": (ValueError, {"loss": "tukey"}),
    "method is 'trf'; expected one of 'lm'": (ValueError, {"method": "trf"}),
    "tol is -1": (ValueError, {"tol": -1.0}),
    "options has 'xtol'": (ValueError, {"options": {"xtol": 1.0}}),
    r"starts has shape \(3,\)": (ValueError, {"options": {"starts": np.ones(3)}}),
    r"starts has shape \(2,\); expected \(s, d\)": (ValueError, {"p0": None, "options": {"starts": [1.0, 2.0]}}),
    r"starts is 4; expected starting parameters \(s, d\)": (TypeError, {"p0": None, "options": {"starts": 4}}),
    "maxfev is 0": (ValueError, {"options": {"maxfev": 0}}),
    "damping is 'none'": (ValueError, {"options": {"damping": "none"}}),
    "fixed is": (TypeError, {"fixed": [1, 0, 0]}),
    r"fixed has shape \(2,\)": (ValueError, {"fixed": [True, False]}),
    "expected low <= high": (ValueError, {"bounds": (1.0, 0.0)}),
    "bounds is 3": (ValueError, {"bounds": 3}),
    "where it is fixed": (ValueError, {"fixed": [True, False, False], "bounds": (2.0, 3.0)}),
    "model is 3": (TypeError, {"model": 3}),
    "workers is 0": (ValueError, {"workers": 0}),
    "the same k": (ValueError, {"t": [TIMES[:5], np.ones((6, 2))], "Y": [np.ones(5), np.ones(6)]}),
    r"t\[1\] has shape \(5,\)": (ValueError, {"t": [TIMES[:5]] * 2, "Y": [np.ones(5), np.ones(6)]}),
    "expected t as such a list": (ValueError, {"Y": [np.ones(5), np.ones(6)]}),
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_named(message):
    error, wrong = WRONG[message]
    given = {"model": decay, "t": TIMES, "Y": Y3, "p0": np.ones(3)} | wrong
    with pytest.raises(error, match=message):
        l2o.curve_fit_many(given.pop("model"), given.pop("t"), given.pop("Y"), given.pop("p0"), **given)


def test_start_outside_of_the_bounds_is_moved():
    fit = l2o.curve_fit(decay, TIMES, Y3[0], [1.0, -5.0, 0.0], bounds=([0.0, 0.1, 0.0], np.inf))
    assert fit.success


def test_one_curve_is_asked_for():
    with pytest.raises(ValueError, match=r"y has shape \(3, 30\); expected one curve \(n,\), or use curve_fit_many"):
        l2o.curve_fit(decay, TIMES, Y3, np.ones(3))


def test_model_that_raises_is_a_status():
    @l2o.model
    def picky(t, p):
        if p[0] > 1.5:
            raise ValueError("too large")
        return p[0] * t

    fit = l2o.curve_fit(picky, TIMES, TIMES, [2.0])
    assert fit.status == 4
    assert re.fullmatch(r"At the start the model .*picky fails at p = \[2.0\]: ValueError: too large \(at t = 0.0\)\.",
                        fit.message())
    many = l2o.curve_fit_many(picky, [TIMES + 1.0, TIMES[2:]], [TIMES, TIMES[2:]], [[0.2], [2.0]])
    assert many.status.tolist() == [0, 4]
    assert many.message(1).endswith(f"(at t = {TIMES[2]}).")
    assert l2o.curve_fit(picky, TIMES, TIMES, [0.2]).success


def test_branch_that_returns_an_integer_is_a_number():
    @l2o.model
    def ramp(t, p):
        return 0 if t < p[1] else p[0] * (t - p[1])

    y = np.where(TIMES < 1.0, 0.0, 2.0 * (TIMES - 1.0))
    assert l2o.curve_fit(ramp, TIMES, y, [1.5, 1.05]).x == pytest.approx([2.0, 1.0], abs=1e-6)
