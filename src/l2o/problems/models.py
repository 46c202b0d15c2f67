"""A model of a curve: a function of a point and parameters, which Numba compiles with its derivatives.

Whatever it is written in, the kernels meet it as a C function of _kernels/base/model.h: one call for all points.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Card
from l2o.errors import CompilationError
from l2o.problems.sources import Address, UserFunction

__all__ = ["SIGNATURE", "Model", "model"]

SIGNATURE = "int (const double *, const double *, intptr_t, double *, double *, intptr_t, const void *)"


class Source(Protocol):
    """What a model is made of."""

    name: str
    source_hash: str | None
    user_data: int | None

    def compiled(self, d: int, k: int) -> Any:
        """Return what has the ``address`` of an l2o_model for d parameters and points of k numbers, and keeps it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model of a curve; `l2o.model` makes it.

    Attributes
    ----------
    source : object
        The Python function or the address that it is made of.
    """

    source: Any

    def __repr__(self) -> str:
        return f"Model({self.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.source.portable(self, model)

    @property
    def name(self) -> str:
        """What messages and cards call it."""
        return self.source.name

    @property
    def python(self) -> Callable[..., float] | None:
        """The Python function of one point, ``f(t, p)``; None where it was compiled elsewhere."""
        return getattr(self.source, "function", None) if isinstance(self.source, UserFunction) else None

    @property
    def user(self) -> int:
        """Address that the function is called with as ``user``; 0 for NULL."""
        return self.source.user_data or 0

    def card(self) -> Card:
        """Return what a policy's card says of the model: its name, and the hash of its source."""
        return {"name": self.name, "source": self.source.source_hash}

    def address(self, d: int, k: int = 1) -> int:
        """Return the address of the model as an l2o_model, compiled when this is first asked for.

        Parameters
        ----------
        d : int
            Number of parameters.
        k : int
            Numbers that make a point.

        Raises
        ------
        CompilationError
            If it cannot be compiled.
        """
        return self.source.compiled(d, k).address

    def __call__(self, t: ArrayLike, p: ArrayLike) -> np.ndarray:
        """Return the curve (n,) of parameters (d,) at points t: (n,), or (n, k) where a point has k numbers."""
        return self._evaluated(t, p, False)[0]

    def jacobian(self, t: ArrayLike, p: ArrayLike) -> np.ndarray:
        """Return the derivatives (n, d) of the curve by its parameters (d,) at points t: (n,) or (n, k)."""
        return self._evaluated(t, p, True)[1].T

    def _evaluated(self, t: ArrayLike, p: ArrayLike, derivatives: bool) -> tuple[np.ndarray, np.ndarray]:
        p = arguments.array("p", p, (None,), "(d,)", finite=False)
        points = np.asarray(t, dtype=float)
        if points.ndim not in (1, 2):
            raise ValueError(f"t has shape {points.shape}; expected (n,) or (n, k)")
        points = np.ascontiguousarray(points)
        n, d = len(points), len(p)
        values, jacobian = np.empty(n), np.empty((d, n))
        call = _FUNCTION(self.address(d, points.size // n if n else 1))
        code = call(p.ctypes.data, points.ctypes.data, n, values.ctypes.data,
                    jacobian.ctypes.data if derivatives else None, d, self.user or None)
        if code:
            raise ValueError(f"the model {self.name} fails at p = {p.tolist()}")
        return values, jacobian


_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p,
                             ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p)


class PointFunction(UserFunction):
    """A Python function of one point, compiled for each number of parameters and of numbers that make a point."""

    noun = "model"
    user_data = None

    def __init__(self, function: Callable[..., float]) -> None:
        super().__init__(function)
        self._lock = threading.Lock()
        self._compiled: dict[tuple[int, int], Any] = {}

    def compiled(self, d: int, k: int) -> Any:
        """Return the function compiled for d parameters and points of k numbers."""
        with self._lock:
            if (d, k) not in self._compiled:
                self._compiled[d, k] = self._compile(d, k)
            return self._compiled[d, k]

    def _compile(self, d: int, k: int) -> Any:
        from l2o._kernels.duals import points

        try:
            return points.compiled(self.function, d, k)
        except Exception as error:  # any layer of a compiler can fail, and not all raise Numba's own errors
            raise CompilationError(
                f"Numba cannot compile the model {self.name} for {d} parameters:\n{error}") from error


class ModelAddress(Address):
    """A model compiled elsewhere; it knows its numbers of parameters."""

    noun, signature = "model", SIGNATURE

    @property
    def address(self) -> int:
        """Address of the function."""
        return self.function

    def compiled(self, d: int, k: int) -> ModelAddress:
        """Return itself."""
        return self


def model(function: Callable[..., float]) -> Model:
    """Make a model of a curve from a function of one point; Numba compiles it with its derivatives.

    Use it as a decorator. Numba compiles when the function is first needed, once a process.

    Parameters
    ----------
    function : callable
        ``function(t, p) -> f``: t is a number, or a tuple of k numbers where a point has k; p is a tuple of d
        parameters. It is written in what Numba compiles (``numba.njit``).

    Returns
    -------
    Model
        What curve fits take. Called with points (n,) and parameters (d,) it returns the curve (n,).

    Raises
    ------
    TypeError
        If it is no Python function of these two arguments.

    Examples
    --------
    >>> import l2o
    >>> import numpy as np
    >>> @l2o.model
    ... def decay(t, p):
    ...     amplitude, rate, offset = p
    ...     return amplitude * np.exp(-rate * t) + offset
    >>> decay([0.0, 1.0], [2.0, 1.0, 0.5]).round(3).tolist()
    [2.5, 1.236]
    >>> decay.jacobian([0.0, 1.0], [2.0, 1.0, 0.5]).round(3).tolist()
    [[1.0, -0.0, 1.0], [0.368, -0.736, 1.0]]
    """
    address = ModelAddress.of(function)
    if address is not None:
        return Model(address)
    function = getattr(function, "py_func", function)  # of what Numba has compiled
    if not inspect.isfunction(function):
        raise TypeError(f"model is {function!r}; expected a Python function of (t, p)")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2 or any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters):
        raise TypeError(f"{function.__name__} takes {inspect.signature(function)}; expected (t, p)")
    return Model(PointFunction(function))
