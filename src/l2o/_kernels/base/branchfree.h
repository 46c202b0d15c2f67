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
/* 1.5 * 2^52 + 1023: adding it rounds to an integer k; the low bits are then k + 1023, the exponent field of 2^k */
#define L2O_ROUND 6755399441056767.0

L2O_INLINE uint64_t l2o_bits(double a) { uint64_t b; memcpy(&b, &a, 8); return b; }
L2O_INLINE double l2o_double(uint64_t b) { double a; memcpy(&a, &b, 8); return a; }

/* max(a, 0) of a finite a; a NaN stays one */
L2O_INLINE double l2o_positive_part(double a) { return 0.5 * (a + fabs(a)); }

/* max(a, 0), also of an infinity; 0 for a NaN whose sign is set */
L2O_INLINE double l2o_unless_negative(double a) { return l2o_double(l2o_bits(a) & ((l2o_bits(a) >> 63) - 1)); }

/* positive if sign is +, negative if sign is -; both must be finite */
L2O_INLINE double l2o_by_sign(double sign, double positive, double negative)
{
    double h = 0.5 + copysign(0.5, sign);
    return h * positive + (1.0 - h) * negative;
}

/* 2^-a for 0 <= a <= 1023 as a sum e + *rest, with e rounded and *rest what its last sum lost; 0 above 1022.5. NaN
 * stays NaN. */
L2O_INLINE double l2o_exp2_minus_parts(double a, double *rest)
{
    double rounded = L2O_ROUND - a;
    double k = rounded - L2O_ROUND;
    double r = -a - k; /* exact, in [-1/2, 1/2] */
    double r2 = r * r;
    double odd = 0x1.c6b08d7049fd1p-5 + r2 * (0x1.5d87fe78cf26fp-10
               + r2 * (0x1.ffcbfba7b8257p-17 + r2 * (0x1.b526788be5649p-24 + r2 * 0x1.e7aa0eb021747p-32)));
    double even = 0x1.ebfbdff82c5adp-3 + r2 * (0x1.3b2ab6fb9f413p-7
                + r2 * (0x1.43091310bf6bap-13 + r2 * (0x1.62bfc3c1c5de7p-20 + r2 * 0x1.e620fb7c08893p-28)));
    double small = r * L2O_LN2 + r2 * (even + r * odd), power = 1.0 + small;
    double scale = l2o_double(l2o_bits(rounded) << 52);
    *rest = (small - (power - 1.0)) * scale;
    return power * scale;
}

L2O_INLINE double l2o_exp2_minus(double a) { double rest; return l2o_exp2_minus_parts(a, &rest); }

/* 2^-|a| in the same form; 0 below 2^-1020 */
L2O_INLINE double l2o_exp2_parts(double a, double *rest)
{
    double e = l2o_exp2_minus_parts(fabs(a), rest);
    uint64_t in_range = (l2o_bits(1020.0 - fabs(a)) >> 63) - 1; /* all ones; NaN keeps its sign bit clear */
    *rest = l2o_double(l2o_bits(*rest) & in_range);
    return l2o_double(l2o_bits(e) & in_range);
}

L2O_INLINE double l2o_exp2_negabs(double a) { double rest; return l2o_exp2_parts(a, &rest); }

/* log2(1 + e + rest), 0 <= e <= 1, rest a rounding error of e.
 *
 * log2(1 + e) = e + e P with P small, so that most of the error is the rounding of the last sum. By the atanh series
 * in s = e / (2 + e), with v = s^2, P = log2(e) (1 - s) - 1 + (1 - s) v T(v). */
L2O_INLINE double l2o_log2_1p_parts(double e, double rest)
{
    double s = e / (2.0 + e), v = s * s, v2 = v * v, v4 = v2 * v2;
    double low = (0x1.ec709dc3a03cfp-2 + v * 0x1.2776c50efeabbp-2)
               + v2 * (0x1.a61762a1e6dc9p-3 + v * 0x1.484b1584e3c58p-3);
    double high = (0x1.0c9a3d3dca45ap-3 + v * 0x1.c69df589b79c1p-4)
                + v2 * (0x1.89000bae7f929p-4 + v * 0x1.65a850c69c7f3p-4);
    double T = low + v4 * (high + v4 * (0x1.ed20a86896186p-5 + v * 0x1.f693ba40484cbp-4));
    double P = ((L2O_LOG2E - 1.0) - L2O_LOG2E * s) + (v - s * v) * T;
    return e + (e * P + rest * (L2O_LOG2E - 0.72 * e)); /* the slope, log2(e) / (1 + e), near enough */
}

L2O_INLINE double l2o_log2_1p(double e) { return l2o_log2_1p_parts(e, 0.0); }

