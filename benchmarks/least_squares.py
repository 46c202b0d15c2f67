"""Curve fits by the thousand: `curve_fit_many` beside SciPy's curve_fit and our L-BFGS on the same sums of squares.

Four families, drawn here: exponential decays, spots of a camera, dose-response curves, rings that fade. All fit the
same curves from the same starts, in one process on one core, in turn; answers come before times. SciPy's curve_fit is
given the Jacobian of the model, or makes its own by differences.

    python -m benchmarks.least_squares [family ...] [--curves 1000] [--rounds 5]
"""

import argparse
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

import l2o
from benchmarks.timing import best_of, one_core

__all__ = ["FAMILIES", "Curves", "answers", "engines", "main"]

SHARE = 1e-6  # relative to the lowest chi2: what counts as the best minimum


@dataclass(eq=False)
class Curves:
    """Curves of one family: t (n, k), Y (m, n), sigma, starts (m, d)."""

    t: np.ndarray
    Y: np.ndarray
    sigma: float
    p0: np.ndarray


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


def _values(model, t, x):
    points = t[:, 0] if t.shape[1] == 1 else t
    return np.array([model(points, row) for row in x])


def _decays(m, rng):
    t = np.linspace(0.0, 4.0, 30)[:, None]
    x = rng.standard_normal((m, 3)) * [0.4, 0.5, 0.3]
    Y = _values(decay, t, x) + 0.05 * rng.standard_normal((m, 30))
    first, last = Y[:, 0], Y[:, -1]
    return Curves(t, Y, 0.05, np.column_stack([np.log(np.maximum(first - last, 0.1)), np.zeros(m), last]))


def _spots(m, rng, side=7, photons=500.0):
    t = np.mgrid[:side, :side].reshape(2, -1).T.astype(float)
    middle = (side - 1) / 2
    x = np.column_stack([photons / 8 * np.exp(0.3 * rng.standard_normal(m)), middle + rng.uniform(-1, 1, m),
                         middle + rng.uniform(-1, 1, m), rng.uniform(0.9, 1.6, m),
                         10 * np.exp(0.2 * rng.standard_normal(m))])
    Y = rng.poisson(_values(spot, t, x)).astype(float)
    ground = np.sort(Y, axis=1)[:, :side].mean(axis=1)
    light = np.maximum(Y - ground[:, None], 0.0)
    light /= light.sum(axis=1, keepdims=True)
    return Curves(t, Y, 4.0, np.column_stack([Y.max(axis=1) - ground, light @ t, np.full(m, 1.2), ground]))


def _doses(m, rng):
    t = np.repeat(np.linspace(-3.5, 3.5, 8), 2)[:, None]
    x = np.column_stack([rng.uniform(0, 0.5, m), 1 + 0.05 * rng.standard_normal(m),
                         np.exp(0.4 + 0.4 * rng.standard_normal(m)), 1.2 * rng.standard_normal(m)])
    Y = _values(dose, t, x) + 0.06 * rng.standard_normal((m, 16))
    low, high = Y.min(axis=1), Y.max(axis=1)
    middle = np.abs(Y - (0.5 * (low + high))[:, None]).argmin(axis=1)
    return Curves(t, Y, 0.06, np.column_stack([low, high, np.ones(m), t[middle, 0]]))


def _rings(m, rng, n=60):
    t = np.linspace(0.0, 4.0, n)[:, None]
    x = np.column_stack([0.5 * np.exp(0.2 * rng.standard_normal(m)), np.exp(-0.7 + 0.5 * rng.standard_normal(m)),
                         rng.uniform(0.4, 4.0, m), rng.uniform(-1, 1, m), 0.5 + 0.05 * rng.standard_normal(m)])
    Y = _values(ring, t, x) + 0.05 * rng.standard_normal((m, n))
    mean = Y.mean(axis=1)
    spectrum = np.fft.rfft(Y - mean[:, None], 4 * n, axis=1)  # frequency and phase of the start
    spectrum[:, :3] = 0
    peak = np.abs(spectrum).argmax(axis=1)
    frequency, phase = np.fft.rfftfreq(4 * n, t[1, 0])[peak], np.angle(spectrum[np.arange(m), peak])
    return Curves(t, Y, 0.05, np.column_stack([np.abs(Y - mean[:, None]).max(axis=1), np.full(m, 0.5), frequency, phase,
                                               mean]))


