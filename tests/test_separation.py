"""Objectives without a minimum: runs say so, alone and in batches, and where there is a minimum they do not."""

import pickle

import numpy as np
import pytest
from scipy.optimize import linprog

import l2o
from l2o.problems.separation import NO_COUNTS, NO_POINTS, ONE_LABEL, PARTLY, SENTENCES, SEPARABLE

PLAIN = l2o.families.Logistic(n_features=2, l2=0.0)


def parted(X, y, weights):
    """Say by linear programming whether a plane parts all points by their labels, or some, none on its wrong side."""
    if len(set(y[weights > 0.0])) == 1:
        return ONE_LABEL
    margins = ((2.0 * y - 1.0)[:, None] * np.c_[X, np.ones(len(X))])[weights > 0.0]
    n, within = len(margins), [(-1.0, 1.0)] * 3
    least = linprog([0.0, 0.0, 0.0, -1.0], A_ub=np.c_[-margins, np.ones(n)], b_ub=np.zeros(n),
                    bounds=[*within, (None, 1.0)])
    total = linprog(-margins.sum(axis=0), A_ub=-margins, b_ub=np.zeros(n), bounds=within)
    return SEPARABLE if -least.fun > 1e-7 else PARTLY if -total.fun > 1e-7 else 0


@pytest.fixture(scope="module")
def data():
    """Small regressions of two features, one of few values; some labels are the same, some points weigh nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 14, 2))
    X[100:, :, 1] = rng.integers(0, 2, (100, 14))
    y = (X @ [1.0, 1.0] + 1.5 * rng.standard_normal((200, 14)) > 0.0).astype(float)
    y[::20] = 1.0
    weights = (rng.random((200, 14)) < 0.8) * rng.uniform(0.5, 2.0, (200, 14))
    return X, y, weights


@pytest.mark.parametrize("weighted", [False, True])
def test_batch_tells_what_linear_programming_tells(data, weighted):
    X, y, weights = data
    given = weights if weighted else np.ones_like(weights)
    expected = [parted(*each) for each in zip(X, y, given)]
    assert set(expected) == {0, ONE_LABEL, SEPARABLE, PARTLY}
    problems = PLAIN.from_data(X, y, weights=given if weighted else None)
    for method in ("newton", "lbfgs", l2o.load("universal"), None):
        batch = l2o.minimize_many(problems, method=method)
        np.testing.assert_array_equal(batch.endless, expected, err_msg=str(method))
        assert batch.success.all()
        assert batch.nfev.max() < 150


def test_message_warnings_and_repr_name_what_has_no_minimum(data):
    X, y, _ = data
    problems = PLAIN.from_data(X, y)
    batch = l2o.minimize_many(problems, method="lbfgs")
    for caution in batch.warnings:
        reason = int(batch.endless[caution.rows[0]])
        assert caution.endswith(SENTENCES[reason])
        assert caution in repr(batch)
        np.testing.assert_array_equal(caution.rows, np.flatnonzero(batch.endless == reason))
        assert "infinity" in batch.message(caution.rows[-1])
    assert len(batch.warnings) == 3
    for i in range(0, 200, 9):
        single = l2o.minimize(problems[i], method="lbfgs")
        assert single.message == batch.message(i)
        assert ("infinity" in single.message) == bool(batch.endless[i])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(batch.warnings[0])).rows, batch.warnings[0].rows)


def test_design_of_all_and_masked_points_are_looked_at(data):
    X, y, _ = data
    Y = np.array([X[0] @ [1.0, 2.0] > 0.0, y[1], np.ones(14)], float)
    batch = l2o.minimize_many(PLAIN.from_data(X[0], Y), method="newton")
    assert batch.endless[0] == SEPARABLE
    assert batch.endless[2] == ONE_LABEL
    hidden = np.ma.array(y[1:2], mask=y[1:2] == 0.0)
    assert l2o.minimize_many(PLAIN.from_data(X[1:2], hidden), method="newton").endless[0] == ONE_LABEL


def test_regularised_regressions_have_a_minimum_unless_there_is_one_label(data):
    X, y, _ = data
    batch = l2o.minimize_many(l2o.families.Logistic(n_features=2, l2=1e-4).from_data(X, y), method="newton")
    one = (y == y[:, :1]).all(axis=1)
    assert batch.success.all()
    np.testing.assert_array_equal(batch.endless > 0, one)
    assert (batch.endless[one] == ONE_LABEL).all()
    alone = l2o.minimize_many(l2o.families.Logistic(n_features=2, l2=1e-4).from_data(X[~one], y[~one]))
    assert alone.endless is None
    assert alone.warnings == []


def test_collinear_and_constant_features_are_no_separation():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 60, 1))
    y = rng.integers(0, 2, (20, 60)).astype(float)
    for design in (np.concatenate([X, 2.0 * X], axis=2), np.concatenate([X, np.ones_like(X)], axis=2)):
        for method in ("newton", "lbfgs"):
            assert l2o.minimize_many(PLAIN.from_data(design, y), method=method).endless is None


def test_bounds_on_the_way_to_infinity_are_where_the_minimum_is(data):
    X, y, _ = data
    problems = PLAIN.from_data(X[:60], y[:60])
    free = l2o.minimize_many(problems, method="lbfgs")
    assert free.endless.any()
    held = l2o.minimize_many(problems, method="lbfgs", bounds=[(-5.0, 5.0)] * 3)
    assert held.endless is None


def test_loose_tolerance_on_the_way_is_warned_of(data):
    X, y, _ = data
    batch = l2o.minimize_many(PLAIN.from_data(X[:20], y[:20] * 0.0 + 1.0), method="lbfgs", tol=1e-3)
    assert batch.success.all()
    assert (batch.endless == ONE_LABEL).all()


def test_networks_that_fit_all_labels_or_lack_a_class_have_no_minimum():
    rng = np.random.default_rng(0)
    family = l2o.families.NeuralNet(n_inputs=2, n_hidden=4, n_classes=3, l2=0.0)
    X = rng.standard_normal((10, 12, 2)) + 6.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[np.arange(12) % 3]
    y = np.tile(np.arange(12.0) % 3, (10, 1))
    y[1], y[2] = 1.0, np.arange(12) % 2
    x0 = family.starts(10, rng=1)
    batch = l2o.minimize_many(family.from_data(X, y, x0), method="lbfgs")
    assert batch.endless[1] == ONE_LABEL
    assert batch.endless[2] == NO_POINTS
    fitted = batch.fun < np.log(2.0) / 12.0
    assert fitted[[0, *range(3, 10)]].sum() >= 4
    np.testing.assert_array_equal(batch.endless[3:] == SEPARABLE, fitted[3:])
    regular = l2o.families.NeuralNet(n_inputs=2, n_hidden=4, n_classes=3, l2=1e-3)
    batch = l2o.minimize_many(regular.from_data(X[3:], y[3:], x0[3:]), method="lbfgs")
    assert batch.endless is None


def test_warnings_name_bad_members_and_failures():
    @l2o.objective
    def fragile(x, data, grad):
        if data[0, 0] > 2.0:
            raise ValueError
        grad[0] = x[0] - data[0, 0]
        return 0.5 * (x[0] - data[0, 0]) ** 2

    problems = l2o.families.Custom(fragile, dim=1).from_data([[[1.0]], [[np.nan]], [[3.0]], [[2.0]]], x0=[0.0])
    batch = l2o.minimize_many(problems, method="lbfgs")
    assert [caution.rows.tolist() for caution in batch.warnings] == [[1], [2]]
    assert batch.warnings[0].startswith("1 of 4 problems (1): the data or the start are not finite")
    assert "the objective reported an error" in batch.warnings[1]
    assert batch.warnings[0] in repr(batch)


@l2o.model
def rate(t, p):
    return np.exp(p[0] + p[1] * t)


def test_counts_that_are_all_zero_are_told():
    t = np.linspace(0.0, 1.0, 20)
    Y = np.array([np.zeros(20), np.full(20, 5.0), np.zeros(20)])
    Y[2, 3:] = np.nan
    fit = l2o.curve_fit_many(rate, t, Y, [0.0, 0.0], loss="poisson")
    assert [caution.rows.tolist() for caution in fit.warnings] == [[0, 2]]
    assert fit.warnings[0] in repr(fit)
    assert "infinity" in fit.message(0)
    assert "infinity" not in fit.message(1)
    assert "infinity" in l2o.curve_fit(rate, t, Y[0], [0.0, 0.0], loss="poisson").message()
    family = l2o.families.LeastSquares(rate, t, lambda rng: (rng.poisson(3.0, 20), np.zeros(2)), loss="poisson")
    for method in ("lm", "lbfgs"):
        batch = l2o.minimize_many(family.from_data(Y, [0.0, 0.0]), method=method)
        assert batch.endless.tolist() == [NO_COUNTS, 0, NO_COUNTS]
    plain = l2o.curve_fit_many(rate, t, Y, [0.0, 0.0])
    assert plain.warnings == []


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e160, 1e300])
def test_look_warns_of_nothing_and_judges_no_row_that_met_trouble(data, size):
    X, y, _ = data
    X, y = size * X[:40], y[:40].copy()
    X[3], y[5, 2] = np.nan, np.nan
    for shared in (False, True):
        problems = PLAIN.from_data(X[0], y) if shared else PLAIN.from_data(X, y)
        for method in ("newton", "lbfgs", "scipy-lbfgs"):
            batch = l2o.minimize_many(problems, method=method)
            assert batch.status[5] == 3
            assert batch.endless is None or not batch.endless[batch.status > 2].any()
            assert batch.warnings[0].rows.tolist() == np.flatnonzero(batch.status == 3).tolist()
