"""How far steps of Levenberg and Marquardt go: rules of the kernels, with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from l2o import _kernels
from l2o.base import arguments

__all__ = ["DAMPING", "Damping", "chosen"]


@dataclass(frozen=True, eq=False)
class Damping:
    """A rule of damping as the kernels see it.

    Attributes
    ----------
    rule : int
        Its address.
    numbers : ndarray, shape (k,)
        What it is given: the radius of the first step, or the first damping.
    """

    rule: int
    numbers: np.ndarray


def _textbook(rule: int, default: float, factor: float | None) -> Damping:
    first = default if factor is None else arguments.number("factor", factor, exclusive=True)
    return Damping(rule, np.array([first]))


DAMPING: dict[str, Callable[[float | None], Damping]] = {
    "more": partial(_textbook, _kernels.levenberg.MORE, 100.0),
    "nielsen": partial(_textbook, _kernels.levenberg.NIELSEN, 1e-2),
}


def chosen(name: str, factor: float | None) -> Damping:
    """Return the rule of that name, which begins with a factor, or its own.

    Raises
    ------
    ValueError, TypeError
        If there is none, or the factor does not fit.
    """
    return DAMPING[arguments.choice("damping", name, DAMPING)](factor)
