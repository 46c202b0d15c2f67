"""Models of curves: derivatives by dual numbers against central differences, and what can be written in a model."""

import ctypes
import math
import operator
import pickle
import subprocess
import sys
import warnings

import mpmath
import numba
import numpy as np
import pytest
import scipy.special
from numba import types
from test_interface import EXAMPLES, STRICT, needs_compiler

import l2o
from l2o._kernels.duals.functions import digamma
from l2o.errors import CompilationError, SlowModelWarning
from l2o.problems.models import Model

# -- models as users write them ------------------------------------------------------------------------


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def spot(t, p):
    amplitude, x, y, width, background = p
    return amplitude * math.exp(-((t[0] - x) ** 2 + (t[1] - y) ** 2) / (2 * width**2)) + background


@l2o.model
def dose(t, p):
    low, high, slope, middle = p
    return low + (high - low) / (1 + np.exp(slope * (t - middle)))


@l2o.model
def ring(t, p):
    return p[0] * np.exp(-p[1] * t) * np.cos(2 * np.pi * p[2] * t + p[3]) + p[4]


@l2o.model
def tensor(t, p):
    exponent = p[0]
    for j in range(6):
        exponent -= t[j] * p[j + 1]
    return math.exp(exponent)


CURVES = [(decay, 3, 1), (spot, 5, 2), (dose, 4, 1), (ring, 5, 1), (tensor, 7, 6)]


def points_of(k, n, rng):
    return rng.uniform(0.1, 2.0, n if k == 1 else (n, k))


def by_differences(model, t, p):
    """Return the derivatives (n, d) by central differences of the compiled values."""
    steps = 6e-6 * np.eye(len(p)) * np.maximum(np.abs(p), 1e-3)
    return np.stack([(model(t, p + step) - model(t, p - step)) / (2 * step.sum()) for step in steps], -1)


def one(t, p, model):
    """Return the curve by the Python function, point by point."""
    return [model.python(at if np.ndim(at) == 0 else tuple(at), tuple(p)) for at in t]


