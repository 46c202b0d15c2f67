"""What Numba cannot compile in a user's function, and what to do about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["remedy"]

KNOWN = ("numpy", "math", "cmath", "builtins", "numba")  # modules whose functions Numba replaces, or says itself


def remedy(function: Callable[..., object]) -> str:
    """Return sentences that name what the function calls and Numba does not know; nothing if there is no such thing."""
    sentences = []
    for name, called in _called(function):
        if isinstance(called, FunctionType):
            sentences.append(f"{name} is a Python function that is not compiled: put @numba.njit above it.")
        elif isinstance(called, np.ufunc) and getattr(np, called.__name__, None) is not called:
            sentences.append(f"{name} is a ufunc that Numba does not know: write it out in functions of math and "
                             "NumPy, in a helper with @numba.njit above it.")
    return "".join(f"\n{sentence}" for sentence in sentences)


def _called(function: Callable[..., object]) -> Iterator[tuple[str, Any]]:
    """Yield what a function names outside itself, and of modules what it may take from them."""
    try:
        outside = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return
    for name, value in {**outside.globals, **outside.nonlocals}.items():
        yield from _within(name, value, sorted(outside.unbound))


def _within(name: str, value: Any, attributes: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield something, or of a module, and of modules in it, what has one of the names."""
    if not isinstance(value, ModuleType):
        yield name, value
    elif value.__name__.split(".")[0] not in KNOWN:
        for attribute in attributes:
            if hasattr(value, attribute):
                rest = [each for each in attributes if each != attribute]
                yield from _within(f"{name}.{attribute}", getattr(value, attribute), rest)
