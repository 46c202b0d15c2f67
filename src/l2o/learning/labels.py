"""Labels: what is known of a problem once it is solved: its minimiser, its Hessian there, what finding them cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from l2o.base.watch import Watched, heard
from l2o.baselines import LBFGS
from l2o.methods import Solution, Stopping
from l2o.problems import Problems

__all__ = ["Ends", "Labels", "Within", "as_it_is", "by_differences", "hessians", "positive"]

STOPPING = Stopping(gtol=1e-9, maxiter=500, maxfun=2000)
FLAT = 1e-4  # least eigenvalue of a Hessian, in units of its largest
STEP = 1e-5  # of central differences of the gradient, relative to the variable or to 1
CLOSE = 1e-6  # of the fall: a run whose predicted gap is larger has not arrived


Within = Callable[[np.ndarray], np.ndarray]  # points (m, d) -> the nearest ones in the bounds


def as_it_is(x: np.ndarray) -> np.ndarray:
    """Return points without bounds."""
    return x


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of m solved problems of dimension d; those without a usable minimum are left out.

    Attributes
    ----------
    problems : Problems
        The m usable problems.
    x, fun : ndarray, shape (m, d) and (m,)
        Lowest points found, and their values.
    start : ndarray, shape (m,)
        Values at the problems' own starting points.
    hessian : ndarray, shape (m, d, d)
        Hessians at `x`, made positive definite.
    rows : ndarray of int, shape (m,)
        Where the usable problems stood among those given.
    left_out : dict of str to int
        How many problems were left out, by reason.
    nfev : ndarray of int, shape (given,)
        Evaluations that each given problem took, those for its Hessian included.
    """

    problems: Problems
    x: np.ndarray
    fun: np.ndarray
    start: np.ndarray
    hessian: np.ndarray
    rows: np.ndarray
    left_out: dict[str, int]
    nfev: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray) -> Labels:
        """Return some of the labels; what was left out stays with the whole."""
        return Labels(self.problems[rows], self.x[rows], self.fun[rows], self.start[rows], self.hessian[rows],
                      self.rows[rows], {}, self.nfev)

    @property
    def fall(self) -> np.ndarray:
        """How far each problem falls from its start to its minimum, above zero, (m,)."""
        return np.maximum(self.start - self.fun, np.finfo(float).tiny)

    @classmethod
    def of(cls, problems: Problems, n_starts: int, rng: np.random.Generator) -> Labels:
        """Solve problems by L-BFGS from their own start and from `n_starts - 1` others near it.

        The other starts are the own one plus noise, as wide in each variable as the minimisers of the first runs lie
        from their starts. The lowest end point counts, if it is finite and the Hessian there says that it is a minimum
        within 1e-6 of the fall.

        Parameters
        ----------
        problems : Problems
            Problems to learn from.
        n_starts : int
            Runs of each, at least 1.
        rng : Generator
            Source of the noise.
        """
        start, slope = problems.value_and_grad(problems.x0)
        x, fun, nfev = _lowest(problems, n_starts, rng)
        usable = np.isfinite(start) & np.isfinite(slope).all(axis=1) & np.isfinite(fun)
        x = np.where(usable[:, None], x, problems.x0)
        hessian, taken = hessians(problems, x)
        return cls.at(problems, start, Ends(x, np.where(usable, fun, np.inf), problems.value_and_grad(x)[1], hessian),
                      nfev + taken)

    @classmethod
    def at(cls, problems: Problems, start: np.ndarray, ends: Ends, nfev: np.ndarray, close: float = CLOSE) -> Labels:
        """Return the labels of problems whose runs from their starts, of values (m,), have come to their ends.

        Parameters
        ----------
        problems : Problems
            The m problems.
        start : ndarray, shape (m,)
            Values at their starting points.
        ends : Ends
            Where runs ended, with Hessians.
        nfev : ndarray of int, shape (m,)
            Evaluations that all this took.
        close : float
            Gap, in units of the fall, within which a run has arrived.
        """
        finite = np.isfinite(start) & np.isfinite(ends.fun) & np.isfinite(ends.jac).all(axis=1)
        curved = finite & np.isfinite(ends.hessian).all(axis=(1, 2))
        matrix = positive(np.where(curved[:, None, None], ends.hessian, np.eye(problems.dim)))
        with np.errstate(invalid="ignore"):
            gap = 0.5 * np.einsum("mi,mi->m", ends.jac, np.linalg.solve(matrix, ends.jac[:, :, None])[:, :, 0])
            arrived = curved & (gap <= close * np.maximum(start - ends.fun, 0.0) + 1e-13 * np.abs(ends.fun))
        left_out = {"not finite": int((~finite).sum()), "Hessian not finite": int((finite & ~curved).sum()),
                    "not converged": int((curved & ~arrived).sum())}
        rows = np.flatnonzero(arrived)
        return cls(problems[rows], ends.x[rows], ends.fun[rows], start[rows], matrix[rows], rows,
                   {reason: n for reason, n in left_out.items() if n}, nfev)


