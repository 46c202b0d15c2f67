"""minimize, minimize_many and rollout: every method, on native problems and Python callables, and as SciPy's method."""

import itertools
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.optimize

import l2o
from l2o.baselines import BASELINES, LBFGS, ConjugateGradient, GradientDescent, Momentum, ScipyLBFGS
from l2o.families import Logistic

NAMES = tuple(name for name in BASELINES if name not in ("newton", "lm"))  # those for any callable
METHODS = (*NAMES, "policy")
STEPWISE = ("gradient-descent", "momentum", "policy")
NATIVE = (*STEPWISE, "lbfgs", "newton")
MINIMUM = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([1.0, 2.0, 0.5])


class Bowl:
    """f = sum of curvature (x - minimum)^2 / 2; counts its calls, and fails or turns bad at a call of choice."""

    def __init__(self, error=None, at=None, value=None, gradient=None):
        self.error, self.at, self.value, self.gradient = error, at, value, gradient
        self.points, self.n_slopes = [], 0

    @property
    def calls(self):
        return len(self.points)

    def fun(self, x):
        self.points.append(x.copy())
        if self.at is not None and self.calls >= self.at:
            if self.error is not None:
                raise self.error
            if self.value is not None:
                return self.value
        return float(CURVATURE @ (x - MINIMUM) ** 2 / 2)

    def jac(self, x):
        self.n_slopes += 1
        if self.gradient is not None and self.n_slopes >= self.at:
            return self.gradient
        return CURVATURE * (x - MINIMUM)

    def both(self, x):
        return self.fun(x), self.jac(x)

    def form(self, jac):
        """Return fun and jac as minimize takes them, for jac True, "callable" or None."""
        return {True: (self.both, True), "callable": (self.fun, self.jac), None: (self.fun, None)}[jac]


START = np.array([3.0, 1.0, -1.0])
AT_START = Bowl().fun(START)


@pytest.fixture
def method_of(descent_policy, random_policy):
    """Return a maker of methods by name; "policy" is a network that is gradient descent."""
    return lambda name, dim=3: descent_policy(dim, 0.5) if name == "policy" else name


@pytest.fixture(params=METHODS)
def method(request, method_of):
    return method_of(request.param)


@pytest.fixture(params=["l2o", "scipy"])
def by(request):
    """Return minimize from either side; SciPy's takes a policy only."""
    return l2o.minimize if request.param == "l2o" else scipy.optimize.minimize


def equal(one, other):
    """Whether two tuples of arrays are equal to the bit."""
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def parts(result):
    """Return the arrays of a BatchResult or Rollouts."""
    return tuple(value for value in vars(result).values() if isinstance(value, np.ndarray))


# -- what comes back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("jac", [True, "callable", None])
def test_minimize_finds_the_minimum_and_counts_the_calls(method, jac):
    bowl = Bowl()
    fun, slope = bowl.form(jac)
    result = l2o.minimize(fun, START, method=method, jac=slope, tol=1e-4)
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-3)
    assert result.success is True
    assert result.status == 0
    assert result.nfev == bowl.calls
    assert np.abs(result.jac).max() <= 1e-4
    assert result.fun == Bowl().fun(result.x)
    assert 0 < result.nit < result.nfev
    assert isinstance(result, scipy.optimize.OptimizeResult)
    assert isinstance(result.fun, float)
    if jac is not None:
        assert result.njev == bowl.n_slopes
        np.testing.assert_array_equal(result.jac, Bowl().jac(result.x))


@pytest.mark.parametrize("jac", [True, "callable", None, False])
def test_policy_is_a_scipy_method(jac, descent_policy):
    policy = descent_policy(3)
    ours, scipys = Bowl(), Bowl()
    fun, slope = ours.form(jac or None)
    one = l2o.minimize(fun, START, method=policy, jac=slope, tol=1e-4)
    fun, slope = scipys.form(jac or None)
    two = scipy.optimize.minimize(fun, START, method=policy, jac=slope if jac else jac, tol=1e-4)
    assert dict(one).keys() == dict(two).keys()
    for key in ("x", "jac", "fun", "nit", "nfev", "status", "message"):
        np.testing.assert_array_equal(one[key], two[key])
    assert two.nfev == scipys.calls == ours.calls


def test_differences_are_counted_point_by_point():
    bowl = Bowl()
    result = l2o.minimize(bowl.fun, START, method=GradientDescent(0.5), jac=None, options={"maxiter": 3})
    assert result.nfev == bowl.calls == 4 * (1 + 3)


def test_minimize_of_an_objective_equals_minimize_of_its_function(problems, method_of):
    for name in STEPWISE:
        points = []
        same = {"method": method_of(name, 4), "options": {"maxiter": 30}, "callback": points.append}
        one = l2o.minimize(problems[3], **same)
        two = l2o.minimize(problems[3].value_and_grad, problems.x0[3], **same)
        three = l2o.minimize(problems[3], problems.x0[3], **same)
        for other in (two, three):
            assert dict(one).keys() == dict(other).keys()
            assert all(np.array_equal(one[key], other[key]) for key in one)
        assert len(points) == 3 * one.nit
        np.testing.assert_array_equal(points[: one.nit], points[one.nit : 2 * one.nit])


def test_minimize_passes_args_on(method):
    def shifted(x, shift, factor=1.0):
        return Bowl().fun(x - shift) * factor, Bowl().jac(x - shift) * factor

    for args in ((2.0,), (2.0, 1.5), 2.0):
        np.testing.assert_allclose(l2o.minimize(shifted, START, args, method=method).x, MINIMUM + 2, atol=1e-4)
    apart = l2o.minimize(lambda x, s: Bowl().fun(x - s), START, (2.0,), method=method,
                         jac=lambda x, s: Bowl().jac(x - s))
    np.testing.assert_allclose(apart.x, MINIMUM + 2, atol=1e-4)


def test_scipy_passes_args_on(descent_policy):
    result = scipy.optimize.minimize(lambda x, s: Bowl().both(x - s), START, args=(2.0,), jac=True,
                                     method=descent_policy(3))
    np.testing.assert_allclose(result.x, MINIMUM + 2, atol=1e-4)


