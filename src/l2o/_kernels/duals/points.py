"""A model compiled by Numba, and the loop over its points, as a function of model.h."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock

from l2o._kernels.duals import operations as operations
from l2o._kernels.duals.dual import DOUBLE, PLAIN, Dual, pack, unpack

__all__ = ["CompiledModel", "compiled"]

# Points at a time. They are computed into memory of the function's own, of which the compiler knows that nothing else
# lies there, so that it may compute several at once; then they are copied.
TILE = 64
# numbers divided by zero are inf or NaN, as in NumPy; Python does not call it, which takes a third of the time
OPTIONS: dict[str, Any] = {"error_model": "numpy", "forceinline": True, "no_cpython_wrapper": True}
INT, SIZE = ir.IntType(32), ir.IntType(8 * np.intp().itemsize)
POINTER, ANY = DOUBLE.as_pointer(), ir.IntType(8).as_pointer()
SIGNATURE = ir.FunctionType(INT, [POINTER, POINTER, SIZE, POINTER, POINTER, SIZE, ANY])


@dataclass(frozen=True)
class CompiledModel:
    """The address of an l2o_model, and what must live as long as it is called."""

    address: int
    keep: object


@global_compiler_lock
def compiled(function: Callable[..., Any], d: int, k: int) -> CompiledModel:
    """Compile a model of d parameters, at points of k numbers, with its derivatives by dual numbers.

    Parameters
    ----------
    function : callable
        ``function(t, p)``, written in what Numba compiles: t is a number (k = 1) or a tuple of k, p a tuple of d. It
        returns the value at one point.
    d, k : int
        Number of parameters, and of numbers that make a point.

    Raises
    ------
    TypeError
        If it does not return a number.
    numba.core.errors.NumbaError
        If Numba cannot compile it.
    """
    point = types.float64 if k == 1 else types.UniTuple(types.float64, k)
    kinds = (point, types.UniTuple(Dual(d), d))
    dispatcher = numba.njit(**OPTIONS)(function)
    dispatcher.compile(kinds)
    model: Any = dispatcher.overloads[kinds]
    if not isinstance(model.signature.return_type, (Dual, *PLAIN)):
        raise TypeError(f"it returns {model.signature.return_type}")
    library = model.target_context.codegen().create_library("l2o.model")
    module = library.create_ir_module("l2o.model")
    written = ir.Function(module, SIGNATURE, f"l2o_model_{id(model)}")
    _Loop(model, d, k, written).write()
    library.add_ir_module(module)
    library.add_linking_library(model.library)
    library.finalize()
    return CompiledModel(library.get_pointer_to_function(written.name), (dispatcher, library))


class _Loop:
    """Writes a function of model.h round a compiled model of one point."""

    def __init__(self, model: Any, d: int, k: int, function: ir.Function) -> None:
        self.model, self.context, self.d, self.k, self.function = model, model.target_context, d, k, function
        self.p, self.t, self.n, self.values, self.jacobian = function.args[:5]
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))

    def write(self) -> None:
        """Write the function."""
        builder, d = self.builder, self.d
        seeds = [pack(self.context, builder, Dual(d), self.entry(self.p, j), [DOUBLE(float(i == j)) for i in range(d)])
                 for j in range(d)]
        parameters = cgutils.pack_array(builder, seeds)
        tile = [cgutils.alloca_once(builder, DOUBLE, size=SIZE(TILE)) for _ in range(d + 1)]
        values_alone = cgutils.is_null(builder, self.jacobian)
        with builder.if_else(values_alone) as (then, otherwise):
            with then:
                self.tiles(parameters, tile[:1])
            with otherwise:
                self.tiles(parameters, tile)
        builder.ret(INT(0))

    def entry(self, array: ir.Value, index: ir.Value | int) -> ir.Value:
        """Return an entry of an array."""
        return self.builder.load(self.builder.gep(array, [SIZE(index) if isinstance(index, int) else index]))

    def times(self, count: ir.Value) -> AbstractContextManager[Any]:
        """Return a loop."""
        return cgutils.for_range(self.builder, count)

    def tiles(self, parameters: ir.Value, tile: Sequence[ir.Value]) -> None:
        """Write the loop over the tiles: of the values, or of them and all derivatives."""
        builder = self.builder
        with self.times(builder.sdiv(builder.add(self.n, SIZE(TILE - 1)), SIZE(TILE))) as part:
            first = builder.mul(part.index, SIZE(TILE))
            left = builder.sub(self.n, first)
            count = builder.select(builder.icmp_signed("<", left, SIZE(TILE)), left, SIZE(TILE))
            with self.times(count) as point:
                numbers = self.numbers_at(builder.add(first, point.index), parameters)
                for row, number in zip(tile, numbers):
                    builder.store(number, builder.gep(row, [point.index]))
            cgutils.raw_memcpy(builder, builder.gep(self.values, [first]), tile[0], count, 8)
            for j, row in enumerate(tile[1:]):
                place = builder.add(first, builder.mul(SIZE(j), self.n))
                cgutils.raw_memcpy(builder, builder.gep(self.jacobian, [place]), row, count, 8)

    def numbers_at(self, index: ir.Value, parameters: ir.Value) -> list[ir.Value]:
        """Return the value and the derivatives at a point; leave the function where the model raises."""
        builder, context, model = self.builder, self.context, self.model
        at = builder.gep(self.t, [builder.mul(index, SIZE(self.k))])
        each = [self.entry(at, i) for i in range(self.k)]
        point = each[0] if self.k == 1 else cgutils.pack_array(builder, each)
        status, result = context.call_internal_no_propagate(builder, model.fndesc, model.signature, (point, parameters))
        with cgutils.if_unlikely(builder, status.is_error):
            builder.ret(INT(1))
        dual = Dual(self.d)
        value, partials = unpack(context, builder, dual,
                                 context.cast(builder, result, model.signature.return_type, dual))
        return [value.value, *(partial.value for partial in partials)]
