"""Fit 1,000 curves of each family by the default method: time, and how many evaluations; learned; a model's first fit.

Tensors are not here: they are voxels of a measurement that dipy brings.
"""

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


class Learned:
    """Fits of 4,000 curves from one constant that learn of one another, and of 1,000 as was learned of 1,000 before."""

    params = ("decay", "spot", "dose", "ring")
    param_names = ("family",)

    def setup(self, family):
        self.curves = FAMILIES[family](4000, np.random.default_rng(5))
        before = FAMILIES[family](1000, np.random.default_rng(6))
        kind = l2o.families.LeastSquares(before.model, before.points, lambda rng: (before.Y[0], before.p0[0]),
                                         sigma=before.sigma)
        self.policy = l2o.train(kind.from_data(before.Y, before.p0), rng=0)
        self.time_adaptive(family)
        self.time_learned(family)

    def time_adaptive(self, family):
        curves = self.curves
        self.adaptive = l2o.curve_fit_many(curves.model, curves.points, curves.Y, np.median(curves.p0, axis=0),
                                           sigma=curves.sigma, method="adaptive")

    def time_learned(self, family):
        curves = self.curves
        p0 = None if self.policy.network.constant else curves.p0[:1000]
        self.learned = l2o.curve_fit_many(curves.model, curves.points, curves.Y[:1000], p0, sigma=curves.sigma,
                                          method=self.policy)

    def track_adaptive_evaluations(self, family):
        return float(self.adaptive.nfev.mean())

    def track_learned_evaluations(self, family):
        return float(self.learned.nfev.mean())

    track_adaptive_evaluations.unit = track_learned_evaluations.unit = "evaluations a fit"


class First:
    """A new model: compiled, with its derivatives, and fitted to one curve."""

    def setup(self):
        self.t = np.linspace(0.0, 4.0, 30)
        self.y = 2.0 * np.exp(-self.t) + 0.1

    def time_first_fit(self):
        def decay(t, p):
            return p[0] * np.exp(-p[1] * t) + p[2]

        l2o.curve_fit(l2o.model(decay), self.t, self.y, [1.0, 0.5, 0.0])
