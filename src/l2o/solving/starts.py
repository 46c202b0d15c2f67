"""Starts: a method may know better than a problem where to begin, and must not do worse for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from l2o.base.status import CONVERGED, LIMIT, OBJECTIVE_FAILED, SINGULAR
from l2o.baselines import LBFGS
from l2o.methods import Box, Method, Solution, Stopping
from l2o.problems import Problems

__all__ = ["begun", "declined", "gone_back", "taken_over"]


def begun(problems: Problems, method: Method) -> Problems:
    """Return problems whose starts nobody gave with those that the method prefers to their own."""
    starts, own = method.starts(problems), problems.x0
    if starts is own:
        return problems
    if type(starts) is np.ndarray and starts.shape == own.shape and starts.dtype == own.dtype and starts.flags.carray:
        return replace(problems, x0=starts)  # what is not finite ends its run at once
    return problems.with_starts(starts)


def gone_back(problems: Problems, found: Solution, stopping: Stopping, box: Box | None = None) -> Solution:
    """Look at the problems' own starts where runs that began elsewhere have not converged.

    L-BFGS goes on from the lower of the start and what was found, with what is left of the limits; the lowest point
    is returned, so that no run ends above the start that the user knows.

    Parameters
    ----------
    problems : Problems
        m problems with their own starts.
    found : Solution
        The solution of runs from elsewhere.
    stopping : Stopping
        The limits of those runs.
    box : Box or None
        Bounds.
    """
    if not found.status.any():  # all have converged, which is 0
        return found
    unfinished = np.flatnonzero(found.status != CONVERGED)
    x, fun, jac, nit, nfev, status, test = (part.copy() for part in found[:7])
    unfinished = unfinished[(status[unfinished] != OBJECTIVE_FAILED) & (nfev[unfinished] < stopping.maxfun)]
    for i in unfinished.tolist():  # few; one by one, so that a row does not depend on others
        own, bounds = problems[[i]], None if box is None else box[i : i + 1]
        own = own if bounds is None else own.with_starts(bounds.nearest(own.x0))
        value, slope, _ = own.evaluate(own.x0)
        nfev[i] += 1
        if value[0] < fun[i] or not np.isfinite(fun[i]):
            x[i], fun[i], jac[i] = own.x0[0], value[0], slope[0]
        elif status[i] == SINGULAR:  # the minimum lies at infinity, where the start does not lead to another
            continue
        if nfev[i] < stopping.maxfun and nit[i] < stopping.maxiter:
            left = stopping._replace(maxfun=stopping.maxfun - int(nfev[i]), maxiter=stopping.maxiter - int(nit[i]))
            last = LBFGS().solve(own.with_starts(x[[i]]), left, None, bounds)
            nit[i], nfev[i] = nit[i] + last.nit[0], nfev[i] + last.nfev[0]
            x[i], fun[i], jac[i] = last.x[0], last.fun[0], last.jac[0]
            status[i], test[i] = last.status[0], last.test[0]
    return Solution(x, fun, jac, nit, nfev, status, test, found.outside)


def declined(found: Solution, stopping: Stopping) -> np.ndarray:
    """Return which rows a policy has declined at first sight, as far from its training, and another method may take."""
    if found.outside is None or stopping.maxfun == 1 or stopping.maxiter == 0:
        return np.empty(0, np.intp)
    return np.flatnonzero(found.outside & (found.status == LIMIT) & (found.nfev == 1))


def taken_over(found: Solution, rows: np.ndarray, rest: Solution) -> Solution:
    """Return a solution whose `rows` another method has found, with the evaluations of both."""
    x, fun, jac, nit, nfev, status, test = (part.copy() for part in found[:7])
    x[rows], fun[rows], jac[rows], status[rows], test[rows] = rest.x, rest.fun, rest.jac, rest.status, rest.test
    nit[rows], nfev[rows] = nit[rows] + rest.nit, nfev[rows] + rest.nfev
    return Solution(x, fun, jac, nit, nfev, status, test, found.outside)
