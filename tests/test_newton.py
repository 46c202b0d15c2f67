"""Newton's steps do not depend on the units of the variables: against plain Newton, and against scaled problems."""

import numpy as np
import pytest
from compiled import Compiled

import l2o
from l2o.baselines import Newton


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    return X, (rng.random(200) < 1 / (1 + np.exp(-(X @ [1, -1, 0.5] + 0.3)))).astype(float)


def plain_newton(X, y):
    """Return the values (T+1,) at the steps of Newton's method without a line search."""
    Z, steps = np.c_[X, np.ones(len(X))], [np.zeros(X.shape[1] + 1)]
    for _ in range(12):
        p = 1 / (1 + np.exp(-Z @ steps[-1]))
        steps.append(steps[-1] - np.linalg.solve((Z * (p * (1 - p))[:, None]).T @ Z, Z.T @ (p - y)))
    return np.array([np.mean(np.logaddexp(0, Z @ w) - y * (Z @ w)) for w in steps])


def solved(X, y):
    problems = l2o.families.Logistic(X.shape[1], l2=0).from_data(X[None], y[None])
    return l2o.minimize_many(problems, method="newton", tol=1e-9 * np.abs(X).max())


@pytest.mark.parametrize("offset", [0, 2e3, 1e4, -1e5])
@pytest.mark.parametrize("column", [0, 2])
def test_offset_of_a_column_changes_no_step(offset, column, regression):
    X, y = regression
    moved = X + offset * np.eye(3)[column]
    found = solved(moved, y)
    values = plain_newton(moved, y)
    assert found.success[0]
    assert found.nit[0] <= 8
    assert found.fun[0] == pytest.approx(values[-1], rel=1e-10)
    runs = l2o.rollout(l2o.families.Logistic(l2=0).from_data(moved[None], y[None]), method="newton", n_steps=3)
    np.testing.assert_allclose(runs.fun[0], values[:4], rtol=1e-6)
    assert runs.nfev[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("unit", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("columns", [[0], [1, 2], [0, 1, 2]])
def test_units_of_columns_change_no_step(unit, columns, regression):
    X, y = regression
    scale = np.ones(4)
    scale[columns] = unit
    plain, other = (l2o.rollout(l2o.families.Logistic(l2=0).from_data((X * s[:3])[None], y[None]), method="newton",
                                n_steps=5) for s in (np.ones(4), scale))
    np.testing.assert_allclose(other.x * scale, plain.x, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.fun, plain.fun, rtol=1e-12)
    np.testing.assert_array_equal(other.nfev, plain.nfev)


@pytest.mark.parametrize("unit", [2.0**-30, 2.0**-3, 2.0**30])
def test_unit_changes_no_step_where_the_matrix_is_shifted(unit):
    def method_in(scale):  # at the start the matrix is indefinite, with a diagonal above 0; the minimum is u = -v = 1
        def fun(x):
            u, v = scale * x
            slope = np.array([u + 2 * v + u**3, v + 2 * u + v**3])
            return (u * u + v * v) / 2 + 2 * u * v + (u**4 + v**4) / 4, scale * slope

        def hessian(x):
            u, v = scale * x
            return np.outer(scale, scale) * [[1 + 3 * u * u, 2], [2, 1 + 3 * v * v]]

        x, f, _, nfev = (part[0] for part in Newton().record(Compiled(fun, [0.3, 0.1] / scale, hessian), 8)[:4])
        return x * scale, f, nfev

    for other, plain in zip(method_in(np.array([1, unit])), method_in(np.ones(2))):
        np.testing.assert_allclose(other, plain, rtol=1e-12)
    assert method_in(np.ones(2))[1][-1] == pytest.approx(-0.5)


def test_matrix_of_nearly_collinear_columns_is_solved(regression):
    X, y = regression
    twin = np.c_[X[:, 0], X[:, 0] + 1e-5 * X[:, 1]]
    found, values = solved(twin, y), plain_newton(twin, y)
    assert found.fun[0] == pytest.approx(values[-1], rel=1e-9)


@pytest.mark.parametrize("offset", [0, 1e4, -1e5])
@pytest.mark.parametrize("kind", ["constant", "zero", "twice", "sum"])
def test_column_that_adds_nothing_hinders_no_step(kind, offset, regression):
    X, y = regression
    more = {"constant": np.full(200, 3.0), "zero": np.zeros(200), "twice": X[:, 0] + offset,
            "sum": X[:, 0] - 2 * X[:, 1] + offset}[kind]
    plain = np.c_[X[:, 0] + offset, X[:, 1]]
    found, values = solved(np.c_[plain, more], y), plain_newton(plain, y)
    assert found.fun[0] == pytest.approx(values[-1], rel=1e-7)
    assert found.success[0]
    assert found.nfev[0] <= 20
