"""JAX: Levenberg-Marquardt with Nielsen's damping, jitted and vmapped; it goes on until the slowest curve ends."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["LIBRARY", "MODELS", "engines"]

LIBRARY = "jax"
MOST, TOL = 100, 1e-3  # evaluations, and standard errors a parameter

jax.config.update("jax_enable_x64", True)

MODELS = {  # t (n, k) -> curve (n,)
    "decay": lambda t, p: jnp.exp(p[0] - jnp.exp(p[1]) * t[:, 0]) + p[2],
    "spot": lambda t, p: p[0] * jnp.exp(-0.5 * ((t[:, 0] - p[1]) ** 2 + (t[:, 1] - p[2]) ** 2) / p[3] ** 2) + p[4],
    "dose": lambda t, p: p[0] + (p[1] - p[0]) / (1.0 + jnp.exp(p[2] * (t[:, 0] - p[3]))),
    "ring": lambda t, p: p[0] * jnp.exp(-p[1] * t[:, 0]) * jnp.cos(2.0 * jnp.pi * p[2] * t[:, 0] + p[3]) + p[4],
    "tensor": lambda t, p: jnp.exp(p[0] + t @ p[1:]),
}


class _State(NamedTuple):
    """Of one fit: where it is, its sum of squares with derivatives, the damping, how often it evaluated."""

    x: jax.Array
    half: jax.Array  # half the sum of squares
    slope: jax.Array
    normal: jax.Array  # matrix of the normal equations
    scale: jax.Array  # largest diagonal of it that was seen
    damping: jax.Array
    growth: jax.Array
    count: jax.Array
    left: jax.Array  # decrement: what the whole step would gain, twice


def _fit(residual, x):
    """Return the parameters and the evaluations of a fit; residual: p -> (n,), in standard errors."""

    def evaluated(x):
        r, J = residual(x), jax.jacfwd(residual)(x)
        return 0.5 * r @ r, J.T @ r, J.T @ J

    def decrement(slope, normal):
        return slope @ jnp.linalg.solve(normal + 1e-12 * jnp.diag(jnp.diag(normal)), slope)

    def unfinished(now):
        variance = 2.0 * now.half / (residual(x).shape[0] - x.shape[0])
        return (now.count < MOST) & ~(now.left <= TOL**2 * x.shape[0] * variance)

    def step(now):
        s = -jnp.linalg.solve(now.normal + now.damping * jnp.diag(now.scale), now.slope)
        half, slope, normal = evaluated(now.x + s)
        ratio = (now.half - half) / (0.5 * s @ (now.damping * now.scale * s - now.slope))
        lower = half < now.half
        shrunk = now.damping * jnp.maximum(1 / 3, 1.0 - (2.0 * jnp.minimum(ratio, 2.0) - 1.0) ** 3)
        new = _State(now.x + s, half, slope, normal, jnp.maximum(now.scale, jnp.diag(normal)), shrunk,
                     jnp.full_like(now.growth, 2.0), now.count, decrement(slope, normal))
        old = now._replace(damping=now.damping * now.growth, growth=2.0 * now.growth)
        return jax.tree.map(lambda a, b: jnp.where(lower, a, b), new, old)._replace(count=now.count + 1)

    half, slope, normal = evaluated(x)
    end = jax.lax.while_loop(unfinished, step, _State(x, half, slope, normal, jnp.diag(normal), 1e-2 * jnp.ones(()),
                                                      2.0 * jnp.ones(()), jnp.array(1), decrement(slope, normal)))
    return end.x, end.count


def engines(curves):
    """Return what fits the curves, by name."""
    formula, t = MODELS[curves.name], jnp.asarray(curves.t)
    batch = jax.jit(jax.vmap(lambda y, p0: _fit(lambda p: (formula(t, p) - y) / curves.sigma, p0)))

    def call():
        x, count = batch(curves.Y, curves.p0)
        return np.asarray(x), np.asarray(count)

    return {"JAX, jit and vmap": call}