def test_minimize_from_the_minimum_takes_no_step(method):
    bowl = Bowl()
    result = l2o.minimize(bowl.both, MINIMUM, method=method)
    assert (result.status, result.nit, result.nfev, bowl.calls) == (0, 0, 1, 1)
    np.testing.assert_array_equal(result.x, MINIMUM)


@pytest.mark.parametrize("name", NAMES)
def test_best_point_is_returned_and_jac_belongs_to_it(name, random_policy):
    def rosenbrock(x):
        return scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)

    x0 = np.array([-1.2, 1.0, 0.7])
    for method, maxiter in itertools.product((name, random_policy(3), Momentum(0.005, 0.99)), (0, 1, 2, 5, 20)):
        seen = []

        def recorded(x, seen=seen):
            seen.append(rosenbrock(x)[0])
            return rosenbrock(x)

        with np.errstate(all="ignore"):
            result = l2o.minimize(recorded, x0, method=method, options={"maxiter": maxiter})
            best = np.nanmin(np.where(np.isfinite(seen), seen, np.nan))
        assert result.fun == rosenbrock(result.x)[0] == best <= rosenbrock(x0)[0]
        np.testing.assert_array_equal(result.jac, rosenbrock(result.x)[1])


@pytest.mark.parametrize("name", [*STEPWISE, "lbfgs"])
def test_equal_values_are_told_apart_by_the_gradient(name, method_of):
    result = l2o.minimize(lambda x: (1e16 + Bowl().fun(x), Bowl().jac(x)), START, method=method_of(name), tol=1e-5)
    assert result.success
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)


def test_success_means_finite_and_within_gtol(problems, random_policy):
    x = np.concatenate([problems.x0, 1e200 * problems.x0])
    twice = problems[[*range(12), *range(12)]]
    found = set()
    methods = (*NAMES, "newton", random_policy(seed=1), GradientDescent(50.0))
    for method, gtol in itertools.product(methods, (1e-6, 0.05, 0.3)):
        batch = l2o.minimize_many(twice, x, method=method, options={"gtol": gtol, "maxiter": 60})
        f, g = twice.value_and_grad(batch.x)
        np.testing.assert_array_equal(batch.fun, f)
        np.testing.assert_array_equal(batch.jac, g)
        assert (batch.success == (batch.status == 0)).all()
        assert (np.abs(g[batch.success]).max(axis=1, initial=0) <= gtol).all()
        assert np.isfinite(f[batch.success]).all()
        assert not (batch.success & ~np.isfinite(g).all(axis=1)).any()
        found |= set(batch.status.tolist())
    assert {0, 1, 3} <= found


# -- the callback --------------------------------------------------------------------------------------


def test_callback_sees_each_iterate_in_both_forms(method):
    points, results = [], []
    plain = l2o.minimize(Bowl().both, START, method=method)
    first = l2o.minimize(Bowl().both, START, method=method, callback=points.append)
    second = l2o.minimize(Bowl().both, START, method=method,
                          callback=lambda intermediate_result: results.append(intermediate_result))
    assert len(points) == len(results) == plain.nit == first.nit == second.nit
    np.testing.assert_array_equal(points, [result.x for result in results])
    assert [result.fun for result in results] == [Bowl().fun(x) for x in points]
    np.testing.assert_array_equal(points[-1], plain.x)
    assert not np.array_equal(points[0], START)


def test_callback_cannot_disturb_the_run(method):
    def meddle(x):
        x[:] = 1e6

    plain = l2o.minimize(Bowl().both, START, method=method)
    np.testing.assert_array_equal(l2o.minimize(Bowl().both, START, method=method, callback=meddle).x, plain.x)


@pytest.mark.parametrize("jac", [True, "callable", None])
def test_function_cannot_disturb_the_run(jac, method):
    def meddling(function):
        def meddle(x):
            result = function(x)
            x[:] = 1e6
            return result

        return meddle

    fun, slope = Bowl().form(jac)
    plain = l2o.minimize(fun, START, method=method, jac=slope)
    slope = meddling(slope) if callable(slope) else slope
    np.testing.assert_array_equal(l2o.minimize(meddling(fun), START, method=method, jac=slope).x, plain.x)


@pytest.mark.parametrize("form", ["x", "result"])
def test_stop_iteration_of_the_callback_stops_with_status_99(method, form):
    seen = []

    def stop(x):
        seen.append(x)
        if len(seen) == 2:
            raise StopIteration

    callback = stop if form == "x" else lambda intermediate_result: stop(intermediate_result.x)
    result = l2o.minimize(Bowl().both, START, method=method, callback=callback)
    assert (result.status, result.success, len(seen), result.nit) == (99, False, 2, 2)
    assert "StopIteration" in result.message
    assert result.fun == Bowl().fun(result.x) <= AT_START


def test_scipy_passes_the_callback_on(descent_policy):
    points = []

    def stop(intermediate_result):
        points.append(intermediate_result.x)
        if len(points) == 3:
            raise StopIteration

    result = scipy.optimize.minimize(Bowl().both, START, jac=True, method=descent_policy(3), callback=stop)
    assert (result.status, len(points)) == (99, 3)


def test_function_may_itself_minimise(method):
    def outer(x):
        inner = l2o.minimize(Bowl().both, START, method=method)
        return Bowl().both(x - inner.x + MINIMUM)

    result = l2o.minimize(outer, START, method=method)
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)


# -- exceptions of the user ----------------------------------------------------------------------------


class Panic(BaseException):
    """Not an Exception."""


