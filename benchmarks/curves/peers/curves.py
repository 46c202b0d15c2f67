"""The families of curves: decays, spots of a camera, dose-response curves, rings that fade, diffusion tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import l2o
from l2o.problems.models import Model

__all__ = ["FAMILIES", "Curves", "draw", "values"]


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of one family.

    Attributes
    ----------
    name : str
        Of the family.
    model : Model
        Whose parameters are fitted.
    t : ndarray, shape (n, k)
        Points, common to all.
    Y : ndarray, shape (m, n)
        Values.
    sigma : float
        Standard error of a value.
    p0 : ndarray, shape (m, d)
        Starts.
    """

    name: str
    model: Model
    t: np.ndarray
    Y: np.ndarray
    sigma: float
    p0: np.ndarray

    @property
    def points(self):
        """Points as models take them: (n,) where one number makes a point, else (n, k)."""
        return self.t[:, 0] if self.t.shape[1] == 1 else self.t

    def chi2(self, x):
        """Return the sums of squares (m,) of parameters (m, d)."""
        return (((values(self.model, self.points, x) - self.Y) / self.sigma) ** 2).sum(axis=1)


def values(model, points, x):
    """Return the curves (m, n) of parameters (m, d)."""
    return np.array([model(points, row) for row in x])


@l2o.model
def decay(t, p):
    return np.exp(p[0] - np.exp(p[1]) * t) + p[2]


@l2o.model
def spot(t, p):
    return p[0] * np.exp(-0.5 * ((t[0] - p[1]) ** 2 + (t[1] - p[2]) ** 2) / p[3] ** 2) + p[4]


@l2o.model
def dose(t, p):
    return p[0] + (p[1] - p[0]) / (1.0 + np.exp(p[2] * (t - p[3])))


@l2o.model
def ring(t, p):
    return p[0] * np.exp(-p[1] * t) * np.cos(2.0 * np.pi * p[2] * t + p[3]) + p[4]


@l2o.model
def tensor(t, p):
    return np.exp(p[0] + t[0] * p[1] + t[1] * p[2] + t[2] * p[3] + t[3] * p[4] + t[4] * p[5] + t[5] * p[6])


def _decays(m, rng):
    t = np.linspace(0.0, 4.0, 30)
    x = rng.standard_normal((m, 3)) * [0.4, 0.5, 0.3]
    Y = values(decay, t, x) + 0.05 * rng.standard_normal((m, 30))
    first, last = Y[:, 0], Y[:, -1]
    return Curves("decay", decay, t[:, None], Y, 0.05,
                  np.column_stack([np.log(np.maximum(first - last, 0.1)), np.zeros(m), last]))


def _spots(m, rng, side=7, photons=500.0):
    t = np.mgrid[:side, :side].reshape(2, -1).T.astype(float)
    middle = (side - 1) / 2
    x = np.column_stack([photons / 8 * np.exp(0.3 * rng.standard_normal(m)), middle + rng.uniform(-1, 1, m),
                         middle + rng.uniform(-1, 1, m), rng.uniform(0.9, 1.6, m),
                         10 * np.exp(0.2 * rng.standard_normal(m))])
    Y = rng.poisson(values(spot, t, x)).astype(float)
    ground = np.sort(Y, axis=1)[:, :side].mean(axis=1)
    light = np.maximum(Y - ground[:, None], 0.0)
    light /= light.sum(axis=1, keepdims=True)
    return Curves("spot", spot, t, Y, 4.0,
                  np.column_stack([Y.max(axis=1) - ground, light @ t, np.full(m, 1.2), ground]))


def _doses(m, rng):
    t = np.repeat(np.linspace(-3.5, 3.5, 8), 2)
    x = np.column_stack([rng.uniform(0, 0.5, m), 1 + 0.05 * rng.standard_normal(m),
                         np.exp(0.4 + 0.4 * rng.standard_normal(m)), 1.2 * rng.standard_normal(m)])
    Y = values(dose, t, x) + 0.06 * rng.standard_normal((m, 16))
    low, high = Y.min(axis=1), Y.max(axis=1)
    middle = np.abs(Y - (0.5 * (low + high))[:, None]).argmin(axis=1)
    return Curves("dose", dose, t[:, None], Y, 0.06, np.column_stack([low, high, np.ones(m), t[middle]]))


def _rings(m, rng, n=60):
    t = np.linspace(0.0, 4.0, n)
    x = np.column_stack([0.5 * np.exp(0.2 * rng.standard_normal(m)), np.exp(-0.7 + 0.5 * rng.standard_normal(m)),
                         rng.uniform(0.4, 4.0, m), rng.uniform(-1, 1, m), 0.5 + 0.05 * rng.standard_normal(m)])
    Y = values(ring, t, x) + 0.05 * rng.standard_normal((m, n))
    mean = Y.mean(axis=1)
    spectrum = np.fft.rfft(Y - mean[:, None], 4 * n, axis=1)  # frequency and phase of the start
    spectrum[:, :3] = 0
    peak = np.abs(spectrum).argmax(axis=1)
    frequency, phase = np.fft.rfftfreq(4 * n, t[1])[peak], np.angle(spectrum[np.arange(m), peak])
    return Curves("ring", ring, t[:, None], Y, 0.05,
                  np.column_stack([np.abs(Y - mean[:, None]).max(axis=1), np.full(m, 0.5), frequency, phase, mean]))


def _tensors(m, rng):
    from benchmarks import tensor_data  # not at the top: the suite has this file alone, by its path

    B, measured = tensor_data.design("small_64D"), tensor_data.measured("small_64D")
    Y = measured[rng.choice(len(measured), m, replace=m > len(measured))]
    p0 = tensor_data.weighted_logs(B, Y)
    sigma = float(1.4826 * np.median(np.abs(Y - np.exp(p0 @ B.T))))
    return Curves("tensor", tensor, np.ascontiguousarray(B[:, 1:]), Y, sigma, p0)


FAMILIES: dict[str, Callable[..., Curves]] = {"decay": _decays, "spot": _spots, "dose": _doses, "ring": _rings,
                                              "tensor": _tensors}


def draw(name, m, rng):
    """Return m curves of a family; tensors are voxels of a measurement and need dipy."""
    return FAMILIES[name](m, rng)
