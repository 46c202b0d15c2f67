"""Runs: problems minimised by a method, one call of it, or a batch that is spread over workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from l2o.base.parallel import map_rows
from l2o.base.typing import Workers
from l2o.base.watch import Watch, Watched
from l2o.baselines import LBFGS
from l2o.learning.price import Price
from l2o.methods import Box, Callback, Method, Solution, Stopping
from l2o.policies.expecting import LEAN
from l2o.problems import Problems, PythonObjective
from l2o.solving.callbacks import BatchCallback
from l2o.solving.probes import LEAST, solved_with_probes
from l2o.solving.starts import begun, declined, gone_back, taken_over

__all__ = ["Runs", "Spread", "solved"]


@dataclass(eq=False)  # not frozen, which costs a third of a microsecond
class Runs:
    """Minimisations of m problems by a method.

    Attributes
    ----------
    problems : Problems
        The problems, with their starts.
    method : Method
        What minimises them.
    stopping : Stopping
        When a run ends.
    box : Box or None
        Bounds.
    watch : Watch or None
        What hears Ctrl-C.
    free : bool
        Whether runs begin where the method thinks best, not at the problems' own starts.
    callback : BatchCallback or None
        What is told of each iteration.
    numbers : ndarray of int, shape (m,), or None
        What it calls the problems; None for 0 to m - 1.
    """

    problems: Problems
    method: Method
    stopping: Stopping
    box: Box | None
    watch: Watch | None
    free: bool
    callback: BatchCallback | None = None
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, rows: slice | np.ndarray) -> Runs:
        box = None if self.box is None else self.box[rows]
        if self.callback is None:
            return Runs(self.problems[rows], self.method, self.stopping, box, self.watch, self.free)
        return replace(self, problems=self.problems[rows], box=box, numbers=self._numbers()[rows])

    def _numbers(self) -> np.ndarray:
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def __call__(self) -> tuple[np.ndarray, ...]:
        found = self._solved() if self.callback is None else self._told(self.callback)
        return cast("tuple[np.ndarray, ...]", found[:-1] if found.outside is None else found)

    def _solved(self, callback: Callback | None = None) -> Solution:
        return solved(self.problems, self.method, self.stopping, self.box, callback, self.watch, self.free)

    def _told(self, callback: BatchCallback) -> Solution:
        """Return the solution of runs made one by one, each of which the callback is told of."""
        if len(self) == 0:
            return self._solved()
        parts = [self[i : i + 1]._solved(callback.of(int(number))) for i, number in enumerate(self._numbers())]
        columns = [None if column[0] is None else np.concatenate(column) for column in zip(*parts)]
        return Solution(*cast("list[np.ndarray]", columns))

    def by(self, method: Method) -> Runs:
        """Return runs of the same problems by another method, with its safeguard if it has one."""
        return replace(self, method=method, stopping=self.stopping._replace(safeguard=method.safeguarded))

    def spread(self, workers: Workers, progress: bool = False) -> Solution:
        """Return the solution, made by workers; what the method solves together stays together."""
        size = self.method.piece
        task = self if size == 1 else _Pieces(self, size)
        return Solution(*map_rows(task, -(-len(self.problems) // size), workers, progress))

    def with_probes(self, spread: Spread) -> Solution:
        """Return the solution; a large batch is solved by a learned method as long as that saves evaluations."""
        problems, method = self.problems, self.method
        if not self.stopping.safeguard or len(problems) < LEAST:
            return spread(self)
        by_another = method.serving(problems) is not method
        if by_another and problems.normal_function:
            return spread(self)
        own = replace(self, stopping=self.stopping._replace(gate=False))  # probes tell more
        classical = replace(own, method=LBFGS(), free=False)
        weight = Price.modelled(LEAN, problems).newton_weight if by_another else 1.0
        return solved_with_probes(len(self), lambda rows: spread(own[rows]), lambda rows: spread(classical[rows]),
                                  weight)[0]


Spread = Callable[[Runs], Solution]  # over the workers of a call


@dataclass(frozen=True)
class _Pieces:
    """Runs, counted in pieces of some neighbours."""

    runs: Runs
    size: int

    def __getitem__(self, pieces: slice) -> Runs:
        return self.runs[pieces.start * self.size : pieces.stop * self.size]

    def __call__(self) -> tuple[np.ndarray, ...]:
        return self.runs()


def _serving(method: Method, problems: Problems, stopping: Stopping) -> Method:
    """Return what makes the runs. A policy that leaves them to Newton's method makes them itself if it has to know what
    it was trained on, or is to run bare."""
    serving = method.serving(problems)
    by_hessians = serving is not method and problems.normal_function is None
    return method if by_hessians and (stopping.gate or not stopping.safeguard) else serving


def solved(problems: Problems | PythonObjective, method: Method, stopping: Stopping, box: Box | None,
           callback: Callback | None = None, watch: Watch | None = None, free: bool = False) -> Solution:
    """Minimise each problem, within its box if it has one; `free` ones begin where the method thinks best.

    Where the method is a policy that declines a problem, L-BFGS solves it.
    """
    own: Problems = problems  # type: ignore[assignment]  # a function that is not one is never free
    run = begun(own, method) if free else own
    serving = _serving(method, run, stopping)
    solution = serving.solve(run if watch is None else Watched(run, watch), stopping, callback, box)
    if watch is not None:
        watch.check()
    if run is not own or method.piece > 1:
        return gone_back(own, solution, stopping, box)
    if not stopping.gate:
        return solution
    rows = declined(solution, stopping)
    if len(rows) == 0:
        return solution
    left = own if len(rows) == len(own) else own[rows]
    rest = solved(left, LBFGS(), stopping._replace(maxfun=stopping.maxfun - 1), None if box is None else box[rows],
                  callback, watch)
    return taken_over(solution, rows, rest)
