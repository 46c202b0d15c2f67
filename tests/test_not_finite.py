"""No run ends at a point, value or gradient that is no number with success, whatever the objective makes of NaN."""

import warnings

import numpy as np
import pytest

import l2o
from l2o.baselines import BASELINES, LBFGS, GradientDescent, Momentum, ScipyLBFGS

METHODS = [*(name for name in BASELINES if name not in ("newton", "lm")), GradientDescent(1e200), Momentum(1e200, 0.9),
           "policy", "alone"]


def missing(x):
    """Leave out what is missing, as nansum does; the gradient is missing below 2."""
    slope = np.where(x > 2.0, 1.0, np.nan)
    return np.nansum(np.abs(x + 5.0)), np.nan_to_num(slope) if np.isnan(x).any() else slope


def hinge(x):
    """Take the larger of 0 and x, which is 0 for NaN."""
    return 1e200 * max(0.0, x[0]), np.concatenate([[1e200 * (x[0] > 0)], np.zeros(len(x) - 1)])


def blind(x):
    """Do not look at all variables, and have a slope for them."""
    return 1.0 / (1.0 + x[0] ** 2) if np.isfinite(x[0]) else 0.0, np.full(len(x), -1e200)


def limit(x):
    """Have a limit at infinity that is the lowest value."""
    far = np.nan_to_num(np.exp(-np.abs(x)), nan=0.0)
    return float(far.sum()), -np.sign(np.nan_to_num(x)) * far * 1e300


def half(x):
    """Have a value everywhere, and a gradient on one side only."""
    return float((x**2).sum()), np.where(x > 1.0, 2 * x, np.inf)


@pytest.fixture(params=METHODS, ids=repr)
def method(request, descent_policy):
    """Return a method and its options."""
    if request.param in ("policy", "alone"):
        return descent_policy(2, 1e250), {"safeguard": request.param == "policy"}
    return request.param, {}


@pytest.mark.parametrize("fun", [missing, hinge, blind, limit, half])
def test_run_ends_at_numbers(fun, method):
    rng = np.random.default_rng(0)
    for _ in range(20):
        x0 = rng.uniform(1.1, 9.0, 2)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            start = fun(x0)
            result = l2o.minimize(fun, x0, method=method[0], options={**method[1], "maxiter": 30})
        if np.isfinite(start[0]) and np.isfinite(start[1]).all():
            assert np.isfinite(result.x).all()
            assert np.isfinite(result.fun)
            assert np.isfinite(result.jac).all()
            assert result.fun <= start[0]
        else:
            assert (result.status, result.nfev) == (3, 1)
            np.testing.assert_array_equal(result.x, x0)


def test_run_in_bounds_ends_at_numbers(method):
    for fun in (missing, hinge, blind):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = l2o.minimize(fun, [5.0, 4.0], method=method[0], bounds=[(None, 8.0)] * 2, options=method[1])
        assert np.isfinite(result.x).all()
        assert np.isfinite(result.fun)
        assert result.fun <= fun(np.array([5.0, 4.0]))[0]


STARTS = {
    "infinite value": lambda x: (np.inf if x[0] > 2 else (x[0] - 1) ** 2, 2 * (x - 1)),
    "NaN value": lambda x: (np.nan if x[0] > 2 else (x[0] - 1) ** 2, 2 * (x - 1)),
    "NaN gradient": lambda x: ((x[0] - 1) ** 2, 2 * (x - 1) if x[0] < 2 else x * np.nan),
    "infinite gradient": lambda x: ((x[0] - 1) ** 2, 2 * (x - 1) if x[0] < 2 else x * np.inf),
}


@pytest.mark.parametrize("name", STARTS)
def test_start_that_is_not_finite_is_status_3_of_every_method(name, descent_policy):
    for method in (*(name for name in BASELINES if name not in ("newton", "lm")), descent_policy(1)):
        for options in ({}, {"maxiter": 0}):
            result = l2o.minimize(STARTS[name], [3.0], method=method, options=options)
            assert (result.status, result.nfev, result.x.tolist()) == (3, 1, [3.0])


@pytest.mark.parametrize("n_steps", [0, 5])
def test_record_of_a_start_that_is_not_finite_has_status_3(n_steps, problems):
    far = problems.with_starts(np.full(problems.x0.shape, 1e308))
    for method in ("cg", "scipy-lbfgs", "lbfgs"):
        runs = l2o.rollout(far, method=method, n_steps=n_steps)
        assert (runs.status == 3).all()
        assert (runs.x == 1e308).all()


@pytest.mark.parametrize("bad", [10**20, 2**63, 10**400, 10**5000], ids=lambda bad: f"{bad.bit_length()} bits")
def test_number_that_does_not_fit_c_is_an_error_that_names_it(bad, problems):
    for name in ("maxiter", "maxfun"):
        with pytest.raises(ValueError, match=rf"{name} is .*; expected at most 9223372036854775807"):
            l2o.minimize_many(problems, options={name: bad})
    with pytest.raises(ValueError, match=r"n_steps is .*; expected at most"):
        l2o.rollout(problems, method="lbfgs", n_steps=bad)
    for baseline in (LBFGS, ScipyLBFGS):
        with pytest.raises(ValueError, match=r"memory is .*; expected at most 2147483647"):
            baseline(memory=bad)
    if bad > 2**1024:
        for call in (lambda: l2o.minimize_many(problems, tol=bad), lambda: Momentum(step_size=bad),
                     lambda: l2o.minimize_many(problems, options={"gtol": bad})):
            with pytest.raises(ValueError, match="is too large for a floating-point number"):
                call()
