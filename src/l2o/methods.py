"""Method: anything that minimises, seen alike by rollout, minimize, compare and training.

Two kinds: a `StepMethod` asks for points behind the C ABI of _kernels/base/policy.h and runs
in the native step loop; a solver of another library (baselines) brings its own loop. What they record is
the same.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.runnable import Runnable
from l2o.base.typing import ArrayLike, Workers
from l2o.base.watch import heard

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from l2o.problems import Problems

__all__ = ["Box", "Handoff", "Method", "Record", "Runnable", "Simulation", "Solution", "Step", "StepMethod", "Stopping",
           "empty_simulation"]


class Stopping(NamedTuple):
    """When a minimisation ends: converged by a test in force, or at a limit of iterations or evaluations.

    Converged: gradient within gtol (maximum norm); the last decrease and the predicted gap within ftol of the fall, and
    the gradient small; the last step within xtol (xtol + |x|). ftol and xtol are not in force at 0. An objective that
    may have no minimum has an `infimum`: f is there within ftol of the fall. A method with a safeguard goes without it
    if `safeguard` is False; with `gate` a policy declines starts far from those of its training.
    """

    gtol: float
    maxiter: int
    maxfun: int
    safeguard: bool = True
    ftol: float = 0.0
    xtol: float = 0.0
    gate: bool = False
    infimum: float = -math.inf


@dataclass(frozen=True, eq=False)
class Box:
    """Where the variables of a batch may be.

    Attributes
    ----------
    low, high : ndarray, shape (m, d)
        Bounds, low <= high; equal ones hold a variable.
    """

    low: np.ndarray
    high: np.ndarray

    def __getitem__(self, rows: slice | np.ndarray) -> Box:
        return Box(self.low[rows], self.high[rows])

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Return the points of the box next to x (m, d)."""
        return np.clip(x, self.low, self.high)

    def steepness(self, x: np.ndarray, jac: np.ndarray) -> np.ndarray:
        """Return the largest entry (m,) of gradients (m, d) at x (m, d), without those that a bound holds."""
        return np.abs(np.where(self.holds(x, jac), 0.0, jac)).max(axis=1, initial=0.0)

    def holds(self, x: np.ndarray, jac: np.ndarray) -> np.ndarray:
        """Return which variables at x (m, d) a bound keeps from moving down gradients (m, d)."""
        return ((x <= self.low) & (jac >= 0)) | ((x >= self.high) & (jac <= 0))


class Record(NamedTuple):
    """What m runs of T steps were; a named tuple, as its columns are split and joined by rows.

    Attributes
    ----------
    x, jac : ndarray, shape (m, T+1, d)
        Locations and gradients; row 0 is the start.
    fun : ndarray, shape (m, T+1)
        Values.
    nfev : ndarray of int, shape (m, T+1)
        Evaluations made up to each row.
    status : ndarray of int, shape (m,)
        Why each run ended.
    evaluations : ndarray, shape (m, E)
        Values at all evaluated points in order; +inf where not finite, NaN after the last.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nfev: np.ndarray
    status: np.ndarray
    evaluations: np.ndarray


class Simulation(NamedTuple):
    """Rows of m runs of T steps, as in `Record`, and why they ended."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    status: np.ndarray


