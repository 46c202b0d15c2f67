"""A gradient that is right is never called wrong, by `minimize` or `check_objective`, and one that is wrong is.

The right ones are of curves that people fit, after runs to the last digit, where the slope is all rounding.
"""

import warnings

import numpy as np
import pytest
from exponentials import called, decayed

import l2o
from l2o.testing import check_objective

ACCUSED = "gradient is wrong"
T = np.linspace(0.0, 5.0, 40)


def sinusoid(p):
    """Return amplitude, rate, phase and offset of a wave, and the derivatives."""
    s, c = np.sin(4 * p[1] * T - p[2]), np.cos(4 * p[1] * T - p[2])
    return p[0] * s + p[3], np.array([s, 4 * p[0] * c * T, -p[0] * c, np.ones(T.size)])


def decay(p):
    """Return counts that decay over a background."""
    e = np.exp(-p[1] * T)
    return p[0] * e + p[2], np.array([e, -p[0] * T * e, np.ones(T.size)])


def peak(p):
    """Return a Gaussian peak: height, place, width."""
    z = (T - p[1]) / p[2]
    e = np.exp(-0.5 * z * z)
    return p[0] * e, np.array([e, p[0] * e * z / p[2], p[0] * e * z * z / p[2]])


def saturation(p):
    """Return the rate of an enzyme (Michaelis and Menten): the largest, and the half-way concentration."""
    return p[0] * T / (p[1] + T), np.array([T / (p[1] + T), -p[0] * T / (p[1] + T) ** 2])


def growth(p):
    """Return logistic growth: capacity, rate, middle."""
    e = 1 / (1 + np.exp(-p[1] * (T - p[2])))
    return p[0] * e, np.array([e, p[0] * e * (1 - e) * (T - p[2]), -p[0] * e * (1 - e) * p[1]])


CURVES = {"sinusoid": (sinusoid, (10.0, 1.0, 0.1, 0.5)), "decay": (decay, (1e6, 1.0, 1e3)),
          "peak": (peak, (300.0, 2.0, 0.4)), "saturation": (saturation, (2e-9, 1.3)),
          "growth": (growth, (8e4, 2.0, 2.5))}


def fit(name, seed, noise=0.01):
    """Return the sum of squares of a noisy curve, p -> (f, g), and a start."""
    curve, right = CURVES[name]
    rng = np.random.default_rng(seed)
    y = curve(right)[0]
    y = y + noise * np.abs(y).max() * rng.standard_normal(T.size)

    def fun(p):
        model, slopes = curve(p)
        return float((model - y) @ (model - y)), 2 * slopes @ (model - y)

    return fun, np.array(right) * (1 + 0.05 * rng.standard_normal(len(right)))


