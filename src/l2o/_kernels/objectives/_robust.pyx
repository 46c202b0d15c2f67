# l2o: built per instruction set
# Robust regression (Geman-McClure): mean q_i^2 / (1 + q_i^2), q_i = (y_i - w . x_i - b) / c.
#
# Block of one problem (float64): an 8-entry header, then p + 2 columns of `padded` points each: the
# targets y / c, the feature columns and the column of ones, both times -1 / c. All are 0 for padding
# points, whose loss and slope are then 0.
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._linalg cimport add_dots, add_gram, affine, dot
from l2o._kernels.objectives._bounded_loss cimport bound, zero_if_finite

cdef enum:
    HEADER = 8
    N_POINTS = 0      # real points
    PADDED = 1        # points with padding, a multiple of 8
    CHUNK = 128       # points at a time: of twenty columns they stay in the nearest cache


cdef inline void complete(double* hessian, double scale, double nothing, intptr_t n) noexcept nogil:
    """Scale the sums below the diagonal, and mirror them."""
    cdef intptr_t j, k
    for j in range(n):
        for k in range(j + 1):
            hessian[j * n + k] = hessian[j * n + k] * scale + nothing
            hessian[k * n + j] = hessian[j * n + k]


cdef inline int expand(const double* x, double* f, double* g, double* hessian, intptr_t n, void* user) noexcept nogil:
    """Value and gradient, and the Hessian unless that is NULL."""
    cdef const double* block = <const double*> user
    cdef const double* columns = block + HEADER
    cdef intptr_t padded = <intptr_t> block[PADDED], start = 0, size, i, j
    cdef double residual[CHUNK]
    cdef double ratio[CHUNK]
    cdef double slope[CHUNK]
    cdef double curvature[CHUNK]
    cdef double loss = 0.0, nothing = zero_if_finite(x, n), q, u
    for j in range(n):
        g[j] = 0.0
    if hessian != NULL:
        memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(residual, columns + start, padded, x, n, size)
        bound(residual, size)
        for i in range(size):
            q = residual[i]
            u = 1.0 / (1.0 + q * q)
            ratio[i] = q * u
            slope[i] = q * u * u                               # half of d loss / dq
            curvature[i] = u * u * (4.0 * u - 3.0)             # half of (2 - 6 q^2) / (1 + q^2)^3
        loss += dot(residual, ratio, size)
        add_dots(g, columns + padded + start, padded, slope, size, n)
        if hessian != NULL:
            add_gram(hessian, n, columns + padded + start, padded, curvature, size, n)
        start += size
    for j in range(n):
        g[j] = 2.0 * g[j] / block[N_POINTS] + nothing
    f[0] = loss / block[N_POINTS] + nothing
    if hessian != NULL:
        complete(hessian, 2.0 / block[N_POINTS], nothing, n)
    return 0


cdef int robust(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    return expand(x, f, g, NULL, n, user)


cdef int robust_expansion(const double* x, double* f, double* g, double* hessian, intptr_t n,
                          void* user) noexcept nogil:
    return expand(x, f, g, hessian, n, user)


cdef int robust_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef const double* columns = block + HEADER
    cdef intptr_t padded = <intptr_t> block[PADDED], start = 0, size, i
    cdef double curvature[CHUNK]
    cdef double q, u
    memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(curvature, columns + start, padded, x, n, size)
        bound(curvature, size)
        for i in range(size):
            q = curvature[i]
            u = 1.0 / (1.0 + q * q)
            curvature[i] = u * u * (4.0 * u - 3.0)
        add_gram(hessian, n, columns + padded + start, padded, curvature, size, n)
        start += size
    complete(hessian, 2.0 / block[N_POINTS], zero_if_finite(x, n), n)
    return 0


FUNCTION = <size_t> <l2o_objective_fn> robust
HESSIAN = <size_t> <l2o_hessian_fn> robust_hessian
EXPANSION = <size_t> <l2o_expansion_fn> robust_expansion
