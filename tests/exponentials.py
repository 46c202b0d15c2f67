"""Exponential decays: a user's objective at the top level of a module, where another process finds it."""

import ctypes

import numpy as np
import scipy

import l2o

DOUBLES = ctypes.POINTER(ctypes.c_double)
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_ssize_t, ctypes.c_void_p)


@l2o.objective
def decay(x, data, grad):
    """Return half the mean of the squared residuals of A exp(-k t) + c, x = (log A, log k, c), data (t, y)."""
    amplitude, rate, rows = np.exp(x[0]), np.exp(x[1]), data.shape[0]
    f = 0.0
    grad[:] = 0.0
    for i in range(rows):
        part = amplitude * np.exp(-rate * data[i, 0])
        residual = part + x[2] - data[i, 1]
        f += 0.5 * residual * residual / rows
        grad[0] += residual * part / rows
        grad[1] -= residual * part * rate * data[i, 0] / rows
        grad[2] += residual / rows
    return f


@l2o.objective
def decayed(x, data, grad):
    """Write the value and gradient of the sum of squares of x0 exp(-x1 t) - y."""
    f = 0.0
    grad[:] = 0.0
    for t, y in data:
        e = np.exp(-x[1] * t)
        r = x[0] * e - y
        f += r * r
        grad[0] += 2 * r * e
        grad[1] -= 2 * r * x[0] * e * t
    return f


def formula(x, data):
    """Return value and gradient of the same, in NumPy."""
    t, y = np.asarray(data).T
    part = np.exp(x[0] - np.exp(x[1]) * t)
    residual = part + x[2] - y
    slopes = np.array([part, -part * np.exp(x[1]) * t, np.ones(len(t))])
    return 0.5 * (residual**2).mean(), (slopes * residual).mean(axis=1)


def table(rng, rows=20):
    """Return times and noisy values of a random decay, (rows, 2)."""
    t = np.linspace(0.0, 3.0, rows)
    return np.column_stack([t, np.exp(0.3 * rng.standard_normal() - np.exp(0.3 * rng.standard_normal()) * t)
                            + 0.2 * rng.standard_normal() + 0.02 * rng.standard_normal(rows)])


def draw(rng):
    """Return the data and the starting point of one problem."""
    return table(rng, rng.integers(10, 30)), 0.3 * rng.standard_normal(3)


def called(function, user_data=None):
    """Return a Python function of pointers, (x, f, g, n, user) -> code, as a LowLevelCallable."""
    return scipy.LowLevelCallable(FUNCTION(function), user_data)


@l2o.model
def fading(t, p):
    """A point of A exp(-k t), p = (A, k)."""
    return p[0] * np.exp(-p[1] * t)