class Solution(NamedTuple):
    """The best points of m minimisations.

    Attributes
    ----------
    x, jac : ndarray, shape (m, d)
        Points and their gradients.
    fun : ndarray, shape (m,)
        Their values.
    nit, nfev : ndarray of int, shape (m,)
        Iterations and evaluations.
    status : ndarray of int, shape (m,)
        Why each run ended.
    test : ndarray of int, shape (m,)
        Which test it met if it has converged, by the numbers of `BatchResult`.
    outside : ndarray of bool, shape (m,), optional
        Of a policy that knows its limits: whether it met what it did not meet in training.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    status: np.ndarray
    test: np.ndarray
    outside: np.ndarray | None = None


Callback = Callable[[list[float], float], bool]


class Method(ABC):
    """Minimise objective functions from a starting point."""

    scipy_options: ClassVar[Mapping[str, str]] = {}  # names of settings in SciPy's options, and here
    minimize: ClassVar[Callable[..., Any]]  # l2o.minimize, for calls by SciPy; it stands above and puts itself here
    gated = False  # whether it declines problems far from those that it was trained on
    safeguarded = False  # whether another method takes over where this one no longer helps, in minimize
    piece = 1  # neighbours that it solves one after the other, each from what the one before it left

    def empty_record(self, n_steps: int, dim: int, m: int) -> Record | None:  # noqa: B027
        """Return arrays for a record of m runs; None where its size is known only afterwards."""

    @abstractmethod
    def record(self, problems: Runnable, n_steps: int, out: Record | None = None) -> Record:
        """Take n_steps accepted steps on each problem and record them, in `out` if `empty_record` gave it."""

    @abstractmethod
    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        """Minimise each problem, within its box; the best point seen is what is returned."""

    def starts(self, problems: Problems) -> np.ndarray:
        """Return where runs begin that are not told where, (m, d): the problems' own starts, unless it knows better."""
        return problems.x0

    def serving(self, problems: Runnable) -> Method:
        """Return the method that makes the runs of these problems: itself, unless it has another for their kind."""
        return self

    def chain(self, dim: int) -> _kernels.chain.Chain | None:
        """Return how runs follow one another, for one call; None where each stands alone."""
        return None

    def workers(self, workers: Workers) -> Workers:
        """Return the workers that a batch may be spread over."""
        return workers

    def check_dim(self, dim: int) -> None:  # noqa: B027 (most methods take any dimension)
        """Raise ValueError if problems of that dimension are not for this method."""

    def check_problems(self, problems: Runnable) -> None:
        """Raise ValueError if these problems are not for this method."""
        self.check_dim(problems.dim)

    def __call__(self, fun: Callable[..., object], x0: ArrayLike, args: tuple[object, ...] = (), *,
                 jac: object = None, hess: object = None, hessp: object = None, bounds: object = None,
                 constraints: object = (), callback: Callable[..., object] | None = None,
                 **options: Any) -> OptimizeResult:
        """Minimise a function: the signature that `scipy.optimize.minimize` calls a custom method with."""
        if constraints is not None and len(np.atleast_1d(np.asarray(constraints, object))):
            raise ValueError("constraints are not supported; expected none")
        for name, given in (("hess", hess), ("hessp", hessp)):
            if given is not None:  # as SciPy says of its own methods
                warnings.warn(f"Method {self} does not use Hessian information ({name}).", RuntimeWarning, stacklevel=3)
        tol = options.pop("tol", None)
        return Method.minimize(fun, x0, args, method=self, jac=jac, bounds=bounds, callback=callback, tol=tol,
                               options=options)


SMALL = 1024  # numbers in the data of a problem: those of a group of runs stay in a near cache
HEIRS = {"lbfgs": _kernels.lbfgs.method(10), "bfgs": _kernels.bfgs.method()}


@dataclass(frozen=True)
class Handoff:
    """When a policy with a safeguard hands over, and to whom; the defaults are those of the network.

    Parameters
    ----------
    most_trials : int or None
        Largest number of trials, at least 1; None for any number.
    rejections : int
        Number of trials in a row without a gain that end its part, at least 1; a trial that is not finite is one. If it
        is 2 or more, the policy may reject trials: it goes on from its best point, and a trial that is not finite does
        not end its run.
    flat : float
        Its part also ends when the maximum norm of the gradient falls to this share of that at the start; 0 is never.
    heir : {"lbfgs", "bfgs"}
        The method that takes over: L-BFGS, with the curvature pairs of the policy's steps, or BFGS, with the matrix
        that the policy bequeaths, if it has one.
    """

    most_trials: int | None = 10
    rejections: int = 1
    flat: float = 0.5
    heir: str = "lbfgs"

    def __post_init__(self) -> None:
        trials = self.most_trials
        for name, value in (("most_trials", None if trials is None else arguments.count("most_trials", trials)),
                            ("rejections", arguments.count("rejections", self.rejections)),
                            ("flat", arguments.number("flat", self.flat))):
            object.__setattr__(self, name, value)  # Python's own numbers, which JSON holds
        arguments.choice("heir", self.heir, HEIRS)


