# Normal equations: elimination with a damped diagonal, the step, what it is expected to gain, the inverse.
#
# `normal` is that of _curve.pxd, for d unknowns (d + 1, d + 1). Elimination takes its last row along, and so solves for
# the step on the way; a pivot is divided by only once, and there is no root to wait for.
from libc.math cimport sqrt
from libc.stdint cimport intptr_t


cdef inline double eliminate(const double* normal, const double* scale, double damping, double* rows, intptr_t d,
                             double* weakness=NULL) noexcept nogil:
    """Rows of L, then of L^-1 g over the pivots, of A + damping diag(scale) = L P L'; 1 / P on the diagonal.

    Returns g' (A + damping diag(scale))^-1 g, or -1 if a pivot is not positive but for rounding. weakness becomes the
    largest scale over pivot.
    """
    cdef intptr_t stride = d + 1, i, j, k
    cdef double inverse, entry, whole, gain = 0.0
    for i in range(d + 1):
        for k in range(min(i + 1, d)):
            rows[i * stride + k] = normal[i * stride + k]
    for j in range(d):
        whole = normal[j * stride + j] + damping * scale[j]
        rows[j * stride + j] += damping * scale[j]
        if not (rows[j * stride + j] > 1e-15 * whole and whole > 0.0):
            return -1.0
        inverse = 1.0 / rows[j * stride + j]
        rows[j * stride + j] = inverse
        if weakness != NULL:
            weakness[0] = max(weakness[0], scale[j] * inverse)
        for i in range(j + 1, d + 1):
            entry = rows[i * stride + j]
            rows[i * stride + j] = entry * inverse
            for k in range(j + 1, min(i + 1, d)):
                rows[i * stride + k] -= entry * rows[k * stride + j]
        gain += entry * entry * inverse                        # of the last row
    return gain


cdef inline void solve_back(const double* rows, double* step, intptr_t d) noexcept nogil:
    """step <- -(A + damping diag(scale))^-1 g, from what `eliminate` left."""
    cdef intptr_t stride = d + 1, i, j
    for i in range(d - 1, -1, -1):
        step[i] = -rows[d * stride + i]
        for j in range(i + 1, d):
            step[i] -= rows[j * stride + i] * step[j]


cdef inline double size_of(const double* step, const double* scale, intptr_t d) noexcept nogil:
    """|scale^1/2 step|."""
    cdef double total = 0.0
    cdef intptr_t i
    for i in range(d):
        total += scale[i] * step[i] * step[i]
    return sqrt(total)


cdef inline double shrinkage(const double* rows, const double* step, const double* scale, double* work,
                             intptr_t d) noexcept nogil:
    """q' (A + damping diag(scale))^-1 q of q = diag(scale) step: how much more damping shortens the step."""
    cdef intptr_t stride = d + 1, i, k
    cdef double total = 0.0
    for i in range(d):
        work[i] = scale[i] * step[i]
        for k in range(i):
            work[i] -= rows[i * stride + k] * work[k]
        total += work[i] * work[i] * rows[i * stride + i]
    return total


cdef inline double expected_gain(const double* normal, const double* step, intptr_t d) noexcept nogil:
    """What r'r / 2 falls by along a step if residuals are linear: -g's - s'As / 2."""
    cdef intptr_t stride = d + 1, i, k
    cdef double gain = 0.0, row
    for i in range(d):
        row = normal[d * stride + i] + 0.5 * normal[i * stride + i] * step[i]
        for k in range(i):
            row += normal[i * stride + k] * step[k]
        gain -= row * step[i]
    return gain


cdef inline void invert(const double* rows, double* inverse, double* work, intptr_t d) noexcept nogil:
    """inverse (d, d) <- (A + damping diag(scale))^-1, from what `eliminate` left."""
    cdef intptr_t stride = d + 1, i, k, column
    for column in range(d):
        for i in range(d):
            work[i] = 1.0 if i == column else 0.0
            for k in range(column, i):
                work[i] -= rows[i * stride + k] * work[k]
        for i in range(d - 1, -1, -1):
            work[i] *= rows[i * stride + i]
            for k in range(i + 1, d):
                work[i] -= rows[k * stride + i] * work[k]
            inverse[i * d + column] = work[i]
