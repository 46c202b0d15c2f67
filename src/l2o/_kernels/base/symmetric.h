/* One pass over a symmetric matrix that both changes it and multiplies it with the next vector.
 *
 * A quasi-Newton step absorbs a handful of pairs one after the other: a product with the matrix, then a change of rank
 * two, again and again. Each change here makes the product for the pair after it, so every pair reads the matrix once.
 *
 * Rows have `stride` numbers, a multiple of L2O_QUAD, and so have vectors; what is beyond n is zero. The whole matrix
 * is stored, not a triangle: four columns a time then stay in registers from the first row to the last, and no sum runs
 * across a register. The order of every sum is fixed. */
#ifndef L2O_SYMMETRIC_H
#define L2O_SYMMETRIC_H
#include "tile.h"

#define L2O_QUAD 4

#if L2O_VECTOR_BYTES == 0
enum { L2O_QUAD_LANES = 1, L2O_QUAD_PARTS = L2O_QUAD };
typedef double l2o_quad;
#else
enum { L2O_QUAD_LANES = L2O_VECTOR_BYTES == 16 ? 2 : 4, L2O_QUAD_PARTS = L2O_QUAD / L2O_QUAD_LANES };
typedef double l2o_quad __attribute__((vector_size(L2O_QUAD_LANES * sizeof(double)), aligned(8), may_alias));
#endif

#define L2O_QUAD_AT(array, p) (*(l2o_quad *)((array) + (p) * L2O_QUAD_LANES))

/* sum_j a[j] b[j]; n a multiple of L2O_QUAD */
L2O_TILE_INLINE double l2o_quad_dot(const double *a, const double *b, intptr_t n)
{
    l2o_quad sum[L2O_QUAD_PARTS] = {{0}};
    double lane[L2O_QUAD];
    for (intptr_t j = 0; j < n; j += L2O_QUAD)
        L2O_EACH(p, L2O_QUAD_PARTS)
            sum[p] += L2O_QUAD_AT(a + j, p) * L2O_QUAD_AT(b + j, p);
    L2O_EACH(p, L2O_QUAD_PARTS)
        L2O_QUAD_AT(lane, p) = sum[p];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* out = a x + b y; it may be one of them */
L2O_TILE_INLINE void l2o_quad_sum(double *out, intptr_t n, double a, const double *x, double b, const double *y)
{
    for (intptr_t j = 0; j < n; j += L2O_QUAD)
        L2O_EACH(p, L2O_QUAD_PARTS)
            L2O_QUAD_AT(out + j, p) = a * L2O_QUAD_AT(x + j, p) + b * L2O_QUAD_AT(y + j, p);
}

/* H <- scale H + u s' + v q', then out = H w */
L2O_TILE_INLINE void l2o_change_times(double *H, intptr_t n, intptr_t stride, double scale, const double *u,
                                      const double *s, const double *v, const double *q, const double *w, double *out)
{
    for (intptr_t j = 0; j < stride; j += L2O_QUAD) {
        l2o_quad sum[L2O_QUAD_PARTS] = {{0}};
        for (intptr_t i = 0; i < n; i++)
            L2O_EACH(p, L2O_QUAD_PARTS) {
                l2o_quad row = scale * L2O_QUAD_AT(H + i * stride + j, p) + u[i] * L2O_QUAD_AT(s + j, p)
                             + v[i] * L2O_QUAD_AT(q + j, p);
                L2O_QUAD_AT(H + i * stride + j, p) = row;
                sum[p] += w[i] * row;
            }
        L2O_EACH(p, L2O_QUAD_PARTS)
            L2O_QUAD_AT(out + j, p) = sum[p];
    }
}

/* out = scale H w */
L2O_TILE_INLINE void l2o_times(const double *H, intptr_t n, intptr_t stride, double scale, const double *w, double *out)
{
    for (intptr_t j = 0; j < stride; j += L2O_QUAD) {
        l2o_quad sum[L2O_QUAD_PARTS] = {{0}};
        for (intptr_t i = 0; i < n; i++)
            L2O_EACH(p, L2O_QUAD_PARTS)
                sum[p] += w[i] * L2O_QUAD_AT(H + i * stride + j, p);
        L2O_EACH(p, L2O_QUAD_PARTS)
            L2O_QUAD_AT(out + j, p) = scale * sum[p];
    }
}

#endif
