"""compare: run methods on the same problems from the same points, and record what each does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from l2o.base import arguments
from l2o.base.parallel import resolve_workers
from l2o.base.typing import ArrayLike, Seed, Workers
from l2o.evaluation.bootstrap import resample
from l2o.evaluation.comparison import Comparison
from l2o.methods import Method
from l2o.problems import Problems, problems_with_starts
from l2o.solving.named import resolve
from l2o.solving.optimum import best_known
from l2o.solving.rollout import Rollouts, rollout

__all__ = ["compare"]


def compare(problems: Problems, methods: Mapping[str, str | Method], x0: ArrayLike | None = None, *,
            n_steps: int = 100, f_star: ArrayLike | None = None, workers: Workers = 1, n_bootstrap: int = 2000,
            rng: Seed = 0) -> Comparison:
    """Run methods on the same problems from the same points, without tolerances.

    Parameters
    ----------
    problems : Problems
        m problems of dimension d, unseen in training and tuning.
    methods : dict of str, Policy or baseline
        The methods, by the names under which they are shown. The first is the reference of paired differences.
    x0 : array_like, shape (m, d), optional
        Starting points; by default those of the problems.
    n_steps : int
        Steps T of a run, at least 1.
    f_star : array_like, shape (m,), optional
        The values from which others are measured, one number a problem. By default the lowest value that any compared
        run evaluated, or that a polish from the best point of each run found.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs) of the runs, not of the timing; the result does not depend on it.
    n_bootstrap : int
        Number of resamples of the problems behind the intervals, at least 1.
    rng : None, int, SeedSequence or Generator
        Source of the resamples.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit; before anything is run.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(20, rng=0)
    >>> methods = {"momentum": l2o.baselines.Momentum(1.5, 0.5), "L-BFGS": "lbfgs"}
    >>> report = l2o.compare(problems, methods, n_steps=10)
    >>> report.curves(by="evaluation")["L-BFGS"].mean.shape
    (11,)
    """
    problems = problems_with_starts(problems, x0)
    if len(problems) == 0:
        raise ValueError("problems is empty; expected at least one problem")
    chosen = _chosen(methods, problems)
    n_steps, n_bootstrap = arguments.count("n_steps", n_steps), arguments.count("n_bootstrap", n_bootstrap)
    if f_star is not None:
        f_star = arguments.array("f_star", f_star, (len(problems),), "one value for each problem").copy()
    resolve_workers(workers)
    resamples = resample(len(problems), n_bootstrap, arguments.generator(rng))
    runs = {name: rollout(problems, method=each, n_steps=n_steps, workers=workers) for name, each in chosen.items()}
    if f_star is None:
        f_star = _lowest(problems, list(runs.values()), workers)
    return Comparison(problems, chosen, runs, f_star, n_steps, resamples)


def _chosen(methods: Mapping[str, str | Method], problems: Problems) -> dict[str, Method]:
    if not isinstance(methods, Mapping):
        raise TypeError(f"methods is {type(methods).__name__}; expected a dict from names to methods")
    if not methods:
        raise ValueError("methods is empty; expected at least one name with a method")
    for name in methods:
        if not isinstance(name, str):
            raise TypeError(f"methods has the name {name!r}; expected a str")
    chosen = {name: resolve(method) for name, method in methods.items()}
    for method in chosen.values():
        method.check_problems(problems)
    return chosen


def _lowest(problems: Problems, runs: list[Rollouts], workers: Workers) -> np.ndarray:
    """Return the lowest value (m,) that a run evaluated or a polish from the best point of each run found."""
    rows = np.arange(len(problems))
    values = [np.where(np.isfinite(each.fun), each.fun, np.inf) for each in runs]
    points = np.stack([each.x[rows, v.argmin(axis=1)] for each, v in zip(runs, values)], axis=1)
    evaluated = np.concatenate([each.evaluations for each in runs], axis=1)
    seen = np.where(np.isfinite(evaluated), evaluated, np.inf).min(axis=1)
    lowest = np.fmin(best_known(problems, points, workers=workers), seen)
    return np.where(np.isfinite(lowest), lowest, np.nan)
