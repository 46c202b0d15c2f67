"""Methods with a line search that run in the kernels (_kernels/solvers/_descent.pyx): single runs, batches, records."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.base.watch import Watched, heard
from l2o.methods import Box, Callback, Method, Record, Runnable, Solution, Stopping

__all__ = ["NativeMethod"]

CHUNK = 256  # runs recorded at a time: a line search may evaluate 20 times as often as it does


class NativeMethod(Method):
    """A method that steps along directions, with the line search of the kernels."""

    @abstractmethod
    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels with its settings for these problems."""

    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        x0 = problems.x0
        solution = _kernels.minimize.empty_solution(x0 if box is None else box.nearest(x0))
        low, high = (None, None) if box is None else (box.low, box.high)
        _kernels.runs.minimize(problems.function, problems.addresses(), self.kernel(problems), stopping, callback,
                               solution, low, high, self.chain(x0.shape[1]))
        return Solution(*solution)

    def record(self, problems: Runnable, n_steps: int, out: Record | None = None) -> Record:
        return heard(lambda watch: self._record(Watched(problems, watch), n_steps))

    def _record(self, problems: Runnable, n_steps: int) -> Record:
        m, dim, kernel, addresses = len(problems), problems.dim, self.kernel(problems), problems.addresses()
        x, fun, jac = np.empty((m, n_steps + 1, dim)), np.empty((m, n_steps + 1)), np.empty((m, n_steps + 1, dim))
        nfev, status, count = np.empty((m, n_steps + 1), np.intp), np.empty(m, np.intc), np.zeros(m, np.intp)
        x[:, 0] = problems.x0
        space, values = np.empty((min(m, CHUNK), _kernels.runs.most_evaluations(n_steps))), []
        for first in range(0, m, CHUNK):
            rows = slice(first, first + CHUNK)
            made = space[: len(x[rows])]
            _kernels.runs.record(problems.function, addresses[rows], kernel,
                                 (x[rows], fun[rows], jac[rows], nfev[rows], made, count[rows], status[rows]))
            values += [row[:n].copy() for row, n in zip(made, count[rows])]
        evaluations = np.full((m, count.max(initial=1)), np.nan)
        for row, known in zip(evaluations, values):
            row[: len(known)] = known
        return Record(x, fun, jac, nfev, status, evaluations)
