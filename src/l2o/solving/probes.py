"""Probes: rows of a large batch that L-BFGS solves, too, so that a learned method goes on only where it saves.

Every 32nd row is a probe, from row 1,024 on every 128th. Verdicts fall after rows 192, 384, 768, 1,024, then every
1,024, on all probes up to there. Which rows are probed, and what a verdict says, depends on the problems alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from l2o.methods import Solution

__all__ = ["LEAST", "Probes", "is_worse", "joined", "schedule", "solved_in_order", "solved_with_probes"]

LEAST = 192  # problems from which on a batch is probed: after so many rows the first verdict falls
OFTEN, SELDOM, MANY = 32, 128, 1024  # every so many rows is a probe, up to row MANY and beyond
EARLY = (LEAST, 384, 768)  # verdicts before those after every MANY rows

Solve = Callable[["np.ndarray | slice"], Solution]  # of some rows of the batch


@dataclass(frozen=True, eq=False)
class Probes:
    """What the probes of a batch showed.

    Attributes
    ----------
    rows : ndarray of int, shape (p,)
        Which rows were probes.
    own, classical : ndarray of int, shape (p,)
        Evaluations that the method and L-BFGS took there.
    until : int
        Rows from here on are L-BFGS's: the number of rows, if no verdict was against the method.
    """

    rows: np.ndarray
    own: np.ndarray
    classical: np.ndarray
    until: int

    @property
    def ratio(self) -> float:
        """Evaluations of the method relative to those of L-BFGS; NaN without a probe."""
        return float(self.own.sum() / self.classical.sum()) if len(self.rows) else np.nan


def schedule(m: int) -> list[tuple[int, np.ndarray]]:
    """Return for each verdict on a batch of m rows after how many it falls, and the rows probed since the last one.

    No verdict falls after the last row, since none would follow it; nor is a row probed after the last verdict.
    """
    ends = [end for end in (*EARLY, *range(MANY, m, MANY)) if end < m]
    rows = np.concatenate([np.arange(OFTEN - 1, MANY, OFTEN), np.arange(MANY + SELDOM - 1, m, SELDOM)])
    return [(end, rows[(rows >= begin) & (rows < end)]) for begin, end in zip((0, *ends), ends)]


def is_worse(own: np.ndarray, classical: np.ndarray) -> bool:
    """Return whether a method took more evaluations (p,) than L-BFGS, in the mean by more than one standard error."""
    more = own - classical
    total = more.sum()  # above one standard error of itself where its square is above the sum of squares
    return bool(total > 0 and total * total > (more * more).sum())


def solved_with_probes(m: int, own: Solve, classical: Solve) -> tuple[Solution, Probes]:
    """Solve a batch of m rows by a learned method, and by L-BFGS from a verdict against the method on.

    At a probe the method's result is returned; its count of evaluations includes those of L-BFGS.

    Parameters
    ----------
    m : int
        Rows.
    own, classical : callable
        Solve rows, given by number, by the method and by L-BFGS.
    """
    probed, until = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.intp))], m
    parts = []
    for end, rows in schedule(m):
        mine, theirs = own(rows), classical(rows).nfev
        probed.append((rows, mine.nfev, theirs))
        parts.append((rows, mine._replace(nfev=mine.nfev + theirs)))
        if is_worse(np.concatenate([each[1] for each in probed]), np.concatenate([each[2] for each in probed])):
            until = end
            break
    places, taken, classical_taken = (np.concatenate(column) for column in zip(*probed))
    probes = Probes(places, taken, classical_taken, until)
    alone = np.ones(until, np.bool_)
    alone[probes.rows] = False
    rest = np.flatnonzero(alone)
    parts.append((rest, own(rest)))
    if until < m:
        parts.append((np.arange(until, m), classical(np.arange(until, m))))
    return joined(m, parts), probes


def solved_in_order(m: int, piece: int, own: Solve, classical: Solve) -> tuple[Solution, Probes]:
    """Solve a batch as `solved_with_probes` does, by a method that takes neighbours together, in pieces.

    A verdict falls after the piece that its row is in, since all rows up to there are solved by then, and after half as
    many rows again as were solved before: each is a call of its own, with its pieces for the workers.
    """
    ends = [0]
    for end in (*(-(-end // piece) * piece for end, _ in schedule(m)), m):
        if ends[-1] < end < m and 2 * end >= 3 * ends[-1]:
            ends.append(end)
    rows = np.concatenate([np.empty(0, np.intp), *(rows for _, rows in schedule(m))])
    begin, taken, theirs, parts = 0, np.empty(0, np.intp), np.empty(0, np.intp), []
    for end in (*ends[1:], m):
        mine, here = own(slice(begin, end)), rows[(rows >= begin) & (rows < end)]
        taken, theirs = np.append(taken, mine.nfev[here - begin]), np.append(theirs, classical(here).nfev)
        mine.nfev[here - begin] += theirs[len(theirs) - len(here) :]
        parts.append(mine)
        begin = end
        if len(taken) and is_worse(taken, theirs):
            break
    if begin < m:
        parts.append(classical(slice(begin, m)))
    solution = Solution(*(np.concatenate(column) for column in zip(*(part[:-1] for part in parts))))
    return solution, Probes(rows[: len(taken)], taken, theirs, begin)


def joined(m: int, parts: list[tuple[np.ndarray, Solution]]) -> Solution:
    """Return the solution of all m rows; where L-BFGS was alone, no run was outside what a method has met."""
    place = np.empty(m, np.intp)
    place[np.concatenate([rows for rows, _ in parts])] = np.arange(m)
    x, fun, jac, nit, nfev, status, test = (
        np.concatenate(column)[place] for column in zip(*(part[:7] for _, part in parts)))
    outside = None
    if any(part.outside is not None for _, part in parts):
        outside = np.concatenate([np.zeros(len(rows), np.bool_) if part.outside is None else part.outside
                                  for rows, part in parts])[place]
    return Solution(x, fun, jac, nit, nfev, status, test, outside)
