"""Numba: one compiled loop over runs, loops laid out for LLVM's vectoriser, no allocation in a step.

exp and log are scalar calls of libm (Numba vectorises them only with Intel's SVML, which its wheels are built without),
so most of the time is theirs; "one log" takes the logarithm of a product of up to 500 factors in [1, 2] instead of a
sum of logarithms. The rest of fastmath gains nothing, and breaks what is not finite.
"""

import math

import numpy as np
from numba import njit

from benchmarks.speed.peers.work import Peer

LIBRARY = "numba"
compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


@compiled
def add_rows(out, factors, rows):
    """Add factors (k,) @ rows (k, n) to out (n,): four rows a pass, which loads and stores `out` less often."""
    k, done = len(factors), len(factors) // 4 * 4
    for i in range(0, done, 4):
        a, b, c, d = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        row_a, row_b, row_c, row_d = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for j in range(len(out)):
            out[j] += a * row_a[j] + b * row_b[j] + c * row_c[j] + d * row_d[j]
    for i in range(done, k):
        factor, row = factors[i], rows[i]
        for j in range(len(out)):
            out[j] += factor * row[j]


@compiled
def objective(columns, ridge, x, g, margin, slope, one_log):
    """Return f, and write g; columns (d, n)."""
    d, n = columns.shape
    margin[:] = 0.0
    add_rows(margin, x, columns)
    for i in range(n):
        slope[i] = math.exp(-abs(margin[i]))
    f, product = 0.0, 1.0
    if one_log:
        for i in range(n):
            product *= 1.0 + slope[i]
        f = math.log(product)
    else:
        for i in range(n):
            f += math.log(1.0 + slope[i])
    for i in range(n):
        f -= min(margin[i], 0.0)
        slope[i] = (slope[i] if margin[i] > 0.0 else 1.0) / (1.0 + slope[i])
    f /= n
    for j in range(d):
        total, row = 0.0, columns[j]
        for i in range(n):
            total += slope[i] * row[i]
        g[j] = ridge[j] * x[j] - total / n
        f += 0.5 * ridge[j] * x[j] * x[j]
    return f


@compiled
def look(F, G, now, n_changes, n_gradients, inputs, floor, seen):
    """Write what the network sees, changes first; return r. inputs: 0 raw, 1 linear, 2 scaled."""
    d, r = G.shape[1], 1.0
    if inputs > 0:
        largest = 0.0
        for i in range(min(3, n_gradients)):
            norm2 = 0.0
            for j in range(d):
                norm2 += G[now + i, j] * G[now + i, j]
            largest = max(largest, norm2)
        r = math.sqrt(floor * floor + largest)
    for i in range(n_changes):
        seen[i] = (F[now] - F[now + 1 + i]) / (r * r)
    for i in range(n_gradients):
        for j in range(d):
            seen[n_changes + i * d + j] = G[now + i, j] / r
    if inputs == 2:
        for i in range(n_changes + n_gradients * d):
            seen[i] = math.copysign(math.log(seen.dtype.type(1.0) + abs(seen[i])), seen[i])
    return r


@compiled
def forward(seen, n_changes, history, W1, b1, W2, b2, hidden, step):
    """Write the output of the network to step; gradients have the rows of W1 from `history` on."""
    one, zero = b1.dtype.type(1.0), b1.dtype.type(0.0)
    hidden[:] = b1
    add_rows(hidden, seen[:n_changes], W1[:n_changes])
    add_rows(hidden, seen[n_changes:], W1[history : history + len(seen) - n_changes])
    for u in range(len(hidden)):
        hidden[u] = max(hidden[u], zero) + math.log(one + math.exp(-abs(hidden[u])))
    for j in range(len(step)):
        total = b2[j]
        for u in range(len(hidden)):
            total += hidden[u] * W2[u, j]
        step[j] = total


@compiled
def rollouts(columns, ridge, x, W1, b1, W2, b2, history, inputs, floor, max_step, one_log, values):
    """Run every row of x (k, d), function i s runs at a time; x and values (k, T+1) are written."""
    (k, d), T, n = x.shape, values.shape[1] - 1, columns.shape[2]
    F, G, margin, slope = np.empty(T + 1), np.empty((T + 1, d)), np.empty(n), np.empty(n)
    seen, hidden, step = np.empty(len(W1), b1.dtype), np.empty(len(b1), b1.dtype), np.empty(d, b1.dtype)
    for run in range(k):
        data, where = columns[run * len(columns) // k], x[run]
        for now in range(T, -1, -1):
            F[now] = objective(data, ridge, where, G[now], margin, slope, one_log)
            values[run, T - now] = F[now]
            if now == 0:
                break
            n_changes, n_gradients = min(T - now, history), min(T - now + 1, history)
            r = look(F, G, now, n_changes, n_gradients, inputs, floor, seen)
            forward(seen[: n_changes + n_gradients * d], n_changes, history, W1, b1, W2, b2, hidden, step)
            if inputs > 0:
                length = 0.0
                for j in range(d):
                    length += r * r * step[j] * step[j]
                if length > max_step * max_step:
                    r *= max_step / math.sqrt(length)
            for j in range(d):
                where[j] += r * step[j]


def prepared(work, points, x0, one_log):
    """Return the call for runs from x0 (m, s, d) or of a part of it."""
    network, columns = work.network, np.ascontiguousarray(points.transpose(0, 2, 1))
    settings = (network.history, ("raw", "linear", "scaled").index(network.inputs), network.scale_floor,
                float(network.max_step), one_log)

    def call():
        x, values = x0.copy(), np.empty((*x0.shape[:-1], work.n_steps + 1))
        rollouts(columns, work.ridge, x.reshape(-1, x.shape[-1]), *work.weights, *settings,
                 values.reshape(-1, values.shape[-1]))
        return x, values

    return call


def peer(one_log):
    """Return the peer with one or with many logarithms."""
    return Peer(
        single=lambda work: prepared(work, work.points[:1], work.x0[0, 0], one_log),
        runs=lambda work: prepared(work, work.points[:1], work.x0[0], one_log),
        batch=lambda work: prepared(work, work.points, work.x0, one_log),
    )


PEERS = {"Numba": peer(False), "Numba, one log": peer(True)}
