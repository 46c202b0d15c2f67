# The products of tile.h, as Cython sees them. Lengths are multiples of TILE (8) with zero padding, and at least TILE.
from libc.stdint cimport intptr_t

cdef extern from "tile.h" nogil:
    enum:
        TILE "L2O_TILE"
    void prefetch "L2O_PREFETCH"(const void* address)
    void add_tiles_double "l2o_add_tiles"(
        double* out, intptr_t out_stride, const double* start, intptr_t start_stride, const double* columns,
        intptr_t column_stride, const double* seen, intptr_t seen_stride, intptr_t n, intptr_t runs, intptr_t tiles)
    void add_tiles_float "l2o_add_tilesf"(
        float* out, intptr_t out_stride, const float* start, intptr_t start_stride, const float* columns,
        intptr_t column_stride, const float* seen, intptr_t seen_stride, intptr_t n, intptr_t runs, intptr_t tiles)
    # seen transposed
    void add_transposed_double "l2o_add_transposed"(
        double* out, intptr_t out_stride, const double* start, intptr_t start_stride, const double* columns,
        intptr_t column_stride, const double* seen, intptr_t seen_stride, intptr_t n, intptr_t runs, intptr_t tiles)
    void add_transposed_float "l2o_add_transposedf"(
        float* out, intptr_t out_stride, const float* start, intptr_t start_stride, const float* columns,
        intptr_t column_stride, const float* seen, intptr_t seen_stride, intptr_t n, intptr_t runs, intptr_t tiles)
    # out[j] += sum_i rows[j, i] v[i]
    void add_dots "l2o_add_dots"(
        double* out, const double* rows, intptr_t stride, const double* v, intptr_t n, intptr_t count)
    void add_dots_float "l2o_add_dotsf"(
        double* out, const float* rows, intptr_t stride, const float* v, intptr_t n, intptr_t count)
    # out[j, k] += sum_i v[i] rows[j, i] rows[k, i] for k <= j
    void add_gram "l2o_add_gram"(double* out, intptr_t out_stride, const double* rows, intptr_t stride,
                                 const double* v, intptr_t n, intptr_t count)

ctypedef fused real:
    float
    double


cdef inline void add_tiles(real* out, intptr_t out_stride, const real* start, intptr_t start_stride,
                           const real* columns, intptr_t column_stride, const real* seen, intptr_t seen_stride,
                           intptr_t n, intptr_t runs, intptr_t tiles) noexcept nogil:
    """The one of the two for the precision of the arrays."""
    if real is float:
        add_tiles_float(out, out_stride, start, start_stride, columns, column_stride, seen, seen_stride, n, runs, tiles)
    else:
        add_tiles_double(out, out_stride, start, start_stride, columns, column_stride, seen, seen_stride, n, runs,
                         tiles)


cdef inline void affine(double* out, const double* columns, intptr_t stride, const double* weight, intptr_t n_columns,
                        intptr_t n) noexcept nogil:
    """out[i] = columns[0, i] + sum_c weight[c] columns[c + 1, i]."""
    add_tiles_double(out, n, columns, 0, columns + stride, stride, weight, n_columns, n_columns, 1, n // TILE)


cdef inline void add_columns(double* out, const double* columns, intptr_t stride, const double* weight,
                             intptr_t n_columns, intptr_t n) noexcept nogil:
    """out[i] += sum_c weight[c] columns[c, i]."""
    add_tiles_double(out, n, out, n, columns, stride, weight, n_columns, n_columns, 1, n // TILE)


cdef inline double dot(const double* a, const double* b, intptr_t n) noexcept nogil:
    """sum_i a[i] b[i]."""
    cdef double total = 0.0
    add_dots(&total, a, n, b, n, 1)
    return total
