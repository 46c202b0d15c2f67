"""A model compiled by Numba, and the loop over its points, as a function of model.h."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.np.arrayobj import make_array, populate_array

from l2o._kernels.duals import NotANumber
from l2o._kernels.duals import functions as functions
from l2o._kernels.duals import operations as operations
from l2o._kernels.duals.dual import DOUBLE, PLAIN, Dual, Target, pack, unpack

__all__ = ["ByDuals", "ByHand", "CompiledModel", "compiled"]

# Numbers divided by zero are inf or NaN, as in NumPy; an index out of range is an exception; Python does not call it,
# which saves a third of the time that compiling takes.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": True, "forceinline": True, "no_cpython_wrapper": True}
INT, SIZE = ir.IntType(32), ir.IntType(8 * np.intp().itemsize)
POINTER, ANY = DOUBLE.as_pointer(), ir.IntType(8).as_pointer()
NUMBERS = itertools.count()  # no two functions of a process have one name, though one of them be gone
SIGNATURE = ir.FunctionType(INT, [POINTER, POINTER, SIZE, POINTER, POINTER, SIZE, ANY])


@dataclass(frozen=True)
class CompiledModel:
    """The address of an l2o_model, what must live as long as it is called, and its ``user``, NULL."""

    address: int
    keep: object
    user: int = 0


class ByDuals:
    """How a model ``f(t, p)`` is called at one point: with parameters that carry their derivatives along."""

    def __init__(self, d: int) -> None:
        self.d, self.dual = d, Dual(d)
        self.kinds: tuple[types.Type, ...] = (types.UniTuple(self.dual, d),)
        self.results = (Dual, *PLAIN)

    def arguments(self, context: Target, builder: ir.IRBuilder, p: Sequence[ir.Value]) -> list[ir.Value]:
        """Return what the model is called with, after the point."""
        seeds = [pack(context, builder, self.dual, each, [DOUBLE(float(i == j)) for i in range(self.d)])
                 for j, each in enumerate(p)]
        return [cgutils.pack_array(builder, seeds)]

    def numbers(self, context: Target, builder: ir.IRBuilder, kind: types.Type, result: ir.Value) -> list[ir.Value]:
        """Return the value and the derivatives of what the model has returned."""
        value, partials = unpack(context, builder, self.dual, context.cast(builder, result, kind, self.dual))
        return [value.value, *(partial.value for partial in partials)]


class ByHand:
    """How a model ``f(t, p, jac)`` is called: it writes its derivatives to jac (d,), which holds NaN before."""

    row_kind = types.Array(types.float64, 1, "C")

    def __init__(self, d: int) -> None:
        self.d = d
        self.kinds: tuple[types.Type, ...] = (types.UniTuple(types.float64, d), self.row_kind)
        self.results = PLAIN
        self.row: ir.Value | None = None

    def arguments(self, context: Target, builder: ir.IRBuilder, p: Sequence[ir.Value]) -> list[ir.Value]:
        """Return what the model is called with, after the point."""
        size = context.get_constant(types.intp, self.d)
        self.row = cgutils.alloca_once(builder, DOUBLE, size=size)
        for j in range(self.d):
            builder.store(DOUBLE(float("nan")), builder.gep(self.row, [SIZE(j)]))
        array = make_array(self.row_kind)(context, builder)
        populate_array(array, data=self.row, shape=[size], strides=[context.get_constant(types.intp, 8)],
                       itemsize=context.get_constant(types.intp, 8), meminfo=None)
        return [cgutils.pack_array(builder, p), array._getvalue()]

    def numbers(self, context: Target, builder: ir.IRBuilder, kind: types.Type, result: ir.Value) -> list[ir.Value]:
        """Return the value that the model has returned, and the derivatives that it has written."""
        row = [builder.load(builder.gep(self.row, [SIZE(j)])) for j in range(self.d)]
        return [context.cast(builder, result, kind, types.float64), *row]


@global_compiler_lock
def compiled(function: Callable[..., Any], k: int, call: ByDuals | ByHand) -> CompiledModel:
    """Compile a model of d parameters, at points of k numbers.

    Parameters
    ----------
    function : callable
        ``function(t, p)`` or ``function(t, p, jac)``, written in what Numba compiles: t is a number (k = 1) or a tuple
        of k, p a tuple of d. It returns the value at one point.
    k : int
        Numbers that make a point.
    call : ByDuals or ByHand
        How it is called, with how many parameters.

    Raises
    ------
    NotANumber
        If it does not return a number.
    numba.core.errors.NumbaError
        If Numba cannot compile it.
    """
    if "scipy.special" in sys.modules:  # else the model has nothing of it
        importlib.import_module("l2o._kernels.duals.special")
    kinds = (types.float64 if k == 1 else types.UniTuple(types.float64, k), *call.kinds)
    dispatcher = numba.njit(**OPTIONS)(function)
    dispatcher.compile(kinds)
    model: Any = dispatcher.overloads[kinds]
    if not isinstance(model.signature.return_type, call.results):
        raise NotANumber(_in_words(model.signature.return_type))
    library = model.target_context.codegen().create_library("l2o.model")
    module = library.create_ir_module("l2o.model")
    written = ir.Function(module, SIGNATURE, f"l2o_model_{next(NUMBERS)}")
    _Loop(model, k, call, written).write()
    library.add_ir_module(module)
    library.add_linking_library(model.library)
    library.finalize()
    return CompiledModel(library.get_pointer_to_function(written.name), (dispatcher, library))


def _in_words(kind: types.Type) -> str:
    """Return what a model returns that is no number."""
    if isinstance(kind, types.Optional):
        return "a number in one branch, and nothing in another"
    if isinstance(kind, types.BaseTuple):
        return f"a tuple of {len(kind)}"
    if isinstance(kind, types.Array):
        return f"an array of {kind.ndim} dimensions"
    return "nothing" if isinstance(kind, types.NoneType) else f"a value of the type {kind.name}"


class _Loop:
    """Writes a function of model.h round a compiled model of one point."""

    def __init__(self, model: Any, k: int, call: ByDuals | ByHand, function: ir.Function) -> None:
        self.model, self.context, self.k, self.call = model, model.target_context, k, call
        self.p, self.t, self.n, self.values, self.jacobian = function.args[:5]
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.apart = _Apart(function.module, 2 + call.d)  # the points, the values, and d rows of derivatives

    def write(self) -> None:
        """Write the function."""
        builder, d = self.builder, self.call.d
        p = [builder.load(builder.gep(self.p, [SIZE(j)])) for j in range(d)]
        arguments = self.call.arguments(self.context, builder, p)
        rows = [builder.gep(self.jacobian, [builder.mul(SIZE(j), self.n)]) for j in range(d)]
        with builder.if_else(cgutils.is_null(builder, self.jacobian)) as (then, otherwise):
            with then:
                self.points(arguments, [self.values])
            with otherwise:
                self.points(arguments, [self.values, *rows])
        builder.ret(INT(0))

    def points(self, arguments: Sequence[ir.Value], rows: Sequence[ir.Value]) -> None:
        """Write the loop over the points: of the values, or of them and all derivatives."""
        with self.loop() as index:
            for place, (row, number) in enumerate(zip(rows, self.numbers_at(index, arguments)), 1):
                self.apart.mark(self.builder.store(number, self.builder.gep(row, [index])), place)

    @contextmanager
    def loop(self) -> Iterator[ir.Value]:
        """Write a loop over the points.

        Where a point is one number its last vector is to be a masked one, and no rest of single points; numbers of
        several columns are read more quickly without masks.
        """
        builder, module = self.builder, self.builder.module
        before, body = builder.block, builder.append_basic_block("point")
        after = builder.append_basic_block("points.end")
        builder.cbranch(builder.icmp_signed(">", self.n, SIZE(0)), body, after)
        builder.position_at_end(body)
        index = builder.phi(SIZE)
        index.add_incoming(SIZE(0), before)
        yield index
        following = builder.add(index, SIZE(1), flags=("nuw", "nsw"))
        index.add_incoming(following, builder.block)
        end = builder.cbranch(builder.icmp_signed("<", following, self.n), body, after)
        wish = module.add_metadata(["llvm.loop.vectorize.predicate.enable", ir.IntType(1)(self.k == 1)])
        loop = ir.MDValue(module, [wish], name=str(len(module.metadata)))
        loop.operands = (loop, wish)  # LLVM knows a loop's wishes by a node that begins with itself
        end.set_metadata("llvm.loop", loop)
        builder.position_at_end(after)

    def numbers_at(self, index: ir.Value, arguments: Sequence[ir.Value]) -> list[ir.Value]:
        """Return the value and the derivatives at a point; leave the function where the model raises."""
        builder, context, model = self.builder, self.context, self.model
        at = builder.gep(self.t, [builder.mul(index, SIZE(self.k))])
        each = [self.apart.mark(builder.load(builder.gep(at, [SIZE(i)])), 0) for i in range(self.k)]
        point = each[0] if self.k == 1 else cgutils.pack_array(builder, each)
        status, result = context.call_internal_no_propagate(builder, model.fndesc, model.signature, (point, *arguments))
        with cgutils.if_unlikely(builder, status.is_error):
            builder.ret(INT(1))
        return self.call.numbers(context, builder, model.signature.return_type, result)


class _Apart:
    """Tells LLVM that some arrays do not overlap; else it would compute point by point."""

    def __init__(self, module: ir.Module, n: int) -> None:
        domain = module.add_metadata(["l2o arrays"])
        scopes = [module.add_metadata([f"l2o array {i}", domain]) for i in range(n)]
        self.own = [module.add_metadata([scope]) for scope in scopes]
        self.others = [module.add_metadata([*scopes[:i], *scopes[i + 1 :]]) for i in range(n)]

    def mark(self, instruction: ir.Instruction, place: int) -> ir.Instruction:
        """Mark a load or a store of an array, by its number."""
        instruction.set_metadata("alias.scope", self.own[place])
        instruction.set_metadata("noalias", self.others[place])
        return instruction
