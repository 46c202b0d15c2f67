"""How far steps of Levenberg and Marquardt go: rules of the kernels, with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from l2o import _kernels
from l2o.base import archive, arguments
from l2o.base.typing import File
from l2o.errors import PolicyFileError

__all__ = ["DAMPING", "SHAPES", "SHIPPED", "TEXTBOOK", "Damping", "chosen", "learned", "load_numbers", "packed"]

SHIPPED = Path(__file__).parents[1] / "pretrained" / "damping.npz"
SHAPES = {"first": (4,), "accepted": (2, 9), "rejected": (2, 9)}  # of the numbers of a learned rule, in their order


@dataclass(frozen=True, eq=False)
class Damping:
    """A rule of damping as the kernels see it.

    Attributes
    ----------
    rule : int
        Its address.
    numbers : ndarray, shape (k,)
        What it is given: the radius of the first step, the first damping, or what was learned.
    """

    rule: int
    numbers: np.ndarray


def packed(weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return the numbers of a learned rule as one vector (40,)."""
    return np.concatenate([np.ravel(weights[name]) for name in SHAPES])


def load_numbers(path: File) -> np.ndarray:
    """Return the numbers (40,) of a learned rule from its file.

    Raises
    ------
    OSError
        If the file cannot be read.
    PolicyFileError
        If it holds no learned damping.
    """
    arrays, card = archive.read(path, "card", "policy", PolicyFileError)
    kind = card.get("network", {}).get("kind") if isinstance(card, dict) else None
    if kind != "damping":
        raise PolicyFileError(f"{path} has a policy of kind {kind!r}; expected 'damping'")
    try:
        numbers = packed({name: arguments.array(name, arrays[name], shape) for name, shape in SHAPES.items()})
    except (KeyError, ValueError) as error:
        raise PolicyFileError(f"{path} holds no complete policy: {error}") from None
    return numbers


def learned(numbers: np.ndarray) -> Damping:
    """Return the learned rule with its numbers (40,)."""
    return Damping(_kernels.levenberg.LEARNED, np.ascontiguousarray(numbers, np.float64))


@cache
def _shipped() -> Damping:
    return learned(load_numbers(SHIPPED))


def _learned(factor: float | None) -> Damping:
    if factor is not None:
        raise ValueError(f"factor is {factor}; expected none: the learned damping tells where it begins")
    return _shipped()


def _textbook(rule: int, default: float, factor: float | None) -> Damping:
    first = default if factor is None else arguments.number("factor", factor, exclusive=True)
    return Damping(rule, np.array([first]))


TEXTBOOK: dict[str, Callable[[float | None], Damping]] = {
    "more": partial(_textbook, _kernels.levenberg.MORE, 100.0),
    "nielsen": partial(_textbook, _kernels.levenberg.NIELSEN, 1e-2),
}
DAMPING = {**TEXTBOOK, "learned": _learned}


def chosen(name: str, factor: float | None) -> Damping:
    """Return the rule of that name, which begins with a factor, or its own.

    Raises
    ------
    ValueError, TypeError
        If there is none, or the factor does not fit.
    """
    return DAMPING[arguments.choice("damping", name, DAMPING)](factor)
