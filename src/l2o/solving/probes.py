"""Probes: rows of a large batch that L-BFGS solves, too, so that a learned method goes on only where it saves.

Every 32nd row is a probe, from row 1,024 on every 128th. Verdicts fall after rows 192, 384, 768, 1,024, then every
1,024, on all probes up to there. Which rows are probed, and what a verdict says, depends on the problems alone.

A call takes longer than a cheap problem. So probes are solved before their verdicts, some verdicts' at a time: up to
row 1,024, then four times as far each time. In a batch of many thousands two calls more are nothing, and the
evaluations of a method that is worse are not: there it is up to row 192 first. Probes after a verdict against the
method are L-BFGS's, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from l2o.methods import Solution

__all__ = ["LEAST", "Probes", "Tally", "joined", "schedule", "solved_in_order", "solved_with_probes"]

LEAST = 192  # problems from which on a batch is probed: after so many rows the first verdict falls
OFTEN, SELDOM, MANY = 32, 128, 1024  # every so many rows is a probe, up to row MANY and beyond
EARLY = (LEAST, 384, 768)  # verdicts before those after every MANY rows
LARGE = 8 * MANY  # rows from which on the probes of the first verdict are solved before others

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
    beyond : int
        Evaluations that the method took on rows from there on, for verdicts that did not fall.
    """

    rows: np.ndarray
    own: np.ndarray
    classical: np.ndarray
    until: int
    beyond: int = 0

    @property
    def ratio(self) -> float:
        """Evaluations of the method relative to those of L-BFGS; NaN without a probe."""
        return float(self.own.sum() / self.classical.sum()) if len(self.rows) else np.nan


class Tally:
    """What the probes say so far: how many more evaluations a method took than L-BFGS, and the sum of the squares."""

    def __init__(self) -> None:
        self._more, self._squares = 0.0, 0.0

    def turns(self, more: Iterable[float]) -> bool:
        """Add probes; return whether the method takes more than L-BFGS, in the mean by more than one standard error."""
        for each in more:
            self._more += each
            self._squares += each * each
        return self._more > 0 and self._more**2 > self._squares


def schedule(m: int) -> list[tuple[int, np.ndarray]]:
    """Return for each verdict on a batch of m rows after how many it falls, and the rows probed since the last one.

    No verdict falls after the last row, since none would follow it; nor is a row probed after the last verdict.
    """
    ends = [end for end in (*EARLY, *range(MANY, m, MANY)) if end < m]
    rows = np.arange(OFTEN - 1, min(m, MANY), OFTEN)
    if m > MANY:
        rows = np.append(rows, np.arange(MANY + SELDOM - 1, m, SELDOM))
    places = [0, *rows.searchsorted(ends).tolist()]
    return [(end, rows[first:last]) for end, first, last in zip(ends, places, places[1:])]


def _stages(verdicts: list[tuple[int, np.ndarray]]) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Yield the verdicts whose probes are solved in one call."""
    stage: list[tuple[int, np.ndarray]] = []
    last = LEAST if verdicts and verdicts[-1][0] >= LARGE else MANY
    for each in verdicts:
        if each[0] > last:
            yield stage
            stage, last = [], 4 * last
        stage.append(each)
    if stage:
        yield stage


def solved_with_probes(m: int, own: Solve, classical: Solve, weight: float = 1.0) -> tuple[Solution, Probes]:
    """Solve a batch of m rows by a learned method, and by L-BFGS from a verdict against the method on.

    At a probe the method's result is returned; its count of evaluations includes those of L-BFGS.

    Parameters
    ----------
    m : int
        Rows.
    own, classical : callable
        Solve rows, given by number, by the method and by L-BFGS.
    weight : float
        What an evaluation of the method counts in a verdict, those of L-BFGS as 1.
    """
    tally, until, parts, shown, beyond = Tally(), m, [], [_NONE], 0
    open_rows = np.ones(m, np.bool_)
    for stage in _stages(schedule(m)):
        rows = np.concatenate([some for _, some in stage])
        mine, theirs = own(rows), classical(rows)
        more, both, first = (weight * mine.nfev - theirs.nfev).tolist(), mine.nfev + theirs.nfev, 0
        open_rows[rows] = False
        for end, some in stage:
            if tally.turns(more[first : first + len(some)]):
                until = end
                break
            first += len(some)
        n = len(rows) if until == m else int(rows.searchsorted(until))
        shown.append((rows[:n], mine.nfev[:n], theirs.nfev[:n]))
        parts.append((rows[:n], _some(mine._replace(nfev=both), slice(n))))
        if until < m:
            parts.append((rows[n:], _some(theirs._replace(nfev=both), slice(n, None))))
            beyond = int(mine.nfev[n:].sum())
            break
    rest = np.flatnonzero(open_rows)
    n = int(rest.searchsorted(until))
    parts.append((rest[:n], own(rest[:n])))
    if until < m:
        parts.append((rest[n:], classical(rest[n:])))
    places, taken, classical_taken = (np.concatenate(column) for column in zip(*shown))
    return joined(m, parts), Probes(places, taken, classical_taken, until, beyond)


_NONE = (np.empty(0, np.intp),) * 3


def _some(solution: Solution, rows: slice) -> Solution:
    return Solution(*(None if column is None else column[rows] for column in solution))  # type: ignore[arg-type]


def solved_in_order(m: int, piece: int, own: Solve, classical: Solve, weight: float = 1.0) -> tuple[Solution, Probes]:
    """Solve a batch as `solved_with_probes` does, by a method that takes neighbours together, in pieces.

    A verdict falls after the piece that its row is in, since all rows up to there are solved by then, and after half as
    many rows again as were solved before: each is a call of its own, with its pieces for the workers.
    """
    ends = [0]
    for end in (*(-(-end // piece) * piece for end, _ in schedule(m)), m):
        if ends[-1] < end < m and 2 * end >= 3 * ends[-1]:
            ends.append(end)
    rows = np.concatenate([np.empty(0, np.intp), *(rows for _, rows in schedule(m))])
    begin, taken, theirs, parts, tally = 0, np.empty(0, np.intp), np.empty(0, np.intp), [], Tally()
    for end in (*ends[1:], m):
        mine, here = own(slice(begin, end)), rows[(rows >= begin) & (rows < end)]
        new = classical(here).nfev
        taken, theirs = np.append(taken, mine.nfev[here - begin]), np.append(theirs, new)
        against = tally.turns((weight * mine.nfev[here - begin] - new).tolist())
        mine.nfev[here - begin] += new
        parts.append(mine)
        begin = end
        if against:
            break
    if begin < m:
        parts.append(classical(slice(begin, m)))
    solution = Solution(*(np.concatenate(column) for column in zip(*(part[:-1] for part in parts))))
    return solution, Probes(rows[: len(taken)], taken, theirs, begin)


def joined(m: int, parts: list[tuple[np.ndarray, Solution]]) -> Solution:
    """Return the solution of all m rows; where L-BFGS was alone, no run was outside what a method has met."""
    known = any(part.outside is not None for _, part in parts)
    columns = [np.empty((m, *column.shape[1:]), column.dtype) for column in parts[0][1][:7]]
    result = Solution._make([*columns, np.zeros(m, np.bool_) if known else None])
    for rows, part in parts:
        for column, values in zip(result, part):
            if column is not None and values is not None:
                column[rows] = values
    return result
