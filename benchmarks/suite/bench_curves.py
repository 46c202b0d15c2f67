"""Fit 1,000 curves of each family by the default method: time, and how many evaluations; a model's first fit."""

import runpy
from pathlib import Path

import numpy as np

import l2o

FAMILIES = runpy.run_path(str(Path(__file__).parents[1] / "curves" / "peers" / "curves.py"))["FAMILIES"]


class Fit:
    """Plain least squares, and losses for outliers, whose fits are longer: 8 % of the points are far off then."""

    params = (("decay", "spot", "dose", "ring"), ("linear", "cauchy", "geman-mcclure"))
    param_names = ("family", "loss")

    def setup(self, family, loss):
        self.curves, rng = FAMILIES[family](1000, np.random.default_rng(5)), np.random.default_rng(6)
        Y = self.curves.Y
        off = rng.random(Y.shape) < (0.0 if loss == "linear" else 0.08)
        Y[off] += 15.0 * self.curves.sigma * rng.standard_normal(off.sum())
        self.time_fit(family, loss)

    def time_fit(self, family, loss):
        curves = self.curves
        self.fit = l2o.curve_fit_many(curves.model, curves.points, curves.Y, curves.p0, sigma=curves.sigma, loss=loss)

    def track_evaluations(self, family, loss):
        return float(self.fit.nfev.mean())

    track_evaluations.unit = "evaluations a fit"


class First:
    """A new model: compiled, with its derivatives, and fitted to one curve."""

    def setup(self):
        self.t = np.linspace(0.0, 4.0, 30)
        self.y = 2.0 * np.exp(-self.t) + 0.1

    def time_first_fit(self):
        def decay(t, p):
            return p[0] * np.exp(-p[1] * t) + p[2]

        l2o.curve_fit(l2o.model(decay), self.t, self.y, [1.0, 0.5, 0.0])
