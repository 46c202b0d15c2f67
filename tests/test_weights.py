"""Regressions with weights and with one design for all: values of NumPy and SciPy, and the memory that it takes."""

import pickle

import numpy as np
import oracles
import pytest
import scipy.optimize

import l2o

M, N, P = 4, 530, 3  # more points than a kernel takes at a time
FAMILIES = {"logistic": (l2o.families.Logistic(l2=0.01), lambda x, X, y: oracles.logistic(x, X, y, 0.01),
                         lambda x, X, y: oracles.logistic_hessian(x, X, y, 0.01)),
            "robust": (l2o.families.RobustRegression(c=1.5), lambda x, X, y: oracles.robust(x, X, y, 1.5),
                       lambda x, X, y: oracles.robust_hessian(x, X, y, 1.5))}


@pytest.fixture(params=FAMILIES)
def named(request):
    return FAMILIES[request.param]


def drawn(family, shared=False):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((N, P) if shared else (M, N, P)), rng.standard_normal((M, N))
    return X, (y > 0).astype(float) if "Logistic" in repr(family) else y, rng.standard_normal((M, P + 1))


def test_one_design_for_all_is_the_repeated_one(named):
    family, oracle, hessian = named
    X, Y, x = drawn(family, shared=True)
    problems = family.from_data(X, Y)
    fun, jac = problems.value_and_grad(x)
    second = problems.hessian(x)
    for i in range(M):
        value, gradient = oracle(x[i], X, Y[i])
        np.testing.assert_allclose(fun[i], value, rtol=1e-13)
        np.testing.assert_allclose(jac[i], gradient, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(second[i], hessian(x[i], X, Y[i]), rtol=1e-11, atol=1e-14)
    again = pickle.loads(pickle.dumps(problems[1:]))
    np.testing.assert_array_equal(again.value_and_grad(x[1:])[0], fun[1:])


@pytest.mark.parametrize("shared", [False, True])
def test_whole_weights_are_repeated_points(named, shared):
    """A weight of k is a point that stands there k times; one of zero is a point that does not."""
    family, oracle, hessian = named
    X, Y, x = drawn(family, shared)
    weights = np.random.default_rng(5).integers(0, 3, (M, N))
    problems = family.from_data(X, Y, weights=weights)
    fun, jac = problems.value_and_grad(x)
    second = problems.hessian(x)
    for i in range(M):
        rows = np.repeat(np.arange(N), weights[i])
        points = (X if shared else X[i])[rows], Y[i, rows]
        value, gradient = oracle(x[i], *points)
        np.testing.assert_allclose(fun[i], value, rtol=1e-13)
        np.testing.assert_allclose(jac[i], gradient, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(second[i], hessian(x[i], *points), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("method", ["lbfgs", "newton"])
def test_minimum_with_real_weights_is_that_of_scipy(method):
    family = l2o.families.Logistic(l2=0.01)
    X, Y, _ = drawn(family, shared=True)
    weights = np.random.default_rng(1).uniform(0, 2, N)
    batch = l2o.minimize_many(family.from_data(X, Y, weights=weights), method=method, tol=1e-9)
    for i in range(M):
        def fun(w, i=i):
            loss = np.logaddexp(0.0, -(2 * Y[i] - 1) * (X @ w[:P] + w[P]))
            return weights @ loss / weights.sum() + 0.005 * w[:P] @ w[:P]

        expected = scipy.optimize.minimize(fun, np.zeros(P + 1), method="BFGS", options={"gtol": 1e-7})
        np.testing.assert_allclose(batch.x[i], expected.x, atol=2e-6)
        assert batch.success[i]


def test_scale_of_the_weights_does_not_matter(named):
    family, _, _ = named
    X, Y, x = drawn(family)
    weights = np.random.default_rng(1).uniform(0, 2, (M, N))
    one, other = (family.from_data(X, Y, weights=unit * weights).value_and_grad(x) for unit in (1.0, 2.0**40))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-15)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-12)


def test_point_of_weight_zero_may_hold_anything(named):
    family, oracle, _ = named
    X, Y, x = drawn(family)
    X[1, 3], Y[2, 5] = np.nan, 7.0
    weights = np.ones((M, N))
    weights[1, 3] = weights[2, 5] = 0.0
    fun, _ = family.from_data(X, Y, weights=weights).value_and_grad(x)
    for i, j in ((1, 3), (2, 5)):
        np.testing.assert_allclose(fun[i], oracle(x[i], np.delete(X[i], j, axis=0), np.delete(Y[i], j))[0], rtol=1e-13)


@pytest.mark.parametrize("where", ["X", "y"])
@pytest.mark.parametrize("shared", [False, True])
def test_masked_point_has_weight_zero(named, where, shared):
    family, oracle, _ = named
    X, Y, x = drawn(family, shared)
    kept = np.ones((M, N), bool)
    if where == "y":
        kept[2, 7:9] = False
        fun, _ = family.from_data(X, np.ma.array(np.where(kept, Y, np.nan), mask=~kept)).value_and_grad(x)
    else:
        mask = np.zeros(X.shape, bool)
        mask[..., 4, 1] = True
        kept[:, 4] = False
        fun, _ = family.from_data(np.ma.array(X, mask=mask), Y).value_and_grad(x)
    for i in range(M):
        np.testing.assert_allclose(fun[i], oracle(x[i], (X if shared else X[i])[kept[i]], Y[i, kept[i]])[0], rtol=1e-13)


def test_weights_that_do_not_fit_are_an_error_that_names_them(named):
    family, _, _ = named
    X, Y, _ = drawn(family)
    for weights, message in ((np.ones((M, 2)), "weights has shape"), (-np.ones(N), r"weights holds -1\.0 at \(0,\)"),
                             (np.zeros(N), "weights are all zero for function 0"), (np.full(N, np.nan), "holds nan")):
        with pytest.raises(ValueError, match=message):
            family.from_data(X, Y, weights=weights)
    with pytest.raises(ValueError, match="X holds nan"):
        family.from_data(X[0] * np.nan, Y)


def test_function_without_weight_is_status_3_of_its_row(named):
    family, _, _ = named
    X, Y, _ = drawn(family)
    weights = np.ones((M, N))
    weights[1] = 0.0
    weights[2, 3] = np.inf
    batch = l2o.minimize_many(family.from_data(X, Y, weights=weights), method="lbfgs")
    assert batch.status.tolist() == [0, 3, 3, 0]


def test_one_design_is_kept_once():
    X, Y = np.zeros((200, 3)), np.zeros((2000, 200))
    problems = l2o.families.Logistic().from_data(X, Y)
    assert problems.shared.nbytes < 1.2 * 5 * 200 * 8
    assert problems.blocks.nbytes < 1.05 * Y.nbytes
    assert problems[3:9].shared is problems.shared


def test_newton_and_policies_and_processes_take_one_design():
    X, Y, _ = drawn(l2o.families.Logistic(), shared=True)
    problems = l2o.families.Logistic().from_data(X, np.repeat(Y, 60, axis=0))
    whole = l2o.minimize_many(problems, method="lbfgs", tol=1e-8)
    for method in ("newton", l2o.load("logistic"), None):
        batch = l2o.minimize_many(problems, method=method, tol=1e-8, workers=2)
        assert batch.success.all()
        np.testing.assert_allclose(batch.x, whole.x, atol=1e-5)
