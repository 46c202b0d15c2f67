"""Thousands of small fits to a gradient of 1e-6: SciPy in a loop beside `minimize_many`.

SciPy's L-BFGS-B is given the objective in NumPy, as most people would write it, and our compiled one. All run in one
process on one worker, in turn.
"""

from dataclasses import dataclass
from time import process_time

import numpy as np
from scipy.optimize import minimize

import l2o
from l2o.baselines._scipy import ScipyMethod
from l2o.solving.named import resolve

__all__ = ["GTOL", "LOOPS", "Fits", "calls", "compared", "race"]

GTOL = 1e-6
LOOPS = "SciPy L-BFGS-B, NumPy objective", "SciPy L-BFGS-B, our objective"
TURNS = 5  # of a fast method in a round


@dataclass(eq=False)
class Fits:
    """All fits by one method: seconds, the best of the rounds, and x (m, d), fun, nfev and success (m,)."""

    seconds: float
    x: np.ndarray
    fun: np.ndarray
    nfev: np.ndarray
    success: np.ndarray


def loop(functions, x0, method="L-BFGS-B"):
    """Return x, fun, nfev and success of a method of SciPy on one function after the other."""
    options = {"gtol": GTOL} | ({"ftol": 0.0} if method == "L-BFGS-B" else {})
    runs = [minimize(fun, x, jac=True, method=method, options=options) for fun, x in zip(functions, x0)]
    x, fun, nfev = (np.array([run[name] for run in runs]) for name in ("x", "fun", "nfev"))
    return x, fun, nfev, np.array([np.abs(run.jac).max() <= GTOL for run in runs])


def batch(problems, method):
    """Return the same of a method of l2o, in one call."""
    runs = l2o.minimize_many(problems, method=method, tol=GTOL)
    return runs.x, runs.fun, runs.nfev, runs.success


def calls(problems, methods):
    """Return by name a call that makes all fits; a method of SciPy runs in a plain loop on our objective."""
    functions = [problems[i].value_and_grad for i in range(len(problems))]

    def call(method):
        chosen = resolve(method)
        if isinstance(chosen, ScipyMethod):
            return lambda: loop(functions, problems.x0, chosen.scipy_name)
        return lambda: batch(problems, chosen)

    return {name: call(method) for name, method in methods.items()}


def race(problems, in_numpy, methods, rounds):
    """Fit all problems with SciPy and with methods of l2o, in turn.

    Parameters
    ----------
    problems : Problems
        m problems.
    in_numpy : list of callable
        The same functions, x -> (f, g).
    methods : dict
        Methods of `minimize_many` by name.
    rounds : int
        Rounds, of which the shortest time counts.

    Returns
    -------
    dict of Fits
        By name; SciPy's are named as in `LOOPS`.

    Raises
    ------
    SystemExit
        If an end value is not the function's in NumPy: then methods solved different problems.
    """
    racing = {LOOPS[0]: lambda: loop(in_numpy, problems.x0)} | calls(
        problems, {LOOPS[1]: "scipy-lbfgs"} | {f"l2o {name}": method for name, method in methods.items()})
    best, found = dict.fromkeys(racing, np.inf), {}
    for _ in range(rounds):
        for name, call in racing.items():
            for _ in range(1 if name in LOOPS else TURNS):
                start = process_time()
                found[name] = call()
                best[name] = min(best[name], process_time() - start)
    for name, (x, fun, *_) in found.items():
        if not np.allclose([function(each)[0] for function, each in zip(in_numpy, x)], fun, rtol=0, atol=1e-12):
            raise SystemExit(f"{name}: an end value is not that of the function in NumPy; no times")
    return {name: Fits(best[name], *found[name]) for name in racing}


def compared(fits):
    """Return head and rows of a table of fits."""
    head = ["method", "evaluations", "converged", "microseconds a fit", *LOOPS]
    slow = [fits[name].seconds for name in LOOPS]
    return head, [[name, f"{each.nfev.mean():.2f}", f"{each.success.mean():.4f}",
                   f"{1e6 * each.seconds / len(each.fun):.2f}", *(f"{s / each.seconds:.3g}" for s in slow)]
                  for name, each in fits.items()]
