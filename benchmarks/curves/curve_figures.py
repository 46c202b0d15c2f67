"""What curve fits promise beside their speed: digits, bounds, units, how near they end, derivatives, compiling, memory.

Laws of `benchmarks.curves.peers`; counts and digits are exact, times are ratios of this process on one core.

    python -m benchmarks.curves.curve_figures [figure ...] [--curves 1000]
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

import l2o
from benchmarks.curves.peers.curves import FAMILIES, decay, dose, ring, spot, tensor
from benchmarks.timing import best_of, one_core

__all__ = ["FIGURES", "main"]

NIST = Path(__file__).parents[2] / "tests" / "test_nist.py"
MANY = 1_000_000
BOXES = {"decay": ([-np.inf, -np.inf, 0.0], [np.inf, np.inf, np.inf]),  # a third to a half of the fits end on a bound
         "spot": ([0.0, -1.0, -1.0, 1.0, 0.0], [np.inf, 7.0, 7.0, 1.4, np.inf]),
         "dose": ([0.0, 0.9, 0.5, -2.0], [0.4, 1.05, 3.0, 2.0]),
         "ring": ([0.0, 0.3, 0.0, -0.8, -np.inf], [np.inf, 1.0, np.inf, 0.8, np.inf])}


def fit(curves, **settings):
    """Return the fit of a family's curves."""
    return l2o.curve_fit_many(curves.model, curves.points, curves.Y, curves.p0, sigma=curves.sigma, **settings)


def nist(m):
    """Digits of NIST's certified problems, from both starts at tol=1e-6."""
    spec = importlib.util.spec_from_file_location("nist", NIST)
    problems = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(problems)
    right, errors, wrong, nfev = [], {}, 0, 0
    for name, model in problems.PROBLEMS.items():
        t, y, starts, certified, certified_errors = problems.read(name)
        for start in starts:
            one = l2o.curve_fit(model, t, y, start, tol=1e-6)
            right.append(problems.digits(one.x, certified))
            errors[name] = max(errors.get(name, 0.0), problems.digits(one.stderr, certified_errors))
            wrong += one.success and right[-1] < 4.0
            nfev += one.nfev
    enough = sum(each >= 6.0 for each in errors.values())
    yield f"{sum(each >= 6.0 for each in right)} of {len(right)} runs with 6 digits, {wrong} said converged and wrong"
    yield f"standard errors: 6 digits in {enough} of {len(errors)}; {nfev} evaluations in all"


def bounds(m):
    """Fits of which many end on a bound: the share at the best of two starts, and evaluations against fits without."""
    for name, box in BOXES.items():
        curves = FAMILIES[name](m, np.random.default_rng(6))
        held, free = fit(curves, bounds=box), fit(curves)
        best = fit(curves, bounds=box, tol=1e-8, options={"starts": np.clip(free.x, *box)[None]}).chi2
        share = (held.chi2 <= best * (1.0 + 1e-6)).mean()
        yield (f"{name}: {held.on_bound.any(axis=1).mean():.2f} end on a bound, {share:.3f} at the best, evaluations "
               f"{held.nfev.mean():.2f} against {free.nfev.mean():.2f}: {held.nfev.mean() / free.nfev.mean():.2f}")


def units(m):
    """The same curves in other units of their values."""
    curves = FAMILIES["ring"](m, np.random.default_rng(7))
    here = fit(curves)
    for unit in (1e-15, 1e12):
        scale = np.array([unit, 1.0, 1.0, 1.0, unit])
        there = l2o.curve_fit_many(curves.model, curves.points, curves.Y * unit, curves.p0 * scale,
                                   sigma=curves.sigma * unit)
        change = np.abs(there.x / scale - here.x)[here.success].max() / np.abs(here.x[here.success]).max()
        yield f"{unit:g}: statuses alike {np.array_equal(here.status, there.status)}, largest change {change:.1e}"


def distance(m):
    """How far from the minimum fits end that have converged, in tol standard errors."""
    for name in ("decay", "spot", "dose", "ring"):
        curves = FAMILIES[name](m, np.random.default_rng(8))
        for tol in (1e-3, 1e-5):
            near, end = fit(curves, tol=tol), fit(curves, tol=1e-9)
            rows = near.success & np.isfinite(end.cov).all(axis=(1, 2))
            step = (near.x - end.x)[rows]
            far = np.sqrt(np.einsum("mi,mij,mj->m", step, np.linalg.inv(end.cov[rows]), step) / step.shape[1]) / tol
            yield f"{name}, tol {tol:g}: at most {far.max():.2f} tol, {np.quantile(far, 0.99):.2f} in 99 of 100"


def decay_by_hand(t, p, jac):
    rate = np.exp(p[1])
    part = np.exp(p[0] - rate * t)
    jac[0], jac[1], jac[2] = part, -part * rate * t, 1.0
    return part + p[2]


def spot_by_hand(t, p, jac):
    x, y, inverse = t[0] - p[1], t[1] - p[2], 1.0 / (p[3] * p[3])
    bell = np.exp(-0.5 * (x * x + y * y) * inverse)
    light = p[0] * bell * inverse
    jac[0], jac[1], jac[2], jac[3], jac[4] = bell, light * x, light * y, light * (x * x + y * y) / p[3], 1.0
    return p[0] * bell + p[4]


