"""Seconds: the time of a whole batch on one worker, for each problem of it.

Only whole runs are timed. Within one, time is spread over steps in proportion to the evaluations they
took: spread evenly, L-BFGS, which stops at the limit of precision after 25 of 100 steps, would seem to
reach step 10 eight times sooner than it does when it is timed for 10 steps.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np

from l2o.methods import Method
from l2o.problems import Problems
from l2o.solving.rollout import Rollouts, rollout

__all__ = ["elapsed", "seconds_per_problem"]

REPETITIONS = 5
SLOW = 1.0  # seconds; what takes longer than this is timed once


def seconds_per_problem(problems: Problems, method: Method, n_steps: int) -> float:
    """Return the seconds that n_steps steps take for one problem, on one worker.

    The whole batch is run 5 times and the median divided by its size; a batch that takes more than a
    second (SciPy's methods on many problems) is run once.
    """
    times: list[float] = []
    while len(times) < REPETITIONS and (not times or times[0] <= SLOW):
        start = perf_counter()
        rollout(problems, method=method, n_steps=n_steps)
        times.append(perf_counter() - start)
    return median(times) / len(problems)


def elapsed(runs: Rollouts) -> np.ndarray:
    """Return the share of a run's time that has passed after each step, (T+1,), in [0, 1].

    It is the share of the evaluations after the one at x0, mean over problems; k / T for a method with
    one evaluation a step.
    """
    made = (runs.nfev - 1).sum(axis=0)
    total = int((~np.isnan(runs.evaluations)).sum()) - len(runs.nfev)
    return made / total if total > 0 else np.linspace(0.0, 1.0, runs.nfev.shape[1])
