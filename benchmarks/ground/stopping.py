"""Does a run that says it has converged stand at a minimum, in any unit of f, of x, of a single variable?

Random functions with known natural units are minimised in units of 1e-12 to 1e12 by the default rule of stopping. A
success is *silently wrong* if SciPy's L-BFGS-B, started again from the end point and in the natural units, goes lower
by more than 1e-5 of the fall and 100 times the rounding of f.

    python -m benchmarks.ground.stopping [runs] [method, or "scipy:" and SciPy's name] [seed] [boxed]

The method "default" is what `minimize` takes where none is named: the learned rule.

Boxed runs have a bound on either side of half the variables, within the way of a free run or beyond it.
"""

import sys
import warnings
from collections import Counter

import numpy as np
import scipy.optimize

import l2o

EPS = np.finfo(float).eps


def logistic(rng, d):
    """Return a regularised logistic regression."""
    X, y = rng.standard_normal((40, d)), np.where(rng.random(40) < 0.5, -1.0, 1.0)
    Z = X * y[:, None]

    def f(z):
        m = Z @ z
        return np.logaddexp(0, -m).mean() + 0.005 * z @ z, -Z.T @ (0.5 - 0.5 * np.tanh(m / 2)) / 40 + 0.01 * z

    return f, rng.standard_normal(d) * rng.choice([0, 1, 5])


def decay(rng, d):
    """Return a fit of an exponential, with noise or exact."""
    t, truth = np.linspace(0, 4, 30), np.array([2, 1.5, 0.3]) * np.exp(rng.normal(0, 0.3, 3))
    y = truth[0] * np.exp(-truth[1] * t) + truth[2] + rng.choice([0, 0.01]) * rng.standard_normal(30)

    def f(p):
        e = np.exp(-p[1] * t)
        r = p[0] * e + p[2] - y
        return r @ r, np.array([2 * r @ e, -2 * r @ (p[0] * t * e), 2 * r.sum()])

    return f, np.array([y.max() - y.min(), 1.0, y.min()])


def quadratic(rng, d):
    """Return an ill-conditioned quadratic."""
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    A, c = (Q * 10.0 ** rng.uniform(-rng.choice([1, 3, 6]), 0, d)) @ Q.T, rng.standard_normal(d)
    A = (A + A.T) / 2
    return lambda z: (0.5 * (z - c) @ A @ (z - c), A @ (z - c)), rng.standard_normal(d) * rng.choice([0, 1, 10])


def valley(rng, d):
    """Return Rosenbrock's function in a chain."""
    a = 10.0 ** rng.uniform(0, 4)

    def f(z):
        r, s = z[1:] - z[:-1] ** 2, 1 - z[:-1]
        g = np.zeros(len(z))
        g[1:] += 2 * a * r
        g[:-1] -= 4 * a * r * z[:-1] + 2 * s
        return a * r @ r + s @ s, g

    return f, rng.normal(-0.5, 1, max(d, 2))


def quartic(rng, d):
    """Return fourth powers: a flat minimum."""
    A, c = rng.standard_normal((d, d)), rng.standard_normal(d)

    def f(z):
        r = A @ (z - c)
        return (r**4).sum(), 4 * A.T @ r**3

    return f, rng.standard_normal(d)


def kinked(rng, d):
    """Return absolute values of sums of variables: ridges where descent may stop short."""
    A, b = rng.standard_normal((d + 2, d)), rng.standard_normal(d + 2)

    def f(z):
        r = A @ z - b
        return np.abs(r).sum(), A.T @ np.sign(r)

    return f, rng.standard_normal(d) * 5


def plateau(rng, d):
    """Return a well in a plain, begun on its slope or far outside."""
    c, far = rng.standard_normal(d), rng.choice([0.5, 2, 4, 6])

    def f(z):
        e = np.exp(-0.5 * (z - c) @ (z - c))
        return 1 - e, e * (z - c)

    return f, c + far * np.ones(d) / np.sqrt(d)


def steep(rng, d):
    """Return exponentials from high up."""
    w = np.exp(rng.normal(0, 1, d))
    return lambda z: ((np.exp(z) - w * z).sum(), np.exp(z) - w), rng.uniform(0, rng.choice([3, 30, 300]), d)


def network(rng, d):
    """Return nonlinear least squares without residual."""
    A = rng.standard_normal((2 * d, d))
    y = np.tanh(A @ rng.standard_normal(d))

    def f(z):
        h = np.tanh(A @ z)
        return (h - y) @ (h - y), 2 * A.T @ ((h - y) * (1 - h * h))

    return f, 0.3 * rng.standard_normal(d)