def dose_by_hand(t, p, jac):
    growth = np.exp(p[2] * (t - p[3]))
    share = 1.0 / (1.0 + growth)
    bend = (p[1] - p[0]) * growth * share * share
    jac[0], jac[1], jac[2], jac[3] = 1.0 - share, share, -bend * (t - p[3]), bend * p[2]
    return p[0] + (p[1] - p[0]) * share


def ring_by_hand(t, p, jac):
    fading, angle = np.exp(-p[1] * t), 2.0 * np.pi * p[2] * t + p[3]
    wave, turn = fading * np.cos(angle), -p[0] * fading * np.sin(angle)
    jac[0], jac[1], jac[2], jac[3], jac[4] = wave, -p[0] * wave * t, turn * 2.0 * np.pi * t, turn, 1.0
    return p[0] * wave + p[4]


def tensor_by_hand(t, p, jac):
    value = np.exp(p[0] + t[0] * p[1] + t[1] * p[2] + t[2] * p[3] + t[3] * p[4] + t[4] * p[5] + t[5] * p[6])
    jac[0], jac[1], jac[2], jac[3] = value, value * t[0], value * t[1], value * t[2]
    jac[4], jac[5], jac[6] = value * t[3], value * t[4], value * t[5]
    return value


BY_HAND = {decay: (decay_by_hand, 1, [0.1, 0.2, 0.3]), spot: (spot_by_hand, 2, [60.0, 0.1, 0.2, 1.2, 10.0]),
           dose: (dose_by_hand, 1, [0.2, 1.0, 1.5, 0.3]), ring: (ring_by_hand, 1, [0.5, 0.5, 2.0, 0.1, 0.5]),
           tensor: (tensor_by_hand, 6, [1.0, 0.1, 0.2, 0.1, 0.3, 0.2, 0.1])}


def derivatives(m):
    """Time of values with derivatives by dual numbers, against those that are written by hand."""
    ratios = []
    for model, (function, k, p) in BY_HAND.items():
        t = np.random.default_rng(0).uniform(-2.0, 2.0, (1000, k) if k > 1 else 1000)
        written = l2o.model(function)
        error = np.abs(written.jacobian(t, p) - model.jacobian(t, p)).max()
        taken = best_of({"duals": partial(model.jacobian, t, p), "by hand": partial(written.jacobian, t, p)}, 20)
        ratios.append(taken["duals"] / taken["by hand"])
        yield f"{function.__name__}: {ratios[-1]:.2f}, greatest difference {error:.1e}"
    yield f"geometric mean {np.exp(np.log(ratios).mean()):.2f}"


def compiling(m):
    """Seconds of a new model's first fit, Numba loaded and the machinery warm."""
    t = np.linspace(0.0, 3.0, 20)
    seconds = []
    for k in range(4):
        scope = {"np": np}
        exec(f"def new(t, p):\n    return p[0] * np.exp(-p[1] * t) + p[2] * np.cos({k}.5 * t)", scope)  # a model each
        begin = perf_counter()
        l2o.curve_fit(l2o.model(scope["new"]), t, np.exp(-t), [1.0, 1.0, 0.1])
        seconds.append(perf_counter() - begin)
    yield f"first {seconds[0]:.2f} s, which loads Numba; then {min(seconds[1:]):.2f} s"


def memory(m):
    """What a million fits of 8 points take beyond data and results, in a process of their own."""
    said = subprocess.run([sys.executable, "-c", f"from benchmarks.curves.curve_figures import peak; peak({MANY})"],
                          capture_output=True, text=True, check=True, cwd=NIST.parents[1])
    yield from said.stdout.splitlines()


def peak(m):
    """Print how much memory m fits take."""
    t, rng = np.linspace(0.0, 3.0, 8), np.random.default_rng(0)
    Y = np.exp(-rng.uniform(0.5, 2.0, (m, 1)) * t)
    Y += 0.01 * rng.standard_normal(Y.shape)
    model = l2o.model(lambda t, p: p[0] * np.exp(-p[1] * t))
    l2o.curve_fit_many(model, t, Y[:100], [1.0, 1.0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = l2o.curve_fit_many(model, t, Y, [1.0, 1.0])
    taken = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    kept = sum(getattr(found, name).nbytes for name in ("x", "cov", "chi2", "dof", "status", "nfev", "nit", "on_bound"))
    print(f"curve_fit_many: {(taken - kept) / 1e6:.0f} MB beyond {kept / 1e6:.0f} MB of results, "
          f"{found.success.mean():.4f} converged")


FIGURES = {figure.__name__: figure for figure in (nist, bounds, units, distance, derivatives, compiling, memory)}


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"some of {', '.join(FIGURES)}")
    parser.add_argument("--curves", type=int, default=1000)
    given = parser.parse_args()
    one_core()
    for name in given.figures or FIGURES:
        print(f"{name}: {FIGURES[name].__doc__}")
        for line in FIGURES[name](given.curves):
            print(f"    {line}")


if __name__ == "__main__":
    main()
