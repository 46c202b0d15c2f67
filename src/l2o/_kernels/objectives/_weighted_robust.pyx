# l2o: built per instruction set
# Robust regression (Geman-McClure) with weights: sum v_i q_i^2 / (1 + q_i^2) / sum v_i, q_i = (y_i - w . x_i - b) / c.
#
# The own column holds the targets y / c. The design is as it was given, for others may share it.
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._linalg cimport add_dots, add_gram, affine, dot
from l2o._kernels.objectives._bounded_loss cimport bound, zero_if_finite
from l2o._kernels.objectives._weighted cimport CHUNK, HEADER, PADDED, SETTING, TOTAL, Weighted


cdef inline void residuals(double* q, const double* target, double c, intptr_t n) noexcept nogil:
    """Make residuals of predictions, bounded."""
    cdef intptr_t i
    for i in range(n):
        q[i] = target[i] - q[i] / c
    bound(q, n)


cdef inline void complete(double* hessian, const Weighted* one, double nothing, intptr_t n) noexcept nogil:
    """Scale the sums below the diagonal, and mirror them."""
    cdef double scale = 2.0 / (one.own[TOTAL] * one.own[SETTING] * one.own[SETTING])
    cdef intptr_t j, k
    for j in range(n):
        for k in range(j + 1):
            hessian[j * n + k] = hessian[j * n + k] * scale + nothing
            hessian[k * n + j] = hessian[j * n + k]


cdef inline int expand(const double* x, double* f, double* g, double* hessian, intptr_t n, void* user) noexcept nogil:
    """Value and gradient, and the Hessian unless that is NULL."""
    cdef const Weighted* one = <const Weighted*> user
    cdef const double* target = one.own + HEADER
    cdef const double* weight = one.weights
    cdef intptr_t padded = <intptr_t> one.own[PADDED], start = 0, size, i, j
    cdef double residual[CHUNK]
    cdef double ratio[CHUNK]
    cdef double slope[CHUNK]
    cdef double curvature[CHUNK]
    cdef double loss = 0.0, nothing = zero_if_finite(x, n), total = one.own[TOTAL], c = one.own[SETTING], q, u
    for j in range(n):
        g[j] = 0.0
    if hessian != NULL:
        memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(residual, one.design + start, padded, x, n, size)
        residuals(residual, target, c, size)
        for i in range(size):
            q = residual[i]
            u = 1.0 / (1.0 + q * q)
            ratio[i] = weight[i] * (q * u)
            slope[i] = weight[i] * (q * u * u)                 # half of d loss / dq
            curvature[i] = weight[i] * (u * u * (4.0 * u - 3.0))       # half of (2 - 6 q^2) / (1 + q^2)^3
        loss += dot(residual, ratio, size)
        add_dots(g, one.design + padded + start, padded, slope, size, n)
        if hessian != NULL:
            add_gram(hessian, n, one.design + padded + start, padded, curvature, size, n)
        start += size
        target += size
        weight += size
    for j in range(n):
        g[j] = -2.0 * g[j] / (total * c) + nothing
    f[0] = loss / total + nothing
    if hessian != NULL:
        complete(hessian, one, nothing, n)
    return 0


cdef int robust(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    return expand(x, f, g, NULL, n, user)


cdef int robust_expansion(const double* x, double* f, double* g, double* hessian, intptr_t n,
                          void* user) noexcept nogil:
    return expand(x, f, g, hessian, n, user)


cdef int robust_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const Weighted* one = <const Weighted*> user
    cdef const double* target = one.own + HEADER
    cdef const double* weight = one.weights
    cdef intptr_t padded = <intptr_t> one.own[PADDED], start = 0, size, i
    cdef double curvature[CHUNK]
    cdef double q, u
    memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(curvature, one.design + start, padded, x, n, size)
        residuals(curvature, target, one.own[SETTING], size)
        for i in range(size):
            q = curvature[i]
            u = 1.0 / (1.0 + q * q)
            curvature[i] = weight[i] * (u * u * (4.0 * u - 3.0))
        add_gram(hessian, n, one.design + padded + start, padded, curvature, size, n)
        start += size
        target += size
        weight += size
    complete(hessian, one, zero_if_finite(x, n), n)
    return 0


FUNCTION = <size_t> <l2o_objective_fn> robust
HESSIAN = <size_t> <l2o_hessian_fn> robust_hessian
EXPANSION = <size_t> <l2o_expansion_fn> robust_expansion
