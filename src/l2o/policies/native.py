"""Native: a policy that was compiled elsewhere, behind the C ABI of policy.h."""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.methods import Handoff, Step, StepMethod

__all__ = ["Native"]

FUNCTIONS: Any = (ctypes.CFUNCTYPE(None).__mro__[1], ctypes.c_void_p)  # the first is the class of all of ctypes


class Native(StepMethod):
    """A policy in C, or in what compiles to it: functions of the types in ``policy.h``.

    Use it as the method of `l2o.minimize`, `l2o.minimize_many`, `l2o.rollout` or `l2o.compare`. It is trusted: a
    function that writes where it was not told to write crashes the process, or worse.

    Parameters
    ----------
    next : int, ctypes function, Numba cfunc or scipy.LowLevelCallable
        Writes where to evaluate next; an int is its address.
    bequeath : the same, optional
        Writes an approximation of the inverse Hessian, with which the heir "bfgs" starts.
    weights : array_like, shape (size,)
        The numbers that both functions receive as ``user``.
    length : int
        Number of entries of the history that it sees, at least 1.
    state_size : int or callable
        Doubles of memory for each run, at least 0; or a function of the dimension that returns them.
    handoff : Handoff, optional
        When another method takes over, and which; with ``rejections`` of 2 or more it may reject trials.
    hessian : bool
        Whether it asks for the Hessian at the best point; it then needs objectives that have one.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    """

    safeguarded = True

    def __init__(self, next: Any, bequeath: Any = None, *, weights: Any = (), length: int = 1,
                 state_size: int | Callable[[int], int] = 0, handoff: Handoff | None = None,
                 hessian: bool = False) -> None:
        self._given = next, bequeath  # they stay alive
        functions = _address("next", next), 0 if bequeath is None else _address("bequeath", bequeath)
        self._policy = np.array(functions, np.uintp)  # an l2o_policy
        values = arguments.array("weights", weights, (None,))
        self._block = _kernels.aligned((1, max(1, len(values))))
        self._block[0, : len(values)] = values
        self._length = arguments.count("length", length)
        self._state_size = state_size if callable(state_size) else arguments.count("state_size", state_size, 0)
        if not isinstance(handoff, (Handoff, type(None))):
            raise TypeError(f"handoff is {handoff!r}; expected a Handoff")
        self._handoff = Handoff() if handoff is None else handoff
        self._curvature = "hessian" if arguments.flag("hessian", hessian) else None
        self._steps: dict[int, Step] = {}

    def __reduce__(self) -> str:
        raise pickle.PicklingError(f"{self!r} cannot be sent to another process, where its addresses mean nothing")

    def step(self, dim: int) -> Step:
        """Return what the kernels need for problems of that dimension."""
        if dim not in self._steps:
            size = self._state_size
            size = arguments.count(f"state_size({dim})", size(dim), 0) if callable(size) else size
            self._steps[dim] = Step(self._policy.ctypes.data, self._block, self._length, size, handoff=self._handoff,
                                    curvature=self._curvature)
        return self._steps[dim]


def _address(name: str, given: Any) -> int:
    """Return the address of a compiled function."""
    function = getattr(given, "function", given)  # what a LowLevelCallable was made from
    address: Any = getattr(function, "address", function)  # a cfunc has its own
    if isinstance(address, FUNCTIONS):
        address = ctypes.cast(address, ctypes.c_void_p).value
    if isinstance(address, bool) or not isinstance(address, (int, np.integer)) or address <= 0:
        raise TypeError(f"{name} is {given!r}; expected the address of a compiled function, a ctypes function, a cfunc "
                        "or a LowLevelCallable")
    return int(address)
