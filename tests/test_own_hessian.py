"""Hessians of own objectives, given or by differences; inverses at a minimum; helpers, and callbacks of batches."""

import pickle

import numba
import numpy as np
import pytest
import scipy.optimize
import scipy.special

import l2o
from l2o.errors import CompilationError

T = np.linspace(0.0, 3.0, 40)
Y = 2.0 * np.exp(-0.7 * T) + 0.05 * np.random.default_rng(0).standard_normal(40)
DATA = np.column_stack([T, Y])
SIGMA = 0.05


def second(x, data, H):
    """Write half of the matrix twice: what is below the diagonal is the mean of both."""
    H[:] = 0.0
    for t, y in data:
        e = np.exp(-x[1] * t)
        r = x[0] * e - y
        H[0, 0] += e * e
        H[0, 1] += -t * e * (r + x[0] * e)
        H[1, 1] += x[0] * t * t * e * (r + x[0] * e)
    H[1, 0] = H[0, 1]


def plain(x, data, grad):
    f = 0.0
    grad[:] = 0.0
    for t, y in data:
        e = np.exp(-x[1] * t)
        r = x[0] * e - y
        f += 0.5 * r * r
        grad[0] += r * e
        grad[1] -= r * x[0] * e * t
    return f


with_hessian = l2o.objective(plain, hessian=second)
without = l2o.objective(plain)


def python(x):
    e = np.exp(-x[1] * T)
    r = x[0] * e - Y
    return float(0.5 * r @ r), np.array([r @ e, -r @ (x[0] * e * T)])


KINDS = {"given": (with_hessian, {"args": (DATA,)}), "differences": (without, {"args": (DATA,)}),
         "Python": (python, {}), "values": (lambda x: python(x)[0], {})}
COVARIANCE = scipy.optimize.curve_fit(lambda t, a, k: a * np.exp(-k * t), T, Y, [1.0, 1.0])


@pytest.mark.parametrize("kind", KINDS)
def test_newton_finds_the_minimum_of_scipy(kind):
    fun, given = KINDS[kind]
    result = l2o.minimize(fun, [1.5, 1.0], method="newton", **given)
    assert result.success
    np.testing.assert_allclose(result.x, COVARIANCE[0], rtol=1e-6)


def test_hessian_given_saves_the_evaluations_that_differences_take():
    given, differences = (l2o.minimize(fun, [1.5, 1.0], method="newton", args=(DATA,))
                          for fun in (with_hessian, without))
    assert differences.nfev >= given.nfev + 4 * (differences.nit - 1)
    np.testing.assert_allclose(given.x, differences.x, rtol=1e-6)
    batch = l2o.minimize_many(l2o.families.Custom(without, dim=2).from_data([DATA] * 3, x0=[1.5, 1.0]), method="newton")
    assert batch.nfev.tolist() == [differences.nfev] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_inverse_hessian_is_that_of_the_formula(kind):
    fun, given = KINDS[kind]
    result = l2o.minimize(fun, [1.5, 1.0], tol=1e-6, method="lbfgs", **given)
    H = np.empty((2, 2))
    second(result.x, DATA, H)
    np.testing.assert_allclose(result.hess_inv, np.linalg.inv(H), rtol=2e-4)
    np.testing.assert_allclose(result.stderr, np.sqrt(np.diag(np.linalg.inv(H))), rtol=1e-4)
    assert result["stderr"].tolist() == result.stderr.tolist()
    again = pickle.loads(pickle.dumps(result))
    assert again.hess_inv.tolist() == result.hess_inv.tolist()
    assert again.x.tolist() == result.x.tolist()


def test_standard_errors_are_near_those_of_curve_fit():
    """Its covariance leaves out the residuals' second derivatives, which are small here."""
    result = l2o.minimize(lambda x: python(x)[0] / SIGMA**2, [1.5, 1.0], method="lbfgs")
    expected = scipy.optimize.curve_fit(lambda t, a, k: a * np.exp(-k * t), T, Y, [1.0, 1.0], sigma=np.full(40, SIGMA),
                                        absolute_sigma=True)[1]
    np.testing.assert_allclose(result.stderr, np.sqrt(np.diag(expected)), rtol=0.05)


def test_inverse_hessian_knows_bounds_and_what_is_not_determined():
    def bowl(x):
        return float(x[0] ** 2 + (x[1] - 3.0) ** 2), np.array([2 * x[0], 2 * (x[1] - 3.0), 0.0])

    result = l2o.minimize(bowl, [1.0, 0.5, 1.0], method="lbfgs", bounds=[(None, None), (0.0, 1.0), (None, None)])
    assert result.x[1] == 1.0
    np.testing.assert_allclose(result.stderr, [np.sqrt(0.5), 0.0, np.inf], rtol=1e-6)
    with pytest.raises(AttributeError, match="its function is lost"):
        _ = pickle.loads(pickle.dumps(l2o.minimize(python, [1.5, 1.0]))).hess_inv


