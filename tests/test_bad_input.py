"""What goes wrong, and what comes of it: rows of docs/what-happens.md that no other file holds."""

import ctypes
import gc
import itertools

import numpy as np
import pytest
import scipy
import scipy.optimize
from exponentials import DOUBLES, called

import l2o
from l2o.baselines import BASELINES
from l2o.families import Custom

START = np.array([3.0, 1.0, -1.0])
NAMES = tuple(name for name in BASELINES if name not in ("newton", "lm"))


@l2o.objective
def moody(x, data, grad):
    """Half the squared distance from data[0, 0]; a failure of the kind data[0, 1]."""
    f = 0.0
    for j in range(len(x)):
        f += 0.5 * (x[j] - data[0, 0]) ** 2
        grad[j] = x[j] - data[0, 0]
    kind = data[0, 1]
    if kind == 1.0:
        raise ValueError("not this one")
    if kind == 2.0:
        f = np.nan
    if kind == 3.0:
        f = np.inf
    if kind == 4.0:
        grad[0] = np.nan
    return f


def bowl(x):
    """Return half the squared distance from 1, and its gradient."""
    return 0.5 * ((x - 1) ** 2).sum(), x - 1


def value(x):
    return bowl(x)[0]


def slope(x):
    return bowl(x)[1]


@pytest.fixture(params=["lbfgs", "momentum", "cg", "policy", "policy by scipy"])
def minimize(request, descent_policy):
    """Return a minimiser of three variables: (fun, jac, **more) -> result."""
    if request.param == "policy by scipy":
        return lambda fun, jac, **more: scipy.optimize.minimize(fun, START, jac=jac, method=descent_policy(3), **more)
    method = descent_policy(3) if request.param == "policy" else request.param
    return lambda fun, jac, **more: l2o.minimize(fun, START, jac=jac, method=method, **more)


# -- what fun and jac return -------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [None, [None], "abc", "1.5", 1 + 1j, {}, 10**400, [1.0, [2.0]]], ids=repr)
def test_value_that_is_no_number_is_an_error_that_says_so(bad, minimize):
    for fun, jac in ((lambda x: (bad, slope(x)), True), (lambda x: bad, slope), (lambda x: bad, None)):
        with pytest.raises(TypeError, match="the value of fun cannot be read as an array of real numbers: "
                                            f"{type(bad).__name__}"):
            minimize(fun, jac)


@pytest.mark.parametrize("bad", [np.ones(2), np.ones(0), np.ones((3, 1))], ids=np.shape)
def test_value_that_is_an_array_is_an_error_that_names_its_shape(bad, minimize):
    for fun, jac in ((lambda x: (bad, slope(x)), True), (lambda x: bad, slope), (lambda x: bad, None)):
        with pytest.raises(ValueError, match=rf"fun returned a value of shape \({bad.shape[0]},.*\); expected a numb"):
            minimize(fun, jac)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.float16, bool, lambda f: np.array([[f]]), lambda f: [f]])
def test_value_of_any_numeric_kind_is_read(kind, minimize):
    for fun, jac in ((lambda x: (kind(5), slope(x)), True), (lambda x: kind(5), slope), (lambda x: kind(5), None)):
        assert minimize(fun, jac).fun == float(np.ravel(kind(5))[0])


@pytest.mark.parametrize(("bad", "error"), [
    (None, TypeError), ([None] * 3, TypeError), ("abc", TypeError), (["1", "2", "3"], TypeError),
    ([1.0, [2.0], 3.0], TypeError), (np.ones(3) * 1j, TypeError), (1.0, ValueError), (np.ones(2), ValueError),
    (np.ones((3, 1)), ValueError),
], ids=repr)
def test_gradient_that_does_not_fit_is_an_error_that_names_it(bad, error, minimize):
    for fun, jac in ((lambda x: (value(x), bad), True), (value, lambda x: bad)):
        with pytest.raises(error, match=r"the gradient (cannot be read|has shape)"):
            minimize(fun, jac)