ERRORS = [ValueError("mine"), StopIteration("mine"), KeyboardInterrupt(), Panic("mine"), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at", [1, 3])
def test_exception_of_the_function_comes_through_unchanged(error, at, method):
    for jac in (True, "callable", None):
        fun, slope = Bowl(error, at).form(jac)
        with pytest.raises(type(error)) as caught:
            l2o.minimize(fun, START, method=method, jac=slope)
        assert caught.value is error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_exception_of_the_gradient_comes_through_unchanged(error, method):
    def jac(x):
        raise error

    with pytest.raises(type(error)) as caught:
        l2o.minimize(Bowl().fun, START, method=method, jac=jac)
    assert caught.value is error


@pytest.mark.parametrize("error", [e for e in ERRORS if not isinstance(e, StopIteration)],
                         ids=lambda error: type(error).__name__)
def test_exception_of_the_callback_comes_through_unchanged(error, method):
    def callback(x):
        raise error

    with pytest.raises(type(error)) as caught:
        l2o.minimize(Bowl().both, START, method=method, callback=callback)
    assert caught.value is error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_exception_comes_through_scipy_unchanged(error, descent_policy):
    def fail(x):
        raise error

    for at, jac in itertools.product((1, 3), (True, "callable", None)):
        fun, slope = Bowl(error, at).form(jac)
        with pytest.raises(type(error)) as caught:
            scipy.optimize.minimize(fun, START, jac=slope, method=descent_policy(3))
        assert caught.value is error
    with pytest.raises(type(error)) as caught:
        scipy.optimize.minimize(Bowl().fun, START, jac=fail, method=descent_policy(3))
    assert caught.value is error
    if not isinstance(error, StopIteration):
        with pytest.raises(type(error)) as caught:
            scipy.optimize.minimize(Bowl().both, START, jac=True, method=descent_policy(3), callback=fail)
        assert caught.value is error


# -- numbers that are not finite -----------------------------------------------------------------------


BAD = [{"value": np.nan}, {"value": np.inf}, {"value": -np.inf}, {"gradient": np.array([1, np.nan, 0])},
       {"gradient": np.full(3, np.inf)}]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_function_that_is_not_finite_at_the_start_gives_status_3(bad, method):
    result = l2o.minimize(Bowl(at=1, **bad).both, START, method=method)
    assert (result.status, result.success) == (3, False)
    np.testing.assert_array_equal(result.x, START)


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("name", STEPWISE)
def test_function_that_turns_bad_gives_status_3_and_the_best_point(bad, name, method_of):
    bowl = Bowl(at=4, **bad)
    options = {"safeguard": False} if name == "policy" else {}
    result = l2o.minimize(bowl.both, START, method=method_of(name), options=options)
    assert (result.status, result.success, result.nfev, result.nit) == (3, False, 4, 2)
    values = [Bowl().fun(x) for x in bowl.points[:3]]
    np.testing.assert_array_equal(result.x, bowl.points[int(np.argmin(values))])
    assert result.fun == min(values)
    np.testing.assert_array_equal(result.jac, Bowl().jac(result.x))


@pytest.mark.parametrize("bad", [{"value": np.nan}, {"value": np.inf}], ids=str)
@pytest.mark.parametrize("name", ["cg", "lbfgs", "scipy-lbfgs", "policy"])
def test_solver_keeps_the_best_point_when_the_function_turns_bad(bad, name, method_of):
    bowl = Bowl(at=4, **bad)
    result = l2o.minimize(bowl.both, START, method=method_of(name))
    assert not result.success
    values = [Bowl().fun(x) for x in bowl.points[:3]]
    assert result.fun == min(values) == Bowl().fun(result.x)
    np.testing.assert_array_equal(result.jac, Bowl().jac(result.x))


# -- options -------------------------------------------------------------------------------------------


def test_gtol_and_tol_say_when_to_stop(method):
    for gtol in (1.0, 1e-2, 1e-4):
        result = l2o.minimize(Bowl().both, START, method=method, options={"gtol": gtol})
        assert result.success
        assert np.abs(result.jac).max() <= gtol
        same = l2o.minimize(Bowl().both, START, method=method, tol=gtol)
        assert (same.nit, same.nfev) == (result.nit, result.nfev)
    both = l2o.minimize(Bowl().both, START, method=method, tol=1.0, options={"gtol": 1e-4})
    assert both.nfev == result.nfev > l2o.minimize(Bowl().both, START, method=method, tol=1.0).nfev


def test_gtol_is_the_maximum_norm(method_of):
    for name in STEPWISE:
        norms = []
        result = l2o.minimize(Bowl().both, START, method=method_of(name), tol=1e-5,
                              callback=lambda x, norms=norms: norms.append(np.abs(Bowl().jac(x)).max()))
        assert norms[-1] <= 1e-5 < min(norms[:-1])
        assert np.abs(result.jac).max() == norms[-1]


def test_gradient_of_just_gtol_is_within_it(method):
    near = MINIMUM + np.array([0.5, 0, 0])
    assert l2o.minimize(Bowl().both, near, method=method, tol=0.5).nit == 0
    assert l2o.minimize(Bowl().both, near, method=method, tol=np.nextafter(0.5, 0)).nit > 0


def test_gtol_is_the_only_tolerance(problems):
    for method in ("cg", "lbfgs", "newton", "scipy-lbfgs", Momentum(0.5, 0.8)):
        batch = l2o.minimize_many(problems, method=method, options={"gtol": 1e-7, "maxiter": 20000, "maxfun": 50000})
        assert batch.success.all()
        assert np.abs(batch.jac).max() <= 1e-7


@pytest.mark.parametrize("maxiter", [1, 2, 3])
def test_maxiter_limits_the_iterations(maxiter, method):
    result = l2o.minimize(Bowl().both, START, method=method, options={"maxiter": maxiter, "gtol": 1e-12})
    assert (result.nit, result.status, result.success) == (maxiter, 1, False)
    assert "limit" in result.message


def test_limits_are_15000_by_default():
    result = l2o.minimize(lambda x: (x @ x / 2, x), np.ones(2), method=GradientDescent(1e-6))
    assert (result.nit, result.nfev, result.status) == (14999, 15000, 1)


@pytest.mark.parametrize("name", [*STEPWISE, "lbfgs"])
@pytest.mark.parametrize("maxfun", [1, 2, 5])
def test_maxfun_limits_the_evaluations(maxfun, name, method_of):
    bowl = Bowl()
    result = l2o.minimize(bowl.both, START, method=method_of(name), options={"maxfun": maxfun, "gtol": 0.0})
    assert (result.nfev, bowl.calls, result.status) == (maxfun, maxfun, 1)


def test_maxfun_ends_scipys_lbfgs_after_the_iteration_at_which_it_is_reached():
    bowl = Bowl()
    result = l2o.minimize(bowl.both, START, method="scipy-lbfgs", options={"maxfun": 3, "gtol": 0.0})
    assert 3 <= bowl.calls == result.nfev < 3 + 20
    assert result.status == 1


def test_option_that_is_unknown_is_a_warning_that_names_it(by, descent_policy, problems):
    with pytest.warns(scipy.optimize.OptimizeWarning, match="momentous"):
        by(Bowl().both, START, jac=True, method=descent_policy(3), options={"momentous": 1})
    with pytest.warns(scipy.optimize.OptimizeWarning, match="momentous"):
        l2o.minimize_many(problems, method="momentum", options={"momentous": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by(Bowl().both, START, jac=True, method=descent_policy(3), options={"disp": False, "maxiter": 3, "gtol": 1e-3})


@pytest.mark.parametrize(("options", "error"), [
    ({"gtol": -1.0}, ValueError), ({"gtol": np.nan}, ValueError), ({"gtol": "small"}, TypeError),
    ({"maxiter": -1}, ValueError), ({"maxiter": np.nan}, TypeError), ({"maxfun": 0}, ValueError),
    ({"maxfun": "many"}, TypeError),
], ids=str)
def test_option_that_does_not_fit_is_an_error_that_names_it(options, error, problems):
    (name, _), = options.items()
    with pytest.raises(error, match=f"{name} is"):
        l2o.minimize(Bowl().both, START, method="momentum", options=options)
    with pytest.raises(error, match=f"{name} is"):
        l2o.minimize_many(problems, method="momentum", options=options)


def test_options_given_stay_as_they_are():
    options = {"gtol": 1e-3, "maxiter": 5, "maxfun": 50}
    l2o.minimize(Bowl().both, START, method="momentum", options=options)
    assert options == {"gtol": 1e-3, "maxiter": 5, "maxfun": 50}


# -- arguments -----------------------------------------------------------------------------------------


def test_start_of_any_form_means_the_same(method):
    plain = l2o.minimize(Bowl().both, START, method=method)
    frozen = START.copy()
    frozen.flags.writeable = False
    column = np.asfortranarray(np.column_stack([START, START]))[:, 0]
    for x0 in (START.tolist(), tuple(START), START.astype(np.float32), START.astype(int), START.astype(">f8"), frozen,
               column, np.repeat(START, 2)[::2]):
        result = l2o.minimize(Bowl().both, x0, method=method)
        np.testing.assert_array_equal(result.x, plain.x)
        np.testing.assert_array_equal(x0, START)
        assert result.x.dtype == np.float64
        result.x[:] = 0
        np.testing.assert_array_equal(x0, START)


def test_start_may_be_a_number(method_of, by):
    def parabola(x):
        assert x.shape == (1,)
        return (x[0] - 2) ** 2 / 2, x - 2

    assert by(parabola, 5.0, jac=True, method=method_of("policy", 1)).x.shape == (1,)
    for name in METHODS:
        np.testing.assert_allclose(l2o.minimize(parabola, 5.0, method=method_of(name, 1)).x, [2.0], atol=1e-4)


def test_value_may_be_an_array_of_one(method):
    bowl = Bowl()
    for jac in (lambda x: list(bowl.jac(x)), None):
        result = l2o.minimize(lambda x: np.array([bowl.fun(x)]), START, method=method, jac=jac, tol=1e-4)
        np.testing.assert_allclose(result.x, MINIMUM, atol=1e-3)


@pytest.mark.parametrize(("x0", "error", "match"), [
    ([[1.0, 2.0, 3.0]], ValueError, r"x0 has shape \(1, 3\)"), ([], ValueError, "x0 is empty"),
    (None, ValueError, "x0"), ([1.0, np.nan, 0.0], ValueError, "x0 holds nan"), ("abc", TypeError, "x0"),
    ([1.0, np.inf, 0.0], ValueError, "x0 holds inf"), ([1.0, {}, 0.0], TypeError, "x0"),
], ids=str)
def test_start_that_does_not_fit_is_an_error_that_names_it(x0, error, match, method):
    with pytest.raises(error, match=match):
        l2o.minimize(Bowl().both, x0, method=method)


def test_dimension_that_does_not_fit_is_an_error_that_names_both(by, descent_policy, problems):
    with pytest.raises(ValueError, match=r"3.*dimension 2"):
        by(Bowl().both, START, jac=True, method=descent_policy(2))
    with pytest.raises(ValueError, match=r"x0 has shape \(3,\); expected \(4,\)"):
        l2o.minimize(problems[0], START, method="momentum")
    with pytest.raises(ValueError, match=r"x0 has shape \(11, 4\); expected \(12, 4\)"):
        l2o.minimize_many(problems, problems.x0[1:], method="momentum")


def test_function_that_returns_no_gradient_is_an_error_that_says_so(method):
    with pytest.raises(ValueError, match=r"value and gradient.*jac=None"):
        l2o.minimize(Bowl().fun, START, method=method, jac=True)


def test_result_of_another_shape_is_an_error_that_names_it(method):
    with pytest.raises(ValueError, match=r"the gradient has shape \(2,\); expected \(3,\)"):
        l2o.minimize(lambda x: (1.0, x[:2]), START, method=method)
    with pytest.raises(ValueError, match=r"the gradient has shape \(3, 3\)"):
        l2o.minimize(Bowl().fun, START, method=method, jac=lambda x: np.eye(3))
    with pytest.raises(ValueError, match=r"fun returned a value of shape \(3,\)"):
        l2o.minimize(lambda x: (x, x), START, method=method, jac=True)


@pytest.mark.parametrize(("name", "value", "error"), [
    ("bounds", [(0, 1)] * 2, ValueError), ("fixed", [1, 0, 0], TypeError), ("callback", 5, TypeError),
    ("jac", "cs", ValueError), ("jac", 3, TypeError),
])
def test_argument_that_does_not_fit_is_an_error_that_names_it(name, value, error, problems):
    with pytest.raises(error, match=name):
        l2o.minimize(Bowl().both, START, method="momentum", **{name: value})
    if name in ("bounds", "fixed"):
        with pytest.raises(error, match=name):
            l2o.minimize_many(problems, method="momentum", **{name: value})


@pytest.mark.parametrize("name", ["hess", "hessp"])
def test_scipy_hessians_are_a_warning_that_names_them(name, descent_policy):
    with pytest.warns(RuntimeWarning, match=rf"does not use Hessian information \({name}\)"):
        result = scipy.optimize.minimize(Bowl().both, START, jac=True, method=descent_policy(3, 0.1),
                                         **{name: lambda x, *_: np.eye(3)})
    assert result.success


def test_scipy_constraints_are_an_error_that_names_them(descent_policy):
    policy, equality = descent_policy(3), {"type": "eq", "fun": lambda x: x[0]}
    for constraints in (equality, [equality], scipy.optimize.LinearConstraint(np.eye(3), 0, 1)):
        with pytest.raises(ValueError, match="constraints"):
            scipy.optimize.minimize(Bowl().both, START, jac=True, method=policy, constraints=constraints)


@pytest.mark.parametrize("method", ["lbfgs", "policy"])
def test_plainly_wrong_gradient_is_told(method, descent_policy):
    method = descent_policy(3) if method == "policy" else method
    calls = []

    def wrong(x):
        calls.append(1)
        return ((x - 1) ** 2).sum() + 1, 2 * (x - 1) * [1, -3, 1]

    result = l2o.minimize(wrong, [3.0, -2.0, 0.5], method=method)
    assert not result.success
    assert "its gradient is wrong (l2o.testing.check_objective finds where)" in result.message
    assert result.nfev == len(calls)
    right = l2o.minimize(lambda x: (((x - 1) ** 2).sum() * 1e9 + 1e9, 2e9 * (x - 1)), START, method=method, tol=0)
    assert "gradient is wrong" not in right.message


def test_function_that_is_none_is_an_error_that_names_it():
    for fun in (None, 5, np.zeros(3)):
        with pytest.raises(TypeError, match="fun is"):
            l2o.minimize(fun, START, method="momentum")


def test_problems_that_are_none_are_an_error_that_names_them(problems):
    for bad in (None, [problems[0]], Bowl().both):
        for call in (l2o.minimize_many, l2o.rollout):
            with pytest.raises(TypeError, match="problems is"):
                call(bad, method="momentum")


def test_method_that_is_unknown_is_an_error_that_lists_the_names(problems):
    for call in (lambda method: l2o.minimize(Bowl().both, START, method=method),
                 lambda method: l2o.minimize_many(problems, method=method),
                 lambda method: l2o.rollout(problems, method=method)):
        with pytest.raises(ValueError, match="method is 'sgd'") as caught:
            call("sgd")
        assert all(name in str(caught.value) for name in NAMES)
        for bad in (5, GradientDescent):
            with pytest.raises(TypeError, match="method is"):
                call(bad)
    with pytest.raises(TypeError, match="method is None"):
        l2o.rollout(problems, method=None)


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda: GradientDescent(0.0), ValueError, "step_size is 0"),
    (lambda: GradientDescent("a"), TypeError, "step_size is 'a'"),
    (lambda: GradientDescent(np.inf), ValueError, "step_size is inf"),
    (lambda: Momentum(-1), ValueError, "step_size is -1"), (lambda: Momentum(0.1, 1.0), ValueError, "decay is 1"),
    (lambda: Momentum(0.1, -0.1), ValueError, "decay is -0.1"), (lambda: Momentum(0.1, np.nan), ValueError, "decay"),
    (lambda: LBFGS(0), ValueError, "memory is 0"), (lambda: LBFGS(2.5), TypeError, r"memory is 2\.5"),
    (lambda: ScipyLBFGS(0), ValueError, "memory is 0"),
])
def test_baseline_setting_that_does_not_fit_is_an_error_that_names_it(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("name", [*NAMES, "newton"])
def test_baseline_by_name_is_the_object_of_default_settings(name, problems):
    assert equal(parts(l2o.rollout(problems, method=name, n_steps=4)),
                 parts(l2o.rollout(problems, method=BASELINES[name](), n_steps=4)))
    assert pickle.loads(pickle.dumps(BASELINES[name]())) == BASELINES[name]()


# -- batches -------------------------------------------------------------------------------------------


def pickled(function, items):
    """A map that sends everything through pickle, as processes and clusters do."""
    return [pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(item))) for item in items]


