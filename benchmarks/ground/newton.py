"""Newton by the curvature in the middle of a step beside Newton by that of the iterate, over families with a Hessian.

    python -m benchmarks.ground.newton [FAMILY ...]

Means of evaluations to |g| <= 1e-6, and times of whole batches relative to the first, in turn on one core. Both are
`policies.Newton`, which has a weight for how far curvature is extrapolated; `method="newton"` is beside them.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
from functools import partial

import numpy as np

from benchmarks.families.family_data import FAMILIES
from benchmarks.timing import best_of, one_core
from l2o.baselines import Newton
from l2o.methods import Stopping
from l2o.policies import Newton as Kind
from l2o.policies import Policy

STOPPING = Stopping(1e-6, 1000, 1000)
ROUNDS = 7


def extrapolating(half):
    """Return the policy that takes the curvature at this part of the coming step: 0 is the iterate, 1/2 the middle."""
    weights = Kind().initial()
    return Policy(Kind(), {"steps": np.array([half, *weights["steps"][1:]])})


METHODS = {"of the iterate": extrapolating(0.0), "a third ahead": extrapolating(0.35),
           "of the middle": extrapolating(0.5), "newton": Newton()}


def measured(problems):
    """Return for each method evaluations, share that gets there, and speed."""
    calls = {name: partial(method.solve, problems, STOPPING) for name, method in METHODS.items()}
    seconds, runs = best_of(calls, ROUNDS), {name: call() for name, call in calls.items()}
    first = seconds["of the iterate"]
    return {name: (each.nfev.mean(), (each.status == 0).mean(), first / seconds[name]) for name, each in runs.items()}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}")
    one_core()
    ratios = []
    for name in parser.parse_args().families or FAMILIES:
        problems = FAMILIES[name](10, 0)[1]
        if problems.hessian_function is None:
            continue
        rows = measured(problems)
        plain = rows["of the iterate"][0]
        ratios.append([(nfev / plain, speed) for nfev, _, speed in rows.values()])
        print(f"{name}: " + "; ".join(f"{key} {nfev:.2f} ({nfev / plain:.2f}), {share:.3f} there, {speed:.2f} x as fast"
                                      for key, (nfev, share, speed) in rows.items()), flush=True)
    for key, (nfev, speed) in zip(METHODS, np.exp(np.log(ratios).mean(axis=0))):
        print(f"{key}: {nfev:.3f} of the evaluations, {speed:.2f} x as fast, in the geometric mean")


if __name__ == "__main__":
    main()
