"""Options in SciPy's words: what they mean here, and what to write instead."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.methods import Method

__all__ = ["checked", "for_differences", "for_method"]

Options = Mapping[str, Any]

OURS = frozenset(("gtol", "ftol", "xtol", "maxiter", "maxfun", "safeguard"))  # what says when runs end
ALIKE = {"maxfev": "maxfun"}  # other names of the same
ELSEWHERE = {"xatol": "use xtol", "xrtol": "use xtol", "fatol": "use ftol", "norm": "gtol is for the maximum norm",
             "starts": "give each problem several rows, problems[np.repeat(np.arange(m), s)], with an x0 for each, in "
                       "minimize_many; curve_fit_many has starts",
             **dict.fromkeys(("maxls", "c1", "c2"), "line searches have limits and constants of their own")}
SILENT = ("disp", "iprint")  # there is nothing to print


def checked(options: Options | None) -> Options:
    """Return the options of a call; those of one that gives none are an empty dict."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"options is {options!r}; expected a dict")
    return options


def for_differences(options: Options, dim: int) -> tuple[Options, dict[str, np.ndarray]]:
    """Return the other options, and the settings of `Differences` for dim variables: eps and finite_diff_rel_step.

    Raises
    ------
    ValueError, TypeError
        If a step does not fit.
    """
    if not options:
        return options, {}
    rest, settings = dict(options), {}
    for name, setting in (("eps", "step"), ("finite_diff_rel_step", "relative_step")):
        step = rest.pop(name, None)
        if step is not None:
            settings[setting] = _step(name, step, dim)
    return rest, settings


def _step(name: str, value: ArrayLike, dim: int) -> np.ndarray:
    steps = arguments.array(name, value, (dim,) if np.ndim(value) else (), "a step for each variable, or one for all")
    if not (np.abs(steps) > 0).all():
        raise ValueError(f"{name} is {value!r}; expected steps that are not zero")
    return steps


def for_method(method: Method, options: Options) -> tuple[Method, Options]:
    """Return a method with the settings that options have for it, and the options of the run.

    An option that means nothing here, but something to SciPy, is a warning that says what to write.
    """
    if options.keys() <= OURS:
        return method, options
    rest, settings = {}, {}
    for given, value in options.items():
        name = ALIKE.get(given, given)
        if name in method.scipy_options:
            settings[method.scipy_options[name]] = value
        elif name in ELSEWHERE:
            from scipy.optimize import OptimizeWarning

            warnings.warn(f"option {name} is not used: {ELSEWHERE[name]}", OptimizeWarning, stacklevel=4)
        elif name not in SILENT:
            rest[str(name)] = value
    if not settings:
        return method, rest
    return dataclasses.replace(method, **settings), rest  # type: ignore[type-var]  # a frozen record of its settings
