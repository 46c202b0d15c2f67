"""What `minimize` is given as a function, as the kernels run it: a batch of one."""

from __future__ import annotations

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.problems import Objective, Problems, PythonObjective
from l2o.problems.objectives import is_compiled, one_problem
from l2o.solving.differences import SCHEMES
from l2o.solving.gradients import python_objective
from l2o.solving.slopes import contradiction, ways

__all__ = ["doubt", "lost_in_rounding", "runnable"]

DOUBT = 0.2  # of the change of f: a gradient that is right is far more exact than that
SIZES = (1e-4, 1e-5, 1e-6, 1e-7)  # of the ways along a gradient in doubt, relative to the variables
ROUNDING = 8 * np.finfo(float).eps  # relative, of a value
FTOL = 2.2e-9  # of the rise: what is left to fall at a minimum
LONGER = (1e-2, 1e-4)  # steps where differences are zero, relative to a variable: where fun may show how it changes


def runnable(fun: object, x0: ArrayLike | None, args: object, jac: object,
             differences: dict[str, np.ndarray] | None = None) -> Problems | PythonObjective:
    """Return what the kernels can run as a batch of one; differences are the settings of `Differences`."""
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
    return python_objective(fun, x0, args if isinstance(args, tuple) else (args,), jac, differences or {})


def _native(fun: object, x0: ArrayLike | None, args: object) -> Problems:
    """Return an objective that is compiled as a batch of one."""
    if not isinstance(fun, Objective):
        return one_problem(fun, x0, args)
    if not isinstance(args, tuple) or args:
        raise ValueError(f"args is {args!r}; expected none: an Objective has its data")
    return fun.problem if x0 is None else fun.problem.with_starts(arguments.array("x0", x0, (fun.dim,))[None])


def doubt(problem: Problems | PythonObjective, x: np.ndarray, gradient: np.ndarray,
          low: float | np.ndarray = -np.inf, high: float | np.ndarray = np.inf) -> tuple[str, int]:
    """Say if a gradient (d,) at x (d,) is plainly not that of the values, and how many evaluations that took.

    It goes along the gradient, in variables of the size of x, and back, within the bounds. What fun raises out there
    is no matter of the run: then nothing is said.
    """
    evaluate = problem[0].value_and_grad
    n_evaluations, shown = 0, []
    for sign in (-1.0, 1.0):
        direction = _uphill(sign * gradient, x, problem.x0[0], low, high)

        def line(t: float, direction: np.ndarray = direction) -> tuple[float, float]:
            nonlocal n_evaluations
            n_evaluations += 1
            fun, slope = evaluate(np.clip(x + t * direction, low, high))
            return fun, float(slope @ direction)

        try:
            found = contradiction((way for way in ways(line, SIZES) if way.change), DOUBT) if direction.any() else None
        except Exception:
            found = None
        if found is None:
            return "", n_evaluations
        shown.append(found)
    return (f" Down the gradient fun should change by {shown[0].integral:.3g}, and changes by {shown[0].change:.3g}: "
            "its gradient is wrong (l2o.testing.check_objective finds where)."), n_evaluations


def lost_in_rounding(problem: PythonObjective, x: np.ndarray, fun: float, low: float | np.ndarray = -np.inf,
                     high: float | np.ndarray = np.inf) -> str:
    """Say if fun is lower beside x (d,), where all its differences are zero and it has the value fun.

    It takes up to 4 values a variable, within the bounds. What fun raises out there is no matter of the run.
    """
    for size in LONGER:
        for step in np.concatenate([np.eye(len(x)), -np.eye(len(x))]) * size * np.maximum(1.0, np.abs(x)):
            try:
                lower = fun - problem.value(np.clip(x + step, low, high)) > ROUNDING * abs(fun)
            except Exception:
                return ""
            if lower:
                return (f" Differences of fun are zero at x, but fun is lower at a step of {np.abs(step).max():.3g}: "
                        "how it changes is lost in rounding, or x is a saddle. Give jac, larger steps (eps), or take "
                        "a constant off fun.")
    return ""


def started_at_minimum(problem: PythonObjective, x: np.ndarray, fun: float, low: float | np.ndarray = -np.inf,
                       high: float | np.ndarray = np.inf) -> bool:
    """Say whether a run that did not leave its start began at a minimum, as far as differences can tell.

    Forward differences are not zero at a minimum. Two values beside x (d,), for each variable, show that nothing is
    lower, and that what a parabola through the three has left to fall is nothing beside its rise.
    """
    steps = SCHEMES["3-point"] * np.maximum(1.0, np.abs(x))
    if (np.abs(x - problem.x0[0]) > steps).any():
        return False
    for step in np.diag(steps):
        try:
            rises = [problem.value(point) - fun for point in (x + step, x - step)
                     if ((low <= point) & (point <= high)).all()]
        except Exception:
            return False
        least, total = min(rises, default=0.0), sum(rises)
        tilt = rises[0] - rises[1] if len(rises) == 2 else 0.0
        if not (least >= 0.0 and (total == 0.0 or tilt**2 / (8.0 * total) <= FTOL * total + ROUNDING * abs(fun))):
            return False
    return True


def _uphill(gradient: np.ndarray, x: np.ndarray, x0: np.ndarray, low: float | np.ndarray,
            high: float | np.ndarray) -> np.ndarray:
    """Return a direction (d,) with the signs of a gradient, in which each variable moves by its own size.

    It is zero where the bounds are close.
    """
    size = np.maximum(np.abs(x), np.abs(x - x0))
    size[size == 0] = 1.0
    with np.errstate(all="ignore"):
        reach = x + 3 * SIZES[0] * size * np.sign(gradient)
        return np.where((low <= reach) & (reach <= high), size * np.sign(gradient), 0.0)
