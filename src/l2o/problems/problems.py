"""Problems: members of a family, ready for the kernels; and Objective, one function of them.

A member is one flat block of float64 (sizes, then data) behind a C function of the ABI in
_kernels/base/objective.h. `Problems` holds the blocks of many members; indexing shares them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, overload

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike, Card
from l2o.base.watch import Watch, heard

__all__ = ["Kernel", "Objective", "Problems", "PythonObjective", "number_of"]


@dataclass(frozen=True)
class Kernel:
    """A compiled objective: its name and the addresses of its functions.

    It pickles as its name, or as what it was made of: an address holds in one process only.

    Attributes
    ----------
    name : str
        What it is called in messages and cards.
    function, hessian : int
        Addresses of an l2o_objective_fn and an l2o_hessian_fn; there may be no Hessian.
    source : object, optional
        What a user's function was made of, kept alive here; its attribute ``kernel`` is this kernel.
    over : callable, optional
        What the function is called with, where that is not the data: addresses (m,) of data -> addresses (m,).
    """

    name: str
    function: int
    hessian: int | None = None
    source: Any = None
    over: Callable[[np.ndarray], np.ndarray] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_kernel, (self.name,)) if self.source is None else (operator.attrgetter("kernel"), (self.source,))

    def card(self) -> Card:
        """Return what a policy's card says of the objective: its name, and of a user's one the hash of its source."""
        return {"name": self.name} if self.source is None else {"name": self.name, "source": self.source.source_hash}


def _kernel(name: str) -> Kernel:
    return KERNELS[name]


LOGISTIC = Kernel("logistic", _kernels.logistic.FUNCTION, _kernels.logistic.HESSIAN)
ROBUST = Kernel("robust", _kernels.robust.FUNCTION, _kernels.robust.HESSIAN)
NEURAL_NET = Kernel("neural-net", _kernels.neural_net.FUNCTION, _kernels.neural_net.HESSIAN)
KERNELS = {kernel.name: kernel for kernel in (LOGISTIC, ROBUST, NEURAL_NET)}


@dataclass(frozen=True, eq=False)
class Problems:
    """Members of a family of objective functions, with a starting point each.

    Families make them (``family.sample``, ``family.from_data``). ``problems[i]`` is an `Objective`;
    ``problems[a:b]`` and ``problems[array]`` are `Problems` that share the data.

    Attributes
    ----------
    kernel : Kernel
        The compiled objective.
    blocks : ndarray, shape (k, size)
        Sizes and data of each distinct member.
    index : ndarray of intp, shape (m,)
        The block of each member.
    x0 : ndarray, shape (m, d)
        Starting points.
    """

    kernel: Kernel
    blocks: np.ndarray
    index: np.ndarray
    x0: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"Problems({self.kernel.name}, {len(self)} of dimension {self.dim})"

    @overload
    def __getitem__(self, which: int | np.integer) -> Objective: ...

    @overload
    def __getitem__(self, which: slice | Sequence[int] | np.ndarray) -> Problems: ...

    def __getitem__(self, which: int | np.integer | slice | Sequence[int] | np.ndarray) -> Objective | Problems:
        if isinstance(which, (int, np.integer)):
            if not -len(self) <= which < len(self):
                raise IndexError(f"index is {which}; there are {len(self)} problems")
            return Objective(self[[int(which)]])
        if isinstance(which, slice) and which == slice(0, len(self)):
            return self
        index = self.index[which]
        if np.ndim(index) != 1:
            raise IndexError(f"index is {which!r}; expected an integer, a slice, or integers or bools in one dimension")
        return Problems(self.kernel, self.blocks, index, self.x0[which])

    def __reduce__(self) -> tuple[Any, ...]:
        used, index = np.unique(self.index, return_inverse=True)
        return _problems, (self.kernel, self.blocks[used], index, self.x0)

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.x0.shape[1]

    @property
    def function(self) -> int:
        """Address of the compiled function."""
        return self.kernel.function

    @property
    def hessian_function(self) -> int | None:
        """Address of the compiled Hessian, if there is one."""
        return self.kernel.hessian

    @property
    def objective_card(self) -> Card:
        """What a policy's card says of the objective."""
        return self.kernel.card()

    def addresses(self) -> np.ndarray:
        """Return the address of each member's data, (m,), read-only."""
        return self._addresses

    @cached_property
    def _addresses(self) -> np.ndarray:
        result = _kernels.addresses(self.blocks, self.index)
        if self.kernel.over is not None:
            result = self.kernel.over(result)
        result.flags.writeable = False
        return result

    def with_starts(self, x0: ArrayLike | None) -> Problems:
        """Return the same members with other starting points.

        Parameters
        ----------
        x0 : array_like, shape (m, d) or None
            Starting points; None keeps the present ones.

        Raises
        ------
        ValueError
            If the shape is another one, or a value is not finite.
        """
        if x0 is None:
            return self
        return Problems(self.kernel, self.blocks, self.index, arguments.starts(x0, len(self), self.dim))

    def data(self) -> Iterator[np.ndarray]:
        """Yield the data of each member, read-only: the table that a user's objective is given, or the block."""
        for block in self.blocks[self.index]:
            block.flags.writeable = False
            if self.kernel.source is None:
                yield block
            else:
                rows, columns = int(block[0]), int(block[1])
                yield block[2 : 2 + rows * columns].reshape(rows, columns)

    def value_and_grad(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the value and gradient of each member at its own row of x.

        Parameters
        ----------
        x : array_like, shape (m, d)

        Returns
        -------
        fun : ndarray, shape (m,)
        jac : ndarray, shape (m, d)
        """
        return self.evaluate(x)[:2]

    def evaluate(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return value, gradient and status of each member at its own row of x (m, d); -1 where all is finite."""
        x = arguments.array("x", x, (len(self), self.dim), "one row for each problem", finite=False)
        fun, jac, status = np.empty(len(self)), np.empty(x.shape), np.empty(len(self), np.intc)
        call = partial(_kernels.evaluate.evaluate_many, self.function, self.addresses(), x, fun, jac, status)
        if len(x) == 1:  # there is nothing to end
            call(Watch())
        else:
            heard(call)
        return fun, jac, status

    def hessian(self, x: ArrayLike) -> np.ndarray:
        """Return the Hessian (m, d, d) of each member at its own row of x (m, d).

        Raises
        ------
        NotImplementedError
            If the family offers none.
        """
        if self.kernel.hessian is None:
            raise NotImplementedError(f"the objective {self.kernel.name!r} offers no Hessian")
        x = arguments.array("x", x, (len(self), self.dim), "one row for each problem", finite=False)
        hessian = np.empty((*x.shape, self.dim))
        heard(partial(_kernels.evaluate.hessian_many, self.kernel.hessian, self.addresses(), x, hessian))
        return hessian


def _problems(kernel: Kernel, blocks: np.ndarray, index: np.ndarray, x0: np.ndarray) -> Problems:
    """Make Problems; blocks that the kernels can take as they are, which families make, are not copied."""
    flags = blocks.flags
    if blocks.dtype != np.float64 or blocks.ctypes.data % 64 or not (flags.c_contiguous and flags.writeable):
        memory = _kernels.aligned(blocks.shape)
        memory[...] = blocks
        blocks = memory
    return Problems(kernel, blocks, np.asarray(index, np.intp), np.ascontiguousarray(x0, np.float64))


def from_blocks(kernel: Kernel, blocks: np.ndarray, x0: np.ndarray) -> Problems:
    """Make Problems of one member a block.

    Parameters
    ----------
    kernel : Kernel
        The compiled objective.
    blocks : ndarray, shape (m, size)
        Sizes and data of each member. An array of `l2o._kernels.aligned` is kept, any other copied.
    x0 : ndarray, shape (m, d)
        Starting points.

    Returns
    -------
    Problems
    """
    return _problems(kernel, blocks, np.arange(len(blocks)), x0)


def problems_with_starts(problems: object, x0: ArrayLike | None) -> Problems:
    """Return problems, checked, with starting points x0 (None: their own)."""
    if not isinstance(problems, Problems):
        raise TypeError(f"problems is {type(problems).__name__}; expected Problems (family.sample or family.from_data)")
    return problems.with_starts(x0)


class Objective:
    """One objective function of a family, callable from Python and known to the kernels.

    Attributes
    ----------
    problem : Problems
        The same function as a batch of one.
    """

    def __init__(self, problem: Problems) -> None:
        self.problem = problem

    def __repr__(self) -> str:
        return f"Objective({self.problem.kernel.name}, dimension {self.dim})"

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.problem.dim

    @property
    def x0(self) -> np.ndarray:
        """Starting point, (d,)."""
        return self.problem.x0[0].copy()

    def value_and_grad(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """Return the value and the gradient (d,) at x (d,)."""
        return self.evaluate(x)[:2]

    def evaluate(self, x: ArrayLike) -> tuple[float, np.ndarray, int]:
        """Return the value, the gradient (d,) and the status at x (d,), -1 where all is finite."""
        fun, jac, status = self.problem.evaluate(arguments.array("x", x, (self.dim,), finite=False)[None])
        return float(fun[0]), jac[0], int(status[0])

    def fun(self, x: ArrayLike) -> float:
        """Return the value at x (d,)."""
        return self.value_and_grad(x)[0]

    __call__ = fun

    def grad(self, x: ArrayLike) -> np.ndarray:
        """Return the gradient (d,) at x (d,)."""
        return self.value_and_grad(x)[1]

    def hessian(self, x: ArrayLike) -> np.ndarray:
        """Return the Hessian (d, d) at x (d,)."""
        return self.problem.hessian(arguments.array("x", x, (self.dim,), finite=False)[None])[0]


Limits = tuple[np.ndarray, np.ndarray] | None  # bounds (d,), or none
Source = Callable[[np.ndarray, Limits], tuple[ArrayLike, ArrayLike]]  # x -> value, gradient, as the user returned them


class PythonObjective:
    """A Python callable that looks to the kernels like a batch of one.

    Parameters
    ----------
    function : callable
        x (d,), bounds -> (value, gradient (d,)); x is its own, to keep or to change; differences must not leave bounds,
        (low, high) of (d,) or None.
    calls : callable
        () -> number of calls of the user's function so far.
    x0 : ndarray, shape (d,)
        Starting point.
    begin : callable, optional
        x (d,), bounds -> (function, calls that a value with its gradient takes): for what is known only when a run
        begins.
    """

    def __init__(self, function: Source, calls: Callable[[], int], x0: np.ndarray,
                 begin: Callable[[np.ndarray, Limits], tuple[Source, int]] | None = None) -> None:
        self._function = function
        self._calls = calls
        self._begin = begin
        self.x0 = x0[None]
        self.error: BaseException | None = None
        self.calls_per_point = 1
        self._limits: Limits = None

    def begin(self, low: np.ndarray | None = None, high: np.ndarray | None = None) -> None:
        """Begin a run, within bounds (d,) if there are any."""
        x = self.x0[0]
        if low is not None and high is not None:
            self._limits, x = (low, high), np.clip(x, low, high)
        if self._begin is not None:
            self._function, self.calls_per_point = self._begin(x, self._limits)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, which: int | slice) -> PythonObjective:
        return self

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.x0.shape[1]

    @property
    def function(self) -> int:
        """Address of the trampoline."""
        return _kernels.python.FUNCTION

    @property
    def hessian_function(self) -> None:
        """No Hessian."""

    @property
    def objective_card(self) -> None:
        """Not known: two functions cannot be told apart."""

    @property
    def n_calls(self) -> int:
        """Calls of the user's function so far."""
        return self._calls()

    def addresses(self) -> np.ndarray:
        """Return the address of this object, (1,)."""
        return np.array([id(self)], np.uintp)

    def value_and_grad(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient at x (d,), checked; the user may keep x, and write to the gradient again."""
        fun, jac = self._function(x, self._limits)
        shape = x.shape
        jac = np.atleast_1d(jac) if shape == (1,) else jac  # SciPy takes a number there, too
        return number_of(fun), arguments.array("the gradient", jac, shape, finite=False)

    def evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray, None]:
        """Return value and gradient at x (d,), and no status: an error is an exception."""
        fun, jac = self.value_and_grad(x.copy())
        return fun, jac.copy(), None


def number_of(value: ArrayLike) -> float:
    """Return a value of fun, a number or an array of one, as a float."""
    if isinstance(value, float):
        return float(value)
    result = arguments.array("the value of fun", value, None, finite=False)
    if result.size != 1:
        raise ValueError(f"fun returned a value of shape {result.shape}; expected a number, or a pair of it and the "
                         "gradient (for residuals of a curve there is scipy.optimize.curve_fit)")
    return float(result.reshape(()))