KINDS = [logistic, decay, quadratic, valley, quartic, kinked, plateau, steep, network]


def draw(rng):
    """Return the kind, f in natural units, its start, and the units of f and x with an offset of f."""
    kind, d = KINDS[rng.integers(len(KINDS))], int(rng.integers(1, 13))
    f, z0 = kind(rng, d)
    if rng.random() < 0.1:  # near the end: a warm start
        with np.errstate(all="ignore"):
            z0 = scipy.optimize.minimize(f, z0, jac=True, method="BFGS", options={"gtol": 1e-6}).x
    fit, unit, offset = 10.0 ** rng.uniform(-12, 12), np.full(len(z0), 1.0), 0.0
    case = rng.choice(["plain", "whole", "column", "columns"])
    if case == "whole":
        unit[:] = 10.0 ** rng.uniform(-12, 12)
    elif case == "column":
        unit[rng.integers(len(z0))] = 10.0 ** rng.uniform(-8, 8)
    elif case == "columns":
        unit *= 10.0 ** rng.uniform(-4, 4, len(z0))
    if rng.random() < 0.2:
        offset = 10.0 ** rng.uniform(0, 12) * rng.choice([-1, 1])
    return kind.__name__, case, f, z0, fit, unit, offset


def box(rng, f, z0):
    """Return bounds in natural units, with z0 within them."""
    with np.errstate(all="ignore"):
        way = scipy.optimize.minimize(f, z0, jac=True, method="L-BFGS-B").x - z0
    length = np.maximum(abs(way), 0.1)
    low, high = z0 - rng.uniform(0, 2, len(z0)) * length, z0 + rng.uniform(0, 2, len(z0)) * length
    return scipy.optimize.Bounds(np.where(rng.random(len(z0)) < 0.5, low, -np.inf),
                                 np.where(rng.random(len(z0)) < 0.5, high, np.inf))


def one(rng, method, boxed=False, **arguments):
    """Return what a run came to, its kind, and its evaluations."""
    kind, case, f, z0, fit, unit, offset = draw(rng)
    bounds = box(rng, f, z0) if boxed else None

    def scaled(x):
        value, slope = f(x / unit)
        return fit * (value + offset), fit * slope / unit

    if boxed:
        arguments["bounds"] = scipy.optimize.Bounds(bounds.lb * unit, bounds.ub * unit)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method.startswith("scipy:"):
            result = scipy.optimize.minimize(scaled, z0 * unit, jac=True, method=method[6:], **arguments)
        else:
            named = None if method == "default" else method
            result = l2o.minimize(scaled, z0 * unit, method=named, **arguments)
        z = result.x / unit
        if boxed:
            z = np.clip(z, bounds.lb, bounds.ub)
        again = scipy.optimize.minimize(f, z, jac=True, method="L-BFGS-B", bounds=bounds,
                                        options={"ftol": 1e-14, "gtol": 0})
        start, end = f(z0)[0], f(z)[0]
    noise = EPS * (abs(end) + abs(offset))
    lower = end - again.fun
    short = lower > 1e-5 * (start - end) and lower > 100 * noise
    outcome = ("wrong" if short else "right") if result.success else ("short" if short else "unsaid")
    return outcome, kind, case, result.nfev


def main(runs=2000, method="lbfgs", seed=0, **arguments):
    """Print the outcomes by kind and by case; return the silently wrong runs."""
    table, nfev, wrong = Counter(), [], []
    for i in range(runs):
        outcome, kind, case, n = one(np.random.default_rng([seed, i]), method, **arguments)
        table[kind, outcome] += 1
        table[case, outcome] += 1
        table["all", outcome] += 1
        nfev.append(n)
        if outcome == "wrong":
            wrong.append((i, kind, case))
    print(f"{method}: {runs} runs, seed {seed}; evaluations: median {np.median(nfev):g}, mean {np.mean(nfev):.1f}")
    print(f"{'':12}{'right':>8}{'wrong':>8}{'unsaid':>8}{'short':>8}")  # no success: at the minimum, short of it
    for name in [*(k.__name__ for k in KINDS), "plain", "whole", "column", "columns", "all"]:
        print(f"{name:12}" + "".join(f"{table[name, o]:8}" for o in ("right", "wrong", "unsaid", "short")))
    return wrong


if __name__ == "__main__":
    given = sys.argv[1:]
    print(main(*[int(given[0])] * bool(given), *given[1:2], *map(int, given[2:3]), boxed="boxed" in given[3:])[:20])
