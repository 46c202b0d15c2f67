/* exp2, log2 and softplus without branches, so that a plain loop over them is vectorised.
 *
 * libm costs a factor of two in a step, and -ffast-math breaks range reduction, so these are our own:
 * minimax polynomials (Remez, relative error), with the range reduction in integer arithmetic.
 * A choice by sign is arithmetic (copysign), a cut-off is a bit mask: gcc turns a comparison with a
 * constant back into a branch round the whole polynomial and then does not vectorise the loop.
 *
 * Base 2 throughout: callers scale data and weights by log2(e) once. */
#ifndef L2O_BRANCHFREE_H
#define L2O_BRANCHFREE_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define L2O_INLINE static __forceinline
#else
#define L2O_INLINE static inline __attribute__((always_inline))
#endif

#define L2O_LOG2E 1.4426950408889634074
#define L2O_LN2 0.69314718055994530942
#define L2O_ROUND 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer, kept in the low bits */

L2O_INLINE uint64_t l2o_bits(double a) { uint64_t b; memcpy(&b, &a, 8); return b; }
L2O_INLINE double l2o_double(uint64_t b) { double a; memcpy(&a, &b, 8); return a; }

L2O_INLINE double l2o_positive_part(double a) { return 0.5 * (a + fabs(a)); }

/* positive if sign is +, negative if sign is -; both must be finite */
L2O_INLINE double l2o_by_sign(double sign, double positive, double negative)
{
    double h = 0.5 + copysign(0.5, sign);
    return h * positive + (1.0 - h) * negative;
}

/* 2^-|a| as a sum e + *rest, with e rounded; 0 below 2^-1020. NaN stays NaN. */
L2O_INLINE double l2o_exp2_parts(double a, double *rest)
{
    double magnitude = fabs(a);
    double rounded = L2O_ROUND - magnitude;
    double k = rounded - L2O_ROUND;
    double r = -magnitude - k; /* exact, in [-1/2, 1/2] */
    double r2 = r * r;
    double odd = 0x1.62e42fefa39efp-1 + r2 * (0x1.c6b08d7049fd1p-5 + r2 * (0x1.5d87fe78cf26fp-10
               + r2 * (0x1.ffcbfba7b8257p-17 + r2 * (0x1.b526788be5649p-24 + r2 * 0x1.e7aa0eb021747p-32))));
    double even = 0x1.ebfbdff82c5adp-3 + r2 * (0x1.3b2ab6fb9f413p-7
                + r2 * (0x1.43091310bf6bap-13 + r2 * (0x1.62bfc3c1c5de7p-20 + r2 * 0x1.e620fb7c08893p-28)));
    double small = r * odd + r2 * even, power = 1.0 + small; /* 1 last: the rounding of a small sum is small */
    uint64_t in_range = (l2o_bits(1020.0 - magnitude) >> 63) - 1; /* all ones; NaN keeps its sign bit clear */
    uint64_t exponent = l2o_bits(rounded) << 52;
    double scale = l2o_double(0x3ff0000000000000ULL + exponent);
    *rest = l2o_double(l2o_bits((small - (power - 1.0)) * scale) & in_range);
    return l2o_double((l2o_bits(power) + exponent) & in_range);
}

L2O_INLINE double l2o_exp2_negabs(double a) { double rest; return l2o_exp2_parts(a, &rest); }

/* log2(1 + e + rest), 0 <= e <= 1, rest a rounding error of e: by the atanh series in s = e / (2 + e), v = s^2. As 2 s = e - s e, the sum
 * 2 s log2(e) + s v R(v) is e plus smaller terms: all roundings but the last are of those. */
L2O_INLINE double l2o_log2_1p_parts(double e, double rest)
{
    double s = e / (2.0 + e), v = s * s, v2 = v * v, v4 = v2 * v2, part = (L2O_LOG2E - 1.0) * e;
    double low = (0x1.ec709dc3a0996p-1 + v * 0x1.2776c50e7c6d1p-1) + v2 * (0x1.a617632046d06p-2 + v * 0x1.484af7755300dp-2);
    double high = (0x1.0c9e48cafc240p-2 + v * 0x1.c5f5a446a421dp-3) + v2 * (0x1.916d342881c1ep-3 + v * 0x1.2497c0a2f69fbp-3);
    double bend = s * (e + (part - v * (low + v4 * (high + v4 * 0x1.0612a3999995ap-2))));
    return e + (part - bend + L2O_LOG2E * rest);
}

