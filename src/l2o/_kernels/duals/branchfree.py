"""exp, log, powers, sin and cos without branches and calls, so that LLVM computes several points of a model at once.

The range is reduced in floating point, and a power of two is made of its bits, as in _kernels/base/branchfree.h. The
series are Taylor's, as long as their rest is below a rounding error.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence

from llvmlite import binding, ir

from l2o._kernels.duals.dual import Real

__all__ = ["FUSED", "exponential", "logarithm", "power", "sine_and_cosine"]

ROUND = 1.5 * 2.0**52  # what is added to it is rounded to an integer, which its last bits then hold
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # times an integer of 20 bits it is exact
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
LARGEST, SMALLEST = 710.0, -746.0  # beyond them exp is inf and 0
HALF_PI = [float.fromhex(part) for part in ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110")]
FARTHEST = 2.0**50  # of angles: from one double to the next there is a quarter, and sin means nothing
WORD = ir.IntType(64)
# as words: 1, the root of 1/2, and 2^52, whose last bits count
ONE, ROOT_HALF, BITS_OF_2_52 = 0x3FF0000000000000, 0x3FE6A09E667F3BCD, 0x4330000000000000
SMALLEST_NORMAL = 2.0**-1022

# Whether a product is added with one rounding in hardware; an angle is not reduced well without.
FUSED = platform.machine() in ("aarch64", "arm64") or binding.get_host_cpu_features().get("fma", False)


def exponential(x: Real, rest: Real | float = 0.0) -> Real:
    """Return exp(x + rest), rest small, within 1 unit in the last place; inf, 0 and NaN where it should."""
    x = _at_most(_at_least(x, SMALLEST), LARGEST)
    n = (x * (1.0 / math.log(2.0)) + ROUND) - ROUND
    r = n.multiply_add(-LN2_LOW, n.multiply_add(-LN2_HIGH, x)) + rest
    power = (r * r).multiply_add(_series(r, [1.0 / math.factorial(j) for j in range(2, 14)]), r) + 1.0
    half = (n * 0.5 + ROUND) - ROUND  # 2^n may be out of range where exp(x) is not
    return power * _power_of_two(half) * _power_of_two(n - half)


def logarithm(x: Real) -> Real:
    """Return log(x), within 1 unit in the last place; -inf, inf and NaN where it should."""
    high, low = _logarithm_parts(x)
    return x.number(math.nan).where(x.compare("<", 0.0), high + low)


def power(x: Real, y: Real) -> tuple[Real, Real]:
    """Return x^y and log |x|: the power within 2 units in the last place near 1, 16 at the ends of the range.

    A negative x has powers for integers y. The logarithm times y is known with more digits than a double has.
    """
    high, low = _logarithm_parts(x.call(math.fabs))
    product = y * high
    rest = y.fused(high, -product) + y * low
    within = product.call(math.fabs).compare("<", 2.0 * LARGEST)
    z = exponential(product, rest.where(within, 0.0))
    half = y * 0.5
    odd = half.compare("!=", _rounded(half))
    of_negative = x.number(math.nan).where(y.compare("!=", _rounded(y)), (-z).where(odd, z))
    z = of_negative.where(x.compare("<", 0.0), z)
    return x.number(1.0).where(y.compare("==", 0.0), z), high + low


def _rounded(x: Real) -> Real:
    """Return the nearest integer."""
    return x.intrinsic("llvm.rint")


def _logarithm_parts(x: Real) -> tuple[Real, Real]:
    """Return log(x) of an x >= 0 as a sum, of 60 bits.

    With x = 2^k m, m round 1, it is k log 2 + 2 artanh s, where s = (m - 1)/(m + 1) has a rest, too.
    """
    tiny = x.compare("<", SMALLEST_NORMAL)
    builder, scaled = x.builder, (x * 2.0**54).where(tiny, x)
    bits = builder.add(builder.bitcast(scaled.value, WORD), WORD(ONE - ROOT_HALF))
    exponent = builder.or_(builder.lshr(bits, WORD(52)), WORD(BITS_OF_2_52))
    k = x.number(builder.bitcast(exponent, scaled.value.type)) - (2.0**52 + 1023.0)
    k = (k - 54.0).where(tiny, k)
    mantissa = builder.add(builder.and_(bits, WORD((1 << 52) - 1)), WORD(ROOT_HALF))
    f = x.number(builder.bitcast(mantissa, scaled.value.type)) - 1.0
    below = f + 2.0
    s = f / below
    rest = ((-s).fused(below, f) - s * (f - (below - 2.0))) / below
    square = s * s
    series = _series(square, [2.0 / (2 * j + 1) for j in range(1, 12)])
    first, second = k * LN2_HIGH, 2.0 * s
    high = first + second
    low = (second - (high - first)) + (2.0 * rest + (s * square * series + k * LN2_LOW))
    regular = builder.and_(x.compare(">", 0.0), x.compare("<", math.inf))
    ends = x.number(-math.inf).where(x.compare("==", 0.0), x)  # inf and NaN are theirs
    total = high + low
    return total.where(regular, ends), (low - (total - high)).where(regular, 0.0)


def sine_and_cosine(x: Real) -> tuple[Real, Real]:
    """Return sin(x) and cos(x), within 1 unit in the last place; NaN beyond 2^50, and of inf and NaN.

    With x = n pi/2 + r they are sin(r) and cos(r), which the last two bits of n exchange and turn round.
    """
    shifted = x * (2.0 / math.pi) + ROUND
    n, r = shifted - ROUND, x
    for part in HALF_PI:
        r = n.fused(-part, r)
    square = r * r
    sine = (r * square).multiply_add(_series(square, _alternating(3, 17)), r)
    cosine = (square * square).multiply_add(_series(square, _alternating(4, 16)), square * -0.5) + 1.0
    builder = x.builder
    bits = builder.bitcast(shifted.value, WORD)
    odd = builder.icmp_unsigned("!=", builder.and_(bits, WORD(1)), WORD(0))
    second = builder.icmp_unsigned("!=", builder.and_(bits, WORD(2)), WORD(0))
    inside = x.compare("<", FARTHEST), x.compare(">", -FARTHEST)
    upright = x.number(1.0).where(builder.and_(*inside), math.nan)
    sign = (-upright).where(second, upright)
    return cosine.where(odd, sine) * sign, (-sine).where(odd, cosine) * sign


def _alternating(first: int, last: int) -> list[float]:
    """Return the coefficients of every second power in the series of sin or cos, from first to last."""
    return [(-1.0) ** (j // 2) / math.factorial(j) for j in range(first, last + 1, 2)]


def _series(x: Real, coefficients: Sequence[Real | float]) -> Real:
    """Return a polynomial, lowest power first; by pairs (Estrin), so that many of its sums are independent."""
    if len(coefficients) == 1:
        return x.number(coefficients[0])
    pairs = [x.multiply_add(high, low) for low, high in zip(coefficients[::2], coefficients[1::2])]
    return _series(x * x, [*pairs, *coefficients[2 * len(pairs) :]])


def _at_most(x: Real, limit: float) -> Real:
    return x.number(limit).where(x.compare(">", limit), x)  # a NaN stays one


def _at_least(x: Real, limit: float) -> Real:
    return x.number(limit).where(x.compare("<", limit), x)


def _power_of_two(n: Real) -> Real:
    """Return 2^n of an integer -1022 <= n <= 1023: the low bits of ROUND + 1023 + n are its exponent."""
    bits = n.builder.bitcast((n + (ROUND + 1023.0)).value, WORD)
    return n.number(n.builder.bitcast(n.builder.shl(bits, WORD(52)), n.value.type))
