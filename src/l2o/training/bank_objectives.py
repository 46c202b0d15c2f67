"""Objectives of the bank, compiled: ridge sums, nonlinear least squares, fits of curves, log-sum-exp.

Each is scale * F(x) + offset. The first row of its table begins with scale and offset; what follows is said with each.
"""

from __future__ import annotations

import numpy as np

from l2o._kernels.base.compiled import compiled
from l2o.problems.objectives import objective

__all__ = ["curve_fit", "least_squares", "log_sum_exp", "ridge_sum"]

SOFTPLUS, GEMAN_MCCLURE, SQUARE, QUARTIC, LOG_COSH, EXPONENTIAL, COSINE = range(7)  # ridge functions
EXP, TANH, SINE, SQUARED, CUBED, PRODUCT = range(6)  # units of least squares; a product is with the unit before
DECAY, SIGMOID, LORENTZ, WAVE = range(4)  # curves
LARGEST = 40.0  # of an exponent, by magnitude
LOG_2 = 0.6931471805599453

native = compiled(error_model="numpy")


@native
def _exp(z):  # type: ignore[no-untyped-def]
    return np.exp(min(max(z, -LARGEST), LARGEST))


@native
def _sigmoid(z):  # type: ignore[no-untyped-def]
    """Return 1 / (1 + exp(-z)) without an overflow."""
    e = np.exp(-abs(z))
    return 1.0 / (1.0 + e) if z > 0 else e / (1.0 + e)


@native
def _dot(row, first, x):  # type: ignore[no-untyped-def]
    """Return x . row[first:first + d]."""
    total = 0.0
    for i in range(len(x)):
        total += row[first + i] * x[i]
    return total


@native
def _ridge(kind, z):  # type: ignore[no-untyped-def]
    """Return value and derivative of a ridge function."""
    if kind == SOFTPLUS:
        return max(z, 0.0) + np.log1p(np.exp(-abs(z))), _sigmoid(z)
    if kind == GEMAN_MCCLURE:
        q = 1.0 + z * z
        return z * z / q, 2.0 * z / (q * q)
    if kind == SQUARE:
        return 0.5 * z * z, z
    if kind == QUARTIC:
        return 0.25 * z**4, z**3
    if kind == LOG_COSH:
        return abs(z) + np.log1p(np.exp(-2.0 * abs(z))) - LOG_2, np.tanh(z)
    if kind == EXPONENTIAL:
        e = _exp(z)
        return e - z - 1.0, e - 1.0
    return 1.0 - np.cos(z) + 0.05 * z * z, np.sin(z) + 0.1 * z  # COSINE


@objective
def ridge_sum(x, data, grad):  # type: ignore[no-untyped-def]
    """Evaluate sum_j w_j rho_j(a_j . x - b_j) + l2/2 |x|^2.

    First row: scale, offset, l2; then a row for each j: weight, kind of rho, b, a (d).
    """
    scale, l2 = data[0, 0], data[0, 2]
    f = 0.0
    for i in range(len(x)):
        grad[i] = l2 * x[i]
        f += 0.5 * l2 * x[i] * x[i]
    for j in range(1, data.shape[0]):
        row = data[j]
        value, slope = _ridge(int(row[1]), _dot(row, 3, x) - row[2])
        f += row[0] * value
        for i in range(len(x)):
            grad[i] += row[0] * slope * row[3 + i]
    for i in range(len(x)):
        grad[i] *= scale
    return scale * f + data[0, 1]


@native
def _unit(kind, u, before):  # type: ignore[no-untyped-def]
    """Return value and derivative by u of a unit; `before` is what the unit before is given."""
    if kind == EXP:
        e = _exp(u)
        return e, e
    if kind == TANH:
        t = np.tanh(u)
        return t, 1.0 - t * t
    if kind == SINE:
        return np.sin(u), np.cos(u)
    if kind == SQUARED:
        return u * u, 2.0 * u
    if kind == CUBED:
        return u * u * u / 3.0, u * u
    return u * before, before  # PRODUCT