def backwards(function, items):
    """A map that works from the end."""
    return reversed([function(item) for item in reversed(list(items))])


WORKERS = {"1": 1, "2": 2, "-1": -1, "5": np.int64(5), "map": map, "pickled": pickled, "backwards": backwards}


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("name", NATIVE)
def test_batch_row_equals_the_single_run_to_the_bit(workers, name, problems, method_of):
    batch = l2o.minimize_many(problems, method=method_of(name, 4), workers=workers, options={"maxiter": 50})
    assert batch.x.shape == batch.jac.shape == (12, 4)
    assert len(batch) == 12
    for i in range(12):
        single = l2o.minimize(problems[i], method=method_of(name, 4), options={"maxiter": 50})
        for key in ("x", "fun", "jac", "nit", "nfev", "status", "success"):
            np.testing.assert_array_equal(getattr(batch, key)[i], single[key])
        assert batch.message(i) == single.message


@pytest.mark.parametrize("workers", [1, map, pickled], ids=["1", "map", "pickled"])
@pytest.mark.parametrize("name", ["cg", "scipy-lbfgs"])
def test_batch_row_of_a_scipy_method_equals_the_single_run_to_the_bit(workers, name, problems):
    batch = l2o.minimize_many(problems, method=name, workers=workers)
    for i in range(12):
        single = l2o.minimize(problems[i], method=name)
        for key in ("x", "fun", "jac", "nit", "nfev", "status", "success"):
            np.testing.assert_array_equal(getattr(batch, key)[i], single[key])


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("name", NATIVE)
def test_rollouts_do_not_depend_on_the_workers(workers, name, problems, method_of):
    whole = l2o.rollout(problems, method=method_of(name, 4), n_steps=7)
    assert equal(parts(whole), parts(l2o.rollout(problems, method=method_of(name, 4), n_steps=7, workers=workers)))


