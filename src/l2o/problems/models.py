"""A model of a curve: a function of a point and parameters, which Numba compiles with its derivatives.

Whatever it is written in, the kernels meet it as a C function of _kernels/base/model.h: one call for all points.
"""

from __future__ import annotations

import ctypes
import inspect
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o import _kernels
from l2o._kernels.duals import NotANumber
from l2o.base import arguments
from l2o.base.typing import ArrayLike, Card
from l2o.errors import CompilationError, SlowModelWarning
from l2o.problems.slow_models import SlowModel
from l2o.problems.sources import Address, UserFunction

__all__ = ["SIGNATURE", "Model", "model"]

SIGNATURE = "int (const double *, const double *, intptr_t, double *, double *, intptr_t, const void *)"
_BY_DUALS, _BY_HAND = ("t", "p"), ("t", "p", "jac")  # the parameters of a function


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

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return what Dask tells it by: the fields of a dataclass, by which it would, hold a lock here."""
        return self.__reduce__()

    @property
    def name(self) -> str:
        """What messages and cards call it."""
        return self.source.name

    @property
    def python(self) -> Callable[..., float] | None:
        """The Python function of one point, ``f(t, p)``; None where it was compiled elsewhere."""
        return self.source.python

    def card(self) -> Card:
        """Return what a policy's card says of the model: its name, and the hash of its source."""
        return {"name": self.name, "source": self.source.source_hash}

    def address(self, d: int, k: int = 1) -> int:
        """Return the address of the model as an l2o_model, compiled when this is first asked for.

        It is called with what `user` returns.

        Parameters
        ----------
        d : int
            Number of parameters.
        k : int
            Numbers that make a point.

        Raises
        ------
        CompilationError
            If it does not return a number, or neither Numba nor Python can run it.

        Warns
        -----
        SlowModelWarning
            If Numba cannot compile it, once.
        """
        return self.source.compiled(d, k).address

    def user(self, d: int, k: int = 1) -> int:
        """Return the address that the function is called with as ``user``; 0 is NULL."""
        return self.source.compiled(d, k).user

    def __call__(self, t: ArrayLike, p: ArrayLike) -> np.ndarray:
        """Return the curve (n,) of parameters (d,) at points t: (n,), or (n, k) where a point has k numbers."""
        return self._evaluated(t, p, False)[0]

    def jacobian(self, t: ArrayLike, p: ArrayLike) -> np.ndarray:
        """Return the derivatives (n, d) of the curve by its parameters (d,) at points t: (n,) or (n, k)."""
        return self._evaluated(t, p, True)[1].T

    def _evaluated(self, t: ArrayLike, p: ArrayLike, derivatives: bool) -> tuple[np.ndarray, np.ndarray]:
        p = arguments.array("p", p, (None,), "(d,)", finite=False)
        points = np.asarray(t, dtype=float)
        if points.ndim not in (1, 2) or 0 in points.shape[1:]:
            raise ValueError(f"t has shape {points.shape}; expected (n,) or (n, k)")
        if len(p) == 0:
            raise ValueError("p is empty; expected at least one parameter")
        points = np.ascontiguousarray(points)
        n, d = len(points), len(p)
        values, jacobian = np.empty(n), np.empty((d, n))
        function = self.source.compiled(d, int(np.prod(points.shape[1:])))
        code = _FUNCTION(function.address)(p.ctypes.data, points.ctypes.data, n, values.ctypes.data,
                                           jacobian.ctypes.data if derivatives else None, d, function.user or None)
        if code:
            raise ValueError(self.failure(points, p))
        return values, jacobian

    def curves(self, t: np.ndarray, offsets: np.ndarray, x: np.ndarray, cov: np.ndarray | None = None
               ) -> tuple[np.ndarray, np.ndarray]:
        """Return the values (N,) of many curves, NaN where the model fails, and with cov their variances (N,).

        Parameters
        ----------
        t : ndarray, shape (n, k) or (N, k)
            Points, the same for all curves or each one's own.
        offsets : ndarray of intp, shape (m + 1,)
            The points of curve i are those from offsets[i] to offsets[i + 1].
        x : ndarray, shape (m, d)
            Parameters.
        cov : ndarray, shape (m, d, d), optional
            Their covariance.
        """
        d, k, n = x.shape[1], t.shape[1], int(offsets[-1])
        values, variance = np.empty(n), np.empty(0 if cov is None else n)
        _kernels.levenberg.curves_of(self.address(d, k), self.user(d, k), k, t, offsets, np.ascontiguousarray(x), cov,
                                     values, variance)
        return values, variance

    def failure(self, points: np.ndarray, p: np.ndarray) -> str:
        """Say where the model fails for parameters (d,), at one of the points (n,) or (n, k), and what it raises."""
        return f"the model {self.name} fails at p = {p.tolist()}{self.source.raised(points, p)}"


_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p,
                             ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p)