class Ends(NamedTuple):
    """Where m runs ended.

    Attributes
    ----------
    x, fun, jac : ndarray, shape (m, d), (m,) and (m, d)
        Points, values, gradients; of a variable that a bound holds, zero.
    hessian : ndarray, shape (m, d, d)
        Hessians there.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    hessian: np.ndarray


def _lowest(problems: Problems, n_starts: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest end points (m, d) of runs from several starts, their values, and evaluations in all."""
    found = _solved(problems)
    x, fun, nfev = found.x, np.where(np.isfinite(found.fun), found.fun, np.inf), found.nfev
    moved = (x - problems.x0)[np.isfinite(fun)]
    spread = np.sqrt((moved**2).mean(axis=0)) if len(moved) else np.ones(problems.dim)
    for _ in range(n_starts - 1):
        starts = problems.x0 + spread * rng.standard_normal(x.shape)
        found = _solved(problems.with_starts(starts))
        lower = np.isfinite(found.fun) & (found.fun < fun)
        x[lower], fun[lower] = found.x[lower], found.fun[lower]
        nfev = nfev + found.nfev
    return x, fun, nfev


def _solved(problems: Problems) -> Solution:
    return heard(lambda watch: LBFGS().solve(Watched(problems, watch), STOPPING))


def hessians(problems: Problems, x: np.ndarray, within: Within = as_it_is) -> tuple[np.ndarray, int]:
    """Return the Hessian of each problem at its row of x, (m, d, d), and how many evaluations a problem took.

    A family's own Hessian counts as d evaluations; without one, central differences of the gradient take 2 d, at points
    that `within` brings into bounds.
    """
    if problems.hessian_function is not None:
        return problems.hessian(x), problems.dim
    return by_differences(lambda points: problems.value_and_grad(points)[1], x, within, STEP), 2 * x.shape[1]


def by_differences(gradients: Callable[[np.ndarray], np.ndarray], x: np.ndarray, within: Within,
                   size: float) -> np.ndarray:
    """Return Hessians (m, d, d) at x (m, d) by central differences of gradients, (m, d) -> (m, d).

    Steps are `size` relative to the variable or to 1, and end at points that `within` brings into bounds.
    """
    hessian = np.empty((*x.shape, x.shape[1]))
    for j in range(x.shape[1]):
        step = np.zeros_like(x)
        step[:, j] = size * np.maximum(1.0, np.abs(x[:, j]))
        ends = within(x + step), within(x - step)
        above, below = (gradients(end) for end in ends)
        apart = ends[0][:, j] - ends[1][:, j]
        hessian[:, :, j] = np.where(apart > 0, 1.0 / np.where(apart > 0, apart, 1.0), 0.0)[:, None] * (above - below)
    return 0.5 * (hessian + hessian.transpose(0, 2, 1))


def positive(matrices: np.ndarray) -> np.ndarray:
    """Return symmetric matrices (m, d, d) with the sizes of their eigenvalues, 1e-4 of the largest at least."""
    values, vectors = np.linalg.eigh(matrices)
    values = np.abs(values)
    least = np.maximum(FLAT * values.max(axis=1, keepdims=True), np.finfo(float).tiny)
    return np.einsum("mij,mj,mkj->mik", vectors, np.maximum(values, least), vectors)
