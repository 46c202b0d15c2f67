"""Optimistix: its Levenberg-Marquardt, jitted and vmapped; it goes on until the slowest curve ends."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

from benchmarks.curves.peers.with_jax import MODELS, MOST

__all__ = ["LIBRARY", "engines"]

LIBRARY = "optimistix"
TOLERANCE = 1e-4  # relative and absolute, of steps and of the sum of squares


def engines(curves):
    """Return what fits the curves, by name."""
    formula, t = MODELS[curves.name], jnp.asarray(curves.t)
    solver = optimistix.LevenbergMarquardt(rtol=TOLERANCE, atol=TOLERANCE)

    def fit(y, p0):
        end = optimistix.least_squares(lambda p, _: (formula(t, p) - y) / curves.sigma, solver, p0, max_steps=MOST,
                                       throw=False)
        return end.value, end.stats["num_steps"]

    batch = jax.jit(jax.vmap(fit))

    def call():
        x, count = batch(curves.Y, curves.p0)
        return np.asarray(x), np.asarray(count)

    return {"Optimistix, jit and vmap": call}
