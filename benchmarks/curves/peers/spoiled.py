"""Curves with outliers, of the families that peers know and of three more: peaks, stretched decays, growth."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

import l2o
from benchmarks.curves.peers.curves import FAMILIES, Curves, values

__all__ = ["FAR", "OUTLIERS", "draw_spoiled"]

OUTLIERS, FAR = 0.08, 15.0  # share of the points, and how far off they are, in standard errors


@l2o.model
def lorentz(t, p):
    return p[0] / (1.0 + ((t - p[1]) / p[2]) ** 2) + p[3] + p[4] * t


@l2o.model
def stretched(t, p):
    return p[0] * np.exp(-((np.exp(p[1]) * t) ** np.exp(p[2]))) + p[3]


@l2o.model
def growth(t, p):
    return p[0] / (1.0 + np.exp(-p[1] * (t - p[2])))


def _peaks(m, rng):
    t = np.linspace(-5.0, 5.0, 60)
    x = np.column_stack([np.exp(0.4 * rng.standard_normal(m)), rng.uniform(-2.5, 2.5, m),
                         np.exp(-0.3 + 0.4 * rng.standard_normal(m)), 0.5 * rng.standard_normal(m),
                         0.05 * rng.standard_normal(m)])
    Y = values(lorentz, t, x) + 0.05 * rng.standard_normal((m, 60))
    middle = np.median(Y, axis=1)
    return Curves("lorentz", lorentz, t[:, None], Y, 0.05,
                  np.column_stack([Y.max(axis=1) - middle, t[Y.argmax(axis=1)], np.ones(m), middle, np.zeros(m)]))


def _stretched(m, rng):
    t = np.linspace(0.05, 5.0, 40)
    x = np.column_stack([np.exp(0.2 * rng.standard_normal(m)), 0.5 * rng.standard_normal(m),
                         0.3 * rng.standard_normal(m), 0.2 * rng.standard_normal(m)])
    Y = values(stretched, t, x) + 0.02 * rng.standard_normal((m, 40))
    return Curves("stretched", stretched, t[:, None], Y, 0.02,
                  np.column_stack([Y[:, 0] - Y[:, -1], np.zeros(m), np.zeros(m), Y[:, -1]]))


def _growth(m, rng):
    t = np.linspace(0.0, 10.0, 20)
    x = np.column_stack([np.exp(0.3 * rng.standard_normal(m)), np.exp(0.2 + 0.4 * rng.standard_normal(m)),
                         rng.uniform(3.0, 7.0, m)])
    Y = values(growth, t, x) + 0.03 * rng.standard_normal((m, 20))
    return Curves("growth", growth, t[:, None], Y, 0.03,
                  np.column_stack([Y.max(axis=1), np.ones(m), np.full(m, 5.0)]))


ALL: dict[str, Callable[..., Curves]] = {**FAMILIES, "lorentz": _peaks, "stretched": _stretched, "growth": _growth}


def draw_spoiled(name, m, seed):
    """Return m curves of a family with outliers, and without; the starts are those of the clean ones."""
    clean, rng = ALL[name](m, np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    Y = clean.Y.copy()
    off = rng.random(Y.shape) < OUTLIERS
    Y[off] += FAR * clean.sigma * rng.standard_normal(off.sum())
    return replace(clean, Y=Y), clean