@pytest.mark.parametrize("workers", [map, pickled, backwards])
@pytest.mark.parametrize("name", ["cg", "scipy-lbfgs"])
def test_rollouts_of_a_scipy_method_do_not_depend_on_the_workers(workers, name, problems):
    whole = l2o.rollout(problems, method=name, n_steps=7)
    assert equal(parts(whole), parts(l2o.rollout(problems, method=name, n_steps=7, workers=workers)))


@pytest.mark.parametrize("name", ["lbfgs", "newton", "scipy-lbfgs"])
def test_threads_of_a_solver_equal_one(name, problems):
    for call in (l2o.minimize_many, l2o.rollout):
        assert equal(parts(call(problems, method=name)), parts(call(problems, method=name, workers=2)))


def test_executor_is_a_worker(problems, random_policy):
    with ThreadPoolExecutor(2) as pool:
        for call in (l2o.minimize_many, l2o.rollout):
            one, two = (call(problems, method=random_policy(), workers=workers) for workers in (1, pool))
            assert equal(parts(one), parts(two))


def test_batch_row_does_not_depend_on_its_neighbours(problems, random_policy):
    whole = l2o.minimize_many(problems, method=random_policy(), options={"maxiter": 40})
    for rows in (slice(2, 3), slice(1, 8), slice(None, None, -3), [5, 5, 0]):
        part = l2o.minimize_many(problems[rows], method=random_policy(), options={"maxiter": 40})
        assert equal([column[rows] for column in parts(whole)], parts(part))


