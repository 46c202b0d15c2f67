/* The body of tile.h, in the precision L2O_REAL and with names through L2O_NAMED. */

#define VECTOR L2O_NAMED(l2o_vector)
#define LANES L2O_NAMED(L2O_LANES)
#define PARTS L2O_NAMED(L2O_PARTS)
#define LOAD(array) (*(const VECTOR *)(array))
#define STORE(array) (*(VECTOR *)(array))

#if L2O_VECTOR_BYTES == 0
enum { LANES = 1, PARTS = L2O_TILE };
typedef L2O_REAL VECTOR;
#else
enum {
    LANES = L2O_VECTOR_BYTES / sizeof(L2O_REAL) < L2O_TILE ? L2O_VECTOR_BYTES / sizeof(L2O_REAL) : L2O_TILE,
    PARTS = L2O_TILE / LANES
};
typedef L2O_REAL VECTOR __attribute__((vector_size(LANES * sizeof(L2O_REAL)), aligned(sizeof(L2O_REAL)), may_alias));
#endif

/* out[r, u] = from[r, u] + sum_c seen[r, c] columns[c, u] over c in order, for the units u of `tiles` tiles; seen has
 * entry (r, c) at r seen_stride + c seen_step. `runs` and `tiles` are constants where this is inlined; runs x tiles x
 * PARTS registers hold the sums. */
L2O_TILE_INLINE void L2O_NAMED(l2o_add_fixed)(L2O_REAL *out, intptr_t out_stride, const L2O_REAL *from,
                                              intptr_t from_stride, const L2O_REAL *columns, intptr_t column_stride,
                                              const L2O_REAL *seen, intptr_t seen_stride, intptr_t seen_step,
                                              intptr_t n, const int runs, const int tiles)
{
    VECTOR sum[4][8][PARTS];
    L2O_EACH(r, runs)
        L2O_EACH(t, tiles)
            L2O_EACH(p, PARTS)
                sum[r][t][p] = LOAD(from + r * from_stride + t * L2O_TILE + p * LANES);
    for (intptr_t c = 0; c < n; c++) {
        VECTOR column[8][PARTS];
        L2O_EACH(t, tiles)
            L2O_EACH(p, PARTS)
                column[t][p] = LOAD(columns + c * column_stride + t * L2O_TILE + p * LANES);
        L2O_EACH(r, runs)
            L2O_EACH(t, tiles)
                L2O_EACH(p, PARTS)
                    sum[r][t][p] += column[t][p] * seen[r * seen_stride + c * seen_step];
    }
    L2O_EACH(r, runs)
        L2O_EACH(t, tiles)
            L2O_EACH(p, PARTS)
                STORE(out + r * out_stride + t * L2O_TILE + p * LANES) = sum[r][t][p];
}

/* The same for any number of runs and tiles. Four runs together read each weight once for four products, which is
 * what makes a batch faster than its runs alone. A run alone takes more tiles together: up to eight sums under way. */
L2O_TILE_INLINE void L2O_NAMED(l2o_add_any)(L2O_REAL *out, intptr_t out_stride, const L2O_REAL *from,
                                            intptr_t from_stride, const L2O_REAL *columns, intptr_t column_stride,
                                            const L2O_REAL *seen, intptr_t seen_stride, intptr_t seen_step,
                                            intptr_t n, intptr_t runs, intptr_t tiles)
{
    intptr_t r, t, step;
#define ADD(R, T) L2O_NAMED(l2o_add_fixed)(out + r * out_stride + t * L2O_TILE, out_stride, \
                                           from + r * from_stride + t * L2O_TILE, from_stride, \
                                           columns + t * L2O_TILE, column_stride, seen + r * seen_stride, \
                                           seen_stride, seen_step, n, R, T)
#define CASE(R, T) case T: ADD(R, T); break
    for (t = 0; t < tiles; t += step) {
        step = PARTS > 1 ? 1 : tiles - t == 3 ? 3 : tiles - t < 2 ? 1 : 2; /* one tile alone: too few sums under way */
        for (r = 0; r + 4 <= runs; r += 4)
            switch (step) { CASE(4, 1); CASE(4, 2); CASE(4, 3); }
    }
    for (r = runs - runs % 4; r < runs; r++)
        for (t = 0; t < tiles; t += step) {
            step = tiles - t < 8 / PARTS ? tiles - t : 8 / PARTS;
            switch (step) {
                CASE(1, 1); CASE(1, 2); CASE(1, 3); CASE(1, 4); CASE(1, 5); CASE(1, 6); CASE(1, 7); CASE(1, 8);
            }
        }
#undef CASE
#undef ADD
}

static inline void L2O_NAMED(l2o_add_tiles)(L2O_REAL *out, intptr_t out_stride, const L2O_REAL *from,
                                            intptr_t from_stride, const L2O_REAL *columns, intptr_t column_stride,
                                            const L2O_REAL *seen, intptr_t seen_stride, intptr_t n, intptr_t runs,
                                            intptr_t tiles)
{
    L2O_NAMED(l2o_add_any)(out, out_stride, from, from_stride, columns, column_stride, seen, seen_stride, 1, n, runs,
                           tiles);
}

/* The same with entry (r, c) of seen at r + c seen_stride. */
static inline void L2O_NAMED(l2o_add_transposed)(L2O_REAL *out, intptr_t out_stride, const L2O_REAL *from,
                                                 intptr_t from_stride, const L2O_REAL *columns,
                                                 intptr_t column_stride, const L2O_REAL *seen, intptr_t seen_stride,
                                                 intptr_t n, intptr_t runs, intptr_t tiles)
{
    L2O_NAMED(l2o_add_any)(out, out_stride, from, from_stride, columns, column_stride, seen, 1, seen_stride, n, runs,
                           tiles);
}

