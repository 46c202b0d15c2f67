"""Small logistic regressions to a gradient of 1e-6: SciPy in a loop, and our engine with L-BFGS and Newton.

SciPy's L-BFGS-B is given the objective in NumPy, as most people would write it, and our compiled one. All run in one
process on one worker, in turn; the shortest of the rounds counts. The answers are compared before a time is printed.
"""

import argparse
import time

import numpy as np
from scipy.optimize import minimize

import l2o

GTOL = 1e-6


def in_numpy(X, y, l2):
    """Return x -> (f, g) of a logistic regression, in NumPy."""
    Z = np.column_stack([X, np.ones(len(y))]) * (2 * y - 1)[:, None]

    def value_and_grad(x):
        margin = Z @ x
        e = np.exp(-np.abs(margin))
        slope = np.where(margin >= 0, e, 1.0) / (1 + e)
        w = x[:-1]
        gradient = slope @ Z / -len(Z)
        gradient[:-1] += l2 * w
        return (np.maximum(-margin, 0) + np.log1p(e)).mean() + l2 / 2 * (w @ w), gradient

    return value_and_grad


def loop(functions, x0):
    """Return the results of SciPy's L-BFGS-B on one function after the other."""
    return [minimize(fun, x, jac=True, method="L-BFGS-B", options={"gtol": GTOL, "ftol": 0.0})
            for fun, x in zip(functions, x0)]


def main():
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rng, m, family = np.random.default_rng(0), arguments.fits, l2o.families.Logistic()
    y = rng.integers(0, 2, (m, 100))
    X = rng.standard_normal((m, 100, 3)) + rng.uniform(-1, 1, (m, 1, 3)) * (2 * y - 1)[:, :, None]
    problems = family.from_data(X, y)  # from zero
    numpys = [in_numpy(*data, family.l2) for data in zip(X, y)]
    ours = [problems[i].value_and_grad for i in range(m)]
    calls = {
        "SciPy L-BFGS-B, NumPy objective": lambda: loop(numpys, problems.x0),
        "SciPy L-BFGS-B, our objective": lambda: loop(ours, problems.x0),
        "l2o L-BFGS": lambda: l2o.minimize_many(problems, method="lbfgs", tol=GTOL),
        "l2o Newton": lambda: l2o.minimize_many(problems, method="newton", tol=GTOL),
    }
    best, values, nfev = dict.fromkeys(calls, np.inf), {}, {}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            for _ in range(1 if name.startswith("SciPy") else 10):
                start = time.perf_counter()
                result = call()
                best[name] = min(best[name], time.perf_counter() - start)
            rows = result if isinstance(result, list) else [result]
            values[name] = np.hstack([row.fun for row in rows])
            nfev[name] = np.hstack([row.nfev for row in rows])
    reference = values["l2o Newton"]
    assert all(np.abs(each - reference).max() < 1e-9 for each in values.values())
    print(f"{m} fits, d = 4, n = 100, one worker, best of {arguments.rounds} rounds")
    print(f"{'':34}{'us a fit':>10}{'evaluations':>14}{'ratio':>8}")
    slowest = best["SciPy L-BFGS-B, NumPy objective"]
    for name, seconds in best.items():
        print(f"{name:34}{seconds / m * 1e6:10.1f}{nfev[name].mean():14.1f}{slowest / seconds:8.0f}")


if __name__ == "__main__":
    main()