@pytest.mark.parametrize("workers", [1, 2, map], ids=str)
def test_batch_of_no_problems_is_empty(workers, problems, method_of):
    for name in (*METHODS, "newton"):
        batch = l2o.minimize_many(problems[:0], method=method_of(name, 4), workers=workers)
        assert (len(batch), batch.x.shape, batch.success.shape) == (0, (0, 4), (0,))
        runs = l2o.rollout(problems[:0], method=method_of(name, 4), n_steps=3, workers=workers)
        assert (runs.x.shape, runs.fun.shape, runs.nfev.shape) == ((0, 4, 4), (0, 4), (0, 4))


@pytest.mark.parametrize(("workers", "error"), [
    (0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError), (False, TypeError), ("2", TypeError),
    (None, TypeError),
])
def test_workers_that_do_not_fit_are_an_error_that_names_them(workers, error, problems):
    for call in (l2o.minimize_many, l2o.rollout):
        for some in (problems, problems[:1]):
            with pytest.raises(error, match=f"workers is {workers!r}"):
                call(some, method="momentum", workers=workers)


def test_two_threads_at_once_equal_one(problems, random_policy):
    many = problems[np.arange(600) % 12]
    expected = parts(l2o.rollout(many, method=random_policy(), n_steps=40))
    expected_many = parts(l2o.minimize_many(many, method=random_policy()))
    results, gate = {}, threading.Barrier(2)

    def run(name):
        gate.wait()
        results[name] = [(parts(l2o.rollout(many, method=random_policy(), n_steps=40)),
                          parts(l2o.minimize_many(many, method=random_policy()))) for _ in range(3)]

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for runs, batch in results["a"] + results["b"]:
        assert equal(runs, expected)
        assert equal(batch, expected_many)


def test_two_threads_of_python_functions_equal_one(descent_policy):
    expected = l2o.minimize(Bowl().both, START, method=descent_policy(3))
    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(lambda _: l2o.minimize(Bowl().both, START, method=descent_policy(3)), range(20)):
            assert all(np.array_equal(result[key], expected[key]) for key in expected)


def test_failed_run_is_a_status_or_an_error_if_asked_for(problems, method_of):
    x0 = problems.x0.copy()
    x0[4] = 1e300
    for name in (*METHODS, "newton"):
        batch = l2o.minimize_many(problems, x0, method=method_of(name, 4))
        assert (np.flatnonzero(batch.status == 3) == [4]).all()
        assert "not finite" in batch.message(4)
        np.testing.assert_array_equal(batch.x[4], x0[4])
        with pytest.raises(ArithmeticError, match=r"1 of 12 runs failed.*problem 4"):
            l2o.minimize_many(problems, x0, method=method_of(name, 4), raise_on_error=True)
        l2o.minimize_many(problems, method=method_of(name, 4), raise_on_error=True)


def test_message_tells_why_each_run_ended(problems):
    batch = l2o.minimize_many(problems, method="gradient-descent", options={"gtol": 0.1, "maxiter": 20})
    assert {0, 1} == set(batch.status.tolist())
    for i in range(12):
        assert ("limit" in batch.message(i)) == (batch.status[i] == 1)
    with pytest.raises(IndexError):
        batch.message(12)


def test_progress_changes_nothing(problems, capsys):
    quiet = l2o.minimize_many(problems, method="momentum")
    for workers in (1, 2, map):
        shown = l2o.minimize_many(problems, method="momentum", workers=workers, progress=True)
        assert equal(parts(quiet), parts(shown))
    assert "12" in capsys.readouterr().err


# -- rollouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_rollouts_record_what_happened(name, problems, method_of):
    runs = l2o.rollout(problems, method=method_of(name, 4), n_steps=6)
    assert runs.x.shape == runs.jac.shape == (12, 7, 4)
    assert runs.fun.shape == runs.nfev.shape == (12, 7)
    assert runs.status.shape == (12,)
    assert runs.evaluations.shape[0] == 12
    assert (runs.status == 1).all()
    np.testing.assert_array_equal(runs.x[:, 0], problems.x0)
    for t in range(7):
        f, g = problems.value_and_grad(runs.x[:, t])
        np.testing.assert_array_equal(runs.fun[:, t], f)
        np.testing.assert_array_equal(runs.jac[:, t], g)
    assert (runs.nfev[:, 0] == 1).all()
    assert (np.diff(runs.nfev, axis=1) >= 1).all()
    for i in range(12):
        made = runs.evaluations[i, ~np.isnan(runs.evaluations[i])]
        assert len(made) == runs.nfev[i, -1]
        assert np.isnan(runs.evaluations[i, len(made) :]).all()
        assert made[0] == runs.fun[i, 0]
        for t in range(7):
            assert runs.fun[i, t] in made[: runs.nfev[i, t]]
            assert t == 0 or runs.fun[i, t] not in made[: runs.nfev[i, t - 1]]