def ended(fun, x0, method="lbfgs"):
    """Return the result of a run that ends where rounding does, with warnings as errors."""
    calls = []

    def counted(x):
        calls.append(1)
        return fun(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = l2o.minimize(counted, x0, method=method, options={"gtol": 0.0, "maxiter": 3000})
    assert result.nfev == len(calls)
    return result


# -- right -------------------------------------------------------------------------------------------------


def test_gradient_of_a_wave_is_accused_for_no_seed():
    t = np.arange(0, 20, 0.1)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = 10 * np.sin(t) + 0.1 * rng.standard_normal(t.size)

        def fun(p, y=y):
            s, c = np.sin(p[1] * t - p[2]), np.cos(p[1] * t - p[2])
            r = p[0] * s + p[3] - y
            return float(r @ r), np.array([2 * r @ s, 2 * r @ (p[0] * c * t), -2 * r @ (p[0] * c), 2 * r.sum()])

        result = ended(fun, [rng.uniform(5, 15), rng.uniform(0.95, 1.05), rng.uniform(-0.3, 0.3), 0.0])
        assert ACCUSED not in result.message
        assert result.fun < 3


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", CURVES)
def test_right_gradient_of_a_curve_is_not_accused(name, noise):
    statuses = []
    for seed in range(12):
        fun, x0 = fit(name, seed, noise)
        result = ended(fun, x0)
        assert ACCUSED not in result.message
        statuses.append(result.status)
    assert 2 in statuses or noise == 0.0


@pytest.mark.parametrize("offset", [1.0, 1e6, 1e12])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_right_gradient_is_not_accused_in_any_unit(unit, offset):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        dim = int(rng.integers(1, 8))
        scale, middle = 10.0 ** rng.uniform(-6, 6, dim), rng.standard_normal(dim)
        half = rng.standard_normal((dim, dim)) + 2 * np.eye(dim)

        def fun(x, middle=middle, scale=scale, half=half):
            z = half @ (x / scale - middle)
            return unit * (float((z**2 / 2 + z**4 / 4).sum()) + offset), unit * (half.T @ (z + z**3)) / scale

        assert ACCUSED not in ended(fun, scale * rng.standard_normal(dim)).message


KINKS = {
    "absolute values": lambda x: (np.abs(x - [1.0, 2.0]).sum(), np.sign(x - [1.0, 2.0])),
    "slope zero at the kink": lambda x: (abs(x[0]) + abs(x[1]), np.sign(x)),
    "steep": lambda x: (1e200 * abs(x[0] - 0.3) + abs(x[1]), np.sign([1e200 * (x[0] - 0.3), x[1]]) * [1e200, 1.0]),
    "largest": lambda x: (float(np.abs(x).max()), np.sign(x) * (np.abs(x) == np.abs(x).max())),
    "single precision": lambda x: (float(np.float32(((x - 1) ** 2).sum() + 3)), 2 * (x - 1)),
}


@pytest.mark.parametrize("name", KINKS)
def test_kink_is_no_wrong_gradient(name):
    for seed in range(10):
        x0 = np.random.default_rng(seed).standard_normal(2) * 3
        assert ACCUSED not in ended(KINKS[name], x0).message


# -- wrong -------------------------------------------------------------------------------------------------


def wrong_sign(f, g, p, right):
    return f, g * np.where(np.arange(len(g)) == 1, -1.0, 1.0)


def swapped(f, g, p, right):
    return f, np.roll(g, 1)


def up(f, g, p, right):
    return f, -g


def forgotten(f, g, p, right):
    """Add to f what pulls p up by a tenth or so; its gradient is forgotten."""
    return f + 10.0 * right[0] ** 2 * float(((p / right - 1.1) ** 2).sum()), g


@pytest.mark.parametrize("mistake", [wrong_sign, swapped, up, forgotten])
@pytest.mark.parametrize("name", CURVES)
def test_plainly_wrong_gradient_of_a_curve_is_accused(name, mistake):
    accused, right = 0, np.array(CURVES[name][1])
    for seed in range(8):
        fun, x0 = fit(name, seed)
        with np.errstate(all="ignore"):
            result = l2o.minimize(lambda p, fun=fun: mistake(*fun(p), p, right), x0, method="lbfgs",
                                  options={"gtol": 0.0, "maxiter": 300})
        assert not result.success
        accused += ACCUSED in result.message
    assert accused >= 4


# -- check_objective -----------------------------------------------------------------------------------------


def compiled(fun):
    """Return a function p -> (f, g) as a compiled objective."""
    def objective(x, f, g, n, user):
        with np.errstate(all="ignore"):
            f[0], gradient = fun(np.array(x[:n]))
        for j in range(n):
            g[j] = gradient[j]
        return 0

    return called(objective)


def minimum(name, seed, noise):
    """Return where the fit of a curve ends: the right values, or those closest to noisy ones."""
    fun, x0 = fit(name, seed, noise)
    return np.array(CURVES[name][1]) if noise == 0.0 else l2o.minimize(fun, x0, method="lbfgs").x


@pytest.mark.parametrize("name", CURVES)
def test_check_passes_a_right_gradient_at_its_minimum_and_beside_it(name, monkeypatch):
    monkeypatch.setattr("l2o.testing._check_threads", lambda problems: None)
    for seed, noise in ((0, 0.0), (1, 0.01), (2, 0.01)):
        fun, x0 = fit(name, seed, noise)
        for x in (minimum(name, seed, noise), x0):
            check_objective(compiled(fun), None, x)


def longer(f, g, p, right):
    return f, 1.01 * g


@pytest.mark.parametrize("mistake", [longer, wrong_sign, swapped, up, forgotten])
@pytest.mark.parametrize("name", CURVES)
def test_check_finds_a_wrong_gradient(name, mistake):
    fun, x0 = fit(name, 3)
    with pytest.raises(AssertionError, match=r"component \d of the gradient is \S+, but differences of the value give"):
        check_objective(compiled(lambda p: mistake(*fun(p), p, np.array(CURVES[name][1]))), None, x0)


@pytest.mark.parametrize("unit", [1e-9, 1e3, 1e12])
def test_check_takes_rounding_of_terms_that_cancel_for_what_it_is(unit):
    t = np.array([10, 20, 30, 40, 50, 60, 80, 100.0])
    for rate in (0.02, 0.013, 0.005):
        check_objective(decayed, np.column_stack([t, unit * np.exp(-t * rate)]), [unit, rate])


def test_right_gradient_is_not_accused_where_numbers_underflow():
    X = np.random.default_rng(0).standard_normal((30, 3))
    y = np.sign(X @ [1.0, -1.0, 0.5])

    def separable(w):
        margins = y * (X @ w[:3] + w[3])
        share = y / (1.0 + np.exp(np.minimum(margins, 700.0)))
        return np.logaddexp(0.0, -margins).mean(), -np.append(share @ X, share.sum()) / 30

    for method in ("newton", "lbfgs"):
        result = l2o.minimize(separable, np.zeros(4), method=method)
        assert result.fun < 1e-100
        assert "wrong" not in result.message
