"""Models of curves: derivatives by dual numbers against central differences, and what can be written in a model."""

import math
import pickle

import numba
import numpy as np
import pytest

import l2o
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


@pytest.mark.parametrize("n", [1, 16, 63, 64, 65, 200])  # round the tiles of the loop
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


def test_model_with_a_loop_and_an_integer_at_its_start_is_differentiated():
    @l2o.model
    def series(t, p):
        total = 0
        for j in range(len(p)):
            total += p[j] * t**j
        return total

    t = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(series.jacobian(t, [1.0, 2.0, 3.0, 4.0]), np.vander(t, 4, increasing=True), rtol=1e-15)


def test_model_goes_to_another_process_by_its_name():
    assert pickle.loads(pickle.dumps(decay)) is decay
    with pytest.raises(pickle.PicklingError, match=r"the model .* cannot be sent to another process"):
        pickle.dumps(l2o.model(lambda t, p: p[0]))


def test_card_of_a_model_has_its_name_and_the_hash_of_its_source():
    assert decay.card() == {"name": "test_models.decay", "source": decay.source.source_hash}
    assert len(decay.card()["source"]) == 64


@pytest.mark.parametrize(("given", "message"), [
    (3, "model is 3; expected a Python function"),
    (lambda t: t, r"takes \(t\); expected \(t, p\)"),
    (lambda t, *p: t, r"takes \(t, \*p\); expected \(t, p\)"),
])
def test_what_is_no_model_is_a_type_error(given, message):
    with pytest.raises(TypeError, match=message):
        l2o.model(given)


@pytest.mark.parametrize(("t", "p", "message"), [
    (np.zeros((2, 2, 2)), [1.0, 2.0, 3.0], r"t has shape \(2, 2, 2\)"),
    ([1.0], [[1.0, 2.0, 3.0]], "p"),
])
def test_wrong_shape_at_a_model_is_named(t, p, message):
    with pytest.raises(ValueError, match=message):
        decay(t, p)


def test_curve_is_a_model():
    assert isinstance(decay, Model)
    assert repr(decay) == "Model(test_models.decay)"
