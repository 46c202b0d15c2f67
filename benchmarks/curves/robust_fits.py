"""Curve fits with outliers, and of counts: Levenberg-Marquardt beside L-BFGS on the same loss, errors beside the truth.

    python -m benchmarks.curves.robust_fits [--curves 1000]

Decays, spots and rings of which 8 % of the points are off by 15 standard errors, from the family's guess; at the best
is within 1e-6 of the lowest that either found. Errors are those of the parameters, in the median, against least squares
on the same curves. Then spots of Poisson counts: how often the truth is within 1.96 standard errors. Then one decay,
drawn again and again, without outliers and with them: the same share, and errors by the spread of the estimates.
"""

import argparse

import numpy as np

import l2o
from benchmarks.curves.peers.curves import draw, values
from benchmarks.timing import best_of, one_core

FAMILIES = ("decay", "spot", "ring")
LOSSES = ("huber", "soft_l1", "cauchy", "geman-mcclure")
OUTLIERS, FAR = 0.08, 15.0
ALIKE = 1e-6
SIDE = 7


def measured(name, loss, m):
    """Return evaluations and shares at the best of both methods, ratios of their times and of errors to plain ones."""
    curves, rng = draw(name, m, np.random.default_rng(5)), np.random.default_rng(6)
    Y = curves.Y.copy()
    off = rng.random(Y.shape) < OUTLIERS
    Y[off] += FAR * curves.sigma * rng.standard_normal(off.sum())
    clean = l2o.curve_fit_many(curves.model, curves.points, curves.Y, curves.p0, sigma=curves.sigma).x
    family = l2o.families.LeastSquares(curves.model, curves.points, lambda rng: (Y[0], curves.p0[0]),
                                       sigma=curves.sigma, loss=loss)
    problems = family.from_data(Y, curves.p0)

    def fit(loss=loss):
        return l2o.curve_fit_many(curves.model, curves.points, Y, curves.p0, sigma=curves.sigma, loss=loss)

    calls = {"lm": fit, "lbfgs": lambda: l2o.minimize_many(problems, method="lbfgs")}
    ours, theirs, plain = fit(), calls["lbfgs"](), fit("linear")
    best = np.fmin(ours.chi2, 2.0 * theirs.fun) * (1.0 + ALIKE)
    seconds = best_of(calls, 3)
    error = np.median(np.abs(ours.x - clean), axis=0) / np.median(np.abs(plain.x - clean), axis=0)
    return (ours.nfev.mean(), theirs.nfev.mean(), (ours.chi2 <= best).mean(), (2.0 * theirs.fun <= best).mean(),
            seconds["lm"] / seconds["lbfgs"], np.exp(np.log(error).mean()))


def counted(m):
    """Return by loss how often the truth is within 1.96 standard errors, for spots of Poisson counts."""
    rng = np.random.default_rng(7)
    points = np.mgrid[:SIDE, :SIDE].reshape(2, -1).T.astype(float)
    x = np.column_stack([60 * np.exp(0.3 * rng.standard_normal(m)), rng.uniform(2, 4, (m, 2)), rng.uniform(0.9, 1.6, m),
                         10 * np.exp(0.2 * rng.standard_normal(m))])
    model = draw("spot", 1, rng).model
    Y = rng.poisson(values(model, points, x)).astype(float)
    found = {}
    for loss in ("linear", "poisson"):
        fit = l2o.curve_fit_many(model, points, Y, [60.0, 3.0, 3.0, 1.2, 10.0], loss=loss)
        found[loss] = (np.abs(fit.x - x) < 1.96 * fit.stderr).mean()
    return found


def redrawn(loss, outliers, m):
    """Return by loss the share within 1.96 standard errors, and quantiles of the errors of a time, by its spread."""
    rng, t, x, noise = np.random.default_rng(8), np.linspace(5.0, 120.0, 24), np.array([600.0, 53.0, 40.0]), 15.0
    Y = x[0] * np.exp(-t / x[1]) + x[2] + noise * rng.standard_normal((m, len(t)))
    off = rng.random(Y.shape) < outliers
    Y[off] += FAR * noise * rng.standard_normal(off.sum())
    fit = l2o.curve_fit_many(relaxation, t, Y, x, sigma=noise, loss=loss)
    time = fit.x[:, 1]
    spread = 1.4826 * np.median(np.abs(time - np.median(time)))
    return ((np.abs(fit.x - x) < 1.96 * fit.stderr).mean(),
            *np.quantile(fit.stderr[:, 1], [0.5, 0.95, 0.99, 1.0]) / spread)


@l2o.model
def relaxation(t, p):
    """Return a decay of amplitude, time and offset p."""
    return p[0] * np.exp(-t / p[1]) + p[2]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=1000)
    given = parser.parse_args()
    one_core()
    print(f"{'':22}{'evaluations':>18}{'ratio':>8}{'at the best':>18}{'time':>8}{'errors':>8}")
    for loss in LOSSES:
        for name in FAMILIES:
            ours, theirs, right, as_right, time, error = measured(name, loss, given.curves)
            print(f"{loss:15}{name:7}{ours:10.2f}{theirs:8.2f}{ours / theirs:8.2f}{right:10.3f}{as_right:8.3f}"
                  f"{time:8.2f}{error:8.2f}", flush=True)
    print("\nspots of counts, truth within 1.96 standard errors:",
          ", ".join(f"{share:.3f} by {loss}" for loss, share in counted(given.curves).items()))
    print(f"\n{'one decay':15}{'outliers':>8}{'within':>8}{'median':>8}{'95 %':>8}{'99 %':>8}{'most':>9}")
    for loss in LOSSES:
        for outliers in (0.0, OUTLIERS):
            within, *errors, most = redrawn(loss, outliers, 4 * given.curves)
            told = "".join(f"{each:8.2f}" for each in errors)
            print(f"{loss:15}{outliers:8.2f}{within:8.3f}{told}{most:9.1f}")


if __name__ == "__main__":
    main()
