"""One step of a learned optimizer beside the same step in NumPy: same weights, same problems, one process.

    python benchmarks/numpy_step.py [--rounds N]

Each answer is compared before any time is printed. The two are timed in turn, on one core; what counts is the best
round. The NumPy side is written to be fast, not to be a straw man: no copy of the history (a window slides over one
array), no work on entries that do not exist yet, one matrix product for many runs, parts of a batch that fit the cache.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: one core for both

import argparse
import platform
from time import perf_counter

import numpy as np

import l2o
from l2o.policies import MLP, Policy

FUNCTIONS, STARTS, STEPS = 90, 20, 40
PART = 15  # functions at a time in NumPy: 1 to 90 were tried, this was the fastest


def data(problems, family):
    """Return X (m, n, p+1) with a column of ones and the signs (m, n), read off the blocks of the problems."""
    n, padded = (int(size) for size in problems.blocks[0, :2])
    columns = problems.blocks[:, 8:].reshape(len(problems), family.dim + 1, padded)[:, 1:, :n] / np.log2(np.e)
    sign = columns[:, -1]
    return np.ascontiguousarray((columns * sign[:, None]).transpose(0, 2, 1)), np.ascontiguousarray(sign)


def logistic(x, X, sign, l2):
    """Return values (m, s) and gradients (m, s, d) at x (m, s, d): s runs of each of m functions."""
    margin = (x @ X.swapaxes(-1, -2)) * sign[:, None]
    e = np.exp(-np.abs(margin))
    loss = np.log(1.0 + e)  # NumPy vectorises log, not log1p: seven times faster
    loss -= np.minimum(margin, 0.0)
    slope = np.where(margin > 0, e, 1.0)
    slope /= 1.0 + e
    slope *= -sign[:, None] / X.shape[1]
    w = x[..., :-1]
    g = slope @ X
    g[..., :-1] += l2 * w
    return loss.mean(axis=-1) + 0.5 * l2 * np.einsum("msd,msd->ms", w, w), g


def rollout(x0, X, sign, l2, weights, network, n_steps):
    """Return x (m, s, T+1, d) of the policy, in NumPy."""
    parts = [slice(i, i + PART) for i in range(0, len(x0), PART)]
    return np.concatenate([rollout_part(x0[p], X[p], sign[p], l2, weights, network, n_steps) for p in parts])


def rollout_part(x0, X, sign, l2, weights, network, n_steps):
    """Return x (m, s, T+1, d) of a part of the functions."""
    m, s, d = x0.shape
    H, T = network.history, n_steps
    W1 = np.ascontiguousarray((weights["W1"] / weights["deviation"]).T)
    b1, W2, b2 = weights["b1"], np.ascontiguousarray(weights["W2"].T), weights["b2"]
    x, F, G = np.empty((T + 1, m, s, d)), np.zeros((m, s, T + 1)), np.zeros((m, s, T + 1, d))
    x[0] = x0
    for t in range(T):
        f, g = logistic(x[t], X, sign, l2)
        F[..., T - t], G[..., T - t, :] = f, g  # newest first from T - t on: the history is a slice, never moved
        changes = f[..., None] - F[..., T - t + 1 : T - t + 1 + min(t, H)]
        gradients = G[..., T - t : T - t + min(t + 1, H), :]
        seen = np.concatenate([changes, gradients.reshape(m, s, -1)], axis=-1)
        if network.inputs != "raw":
            newest = gradients[:, :, :3]
            r = np.sqrt(network.scale_floor**2 + np.einsum("msid,msid->msi", newest, newest).max(axis=-1))[..., None]
            seen /= r
            seen[..., : changes.shape[-1]] /= r
        seen = seen.astype(W1.dtype, copy=False)  # the network may be in single precision; differences of f never are
        if network.inputs == "scaled":
            seen = np.copysign(np.log(1.0 + np.abs(seen)), seen)
        n = changes.shape[-1]
        z = seen[..., :n] @ W1[:n] + seen[..., n:] @ W1[H : H + seen.shape[-1] - n] + b1
        a = (np.maximum(z, 0.0) + np.log(1.0 + np.exp(-np.abs(z)))) @ W2 + b2
        if network.inputs != "raw":
            a = a * r
        length = np.sqrt(np.einsum("msd,msd->ms", a, a))[..., None]
        x[t + 1] = x[t] + a * np.minimum(1.0, network.max_step / np.maximum(length, 1e-300))
    return x.transpose(1, 2, 0, 3)


def single(x0, X, sign, l2, weights, network, n_steps):
    """Return x (T+1, d) of one run: the same with vectors, which spares NumPy its bookkeeping of batches."""
    d, H, T = len(x0), network.history, n_steps
    W1 = np.ascontiguousarray((weights["W1"] / weights["deviation"]).T)
    b1, W2, b2 = weights["b1"], weights["W2"], weights["b2"]
    signed, ridge = X * sign[:, None], np.append(np.full(d - 1, l2), 0.0)
    x, F, G = np.empty((T + 1, d)), np.zeros(T + 1), np.zeros((T + 1) * d)
    x[0] = x0
    for t in range(T):
        margin = signed @ x[t]
        e = np.exp(-np.abs(margin))
        loss = np.log(1.0 + e)
        loss -= np.minimum(margin, 0.0)
        slope = np.where(margin > 0, e, 1.0)
        slope /= 1.0 + e
        penalty = ridge * x[t]
        now = T - t
        F[now] = f = loss.sum() / len(loss) + 0.5 * (penalty @ x[t])
        G[now * d : (now + 1) * d] = penalty - (slope @ signed) / len(loss)
        n = min(t, H)
        seen = np.concatenate([f - F[now + 1 : now + 1 + n], G[now * d : (now + min(t + 1, H)) * d]])
        if network.inputs != "raw":
            newest = seen[n : n + 3 * d].reshape(-1, d)
            r = np.sqrt(network.scale_floor**2 + (newest * newest).sum(axis=1).max())
            seen /= r
            seen[:n] /= r
        seen = seen.astype(W1.dtype, copy=False)
        if network.inputs == "scaled":
            seen = np.copysign(np.log(1.0 + np.abs(seen)), seen)
        z = seen[:n] @ W1[:n] + seen[n:] @ W1[H : H + len(seen) - n] + b1
        a = W2 @ (np.maximum(z, 0.0) + np.log(1.0 + np.exp(-np.abs(z)))) + b2
        if network.inputs != "raw":
            a = a * r
        length = np.sqrt(a @ a)
        x[t + 1] = x[t] + (a if length <= network.max_step else a * (network.max_step / length))
    return x


def best_of(rounds, *calls):
    """Return the least seconds of each call, timed in turn."""
    best = [np.inf] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = perf_counter()
            call()
            best[i] = min(best[i], perf_counter() - start)
    return best


def compared(inputs, precision, rounds):
    """Return microseconds a step of l2o and NumPy, for one run and for the batch."""
    family, network = l2o.families.Logistic(), MLP(inputs=inputs)
    weights = network.at_rest(network.initial(family.dim, np.random.default_rng(0)))
    policy = Policy(network, weights).astype(precision)
    weights, tolerance = policy.weights, 1e-9 if precision == "float64" else 1e-3
    functions = family.sample(FUNCTIONS, rng=0)
    (X, sign), x0 = data(functions, family), family.starts(FUNCTIONS * STARTS, rng=1)
    batch = functions[np.repeat(np.arange(FUNCTIONS), STARTS)].with_starts(x0)
    one, start = batch[:1], x0.reshape(FUNCTIONS, STARTS, -1)
    calls = [
        lambda: l2o.rollout(one, method=policy, n_steps=STEPS).x[0],
        lambda: single(x0[0], X[0], sign[0], family.l2, weights, network, STEPS),
        lambda: l2o.rollout(batch, method=policy, n_steps=STEPS).x,
        lambda: rollout(start, X, sign, family.l2, weights, network, STEPS).reshape(len(x0), STEPS + 1, -1),
    ]
    answers = [call() for call in calls]
    for ours, theirs in (answers[:2], answers[2:]):
        if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance):
            raise SystemExit(f"{inputs}, {precision}: answers differ by {np.abs(ours - theirs).max():.1e}; no times")
    one_times = best_of(40 * rounds, *calls[:2])
    many_times = best_of(rounds, *calls[2:])
    return [1e6 * t / STEPS for t in one_times] + [1e6 * t / (STEPS * len(x0)) for t in many_times]


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="rounds of the batch; of one run 40 times as many")
    rounds = parser.parse_args().rounds
    rows = [(inputs, precision, compared(inputs, precision, rounds))
            for precision in ("float64", "float32") for inputs in ("raw", "linear", "scaled")]
    l2o.show_config()
    print(f"CPU: {cpu()}; one core; d = 4, n = 100, H = 25, 50 units; best of {rounds} interleaved rounds\n")
    print(f"microseconds a step     one run of {STEPS} steps            {FUNCTIONS * STARTS:,} runs of {STEPS} steps")
    print("network                 l2o     NumPy    ratio        l2o     NumPy    ratio")
    for inputs, precision, (a, b, c, d) in rows:
        name = f"{inputs}, {precision}"
        print(f"{name:<18} {a:>8.2f} {b:>9.2f} {b / a:>8.1f}   {c:>8.2f} {d:>9.2f} {d / c:>8.1f}")
    print("\nThe call from Python is part of the time. The answers agree.")


def cpu():
    """Return the name of the CPU."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
