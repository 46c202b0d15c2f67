"""minimize and minimize_many: check, run, wrap the result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base import arguments
from l2o.base.parallel import check_progress
from l2o.base.status import CONVERGED, GRADIENT, NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS, status_message
from l2o.base.typing import ArrayLike, Pairs, Workers
from l2o.base.watch import Watch
from l2o.methods import Box, Method, Solution, Stopping
from l2o.problems import Problems, PythonObjective, problems_with_starts
from l2o.problems.separation import said
from l2o.solving.adaptive import ADAPTIVE, solved_adaptively
from l2o.solving.batch import BatchResult
from l2o.solving.bounds import read_box
from l2o.solving.callbacks import BatchCallback, OneCallback
from l2o.solving.causes import cause, in_brackets
from l2o.solving.endless import endless
from l2o.solving.named import default_method, resolve
from l2o.solving.options import checked, for_differences, for_method
from l2o.solving.runs import Runs, solved
from l2o.solving.target import doubt, lost_in_rounding, runnable, started_at_minimum

if TYPE_CHECKING:
    from scipy.optimize import Bounds, OptimizeResult

    from l2o.solving.single import SingleResult

# scipy.optimize is imported where it is used: it is three quarters of the time that importing l2o would take

__all__ = ["minimize", "minimize_many"]

FTOL = 2.2e-9  # where the call gives no tolerance; 1e7 roundings, as in L-BFGS-B
MOST = 15000  # iterations, and evaluations, where the call gives no limit


def minimize(fun: object, x0: ArrayLike | None = None, args: object = (), *, method: str | Method | None = None,
             jac: object = None, bounds: Bounds | Pairs | None = None, fixed: ArrayLike | None = None,
             callback: Callable[..., object] | None = None, tol: float | None = None,
             options: Mapping[str, Any] | None = None) -> OptimizeResult:
    """Minimise a function of several variables.

    A `Policy` runs with a safeguard: the run keeps the best point seen, and when the policy's steps no longer help,
    L-BFGS goes on from there with the curvature seen so far, until a tolerance is met.

    Parameters
    ----------
    fun : callable, Objective or compiled objective
        ``fun(x, *args)`` with x (d,) returns the value and the gradient (``jac=True``), or the value. A compiled
        objective is one of `l2o.objective`, or a Numba cfunc or `scipy.LowLevelCallable` of the signature in
        ``objective.h``.
    x0 : array_like, shape (d,)
        Starting point. An `Objective` has its own, which is the default.
    args : tuple
        Further arguments of fun and jac; for a compiled objective its data, (rows, columns), or nothing.
    method : str, Policy or baseline, optional
        By default the learned rule, ``l2o.load("universal")``, "lm" for problems of `families.LeastSquares`, and L-BFGS
        above 200 variables. A name: "lbfgs" (SciPy's "L-BFGS-B", too), "gradient-descent", "momentum", "cg", "newton",
        "lm" (needs residuals), "scipy-lbfgs"; or an object.
    jac : bool, str or callable, optional
        True: fun returns a pair of value and gradient. None: it returns a pair or a value, which is seen at the start.
        A callable: ``jac(x, *args)`` is the gradient. "2-point", which is also what False means, and "3-point":
        differences within the bounds, counted in ``nfev``, with steps as in SciPy's `least_squares`. A compiled
        objective has its own gradient.
    bounds : sequence of (low, high), (lows, highs) or scipy.optimize.Bounds, optional
        Bounds of the variables, with None in a pair for no bound. Two sequences of length d are the lower and the upper
        limits; for d = 2 they are pairs, unless x0 is within them as limits only. Bounds are reached exactly and never
        crossed; gtol is for the gradient of the variables that no bound holds. A start outside is moved to the bound.
    fixed : array_like of bool, shape (d,), optional
        Variables that stay at their starting value.
    callback : callable, optional
        Called after each iteration, of the policy and of L-BFGS, as ``callback(x)``, or
        ``callback(intermediate_result=res)`` if its parameter has that name; StopIteration ends the run.
    tol : float, optional
        Sets gtol.
    options : dict, optional
        gtol : tolerance of max|g|. ftol : tolerance of the last decrease and of the predicted gap, relative to the fall
        of f; checking the gap may take d more gradients. xtol : tolerance of steps, relative to xtol + norm(x). By
        default ftol is 2.2e-9; maxiter (iterations) and maxfun are 15000. safeguard : whether L-BFGS takes over from a
        `Policy` (True). eps, finite_diff_rel_step : steps of differences, absolute or relative. maxcor : pairs that
        L-BFGS keeps. Other names are an OptimizeWarning.

    Returns
    -------
    OptimizeResult
        x, fun, jac, nit, nfev, njev, status, success, message, outside_training; the best point seen. status:
        0 converged, 1 limit reached, 2 precision loss, 3 not finite, 4 the objective reported an error, 6 the minimum
        of a least-squares problem lies at infinity, 99 stopped by the callback. With a safeguard a step of the policy
        to a point where the function is not finite does not end the run: L-BFGS takes over. After a loss of precision 3
        to 24 more evaluations show whether the gradient is plainly wrong; the message then says so. outside_training:
        whether the policy left the range that it met in training, or was trained for another objective; None for other
        methods, and for files that do not say. For logistic regressions and networks the message says if the data are
        separable. Then the minimum lies at infinity, and success means that f is within ftol of its fall, or gtol is
        met, on the way there. One Hessian of a regression without regularisation shows it; `nfev` does not count it.
        hess_inv, stderr: the inverse Hessian (d, d) at x and the roots of its diagonal, computed when they are read, by
        the objective's Hessian or by differences. They are the covariance and the standard errors if f is a negative
        log-likelihood, such as half a chi-square; zero for variables at a bound or fixed, inf for those that f does not
        determine.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit. An exception of fun, jac or callback comes through unchanged.
    KeyboardInterrupt
        If Ctrl-C is pressed, after the evaluation that is going on.

    Examples
    --------
    >>> import l2o
    >>> result = l2o.minimize(lambda x: ((x - 1) ** 2).sum(), [3.0, -2.0])
    >>> result.success, result.x.round(4).tolist()
    (True, [1.0, 1.0])
    """
    if x0 is not None:
        arguments.unmasked("x0", x0)
    options, differences = for_differences(checked(options), 1 if x0 is None else np.size(x0))
    problem = runnable(fun, x0, args, jac, differences)
    chosen, options = for_method(default_method(problem) if method is None else resolve(method), options)
    box = read_box(bounds, fixed, problem.x0)
    chosen.check_problems(problem)
    stopping = _stopping(chosen, problem.infimum, tol, **options)
    report = None if callback is None else OneCallback(callback)
    if isinstance(problem, PythonObjective):
        problem.begin(*(() if box is None else (box.low[0], box.high[0])))
        if problem.calls_per_point > 1:
            stopping = stopping._replace(maxfun=max(1, stopping.maxfun // problem.calls_per_point))
        solution = solved(problem, chosen, stopping, box, report)
    else:
        with Watch() as watch:
            solution = solved(problem, chosen, stopping, box, report, watch, x0 is None and box is None)
    return _result(problem, solution, box)


def _result(problem: Any, solution: Solution, box: Box | None) -> OptimizeResult:
    """Return the result of a single run; after a loss of precision it tells whether the gradient is to be trusted."""
    x, jac = solution.x[0], solution.jac[0]
    # one by one: half the price of a generator
    fun, nit, njev, status = solution.fun.item(), solution.nit.item(), solution.nfev.item(), solution.status.item()
    outside = None if solution.outside is None else solution.outside.item()
    message = status_message(status, solution.test.item())
    python = isinstance(problem, PythonObjective)
    differences = python and problem.calls_per_point > 1
    limits = () if box is None else (box.low[0], box.high[0])
    if differences and status == CONVERGED and not jac.any():
        sentence = lost_in_rounding(problem, x, fun, *limits)
        if sentence:
            status, message = PRECISION_LOSS, status_message(PRECISION_LOSS) + sentence
    elif differences and status == PRECISION_LOSS:
        if started_at_minimum(problem, x, fun, *limits):
            status, message = CONVERGED, status_message(CONVERGED, GRADIENT)
    elif status == PRECISION_LOSS and not differences:  # which are not in doubt
        sentence, n_evaluations = doubt(problem, x, jac, *limits)
        njev, message = njev + n_evaluations, message + sentence
    if not python and fun < problem.kernel.suspect:
        reasons = endless(problem, solution, box)
        message += "" if reasons is None else said(int(reasons[0]))
    if status == OBJECTIVE_FAILED and not python:
        message += in_brackets(cause(problem, solution))
    nfev = njev
    if python:
        if problem.error is not None:
            raise problem.error
        nfev = problem.n_calls
    result = _single_result()(
        x=x, fun=fun, jac=jac, nit=nit, nfev=nfev, njev=njev, status=status, success=status == CONVERGED,
        message=message, outside_training=outside)
    return result.of(problem, box)


@cache
def _single_result() -> type[SingleResult]:
    """Return the class of results, which loads SciPy's: half a second, which an exception need not wait for."""
    from l2o.solving.single import SingleResult

    return SingleResult


def minimize_many(problems: Problems, x0: ArrayLike | None = None, *, method: str | Method | None = None,
                  ordered: bool = False, bounds: Bounds | Pairs | None = None, fixed: ArrayLike | None = None,
                  workers: Workers = 1, tol: float | None = None, options: Mapping[str, Any] | None = None,
                  callback: Callable[..., object] | None = None, raise_on_error: bool = False,
                  progress: bool = False) -> BatchResult:
    """Minimise many problems in one call.

    By default the call learns from some thirty of the problems how to begin with the others: where, with which first
    step, with which curvature. They come from all over the batch. Their ``nfev`` includes the cost of learning, and
    ``batch.learned`` says what came of it. Fewer than 200 problems are solved by L-BFGS. Least-squares problems, those
    of `families.LeastSquares`, are solved by "lm", which takes fewer evaluations than anything learned.

    In a batch of 192 problems or more a `Policy` with its safeguard is probed: L-BFGS also solves every 32nd row, and
    after row 1,024 every 128th. Once the policy took more evaluations there, L-BFGS solves all rows that follow. The
    evaluations of probes are added to ``nfev``. A policy that has found Newton's method the quickest for its family
    leaves such a batch to it, if the objective has a Hessian.

    Parameters
    ----------
    problems : Problems
        m problems of dimension d.
    x0 : array_like, shape (m, d) or (d,), optional
        Starting points, or one for all; by default those of the problems. One that is not finite is status 3.
    method : str, Policy or baseline, optional
        As in `minimize`, or "adaptive", which is for batches.
    ordered : bool
        Whether neighbours are alike, as rolling windows and the pixels of a row are. A problem may then begin where
        the previous one ended, in pieces of 256. For the adaptive method.
    bounds, fixed
        As in `minimize`; a `Bounds` with limits (m, d), or fixed (m, d), has its own for each problem.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.
    tol, options
        As in `minimize`, the safeguard of a policy included.
    callback : callable, optional
        Called after each iteration of each problem, as ``callback(problem, iteration)``, its number and that of the
        iteration from 1, or ``callback(intermediate_result=res)`` if its parameter has that name, with x, fun, problem
        and nit; StopIteration ends that problem's run. With workers it is called from their threads. Problems are then
        solved one by one; not with ``ordered``.
    raise_on_error : bool
        Raise if a run ends with a value that is not finite or an error of its objective, instead of
        reporting it in `status`.
    progress : bool
        Show a progress bar (needs the extra ``plot``).

    Returns
    -------
    BatchResult

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    ArithmeticError
        If raise_on_error is set and a run failed.
    KeyboardInterrupt
        If Ctrl-C is pressed: all threads end after the evaluation that is going on.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(100, rng=0)
    >>> batch = l2o.minimize_many(problems, method="lbfgs")
    >>> batch.x.shape, bool(batch.success.all())
    ((100, 4), True)
    """
    problems, ordered = problems_with_starts(problems, x0), arguments.flag("ordered", ordered)
    by_residuals = method is None and not ordered and problems.normal_function is not None
    adaptive = method == ADAPTIVE or (method is None and not by_residuals)
    if ordered and not adaptive:
        raise ValueError(f"ordered is True and method is {method!r}; expected method='adaptive', or none")
    if ordered and callback is not None:
        raise ValueError("ordered is True and there is a callback; expected one of them")
    report = None if callback is None else BatchCallback(callback)
    chosen, options = for_method(
        default_method(problems) if by_residuals else resolve("lbfgs" if adaptive else method), checked(options))
    box = read_box(bounds, fixed, problems.x0)
    check_progress(progress)
    chosen.check_problems(problems)
    stopping = _stopping(chosen, problems.infimum, tol, **options)
    with Watch() as watch:
        runs = Runs(problems, chosen, stopping, box, watch, x0 is None and (adaptive or box is None), report)
        spread = partial(Runs.spread, workers=chosen.workers(workers), progress=progress)
        solution, learned = solved_adaptively(runs, ordered, spread) if adaptive else (runs.with_probes(spread), None)
    result = BatchResult.of(solution, learned, endless(problems, solution, box), cause(problems, solution),
                            (problems, box))
    if raise_on_error:
        _raise_failures(result)
    return result


def _raise_failures(result: BatchResult) -> None:
    """Raise ArithmeticError if a run failed."""
    failed = np.flatnonzero((result.status == NON_FINITE) | (result.status == OBJECTIVE_FAILED))
    if len(failed):
        first = int(failed[0])
        raise ArithmeticError(f"{len(failed)} of {len(result)} runs failed; problem {first}: {result.message(first)}"
                              + (in_brackets(result.cause) if result.status[first] == OBJECTIVE_FAILED else ""))


def _stopping(method: Method, infimum: float, tol: float | None, /, *, gtol: float | None = None,
              ftol: float | None = None, xtol: float | None = None, maxiter: float | None = None,
              maxfun: float | None = None, **other: Any) -> Stopping:
    """Return when runs of a method end, by the options of a call."""
    safeguard = method.safeguarded
    if "safeguard" in other:
        safeguard = arguments.flag("safeguard", other["safeguard"])
        if method.safeguarded or not safeguard:  # to ask for one where there is none is a mistake
            del other["safeguard"]
    if other:
        from scipy.optimize import OptimizeWarning

        warnings.warn(f"unknown solver options: {', '.join(other)}", OptimizeWarning, stacklevel=3)
    named, gtol = ("tol", tol) if gtol is None else ("gtol", gtol)
    if gtol is None and ftol is None and xtol is None:
        ftol = FTOL
    return Stopping(
        0.0 if gtol is None else arguments.number(named, gtol),
        MOST if maxiter is None else arguments.count("maxiter", _whole(maxiter), 0),
        MOST if maxfun is None else arguments.count("maxfun", _whole(maxfun), 1),
        safeguard,
        0.0 if ftol is None else arguments.number("ftol", ftol),
        0.0 if xtol is None else arguments.number("xtol", xtol),
        safeguard and method.gated,
        infimum,
    )


def _whole(limit: Any) -> Any:
    """Return a limit such as 1e4 or 100.5, which SciPy takes, as an int, upwards; anything else as it is."""
    return math.ceil(limit) if isinstance(limit, float) and math.isfinite(limit) else limit


Method.minimize = staticmethod(minimize)