FAMILIES = {"decay": (decay, _decays), "spot": (spot, _spots), "dose": (dose, _doses), "ring": (ring, _rings)}


def _in_scipy(model, curves, jacobian, method):
    """Return a call that fits one curve after the other with SciPy: x (m, d), evaluations (m,)."""
    points = curves.t[:, 0] if curves.t.shape[1] == 1 else curves.t

    def value(t, *p):
        return model(points, p)

    def slope(t, *p):
        return model.jacobian(points, p)

    def call():
        x, nfev = curves.p0.copy(), np.zeros(len(curves.Y))
        for i, (y, p0) in enumerate(zip(curves.Y, curves.p0)):
            try:
                x[i], _, told, *_ = curve_fit(value, points, y, p0=p0, jac=slope if jacobian else None, method=method,
                                              full_output=True)
                nfev[i] = told["nfev"]
            except RuntimeError:  # its limit of evaluations
                nfev[i] = np.nan
        return x, nfev

    return call


def engines(model, curves):
    """Return by name a call that fits all curves: x (m, d), evaluations (m,)."""
    points = curves.t[:, 0] if curves.t.shape[1] == 1 else curves.t
    family = l2o.families.LeastSquares(model, points, lambda rng: (curves.Y[0], curves.p0[0]), sigma=curves.sigma)
    problems = family.from_data(curves.Y, curves.p0)

    def ours(**settings):
        fit = l2o.curve_fit_many(model, points, curves.Y, curves.p0, sigma=curves.sigma, **settings)
        return fit.x, fit.nfev

    def by_gradient():
        batch = l2o.minimize_many(problems, method="lbfgs")
        return batch.x, batch.nfev

    return {"curve_fit_many": ours, "curve_fit_many, Nielsen": lambda: ours(options={"damping": "nielsen"}),
            "our L-BFGS": by_gradient,
            "curve_fit lm, Jacobian": _in_scipy(model, curves, True, "lm"),
            "curve_fit lm": _in_scipy(model, curves, False, "lm"),
            "curve_fit trf, Jacobian": _in_scipy(model, curves, True, "trf"),
            "curve_fit trf": _in_scipy(model, curves, False, "trf")}


def answers(model, curves, calls):
    """Return by name (share at the best minimum, distance to it in standard errors, evaluations) of each engine.

    The distance is the root mean square over the parameters, the 99 % point over curves at the best minimum.
    """
    points = curves.t[:, 0] if curves.t.shape[1] == 1 else curves.t
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SciPy, of covariances that it cannot estimate
        found = {name: call() for name, call in calls.items()}
    chi2 = {name: (((_values(model, curves.t, x) - curves.Y) / curves.sigma) ** 2).sum(axis=1)
            for name, (x, _) in found.items()}
    table = np.array(list(chi2.values()))
    best, which = np.nanmin(table, axis=0), np.nanargmin(table, axis=0)
    starts = np.array([x for x, _ in found.values()])[which, np.arange(len(best))]
    end = l2o.curve_fit_many(model, points, curves.Y, starts, sigma=curves.sigma, tol=1e-9)
    told = {}
    for name, (x, nfev) in found.items():
        at_best = chi2[name] <= best * (1.0 + SHARE)
        near = at_best & end.success
        step = (x - end.x)[near]
        metric = np.linalg.inv(end.cov[near])
        distance = np.sqrt(np.einsum("mi,mij,mj->m", step, metric, step) / x.shape[1])
        told[name] = at_best.mean(), np.quantile(distance, 0.99), np.nanmean(nfev)
    return told


def main():
    """Print a table for each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="family", help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    one_core()
    for name in given.families or FAMILIES:
        model, draw = FAMILIES[name]
        curves = draw(given.curves, np.random.default_rng(5))
        calls = engines(model, curves)
        told = answers(model, curves, calls)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = best_of(calls, given.rounds)
        print(f"\n{name}, {given.curves} curves of {curves.Y.shape[1]} points, {curves.p0.shape[1]} parameters")
        print(f"{'':26}{'us a fit':>10}{'ratio':>8}{'evaluations':>13}{'at the best':>13}{'distance':>10}")
        for engine, (share, distance, nfev) in told.items():
            print(f"{engine:26}{1e6 * seconds[engine] / given.curves:10.2f}"
                  f"{seconds[engine] / seconds['curve_fit_many']:8.1f}{nfev:13.2f}{share:13.3f}{distance:10.1e}")


if __name__ == "__main__":
    main()