@pytest.mark.parametrize("name", STEPWISE)
def test_step_method_evaluates_once_a_step(name, problems, method_of):
    runs = l2o.rollout(problems, method=method_of(name, 4), n_steps=6)
    np.testing.assert_array_equal(runs.nfev, np.tile(np.arange(1, 8), (12, 1)))
    np.testing.assert_array_equal(runs.evaluations, runs.fun)


@pytest.mark.parametrize(("method", "scipy_name", "options"), [
    (ConjugateGradient(), "CG", {"gtol": 0.0}), (ScipyLBFGS(), "L-BFGS-B", {"gtol": 0.0, "ftol": 0.0}),
    (ScipyLBFGS(1), "L-BFGS-B", {"gtol": 0.0, "ftol": 0.0, "maxcor": 1}),
], ids=str)
def test_scipy_method_takes_scipys_steps_without_tolerances(method, scipy_name, options, problems):
    runs = l2o.rollout(problems, method=method, n_steps=50)
    for i in range(12):
        points, evaluated = [problems.x0[i]], []

        def fun(x, i=i, evaluated=evaluated):
            evaluated.append(problems[i].fun(x))
            return problems[i].value_and_grad(x)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scipy.optimize.minimize(fun, problems.x0[i], jac=True, method=scipy_name, callback=points.append,
                                    options={**options, "maxiter": 50})
        np.testing.assert_array_equal(runs.x[i, : len(points)], points)
        np.testing.assert_array_equal(runs.evaluations[i, : len(evaluated)], evaluated)
        assert np.isnan(runs.evaluations[i, len(evaluated) :]).all()


@pytest.mark.parametrize("name", ["cg", "lbfgs", "newton", "scipy-lbfgs"])
def test_method_that_stops_repeats_its_last_row(name, problems):
    runs = l2o.rollout(problems, method=name, n_steps=300)
    assert not (runs.status == 1).any()
    assert set(runs.status.tolist()) <= {0, 2}
    for i in range(12):
        last = int(np.flatnonzero(np.diff(runs.nfev[i]))[-1]) + 1
        assert last < 300
        for column in (runs.x, runs.fun, runs.jac, runs.nfev):
            assert (column[i, last:] == column[i, last]).all()
        made = runs.evaluations[i, ~np.isnan(runs.evaluations[i])]
        assert len(made) >= runs.nfev[i, -1]
        assert runs.fun[i, -1] == pytest.approx(runs.fun[i].min(), abs=1e-12)


@pytest.mark.parametrize("method", [GradientDescent(1e160), Momentum(1e160, 0.5)], ids=repr)
def test_run_that_diverges_repeats_its_last_row_with_status_3(method, problems):
    runs = l2o.rollout(problems, method=method, n_steps=9)
    assert runs.status.tolist() == [3] * 12
    for i in range(12):
        last = int(np.flatnonzero(~np.isfinite(runs.fun[i]))[0])
        assert 0 < last < 9
        assert np.isfinite(runs.fun[i, :last]).all()
        for column in (runs.x, runs.fun, runs.jac):
            assert all(np.array_equal(row, column[i, last], equal_nan=True) for row in column[i, last:])
        assert runs.nfev[i].tolist() == [*range(1, last + 2), *[last + 1] * (9 - last)]
        assert runs.evaluations[i, :last].tolist() == runs.fun[i, :last].tolist()
        assert runs.evaluations[i, last] == np.inf
        assert np.isnan(runs.evaluations[i, last + 1 :]).all()


@pytest.mark.parametrize("start", [1e300, 1.7e308 * np.array([1, -1, 1, -1])], ids=["inf", "nan"])
@pytest.mark.parametrize("name", [*NATIVE, "scipy-lbfgs"])
def test_run_that_cannot_start_repeats_its_start_with_status_3(name, start, problems, method_of):
    x0 = problems.x0.copy()
    x0[4] = start
    runs = l2o.rollout(problems, x0, method=method_of(name, 4), n_steps=5)
    assert np.flatnonzero(runs.status != 1).tolist() == [4]
    assert runs.status[4] == 3
    assert (runs.x[4] == start).all()
    assert runs.nfev[4].tolist() == [1] * 6
    assert runs.evaluations[4, 0] == np.inf
    assert not np.isfinite(runs.fun[4]).any()
    kept = l2o.rollout(problems, method=method_of(name, 4), n_steps=5)
    np.testing.assert_array_equal(runs.x[5], kept.x[5])


def test_rollout_is_the_first_steps_of_a_longer_one(problems, random_policy):
    for method in (random_policy(), "momentum", "cg", "lbfgs", "newton", "scipy-lbfgs"):
        long, short = (l2o.rollout(problems, method=method, n_steps=n) for n in (30, 5))
        np.testing.assert_array_equal(long.x[:, :6], short.x)
        np.testing.assert_array_equal(long.nfev[:, :6], short.nfev)


def test_rollout_of_no_steps_is_the_start(problems, method_of):
    for name in METHODS:
        runs = l2o.rollout(problems, method=method_of(name, 4), n_steps=0)
        np.testing.assert_array_equal(runs.x[:, 0], problems.x0)
        assert runs.fun.shape == runs.evaluations.shape == (12, 1)
        np.testing.assert_array_equal(runs.evaluations, runs.fun)
        assert (runs.nfev == 1).all()


