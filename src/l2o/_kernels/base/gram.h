/* All products of a few rows with one another: what normal equations are made of.
 *
 * Rows are as long as a curve has points, any number, one directly after the other, and L2O_GRAM_SPARE finite numbers
 * follow the last: the end of a row is read together with the start of what follows, and that counted as zero. A row is
 * so short that what a loop over its last points one by one would cost is half of the time. */
#ifndef L2O_GRAM_H
#define L2O_GRAM_H
#include "tile.h"

#define L2O_GRAM_SPARE 8

#if L2O_VECTOR_BYTES == 0
enum { L2O_GRAM_LANES = 1 };
typedef double l2o_lanes;
#else
enum { L2O_GRAM_LANES = L2O_VECTOR_BYTES / 8 };
typedef double l2o_lanes __attribute__((vector_size(L2O_VECTOR_BYTES), aligned(8), may_alias));
#endif

#define L2O_LANES_AT(address) (*(const l2o_lanes *)(address))

static const double l2o_ones_then_zeros[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};

L2O_TILE_INLINE double l2o_lanes_sum(l2o_lanes sum)
{
    double lane[L2O_GRAM_LANES];
    *(l2o_lanes *)lane = sum;
    for (int half = L2O_GRAM_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* out[k] = sum_i row[i] rows[k n + i]; `count` is a constant where this is inlined, at most 4 */
L2O_TILE_INLINE void l2o_dots_fixed(double *out, const double *row, const double *rows, intptr_t n, const int count)
{
    l2o_lanes sum[4] = {{0}}, part;
    intptr_t i, rest = n % L2O_GRAM_LANES;
    for (i = 0; i < n - rest; i += L2O_GRAM_LANES) {
        part = L2O_LANES_AT(row + i);
        L2O_EACH(k, count)
            sum[k] += part * L2O_LANES_AT(rows + k * n + i);
    }
    if (rest) {
        part = L2O_LANES_AT(row + i) * L2O_LANES_AT(l2o_ones_then_zeros + 8 - rest);
        L2O_EACH(k, count)
            sum[k] += part * L2O_LANES_AT(rows + k * n + i);
    }
    L2O_EACH(k, count)
        out[k] = l2o_lanes_sum(sum[k]);
}

/* out[j, k] = sum_i rows[j, i] rows[k, i] for k <= j < count; out has `count` columns */
static inline void l2o_gram(double *out, const double *rows, intptr_t n, intptr_t count)
{
    for (intptr_t j = 0; j < count; j++)
        for (intptr_t k = 0; k <= j; k += 4) {
            double *to = out + j * count + k;
            const double *row = rows + j * n, *others = rows + k * n;
            switch (j + 1 - k) {
            case 1: l2o_dots_fixed(to, row, others, n, 1); break;
            case 2: l2o_dots_fixed(to, row, others, n, 2); break;
            case 3: l2o_dots_fixed(to, row, others, n, 3); break;
            default: l2o_dots_fixed(to, row, others, n, 4);
            }
        }
}

#endif
