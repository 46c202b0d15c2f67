"""The bank: every objective is what its formula says, with its gradient; what is drawn can be minimised."""

import numpy as np
import pytest

import l2o
from l2o.training import bank_objectives as of
from l2o.training.bank import KINDS, bank

RIDGES = {
    of.SOFTPLUS: lambda z: np.logaddexp(0, z),
    of.GEMAN_MCCLURE: lambda z: z**2 / (1 + z**2),
    of.SQUARE: lambda z: z**2 / 2,
    of.QUARTIC: lambda z: z**4 / 4,
    of.LOG_COSH: lambda z: np.logaddexp(z, -z) - np.log(2),
    of.EXPONENTIAL: lambda z: np.expm1(z) - z,
    of.COSINE: lambda z: 1 - np.cos(z) + 0.05 * z**2,
}
UNITS = {
    of.EXP: lambda u, before: np.exp(u), of.TANH: lambda u, before: np.tanh(u), of.SINE: lambda u, before: np.sin(u),
    of.SQUARED: lambda u, before: u**2, of.CUBED: lambda u, before: u**3 / 3, of.PRODUCT: lambda u, before: u * before,
}
CURVES = {
    of.DECAY: lambda u, shift: np.exp(-u), of.SIGMOID: lambda u, shift: 1 / (1 + np.exp(shift - u)),
    of.LORENTZ: lambda u, shift: 1 / (1 + u**2), of.WAVE: lambda u, shift: np.sin(u),
}


def ridge_sum(x, table):
    weight, kind, shift, vectors = table[1:, 0], table[1:, 1], table[1:, 2], table[1:, 3 : 3 + len(x)]
    terms = [w * RIDGES[k](z) for w, k, z in zip(weight, kind, vectors @ x - shift)]
    return sum(terms) + table[0, 2] * x @ x / 2


def least_squares(x, table):
    h, d = int(table[0, 2]), len(x)
    units, rest = table[1 : 1 + h], table[1 + h :]
    u = units[:, 2 : 2 + d] @ x + units[:, 1]
    phi = np.array([UNITS[k](*pair) for k, *pair in zip(units[:, 0], u, np.roll(u, 1))])
    residual = rest[:, 1 + d : 1 + d + h] @ phi + rest[:, 1 : 1 + d] @ x - rest[:, 0]
    return residual @ residual / 2


def curve_fit(x, table):
    m, d = int(table[0, 2]), len(x)
    z, curves, (t, y) = x * table[1, :d], table[2 : 2 + m, :2], table[2 + m :, :2].T
    constant = z[2 * m] if d % 2 else 0
    fit = constant + sum(z[k] * CURVES[kind](z[m + k] * t, shift) for k, (kind, shift) in enumerate(curves))
    return (fit - y) @ (fit - y) / 2


def log_sum_exp(x, table):
    z = table[1:, 1 : 1 + len(x)] @ x - table[1:, 0]
    return table[0, 2] * np.logaddexp.reduce(z / table[0, 2]) + table[0, 3] * x @ x / 2


FORMULAS = {of.ridge_sum: ridge_sum, of.least_squares: least_squares, of.curve_fit: curve_fit,
            of.log_sum_exp: log_sum_exp}


def drawn(kind, dim, seed):
    """Return objective, table with a scale of 3 and an offset of -2, and start of a function of the bank."""
    objective, table, x0 = KINDS[kind](np.random.default_rng(seed), dim)
    table[0, :2] = 3, -2
    return objective, table, x0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [2, 5])
def test_objective_is_its_formula(kind, dim):
    for seed in range(8):
        objective, table, x0 = drawn(kind, dim, seed)
        value, _ = objective.value_and_grad(x0, table)
        np.testing.assert_allclose(value, 3 * FORMULAS[objective](x0, table) - 2, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_objective_has_its_gradient_and_keeps_to_its_arrays(kind):
    objective, table, x0 = drawn(kind, 3, 1)
    l2o.testing.check_objective(objective, table, x0)


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_have_the_gradient_of_every_unit(seed):
    """The kinds of units are drawn, so several draws are needed to meet all six."""
    rng = np.random.default_rng(seed)
    table = np.zeros((1 + 12 + 5, 1 + 3 + 12))
    table[0, :3] = 1, 0, 12
    table[1:13, 0], table[1:13, 1:5] = rng.permutation(np.repeat(np.arange(6), 2)), rng.standard_normal((12, 4)) / 2
    table[13:] = rng.standard_normal((5, 16))
    x, step = rng.standard_normal(3), 1e-6 * np.eye(3)
    _, slope = of.least_squares.value_and_grad(x, table)
    value = [of.least_squares.value_and_grad(x + sign * each, table)[0] for sign in (1, -1) for each in step]
    np.testing.assert_allclose(slope, np.subtract(value[:3], value[3:]) / 2e-6, rtol=1e-6, atol=1e-7)


def test_bank_has_a_batch_for_each_objective_and_dimension():
    batches = bank(2, 0, dimensions=(2, 7))
    assert [(each.dim, len(each)) for each in batches] == [(d, n) for d in (2, 7) for n in (8, 4, 2, 2)]
    again, other = bank(2, 0, dimensions=(2, 7)), bank(2, 1, dimensions=(2, 7))
    for one, same, another in zip(batches, again, other):
        assert np.array_equal(one.blocks, same.blocks)
        assert np.array_equal(one.x0, same.x0)
        assert not np.array_equal(one.x0, another.x0)


def test_functions_of_the_bank_can_be_minimised():
    """Nearly all of them, and all from finite values."""
    ends = [(each.evaluate(each.x0), l2o.minimize_many(each, method="lbfgs")) for each in bank(4, 5, (3, 8))]
    fun = np.concatenate([start[0] for start, _ in ends])
    lowest = np.concatenate([end.fun for _, end in ends])
    assert np.isfinite(fun).all()
    assert np.isfinite(lowest).all()
    assert (lowest < fun - 1e-3 * np.abs(fun)).mean() > 0.95
