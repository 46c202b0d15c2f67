# The gap to the minimum, with a Hessian that was measured.
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

cdef enum:
    MOST_COUPLED = 64                                          # variables; of more, the diagonal alone is kept

cdef extern from *:
    """
    #define L2O_LEAST_PIVOT 1e-10
    """
    const double LEAST_PIVOT "L2O_LEAST_PIVOT"                 # pivots below are none, of a diagonal of ones


cdef inline void keep(double* matrix, const double* column, intptr_t j, intptr_t n) noexcept nogil:
    """Column j of a Hessian, of which the diagonal alone is kept where there are many variables."""
    if n <= MOST_COUPLED:
        memcpy(matrix + j * n, column, n * sizeof(double))
    else:
        matrix[j] = column[j]


cdef inline double judged_gap(double* matrix, const double* g, double* inverse, double* rest,
                              intptr_t n) noexcept nogil:
    """Half g'H^-1 g with the Hessian (n, n), by elimination in units of its diagonal; infinite where H is not convex.

    inverse becomes that of the diagonal, 0 where nothing was measured; matrix and rest (n,) are workspace.
    """
    cdef double gap = 0.0, pivot, factor
    cdef intptr_t i, j, k
    for j in range(n):
        pivot = matrix[j * n + j]
        inverse[j] = 1.0 / fabs(pivot) if pivot != 0.0 else 0.0
        matrix[j * n + j] = 1.0 if pivot >= 0.0 else -1.0
        rest[j] = g[j] * sqrt(inverse[j])
    for i in range(n):
        for j in range(i):
            matrix[i * n + j] = 0.5 * (matrix[i * n + j] + matrix[j * n + i]) * sqrt(inverse[i]) * sqrt(inverse[j])
    for j in range(n):
        pivot = matrix[j * n + j]
        if not pivot > -1e-6:
            return INFINITY
        pivot = max(pivot, LEAST_PIVOT)
        gap += 0.5 * rest[j] * rest[j] / pivot
        for i in range(j + 1, n):
            factor = matrix[i * n + j] / pivot
            rest[i] -= factor * rest[j]
            for k in range(j + 1, i + 1):
                matrix[i * n + k] -= factor * matrix[k * n + j]
    return gap


cdef inline double diagonal_gap(const double* diagonal, const double* g, double* inverse, intptr_t n) noexcept nogil:
    """The same for many variables, as if they were not coupled."""
    cdef double gap = 0.0
    cdef intptr_t j
    for j in range(n):
        inverse[j] = 1.0 / fabs(diagonal[j]) if diagonal[j] != 0.0 else 0.0
        gap += 0.5 * g[j] * g[j] * inverse[j] if diagonal[j] >= 0.0 else INFINITY
    return gap


cdef inline double hessian_gap(double* matrix, const double* g, double* inverse, double* rest,
                               intptr_t n) noexcept nogil:
    """Half g'H^-1 g with what `keep` has kept of the Hessian."""
    return judged_gap(matrix, g, inverse, rest, n) if n <= MOST_COUPLED else diagonal_gap(matrix, g, inverse, n)
