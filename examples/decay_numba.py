"""The decay of decay.c by Numba: in the short form of l2o.objective, and as a cfunc of the header's signature."""

import numba
import numpy as np
from numba import types

import l2o


@l2o.objective
def decay(x, data, grad):
    """Return half the mean of the squared residuals of A exp(-k t) + c, x = (log A, log k, c), data (t, y)."""
    amplitude, rate, rows = np.exp(x[0]), np.exp(x[1]), len(data)
    f = 0.0
    grad[:] = 0.0
    for t, y in data:
        part = amplitude * np.exp(-rate * t)
        residual = part + x[2] - y
        f += 0.5 * residual * residual / rows
        grad[0] += residual * part / rows
        grad[1] -= residual * part * rate * t / rows
        grad[2] += residual / rows
    return f


doubles = types.CPointer(types.float64)


@numba.cfunc(types.intc(doubles, doubles, doubles, types.intp, doubles))
def decay_cfunc(x, f, g, n, user):
    """Write the same to f and g; user holds rows, columns, and the data by rows."""
    rows = int(user[0])
    amplitude, rate = np.exp(x[0]), np.exp(x[1])
    f[0] = g[0] = g[1] = g[2] = 0.0
    for i in range(rows):
        t, y = user[2 + 2 * i], user[3 + 2 * i]
        part = amplitude * np.exp(-rate * t)
        residual = part + x[2] - y
        f[0] += 0.5 * residual * residual / rows
        g[0] += residual * part / rows
        g[1] -= residual * part * rate * t / rows
        g[2] += residual / rows
    return 0


if __name__ == "__main__":
    t = np.linspace(0.0, 3.0, 30)
    data = np.column_stack([t, 2.0 * np.exp(-1.5 * t) + 0.3])
    for objective in (decay, decay_cfunc):
        result = l2o.minimize(objective, [0.0, 0.0, 0.0], args=(data,), method="lbfgs", tol=1e-9)
        print(np.exp(result.x[:2]).round(4), result.x[2].round(4))
