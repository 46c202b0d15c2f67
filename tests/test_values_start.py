"""Starts of curve fits by the values of the curves: the terms, the regression, what is left out."""

import itertools

import numpy as np
import pytest

from l2o.learning.ridge import PENALTIES, Ridge
from l2o.learning.values_start import ORDERS, learn_start
from l2o.policies.values_start import terms


def drawn(m, seed=0):
    """Return values (m, 12) and parameters (m, 2), of which the values are no linear function."""
    rng = np.random.default_rng(seed)
    x, t = rng.uniform([0.5, 0.3], [2.0, 1.5], (m, 2)), np.linspace(0.0, 3.0, 12)
    return x[:, :1] * np.exp(-x[:, 1:] * t) + 0.01 * rng.standard_normal((m, 12)), x


@pytest.mark.parametrize("orders", [(), (3,), (3, 2), (4, 4, 2)])
def test_terms_are_all_products_of_leading_components(orders):
    y, _ = drawn(40)
    axes = 10.0 * np.random.default_rng(1).standard_normal((12, 4))  # some are beyond 4
    made = terms(y, y.mean(axis=0), axes, orders)
    p = np.clip((y - y.mean(axis=0)) @ axes, -4.0, 4.0)
    assert (np.abs(p) == 4.0).any()
    products = [p[:, list(which)].prod(axis=1) for factors, r in enumerate(orders, 2)
                for which in itertools.combinations_with_replacement(range(r), factors)]
    assert len(made) == 12 + len(products)
    np.testing.assert_allclose(made[:12].T, y - y.mean(axis=0))
    np.testing.assert_allclose(np.sort(made[12:], axis=0), np.sort(np.reshape(products, (-1, 40)), axis=0))


@pytest.mark.parametrize("m", [60, 700])
def test_predictions_without_a_fold_are_those_of_a_regression_without_it(m):
    """Of few rows by their singular vectors, of many by their products."""
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((m, 7)) @ rng.standard_normal((7, 7))
    wanted = inputs[:, :2] + rng.standard_normal((m, 2))
    fold = np.arange(m) % 5
    ridge, crossed = Ridge.crossed(inputs, wanted, (slice(0, 2),), fold, far=np.inf)
    z = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    errors = []
    for penalty in PENALTIES:
        out = np.empty_like(wanted)
        for k in range(5):
            A = np.column_stack([z, np.ones(m)])[fold != k]
            shrink = penalty * m * np.diag([*np.ones(7), 0.0])
            rest = np.linalg.solve(A.T @ A + shrink, A.T @ wanted[fold != k])
            out[fold == k] = np.column_stack([z, np.ones(m)])[fold == k] @ rest
        errors.append((((out - wanted) ** 2).sum(), out))
    np.testing.assert_allclose(crossed, np.clip(min(errors, key=lambda pair: pair[0])[1], ridge.low, ridge.high),
                               rtol=1e-7, atol=1e-7)
    plain = inputs @ ridge.linear[:-1] + ridge.linear[-1]
    np.testing.assert_allclose(ridge.predict(inputs), np.clip(plain, ridge.low, ridge.high), rtol=1e-9, atol=1e-9)


def test_start_is_that_of_the_regression_and_products_help():
    y, x = drawn(1500)
    fresh, truth = drawn(1100, seed=3)  # more than are predicted together
    error = {}
    for orders in ORDERS:
        start, crossed = learn_start(y, x, (orders,))
        assert start.orders == orders
        made = start.coefficients[:-1].T @ terms(fresh, start.mean, start.axes, orders) + start.coefficients[-1:].T
        np.testing.assert_allclose(start(fresh), np.clip(made.T, start.low, start.high), rtol=1e-9, atol=1e-11)
        assert start(fresh[7:8]).tobytes() == start(fresh)[7:8].tobytes()
        error[orders] = np.abs(start(fresh) - truth).mean()
        assert np.abs(crossed - x).mean() == pytest.approx(error[orders], rel=0.15)
    assert error[(5, 5)] < 0.8 * error[(5,)] < 0.5 * error[()]
    chosen, _ = learn_start(y, x)
    assert len(chosen.orders) >= 2


def test_start_stays_near_what_was_seen():
    y, x = drawn(300)
    start, _ = learn_start(y, x)
    for far in (1e6, -1e6):
        there = start(np.full((1, 12), far))[0]
        assert (there >= x.min(axis=0)).all()
        assert (there <= x.max(axis=0)).all()


def test_products_are_left_out_where_curves_are_few():
    y, x = drawn(40)
    assert learn_start(y, x)[0].orders in ((), (5,))
    assert learn_start(y[:, :3], x, ORDERS[1:])[0].orders == (3,)
