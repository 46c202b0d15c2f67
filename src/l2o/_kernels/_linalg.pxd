# The two products of the hot path, written so that gcc vectorises them without -ffast-math.
#
# `out` must be a local array of the caller (else gcc cannot exclude aliasing and emits a second,
# scalar loop), and lengths are multiples of 8 with zero padding (no scalar tail).
from libc.stdint cimport intptr_t

ctypedef fused real:
    float
    double


cdef inline void add_columns(real* out, const real* columns, intptr_t stride, const real* weight,
                             intptr_t n_columns, intptr_t n) noexcept nogil:
    """out[i] += sum_c weight[c] columns[c, i]; eight columns a pass, since out moves once per pass."""
    cdef intptr_t i, c = 0
    cdef const real* p
    n &= -8
    while c + 8 <= n_columns:
        p = columns + c * stride
        for i in range(n):
            out[i] += ((weight[c] * p[i] + weight[c + 1] * p[i + stride])
                       + (weight[c + 2] * p[i + 2 * stride] + weight[c + 3] * p[i + 3 * stride])) \
                + ((weight[c + 4] * p[i + 4 * stride] + weight[c + 5] * p[i + 5 * stride])
                   + (weight[c + 6] * p[i + 6 * stride] + weight[c + 7] * p[i + 7 * stride]))
        c += 8
    while c + 4 <= n_columns:
        p = columns + c * stride
        for i in range(n):
            out[i] += (weight[c] * p[i] + weight[c + 1] * p[i + stride]) \
                + (weight[c + 2] * p[i + 2 * stride] + weight[c + 3] * p[i + 3 * stride])
        c += 4
    while c < n_columns:
        p = columns + c * stride
        for i in range(n):
            out[i] += weight[c] * p[i]
        c += 1


cdef inline real dot(const real* a, const real* b, intptr_t n) noexcept nogil:
    """sum_i a[i] b[i] in eight lanes, added in a fixed order."""
    cdef real total[8]
    cdef intptr_t i, lane
    n &= -8
    for lane in range(8):
        total[lane] = 0.0
    i = 0
    while i < n:
        for lane in range(8):
            total[lane] += a[i + lane] * b[i + lane]
        i += 8
    return ((total[0] + total[4]) + (total[2] + total[6])) + ((total[1] + total[5]) + (total[3] + total[7]))


cdef inline void affine(real* out, const real* columns, intptr_t stride, const real* weight, intptr_t n_columns,
                        intptr_t n) noexcept nogil:
    """out[i] = columns[0, i] + sum_c weight[c] columns[c + 1, i]."""
    cdef intptr_t i
    for i in range(n):
        out[i] = columns[i]
    add_columns(out, columns + stride, stride, weight, n_columns, n)
