"""The lowest value known of each problem: the zero line of every curve.

Nobody knows the optimum of a non-convex function. What is used instead is the lowest value anyone has
seen: at the given candidates, along an L-BFGS run from the best of them, and along Newton steps from
where that ended, where the objective offers a Hessian. One number a problem, the same for all methods.
"""

from __future__ import annotations

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Workers
from l2o.baselines import LBFGS
from l2o.problems import Problems
from l2o.solving.minimize import minimize_many

__all__ = ["best_known"]

NEWTON_STEPS = 15
SMALLEST_CURVATURE = 1e-10  # of the largest one, by magnitude: below it an eigenvalue is rounding


def best_known(problems: Problems, candidates: ArrayLike, *, workers: Workers = 1) -> np.ndarray:
    """Return the lowest value known of each problem.

    The best finite candidate is polished with L-BFGS (memory 30, no tolerance on f) and, where the
    objective offers a Hessian, with safeguarded Newton steps.

    Parameters
    ----------
    problems : Problems
        m problems of dimension d.
    candidates : array_like, shape (m, k, d)
        Points to start from, for instance the best points of k runs. Points that are not finite, or
        where the objective is not, are ignored.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.

    Returns
    -------
    ndarray, shape (m,)
        The lowest value seen, candidates included; NaN where no candidate is finite.

    Raises
    ------
    ValueError, TypeError
        If candidates has another shape, or k is 0.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(3, rng=0)
    >>> lowest = best_known(problems, problems.x0[:, None])
    >>> bool((lowest < problems.value_and_grad(problems.x0)[0]).all())
    True
    """
    candidates = arguments.array("candidates", candidates, (len(problems), None, problems.dim),
                                 "(problems, candidates, variables)", finite=False)
    if candidates.shape[1] == 0:
        raise ValueError("candidates holds 0 points for each problem; expected at least 1")
    start, lowest = _best_candidate(problems, candidates)
    known = np.flatnonzero(np.isfinite(lowest))
    if len(known):
        lowest[known] = np.fmin(lowest[known], _polished(problems[known].with_starts(start[known]), workers))
    return np.where(np.isfinite(lowest), lowest, np.nan)


def _best_candidate(problems: Problems, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best finite candidate (m, d) and its value (m,), +inf where there is none."""
    finite = np.isfinite(candidates).all(axis=2)
    points = np.where(finite[:, :, None], candidates, problems.x0[:, None])
    values = np.stack([problems.value_and_grad(points[:, j])[0] for j in range(points.shape[1])], axis=1)
    values = np.where(finite & np.isfinite(values), values, np.inf)
    best = values.argmin(axis=1)
    rows = np.arange(len(problems))
    return points[rows, best], values[rows, best]


def _polished(problems: Problems, workers: Workers) -> np.ndarray:
    """Return the lowest value (m,) met from the problems' starting points."""
    with_hessian = problems.kernel.hessian is not None
    # Newton ends quadratically what L-BFGS begins
    tol = 1e-5 if with_hessian else 1e-12
    runs = minimize_many(problems, method=LBFGS(memory=30), tol=tol, workers=workers)
    return np.fmin(runs.fun, _newton(problems, runs.x)) if with_hessian else runs.fun


def _newton(problems: Problems, x: np.ndarray) -> np.ndarray:
    """Return the lowest value (m,) along Newton steps from x (m, d); a step that does not descend is shortened."""
    fun, jac = problems.value_and_grad(x)
    length = np.ones(len(x))
    for _ in range(NEWTON_STEPS):
        trial = x + length[:, None] * _newton_step(problems.hessian(x), jac)
        trial_fun, trial_jac = problems.value_and_grad(trial)
        better = (trial_fun < fun) & np.isfinite(trial_jac).all(axis=1)
        x, jac = np.where(better[:, None], trial, x), np.where(better[:, None], trial_jac, jac)
        fun = np.where(better, trial_fun, fun)
        length = np.where(better, 1.0, length / 4)
    return fun


def _newton_step(hessian: np.ndarray, jac: np.ndarray) -> np.ndarray:
    """Return -|H|^-1 g (m, d): along directions of negative curvature it descends as well."""
    usable = np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(jac).all(axis=1)
    hessian = np.where(usable[:, None, None], hessian, np.eye(jac.shape[1]))
    curvature, axes = np.linalg.eigh(hessian)
    size = np.abs(curvature)
    size = np.maximum(size, np.maximum(SMALLEST_CURVATURE * size.max(axis=1, keepdims=True), 1e-300))
    along = np.einsum("mij,mi->mj", axes, np.where(usable[:, None], jac, 0.0)) / size
    return -np.einsum("mij,mj->mi", axes, along)
