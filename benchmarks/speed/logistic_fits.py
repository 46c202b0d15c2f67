"""Small logistic regressions to a gradient of 1e-6: SciPy in a loop, our engine, and our engine with a policy.

    python -m benchmarks.speed.logistic_fits [--fits 10000] [--rounds 3] [--docs]

All run in one process on one worker, in turn; the shortest of the rounds counts. The policy is the one that
is shipped. The fits are none of its family's draws.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import numpy as np

import l2o
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.speed.fits import GTOL, compared, race
from benchmarks.timing import one_core


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


def drawn(m):
    """Return m problems, from zero, and the same functions in NumPy."""
    rng, family = np.random.default_rng(0), l2o.families.Logistic()
    y = rng.integers(0, 2, (m, 100))
    X = rng.standard_normal((m, 100, 3)) + rng.uniform(-1, 1, (m, 1, 3)) * (2 * y - 1)[:, :, None]
    return family.from_data(X, y), [in_numpy(*data, family.l2) for data in zip(X, y)]


def main():
    """Measure, compare, print."""
    parser = arguments(__doc__.splitlines()[0], rounds=3)
    parser.add_argument("--fits", type=int, default=10_000)
    given = parser.parse_args()
    policy = l2o.load("logistic")
    one_core()
    fits = race(*drawn(given.fits), {"L-BFGS": "lbfgs", "Newton": "newton", "policy, safeguarded": policy},
                given.rounds)
    told = machine("l2o", "numpy", "scipy")
    text = (f"{given.fits:,} fits, d = 4, n = 100, to |g| <= {GTOL:.0e} from zero; the last columns say how many times "
            f"faster than SciPy in a loop. Best of {given.rounds} rounds. {sentence(told)}")
    record = {"machine": told, "rounds": given.rounds, "seconds": {name: each.seconds for name, each in fits.items()}}
    publish("logistic-fits", f"{table(*compared(fits))}\n\n{text}", record, given)


if __name__ == "__main__":
    main()
