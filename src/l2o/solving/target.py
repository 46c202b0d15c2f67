"""What `minimize` is given as a function, as the kernels run it: a batch of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.problems import Objective, PythonObjective, number_of
from l2o.problems.objectives import is_compiled, one_problem

__all__ = ["doubt", "target"]

STEP = np.sqrt(np.finfo(float).eps)  # of differences, as SciPy's
DOUBT = 0.1  # of the slope: differences are far more exact than that


def target(fun: Any, x0: Any, args: Any, jac: Any) -> Any:
    """Return what the kernels can run as a batch of one."""
    if isinstance(fun, Objective) or is_compiled(fun):
        if jac is not True and jac is not None and jac is not False:  # SciPy says None where nothing was said
            raise ValueError(f"jac is {jac!r}; expected True: fun has a gradient of its own")
        return _native(fun, x0, args)
    if not callable(fun):
        raise TypeError(f"fun is {fun!r}; expected a callable or an Objective")
    x0 = np.atleast_1d(np.asarray(x0)) if x0 is not None else np.empty(0)
    x0 = arguments.array("x0", x0, (None,), "one starting point")
    if x0.size == 0:
        raise ValueError("x0 is empty; expected at least one variable")
    args = args if isinstance(args, tuple) else (args,)
    differences = jac is None or jac is False
    return PythonObjective(*_value_and_grad(fun, args, jac), x0, 1 + differences * len(x0))


def _native(fun: Any, x0: Any, args: Any) -> Any:
    """Return an objective that is compiled as a batch of one."""
    if not isinstance(fun, Objective):
        return one_problem(fun, x0, args)
    if not isinstance(args, tuple) or args:
        raise ValueError(f"args is {args!r}; expected none: an Objective has its data")
    return fun.problem if x0 is None else fun.problem.with_starts(arguments.array("x0", x0, (fun.dim,))[None])


def _value_and_grad(fun: Any, args: tuple[Any, ...], jac: Any) -> tuple[Callable[..., Any], Callable[[], int]]:
    """Return x -> (value, gradient), and the number of calls of fun so far."""
    calls = 0

    def counted(x: np.ndarray) -> Any:
        nonlocal calls
        calls += 1
        return fun(np.copy(x), *args)

    def together(x: np.ndarray, high: Any) -> Any:
        result = counted(x)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise ValueError("fun returned no pair of value and gradient; with jac=True it must return (f, g), "
                             "else pass jac=None (2-point differences) or a callable")
        return result

    def apart(x: np.ndarray, high: Any) -> Any:
        return counted(x), jac(np.copy(x), *args)

    def differences(x: np.ndarray, high: Any) -> Any:
        from scipy.optimize import approx_fprime

        value = number_of(counted(x))
        if not np.isfinite(value):
            return value, np.full(x.shape, np.nan)
        step = np.where(x + STEP > high, -STEP, STEP)
        return value, approx_fprime(x, lambda z: value if np.array_equal(z, x) else number_of(counted(z)), step)

    if jac is True:
        return together, lambda: calls
    if callable(jac):
        return apart, lambda: calls
    if jac is None or jac is False:
        return differences, lambda: calls
    raise TypeError(f"jac is {jac!r}; expected True, False, None or a callable")


def doubt(problem: Any, x: np.ndarray, gradient: np.ndarray, low: Any = -np.inf, high: Any = np.inf) -> str:
    """Say if the slope along a gradient (d,) at x (d,) is not that of the values, by a difference within bounds."""
    norm = float(np.linalg.norm(gradient))
    step = np.cbrt(np.finfo(float).eps) * (1 + np.abs(x).max())
    if not 0 < norm < np.inf:
        return ""
    points = [np.clip(x + sign * step * gradient / norm, low, high) for sign in (1, -1)]
    ahead, behind = (problem[0].value_and_grad(point)[0] for point in points)
    way = points[0] - points[1]
    length = float(np.linalg.norm(way)) or 1.0
    slope, measured = float(gradient @ way) / length, (ahead - behind) / length
    noise = 20 * np.finfo(float).eps * (abs(ahead) + abs(behind)) / length
    if not np.isfinite(measured) or abs(measured - slope) <= DOUBT * slope + noise:
        return ""
    return (f" Along the gradient, where it says {slope:.3g}, fun changes by {measured:.3g}: it has a kink here, or "
            "its gradient is wrong (l2o.testing.check_objective finds where).")