class PointFunction(UserFunction):
    """A Python function of one point, compiled for each number of parameters and of numbers that make a point."""

    noun = "model"

    def __init__(self, function: Callable[..., float]) -> None:
        super().__init__(function)
        self._lock = threading.Lock()
        self._compiled: dict[tuple[int, int], Any] = {}
        self._by_hand = len(inspect.signature(function).parameters) == len(_BY_HAND)
        self._slow = False

    @property
    def python(self) -> Callable[..., float]:
        """The Python function."""
        return self.function

    def compiled(self, d: int, k: int) -> Any:
        """Return the function compiled for d parameters and points of k numbers."""
        with self._lock:
            if (d, k) not in self._compiled:
                self._compiled[d, k] = self._compile(d, k)
            return self._compiled[d, k]

    def _compile(self, d: int, k: int) -> Any:
        from l2o._kernels.duals import points

        try:
            return points.compiled(self.function, k, (points.ByHand if self._by_hand else points.ByDuals)(d))
        except NotANumber as error:
            raise self._returns(error) from None
        except Exception as error:  # any layer of a compiler can fail, and not all raise Numba's own errors
            slow = SlowModel(self.function, k, self._by_hand)
            self._try(slow, d, error)
            self._warn(str(error))
            return slow

    def raised(self, points: np.ndarray, p: np.ndarray) -> str:
        """Return what the function raises at one of the points (n,) or (n, k), as the end of a message."""
        table = points.reshape(len(points), -1)
        slow = SlowModel(self.function, table.shape[1], self._by_hand)
        for point in table:
            try:
                slow.value(point, p)
            except Exception as error:
                where = point.tolist()
                return f": {type(error).__name__}: {error} (at t = {where[0] if len(where) == 1 else tuple(where)})"
        return ""

    def _returns(self, what: NotANumber) -> CompilationError:
        return CompilationError(f"the model {self.name} returns {what}; expected a number")

    def _try(self, slow: SlowModel, d: int, error: Exception) -> None:
        """Raise CompilationError if Python cannot run the function either, whatever the numbers."""
        try:
            slow.value([1.0] * slow.k, [1.0] * d)
        except NotANumber as reason:
            raise self._returns(reason) from None
        except Exception as reason:
            unpacked = re.search(r"values to unpack \(expected (\d+)", str(reason))
            if unpacked is None and isinstance(reason, (ArithmeticError, ValueError)):
                return  # of these numbers, as the root of a negative one
            why = "" if unpacked is None else f"it unpacks {unpacked[1]} values, and p0 has {d} entries; "
            raise CompilationError(f"the model {self.name} fails, with d = {d} parameters and k = {slow.k} numbers a "
                                   f"point: {why}{type(reason).__name__}: {reason}") from error

    def _warn(self, message: str) -> None:
        if not self._slow:
            how = "at each point, slowly" + (", with differences for derivatives" if not self._by_hand else "")
            warnings.warn(f"Numba cannot compile the model {self.name}, so Python calls it {how}: {_reason(message)}",
                          SlowModelWarning, stacklevel=2)
        self._slow = True


def _reason(message: str) -> str:
    """Return the line of a message of Numba that says why."""
    plain = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", message).splitlines()]
    lines = [line for line in plain if line and not line.startswith("Failed in nopython mode")] or [message]
    reason = " ".join(lines[: 2 if lines[1:] and lines[1].startswith(">>>") else 1])
    if "<class 'function'>" in reason or "models.Model'>" in reason:
        reason += "; a function that it calls needs @numba.njit"
    return reason


class ModelAddress(Address):
    """A model compiled elsewhere; it knows its numbers of parameters."""

    noun, signature, python = "model", SIGNATURE, None

    @property
    def address(self) -> int:
        """Address of the function."""
        return self.function

    @property
    def user(self) -> int:
        """Address of the data of a LowLevelCallable; 0 for none."""
        return self.user_data or 0

    def compiled(self, d: int, k: int) -> ModelAddress:
        """Return itself."""
        return self

    def raised(self, points: np.ndarray, p: np.ndarray) -> str:
        """Return nothing: a C function says no more than that it fails."""
        return ""


def model(function: Callable[..., float]) -> Model:
    """Make a model of a curve from a function of one point; Numba compiles it with its derivatives.

    Use it as a decorator. Numba compiles when the function is first needed, once a process.

    Parameters
    ----------
    function : callable
        ``function(t, p) -> f``: t is a number, or a tuple of k numbers where a point has k; p is a tuple of d
        parameters. Branches, loops, the scalar functions of ``math`` and NumPy, and functions compiled by
        ``numba.njit`` may stand in it. With a third parameter, ``function(t, p, jac) -> f``, it writes its own
        derivatives to jac (d,). A Numba cfunc or ``scipy.LowLevelCallable`` of the signature in ``model.h`` is a model,
        too; it computes all points at once.

        A function that Numba cannot compile works, but slowly, and its derivatives are differences.

    Returns
    -------
    Model
        What curve fits take. Called with points (n,) and parameters (d,) it returns the curve (n,).

    Raises
    ------
    TypeError
        If it is no Python function of these arguments, or a compiled one of another signature.

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
        raise TypeError(f"model is {function!r}; expected a Python function of (t, p), a Numba cfunc or a "
                        "scipy.LowLevelCallable")
    parameters = list(inspect.signature(function).parameters.values())
    plain = all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)
    if not plain or len(parameters) not in (len(_BY_DUALS), len(_BY_HAND)):
        raise TypeError(f"{function.__name__} takes {inspect.signature(function)}; expected (t, p) or (t, p, jac)")
    return Model(PointFunction(function))
