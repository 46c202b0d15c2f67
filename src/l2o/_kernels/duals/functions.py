"""The functions of math and NumPy on dual numbers: the value, and the slope by each argument."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba.core import types

from l2o._kernels.duals.branchfree import FUSED, exponential, logarithm, sine_and_cosine
from l2o._kernels.duals.dual import Real, differentiated, predicate

__all__: list[str] = []


def _by_value(function: Callable[..., float], slope: Callable[[Real], Real]) -> Callable[[Real], tuple[Real, Real]]:
    """Return the rule of a function whose slope follows from its value."""
    def rule(x: Real) -> tuple[Real, Real]:
        z = x.call(function)
        return z, slope(z)

    return rule


def _by_argument(function: Callable[..., float], slope: Callable[[Real], Real]) -> Callable[[Real], tuple[Real, Real]]:
    """Return the rule of a function whose slope follows from its argument."""
    return lambda x: (x.call(function), slope(x))


def _sign(x: Real) -> Real:
    return x.number(1.0).where(x.compare(">", 0.0), x.number(-1.0).where(x.compare("<", 0.0), 0.0))


def _root(x: Real) -> Real:
    return x.call(math.sqrt)


# -- exponentials and logarithms ---------------------------------------------------------------------

LN2, LN10 = math.log(2.0), math.log(10.0)


def _exponential(x: Real) -> tuple[Real, Real]:
    z = exponential(x)
    return z, z



differentiated([math.exp, np.exp], 1, _exponential)
differentiated([math.expm1, np.expm1], 1, _by_value(math.expm1, lambda z: z + 1.0))
differentiated([math.log, np.log], 1, lambda x: (logarithm(x) if FUSED else x.call(math.log), 1.0 / x))
differentiated([math.log2, np.log2], 1, _by_argument(math.log2, lambda x: (1.0 / LN2) / x))
differentiated([math.log10, np.log10], 1, _by_argument(math.log10, lambda x: (1.0 / LN10) / x))
differentiated([math.log1p, np.log1p], 1, _by_argument(math.log1p, lambda x: 1.0 / (1.0 + x)))


def _exp2(x: Real) -> tuple[Real, Real]:
    z = x.number(2.0).call(operator.pow, x)
    return z, LN2 * z


def _logaddexp(x: Real, y: Real) -> tuple[Real, ...]:
    """By the larger: log(exp x + exp y) = m + log1p(exp(-|x - y|))."""
    larger = x.where(x.compare(">=", y), y)
    z = larger + (-(x - y).call(math.fabs)).call(math.exp).call(math.log1p)
    return z, (x - z).call(math.exp), (y - z).call(math.exp)


differentiated([np.exp2], 1, _exp2)
differentiated([np.logaddexp], 2, _logaddexp)

# -- roots, magnitudes -------------------------------------------------------------------------------

differentiated([math.sqrt, np.sqrt], 1, _by_value(math.sqrt, lambda z: 0.5 / z))
differentiated([np.cbrt], 1, _by_value(np.cbrt, lambda z: 1.0 / (3.0 * z * z)))
differentiated([np.square], 1, lambda x: (x * x, 2.0 * x))
differentiated([np.reciprocal], 1, lambda x: (1.0 / x, -1.0 / (x * x)))
differentiated([abs, math.fabs, np.abs, np.fabs], 1, _by_argument(math.fabs, _sign))
differentiated([math.degrees, np.degrees, np.rad2deg], 1, lambda x: (x.call(math.degrees), 180.0 / math.pi))
differentiated([math.radians, np.radians, np.deg2rad], 1, lambda x: (x.call(math.radians), math.pi / 180.0))


def _hypot(x: Real, y: Real) -> tuple[Real, ...]:
    z = x.call(math.hypot, y)
    inverse = (1.0 / z).where(z.compare(">", 0.0), 0.0)
    return z, x * inverse, y * inverse


def _copysign(x: Real, y: Real) -> tuple[Real | float, ...]:
    return x.call(math.copysign, y), _sign(x) * x.number(1.0).call(math.copysign, y), 0.0


differentiated([math.hypot, np.hypot], 2, _hypot)
differentiated([math.copysign, np.copysign], 2, _copysign)

# -- steps -------------------------------------------------------------------------------------------


def _integer(x: Real) -> ir.Value:
    return x.builder.fptosi(x.value, ir.IntType(64))


for _functions in ((math.floor, np.floor), (math.ceil, np.ceil), (math.trunc, np.trunc)):
    predicate(_functions, 1, lambda x, step=_functions[-1]: x.call(step), types.float64)
predicate([np.sign], 1, _sign, types.float64)
predicate([np.rint], 1, lambda x: x.call(np.rint), types.float64)
predicate([int], 1, _integer, types.int64)
predicate([round], 1, lambda x: _integer(x.call(np.rint)), types.int64)

# -- angles ------------------------------------------------------------------------------------------


def _arctan2(y: Real, x: Real) -> tuple[Real, ...]:
    square = x * x + y * y
    return y.call(math.atan2, x), x / square, -y / square


def _sine_and_cosine(x: Real) -> tuple[Real, Real]:
    return sine_and_cosine(x) if FUSED else (x.call(math.sin), x.call(math.cos))


def _cosine(x: Real) -> tuple[Real, Real]:
    sine, cosine = _sine_and_cosine(x)
    return cosine, -sine


differentiated([math.sin, np.sin], 1, _sine_and_cosine)
differentiated([math.cos, np.cos], 1, _cosine)
differentiated([math.tan, np.tan], 1, _by_value(math.tan, lambda z: 1.0 + z * z))
differentiated([math.asin, np.arcsin], 1, _by_argument(math.asin, lambda x: 1.0 / _root((1.0 - x) * (1.0 + x))))
differentiated([math.acos, np.arccos], 1, _by_argument(math.acos, lambda x: -1.0 / _root((1.0 - x) * (1.0 + x))))
differentiated([math.atan, np.arctan], 1, _by_argument(math.atan, lambda x: 1.0 / (1.0 + x * x)))
differentiated([math.atan2, np.arctan2], 2, _arctan2)

# -- hyperbolic functions ----------------------------------------------------------------------------

differentiated([math.sinh, np.sinh], 1, _by_argument(math.sinh, lambda x: x.call(math.cosh)))
differentiated([math.cosh, np.cosh], 1, _by_argument(math.cosh, lambda x: x.call(math.sinh)))
differentiated([math.tanh, np.tanh], 1, _by_value(math.tanh, lambda z: (1.0 - z) * (1.0 + z)))
differentiated([math.asinh, np.arcsinh], 1, _by_argument(math.asinh, lambda x: 1.0 / x.call(math.hypot, 1.0)))
differentiated([math.acosh, np.arccosh], 1, _by_argument(math.acosh, lambda x: 1.0 / _root((x - 1.0) * (x + 1.0))))
differentiated([math.atanh, np.arctanh], 1, _by_argument(math.atanh, lambda x: 1.0 / ((1.0 - x) * (1.0 + x))))

# -- error and gamma functions -----------------------------------------------------------------------


def _bell(x: Real) -> Real:
    """Return the derivative of erf."""
    return (2.0 / math.sqrt(math.pi)) * (-(x * x)).call(math.exp)


def digamma(x: float) -> float:
    """Return the derivative of log(gamma): by reflection and recurrence to x >= 10, then by its asymptotic series."""
    result = 0.0
    if x <= 0.0:
        if x == math.floor(x):
            return math.nan
        result = -math.pi / math.tan(math.pi * x)
        x = 1.0 - x
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    v = 1.0 / (x * x)
    series = v * (1 / 12 - v * (1 / 120 - v * (1 / 252 - v * (1 / 240 - v * (1 / 132 - v * (691 / 32760 - v / 12))))))
    return result + math.log(x) - 0.5 / x - series


def _gamma(x: Real) -> tuple[Real, Real]:
    z = x.call(math.gamma)
    return z, z * x.compiled(digamma)


RULES = {  # scipy.special has them, too
    "erf": _by_argument(math.erf, _bell),
    "erfc": _by_argument(math.erfc, lambda x: -_bell(x)),
    "gamma": _gamma,
    "lgamma": _by_argument(math.lgamma, lambda x: x.compiled(digamma)),
}
for _name, _rule in RULES.items():
    differentiated([getattr(math, _name)], 1, _rule)

# -- questions ---------------------------------------------------------------------------------------

predicate([math.isnan, np.isnan], 1, lambda x: x.compare("!=", x))
predicate([math.isinf, np.isinf], 1, lambda x: x.call(math.fabs).compare("==", math.inf))
predicate([math.isfinite, np.isfinite], 1, lambda x: x.call(math.fabs).compare("<", math.inf))
