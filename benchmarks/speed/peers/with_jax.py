"""JAX: jit of a scan over steps for one run, of a scan over runs of that for several, and of vmap for the batch.

The history is a window that slides down one array, updated in place by XLA; columns of points (d, n) instead of rows
gain a tenth. Four steps a turn of the scan gain a tenth for one run and nothing in a batch. Parts of a batch of 15
functions fit the cache. "one log" takes the logarithm of a product of up to 500 factors in [1, 2] instead of a sum of
logarithms. Tried without gain: histories moved by concatenate, all 40 steps unrolled (slower, ten times as long to
compile), XLA's fast math, wider vectors.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.speed.peers.work import Peer

jax.config.update("jax_enable_x64", True)

LIBRARY = "jax"
PART = 15  # functions at a time; 5 to 90 were tried


def softplus(z):
    """Return log(1 + exp(z)); faster here than jax.nn.softplus, which takes log1p."""
    return jnp.maximum(z, 0.0) + jnp.log(1.0 + jnp.exp(-jnp.abs(z)))


def objective(columns, ridge, x, one_log):
    """Return f and g; columns (d, n)."""
    margin, pull = x @ columns, ridge * x
    e = jnp.exp(-jnp.abs(margin))
    logs = jnp.log((1.0 + e).prod()) if one_log else jnp.log(1.0 + e).sum()
    f = (logs - jnp.minimum(margin, 0.0).sum()) / len(margin) + 0.5 * (pull @ x)
    return f, pull - columns @ (jnp.where(margin > 0.0, e, 1.0) / (1.0 + e)) / len(margin)


def rollout(work, one_log, unroll):
    """Return the function (columns, x0) -> (x at the end, values of f) of one run."""
    H, T, d, network = work.network.history, work.n_steps, work.x0.shape[2], work.network
    W1, b1, W2, b2 = (jnp.asarray(array) for array in work.weights)
    ridge = jnp.asarray(work.ridge)
    there = jnp.asarray(np.arange(H) < np.arange(T)[:, None], float)  # which objective changes exist at a step

    def network_step(changes, gradients):
        if work.scaled:
            newest = (gradients[: min(3, H) * d].reshape(-1, d) ** 2).sum(axis=1)
            r = jnp.sqrt(network.scale_floor**2 + newest.max())
            changes, gradients = changes / r**2, gradients / r
        seen = jnp.concatenate([changes, gradients]).astype(W1.dtype)
        if network.inputs == "scaled":
            seen = jnp.copysign(jnp.log(1.0 + jnp.abs(seen)), seen)
        step = (softplus(seen @ W1 + b1) @ W2 + b2).astype(changes.dtype)
        if work.scaled:
            step = r * step
            step *= jnp.minimum(1.0, network.max_step / jnp.maximum(jnp.sqrt(step @ step), 1e-300))
        return step

    def run(columns, x0):
        def step(carry, entry):
            x, F, G = carry
            now, there = entry
            changes = (F[now] - lax.dynamic_slice(F, (now + 1,), (H,))) * there
            x = x + network_step(changes, lax.dynamic_slice(G, (now * d,), (H * d,)))
            f, g = objective(columns, ridge, x, one_log)
            F = lax.dynamic_update_slice(F, f[None], (now - 1,))
            return (x, F, lax.dynamic_update_slice(G, g, ((now - 1) * d,))), f

        f, g = objective(columns, ridge, x0, one_log)
        F, G = jnp.zeros(T + 1 + H).at[T].set(f), jnp.zeros((T + 1 + H) * d).at[T * d : (T + 1) * d].set(g)
        (x, _, _), values = lax.scan(step, (x0, F, G), (jnp.arange(T, 0, -1), there), unroll=unroll)
        return x, jnp.concatenate([f[None], values])

    return run


def prepared(function, work, points, x0):
    """Return the call of a compiled function of columns and starting points."""
    compiled, columns = jax.jit(function), jnp.asarray(np.ascontiguousarray(points.swapaxes(-1, -2)))
    x0 = jnp.asarray(x0)
    return lambda: jax.block_until_ready(compiled(columns, x0))


def runs(work, one_log):
    """Return the call for the runs of one function, one after the other."""
    run = rollout(work, one_log, unroll=4)
    return prepared(lambda columns, x0: lax.map(lambda x: run(columns, x), x0), work, work.points[0], work.x0[0])


def batch(work, one_log):
    """Return the call for all runs: over functions and starting points, some functions at a time."""
    run = jax.vmap(rollout(work, one_log, unroll=1), (None, 0))
    return prepared(lambda columns, x0: lax.map(lambda pair: run(*pair), (columns, x0), batch_size=PART), work,
                    work.points, work.x0)


def peer(one_log):
    """Return the peer with one or with many logarithms."""
    return Peer(
        single=lambda work: prepared(rollout(work, one_log, unroll=4), work, work.points[0], work.x0[0, 0]),
        runs=lambda work: runs(work, one_log),
        batch=lambda work: batch(work, one_log),
    )


PEERS = {"JAX": peer(False), "JAX, one log": peer(True)}
