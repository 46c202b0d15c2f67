"""What may be done with dual numbers: operators, powers, comparisons, and what takes one of its arguments."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin

from l2o._kernels.duals.branchfree import FUSED, power
from l2o._kernels.duals.dual import (
    Choice,
    Dual,
    Kind,
    Real,
    Target,
    differentiated,
    pack,
    predicate,
    unpack,
)

__all__: list[str] = []

# -- operators ---------------------------------------------------------------------------------------


def _quotient(x: Real, y: Real) -> tuple[Real, ...]:
    inverse, z = 1.0 / y, x / y
    return z, inverse, -z * inverse


def _remainder(x: Real, y: Real) -> tuple[Real | float, ...]:
    z = x.call(operator.mod, y)
    return z, 1.0, (z - x) / y


differentiated([operator.add, operator.iadd, np.add], 2, lambda x, y: (x + y, 1.0, 1.0))
differentiated([operator.sub, operator.isub, np.subtract], 2, lambda x, y: (x - y, 1.0, -1.0))
differentiated([operator.mul, operator.imul, np.multiply], 2, lambda x, y: (x * y, y, x))
differentiated([operator.truediv, operator.itruediv, np.true_divide], 2, _quotient)
differentiated([operator.mod, operator.imod, np.mod, np.remainder], 2, _remainder)
differentiated([operator.neg, np.negative], 1, lambda x: (-x, -1.0))
differentiated([operator.pos, np.positive, float], 1, lambda x: (x, 1.0))

for _compare, _ufunc, _relation in ((operator.lt, np.less, "<"), (operator.le, np.less_equal, "<="),
                                    (operator.gt, np.greater, ">"), (operator.ge, np.greater_equal, ">="),
                                    (operator.eq, np.equal, "=="), (operator.ne, np.not_equal, "!=")):
    predicate([_compare, _ufunc], 2, lambda x, y, relation=_relation: x.compare(relation, y))

predicate([bool], 1, lambda x: x.compare("!=", 0.0))

# -- one of the arguments ----------------------------------------------------------------------------


def _is_nan(x: Real) -> ir.Value:
    return x.compare("!=", x)


def _either(x: Real, one: ir.Value, other: ir.Value) -> ir.Value:
    return x.builder.or_(one, other)


def _extreme(relation: str, x: Real, y: Real, z: Real) -> Choice:
    second = y.compare(relation, x)
    return Choice(z.compare(relation, y.where(second, x)), 2, Choice(second, 1, 0))


def _clip(x: Real, low: Real, high: Real) -> Choice:
    above = _either(x, x.compare(">", high), low.compare(">", high))
    return Choice(above, 2, Choice(x.compare("<", low), 1, 0))


differentiated([np.where], 3, lambda condition, *_: Choice(condition.compare("!=", 0.0), 1, 2))
differentiated([max], 2, lambda x, y: Choice(y.compare(">", x), 1, 0))
differentiated([min], 2, lambda x, y: Choice(y.compare("<", x), 1, 0))
differentiated([max], 3, lambda x, y, z: _extreme(">", x, y, z))
differentiated([min], 3, lambda x, y, z: _extreme("<", x, y, z))
differentiated([np.maximum], 2, lambda x, y: Choice(_either(x, x.compare(">=", y), _is_nan(x)), 0, 1))
differentiated([np.minimum], 2, lambda x, y: Choice(_either(x, x.compare("<=", y), _is_nan(x)), 0, 1))
differentiated([np.fmax], 2, lambda x, y: Choice(_either(x, x.compare(">=", y), _is_nan(y)), 0, 1))
differentiated([np.fmin], 2, lambda x, y: Choice(_either(x, x.compare("<=", y), _is_nan(y)), 0, 1))
differentiated([np.clip], 3, _clip)


# -- powers ------------------------------------------------------------------------------------------


def _power(x: Real, y: Real) -> tuple[Real, ...]:
    """The slope by x is y z / x, without a second power; at x = 0 its limit."""
    z, logarithm = power(x, y) if FUSED else (x.call(operator.pow, y), x.call(math.fabs).call(math.log))
    at_zero = x.compare("==", 0.0)
    limit = y.where(y.compare("==", 1.0), x.number(0.0).where(y.compare(">", 1.0), y * math.inf))
    limit = x.number(0.0).where(y.compare("==", 0.0), limit)
    by_x = limit.where(at_zero, y * (z / x))
    by_y = x.number(0.0).where(at_zero, x.number(math.nan).where(x.compare("<", 0.0), z * logarithm))
    return z, by_x, by_y


def _integer_power(x: Real, n: int) -> tuple[Real, Real]:
    """A power that is written in the program, by multiplications."""
    if n == 0:
        return x.number(1.0), x.number(0.0)
    below = _product(x, abs(n) - 1)
    z = below * x
    return (z, float(n) * below) if n > 0 else (1.0 / z, float(n) / (z * x))


def _product(x: Real, n: int) -> Real:
    """Return x^n, n >= 0, by squares."""
    result, square = x.number(1.0), x
    while n:
        if n & 1:
            result = result * square
        n >>= 1
        if n:
            square = square * square
    return result


LARGEST_WRITTEN = 64  # a larger power is libm's


def _write_integer_power(context: Target, builder: ir.IRBuilder, kind: Kind, given: Sequence[ir.Value]) -> ir.Value:
    x, partials = unpack(context, builder, kind.args[0], given[0])
    n = kind.args[1].literal_value
    z, slope = _integer_power(x, n) if abs(n) <= LARGEST_WRITTEN else _power(x, x.number(n))[:2]
    return pack(context, builder, kind.return_type, z.value, [(each * slope).value for each in partials])


_POWERS = operator.pow, operator.ipow, pow, math.pow, np.power
differentiated(_POWERS, 2, _power, literal=True)
for _each in _POWERS:
    lower_builtin(_each, Dual, types.IntegerLiteral)(_write_integer_power)
