"""Minimising within bounds: how often at the best known, and in how many evaluations, beside SciPy's L-BFGS-B.

    python -m benchmarks.ground.boxed [--seeds 0 1 2] [--functions 200] [--methods lbfgs cg]

Problems: the standard functions of the tests in 4 and 12 variables, in boxes whose bounds lie between the start and the
free minimum or beyond either; and the three families, in boxes that half of the free minima are outside of.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.optimize

import l2o
from benchmarks.report import table
from l2o.families import Logistic, NeuralNet, RobustRegression

GTOL, LIMIT = 1e-5, 5000
NEAR = 1e-6  # of the best known, relatively: at it


def box_of(start, end, rng):
    """Return bounds round or between a start and a free minimum: none, one or both for each variable."""
    side = np.where(start >= end, 1.0, -1.0)  # of the start, seen from the minimum
    length = np.maximum(abs(start - end), 0.1)
    near = end + side * length * np.where(rng.random(len(start)) < 0.5, 1, -1) * rng.uniform(0.1, 0.9, len(start))
    far = start + side * length * rng.uniform(0, 1, len(start))
    kind = rng.integers(0, 4, len(start))
    ends = np.sort([near, far], axis=0)
    on_near, on_far = kind % 2 == 1, kind // 2 == 1
    low = np.where(np.where(side > 0, on_near, on_far), ends[0], -np.inf)
    return scipy.optimize.Bounds(low, np.where(np.where(side > 0, on_far, on_near), ends[1], np.inf))


def standard(seed):
    """Yield (function, start, bounds) of the standard functions."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from standard_functions import FUNCTIONS

    for k, function in enumerate(FUNCTIONS.values()):
        for dim in (4, 12):
            start = function.start(dim)
            free = theirs(function.value_and_grad, start, None).x
            box = box_of(start, free, np.random.default_rng([seed, k, dim]))
            yield function.value_and_grad, np.clip(start, box.lb, box.ub), box


def members(family, m, seed):
    """Yield (function, start, bounds) of a family's members."""
    problems = family.sample(m, rng=seed)
    free = l2o.minimize_many(problems, method="lbfgs", tol=GTOL).x
    for i in range(m):
        box = box_of(problems.x0[i], free[i], np.random.default_rng([seed, i]))
        yield problems[i].value_and_grad, np.clip(problems.x0[i], box.lb, box.ub), box


def theirs(fun, start, box):
    """Return SciPy's result."""
    return scipy.optimize.minimize(fun, start, jac=True, bounds=box, method="L-BFGS-B", options={
        "gtol": GTOL, "ftol": 0.0, "maxiter": LIMIT, "maxfun": LIMIT})


def compared(cases, methods):
    """Return a row a method, SciPy first: share at the best known, evaluations, their ratio to SciPy's, success."""
    runs = []
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fun, start, box in cases:
            options = {"gtol": GTOL, "maxiter": LIMIT, "maxfun": LIMIT}
            results = [theirs(fun, start, box), *(l2o.minimize(fun, start, method=method, bounds=box, options=options)
                                                  for method in methods)]
            runs.append([(result.fun, result.nfev, result.success) for result in results])
    value, nfev, success = np.moveaxis(np.array(runs), 2, 0)
    best = value.min(axis=1, keepdims=True)
    there = value <= best + NEAR * (1 + abs(best))
    both = there & there[:, :1]
    return [[f"{there[:, k].sum()} of {len(runs)}", f"{np.median(nfev[:, k]):.1f}", f"{nfev[:, k].mean():.1f}",
             f"{np.exp(np.log(nfev[both[:, k], k] / nfev[both[:, k], 0]).mean()):.3f}", int(success[:, k].sum())]
            for k in range(len(methods) + 1)]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--functions", type=int, default=200, help="of each family (%(default)s)")
    parser.add_argument("--methods", nargs="+", default=["lbfgs", "cg"])
    given = parser.parse_args()
    sets = {"standard functions": [case for seed in given.seeds for case in standard(seed)],
            **{type(family).__name__: list(members(family, given.functions, given.seeds[0]))
               for family in (Logistic(), RobustRegression(), NeuralNet())}}
    rows = [[f"{name}: {who}", *row] for name, cases in sets.items()
            for who, row in zip(["SciPy's L-BFGS-B", *given.methods], compared(cases, given.methods))]
    print(table(["", "at the best", "median", "mean", "ratio", "success"], rows))


if __name__ == "__main__":
    main()