def test_rollout_takes_40_steps_from_other_starts_if_asked(problems):
    x0 = Logistic().starts(12, rng=5)
    runs = l2o.rollout(problems, x0, method="momentum")
    assert runs.x.shape == (12, 41, 4)
    np.testing.assert_array_equal(runs.x[:, 0], x0)
    assert equal(parts(runs), parts(l2o.rollout(problems.with_starts(x0), method="momentum")))


@pytest.mark.parametrize(("n_steps", "error"), [(-1, ValueError), (2.5, TypeError), (None, TypeError)])
def test_steps_that_do_not_fit_are_an_error_that_names_them(n_steps, error, problems):
    with pytest.raises(error, match="n_steps is"):
        l2o.rollout(problems, method="momentum", n_steps=n_steps)


def test_rollout_of_a_policy_has_no_safeguard(problems, random_policy):
    runs = l2o.rollout(problems, method=random_policy(seed=4), n_steps=30)
    assert (np.diff(runs.fun, axis=1) > 0).any()


@pytest.mark.parametrize("method", ["gradient-descent", "momentum"])
def test_gradient_may_be_read_only(method):
    def fun(x):
        gradient = Bowl().jac(x)
        gradient.flags.writeable = False
        return Bowl().fun(x), gradient

    np.testing.assert_allclose(l2o.minimize(fun, START, method=method).x, [1.0, -2.0, 0.5], atol=1e-4)


@pytest.mark.parametrize("method", ["cg", "scipy-lbfgs"])
def test_threads_leave_the_warning_filters_as_they_are(method):
    problems = Logistic().sample(64, rng=0)
    before = list(warnings.filters)
    for _ in range(10):
        l2o.minimize_many(problems, method=method, workers=2)
        assert warnings.filters == before


@pytest.mark.parametrize("name", ["cg", "lbfgs", "newton", "scipy-lbfgs"])
def test_solver_has_success_where_scipy_met_gtol(name):
    problems = Logistic().sample(100, rng=0)
    batch = l2o.minimize_many(problems, method=name, options={"gtol": 1e-9})
    options = {"gtol": 1e-9, "maxiter": 800} | ({"ftol": 0.0, "maxfun": 15000} if name != "cg" else {})
    for i in range(100):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = scipy.optimize.minimize(problems[i].value_and_grad, problems.x0[i], jac=True, options=options,
                                             method="CG" if name == "cg" else "L-BFGS-B")
        assert batch.success[i] or np.abs(theirs.jac).max() > 1e-9, f"problem {i}: {batch.message(i)}"


@pytest.mark.parametrize("name", ["lbfgs", "scipy-lbfgs"])
def test_solver_has_success_on_a_high_level(name):
    def high(x):
        return 1e6 + (x - 1) ** 2 @ [1, 30], 2 * (x - 1) * [1, 30]

    assert l2o.minimize(high, [3.0, 2.0], method=name).success  # SciPy ends at |g| = 1e-7


def test_step_method_has_success_once_the_gradient_is_within_gtol():
    problems = Logistic().sample(200, rng=0)[[143, 162, 184]]
    method, gtol = Momentum(0.5, 0.9), 1e-9
    assert (np.abs(l2o.rollout(problems, method=method, n_steps=5000).jac[:, -1]).max(axis=1) <= gtol).all()
    assert l2o.minimize_many(problems, method=method, options={"gtol": gtol, "maxiter": 5000}).success.all()


def test_complex_array_is_a_type_error():
    with pytest.raises(TypeError, match="x0 cannot be read as an array of real numbers"):
        l2o.minimize(Bowl().both, START + 1j, method="momentum")
    with pytest.raises(TypeError, match="X cannot be read as an array of real numbers"):
        Logistic().from_data(np.ones((1, 2, 3)) + 1j, [[0, 1]])


def test_maxfun_limits_every_evaluation():
    many = l2o.minimize(Bowl().fun, START, method=GradientDescent(0.01), jac=None, options={"maxfun": 20})
    assert many.nfev <= 20 + 4  # at most one gradient by differences more; now 80
    batch = l2o.minimize_many(Logistic().sample(5, rng=0), method="cg", options={"maxfun": 3})
    assert (batch.nfev <= 3 + 20).all()  # one line search more; now up to 65
    assert (batch.status == 1).all()


def test_warning_of_an_unknown_option_points_at_the_caller(problems):
    for call in (lambda: l2o.minimize(Bowl().both, START, method="momentum", options={"momentous": 1}),
                 lambda: l2o.minimize_many(problems, method="momentum", options={"momentous": 1})):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            code = call.__code__
            call()
        assert (caught[0].filename, caught[0].lineno) == (code.co_filename, code.co_firstlineno)


@pytest.mark.parametrize("name", METHODS[:-1])
def test_maxiter_of_zero_takes_no_step(name):
    result = l2o.minimize(Bowl().both, START, method=name, options={"maxiter": 0})
    assert (result.nit, result.status) == (0, 1)
    np.testing.assert_array_equal(result.x, START)


def test_gradients_by_differences_are_counted_in_njev():
    result = l2o.minimize(Bowl().fun, START, method=GradientDescent(0.5), jac=None, options={"maxiter": 3})
    assert (result.nfev, result.njev) == (16, 4)


def test_run_of_cg_that_is_never_finite_has_status_3(problems):
    runs = l2o.rollout(problems[:1], np.full((1, 4), 1e300), method="cg", n_steps=5)
    assert runs.status.tolist() == [3]


def test_pair_may_be_a_list():
    np.testing.assert_allclose(l2o.minimize(lambda x: [Bowl().fun(x), Bowl().jac(x)], START, method="lbfgs").x,
                               [1.0, -2.0, 0.5], atol=1e-4)


def test_gradient_array_may_be_used_again():
    buffer = np.empty(3)

    def fun(x):
        buffer[:] = Bowl().jac(x)
        return Bowl().fun(x), buffer

    for name in METHODS[:-1]:
        for maxiter in range(1, 8):
            result = l2o.minimize(fun, START, method=name, options={"maxiter": maxiter})
            np.testing.assert_array_equal(result.jac, Bowl().jac(result.x))
            plain = l2o.minimize(Bowl().both, START, method=name, options={"maxiter": maxiter})
            np.testing.assert_array_equal(result.x, plain.x)