@objective
def least_squares(x, data, grad):  # type: ignore[no-untyped-def]
    """Evaluate 1/2 |C phi(V x + c) + L x - y|^2.

    First row: scale, offset, number h of units; then h rows of units: kind of phi, c, v (d); then a row for each
    residual: y, its row of L (d), its row of C (h).
    """
    scale, h, d = data[0, 0], int(data[0, 2]), len(x)
    units = data[1 : 1 + h]
    given, value, slope, pull = np.empty(h), np.empty(h), np.empty(h), np.zeros(h)
    for k in range(h):
        given[k] = _dot(units[k], 2, x) + units[k, 1]
    for k in range(h):
        value[k], slope[k] = _unit(int(units[k, 0]), given[k], given[k - 1 if k > 0 else h - 1])
    f = 0.0
    grad[:] = 0.0
    for r in range(1 + h, data.shape[0]):
        row = data[r]
        residual = _dot(row, 1, x) - row[0] + _dot(row, 1 + d, value)
        f += 0.5 * residual * residual
        for k in range(h):
            pull[k] += residual * row[1 + d + k]
        for i in range(d):
            grad[i] += residual * row[1 + i]
    for k in range(h):
        after = k + 1 if k < h - 1 else 0
        by_given = pull[k] * slope[k]
        if int(units[after, 0]) == PRODUCT:
            by_given += pull[after] * given[after]
        for i in range(d):
            grad[i] += by_given * units[k, 2 + i]
    for i in range(d):
        grad[i] *= scale
    return scale * f + data[0, 1]


@native
def _curve(kind, u, shift):  # type: ignore[no-untyped-def]
    """Return value and derivative by u of a curve."""
    if kind == DECAY:
        e = _exp(-u)
        return e, -e
    if kind == SIGMOID:
        s = _sigmoid(u - shift)
        return s, s * (1.0 - s)
    if kind == LORENTZ:
        q = 1.0 + u * u
        return 1.0 / q, -2.0 * u / (q * q)
    return np.sin(u), np.cos(u)  # WAVE


@objective
def curve_fit(x, data, grad):  # type: ignore[no-untyped-def]
    """Evaluate 1/2 sum_j (sum_k amplitude_k curve_k(rate_k t_j) + constant - y_j)^2.

    x holds m amplitudes, m rates, and the constant if d is odd, each divided by its unit. First row: scale, offset, m;
    then the units (d), m rows of curves: kind, shift; then a row for each point: t, y.
    """
    scale, m, d = data[0, 0], int(data[0, 2]), len(x)
    units, curves = data[1], data[2 : 2 + m]
    value, slope = np.empty(m), np.empty(m)
    f = 0.0
    grad[:] = 0.0
    for j in range(2 + m, data.shape[0]):
        t = data[j, 0]
        residual = -data[j, 1]
        if d > 2 * m:
            residual += x[2 * m] * units[2 * m]
        for k in range(m):
            value[k], slope[k] = _curve(int(curves[k, 0]), x[m + k] * units[m + k] * t, curves[k, 1])
            residual += x[k] * units[k] * value[k]
        f += 0.5 * residual * residual
        for k in range(m):
            grad[k] += residual * value[k]
            grad[m + k] += residual * x[k] * units[k] * slope[k] * t
        if d > 2 * m:
            grad[2 * m] += residual
    for i in range(d):
        grad[i] *= scale * units[i]
    return scale * f + data[0, 1]


@objective
def log_sum_exp(x, data, grad):  # type: ignore[no-untyped-def]
    """Evaluate rho log sum_j exp((a_j . x - b_j) / rho) + l2/2 |x|^2.

    First row: scale, offset, rho, l2; then a row for each j: b, a (d).
    """
    scale, rho, l2, n = data[0, 0], data[0, 2], data[0, 3], data.shape[0] - 1
    share = np.empty(n)
    for j in range(n):
        share[j] = (_dot(data[1 + j], 1, x) - data[1 + j, 0]) / rho
    largest = share.max()
    total = 0.0
    for j in range(n):
        share[j] = np.exp(share[j] - largest)
        total += share[j]
    f = rho * (largest + np.log(total))
    for i in range(len(x)):
        grad[i] = l2 * x[i]
        f += 0.5 * l2 * x[i] * x[i]
    for j in range(n):
        for i in range(len(x)):
            grad[i] += share[j] / total * data[1 + j, 1 + i]
    for i in range(len(x)):
        grad[i] *= scale
    return scale * f + data[0, 1]
