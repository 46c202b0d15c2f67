"""A call works at first try: no method, no gradient, SciPy's names and options; methods of ours are SciPy's, too."""

import warnings

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize._numdiff import approx_derivative

import l2o
from l2o.baselines import BASELINES, LBFGS, Momentum
from l2o.solving.differences import Differences

START = np.array([3.0, -1.0])
MINIMUM = np.array([1.0, 2.0])


class Counted:
    """A function that keeps the points it is asked for."""

    def __init__(self, fun):
        self.fun, self.points = fun, []

    def __call__(self, x, *args):
        self.points.append(x.copy())
        return self.fun(x, *args)


def value(x):
    return float(((x - MINIMUM) ** 2).sum() + 0.1 * ((x - MINIMUM) ** 4).sum())


def slope(x):
    return 2 * (x - MINIMUM) + 0.4 * (x - MINIMUM) ** 3


# -- nothing but a function ----------------------------------------------------------------------------------


def test_function_and_start_are_enough(problems):
    for fun in (value, lambda x: (value(x), slope(x)), lambda x: [value(x), list(slope(x))]):
        result = l2o.minimize(fun, START)
        assert result.success
        np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)
    named = l2o.minimize_many(problems, method="lbfgs")
    np.testing.assert_array_equal(l2o.minimize_many(problems).x, named.x)
    rule = l2o.minimize(problems[0], method=l2o.load("universal"))
    np.testing.assert_array_equal(l2o.minimize(problems[0]).x, rule.x)
    far = l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(201))  # beyond the rule's dimensions
    assert far.success
    assert far.nfev == l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(201), method="lbfgs").nfev


def test_pair_is_seen_at_the_first_evaluation_without_a_further_call():
    said, seen = (Counted(lambda x: (value(x), slope(x))) for _ in range(2))
    one, two = l2o.minimize(said, START, jac=True), l2o.minimize(seen, START)
    assert dict(one).keys() == dict(two).keys()
    assert all(np.array_equal(one[key], two[key]) for key in one)
    np.testing.assert_array_equal(said.points, seen.points)
    said, seen = Counted(value), Counted(value)
    one, two = l2o.minimize(said, START, jac="2-point"), l2o.minimize(seen, START)
    np.testing.assert_array_equal(said.points, seen.points)
    assert one.nfev == two.nfev == len(seen.points)
    assert one.x.tolist() == two.x.tolist()


def test_first_evaluation_lies_within_the_bounds():
    seen = Counted(value)
    result = l2o.minimize(seen, [-5.0, 9.0], bounds=[(0, 3), (0, 3)])
    assert (np.array(seen.points) >= 0).all()
    assert (np.array(seen.points) <= 3).all()
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)


@pytest.mark.parametrize(("returned", "shape"), [
    (lambda x: x - MINIMUM, r"\(2,\)"), (lambda x: list(x), r"\(2,\)"), (lambda x: (1.0, 2.0), r"\(2,\)"),
    (lambda x: np.zeros((2, 2)), r"\(2, 2\)"), (lambda x: (x, x), r"\(2, 2\)"), (lambda x: np.zeros(7), r"\(7,\)"),
    (lambda x: [], r"\(0,\)"),
])
def test_array_for_a_value_is_an_error_that_names_curve_fit(returned, shape):
    with pytest.raises(ValueError, match=rf"fun returned a value of shape {shape}; expected a number, or .*curve_fit"):
        l2o.minimize(returned, START)


def test_pair_of_another_shape_is_an_error_of_the_gradient():
    with pytest.raises(ValueError, match=r"the gradient has shape \(1,\); expected \(2,\)"):
        l2o.minimize(lambda x: (1.0, x[:1]), START)
    with pytest.raises(ValueError, match=r"fun returned a value of shape \(2,\)"):  # two residuals of one variable
        l2o.minimize(lambda x: [x[0] - 1, x[0] + 1], [0.5])
    np.testing.assert_allclose(l2o.minimize(lambda x: ((x[0] - 2) ** 2, 2 * (x - 2)), 5.0).x, [2.0], atol=1e-4)


