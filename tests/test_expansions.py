"""Value, gradient and Hessian in one call are those of three; test_kernels runs it at every level."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

import l2o
from l2o.baselines.newton import MOST_AT_ONCE
from l2o.families import Logistic, RobustRegression
from l2o.problems import Problems

KINDS = {"logistic": (Logistic, False), "robust": (RobustRegression, False), "weighted logistic": (Logistic, True),
         "weighted robust": (RobustRegression, True)}


def problems_of(kind, n=100, p=3, m=4):
    """Return regressions of some kind on n points."""
    rng = np.random.default_rng(n + p)
    family, weighted = KINDS[kind]
    X, y = rng.standard_normal((m, n, p)), (rng.random((m, n)) < 0.5).astype(float)
    weights = {"weights": rng.uniform(0, 2, (m, n))} if weighted else {}
    return family(p).from_data(X, y, x0=rng.standard_normal((m, p + 1)), **weights)


def expansion(problems, i, x):
    """Return code, value, gradient and Hessian of member i at x (d,), all in one call."""
    double, d = ctypes.POINTER(ctypes.c_double), len(x)
    call = ctypes.CFUNCTYPE(ctypes.c_int, double, double, double, double, ctypes.c_ssize_t, ctypes.c_void_p)
    f, g, H = np.full(1, np.nan), np.full(d, np.nan), np.full((d, d), np.nan)
    pointers = [each.ctypes.data_as(double) for each in (np.ascontiguousarray(x), f, g, H)]
    code = call(problems.expansion_function)(*pointers, d, int(problems.addresses()[i]))
    return code, f[0], g, H


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 128, 129, 513])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0.0, 1.0, 40.0, 1e4])
def test_expansion_is_value_gradient_and_hessian(kind, n, size):
    for p in (1, 3, 9):
        problems = problems_of(kind, n, p)
        x = size * problems.x0
        f, g = problems.value_and_grad(x)
        H = problems.hessian(x)
        for i in range(len(problems)):
            code, value, gradient, hessian = expansion(problems, i, x[i])
            assert (code, value) == (0, f[i])
            np.testing.assert_array_equal(gradient, g[i])
            np.testing.assert_allclose(hessian, H[i], rtol=1e-12, atol=1e-14 * np.abs(H[i]).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_expansion_of_a_nonfinite_point_is_not_finite(kind, bad):
    problems = problems_of(kind)
    x = problems.x0[0].copy()
    x[1] = bad
    _, value, gradient, _ = expansion(problems, 0, x)
    assert not np.isfinite([value, *gradient]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_newton_takes_the_same_steps_with_an_expansion_as_without(kind):
    problems = problems_of(kind, m=50)
    assert problems.dim <= MOST_AT_ONCE
    apart = Problems(replace(problems.kernel, expansion=None), problems.blocks, problems.index, problems.x0,
                     problems.offsets, problems.shared)
    one, other = (l2o.minimize_many(each, method="newton", tol=1e-8) for each in (problems, apart))
    assert one.success.all()
    np.testing.assert_array_equal(one.nfev, other.nfev)
    np.testing.assert_allclose(one.x, other.x, rtol=1e-9, atol=1e-12)