@pytest.mark.parametrize("jac", [True, "callable"])
def test_gradient_of_one_variable_may_be_a_number(jac, descent_policy):
    for method in (*NAMES, descent_policy(1)):
        fun, of = (lambda x: ((x[0] - 2) ** 2, 2 * (x[0] - 2))), True
        if jac == "callable":
            fun, of = (lambda x: (x[0] - 2) ** 2), (lambda x: 2 * (x[0] - 2))
        np.testing.assert_allclose(l2o.minimize(fun, 5.0, jac=of, method=method).x, [2.0], atol=1e-4)


def test_start_of_text_or_none_is_an_error_that_names_it(minimize):
    for bad in (["1", "2", "3"], [1.0, None, 2.0]):
        with pytest.raises(TypeError, match="x0 cannot be read as an array of real numbers"):
            l2o.minimize(bowl, bad, method="lbfgs")


def test_error_of_the_function_shows_where_it_was_raised(minimize):
    def deep(x):
        raise ZeroDivisionError("mine")

    for fun, jac in ((lambda x: deep(x), True), (lambda x: deep(x), None), (value, lambda x: deep(x))):
        with pytest.raises(ZeroDivisionError, match="mine") as caught:
            minimize(fun, jac)
        assert caught.traceback[-1].name == "deep"


# -- arguments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [5, ["gtol"], "gtol"])
def test_options_that_are_no_dict_are_an_error_that_names_them(bad):
    with pytest.raises(TypeError, match=r"options is .*; expected a dict"):
        l2o.minimize(bowl, START, method="lbfgs", options=bad)


def test_objective_brings_its_own_data_and_gradient(problems):
    plain = l2o.minimize(problems[0], method="lbfgs")
    for jac in (True, None, False):
        assert l2o.minimize(problems[0], method="lbfgs", jac=jac).x.tolist() == plain.x.tolist()
    with pytest.raises(ValueError, match=r"jac is <.*; expected True: fun has a gradient of its own"):
        l2o.minimize(problems[0], method="lbfgs", jac=problems[0].grad)
    with pytest.raises(ValueError, match=r"args is \(3,\); expected none: an Objective has its data"):
        l2o.minimize(problems[0], args=(3,), method="lbfgs")


def test_scipy_hands_a_compiled_objective_to_a_policy(descent_policy):
    table = np.array([[5.0, 0.0]])
    ours = l2o.minimize(moody, START, args=(table,), method=descent_policy(3))
    for jac in (None, False):
        theirs = scipy.optimize.minimize(moody, START, args=(table,), jac=jac, method=descent_policy(3))
        assert (theirs.x.tolist(), theirs.nfev) == (ours.x.tolist(), ours.nfev)


def test_differences_stay_within_the_bounds(descent_policy):
    seen = []

    def root(x):
        seen.append(x.copy())
        return -np.sqrt(x).sum() + (2 * x).sum() + np.sqrt(1 - x).sum()

    for method in ("lbfgs", "cg", descent_policy(2)):
        result = l2o.minimize(root, [0.5, 1.0], jac=None, method=method, bounds=[(0, 1)] * 2)
        assert result.status != 3
        assert (np.array(seen) >= 0).all()
        assert (np.array(seen) <= 1).all()


def test_doubt_about_a_gradient_stays_within_the_bounds():
    def wrong(x):
        assert (x >= 0).all()
        assert x[1] == 0.5
        return x.sum(), -np.ones(2)

    result = l2o.minimize(wrong, [1e-7, 0.5], method="lbfgs", bounds=[(0, None)] * 2, fixed=[False, True])
    assert result.status == 2
    assert "its gradient is wrong" in result.message


# -- cases of SciPy's own tests (scipy/optimize/tests/test_optimize.py), which hold for its methods ------------


def test_scipy_limits_may_be_whole_floats(minimize):
    for name in ("maxiter", "maxfun"):
        one, other = (minimize(bowl, True, options={name: limit, "gtol": 0.0}) for limit in (3.0, 3))
        assert (one.nit, one.nfev) == (other.nit, other.nfev)
        with pytest.raises(TypeError, match=f"{name} is inf; expected an integer"):
            minimize(bowl, True, options={name: np.inf})


