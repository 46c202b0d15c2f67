"""Adversarial functions and damaged files: is every result sound, and every failure one that is promised?

    python -m benchmarks.ground.attack [runs and files, 400] [seed]

A run is of a Python function, or a row of a batch of a compiled one: random shapes in units of 1e-300 to 1e300, which
are NaN, infinite or discontinuous in places, have a wrong gradient, or a value where the point is NaN; with random
methods, bounds and options. Files are changed policies and checkpoints (attack_files.py). What does not hold is shown
with its number, which makes it again with the seed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import sys
import warnings
from collections import Counter

import numpy as np
import scipy.optimize

import l2o
from benchmarks.ground.attack_files import damaged

METHODS = ["lbfgs", "cg", "momentum", "gradient-descent", "scipy-lbfgs", "universal"]
STATUSES = {0, 1, 2, 3, 4}
DOUBT = 40  # evaluations that say after status 2 whether the gradient is in doubt
ROWS = 10  # of a batch

SHAPES = {
    "bowl": lambda z: (z @ z, 2 * z),
    "fourth powers": lambda z: ((z**4).sum(), 4 * z**3),
    "absolute": lambda z: (np.abs(z).sum(), np.sign(z)),
    "valley": lambda z: (100 * (z[-1] - z[0] ** 2) ** 2 + (1 - z[0]) ** 2, _slope_of_valley(z)),
    "exponentials": lambda z: ((np.exp(z) - 2 * z).sum(), np.exp(z) - 2),
    "logarithms": lambda z: ((z - np.log(z)).sum(), 1 - 1 / z),
    "waves": lambda z: ((np.cos(3 * z) + 0.05 * z * z).sum(), -3 * np.sin(3 * z) + 0.1 * z),
    "plateau": lambda z: (np.tanh(z @ z), 2 * z * (1 - np.tanh(z @ z) ** 2)),
    "slope": lambda z: (z.sum(), np.ones(len(z))),
    "stairs": lambda z: (np.floor(z).sum(), np.zeros(len(z))),
    "constant": lambda z: (3.0, np.zeros(len(z))),
    "poles": lambda z: ((1 / z + z).sum(), 1 - 1 / z**2),
}


def _slope_of_valley(z):
    g = np.zeros(len(z))
    g[-1] += 200 * (z[-1] - z[0] ** 2)
    g[0] += -400 * z[0] * (z[-1] - z[0] ** 2) - 2 * (1 - z[0])
    return g


def _where(value, slope):
    """Return a fault: what f and its gradient are on one side of a wall; None leaves them."""
    def fault(f, wall):
        def faulty(z):
            fun, jac = f(z)
            if z[0] > wall:
                fun, jac = fun if value is None else value, jac if slope is None else np.full(len(z), slope)
            return fun, jac

        return faulty

    return fault


FAULTS = {
    "none": lambda f, wall: f,
    "NaN": _where(np.nan, None), "inf": _where(np.inf, None), "-inf": _where(-np.inf, None),
    "gradient NaN": _where(None, np.nan), "gradient inf": _where(None, np.inf), "cliff": _where(-1e3, 0.0),
    "gradient reversed": lambda f, wall: lambda z: (f(z)[0], -f(z)[1]),
    "gradient too small": lambda f, wall: lambda z: (f(z)[0], 1e-3 * f(z)[1]),
    "finite at NaN": lambda f, wall: lambda z: f(np.nan_to_num(z)),
    "rough": lambda f, wall: lambda z: (f(z)[0] + 1e-9 * np.sin(1e12 * z[0]), f(z)[1]),
}


class Counted:
    """A function in units of its own that counts its calls and keeps quiet."""

    def __init__(self, f, units):
        self.f, self.units, self.calls = f, units, 0

    def __call__(self, x):
        """Return value and gradient at x."""
        self.calls += 1
        return self.at(x)

    def at(self, x):
        """Return the same, uncounted."""
        with np.errstate(all="ignore"):
            fun, jac = self.f(x / self.units[1])
            return float(self.units[0] * fun), self.units[0] * jac / self.units[1]


def drawn(rng):
    """Return a function, its start, and in words what it is."""
    shape, fault = rng.choice(list(SHAPES)), rng.choice(list(FAULTS))
    d = int(rng.integers(1, 7))
    units = 10.0 ** (rng.choice([0, 0, 8, 100, 300]) * rng.uniform(-1, 1)), 10.0 ** (
        rng.choice([0, 0, 8, 100]) * rng.uniform(-1, 1))
    z0 = rng.standard_normal(d) * rng.choice([0, 0.1, 1, 10])
    f = Counted(FAULTS[fault](SHAPES[shape], z0[0] + rng.normal()), units)
    return f, z0 * units[1], f"{shape}, {fault}, units {units[0]:.0e} and {units[1]:.0e}"


def bounds_round(rng, x0):
    """Return None, or bounds that may leave a start out, hold variables, or be open."""
    if rng.random() < 0.5:
        return None
    size = np.where(x0 == 0, 1.0, np.abs(x0))
    low = np.where(rng.random(len(x0)) < 0.4, -np.inf, x0 - rng.uniform(-0.3, 2, len(x0)) * size)
    high = np.where(rng.random(len(x0)) < 0.4, np.inf, np.maximum(low, x0 + rng.uniform(-0.3, 2, len(x0)) * size))
    held = (rng.random(len(x0)) < 0.1) & np.isfinite(low)
    return scipy.optimize.Bounds(low, np.where(held, low, high))


def options_drawn(rng):
    """Return options of stopping."""
    options = {"maxfun": int(rng.integers(1, 200)), "maxiter": int(rng.integers(0, 100))}
    return {name: value for name, value in options.items() if rng.random() < 0.3} | {
        name: 10.0 ** rng.uniform(-12, -1) for name in ("gtol", "ftol", "xtol") if rng.random() < 0.2}


def method_drawn(rng):
    """Return a method and its name."""
    name = str(rng.choice(METHODS))
    return (l2o.load(name) if name == "universal" else name), name


def broken_by(result, f, x0, bounds, maxfun):
    """Yield which promises a result does not keep, in words."""
    start = x0 if bounds is None else np.clip(x0, bounds.lb, bounds.ub)
    free = np.ones(len(x0), bool) if bounds is None else bounds.lb < bounds.ub
    first, slope = f.at(start)
    here, gradient = f.at(result.x)
    if result.status not in STATUSES or result.success != (result.status == 0) or not result.message:
        yield "the status is one of the list"
    if not np.isfinite(result.x).all():
        yield "x is finite"
        return
    if bounds is not None and not ((bounds.lb <= result.x) & (result.x <= bounds.ub)).all():
        yield "x is within the bounds"
    if result.fun != here and not (np.isnan(here) and np.isnan(result.fun)):
        yield "fun is the value at x"
    if not np.array_equal(result.jac[free], gradient[free], equal_nan=True):
        yield "jac is the gradient at x"
    if np.isfinite(first) and np.isfinite(slope[free]).all():
        if not (np.isfinite(result.fun) and result.fun <= first and np.isfinite(result.jac).all()):
            yield "the result is finite and not above the start"
    elif result.status != 3 or not np.array_equal(result.x, start):
        yield "a start that is not finite is status 3"
    if result.nfev > maxfun + (DOUBT if result.status == 2 else 0):
        yield "maxfun is kept"


def single(rng):
    """Minimise a Python function; return what it was, and which promises were broken."""
    f, x0, words = drawn(rng)
    (method, name), bounds, options = method_drawn(rng), bounds_round(rng, x0), options_drawn(rng)
    words, given = f"{words}, {name}, {bounds}, {options}, x0 {x0}", x0.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = l2o.minimize(f, x0, jac=True, method=method, bounds=bounds, options=options)
        except Exception as error:  # whatever it is, it is not promised
            return words, [f"nothing is raised: {error!r}"]
    broken = list(broken_by(result, f, given, bounds, options.get("maxfun", 15_000)))
    if result.nfev != f.calls:
        broken.append("nfev is the number of calls")
    if not np.array_equal(x0, given):
        broken.append("the start is left alone")
    return words, broken


@l2o.objective
def adversary(x, data, grad):
    """The shape data[0, 0] with the fault data[0, 1] beyond the wall data[0, 2], in units of data[1]."""
    shape, fault, wall = data[0, 0], data[0, 1], data[0, 2]
    total = 0.0
    for j in range(len(x)):
        z = x[j] / data[1, 1] - data[2, j]
        if shape == 0:
            value, slope = z * z, 2 * z
        elif shape == 1:
            value, slope = abs(z), np.sign(z)
        elif shape == 2:
            value, slope = np.exp(z) - 2 * z, np.exp(z) - 2
        elif shape == 3:
            value, slope = z - np.log(z), 1 - 1 / z
        else:
            value, slope = np.cos(3 * z) + 0.05 * z * z, -3 * np.sin(3 * z) + 0.1 * z
        total += value
        grad[j] = data[1, 0] * slope / data[1, 1]
    if fault > 0 and x[0] / data[1, 1] > wall:
        if fault == 1:
            total = np.nan
        elif fault == 2:
            total = -np.inf
        elif fault == 3:
            grad[0] = np.nan
        elif fault == 4:
            raise ValueError
        else:
            grad[len(x) - 1 + int(fault)] = 0.0
    return data[1, 0] * total


def batch(rng):
    """Minimise a batch of good and bad rows; return what it was, and what of its rows single runs are not."""
    (method, name), options, m = method_drawn(rng), options_drawn(rng), ROWS
    tables = rng.standard_normal((m, 3, 3))
    tables[:, 0, 0], tables[:, 0, 1] = rng.integers(0, 5, m), rng.integers(0, 6, m) * (rng.random(m) < 0.5)
    tables[:, 1] = 10.0 ** (rng.choice([0, 8, 100]) * rng.uniform(-1, 1, (m, 3)))
    tables[rng.random(m) < 0.1, 2, 0] = np.nan
    x0 = rng.standard_normal((m, 3)) * tables[:, 1, 1:2]
    problems = l2o.families.Custom(adversary, dim=3).from_data(tables, x0)
    bounds = bounds_round(rng, np.zeros(3))
    words = f"batch, {name}, {bounds}, {options}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            rows = l2o.minimize_many(problems, method=method, bounds=bounds, options=options)
            singles = [l2o.minimize(each, method=method, bounds=bounds, options=options) for each in problems]
        except Exception as error:
            return words, [f"nothing is raised: {error!r}"]
    broken = [f"row {i} is the single run: {part}" for i, one in enumerate(singles)
              for part in ("x", "fun", "jac", "nit", "status")
              if not np.array_equal(getattr(rows, part)[i], getattr(one, part), equal_nan=True)]
    starts = x0 if bounds is None else np.clip(x0, bounds.lb, bounds.ub)
    first = problems.value_and_grad(starts)[0]
    return words, broken + [f"row {i} is finite and not above its start" for i in np.flatnonzero(
        np.isfinite(first) & (rows.status != 3) & ~(rows.fun <= first))]


def runs(n, seed):
    """Yield number, words and broken promises of n runs, half of them rows of batches."""
    for i in range(0, n, 2 * ROWS):
        yield (i, *batch(np.random.default_rng([seed, 1, i])))
        for j in range(i, min(i + ROWS, n)):
            yield (j, *single(np.random.default_rng([seed, 0, j])))


def main(n=400, seed=0):
    """Print what was broken, and how often; return the number."""
    broken = Counter()
    for kind, outcomes in (("run", runs(n, seed)), ("file", damaged(n, seed))):
        for i, words, found in outcomes:
            for each in found:
                broken[kind, each.partition(":")[0]] += 1
                if broken[kind, each.partition(":")[0]] <= 3:
                    print(f"{kind} {i}: not kept: {each}\n    {words}")
    print(f"{n} runs and {n} files, seed {seed}: {sum(broken.values())} promises broken")
    for (kind, promise), count in broken.items():
        print(f"{count:8}  {kind}: {promise}")
    return sum(broken.values())


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
