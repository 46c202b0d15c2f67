"""What may be done with dual numbers: operators, and the functions of one and two numbers of math and NumPy."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin

from l2o._kernels.duals.dual import Dual, Kind, Real, Target, differentiated, pack, predicate, typed, unpack

__all__: list[str] = []

# -- operators ---------------------------------------------------------------------------------------


def _quotient(x: Real, y: Real) -> tuple[Real, ...]:
    inverse, z = 1.0 / y, x / y
    return z, inverse, -z * inverse


differentiated([operator.add, operator.iadd, np.add], 2, lambda x, y: (x + y, 1.0, 1.0))
differentiated([operator.sub, operator.isub, np.subtract], 2, lambda x, y: (x - y, 1.0, -1.0))
differentiated([operator.mul, operator.imul, np.multiply], 2, lambda x, y: (x * y, y, x))
differentiated([operator.truediv, operator.itruediv, np.true_divide], 2, _quotient)
differentiated([operator.neg, np.negative], 1, lambda x: (-x, -1.0))
differentiated([operator.pos, np.positive, float], 1, lambda x: (x, 1.0))

for _compare, _ufunc, _relation in ((operator.lt, np.less, "<"), (operator.le, np.less_equal, "<="),
                                    (operator.gt, np.greater, ">"), (operator.ge, np.greater_equal, ">="),
                                    (operator.eq, np.equal, "=="), (operator.ne, np.not_equal, "!=")):
    predicate([_compare, _ufunc], 2, lambda x, y, relation=_relation: x.compare(relation, y))


# -- powers ------------------------------------------------------------------------------------------


def _power(x: Real, y: Real) -> tuple[Real, ...]:
    """The slope by x is y z / x, without a second power; at x = 0 its limit."""
    z = x.call(operator.pow, y)
    at_zero = x.compare("==", 0.0)
    limit = y.call(operator.mul, x.number(0.0).call(operator.pow, y - 1.0))
    by_x = limit.where(at_zero, y * (z / x))
    return z, by_x, x.number(0.0).where(at_zero, z * x.call(math.log))


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
differentiated(_POWERS, 2, _power)
for _each in _POWERS:
    typed(_each, 2, literal=True)
    lower_builtin(_each, Dual, types.IntegerLiteral)(_write_integer_power)


# -- functions of one number -------------------------------------------------------------------------


def _exponential(x: Real) -> tuple[Real, Real]:
    z = x.call(math.exp)
    return z, z


def _expm1(x: Real) -> tuple[Real, Real]:
    z = x.call(math.expm1)
    return z, z + 1.0


def _square_root(x: Real) -> tuple[Real, Real]:
    z = x.call(math.sqrt)
    return z, 0.5 / z


def _tangent(x: Real) -> tuple[Real, Real]:
    z = x.call(math.tan)
    return z, 1.0 + z * z


def _hyperbolic_tangent(x: Real) -> tuple[Real, Real]:
    z = x.call(math.tanh)
    return z, (1.0 - z) * (1.0 + z)


def _magnitude(x: Real) -> tuple[Real, Real]:
    sign = x.number(1.0).where(x.compare(">", 0.0), x.number(-1.0).where(x.compare("<", 0.0), 0.0))
    return x.call(math.fabs), sign


differentiated([math.exp, np.exp], 1, _exponential)
differentiated([math.expm1, np.expm1], 1, _expm1)
differentiated([math.log, np.log], 1, lambda x: (x.call(math.log), 1.0 / x))
differentiated([math.log10, np.log10], 1, lambda x: (x.call(math.log10), (1.0 / math.log(10.0)) / x))
differentiated([math.log1p, np.log1p], 1, lambda x: (x.call(math.log1p), 1.0 / (1.0 + x)))
differentiated([math.sqrt, np.sqrt], 1, _square_root)
differentiated([np.square], 1, lambda x: (x * x, 2.0 * x))
differentiated([abs, math.fabs, np.abs, np.fabs], 1, _magnitude)
differentiated([math.sin, np.sin], 1, lambda x: (x.call(math.sin), x.call(math.cos)))
differentiated([math.cos, np.cos], 1, lambda x: (x.call(math.cos), -x.call(math.sin)))
differentiated([math.tan, np.tan], 1, _tangent)
differentiated([math.tanh, np.tanh], 1, _hyperbolic_tangent)
differentiated([math.atan, np.arctan], 1, lambda x: (x.call(math.atan), 1.0 / (1.0 + x * x)))