/* The sum of eight lanes by halves, the order of all sums here; lane is overwritten. */
L2O_TILE_INLINE L2O_REAL L2O_NAMED(l2o_sum_lanes)(L2O_REAL *lane)
{
    for (int half = L2O_TILE / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* out[j] += sum_i rows[j, i] v[i], `count` rows, a constant where this is inlined; n a multiple of 8.
 * Each sum is in eight lanes, which are added in a fixed order. */
L2O_TILE_INLINE void L2O_NAMED(l2o_dot_fixed)(double *out, const L2O_REAL *rows, intptr_t stride, const L2O_REAL *v,
                                              intptr_t n, const int count)
{
    VECTOR sum[4][PARTS];
    L2O_REAL lane[L2O_TILE];
    L2O_EACH(j, count)
        L2O_EACH(p, PARTS)
            sum[j][p] = LOAD(rows + j * stride + p * LANES) * LOAD(v + p * LANES);
    for (intptr_t i = L2O_TILE; i < n; i += L2O_TILE)
        L2O_EACH(p, PARTS)
            L2O_EACH(j, count)
                sum[j][p] += LOAD(rows + j * stride + i + p * LANES) * LOAD(v + i + p * LANES);
    L2O_EACH(j, count) {
        L2O_EACH(p, PARTS)
            STORE(lane + p * LANES) = sum[j][p];
        out[j] += L2O_NAMED(l2o_sum_lanes)(lane);
    }
}

/* out[j] += sum_i rows[j, i] v[i] for any number of rows: four at a time read v once. n >= 8, a multiple of 8. */
static inline void L2O_NAMED(l2o_add_dots)(double *out, const L2O_REAL *rows, intptr_t stride, const L2O_REAL *v,
                                           intptr_t n, intptr_t count)
{
    intptr_t j = 0;
    for (; j + 4 <= count; j += 4)
        L2O_NAMED(l2o_dot_fixed)(out + j, rows + j * stride, stride, v, n, 4);
    for (; j < count; j++)
        L2O_NAMED(l2o_dot_fixed)(out + j, rows + j * stride, stride, v, n, 1);
}

/* out[j, k] += sum_i v[i] left[j, i] right[k, i]; of a triangle, in which left is right, for k <= j alone. `rows`,
 * `columns` and `triangle` are constants where this is inlined, the first two at most 4. Each pass takes one part of
 * the eight lanes of each sum: at most ten sums are under way, and stay in registers. */
L2O_TILE_INLINE void L2O_NAMED(l2o_gram_fixed)(double *out, intptr_t out_stride, const L2O_REAL *left,
                                               const L2O_REAL *right, intptr_t stride, const L2O_REAL *v, intptr_t n,
                                               const int rows, const int columns, const int triangle)
{
    L2O_REAL lane[4][4][L2O_TILE];
    for (int p = 0; p < PARTS; p++) {
        VECTOR sum[4][4], weighted[4];
        for (int j = 0; j < rows; j++)
            for (int k = 0; k < columns; k++)
                sum[j][k] = (VECTOR){0};
        for (intptr_t i = p * LANES; i < n; i += L2O_TILE) {
            for (int k = 0; k < columns; k++)
                weighted[k] = LOAD(right + k * stride + i) * LOAD(v + i);
            for (int j = 0; j < rows; j++)
                for (int k = 0; k < (triangle ? j + 1 : columns); k++)
                    sum[j][k] += LOAD(left + j * stride + i) * weighted[k];
        }
        for (int j = 0; j < rows; j++)
            for (int k = 0; k < columns; k++)
                STORE(lane[j][k] + p * LANES) = sum[j][k];
    }
    L2O_EACH(j, rows)
        L2O_EACH(k, columns)
            if (k <= j || !triangle)
                out[j * out_stride + k] += L2O_NAMED(l2o_sum_lanes)(lane[j][k]);
}

/* out[j, k] += sum_i v[i] rows[j, i] rows[k, i] for k <= j, any number of rows. n >= 8, a multiple of 8. */
static inline void L2O_NAMED(l2o_add_gram)(double *out, intptr_t out_stride, const L2O_REAL *rows, intptr_t stride,
                                           const L2O_REAL *v, intptr_t n, intptr_t count)
{
#define ADD(J, K, R, C, TRIANGLE) L2O_NAMED(l2o_gram_fixed)(out + (J) * out_stride + (K), out_stride, \
                                                            rows + (J) * stride, rows + (K) * stride, stride, v, n, \
                                                            R, C, TRIANGLE)
#define DIAGONAL(R) case R: ADD(k, k, R, R, 1); break
#define BELOW(R) case R: ADD(j, k, R, 2, 0); ADD(j, k + 2, R, 2, 0); break
    for (intptr_t k = 0; k < count; k += 4) {
        switch (count - k < 4 ? count - k : 4) { DIAGONAL(1); DIAGONAL(2); DIAGONAL(3); DIAGONAL(4); }
        for (intptr_t j = k + 4; j < count; j += 4)
            switch (count - j < 4 ? count - j : 4) { BELOW(1); BELOW(2); BELOW(3); BELOW(4); }
    }
#undef BELOW
#undef DIAGONAL
#undef ADD
}

#undef VECTOR
#undef LANES
#undef PARTS
#undef LOAD
#undef STORE