/* log2(1 + 2^z), the softplus of base 2, given 2^-|z| = e + rest */
L2O_INLINE double l2o_softplus2_parts(double z, double e, double rest)
{
    return l2o_unless_negative(z) + l2o_log2_1p_parts(e, rest);
}

L2O_INLINE double l2o_softplus2(double z)
{
    double rest, e = l2o_exp2_parts(z, &rest);
    return l2o_softplus2_parts(z, e, rest);
}

/* log2(u + rest), u >= 1 finite, rest a rounding error of u: exponent by bits, mantissa as above */
L2O_INLINE double l2o_log2_ge1_parts(double u, double rest)
{
    uint64_t k = (l2o_bits(u) >> 52) - 1023;
    double exponent = l2o_double(0x4330000000000000ULL | k) - 4503599627370496.0; /* 2^52: integer to double */
    double e = l2o_double(l2o_bits(u) - (k << 52)) - 1.0;
    return exponent + l2o_log2_1p_parts(e, rest * l2o_double(0x3ff0000000000000ULL - (k << 52)));
}

L2O_INLINE double l2o_log2_ge1(double u) { return l2o_log2_ge1_parts(u, u - u); } /* NaN stays NaN */

/* log2(u) of any normal u > 0: exact to rounding of the larger of 1 and the result */
L2O_INLINE double l2o_log2_any(double u)
{
    uint64_t k = l2o_bits(u) >> 52;
    double exponent = l2o_double(0x4330000000000000ULL | k) - 4503599627371519.0; /* 2^52 + 1023 */
    return exponent + l2o_log2_1p(l2o_double(l2o_bits(u) - (k << 52) + 0x3ff0000000000000ULL) - 1.0);
}

/* sign(a) * log(1 + |a|): the rest restores the bits of a small |a| that 1 + |a| drops */
L2O_INLINE double l2o_signed_log1p(double a)
{
    double magnitude = fabs(a), u = 1.0 + magnitude;
    return copysign(L2O_LN2 * l2o_log2_ge1_parts(u, magnitude - (u - 1.0)), a);
}

/* -- single precision, for policies with float weights: the same, with shorter polynomials ------------- */

#define L2O_ROUNDF 12583039.0f /* 1.5 * 2^23 + 127 */

L2O_INLINE uint32_t l2o_bitsf(float a) { uint32_t b; memcpy(&b, &a, 4); return b; }
L2O_INLINE float l2o_float(uint32_t b) { float a; memcpy(&a, &b, 4); return a; }

/* log2(1 + e + rest), 0 <= e <= 1 */
L2O_INLINE float l2o_log2_1pf(float e, float rest)
{
    float s = e / (2.0f + e), v = s * s;
    float T = (0x1.ec7024p-2f + v * 0x1.279f7ap-2f) + v * v * (0x1.9dad1ap-3f + v * 0x1.9dd39ep-3f);
    float P = ((float)(L2O_LOG2E - 1.0) - (float)L2O_LOG2E * s) + (v - s * v) * T;
    return e + (e * P + rest * (float)L2O_LOG2E);
}

/* 2^-|a|; 0 below 2^-120 */
L2O_INLINE float l2o_exp2_negabsf(float a)
{
    float magnitude = fabsf(a), rounded = L2O_ROUNDF - magnitude, r = -magnitude - (rounded - L2O_ROUNDF), r2 = r * r;
    float odd = 0.693147215f + r2 * (0.0555031055f + r2 * 0.00134066439f);
    float even = 0.240226528f + r2 * (0.00961769297f + r2 * 0.00015594678f);
    uint32_t in_range = (l2o_bitsf(120.0f - magnitude) >> 31) - 1;
    float scale = l2o_float(l2o_bitsf(rounded) << 23);
    return l2o_float(l2o_bitsf((1.0f + (r * odd + r2 * even)) * scale) & in_range);
}

/* log2(1 + 2^z), given 2^-|z| = e */
L2O_INLINE float l2o_softplus2_partsf(float z, float e)
{
    return l2o_float(l2o_bitsf(z) & ((l2o_bitsf(z) >> 31) - 1)) + l2o_log2_1pf(e, 0.0f);
}

/* sign(a) * log(1 + |a|) */
L2O_INLINE float l2o_signed_log1pf(float a)
{
    float magnitude = fabsf(a), u = 1.0f + magnitude;
    uint32_t k = (l2o_bitsf(u) >> 23) - 127;
    float rest = (magnitude - (u - 1.0f)) * l2o_float(0x3f800000u - (k << 23));
    float log2u = (float)(int32_t)k + l2o_log2_1pf(l2o_float(l2o_bitsf(u) - (k << 23)) - 1.0f, rest);
    return copysignf((float)L2O_LN2 * log2u, a);
}

#endif
