"""Newton's steps, with the Hessian of the middle of the step: against NumPy, and against scaled problems."""

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


def ahead(B, before, s, g, farthest=0.5):
    """Return the step with the Hessian to expect halfway along it, for a convex function; s is the step before.

    (B^-1 B_before)^th -B^-1 g, th half of how many times s fits into the step; the power of the matrix is taken as
    (1 + (1 + th) / 2 x) / (1 + (1 - th) / 2 x) of 1 + x.
    """
    q = -np.linalg.solve(B, g)
    if s is None:
        return q
    th = np.clip(-0.5 * (g @ s) / (s @ B @ s), -farthest, farthest)
    x = np.linalg.solve(B, before) - np.eye(len(g))
    return np.linalg.solve(np.eye(len(g)) + 0.5 * (1 - th) * x, q + 0.5 * (1 + th) * (x @ q))


def extrapolated(gradient, hessian, x, n_steps, farthest=0.5):
    """Return the points (T+1, n) of Newton's method without a line search, on a convex function."""
    path, before, s = [np.array(x, float)], None, None
    for _ in range(n_steps):
        g, B = gradient(path[-1]), hessian(path[-1])
        s, before = ahead(B, before, s, g, farthest), B
        path.append(path[-1] + s)
    return np.array(path)


def newton_path(X, y, n_steps=12, farthest=0.5):
    """Return values (T+1,) and gradients (T+1, n) of a logistic regression at the steps from zero."""
    Z = np.c_[X, np.ones(len(X))]

    def gradient(w):
        return Z.T @ (1 / (1 + np.exp(-Z @ w)) - y) / len(y)

    def hessian(w):
        p = 1 / (1 + np.exp(-Z @ w))
        return (Z * (p * (1 - p))[:, None]).T @ Z / len(y)

    path = extrapolated(gradient, hessian, np.zeros(Z.shape[1]), n_steps, farthest)
    return (np.array([np.mean(np.logaddexp(0, Z @ w) - y * (Z @ w)) for w in path]),
            np.array([gradient(w) for w in path]))


def solved(X, y):
    problems = l2o.families.Logistic(X.shape[1], l2=0).from_data(X[None], y[None])
    return l2o.minimize_many(problems, method="newton", tol=1e-9 * np.abs(X).max())


@pytest.mark.parametrize("offset", [0, 2e3, 1e4, -1e5])
@pytest.mark.parametrize("column", [0, 2])
def test_offset_of_a_column_changes_no_step(offset, column, regression):
    X, y = regression
    moved = X + offset * np.eye(3)[column]
    found = solved(moved, y)
    values = newton_path(moved, y)[0]
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
    found, values = solved(twin, y), newton_path(twin, y)[0]
    assert found.fun[0] == pytest.approx(values[-1], rel=1e-9)


@pytest.mark.parametrize("offset", [0, 1e4, -1e5])
@pytest.mark.parametrize("kind", ["constant", "zero", "twice", "sum"])
def test_column_that_adds_nothing_hinders_no_step(kind, offset, regression):
    X, y = regression
    more = {"constant": np.full(200, 3.0), "zero": np.zeros(200), "twice": X[:, 0] + offset,
            "sum": X[:, 0] - 2 * X[:, 1] + offset}[kind]
    plain = np.c_[X[:, 0] + offset, X[:, 1]]
    found, values = solved(np.c_[plain, more], y), newton_path(plain, y)[0]
    assert found.fun[0] == pytest.approx(values[-1], rel=1e-7)
    assert found.success[0]
    assert found.nfev[0] <= 20


def test_hessian_ahead_saves_evaluations_in_comparison_to_that_of_the_iterate():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 100, 3)) * rng.uniform(0.5, 2, (30, 1, 3))
    y = (rng.random((30, 100)) < 1 / (1 + np.exp(-2 * X.sum(axis=2)))).astype(float)
    plain = [np.argmax(np.abs(newton_path(*each, farthest=0.0)[1]).max(axis=1) <= 1e-6) + 1 for each in zip(X, y)]
    found = l2o.minimize_many(l2o.families.Logistic(l2=0).from_data(X, y), method="newton", tol=1e-6)
    assert found.success.all()
    assert found.nfev.mean() <= 0.92 * np.mean(plain)


def test_fixed_variable_leaves_the_run_of_the_others(regression):
    X, y = regression
    whole, rest = (l2o.families.Logistic(n, l2=0).from_data(X[None, :, :n], y[None])[0] for n in (3, 2))
    bounds = [(None, None), (None, None), (0.0, 0.0), (None, None)]
    fixed = l2o.minimize(whole, np.zeros(4), method="newton", bounds=bounds, tol=1e-9)
    free = l2o.minimize(rest, np.zeros(3), method="newton", tol=1e-9)
    assert fixed.nfev == free.nfev
    np.testing.assert_allclose(fixed.x[[0, 1, 3]], free.x, rtol=1e-9)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("th", [-0.5, -0.2, 0.3, 0.5])
def test_step_is_nearly_that_of_the_geometric_mean(th, ratio):
    """In one variable: a Hessian that has become `ratio` times the one before goes on so, by the power th."""
    step = ahead(np.array([[ratio]]), np.eye(1), np.array([-0.5 / (th * ratio)]), np.ones(1))[0]
    assert step < 0
    assert ratio * step == pytest.approx(-(ratio**-th), rel=0.05) or not 0.3 < ratio < 4
