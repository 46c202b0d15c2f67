"""Learning a family: evaluations and time beside L-BFGS and Newton, training and test problems of different sources.

    python -m benchmarks.families.priors [FAMILY ...] [--problems 100] [--seeds 0 1 2] [--evolution SECONDS]
    python -m benchmarks.families.priors [FAMILY ...] --problems 10 30 100 300 --counts

Several numbers of problems are a curve; with --counts nothing is timed but the training. With --evolution the constants
of the rule are trained after the prior, the eight of the lean one and all; Newton's method is then no candidate.

Evaluations are counted, the first included and Hessians not, until f - f* is 1e-6 of f(x0) - f*, over problems that
all methods bring there; f* is the lowest value of thirty starts and of all runs. Times are those of whole batches to
|g| <= 1e-6, in turn, relative to the compiled L-BFGS in the same process.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import time
from functools import partial
from itertools import product

import numpy as np

import l2o
from benchmarks.families.family_data import FAMILIES
from benchmarks.timing import best_of, one_core
from l2o.baselines import LBFGS
from l2o.learning.choice import lowest
from l2o.solving.starts import begun

GTOL = 1e-6
TARGET = 1e-6
STARTS = 30
ROUNDS = 7
LIMIT = {"maxiter": 1000}


def best_of_starts(problems, spread, rng):
    """Return the lowest values (m,) that L-BFGS finds from several starts."""
    best = np.full(len(problems), np.inf)
    for k in range(STARTS):
        x0 = problems.x0 + (k > 0) * spread * rng.standard_normal(problems.x0.shape)
        best = np.fmin(best, l2o.minimize_many(problems, x0, method="lbfgs", tol=1e-9, options=LIMIT).fun)
    return best


def evaluations(values, f_star, f0):
    """Return the evaluations (m,) until f - f* is 1e-6 of the fall; inf where that is not reached."""
    hit = values - f_star[:, None] <= (TARGET * (f0 - f_star) + 1e-14 * np.abs(f_star))[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)


def trace(problems, method):
    """Return the lowest value after each evaluation from where the method begins."""
    return lowest(begun(problems, method), method)


def race(problems, methods):
    """Return seconds of whole batches to |g| <= 1e-6, and mean evaluations."""
    calls = {name: partial(l2o.minimize_many, problems, method=method, tol=GTOL, options=LIMIT)
             for name, method in methods.items()}
    return best_of(calls, ROUNDS), {name: call().nfev.mean() for name, call in calls.items()}


def trained(training, seed, evolution):
    """Return policies by name, and the seconds of the processor that the prior took."""
    prior = l2o.CurvatureRegression(newton=not evolution)
    begun = time.process_time()
    policies = {"learned": l2o.train(training, rng=seed, trainer=prior)}
    took = time.process_time() - begun
    for weights in ("lean", "all") if evolution else ():
        then = l2o.EvolutionStrategy(seconds=evolution, weights=weights)
        policies[weights] = l2o.train(training, rng=seed, trainer=[prior, then])
    return policies, took


def measured(name, n_problems, seed, options):
    """Return for each method evaluations to 1e-6, share that gets there, evaluations to |g|, speed; and the choice."""
    training, test = FAMILIES[name](n_problems, seed)
    policies, took = trained(training, seed, options.evolution)
    methods = {"L-BFGS": LBFGS(), "rule": l2o.load("universal"), **policies}
    values = {key: trace(test, method) for key, method in methods.items()}
    if test.hessian_function is not None:
        methods["Newton"] = l2o.baselines.Newton()
        values["Newton"] = trace(test, methods["Newton"])
    spread = l2o.minimize_many(test, method="lbfgs").x.std(axis=0)
    f0 = test.value_and_grad(test.x0)[0]
    ends = [each[:, -1] for each in values.values()]
    f_star = np.min([best_of_starts(test, spread, np.random.default_rng(0)), *ends], axis=0)
    made = {key: evaluations(each, f_star, f0) for key, each in values.items()}
    both = np.isfinite(list(made.values())).all(axis=0)
    unknown = dict.fromkeys(methods, np.nan)
    seconds, nfev = (unknown, unknown) if options.counts else race(test, methods)
    rows = {key: (made[key][both].mean(), np.isfinite(made[key]).mean(), nfev[key], seconds["L-BFGS"] / seconds[key])
            for key in methods}
    return rows, policies["learned"].card["training"]["course"][0]["choice"], took


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--problems", type=int, nargs="+", default=[100])
    parser.add_argument("--counts", action="store_true", help="time nothing but the training")
    parser.add_argument("--evolution", type=float, help="seconds of it after the prior")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    one_core()
    for name, n_problems in product(options.families or FAMILIES, options.problems):
        results = [measured(name, n_problems, seed, options) for seed in options.seeds]
        choices, took = "; ".join(choice for _, choice, _ in results), np.mean([each[2] for each in results])
        print(f"{name}, {n_problems} problems: {choices}; {took:.2f} s", flush=True)
        for key in results[0][0]:
            count, share, nfev, speed = np.mean([rows[key] for rows, _, _ in results], axis=0)
            ratio = count / np.mean([rows["L-BFGS"][0] for rows, _, _ in results])
            print(f"  {key:8s} {count:6.2f} evaluations ({ratio:.2f}), {share:.3f} there; to |g| {nfev:6.2f}, "
                  f"{speed:.2f} x as fast")


if __name__ == "__main__":
    main()