def test_scipy_no_increase_with_a_wrong_gradient(minimize):
    result = minimize(lambda x: ((x - 1) ** 2).sum(), lambda x: -2 * (x - 1) - 2, options={"maxiter": 20})
    assert result.fun == ((result.x - 1) ** 2).sum() <= ((START - 1) ** 2).sum()


@pytest.mark.parametrize("good", [0, 2])
def test_scipy_nan_values_are_no_success(good, minimize):
    for jac in (True, lambda x: np.ones(3), None):
        rng, count = np.random.default_rng(123122), []

        def fun(x, jac=jac, rng=rng, count=count):
            count.append(1)
            value = rng.random() if len(count) <= good else np.nan
            return (value, np.ones(3)) if jac is True else value

        assert not minimize(fun, jac, options={"maxiter": 20}).success


def test_scipy_x_may_be_overwritten_by_the_function(minimize):
    def square(x):
        x -= np.arange(3)
        x *= x
        return np.sum(x)

    def gradient(x):
        x *= 2
        x -= 2 * np.arange(3)
        return x

    for jac in (gradient, None):
        np.testing.assert_allclose(minimize(square, jac).x, np.arange(3), atol=2e-4)


def test_scipy_callback_is_given_copies(minimize):
    seen = []
    minimize(bowl, True, callback=lambda x: seen.append((x, x.copy())))
    assert seen
    assert all((x == copy).all() for x, copy in seen)
    assert not any(np.may_share_memory(a[0], b[0]) for a, b in itertools.combinations(seen, 2))


def test_scipy_no_point_is_evaluated_twice_in_a_row(minimize):
    trace = []
    with np.errstate(over="ignore", invalid="ignore"):  # momentum goes far
        minimize(lambda x: trace.append(x.copy()) or scipy.optimize.rosen(x), scipy.optimize.rosen_der)
    assert not any(np.array_equal(one, other) for one, other in itertools.pairwise(trace))