def test_hessian_that_is_not_read_costs_nothing():
    calls = []
    result = l2o.minimize(lambda x: (calls.append(0), python(x))[1], [1.5, 1.0], method="lbfgs")
    assert len(calls) == result.nfev
    assert "hess_inv" not in dict(result)
    _ = result.stderr
    assert len(calls) == result.nfev + 4


def test_newton_by_differences_stays_within_bounds():
    seen = []

    def fun(x):
        seen.append(x.copy())
        return python(x)

    result = l2o.minimize(fun, [1.5, 1.0], method="newton", bounds=[(1.0, 1.9), (0.0, 1.0)])
    assert result.x[0] == 1.9
    assert np.array(seen).min(axis=0).tolist() >= [1.0, 0.0]
    assert (np.array(seen) <= [1.9, 1.0]).all()


def test_hessian_that_is_no_function_of_three_is_an_error():
    with pytest.raises(TypeError, match="hessian is 3; expected a Python function"):
        l2o.objective(plain, hessian=3)
    with pytest.raises(TypeError, match=r"expected \(x, data, H\)"):
        l2o.objective(plain, hessian=lambda x: x)


@l2o.objective(hessian=second)
def decorated(x, data, grad):
    grad[:] = x
    return 0.5 * (x**2).sum()


def test_decorated_objective_pickles_with_its_hessian():
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert decorated.kernel.hessian


# -- helpers that are not compiled ---------------------------------------------------------------------


def helper(z):
    return z * z


ready = numba.njit(helper)


@pytest.mark.parametrize(("function", "told"), [
    (lambda x, data, grad: helper(x[0]), "helper is a Python function that is not compiled: put @numba.njit above it"),
    (lambda x, data, grad: scipy.special.ellipk(x[0]), r"special\.ellipk is a ufunc that Numba does not know"),
])
def test_helper_that_is_not_compiled_is_named_with_its_remedy(function, told):
    with pytest.raises(CompilationError, match=told):
        _ = l2o.objective(function).kernel


def test_function_of_scipy_that_models_may_call_is_compiled_in_an_objective():
    objective = l2o.objective(lambda x, data, grad: scipy.special.expit(x[0]))
    assert objective.value_and_grad([0.7])[0] == pytest.approx(scipy.special.expit(0.7), rel=1e-14)


def test_helper_that_is_compiled_is_not_blamed():
    with pytest.raises(CompilationError) as told:
        _ = l2o.objective(lambda x, data, grad: ready(x[0]) + np.exp("text")).kernel
    assert "put @numba.njit" not in str(told.value)


# -- callbacks of batches ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("method", ["lbfgs", "momentum", None])
def test_batch_tells_of_each_iteration_of_each_problem(method, workers):
    problems = l2o.families.Logistic().sample(6, rng=0)
    told = []
    batch = l2o.minimize_many(problems, method=method, workers=workers, callback=lambda i, k: told.append((i, k)))
    plain = l2o.minimize_many(problems, method=method)
    np.testing.assert_array_equal(batch.x, plain.x)
    assert sorted(told) == [(i, k) for i in range(6) for k in range(1, plain.nit[i] + 1)]


def test_callback_of_a_batch_may_stop_a_problem_and_takes_a_result():
    problems = l2o.families.Logistic().sample(4, rng=0)
    seen = []

    def stop(intermediate_result):
        seen.append(intermediate_result)
        if intermediate_result.problem == 2 and intermediate_result.nit == 3:
            raise StopIteration

    batch = l2o.minimize_many(problems, method="lbfgs", callback=stop)
    assert batch.status.tolist() == [0, 0, 99, 0]
    assert batch.nit[2] == 3
    last = [each for each in seen if each.problem == 3][-1]
    np.testing.assert_allclose(problems[3].fun(last.x), last.fun, rtol=1e-12)
    with pytest.raises(TypeError, match="callback is 3; expected a callable"):
        l2o.minimize_many(problems, callback=3)
    with pytest.raises(ValueError, match="ordered is True and there is a callback"):
        l2o.minimize_many(problems, ordered=True, callback=stop)


def test_exception_of_a_callback_of_a_batch_comes_through():
    def fail(problem, iteration):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        l2o.minimize_many(l2o.families.Logistic().sample(3, rng=0), method="lbfgs", callback=fail)
