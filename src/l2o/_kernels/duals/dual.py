"""Dual numbers as a type of Numba: a value, and its derivatives by d parameters.

What may be done with them is told to Numba in two steps, a type for the result and the instructions that compute it.
The instructions are written here, and not compiled from Python functions, which would take ten times as long.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import models, register_model

__all__ = ["Choice", "Dual", "Real", "differentiated", "pack", "predicate", "typed", "unpack"]

DOUBLE = ir.DoubleType()
Target = Any  # Numba's context of typing, or of lowering: what it knows of types and functions
Kind = Any  # Numba's signature of one operation
Rule = Callable[..., Any]
PLAIN = (types.Float, types.Integer, types.Boolean)  # numbers that depend on no parameter
# of derivatives: 0 w is 0, though w be infinite, so that what does not depend on a parameter costs nothing
DERIVATIVES = ("nnan", "nsz")


class Dual(types.Type):
    """The type of a number that depends on d parameters."""

    def __init__(self, d: int) -> None:
        self.d = d
        super().__init__(name=f"Dual({d})")

    def unify(self, context: Target, other: types.Type) -> Dual | None:
        """Return the type of a variable that is a dual in one branch and a plain number in another."""
        return self if isinstance(other, PLAIN) else None

    def can_convert_from(self, context: Target, other: types.Type) -> Conversion | None:
        """Return that a plain number becomes a dual without loss."""
        return Conversion.safe if isinstance(other, PLAIN) else None


@register_model(Dual)
class _DualModel(models.StructModel):
    def __init__(self, manager: Any, kind: Dual) -> None:
        members = [("value", types.float64), ("partials", types.UniTuple(types.float64, kind.d))]
        super().__init__(manager, kind, members)


class Real:
    """A double of the program that is being written; arithmetic with it writes an instruction.

    Parameters
    ----------
    context, builder
        Numba's target and llvmlite's writer.
    value : ir.Value
        The double.
    flags : tuple of str
        LLVM's flags of the arithmetic.
    """

    def __init__(self, context: Target, builder: ir.IRBuilder, value: ir.Value, flags: tuple[str, ...] = ()) -> None:
        self.context, self.builder, self.value, self.flags = context, builder, value, flags

    def _new(self, value: ir.Value) -> Real:
        return Real(self.context, self.builder, value, self.flags)

    def number(self, other: Real | ir.Value | float) -> Real:
        """Return a number as one of this program."""
        if isinstance(other, Real):
            return other
        return self._new(other if isinstance(other, ir.Value) else DOUBLE(float(other)))

    def _write(self, instruction: Callable[..., ir.Value], left: Real | float, right: Real | float) -> Real:
        return self._new(instruction(self.number(left).value, self.number(right).value, flags=self.flags))

    def __add__(self, other: Real | float) -> Real:
        return self._write(self.builder.fadd, self, other)

    def __radd__(self, other: float) -> Real:
        return self._write(self.builder.fadd, other, self)

    def __sub__(self, other: Real | float) -> Real:
        return self._write(self.builder.fsub, self, other)

    def __rsub__(self, other: float) -> Real:
        return self._write(self.builder.fsub, other, self)

    def __mul__(self, other: Real | float) -> Real:
        return self._write(self.builder.fmul, self, other)

    def __rmul__(self, other: float) -> Real:
        return self._write(self.builder.fmul, other, self)

    def __truediv__(self, other: Real | float) -> Real:
        return self._write(self.builder.fdiv, self, other)

    def __rtruediv__(self, other: float) -> Real:
        return self._write(self.builder.fdiv, other, self)

    def __neg__(self) -> Real:
        return self._new(self.builder.fneg(self.value, flags=self.flags))

    def multiply_add(self, factor: Real | float, summand: Real | float) -> Real:
        """Return self factor + summand, rounded once where the processor does that as quickly."""
        return self.intrinsic("llvm.fmuladd", factor, summand)

    def fused(self, factor: Real | float, summand: Real | float) -> Real:
        """Return self factor + summand, rounded once."""
        return self.intrinsic("llvm.fma", factor, summand)

    def intrinsic(self, name: str, *others: Real | float) -> Real:
        """Return one of LLVM's own functions of this number and others."""
        kind = ir.FunctionType(DOUBLE, [DOUBLE] * (1 + len(others)))
        function = self.builder.module.declare_intrinsic(name, [DOUBLE], kind)
        return self._new(self.builder.call(function, [self.value, *(self.number(each).value for each in others)]))


    def compare(self, relation: str, other: Real | float) -> ir.Value:
        """Return the bit of a comparison, false with a NaN; != is true with one."""
        compare = self.builder.fcmp_unordered if relation == "!=" else self.builder.fcmp_ordered
        return compare(relation, self.value, self.number(other).value)

    def where(self, condition: ir.Value, other: Real | float) -> Real:
        """Return this number where the condition holds, else the other."""
        return self._new(self.builder.select(condition, self.value, self.number(other).value))

    def call(self, function: Callable[..., float], *others: Real | float) -> Real:
        """Return a function, of those that Numba has for doubles, of this number and others."""
        call = self.context.get_function(function, types.float64(*[types.float64] * (1 + len(others))))
        return self._new(call(self.builder, [self.value, *(self.number(each).value for each in others)]))

    def compiled(self, function: Callable[..., float], *others: Real | float) -> Real:
        """Return a Python function, which Numba compiles, of this number and others."""
        kind = types.float64(*[types.float64] * (1 + len(others)))
        given = [self.value, *(self.number(each).value for each in others)]
        return self._new(self.context.compile_internal(self.builder, function, kind, given))