def test_exception_of_the_first_evaluation_comes_through():
    error = KeyError("mine")

    def fail(x):
        raise error

    with pytest.raises(KeyError) as caught:
        l2o.minimize(fail, START)
    assert caught.value is error


# -- differences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("box", [None, 1e-9, 1e-6, 0.5, 100.0])
def test_differences_are_those_of_scipy(scheme, box):
    """Bounds begin below or above x at a distance of box, wider on the other side by a factor of up to 3."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.standard_normal(4) * 10.0 ** rng.uniform(-6, 6, 4)
        low, high = np.full(4, -np.inf), np.full(4, np.inf)
        if box is not None:
            low, high = x - box * rng.uniform(0, 1, 4), x + 1e-12 + box * rng.uniform(0, 3, 4)
        rule = Differences(scheme)
        seen = Counted(lambda z, x=x: float(np.sin(z / (1 + np.abs(x))).sum() + 3))
        ours = rule.gradient(seen, x, seen.fun(x), low, high)
        theirs = approx_derivative(seen.fun, x, scheme, f0=seen.fun(x), bounds=(low, high))
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
        assert len(seen.points) + 1 == rule.n_values(low, high)
        assert (low <= seen.points).all()
        assert (seen.points <= high).all()


@pytest.mark.parametrize("jac", [None, False, "2-point", "3-point"])
@pytest.mark.parametrize(("fun", "x0", "right"), [
    (lambda x: float(((x / 1e6 - 3) ** 2).sum()), [1e6], 3e6),  # an absolute step of 1.5e-8 does not change it
    (lambda x: float((x[0] / 1e8 - 2) ** 2 + (x[1] / 3e8 + 0.5) ** 2), [1e8, 1e8], [2e8, -1.5e8]),
    (lambda x: float(np.log(x[0] / 2e8) ** 2), [1e8], 2e8),
    (lambda x: float(np.cosh(x[0] / 1e7 - 1)), [2e7], 1e7),
], ids=["report", "two scales", "logarithm", "cosh"])
def test_large_variables_have_a_gradient(jac, fun, x0, right):
    seen = Counted(fun)
    result = l2o.minimize(seen, x0, jac=jac, tol=1e-12)
    np.testing.assert_allclose(result.x, right, rtol=1e-3, atol=1e-6)
    assert result.nfev == len(seen.points)


def test_options_say_the_steps():
    for options, step in (({"eps": 1e-3}, [1e-3, 1e-3]), ({"eps": [1e-3, 1e-2]}, [1e-3, 1e-2]),
                          ({"finite_diff_rel_step": 1e-4}, [3e-4, -1e-4])):
        seen = Counted(value)
        l2o.minimize(seen, START, options={**options, "maxiter": 1})
        np.testing.assert_allclose(seen.points[1] - START, [step[0], 0], atol=1e-12)
        np.testing.assert_allclose(seen.points[2] - START, [0, step[1]], atol=1e-12)
        theirs = Counted(value)
        jac = "2-point" if "finite_diff_rel_step" in options else None  # else SciPy does not look at it
        scipy.optimize.minimize(theirs, START, jac=jac, method="BFGS", options={**options, "maxiter": 1})
        np.testing.assert_allclose(seen.points[:3], theirs.points[:3], atol=1e-12)


def test_step_suits_the_noise_of_a_function():
    def noisy(x):
        return float(np.float32(value(x) + 5))

    assert value(l2o.minimize(noisy, START, options={"eps": 1e-2}).x) < 1e-3 < value(l2o.minimize(noisy, START).x)


@pytest.mark.parametrize(("options", "error"), [
    ({"eps": 0.0}, ValueError), ({"eps": np.nan}, ValueError), ({"eps": "small"}, TypeError),
    ({"finite_diff_rel_step": np.inf}, ValueError), ({"eps": [1e-3, 1e-3, 1e-3]}, ValueError),
])
def test_step_that_does_not_fit_is_an_error_that_names_it(options, error):
    with pytest.raises(error, match=f"{next(iter(options))} (is|holds|has|cannot)"):
        l2o.minimize(value, START, options=options)


def test_fixed_variable_is_not_moved_by_differences():
    seen = Counted(value)
    result = l2o.minimize(seen, START, jac="3-point", fixed=[False, True])
    assert (np.array(seen.points)[:, 1] == START[1]).all()
    np.testing.assert_allclose(result.x, [1.0, -1.0], atol=1e-5)


def test_maxfun_counts_the_calls():
    for jac, calls in (("2-point", 3), ("3-point", 5), (None, 3)):
        seen = Counted(value)
        result = l2o.minimize(seen, START, jac=jac, options={"maxfun": 4 * calls, "gtol": 0.0})
        assert len(seen.points) == result.nfev <= 4 * calls


# -- SciPy's words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ours"), [
    ("L-BFGS-B", "lbfgs"), ("l-bfgs-b", "lbfgs"), ("CG", "cg"), ("LBFGS", "lbfgs"), ("Newton", "newton"),
])
def test_scipy_name_means_what_is_here(name, ours, problems):
    one, two = (l2o.minimize_many(problems, method=each) for each in (name, ours))
    np.testing.assert_array_equal(one.x, two.x)


@pytest.mark.parametrize(("name", "nearest"), [
    ("BFGS", "lbfgs"), ("TNC", "lbfgs"), ("SLSQP", "lbfgs"), ("trust-constr", "lbfgs"), ("Newton-CG", "newton"),
    ("trust-ncg", "newton"), ("dogleg", "newton"), ("Nelder-Mead", "lbfgs"), ("Powell", "lbfgs"), ("COBYLA", "lbfgs"),
])
def test_scipy_name_of_another_method_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=rf"method is '{name}'; expected one of .*nearest to it is '{nearest}'"):
        l2o.minimize(value, START, method=name)


def test_scipy_options_are_understood(problems):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options, same in (({"maxcor": 3}, LBFGS(3)), ({"disp": True, "iprint": 1}, "lbfgs")):
            one, two = l2o.minimize_many(problems, options=options), l2o.minimize_many(problems, method=same)
            np.testing.assert_array_equal(one.nfev, two.nfev)
            np.testing.assert_array_equal(one.x, two.x)
        for limit, least in ((100.1, 101), (3.0, 3), (2.5, 3)):
            short = l2o.minimize(scipy.optimize.rosen, START, method=Momentum(1e-5, 0.0), options={"maxiter": limit})
            assert short.nit == least
        assert l2o.minimize(value, START, options={"maxfev": 7}).nfev <= 7
    with pytest.raises(ValueError, match="memory is 0"):
        l2o.minimize(value, START, method="lbfgs", options={"maxcor": 0})


@pytest.mark.parametrize(("name", "answer"), [("xatol", "use xtol"), ("fatol", "use ftol"), ("maxls", "limits and"),
                                              ("norm", "maximum norm")])
def test_scipy_option_that_means_nothing_here_is_a_warning_that_says_what_does(name, answer):
    with pytest.warns(scipy.optimize.OptimizeWarning, match=f"option {name} is not used: .*{answer}"):
        assert l2o.minimize(value, START, options={name: 1e-3}).success


# -- a method of SciPy's -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("jac", [True, None, "callable"])
@pytest.mark.parametrize("method", [BASELINES[name]() for name in BASELINES if name not in ("newton", "lm")], ids=repr)
def test_baseline_is_a_method_of_scipy(method, jac):
    fun = (lambda x: (value(x), slope(x))) if jac is True else value
    given = slope if jac == "callable" else jac
    ours, theirs = (minimize(fun, START, jac=given, method=method, tol=1e-4, bounds=[(-5, 5), (None, None)],
                             options={"maxiter": 300})
                    for minimize in (l2o.minimize, scipy.optimize.minimize))
    assert theirs.fun < 0.01 * value(START)
    for key in ("x", "fun", "nit", "nfev", "message"):
        np.testing.assert_array_equal(ours[key], theirs[key])


def test_baseline_says_scipy_what_it_does_not_take():
    with pytest.raises(ValueError, match="constraints are not supported"):
        scipy.optimize.minimize(value, START, method=LBFGS(), constraints={"type": "eq", "fun": lambda x: x[0]})
    with pytest.warns(RuntimeWarning, match=r"LBFGS\(memory=10\) does not use Hessian information \(hess\)"):
        scipy.optimize.minimize(value, START, method=LBFGS(), hess=lambda x: np.eye(2))
