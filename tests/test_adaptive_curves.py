"""Curve fits that learn inside the batch where to begin."""

import numpy as np
import pytest

import l2o

TIMES = np.linspace(0.0, 4.0, 30)
ONES = [1.0, 1.0, 1.0]


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def slope(t, p):
    return p[0] + p[1] * t[0] + p[2] * t[1]


@l2o.model
def peak(t, p):
    return p[0] / (1.0 + ((t - p[1]) / p[2]) ** 2) + p[3]


@l2o.model
def onset(t, p):
    return p[0] * np.sqrt(t - p[1])


@l2o.model
def half(t, p):
    return p[0] * np.sqrt((t - p[1]) * (p[2] - t))


@l2o.model
def growth(t, p):
    return p[0] * np.exp(p[1] * t)


@l2o.model
def surface(t, p):
    return p[0] * np.exp(-p[1] * t[0]) + p[2] * (1e9 * t[1])


def drawn(m, seed=0):
    """Return parameters (m, 3) and curves (m, 30)."""
    rng = np.random.default_rng(seed)
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal((m, 3)))
    Y = p[:, :1] * np.exp(-p[:, 1:2] * TIMES) + p[:, 2:]
    return p, Y + 0.05 * rng.standard_normal(Y.shape)


def same(left, right):
    for name in ("x", "cov", "chi2", "status", "nfev", "nit", "on_bound"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


def test_learning_saves_evaluations_and_ends_as_low():
    Y = drawn(4000)[1]
    plain = l2o.curve_fit_many(decay, TIMES, Y, ONES)
    fit = l2o.curve_fit_many(decay, TIMES, Y, ONES, method="adaptive")
    assert fit.success.mean() > 0.998
    assert fit.nfev.sum() < 0.85 * plain.nfev.sum()
    assert (fit.chi2 <= plain.chi2 * (1.0 + 1e-6)).mean() > 0.999
    assert fit.learned.chosen
    assert repr(fit.learned).startswith(f"LearnedStart({fit.learned.n_labels} curves teach how to begin: from ")
    assert plain.learned is None


def test_evaluations_of_labels_and_trials_count():
    """Every labelled curve has been fitted once, fifty of them twice."""
    Y = drawn(4000)[1]
    plain = l2o.curve_fit_many(decay, TIMES, Y, ONES)
    fit = l2o.curve_fit_many(decay, TIMES, Y, ONES, method="adaptive")
    rows = np.linspace(0, 3999, 150).astype(int)
    more = fit.nfev[rows] - plain.nfev[rows]
    assert ((more == 0).sum(), (more > 1).sum()) == (100, 50)


def test_what_cannot_be_learned_from_is_the_plain_fit():
    Y = drawn(199)[1]
    own = np.random.default_rng(1).uniform(0.0, 4.0, (300, 30, 2))
    for model, t, y, why in ((decay, TIMES, Y, "fewer than 200 curves"),
                             (slope, own, own.sum(axis=2), "curves with points of their own")):
        fit = l2o.curve_fit_many(model, t, y, ONES, method="adaptive")
        same(fit, l2o.curve_fit_many(model, t, y, ONES))
        assert repr(fit.learned) == f"LearnedStart(nothing: {why})"


def test_curves_with_points_of_their_own_teach_one_another():
    """As lists, as rows of different points, and as curves of which most have holes."""
    p, rng = drawn(1500)[0], np.random.default_rng(4)
    t = np.sort(rng.uniform(0.0, 4.0, (1500, 24)), axis=1)
    Y = p[:, :1] * np.exp(-p[:, 1:2] * t) + p[:, 2:] + 0.05 * rng.standard_normal(t.shape)
    holes = np.where(rng.random((1500, 30)) < 0.3, np.nan, drawn(1500)[1])
    sizes = rng.integers(12, 25, 1500)
    for given in ((t, Y), ([row[:n] for row, n in zip(t, sizes)], [row[:n] for row, n in zip(Y, sizes)]),
                  (TIMES, holes)):
        plain, fit = (l2o.curve_fit_many(decay, *given, ONES, method=method) for method in ("lm", "adaptive"))
        assert fit.learned.chosen
        assert fit.nfev.sum() < 0.93 * plain.nfev.sum()
        best = np.fmin(fit.chi2, plain.chi2) * (1.0 + 1e-6)
        assert (fit.chi2 <= best).mean() > (plain.chi2 <= best).mean() - 0.001
    same(fit, l2o.curve_fit_many(decay, TIMES, holes, ONES, method="adaptive", workers=2))


def test_wrong_minima_teach_nothing():
    rng, s = np.random.default_rng(2), np.linspace(0.0, 6.0, 40)
    p = np.column_stack([np.ones(1500), rng.uniform(1.5, 4.5, 1500), 0.5 * np.exp(0.3 * rng.standard_normal(1500)),
                         0.2 * rng.standard_normal(1500)])
    Y = np.array([peak(s, row) for row in p]) + 0.05 * rng.standard_normal((1500, 40))
    best = l2o.curve_fit_many(peak, s, Y, p).chi2 * (1.0 + 1e-6)
    plain, fit = (l2o.curve_fit_many(peak, s, Y, [1.0, 3.0, 0.5, 0.0], method=method) for method in ("lm", "adaptive"))
    wrong = (plain.chi2 > best).mean()
    assert wrong > 0.05
    assert (fit.chi2 > best).mean() < 0.3 * wrong


def test_starts_that_are_good_already_stay():
    p, Y = drawn(1000)
    fit = l2o.curve_fit_many(decay, TIMES, Y, p, method="adaptive")
    assert not fit.learned.chosen
    assert fit.learned.why == "which is not worth it"
    plain = l2o.curve_fit_many(decay, TIMES, Y, p)
    assert fit.nfev.sum() < 1.06 * plain.nfev.sum()
    np.testing.assert_allclose(fit.chi2, plain.chi2, rtol=1e-5)


def test_bad_members_teach_nothing_and_hurt_nobody():
    Y = drawn(400)[1]
    Y[::3] = np.nan
    Y[1::6, 4] = np.nan
    Y[2] = np.inf
    fit, plain = (l2o.curve_fit_many(decay, TIMES, Y, ONES, method=method) for method in ("adaptive", "lm"))
    np.testing.assert_array_equal(fit.status, plain.status)
    np.testing.assert_allclose(fit.chi2, plain.chi2, rtol=1e-5)
    alike = l2o.curve_fit_many(decay, TIMES, np.tile(drawn(1)[1], (300, 1)), ONES, method="adaptive")
    assert alike.success.all()
    assert np.ptp(alike.chi2) <= 1e-5 * alike.chi2[0]
    lost = l2o.curve_fit_many(decay, TIMES, np.full((300, 30), np.nan), ONES, method="adaptive")
    assert (lost.status == 5).all()
    assert "only 0 of 40 curves" in repr(lost.learned)


@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_points_that_are_no_numbers_fail_their_curve_alone(gap):
    rng = np.random.default_rng(0)
    t = rng.uniform(0.0, 4.0, (300, 20))
    Y = np.exp(-t) + 0.05 * rng.standard_normal(t.shape)
    t[0, 0] = gap
    t[1::2, 15:], Y[1::2, 15:] = gap, np.nan
    fit, plain = (l2o.curve_fit_many(decay, t, Y, ONES, method=method) for method in ("adaptive", "lm"))
    np.testing.assert_array_equal(fit.status, plain.status)
    assert plain.status[0] == 3
    assert fit.learned.n_labels > 30


def test_curves_that_are_undefined_at_the_points_of_others_are_fitted():
    """Each begins somewhere else, at points of its own; or it has an end, too, and values there alone."""
    rng = np.random.default_rng(0)
    s = rng.uniform(0.0, 9.0, (300, 1))
    t = s + rng.uniform(0.3, 2.0, (300, 20))
    own = np.column_stack([np.ones(300), s[:, 0] - 0.1])
    ends = np.column_stack([np.ones(300), 0.4 * s[:, 0], 0.4 * s[:, 0] + 5.0])
    shared = np.linspace(0.0, 10.0, 60)
    with np.errstate(invalid="ignore"):
        arcs = np.sqrt((shared - ends[:, 1:2]) * (ends[:, 2:] - shared)) + 0.01 * rng.standard_normal((300, 60))
    for model, points, Y, p0 in ((onset, t, np.sqrt(t - s) + 0.01 * rng.standard_normal(t.shape), own),
                                 (half, shared, arcs, ends + np.array([0.1, -0.1, 0.1]))):
        fit, plain = (l2o.curve_fit_many(model, points, Y, p0, method=method) for method in ("adaptive", "lm"))
        same(fit, plain)
        assert plain.success.all()
        assert repr(fit.learned) == "LearnedStart(nothing: too few curves are finite at the points of others)"


@pytest.mark.parametrize(("sentinel", "rate"), [(9999.0, (0.5, 2.0)), (100.0, (7.0, 7.09))])
def test_points_that_are_masked_teach_nothing(sentinel, rate):
    """Not even where a curve would be too high there for numbers, or for their squares."""
    rng = np.random.default_rng(0)
    t, p = rng.uniform(0.0, 1.0, (300, 20)), rng.uniform(*rate, (300, 1))
    Y = np.exp(p * t) * (1.0 + 0.01 * rng.standard_normal(t.shape))
    t[::10, 3], Y[::10, 3] = sentinel, np.nan
    fit = l2o.curve_fit_many(growth, t, Y, [1.0, rate[0]], method="adaptive")
    assert fit.success.all()
    assert fit.learned.chosen
    known = np.where(np.isnan(Y), np.exp(p * t.clip(max=100.0)), Y)
    there, plain = (l2o.curve_fit_many(growth, t.clip(max=100.0), known, np.column_stack([np.ones(300), p]),
                                       method=method) for method in ("adaptive", "lm"))
    np.testing.assert_array_equal(there.status, plain.status)


def test_points_of_two_numbers_in_lists_teach_like_others():
    rng, grid = np.random.default_rng(5), np.mgrid[:6, :5].reshape(2, -1).T * [0.8, 1e-9]
    p, sizes = drawn(600)[0], rng.integers(20, 31, 600)
    t = [grid[rng.permutation(30)[:n]] for n in sizes]
    Y = [a * np.exp(-b * each[:, 0]) + c * 1e9 * each[:, 1] + 0.05 * rng.standard_normal(len(each))
         for each, (a, b, c) in zip(t, p)]
    plain, fit = (l2o.curve_fit_many(surface, t, Y, ONES, method=method) for method in ("lm", "adaptive"))
    assert fit.learned.chosen
    assert fit.nfev.sum() < 0.93 * plain.nfev.sum()
    np.testing.assert_array_equal(fit.status, plain.status)


def test_bounds_images_losses_and_workers_are_as_ever():
    Y = drawn(600)[1].reshape(20, 30, 30)
    settings = {"bounds": ([0.0, 0.0, 0.9], [9.0, 9.0, 9.0]), "sigma": 0.05, "loss": "cauchy", "method": "adaptive"}
    fit = l2o.curve_fit_many(decay, TIMES, Y, ONES, **settings)
    assert fit.x.shape == (20, 30, 3)
    assert (fit.x[..., 2] >= 0.9).all()
    assert 0.1 < fit.on_bound[..., 2].mean() < 0.9
    same(fit, l2o.curve_fit_many(decay, TIMES, Y, ONES, workers=2, **settings))


def test_no_start_is_needed_where_something_says_where_to_look():
    Y = drawn(400)[1]
    best = l2o.curve_fit_many(decay, TIMES, Y, ONES).chi2
    for settings in ({"bounds": ([0.0, 0.1, -1.0], [6.0, 9.0, 6.0])}, {"options": {"starts": [ONES, [2.0, 3.0, 0.0]]}}):
        fit = l2o.curve_fit_many(decay, TIMES, Y, method="adaptive", **settings)
        assert (fit.chi2 <= best * (1 + 1e-5)).mean() > 0.99
        assert fit.agreement is None
    fit = l2o.curve_fit_many(decay, TIMES, Y, options={"starts": [ONES, [2.0, 3.0, 0.0]]})
    assert set(fit.agreement) <= {1, 2}
    for settings in ({}, {"bounds": ([0.0, 0.1, -1.0], [6.0, 9.0, np.inf])}, {"bounds": (0.0, 1.0)}):
        with pytest.raises(TypeError, match="p0 is missing"):
            l2o.curve_fit_many(decay, TIMES, Y, method="adaptive", **settings)
    with pytest.raises(TypeError, match="p0 is missing"):
        l2o.curve_fit_many(decay, TIMES, Y, bounds=([0.0, 0.1, -1.0], [6.0, 9.0, 6.0]))