L2O_INLINE double l2o_log2_1p(double e) { return l2o_log2_1p_parts(e, 0.0); }

/* log2(1 + 2^z), the softplus of base 2 */
L2O_INLINE double l2o_softplus2(double z)
{
    double rest, e = l2o_exp2_parts(z, &rest);
    return l2o_positive_part(z) + l2o_log2_1p_parts(e, rest);
}

/* log2(u), u >= 1: exponent by bits, mantissa in [sqrt(1/2), sqrt(2)] by the same series */
L2O_INLINE double l2o_log2_ge1(double u)
{
    uint64_t bits = l2o_bits(u);
    uint64_t k = (bits - 0x3fe6a09e667f3bcdULL) >> 52;
    double exponent = l2o_double(0x4330000000000000ULL | k) - 4503599627370496.0; /* 2^52: integer to double */
    double e = l2o_double(bits - (k << 52)) - 1.0;
    double s = e / (2.0 + e), v = s * s, v2 = v * v, part = (L2O_LOG2E - 1.0) * e;
    double R = (0x1.ec709dc3a0455p-1 + v * 0x1.2776c50ee73bep-1) + v2 * ((0x1.a61762d1f5b5ap-2 + v * 0x1.484afcfb983a6p-2)
             + v2 * ((0x1.0ca11d4fbb5edp-2 + v * 0x1.c479f5cd845fcp-3) + v2 * 0x1.b52725e2cc473p-3));
    return exponent + (e + (part - s * (e + (part - v * R))));
}

/* sign(a) * log(1 + |a|): the second term restores the bits of a small |a| that 1 + |a| drops */
L2O_INLINE double l2o_signed_log1p(double a)
{
    double magnitude = fabs(a), u = 1.0 + magnitude;
    return copysign(L2O_LN2 * l2o_log2_ge1(u) + (magnitude - (u - 1.0)) / u, a);
}

/* -- single precision, for policies with float weights: the same, with shorter polynomials ------------- */

#define L2O_ROUNDF 12582912.0f /* 1.5 * 2^23 */

L2O_INLINE uint32_t l2o_bitsf(float a) { uint32_t b; memcpy(&b, &a, 4); return b; }
L2O_INLINE float l2o_float(uint32_t b) { float a; memcpy(&a, &b, 4); return a; }

/* log2(1 + 2^z); the exponential counts as 0 below 2^-120 */
L2O_INLINE float l2o_softplus2f(float z)
{
    float magnitude = fabsf(z), rounded = L2O_ROUNDF - magnitude, r = -magnitude - (rounded - L2O_ROUNDF), r2 = r * r;
    float odd = 0.693147215f + r2 * (0.0555031055f + r2 * 0.00134066439f);
    float even = 0.240226528f + r2 * (0.00961769297f + r2 * 0.00015594678f);
    uint32_t in_range = (l2o_bitsf(120.0f - magnitude) >> 31) - 1;
    float e = l2o_float((l2o_bitsf(1.0f + (r * odd + r2 * even)) + (l2o_bitsf(rounded) << 23)) & in_range);
    float s = e / (2.0f + e), v = s * s, part = (float)(L2O_LOG2E - 1.0) * e;
    float R = (0.961793082f + v * 0.577388589f) + v * v * (0.403980656f + v * 0.404127544f);
    return 0.5f * (z + magnitude) + (e + (part - s * (e + (part - v * R))));
}

/* sign(a) * log(1 + |a|) */
L2O_INLINE float l2o_signed_log1pf(float a)
{
    float magnitude = fabsf(a), u = 1.0f + magnitude;
    uint32_t bits = l2o_bitsf(u), k = (bits - 0x3f3504f3u) >> 23;
    float e = l2o_float(bits - (k << 23)) - 1.0f;
    float s = e / (2.0f + e), v = s * s, part = (float)(L2O_LOG2E - 1.0) * e;
    float R = (0.961796701f + v * 0.577078223f) + v * v * (0.412198603f + v * 0.32f);
    float log2u = (float)(int32_t)k + (e + (part - s * (e + (part - v * R))));
    return copysignf((float)L2O_LN2 * log2u + (magnitude - (u - 1.0f)) / u, a);
}

#endif