# -- many problems -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"bounds": [(0, 100)] * 2}, {"fixed": [True, False]}, {"workers": 2}], ids=str)
@pytest.mark.parametrize("name", [*NAMES, "policy"])
def test_bad_problems_touch_no_neighbour_and_do_not_hide(name, more, descent_policy):
    """Each second problem raises, or is NaN, infinite, or has a gradient that is NaN."""
    method = descent_policy(2) if name == "policy" else name
    tables = np.array([[[1.0 + i, i // 2 + 1 if i % 2 else 0.0]] for i in range(9)])
    problems = Custom(moody, dim=2).from_data(tables, np.full((9, 2), 6.0))
    batch, alone = (l2o.minimize_many(some, method=method, **more) for some in (problems, problems[::2]))
    for key in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(batch, key)[::2], getattr(alone, key))
    held = more.get("fixed") is not None  # of a fixed variable the gradient is not looked at
    assert batch.status[1::2].tolist() == [4, 3, 3, alone.status[0] if held else 3]
    assert "reported an error" in batch.message(1)
    with pytest.raises(ArithmeticError, match=rf"{3 + (not held)} of 9 runs failed; problem 1: The objective reported"):
        l2o.minimize_many(problems, method=method, raise_on_error=True, **more)


@pytest.mark.parametrize("name", ["cg", "scipy-lbfgs", "lbfgs", "momentum"])
def test_rollout_of_an_objective_that_reports_an_error_has_status_4(name):
    tables = np.array([[[1.0, 0.0]], [[1.0, 1.0]]])
    problems = Custom(moody, dim=2).from_data(tables, np.full((2, 2), 6.0))
    runs = l2o.rollout(problems, method=name, n_steps=3)
    assert runs.status[0] != 4
    assert runs.status[1] == 4
    assert (runs.x[1] == 6.0).all()


def test_data_of_different_lengths_are_an_error_that_says_so():
    with pytest.raises(TypeError, match="X cannot be read as an array of real numbers: list, of parts of different sh"):
        l2o.families.Logistic().from_data([np.zeros((5, 3)), np.zeros((6, 3))], [np.zeros(5), np.zeros(6)])


def test_all_variables_fixed_is_an_evaluation_of_the_start(descent_policy):
    tables = np.array([[[1.0, kind]] for kind in (0.0, 1.0, 2.0, 3.0)])
    problems = Custom(moody, dim=2).from_data(tables, np.full((4, 2), 6.0))
    for method in (*NAMES, descent_policy(2)):
        batch = l2o.minimize_many(problems, method=method, fixed=[True, True])
        assert batch.status.tolist() == [0, 4, 3, 3]
        assert (batch.x == 6.0).all()
        assert batch.fun[0] == 25.0
        assert batch.jac[0].tolist() == [5.0, 5.0]
        assert not batch.nit.any()


# -- what is kept, and what is left alone ------------------------------------------------------------------


def test_data_are_kept_alive_and_may_be_changed_afterwards():
    data = np.array([[[5.0, 0.0]], [[7.0, 0.0]]])
    problems = Custom(moody, dim=2).from_data(data, np.zeros((2, 2)))
    one = problems[1]
    data[:] = 0.0
    del data, problems
    gc.collect()
    assert [bytes(1000) for _ in range(1000)]  # memory that was given back is written over
    np.testing.assert_allclose(l2o.minimize(one, method="lbfgs").x, [7.0, 7.0])


def test_function_and_user_data_of_a_low_level_callable_are_kept_alive():
    def made():
        def distance(x, f, g, n, user):
            centre = ctypes.cast(user, DOUBLES)[0]
            f[0], g[0] = 0.5 * (x[0] - centre) ** 2, x[0] - centre
            return 0

        centre = np.array([5.0])
        return called(distance, centre.ctypes.data_as(ctypes.c_void_p))

    given = made()
    gc.collect()
    assert [np.full(1, 9.0) for _ in range(1000)]
    assert l2o.minimize(given, [0.0], method="lbfgs").x.tolist() == [5.0]

    def family():
        def square(x, f, g, n, user):
            f[0], g[0] = 0.5 * x[0] ** 2, x[0]
            return 0

        return Custom(called(square), dim=1).from_data(np.zeros((3, 1, 1)), np.ones((3, 1)))

    problems = family()
    gc.collect()
    assert l2o.minimize_many(problems, method="lbfgs").x.ravel().tolist() == [0.0] * 3


def test_inputs_of_a_batch_stay_as_they_are(descent_policy):
    tables, x0 = np.array([[[5.0, 0.0]]] * 3), np.asfortranarray(np.full((3, 2), 6.0, np.float32))
    low, high, fixed = np.zeros(2), np.array([9.0, np.inf]), np.array([[False, True]] * 3)
    given = [tables, x0, low, high, fixed]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    problems = Custom(moody, dim=2).from_data(tables, np.zeros((3, 2)))
    options = {"maxiter": 5, "gtol": 1e-3}
    for method in (*NAMES, descent_policy(2)):
        batch = l2o.minimize_many(problems, x0, method=method, bounds=scipy.optimize.Bounds(low, high), fixed=fixed,
                                  options=options)
        assert batch.x.dtype == np.float64
        batch.x[:] = 0.0
    assert all(np.array_equal(one, other) for one, other in zip(given, before))
    assert (problems.x0 == 0.0).all()
    assert options == {"maxiter": 5, "gtol": 1e-3}


def test_tolerance_out_of_range_is_named_as_it_was_given():
    problems = l2o.families.Logistic().sample(2, rng=0)
    for given, name in (({"tol": -1}, "^tol"), ({"tol": 1e-3, "options": {"gtol": -1}}, "^gtol")):
        with pytest.raises(ValueError, match=name):
            l2o.minimize_many(problems, **given)
