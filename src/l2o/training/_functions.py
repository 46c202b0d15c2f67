"""The functions of a training: drawn from a family, or given, and parted into those to train and those to choose on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.families import Family
from l2o.problems import Problems

__all__ = ["Functions", "named", "objective", "parted"]

HELD_OUT = 5  # of given problems without validation functions, every fifth is held out
Functions = tuple[Problems, ...]  # by objective and dimension


def parted(family: Family | Problems | Sequence[Problems], n_functions: int | None, n_validation: int,
           validation: Problems | Sequence[Problems] | None,
           branches: dict[str, np.random.Generator]) -> tuple[Functions, Functions]:
    """Return the training and the validation functions, by objective and dimension.

    Raises
    ------
    ValueError, TypeError
        If they are too few, or do not belong together.
    """
    training: Functions
    if isinstance(family, Family):
        n_functions = family.n_training if n_functions is None else arguments.count("n_functions", n_functions, 2)
        training = (family.sample(n_functions, branches["training"]),)
        if validation is None:
            validation = family.sample(arguments.count("n_validation", n_validation), branches["validation"])
    else:
        training = _given(family)
        for problems in training:
            if len(problems) < 2 + (validation is None):
                raise ValueError(f"family holds {len(problems)} problems; expected at least {2 + (validation is None)}")
        if validation is None:
            training, validation = _held_out(training)
    return training, _checked(validation, training)


def _given(family: Any) -> Functions:
    """Return given problems as a tuple."""
    if isinstance(family, Problems):
        return (family,)
    if not isinstance(family, (list, tuple)) or not family or not all(isinstance(each, Problems) for each in family):
        raise TypeError(f"family is {type(family).__name__}; expected a Family or Problems, or a sequence of Problems")
    return tuple(family)


def _held_out(functions: Functions) -> tuple[Functions, Functions]:
    """Return all but every fifth function, and every fifth."""
    parts = []
    for problems in functions:
        held_out = np.arange(len(problems)) % HELD_OUT == HELD_OUT - 1
        held_out[-1] |= not held_out.any()
        parts.append((problems[~held_out], problems[held_out]))
    training, validation = zip(*parts)
    return training, validation


def _checked(validation: Any, training: Functions) -> Functions:
    """Return the validation functions as a tuple that goes with the training functions."""
    given = (validation,) if isinstance(validation, Problems) else validation
    fits = (isinstance(given, (list, tuple)) and len(given) == len(training)
            and all(isinstance(each, Problems) and each.dim == other.dim and len(each) > 0
                    for each, other in zip(given, training)))
    if not fits:
        dims = ", ".join(str(problems.dim) for problems in training)
        raise ValueError(f"validation is {validation!r}; expected Problems of dimension {dims}")
    return tuple(given)


def named(family: object) -> dict[str, Any]:
    """Return name and settings of a family."""
    if not isinstance(family, Family):
        return {"name": "given problems", "settings": {}}
    module = type(family).__module__
    home = "l2o.families" if module.startswith("l2o.families.") else module
    return {"name": f"{home}.{type(family).__qualname__}", "settings": family.settings()}


def objective(functions: Functions) -> dict[str, Any] | None:
    """Return the record of the objective; None for a mixture of several."""
    first, *others = (problems.kernel.card() for problems in functions)
    return None if any(card != first for card in others) else first
