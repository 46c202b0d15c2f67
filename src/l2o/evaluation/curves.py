"""Curves: what is read off the rollouts, and its mean, median and bootstrap band over problems.

By iteration, the value at k is f after k accepted steps. By evaluation, it is the lowest f among
evaluations 0..k, for every method alike, so that a line search pays for its trials. Means are over the
problems on which all methods stay finite, for else a method would gain by failing on the hard ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from l2o.evaluation.bootstrap import interval
from l2o.solving.rollout import Rollouts

__all__ = ["VALUES", "Curve", "difference", "finite_everywhere", "summarise"]

Values = dict[str, np.ndarray]  # name -> f - f_star, (m, T+1)


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a comparison, with its uncertainty.

    Attributes
    ----------
    k : ndarray, shape (T+1,)
        Iterations, evaluations after the one at x0, or seconds a problem.
    mean : ndarray, shape (T+1,)
        Mean over the `n_averaged` problems on which all methods are finite at every k.
    median : ndarray, shape (T+1,)
        Median over all problems; values that are not finite count as +inf.
    low, high : ndarray, shape (T+1,)
        Ends of the 95 % bootstrap interval of the mean: functions resampled with replacement, the same
        resamples for all methods and all k.
    n_nonfinite : int
        Runs of this method with a value that is not finite, out of n_problems.
    n_averaged : int
        Number of problems behind mean, low and high. If it is 0, these are NaN.
    n_problems : int
        Number of all problems.
    """

    k: np.ndarray
    mean: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_nonfinite: int
    n_averaged: int
    n_problems: int

    @property
    def share_nonfinite(self) -> float:
        """Share of this method's runs that are not finite, in [0, 1]."""
        return self.n_nonfinite / self.n_problems


def by_iteration(runs: Rollouts) -> np.ndarray:
    """Return f after k iterations, (m, T+1)."""
    return runs.fun


def by_evaluation(runs: Rollouts) -> np.ndarray:
    """Return the lowest f among evaluations 0..k, (m, T+1); +inf if none of them is finite."""
    n = runs.fun.shape[1]
    seen = runs.evaluations[:, :n]
    seen = np.pad(seen, ((0, 0), (0, n - seen.shape[1])), constant_values=np.nan)  # a run that stopped early
    return np.fmin.accumulate(np.where(np.isneginf(seen), np.inf, seen), axis=1)


VALUES: dict[str, Callable[[Rollouts], np.ndarray]] = {
    "iteration": by_iteration,
    "evaluation": by_evaluation,
    "seconds": by_iteration,  # the same points, over the time at which they are reached
}


def summarise(values: Values, k: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, Curve]:
    """Return the curve of each method.

    Parameters
    ----------
    values : dict of ndarray, shape (m, T+1)
        f - f_star of each method.
    k : dict of ndarray, shape (T+1,)
        The axis of each method.
    counts : ndarray, shape (n_bootstrap, m)
        Resamples, from `l2o.evaluation.bootstrap.resample`.

    Returns
    -------
    dict of Curve
    """
    shared = finite_everywhere(values)
    return {name: curve(k[name], each, shared, counts) for name, each in values.items()}


def difference(values: Values, a: str, b: str, k: np.ndarray, counts: np.ndarray) -> Curve:
    """Return the curve of f_b - f_a; its median, too, is over the problems on which all methods are finite."""
    shared = finite_everywhere(values)
    with np.errstate(invalid="ignore"):
        paired = values[b] - values[a]
    part = paired[shared]
    n_nonfinite = int((~(np.isfinite(values[a]) & np.isfinite(values[b]))).any(axis=1).sum())
    return Curve(k, _mean(part), _median(part), *interval(part, counts[:, shared]), n_nonfinite, len(part), len(paired))


def curve(k: np.ndarray, values: np.ndarray, averaged: np.ndarray, counts: np.ndarray) -> Curve:
    """Return the curve of values (m, T+1), the mean over the problems in the mask `averaged` (m,)."""
    finite = np.isfinite(values)
    part = values[averaged]
    return Curve(k, _mean(part), _median(np.where(finite, values, np.inf)), *interval(part, counts[:, averaged]),
                 int((~finite).any(axis=1).sum()), len(part), len(values))


def finite_everywhere(values: Values) -> np.ndarray:
    """Return the mask (m,) of problems on which every method is finite at every k."""
    return np.logical_and.reduce([np.isfinite(each).all(axis=1) for each in values.values()])


def _mean(values: np.ndarray) -> np.ndarray:
    if len(values) == 0:
        return np.full(values.shape[1], np.nan)
    with np.errstate(over="ignore"):
        return values.mean(axis=0)


def _median(values: np.ndarray) -> np.ndarray:
    if len(values) == 0:
        return np.full(values.shape[1], np.nan)
    # method of the two middle values by hand: NumPy's own warns where both are infinite
    ordered, middle = np.sort(values, axis=0), len(values) // 2
    return ordered[middle] if len(values) % 2 else 0.5 * ordered[middle - 1] + 0.5 * ordered[middle]
