"""Methods of scipy.optimize.minimize, recorded from outside.

Each accepted iteration is a step, seen by SciPy's callback; each call of the function is an evaluation,
seen by a wrapper. For a record the methods run without their own tolerances.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import Any

import numpy as np

from l2o import _kernels
from l2o.base.parallel import resolve_workers
from l2o.base.runnable import Runnable
from l2o.base.status import (
    CONVERGED,
    FALL,
    GRADIENT,
    LIMIT,
    NO_TEST,
    NON_FINITE,
    OBJECTIVE_FAILED,
    PRECISION_LOSS,
    STEP,
    STOPPED,
)
from l2o.base.typing import Workers
from l2o.methods import Box, Callback, Method, Record, Solution, Stopping

__all__ = ["ScipyMethod"]

ROUNDING = 8 * np.finfo(float).eps  # values that differ by less, relatively, are equal for all that is known


class _Ended(Exception):
    """There is to be no further evaluation.

    The limit is reached, the objective has reported an error, or numbers are not finite: those of the start, or x.
    """


class _Wrapper:
    """A function under observation: every evaluated point."""

    def __init__(self, objective: Any, limit: float = np.inf, fixed: Any = False, address: int = 0) -> None:
        self.objective, self.limit, self.fixed = objective, limit, fixed
        self.points: list[np.ndarray] = []
        self.values: list[float] = []
        self.gradients: list[np.ndarray] = []
        self.status = LIMIT
        self.end = LIMIT  # why the run is over, if it is ended here
        self.address = address  # of the data, for a judge
        self.judge: Any = None  # of a run with ftol or xtol, from its first step on

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if self.left <= 0 or self.status == OBJECTIVE_FAILED:
            raise _Ended
        usable = np.isfinite(x).all()  # a start that is not has a value, too, that counts for nothing
        if self.values and not usable:
            self.end = NON_FINITE
            raise _Ended
        fun, jac, self.status = self.objective.evaluate(x)
        jac = np.where(self.fixed & ~np.isfinite(jac), 0.0, jac)
        self.points.append(np.array(x))
        self.values.append(fun)
        self.gradients.append(jac)
        if len(self.values) == 1 and not (usable and np.isfinite(fun) and np.isfinite(jac).all()):
            self.end = NON_FINITE
            raise _Ended
        if self.judge is not None and np.isfinite(jac).all():
            self.judge.see(jac)
        return fun, jac

    @property
    def nfev(self) -> int:
        """Evaluations so far, those of the judge among them."""
        return len(self.values) + (self.judge.nfev if self.judge is not None else 0)

    @property
    def left(self) -> float:
        """Evaluations that may still be made."""
        return self.limit - self.nfev

    def begin(self, function: int, stopping: Stopping, box: Box | None) -> None:
        """Have the run of this compiled function judged from now on."""
        if stopping.ftol or stopping.xtol:
            here = np.array(self.points[0], float), float(self.values[0]), np.array(self.gradients[0], float)
            bounds = () if box is None else (box.low[0], box.high[0])
            self.judge = _kernels.judge.Judge(function, self.address, *here, stopping, *bounds)

    def test(self) -> int:
        """Return which test of the judge ended the run."""
        return STEP if self.judge.short_step else FALL

    def best(self) -> int:
        """Return which evaluation is best: of values equal to the lowest but for rounding the smallest gradient."""
        usable = np.isfinite(self.values) & np.isfinite(self.gradients).all(axis=1)
        values = np.where(usable, self.values, np.inf)
        if np.isinf(values.min()):
            return 0
        equal = np.flatnonzero((values <= values.min() + ROUNDING * abs(values.min())) & (values <= values[0]))
        return int(equal[np.argmin([np.abs(self.gradients[i]).max() for i in equal])])

    def row(self, x: np.ndarray) -> int:
        """Return which evaluation was made at x, newest first."""
        return next(i for i in reversed(range(len(self.points))) if np.array_equal(self.points[i], x))


class ScipyMethod(Method):
    """A method of `scipy.optimize.minimize` with the gradient given."""

    scipy_name: str

    @abstractmethod
    def options(self, stopping: Stopping | None) -> dict[str, Any]:
        """Return SciPy's options; None asks for no tolerance at all."""

    def record(self, problems: Runnable, n_steps: int, out: Record | None = None) -> Record:
        m, dim = len(problems), problems.dim
        x, fun, jac = np.empty((m, n_steps + 1, dim)), np.empty((m, n_steps + 1)), np.empty((m, n_steps + 1, dim))
        nfev, status = np.empty((m, n_steps + 1), np.intp), np.empty(m, np.intc)
        evaluations = []
        for i in range(m):
            wrapper, rows, status[i] = self._observe(problems[i], problems.x0[i], n_steps)
            rows += [rows[-1]] * (n_steps + 1 - len(rows))
            x[i] = [wrapper.points[r] for r, _ in rows]
            fun[i] = [wrapper.values[r] for r, _ in rows]
            jac[i] = [wrapper.gradients[r] for r, _ in rows]
            nfev[i] = [n for _, n in rows]
            values = np.array(wrapper.values)
            evaluations.append(np.where(np.isfinite(values), values, np.inf))
        padded = np.full((m, max(map(len, evaluations), default=1)), np.nan)
        for i, values in enumerate(evaluations):
            padded[i, : len(values)] = values
        return Record(x, fun, jac, nfev, status, padded)

    def _observe(self, objective: Any, x0: np.ndarray, n_steps: int) -> tuple[_Wrapper, list[tuple[int, int]], int]:
        """Return the wrapper, (row, evaluations so far) of each step, and the status."""
        wrapper = _Wrapper(objective)
        rows = [(0, 1)]  # the first evaluation is that of x0, SciPy's too
        if n_steps == 0:
            with suppress(_Ended):
                wrapper(x0)
            return wrapper, rows, wrapper.end

        def after_step(xk: np.ndarray) -> None:
            rows.append((wrapper.row(xk), len(wrapper.values)))
            if len(rows) > n_steps:
                raise StopIteration

        with suppress(_Ended):
            result = self._run(wrapper, x0, self.options(None) | {"maxiter": n_steps}, after_step)
        if wrapper.status == OBJECTIVE_FAILED:
            return wrapper, rows, OBJECTIVE_FAILED
        if wrapper.end == NON_FINITE:
            return wrapper, rows, NON_FINITE
        last = rows[-1][0]
        status = _status(result, wrapper.values[last], wrapper.gradients[last], 0.0)
        return wrapper, rows, LIMIT if len(rows) > n_steps and status != NON_FINITE else status

    def _run(self, fun: Any, x0: np.ndarray, options: dict[str, Any], callback: Any, box: Box | None = None) -> Any:
        from scipy.optimize import Bounds, minimize  # half a second to import: only where it is used

        bounds = None if box is None else Bounds(box.low[0], box.high[0])
        with np.errstate(all="ignore"):  # numerical trouble is a status, not a warning
            return minimize(fun, x0, jac=True, method=self.scipy_name, bounds=bounds, options=options,
                            callback=callback)

    def workers(self, workers: Workers) -> Workers:
        """Return one worker for any number of threads: SciPy holds the GIL, and CG changes the warning filters."""
        return 1 if isinstance(resolve_workers(workers), int) else workers

    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        m = len(problems)
        x, fun, jac = problems.x0.copy(), np.empty(m), np.empty(problems.x0.shape)
        nit, nfev, status, test = np.empty(m, np.intp), np.empty(m, np.intp), np.empty(m, np.intc), np.empty(m, np.intc)
        addresses = problems.addresses()
        for i in range(m):
            own = None if box is None else box[i : i + 1]
            start = problems.x0[i] if own is None else own.nearest(problems.x0[i : i + 1])[0]
            fixed = False if own is None else own.low[0] == own.high[0]
            wrapper = _Wrapper(problems[i], stopping.maxfun, fixed, addresses[i])
            nit[i], status[i] = self._solve_one(wrapper, start, stopping, callback, own, problems.function)
            best = wrapper.best()
            x[i], fun[i], jac[i] = wrapper.points[best], wrapper.values[best], wrapper.gradients[best]
            nfev[i] = wrapper.nfev
            flat = np.isfinite(fun[i]) and _slope(x[i], jac[i], own) <= stopping.gtol
            if wrapper.status == OBJECTIVE_FAILED:
                status[i] = OBJECTIVE_FAILED
            elif status[i] != STOPPED and flat:
                status[i] = CONVERGED
            test[i] = NO_TEST if status[i] != CONVERGED else GRADIENT if flat else wrapper.test()
        return Solution(x, fun, jac, nit, nfev, status, test)

    def _solve_one(self, wrapper: _Wrapper, x0: np.ndarray, stopping: Stopping,
                   callback: Callback | None, box: Box | None, function: int) -> tuple[int, int]:
        """Return the number of iterations and the status."""
        n_steps, ended = 0, None

        def after_step(xk: np.ndarray) -> None:
            nonlocal n_steps, ended
            n_steps += 1
            row = wrapper.row(xk)
            if n_steps == 1:
                wrapper.begin(function, stopping, box)
            if callback is not None and callback(list(xk), wrapper.values[row]):
                ended = STOPPED
            elif wrapper.judge is not None and np.isfinite([wrapper.values[row], *wrapper.gradients[row]]).all():
                ended = wrapper.judge.step(np.array(xk, float), wrapper.values[row], np.array(wrapper.gradients[row]),
                                           wrapper.left)
            if ended is not None:
                raise StopIteration

        if stopping.maxiter == 0 or np.all(wrapper.fixed):  # SciPy takes a step all the same, or has no status
            with suppress(_Ended):
                wrapper(x0)
            return 0, wrapper.end
        try:
            result = self._run(wrapper, x0, self.options(stopping), after_step, box)
        except _Ended:
            return n_steps, wrapper.end
        if ended is None and wrapper.judge is not None and result.status != 1:
            ended = wrapper.judge.end(wrapper.left)
        if ended is not None:
            return n_steps, ended
        last = wrapper.best()
        return n_steps, _status(result, wrapper.values[last], wrapper.gradients[last], stopping.gtol)


def _slope(x: np.ndarray, jac: np.ndarray, box: Box | None) -> float:
    """Return the largest entry of the gradient at x, without those that a bound holds."""
    return float(np.abs(jac).max() if box is None else box.steepness(x[None], jac[None])[0])


def _status(result: Any, fun: float, jac: np.ndarray, gtol: float) -> int:
    """Translate the end of a SciPy run; fun and jac are those of the point that is returned."""
    if not np.isfinite(jac).all() or not np.isfinite(fun):
        return NON_FINITE
    if np.abs(jac).max(initial=0.0) <= gtol:
        return CONVERGED
    return LIMIT if result.status == 1 else PRECISION_LOSS