@dataclass(frozen=True)
class Choice:
    """The result of an operation that takes one of its arguments: which one, by position, or a further choice."""

    condition: ir.Value
    yes: int | Choice
    no: int | Choice

    def write(self, builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> ir.Value:
        """Return the argument chosen."""
        yes, no = (each.write(builder, arguments) if isinstance(each, Choice) else arguments[each]
                   for each in (self.yes, self.no))
        return builder.select(self.condition, yes, no)


def unpack(context: Target, builder: ir.IRBuilder, kind: types.Type, given: ir.Value) -> tuple[Real, list[Real]]:
    """Return the value and the derivatives of a dual; a plain number has none."""
    if not isinstance(kind, Dual):
        return Real(context, builder, context.cast(builder, given, kind, types.float64)), []
    partials = [builder.extract_value(given, [1, j]) for j in range(kind.d)]
    return (Real(context, builder, builder.extract_value(given, 0)),
            [Real(context, builder, each, DERIVATIVES) for each in partials])


def pack(context: Target, builder: ir.IRBuilder, kind: Dual, value: ir.Value, partials: Sequence[ir.Value]) -> ir.Value:
    """Return a dual."""
    made = cgutils.create_struct_proxy(kind)(context, builder)
    made.value, made.partials = value, cgutils.pack_array(builder, partials)
    return made._getvalue()


def constant(context: Target, builder: ir.IRBuilder, kind: Dual, value: ir.Value) -> ir.Value:
    """Return a plain number as a dual."""
    return pack(context, builder, kind, value, [DOUBLE(0.0)] * kind.d)


@lower_cast(types.Float, Dual)
@lower_cast(types.Integer, Dual)
@lower_cast(types.Boolean, Dual)
def _plain_to_dual(context: Target, builder: ir.IRBuilder, kind: types.Type, result: Dual, given: ir.Value) -> ir.Value:
    return constant(context, builder, result, context.cast(builder, given, kind, types.float64))


def typed(function: Callable[..., Any], n: int, result: types.Type | None = None, literal: bool = False) -> None:
    """Tell Numba the type of a function of n numbers, one of them a dual: of the duals, or the result given."""

    class Typing(AbstractTemplate):
        key = function
        prefer_literal = literal

        def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Any:
            duals = [each for each in args if isinstance(each, Dual)]
            if kws or len(args) != n or not duals or not all(isinstance(each, (Dual, *PLAIN)) for each in args):
                return None
            return signature(duals[0] if result is None else result, *args)

    infer_global(function, types.Function(Typing))


def kinds(n: int) -> list[tuple[type, ...]]:
    """Return the classes that n arguments can have, at least one of them a dual."""
    return [each for each in itertools.product((Dual, *PLAIN), repeat=n) if Dual in each]


def differentiated(functions: Sequence[Callable[..., Any]], n: int, rule: Rule, literal: bool = False) -> None:
    """Define functions of n numbers for duals, by a rule.

    Parameters
    ----------
    functions : sequence of callable
        As a program writes them: ``math.exp`` and ``np.exp`` are one function.
    n : int
        Number of arguments.
    rule : callable
        ``rule(x, ...)`` of Reals returns the value and a slope for each argument, or a `Choice`.
    literal : bool
        Whether numbers that are written in a program keep them in their type, for an operation on those.
    """

    def write(context: Target, builder: ir.IRBuilder, kind: Kind, given: Sequence[ir.Value]) -> ir.Value:
        result = kind.return_type
        arguments = [unpack(context, builder, each, value) for each, value in zip(kind.args, given)]
        outcome = rule(*(value for value, _ in arguments))
        if isinstance(outcome, Choice):
            duals = [context.cast(builder, value, each, result) for each, value in zip(kind.args, given)]
            return outcome.write(builder, duals)
        value, *slopes = outcome
        partials = []
        for j in range(result.d):
            terms = [own[j] * slope for (_, own), slope in zip(arguments, slopes) if own]
            partials.append(sum(terms[1:], terms[0]).value)
        return pack(context, builder, result, value.value, partials)

    for function in functions:
        typed(function, n, literal=literal)
        for each in kinds(n):
            lower_builtin(function, *each)(write)


def predicate(functions: Sequence[Callable[..., Any]], n: int, rule: Rule, result: types.Type = types.boolean) -> None:
    """Define functions of n numbers whose result depends on no parameter, but for jumps, by a rule."""

    def write(context: Target, builder: ir.IRBuilder, kind: Kind, given: Sequence[ir.Value]) -> ir.Value:
        outcome = rule(*(unpack(context, builder, each, value)[0] for each, value in zip(kind.args, given)))
        return outcome.value if isinstance(outcome, Real) else outcome

    for function in functions:
        typed(function, n, result)
        for each in kinds(n):
            lower_builtin(function, *each)(write)
