"""A user's own objective: compiled by Numba, or compiled elsewhere and given as an address.

Whatever it is written in, the kernels meet it as a C function of _kernels/base/objective.h. The block of one
problem is flat float64: rows, columns, then the data, row by row.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, overload

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.base.watch import Watch
from l2o.errors import CompilationError
from l2o.problems import Kernel, Problems, from_blocks
from l2o.problems.layout import HEADER, blocks, table
from l2o.problems.sources import Address, UserFunction, is_address
from l2o.problems.uncompiled import remedy

__all__ = ["SIGNATURE", "CompiledObjective", "is_compiled", "kernel_of", "objective", "one_problem"]

SIGNATURE = "int (const double *, double *, double *, intptr_t, void *)"

_PARAMETERS = ("x", "data", "grad")
_HOW = ("expected a function compiled by @l2o.objective, a Numba cfunc or a scipy.LowLevelCallable; "
        "put @l2o.objective above a function of (x, data, grad) that returns the value")


@overload
def objective(function: Callable[..., float], *, hessian: Callable[..., None] | None = None) -> CompiledObjective: ...


@overload
def objective(*, hessian: Callable[..., None]) -> Callable[[Callable[..., float]], CompiledObjective]: ...


def objective(function: Callable[..., float] | None = None, *, hessian: Callable[..., None] | None = None) -> (
        CompiledObjective | Callable[[Callable[..., float]], CompiledObjective]):
    """Compile an objective function for the kernels.

    Use it as a decorator, ``@l2o.objective`` or ``@l2o.objective(hessian=...)``. Numba compiles when the function is
    first needed, once a process.

    Parameters
    ----------
    function : callable
        ``function(x, data, grad) -> f`` with x (d,), data (rows, columns), grad (d,), all float64. It writes
        every entry of grad, which holds anything before, and returns the value. x and data are read-only. It
        is written in what Numba compiles (``numba.njit``); numbers divided by zero are inf or NaN, as in NumPy. A
        value that is not finite, or an exception such as an index out of range, ends the run with a status.
    hessian : callable, optional
        ``hessian(x, data, H)``: writes the second derivatives to H (d, d), all of them. For Newton's method, which else
        takes differences of the gradient, and for all that asks for Hessians.

    Returns
    -------
    CompiledObjective
        What `minimize` takes as ``fun``, with ``args=(data,)``, and `families.Custom` as its objective. Called from
        Python it is the plain function, so that it can print and be stepped through.

    Raises
    ------
    TypeError
        If it is no Python function of these three arguments.

    Examples
    --------
    >>> import l2o
    >>> import numpy as np
    >>> @l2o.objective
    ... def distance(x, data, grad):
    ...     f = 0.0
    ...     grad[:] = 0.0
    ...     for i in range(data.shape[0]):
    ...         for j in range(len(x)):
    ...             f += 0.5 * (x[j] - data[i, j]) ** 2
    ...             grad[j] += x[j] - data[i, j]
    ...     return f
    >>> points = np.array([[0.0, 1.0], [2.0, 5.0]])
    >>> result = l2o.minimize(distance, [7.0, 7.0], args=(points,), method="lbfgs")
    >>> result.success, result.x.round(6).tolist()
    (True, [1.0, 3.0])
    """
    if hessian is not None:
        _checked("hessian", hessian, "(x, data, H)")
    if function is None and hessian is not None:
        return partial(objective, hessian=hessian)
    return CompiledObjective(_checked("objective", function, "(x, data, grad)"), hessian)


def _checked(name: str, function: object, expected: str) -> Callable[..., Any]:
    """Return a function; TypeError if it is no Python function of three arguments."""
    if not inspect.isfunction(function):
        raise TypeError(f"{name} is {function!r}; expected a Python function of {expected}")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 3 or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        raise TypeError(f"{function.__name__} takes {inspect.signature(function)}; expected {expected}")
    return function


class CompiledObjective(UserFunction):
    """A Python function that the kernels can call; `l2o.objective` makes it.

    Attributes
    ----------
    function : callable
        The Python function.
    name : str
        Its qualified name, which cards and messages show.
    hessian : callable or None
        The Python function of its second derivatives.
    """

    noun = "objective"

    def __init__(self, function: Callable[..., float], hessian: Callable[..., None] | None = None) -> None:
        super().__init__(function)
        self.hessian = hessian
        self._lock = threading.Lock()
        self._kernel: Kernel | None = None
        self._compiled: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"CompiledObjective({self.name})"

    def __call__(self, x: np.ndarray, data: np.ndarray, grad: np.ndarray) -> float:
        """Call the Python function, not compiled."""
        return self.function(x, data, grad)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.portable(self, _of_both)

    @property
    def carried(self) -> tuple[Callable[..., float], Callable[..., None] | None]:
        """What another process makes it of."""
        return self.function, self.hessian

    @property
    def source(self) -> CompiledObjective:
        """The function that it is made of: itself."""
        return self

    @property
    def kernel(self) -> Kernel:
        """The function as the kernels see it, compiled when this is first asked for.

        Raises
        ------
        CompilationError
            If Numba cannot compile it; the message is Numba's.
        """
        with self._lock:
            if self._kernel is None:
                made = [self._made(_compiled, self.function, f"objective {self.name}")]
                if self.hessian is not None:
                    made.append(self._made(_compiled_hessian, self.hessian, f"Hessian of the objective {self.name}"))
                self._compiled = tuple(made)
                self._kernel = Kernel(self.name, made[0].address, made[-1].address if made[1:] else None, source=self,
                                      raised=self.raised)
            return self._kernel

    def raised(self, x: np.ndarray, data: np.ndarray) -> str:
        """Return what the Python function raises at x (d,), in which the compiled one has failed; "" for nothing."""
        x = x.copy()
        x.flags.writeable = False
        try:
            with np.errstate(all="ignore"):
                self.function(x, data, np.full(len(x), np.nan))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    @staticmethod
    def _made(compiled: Callable[..., Any], function: Callable[..., Any], what: str) -> Any:
        try:
            return compiled(function)
        except Exception as error:  # any layer of a compiler can fail, and not all raise Numba's own errors
            raise CompilationError(f"Numba cannot compile the {what}:\n{error}{remedy(function)}") from error

    def value_and_grad(self, x: ArrayLike, data: ArrayLike | None = None) -> tuple[float, np.ndarray]:
        """Return value and gradient (d,) at x (d,), compiled.

        With it the objective is a function for others: ``scipy.optimize.minimize(decay.value_and_grad, x0,
        args=(data,), jac=True)``.
        """
        x = arguments.array("x", x, (None,), finite=False)[None]
        given = table("data", _no_data() if data is None else data)
        block = np.concatenate([given.shape, given.reshape(-1)])[None]  # quicker than Problems of one
        fun, jac, status = np.empty(1), np.empty(x.shape), np.empty(1, np.intc)
        address = _kernels.addresses(block, np.zeros(1, np.intp))
        _kernels.evaluate.evaluate_many(self.kernel.function, address, x, fun, jac, status, Watch())
        return float(fun[0]), jac[0]


def _compiled(function: Callable[..., float]) -> Any:
    """Compile a function of (x, data, grad) to a Numba cfunc of the ABI."""
    import numba
    from numba import types

    import l2o._kernels.duals.special  # noqa: F401  # what of scipy.special Numba learns for models it knows here, too

    point, table = (types.Array(types.float64, n, "C", readonly=True) for n in (1, 2))
    # an index out of range would write to memory of others; the check costs 0 to 10 % (100 rows, two objectives)
    checked = numba.njit(types.float64(point, table, types.float64[::1]), error_model="numpy", boundscheck=True)
    inner = checked(function)
    doubles = types.CPointer(types.float64)

    @numba.cfunc(types.int32(doubles, doubles, doubles, types.intp, doubles))
    def call(x, f, g, n, user):  # type: ignore[no-untyped-def]
        rows, columns = int(user[0]), int(user[1])
        block = numba.carray(user, (HEADER + rows * columns,))
        try:  # an exception that leaves a cfunc is printed, and the caller told that all is well
            f[0] = inner(numba.carray(x, (n,)), block[HEADER:].reshape((rows, columns)), numba.carray(g, (n,)))
        except Exception:
            return -1
        return 0

    return call


def _compiled_hessian(function: Callable[..., None]) -> Any:
    """Compile a function of (x, data, H) to a Numba cfunc of the ABI of Hessians; what it leaves unwritten is NaN."""
    import numba
    from numba import types

    point, table = (types.Array(types.float64, n, "C", readonly=True) for n in (1, 2))
    checked = numba.njit(types.void(point, table, types.float64[:, ::1]), error_model="numpy", boundscheck=True)
    inner = checked(function)
    doubles = types.CPointer(types.float64)

    @numba.cfunc(types.int32(doubles, doubles, types.intp, doubles))
    def call(x, h, n, user):  # type: ignore[no-untyped-def]
        rows, columns = int(user[0]), int(user[1])
        block = numba.carray(user, (HEADER + rows * columns,))
        matrix = numba.carray(h, (n, n))
        matrix[:] = np.nan
        try:
            inner(numba.carray(x, (n,)), block[HEADER:].reshape((rows, columns)), matrix)
        except Exception:
            return -1
        for i in range(n):
            for j in range(i):
                matrix[i, j] = matrix[j, i] = 0.5 * (matrix[i, j] + matrix[j, i])
        return 0

    return call


def _of_both(functions: tuple[Callable[..., float], Callable[..., None] | None]) -> CompiledObjective:
    """Return an objective of its function and its Hessian."""
    return CompiledObjective(*functions)


class _Address(Address):
    """An objective compiled elsewhere."""

    signature, noun = SIGNATURE, "objective"

    @property
    def kernel(self) -> Kernel:
        """The function as the kernels see it."""
        return Kernel(self.name, self.function, source=self)


def is_compiled(given: object) -> bool:
    """Return whether something is a compiled objective: of `l2o.objective`, a cfunc or a LowLevelCallable."""
    return isinstance(given, CompiledObjective) or is_address(given)


def kernel_of(given: object) -> Kernel:
    """Return the kernel of a compiled objective: its name and the address of its function.

    Raises
    ------
    TypeError
        If it is not compiled, or has another signature; both are shown.
    ValueError
        If it is a LowLevelCallable with data of its own: a family has data for each problem.
    CompilationError
        If Numba cannot compile it.
    """
    if isinstance(given, CompiledObjective):
        return given.kernel
    address = _Address.of(given)
    if address is None:
        raise TypeError(f"objective is {given!r}; {_HOW}")
    if address.user_data is not None:
        raise ValueError("objective is a LowLevelCallable with user_data; expected none: each problem has its own data")
    return address.kernel


def _no_data() -> np.ndarray:
    return np.empty((0, 0))


def one_problem(given: object, x0: ArrayLike | None, args: object = ()) -> Problems:
    """Return a compiled objective and its data, the one entry of args, as a batch of one.

    Without args a LowLevelCallable is called with its user_data, any other objective with data of no rows.
    """
    if x0 is None:
        raise ValueError("x0 is None; expected a starting point (d,)")
    x0 = arguments.array("x0", np.atleast_1d(x0), (None,), "one starting point")
    if x0.size == 0:
        raise ValueError("x0 is empty; expected at least one variable")
    args = args if isinstance(args, tuple) else (args,)
    if len(args) > 1:
        raise ValueError(f"args has {len(args)} entries; expected one for a compiled objective, its data")
    address = _Address.of(given)
    if address is None or address.user_data is None:
        one, _ = blocks([table("args[0]", args[0] if args else _no_data())])
        return from_blocks(kernel_of(given), one, x0[None])
    if args:
        raise ValueError("fun is a LowLevelCallable with user_data; expected no args")
    memory = (ctypes.c_double * 1).from_address(address.user_data)  # it stands for its address
    return Problems(address.kernel, np.ctypeslib.as_array(memory).reshape(1, 1), np.zeros(1, np.intp), x0[None].copy())