@dataclass(frozen=True, eq=False)
class Step:
    """A policy as the kernels see it.

    Attributes
    ----------
    policy : int
        Address of an l2o_policy, of _kernels/base/policy.h.
    blocks : ndarray, shape (k, size)
        Its data, one block or several.
    length : int
        Entries of history that it looks at.
    state_size : int
        Doubles of its own memory.
    index : ndarray of int, shape (m,), optional
        The block of each run; by default all runs share the first.
    limits : ndarray, shape (7,), optional
        What it was trained within, as the struct Limits in _kernels/solvers/_step.pxd has it.
    handoff : Handoff
        When another method takes over.
    gate : ndarray, optional
        Which starts it was trained for, as _kernels/solvers/_gate.pxd reads it.
    curvature : {"hessian"}, optional
        What it asks for beside values and gradients: the Hessian at the best point.
    together : bool
        Whether it is asked for several runs at a time, so that it reads its block once for all of them. One run at a
        time has its data in the cache from one evaluation to the next; where data are large, it is.
    """

    policy: int
    blocks: np.ndarray
    length: int
    state_size: int = 0
    index: np.ndarray | None = None
    limits: np.ndarray | None = None
    gate: np.ndarray | None = None
    handoff: Handoff = Handoff()
    curvature: str | None = None
    together: bool = True

    @cached_property
    def native(self) -> _kernels.step.Step:
        """The same for the loops."""
        return self._native(self.together)

    @cached_property
    def one_by_one(self) -> _kernels.step.Step:
        """The same, asked for one run at a time."""
        return self._native(False)

    def _native(self, together: bool) -> _kernels.step.Step:
        handoff = self.handoff
        return _kernels.step.Step(self.policy, self.length, self.state_size, self.curvature is not None,
                                  together, handoff.most_trials, handoff.rejections, handoff.flat,
                                  HEIRS[handoff.heir], self.limits, self.gate)

    def hessian(self, problems: Runnable) -> int:
        """Return the address of the Hessian that it asks for; 0 if it asks for none.

        Raises
        ------
        ValueError
            If it asks for one and the objective has none.
        """
        if self.curvature is None:
            return 0
        if not problems.hessian_function:
            raise ValueError("the policy asks for a Hessian; this objective has none")
        return problems.hessian_function

    def addresses(self, m: int) -> np.ndarray:
        """Return the address of each run's block, (m,)."""
        if self.index is not None:
            return _kernels.addresses(self.blocks, self.index)
        return self._first if m == 1 else self._first.repeat(m)

    @cached_property
    def _first(self) -> np.ndarray:
        return _kernels.addresses(self.blocks, np.zeros(1, np.intp))


def empty_simulation(n_steps: int, dim: int, m: int) -> Simulation:
    """Return arrays for m simulated runs: x, fun, jac, status."""
    shape = m, n_steps + 1
    return Simulation(np.empty((*shape, dim)), np.empty(shape), np.empty((*shape, dim)), np.empty(m, np.intc))


class StepMethod(Method):
    """A method whose step is a function of the history: it runs in the native loop."""

    @abstractmethod
    def step(self, dim: int) -> Step:
        """Return the policy as the kernels see it, for problems of that dimension."""

    def empty_record(self, n_steps: int, dim: int, m: int) -> Record:
        return Record(*_kernels.rollout.empty_record(m, n_steps, dim))

    def record(self, problems: Runnable, n_steps: int, out: Record | None = None) -> Record:
        out = self.empty_record(n_steps, problems.dim, len(problems)) if out is None else out
        self.simulate(problems, n_steps, None, Simulation(out.x, out.fun, out.jac, out.status), out.nfev,
                      out.evaluations)
        return out

    def for_runs(self, rows: slice) -> StepMethod:
        """Return the method for some runs of a batch: itself, unless each run has a step of its own."""
        return self

    def simulate(self, problems: Runnable, n_steps: int, noise: np.ndarray | None = None,
                 out: Simulation | None = None, nfev: np.ndarray | None = None,
                 evaluations: np.ndarray | None = None) -> Simulation:
        """Take n_steps steps on each problem: in `out`, if it is given.

        noise (m, T, d) is added to the steps; nfev and evaluations (m, T+1) are filled, if they are given.
        """
        m, step = len(problems), self.step(problems.dim)
        out = empty_simulation(n_steps, problems.dim, m) if out is None else out
        out.x[:, 0] = problems.x0
        heard(partial(_kernels.rollout.rollout, problems.function, step.hessian(problems), problems.addresses(),
                      step.native, step.addresses(m), noise, *out, nfev, evaluations))
        return out

    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        x0 = problems.x0
        m, dim = x0.shape
        step = self.step(dim)
        solution = _kernels.minimize.empty_solution(x0 if box is None else box.nearest(x0))
        outside = None if step.limits is None and step.gate is None else np.empty(m, np.bool_)
        low, high = (None, None) if box is None else (box.low, box.high)
        native = step.native if m == 1 or problems.mean_size <= SMALL else step.one_by_one
        _kernels.minimize.minimize(problems.function, step.hessian(problems), problems.addresses(), native,
                                   step.addresses(m), self.safeguarded and stopping.safeguard, stopping, callback,
                                   solution, outside, low, high, self.chain(dim))
        return Solution(*solution, outside)
