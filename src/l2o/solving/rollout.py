"""rollout: run a method for a number of steps and record everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.parallel import map_rows
from l2o.base.typing import ArrayLike, Workers
from l2o.methods import Method, Record
from l2o.problems import Problems, problems_with_starts
from l2o.solving.named import resolve
from l2o.solving.starts import begun

__all__ = ["Rollouts", "rollout"]


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Trajectories of a method on m problems; a step is one accepted iteration.

    Attributes
    ----------
    x : ndarray, shape (m, T+1, d)
        Locations; row 0 is the start.
    fun : ndarray, shape (m, T+1)
        Objective values.
    jac : ndarray, shape (m, T+1, d)
        Gradients.
    nfev : ndarray of int, shape (m, T+1)
        Evaluations made up to each step; the one at the start is counted.
    status : ndarray of int, shape (m,)
        1 if all steps were taken; 0, 2, 3 or 4 if the method stopped before (then its last row repeats).
    evaluations : ndarray, shape (m, E)
        Objective values at every evaluated point in order, line-search trials included; +inf where not
        finite, NaN after the last.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nfev: np.ndarray
    status: np.ndarray
    evaluations: np.ndarray


def rollout(problems: Problems, x0: ArrayLike | None = None, *, method: str | Method, n_steps: int = 40,
            workers: Workers = 1) -> Rollouts:
    """Run a method from x0 for n_steps steps, without any tolerance or safeguard.

    A policy that leaves large batches to another method, as to Newton's, is shown by the steps of that.

    Parameters
    ----------
    problems : Problems
        m problems of dimension d.
    x0 : array_like, shape (m, d), optional
        Starting points; by default those of the problems.
    method : str, Policy or baseline
        The method.
    n_steps : int
        Number T of steps, at least 0.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.

    Returns
    -------
    Rollouts

    Raises
    ------
    ValueError
        If x0 does not fit, the method is unknown, or a policy has another dimension.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(2, rng=0)
    >>> runs = l2o.rollout(problems, method=l2o.baselines.GradientDescent(1.0), n_steps=5)
    >>> runs.fun.shape, runs.nfev[0].tolist()
    ((2, 6), [1, 2, 3, 4, 5, 6])
    """
    chosen, problems = resolve(method), problems_with_starts(problems, x0)
    if x0 is None:
        problems = begun(problems, chosen)
    chosen.check_problems(problems)
    chosen = chosen.serving(problems)
    n_steps = arguments.count("n_steps", n_steps, 0)
    return Rollouts(*map_rows(_RecordTask(problems, chosen, n_steps), len(problems), chosen.workers(workers),
                              empty=lambda m: chosen.empty_record(n_steps, problems.dim, m), pieces=True))


@dataclass(eq=False)  # not frozen, which costs a third of a microsecond
class _RecordTask:
    problems: Problems
    method: Method
    n_steps: int

    def __getitem__(self, rows: slice) -> _RecordTask:
        return _RecordTask(self.problems[rows], self.method, self.n_steps)

    def __call__(self, *out: Any) -> Record:
        return self.method.record(self.problems, self.n_steps, *(Record(*columns) for columns in out))