@pytest.mark.parametrize("n", [1, 2, 8, 17, 100])
@pytest.mark.parametrize(("model", "d", "k"), CURVES, ids=lambda value: getattr(value, "name", ""))
def test_model_has_the_values_of_its_function_and_their_derivatives(model, d, k, n):
    rng = np.random.default_rng(n)
    t, p = points_of(k, n, rng), rng.uniform(0.5, 1.5, d)
    np.testing.assert_allclose(model(t, p), one(t, p, model), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(model.jacobian(t, p), by_differences(model, t, p), rtol=1e-7, atol=1e-8)


def test_model_of_no_points_is_empty():
    assert decay([], [1.0, 2.0, 3.0]).shape == (0,)
    assert decay.jacobian([], [1.0, 2.0, 3.0]).shape == (0, 3)


def test_model_is_compiled_once_for_each_shape():
    assert decay.address(3) == decay.address(3, 1)


@numba.njit
def _softened(x, scale):
    return x / (scale + abs(x))


WRITTEN = {
    "number in a branch": lambda t, p: 0.0 if t < p[0] else p[1] * (t - p[0]),
    "integer in a branch": lambda t, p: 0 if t < 0.5 else p[0] ** 2,
    "no parameter": lambda t, p: 2 * t,
    "integer": lambda t, p: 3,
    "condition on a parameter": lambda t, p: p[0] * t if p[0] > p[1] else p[1] * t,
    "compiled function": lambda t, p: _softened(p[0] * t, p[1]),
    "powers": lambda t, p: p[0] ** 3 + p[1] ** -2 + p[0] ** t + t ** p[0] + p[0] ** p[1] + 2 ** p[1] + p[1] ** 0.5,
    "power of no number": lambda t, p: p[0] ** 0 + p[1] ** 1,
}


@pytest.mark.parametrize("function", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("p", [[0.7, 1.3], [1.4, 0.6]], ids=str)
def test_program_in_a_model_is_differentiated(function, p):
    model, t, p = l2o.model(function), np.linspace(0.2, 1.9, 9), np.array(p)
    np.testing.assert_allclose(model(t, p), one(t, p, model), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(model.jacobian(t, p), by_differences(model, t, p), rtol=1e-7, atol=1e-8)


ONE = """
math.exp math.expm1 math.log math.log2 math.log10 math.log1p math.sqrt math.fabs math.sin math.cos math.tan math.asin
math.acos math.atan math.sinh math.cosh math.tanh math.asinh math.atanh math.erf math.erfc math.gamma math.lgamma
math.degrees math.radians math.floor math.ceil math.trunc math.isnan np.isfinite abs float
np.exp np.exp2 np.expm1 np.log np.log2 np.log10 np.log1p np.sqrt np.cbrt np.square np.reciprocal np.abs np.absolute
np.fabs np.sin np.cos np.tan np.arcsin np.arccos np.arctan np.sinh np.cosh np.tanh np.arcsinh np.arctanh np.degrees
np.radians np.deg2rad np.rad2deg np.floor np.ceil np.trunc np.sign np.negative np.positive
"""
TWO = """
math.hypot math.atan2 math.pow math.copysign np.add np.subtract np.multiply np.divide np.true_divide np.power np.hypot
np.arctan2 np.maximum np.minimum np.fmax np.fmin np.logaddexp np.copysign np.mod np.remainder max min pow operator.mod
"""
PAIRS = "p[0], p[1]", "p[1], p[2]", "p[2], 0.4", "0.4, p[1]", "t, 2.0"
TRIPLES = "p[0] > t, p[1], 0.4", "t, p[1], p[2]", "p[2], 0.1, 0.9", "p[0], p[1], p[2]"
TERMS = [
    *(f"{name}({x})" for name in ONE.split() for x in ("p[0]", "0.3")),
    *(f"{name}({x})" for name in TWO.split() for x in PAIRS),
    *(f"{name}({x})" for name in ("np.where", "np.clip") for x in TRIPLES),
    "np.where(t > 0.3, p[0], 1)", "math.acosh(1 + p[0])", "np.arccosh(1 + p[0])",
]
GROUPS = [TERMS[i : i + 40] for i in range(0, len(TERMS), 40)]  # one model each, or compiling takes long


@pytest.mark.parametrize("terms", GROUPS, ids=lambda terms: f"{terms[0]}..{terms[-1]}")
def test_functions_are_differentiated(terms):
    """Of parameters, and of plain numbers beside them, where they are smooth."""
    model = l2o.model(eval("lambda t, p: " + " + ".join(f"{i + 1} * {term}" for i, term in enumerate(terms))))
    t, p = np.array([0.2, 0.5]), np.array([0.37, 0.71, 0.53])
    np.testing.assert_allclose(model(t, p), one(t, p, model), rtol=1e-13)
    np.testing.assert_allclose(model.jacobian(t, p), by_differences(model, t, p), rtol=1e-7, atol=1e-6)


def test_functions_of_scipy_are_differentiated():
    names = ["erf", "erfc", "gamma", "gammaln", "expit"]
    terms = [f"{j + 1} * scipy.special.{name}({x})" for j, name in enumerate(names) for x in (f"p[{j}] * t", "t")]
    model = l2o.model(eval(f"lambda t, p: {' + '.join(terms)}"))
    t, p = np.array([0.2, 0.5]), np.array([0.37, 0.71, 0.53, 0.9, -1.2])
    np.testing.assert_allclose(model(t, p), one(t, p, model), rtol=1e-14)
    np.testing.assert_allclose(model.jacobian(t, p), by_differences(model, t, p), rtol=1e-7)


EXACT = ["exp", "expm1", "log", "log10", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
         "tanh", "asinh", "atanh", "erf", "erfc", "gamma", "lgamma"]
IN_MPMATH = {"lgamma": "loggamma"}


def test_slopes_are_exact_to_rounding():
    """One parameter for each function, against mpmath."""
    model = l2o.model(eval("lambda t, p: " + " + ".join(f"math.{name}(p[{j}])" for j, name in enumerate(EXACT))))
    with mpmath.workdps(40):
        for x in (0.02, 0.37, 0.93):
            found = model.jacobian([0.0], np.full(len(EXACT), x))[0]
            expected = [float(mpmath.diff(getattr(mpmath, IN_MPMATH.get(name, name)), mpmath.mpf(x))) for name in EXACT]
            np.testing.assert_allclose(found, expected, rtol=4e-15)


ANGLES = [10.0**e for e in range(-300, 15, 7)] + [j * math.pi / 2 for j in range(-9, 9)] + [1e6 + 0.1, -3.3e9, 1.1e15]
BRANCH_FREE = {
    "exp": [*np.linspace(-745, 709.7, 300), *np.linspace(-1, 1, 300), 1e-300],
    "sin": ANGLES + list(np.linspace(-4, 4, 300)),
    "cos": ANGLES + list(np.linspace(-4, 4, 300)),
    "log": [*np.geomspace(1e-323, 1e308, 500), *np.linspace(0.4, 2.1, 300), *(1.0 + 10.0**-e for e in range(1, 16))],
}


@pytest.mark.parametrize(("name", "at"), BRANCH_FREE.items(), ids=BRANCH_FREE)
def test_functions_without_branches_are_exact_to_rounding(name, at):
    model = l2o.model(eval(f"lambda t, p: math.{name}(p[0] * t)"))
    with mpmath.workdps(60):
        expected = np.array([float(getattr(mpmath, name)(mpmath.mpf(x))) for x in at])
    error = np.abs(model(at, [1.0]) - expected) / np.spacing(np.abs(expected))
    assert error.max() <= 2.0  # units in the last place, of numbers that are rounded


@l2o.model
def raised(t, p):
    return (p[0] * t[0]) ** (p[1] * t[1])


def test_powers_are_exact_to_rounding():
    rng = np.random.default_rng(0)
    for largest, units in ((2.0, 2.0), (700.0, 16.0)):  # of log(x^y)
        x = np.exp(rng.uniform(-1, 1, 200) * rng.choice([1e-3, 1.0, 100.0], 200))
        at = np.stack([x, rng.uniform(-largest, largest, 200) / np.maximum(np.abs(np.log(x)), 1e-3)], 1)
        with mpmath.workdps(60):
            expected = np.array([float(mpmath.power(mpmath.mpf(x), mpmath.mpf(y))) for x, y in at])
        assert (np.abs(raised(at, [1.0, 1.0]) - expected) / np.spacing(expected)).max() <= units


@pytest.mark.parametrize("x", [-2.0, -0.5, 0.0, 0.5, 1.0, 3.0, np.inf, np.nan])
@pytest.mark.parametrize("y", [-3.0, -2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 400.0, 1e9])
def test_powers_know_their_ends(x, y):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(raised([[x, y]], [1.0, 1.0]), np.power(x, y), rtol=1e-14)


@pytest.mark.parametrize("power", [operator.pow, pow, np.power, math.pow])
def test_powers_that_are_written_are_products(power):
    x = np.random.default_rng(0).uniform(-2, 2, 200)
    model = l2o.model(lambda t, p: power(p[0] * t, 3))
    np.testing.assert_array_equal(model(x, [1.0]), (1.0 * x) * (x * x))
    assert np.any(model(x, [1.0]) != x**3.0)  # of libm, which a tenth of them is not


def test_slopes_of_powers_at_zero_are_their_limits():
    model = l2o.model(lambda t, p: p[0] ** (p[1] * t))
    np.testing.assert_array_equal(model.jacobian([0.5, 1.0, 2.0, 3.5], [0.0, 1.0]),
                                  [[np.inf, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])


def test_functions_without_branches_know_their_ends():
    exp, log, sin, cos = (l2o.model(eval(f"lambda t, p: np.{name}(p[0] * t)")) for name in ("exp", "log", "sin", "cos"))
    np.testing.assert_array_equal(log([0.0, -1.0, np.inf, np.nan, 1.0], [1.0]), [-np.inf, np.nan, np.inf, np.nan, 0.0])
    ends = [-np.inf, -1e308, -746.0, 709.79, 1e308, np.inf, np.nan]
    np.testing.assert_array_equal(exp(ends, [1.0]), [0.0, 0.0, 0.0, np.inf, np.inf, np.inf, np.nan])
    for model in (sin, cos):
        assert np.isnan(model([-np.inf, np.inf, np.nan, 1e16, -1e300], [1.0])).all()


def test_points_do_not_depend_on_how_many_there_are():
    """To the bit: some are computed eight at a time, some alone."""
    t, p = np.random.default_rng(0).uniform(0, 3, (100, 2)), np.array([1.3, 0.4, 0.8, 1.1, 0.3])
    for model, points in ((ring, t[:, 0]), (spot, t)):
        values, derivatives = model(points, p), model.jacobian(points, p)
        for n in (1, 7, 13, 50):
            np.testing.assert_array_equal(model(points[-n:], p), values[-n:])
            np.testing.assert_array_equal(model.jacobian(points[-n:], p), derivatives[-n:])


@pytest.mark.parametrize("x", [-7.3, -0.5, 0.01, 3.0, 9.99, 10.0, 171.0])
def test_digamma_is_exact_to_rounding(x):
    np.testing.assert_allclose(digamma(x), float(mpmath.digamma(mpmath.mpf(x))), rtol=1e-14)


def test_model_with_a_loop_and_an_integer_at_its_start_is_differentiated():
    @l2o.model
    def series(t, p):
        total = 0
        for j in range(len(p)):
            total += p[j] * t**j
        return total

    t = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(series.jacobian(t, [1.0, 2.0, 3.0, 4.0]), np.vander(t, 4, increasing=True), rtol=1e-15)


# -- derivatives by hand, models compiled elsewhere ----------------------------------------------------


def test_model_may_write_its_own_derivatives():
    @l2o.model
    def by_hand(t, p, jac):
        part = math.exp(-p[1] * t)
        jac[0], jac[1], jac[2] = part, -p[0] * t * part, 1.0
        return p[0] * part + p[2]

    t, p = np.linspace(0, 3, 70), np.array([2.0, 0.7, 0.3])
    np.testing.assert_allclose(by_hand(t, p), decay(t, p), rtol=1e-15)
    np.testing.assert_allclose(by_hand.jacobian(t, p), decay.jacobian(t, p), rtol=1e-14)


def test_derivative_that_is_not_written_is_nan():
    @l2o.model
    def half(t, p, jac):
        jac[0] = t
        return p[0] * t + p[1]

    np.testing.assert_array_equal(half.jacobian([1.0, 2.0], [3.0, 4.0]), [[1.0, np.nan], [2.0, np.nan]])


def test_derivative_out_of_range_is_no_crash():
    @l2o.model
    def beyond(t, p, jac):
        jac[0], jac[2] = t, 1.0
        return p[0] * t + p[1]

    with pytest.raises(ValueError, match=r"the model .*beyond fails at p = \[3.0, 4.0\]: IndexError"):
        beyond([1.0, 2.0], [3.0, 4.0])


POINTER = types.CPointer(types.float64)


@numba.cfunc(types.intc(POINTER, POINTER, types.intp, POINTER, POINTER, types.intp, types.CPointer(types.void)))
def line(p, t, n, values, jacobian, d, user):
    """A line, and its derivatives where they are asked for."""
    derivatives = numba.carray(jacobian, (d, n))
    for i in range(n):
        values[i] = p[0] * t[i] + p[1]
        if derivatives.ctypes.data:  # not NULL
            derivatives[0, i], derivatives[1, i] = t[i], 1.0
    return 0


def test_cfunc_is_a_model():
    model = l2o.model(line)
    np.testing.assert_array_equal(model([1.0, 2.0], [3.0, 0.5]), [3.5, 6.5])
    np.testing.assert_array_equal(model.jacobian([1.0, 2.0], [3.0, 0.5]), [[1.0, 1.0], [2.0, 1.0]])
    assert model.card() == {"name": "line", "source": None}
    assert model.python is None


@needs_compiler
def test_example_of_a_model_in_c(tmp_path):
    subprocess.run([*STRICT, "-O2", "-shared", "-fPIC", str(EXAMPLES / "curve.c"), "-o", "curve.so", "-lm"],
                   cwd=tmp_path, check=True)
    curve = ctypes.CDLL(str(tmp_path / "curve.so")).curve
    doubles = ctypes.POINTER(ctypes.c_double)
    curve.restype = ctypes.c_int
    curve.argtypes = [doubles, doubles, ctypes.c_ssize_t, doubles, doubles, ctypes.c_ssize_t, ctypes.c_void_p]
    model = l2o.model(scipy.LowLevelCallable(curve))
    t, p = np.linspace(0, 3, 70), np.array([2.0, 0.7, 0.3])
    np.testing.assert_allclose(model(t, p), decay(t, p), rtol=1e-14)
    np.testing.assert_allclose(model.jacobian(t, p), decay.jacobian(t, p), rtol=1e-14)
    with pytest.raises(ValueError, match=r"the model LowLevelCallable fails at p = \[1.0\]"):
        model(t, [1.0])
    with pytest.raises(pickle.PicklingError, match=r"where its address means nothing; a model of @l2o.model can"):
        pickle.dumps(model)


def test_address_of_another_signature_is_a_type_error():
    with pytest.raises(TypeError, match="the model has the signature"):
        l2o.model(numba.cfunc(types.float64(types.float64))(lambda x: x))


# -- models that fail ----------------------------------------------------------------------------------


def _plain(x):
    return 2 * x


SLOW = {
    "@numba.njit": lambda t, p: _plain(p[0]) * t + p[1] / 3,
    "complex128": lambda t, p: abs(p[0] / (1 + 1j * p[1] * t)),
    "yield": lambda t, p: sum(each * t**j for j, each in enumerate(p)),
}


@pytest.mark.parametrize(("reason", "function"), SLOW.items(), ids=SLOW)
def test_model_that_does_not_compile_is_slow_and_says_so_once(reason, function):
    model, t, p = l2o.model(function), np.array([0.3, 1.2]), np.array([0.8, 0.2])
    with pytest.warns(SlowModelWarning, match=f"Numba cannot compile the model .*slowly, .*{reason}"):
        values = model(t, p)
    np.testing.assert_array_equal(values, one(t, p, model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(model.jacobian(t, p), by_differences(model, t, p), rtol=1e-6, atol=1e-8)
        model.address(3)


def test_derivatives_by_hand_serve_a_slow_model():
    def by_hand(t, p, jac):
        jac[:] = t, 1.0
        return _plain(p[0]) * t / 2 + p[1]

    with pytest.warns(SlowModelWarning):
        np.testing.assert_array_equal(l2o.model(by_hand).jacobian([3.0], [1.0, 2.0]), [[3.0, 1.0]])


def _sometimes(t, p):
    if t > 0.5:
        return p[0]


NO_NUMBER = {
    "an array of shape": lambda t, p: np.array([p[0], t]),
    "1j": lambda t, p: 1j * p[0],
    "a number in one branch, and nothing in another": _sometimes,
    "nothing": lambda t, p: None,
    "a tuple of 2": lambda t, p: p,
}


@pytest.mark.parametrize(("what", "function"), NO_NUMBER.items(), ids=NO_NUMBER)
def test_model_that_returns_no_number_is_named(what, function):
    with pytest.raises(CompilationError, match=f"the model .* returns {what}.*; expected a number"):
        l2o.model(function)([0.1, 1.0], [1.0, 2.0])


WRONG = {
    "IndexError": lambda t, p: p[5] * t,
    "NameError: name 'unknown'": lambda t, p: p[0] * unknown,  # noqa: F821
    "not enough values to unpack": lambda t, p: (lambda a, b, c: a)(*p) if len(p) == 3 else _three(p),
}


def _three(p):
    a, _, _ = p
    return a


@pytest.mark.parametrize(("what", "function"), WRONG.items(), ids=WRONG)
def test_model_that_never_works_is_an_error(what, function):
    with pytest.raises(CompilationError, match=f"the model .* fails, with d = 2 parameters and k = 1 numbers .*{what}"):
        l2o.model(function)([0.1, 1.0], [1.0, 2.0])


def test_model_that_raises_fails_at_those_parameters():
    @l2o.model
    def strict(t, p):
        if p[0] > 1.0:
            raise ValueError("too large")
        return p[0] * t

    np.testing.assert_array_equal(strict([1.0, 2.0], [0.5]), [0.5, 1.0])
    with pytest.raises(ValueError, match=r"strict fails at p = \[2.0\]: ValueError: too large"):
        strict([1.0, 2.0], [2.0])


def test_model_out_of_its_domain_is_nan():
    @l2o.model
    def root(t, p):
        return math.sqrt(p[0] - t) + 1 / (p[0] - p[0])

    assert np.isnan(root([1.0, 2.0], [0.5])).all()


def test_models_leave_numba_out_until_they_are_compiled():
    code = "import sys, l2o; l2o.model(lambda t, p: p[0]); sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the record ----------------------------------------------------------------------------------------


def test_model_goes_to_another_process_by_its_name():
    assert pickle.loads(pickle.dumps(decay)) is decay
    with pytest.raises(pickle.PicklingError, match=r"the model .* cannot be sent to another process"):
        pickle.dumps(l2o.model(lambda t, p: p[0]))


def test_card_of_a_model_has_its_name_and_the_hash_of_its_source():
    assert decay.card() == {"name": "test_models.decay", "source": decay.source.source_hash}
    assert len(decay.card()["source"]) == 64


@pytest.mark.parametrize(("given", "message"), [
    (3, "model is 3; expected a Python function"),
    (lambda t: t, r"takes \(t\); expected \(t, p\) or \(t, p, jac\)"),
    (lambda t, *p: t, r"takes \(t, \*p\); expected \(t, p\)"),
])
def test_what_is_no_model_is_a_type_error(given, message):
    with pytest.raises(TypeError, match=message):
        l2o.model(given)


@pytest.mark.parametrize(("t", "p", "message"), [
    (np.zeros((2, 2, 2)), [1.0, 2.0, 3.0], r"t has shape \(2, 2, 2\)"),
    (np.zeros((2, 0)), [1.0, 2.0, 3.0], r"t has shape \(2, 0\)"),
    ([1.0], [[1.0, 2.0, 3.0]], r"p has shape \(1, 3\)"),
    ([1.0], [], "p is empty"),
])
def test_wrong_shape_at_a_model_is_named(t, p, message):
    with pytest.raises(ValueError, match=message):
        decay(t, p)


def test_curve_is_a_model():
    assert isinstance(decay, Model)
    assert repr(decay) == "Model(test_models.decay)"
