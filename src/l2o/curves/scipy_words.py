"""What to write instead of arguments that SciPy's curve fits have and these have not."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["answered"]

Given = ParamSpec("Given")
Made = TypeVar("Made")

INSTEAD = {
    "f_scale": "sigma: robust losses are in units of it",
    **dict.fromkeys(("xdata", "x"), "t"),
    "ydata": "Y, in curve_fit y",
    **dict.fromkeys(("f", "fun"), "model"),
    "jac": "nothing: derivatives are made from the model, or a model f(t, p, jac) writes them",
    **dict.fromkeys(("maxfev", "max_nfev"), "options={'maxfev': ...}"),
    **dict.fromkeys(("ftol", "xtol", "gtol"), "tol, in standard errors"),
    "nan_policy": "nothing: points that are NaN are left out",
    "check_finite": "nothing: points that are not finite are left out",
    "full_output": "nothing: the result has nfev, status and residuals",
    "x_scale": "nothing: units of parameters do not matter",
    "args": "a point of several numbers, t (n, k), or values that the model takes from outside",
}


def answered(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return the function, which answers an argument of SciPy's with what is here: a TypeError."""
    @wraps(function)
    def asked(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        for name in INSTEAD.keys() & kwargs.keys():
            raise TypeError(f"{function.__name__} has no argument {name}, which SciPy's has; write {INSTEAD[name]}")
        return function(*args, **kwargs)

    return asked
