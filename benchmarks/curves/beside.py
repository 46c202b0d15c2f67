"""Ways to fit the same curves, beside one another: what each takes, and how often it ends lowest."""

from typing import NamedTuple

import numpy as np

from benchmarks.timing import best_of

ALIKE = 1e-6  # of chi2: fits so far above the lowest of all are at the best


class Told(NamedTuple):
    """Of a way: mean evaluations of a fit, the mean of their logarithms, share at the best, microseconds a fit."""

    nfev: float
    log: float
    right: float
    us: float


def beside(calls, rounds=3):
    """Return for each of the calls, which fit the same curves, its fits and what is told of them."""
    fits = {name: call() for name, call in calls.items()}
    best = np.min([each.chi2 for each in fits.values()], axis=0) * (1.0 + ALIKE)
    seconds = best_of(calls, rounds)
    return fits, {name: Told(each.nfev.mean(), np.log(each.nfev).mean(), (each.chi2 <= best).mean(),
                             1e6 * seconds[name] / len(best)) for name, each in fits.items()}
