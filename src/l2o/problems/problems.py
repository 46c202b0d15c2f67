"""Problems: members of a family, ready for the kernels; and Objective, one function of them.

A member is one flat block of float64 (sizes, then data) behind a C function of the ABI in
_kernels/base/objective.h, and what it shares with all others. `Problems` holds the blocks of many members; indexing
shares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, overload

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike, Card
from l2o.base.watch import Watch, heard
from l2o.problems import layout
from l2o.problems.kernel import Kernel

__all__ = ["Objective", "Problems", "from_blocks", "problems_with_starts"]


@dataclass(frozen=True, eq=False)
class Problems:
    """Members of a family of objective functions, with a starting point each.

    Families make them (``family.sample``, ``family.from_data``). ``problems[i]`` is an `Objective`;
    ``problems[a:b]`` and ``problems[array]`` are `Problems` that share the data.

    Attributes
    ----------
    kernel : Kernel
        The compiled objective.
    blocks : ndarray, shape (k, size), or (size,)
        Sizes and data of each distinct member; where they differ in size, all in a row.
    index : ndarray of intp, shape (m,)
        The block of each member.
    x0 : ndarray, shape (m, d)
        Starting points.
    offsets : ndarray of intp, shape (k + 1,), optional
        Of blocks that differ in size: block j goes from offsets[j] to offsets[j + 1].
    shared : ndarray, shape (size,), optional
        What all members have in common, which is kept once: the design of regressions.
    """

    kernel: Kernel
    blocks: np.ndarray
    index: np.ndarray
    x0: np.ndarray
    offsets: np.ndarray | None = None
    shared: np.ndarray | None = None

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
        if isinstance(which, np.ndarray) and which.dtype == np.intp:
            x0 = self.x0.take(which, axis=0)  # a seventh of the time
        else:
            x0 = self.x0[which]
        return Problems(self.kernel, self.blocks, index, x0, self.offsets, self.shared)

    def __reduce__(self) -> tuple[Any, ...]:
        used, index = np.unique(self.index, return_inverse=True)
        blocks, offsets = layout.chosen(self.blocks, self.offsets, used)
        return _problems, (self.kernel, blocks, index, self.x0, offsets, self.shared)

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
    def expansion_function(self) -> int | None:
        """Address of what computes value, gradient and Hessian in one call, if there is such a function."""
        return self.kernel.expansion

    @property
    def normal_function(self) -> int | None:
        """Address of the compiled normal equations, if there are any."""
        return self.kernel.normal

    @property
    def damping(self) -> str:
        """Name of the rule of damping that takes the fewest evaluations by these."""
        return self.kernel.damping

    @property
    def infimum(self) -> float:
        """What the values come close to where there is no minimum; -inf if that is not known."""
        return self.kernel.infimum

    @property
    def objective_card(self) -> Card:
        """What a policy's card says of the objective."""
        return self.kernel.card()

    def addresses(self) -> np.ndarray:
        """Return the address of each member's data, (m,), read-only."""
        return self._addresses

    @cached_property
    def _addresses(self) -> np.ndarray:
        result = self.block_addresses()
        fits = self.kernel.fits
        if len(self.x0) != len(self.index) or not (fits is None or len(result) == 0 or fits(self.blocks, self.dim)):
            raise ValueError(f"x0 has shape {self.x0.shape}; expected a row for each of {len(self.index)} problems, of "
                             "as many variables as their blocks are for")
        if self.kernel.over is not None:
            result = self.kernel.over(result, 0 if self.shared is None else self.shared.ctypes.data)
        result.flags.writeable = False
        return result

    def with_starts(self, x0: ArrayLike | None) -> Problems:
        """Return the same members with other starting points.

        Parameters
        ----------
        x0 : array_like, shape (m, d) or (d,), or None
            Starting points, or one for all; None keeps the present ones. A row that is not finite is status 3 of its
            run.

        Raises
        ------
        ValueError
            If the shape is another one, or no point is finite.
        """
        if x0 is None:
            return self
        x0 = arguments.starts(x0, len(self), self.dim)
        if not np.isfinite(x0).all():
            arguments.bad_rows("row", x0=x0)
        return Problems(self.kernel, self.blocks, self.index, x0, self.offsets, self.shared)

    @property
    def mean_size(self) -> float:
        """Numbers that one evaluation reads, in the mean over the blocks."""
        n_blocks = len(self.blocks) if self.offsets is None else len(self.offsets) - 1
        return self.blocks.size / max(n_blocks, 1) + (0 if self.shared is None else self.shared.size)

    def block_addresses(self) -> np.ndarray:
        """Return the address of each member's block, (m,)."""
        if self.offsets is None:
            return _kernels.addresses(self.blocks, self.index)
        return layout.addresses(self.blocks, self.offsets, self.index)

    def block(self, i: int) -> np.ndarray:
        """Return sizes and data of member i, (size,), shared with these problems."""
        j = self.index[i]
        return self.blocks[j] if self.offsets is None else self.blocks[self.offsets[j] : self.offsets[j + 1]]

    def entries(self, columns: np.ndarray) -> np.ndarray:
        """Return some entries (m, k) of the blocks of all members; NaN beyond the end of one."""
        return layout.entries(self.blocks, self.offsets, self.index, columns)

    def data(self) -> Iterator[np.ndarray]:
        """Yield the data of each member, read-only: the table that a user's objective is given, or the block."""
        for block in map(self.block, range(len(self))):
            block = block[:]
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


def _problems(kernel: Kernel, blocks: np.ndarray, index: np.ndarray, x0: np.ndarray,
              offsets: np.ndarray | None = None, shared: np.ndarray | None = None) -> Problems:
    """Make Problems; arrays that the kernels can take as they are, which families make, are not copied."""
    return Problems(kernel, layout.on_boundary(blocks), np.asarray(index, np.intp),
                    np.ascontiguousarray(x0, np.float64), None if offsets is None else np.asarray(offsets, np.intp),
                    None if shared is None else layout.on_boundary(shared))


def from_blocks(kernel: Kernel, blocks: np.ndarray, x0: np.ndarray, offsets: np.ndarray | None = None,
                shared: np.ndarray | None = None) -> Problems:
    """Make Problems of one member a block.

    Parameters
    ----------
    kernel : Kernel
        The compiled objective.
    blocks : ndarray, shape (m, size), or (size,) with offsets
        Sizes and data of each member. An array of `l2o._kernels.aligned` is kept, any other copied.
    x0 : ndarray, shape (m, d)
        Starting points.
    offsets, shared : ndarray, optional
        As `Problems` has them.

    Returns
    -------
    Problems
    """
    return _problems(kernel, blocks, np.arange(len(x0)), x0, offsets, shared)


def problems_with_starts(problems: object, x0: ArrayLike | None) -> Problems:
    """Return problems, checked, with starting points x0 (None: their own)."""
    if not isinstance(problems, Problems):
        hint = "; of a function of your own, families.Custom(fun, dim=d).from_data(data, x0)" * callable(problems)
        raise TypeError(f"problems is {type(problems).__name__}; expected Problems (family.sample or "
                        f"family.from_data{hint})")
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
