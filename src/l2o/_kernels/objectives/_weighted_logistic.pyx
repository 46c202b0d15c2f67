# l2o: built per instruction set
# Logistic regression with weights: sum v_i log(1 + exp(-m_i)) / sum v_i + l2/2 |w|^2, m_i = y_i (w . x_i + b).
#
# The own column holds the labels, +-1 times log2(e), so that exp is exp2; 0 for padding points. Unlike in _logistic.pyx
# the design is as it was given, for others may share it, and each point has a logarithm of its own for its weight.
from libc.math cimport fabs
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._branchfree cimport LN2, exp2_minus, exp2_negabs, log2_1p
from l2o._kernels.base._linalg cimport add_dots, add_gram, affine
from l2o._kernels.objectives._weighted cimport CHUNK, HEADER, PADDED, SETTING, TOTAL, Weighted


cdef inline void complete(double* hessian, const Weighted* one, intptr_t n) noexcept nogil:
    """Scale the sums below the diagonal, and mirror them; the bias is not regularised."""
    cdef double total
    cdef intptr_t j, k
    for j in range(n):
        for k in range(j + 1):
            total = hessian[j * n + k] / one.own[TOTAL]
            if j == k and j < n - 1:
                total += one.own[SETTING]
            hessian[j * n + k] = total
            hessian[k * n + j] = total


cdef inline int expand(const double* x, double* f, double* g, double* hessian, intptr_t n, void* user) noexcept nogil:
    """Value and gradient, and the Hessian unless that is NULL."""
    cdef const Weighted* one = <const Weighted*> user
    cdef const double* label = one.own + HEADER
    cdef const double* weight = one.weights
    cdef intptr_t padded = <intptr_t> one.own[PADDED], start = 0, size, i, j
    cdef double margin[CHUNK]
    cdef double power[CHUNK]
    cdef double slope[CHUNK]
    cdef double loss[8]
    cdef double penalty = 0.0, unit = LN2 / one.own[TOTAL], pull, e, m
    for j in range(n):
        g[j] = 0.0
    for j in range(8):
        loss[j] = 0.0
    if hessian != NULL:
        memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(margin, one.design + start, padded, x, n, size)
        for i in range(size):
            margin[i] *= label[i]
            m = fabs(margin[i])
            power[i] = 1023.0 if m > 1023.0 else m
        for i in range(size):
            power[i] = exp2_minus(power[i])
        i = 0
        while i < size:
            for j in range(8):
                e = power[i + j]
                m = fabs(margin[i + j]) - margin[i + j]        # 2 max(-m, 0)
                loss[j] += weight[i + j] * (log2_1p(e) + 0.5 * m)
                slope[i + j] = weight[i + j] * label[i + j] * ((1.0 if margin[i + j] < 0.0 else e) / (1.0 + e))
            i += 8
        add_dots(g, one.design + padded + start, padded, slope, size, n)
        if hessian != NULL:
            for i in range(size):
                e = power[i]
                power[i] = weight[i] * e / ((1.0 + e) * (1.0 + e))
            add_gram(hessian, n, one.design + padded + start, padded, power, size, n)
        start += size
        label += size
        weight += size
    for j in range(1, 8):
        loss[0] += loss[j]
    for j in range(n):
        pull = one.own[SETTING] * x[j] if j < n - 1 else 0.0   # the bias is not regularised
        penalty += 0.5 * pull * x[j]
        g[j] = pull - unit * g[j]
    f[0] = loss[0] * unit + penalty
    if hessian != NULL:
        complete(hessian, one, n)
    return 0


cdef int logistic(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    return expand(x, f, g, NULL, n, user)


cdef int logistic_expansion(const double* x, double* f, double* g, double* hessian, intptr_t n,
                            void* user) noexcept nogil:
    return expand(x, f, g, hessian, n, user)


cdef int logistic_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const Weighted* one = <const Weighted*> user
    cdef const double* label = one.own + HEADER
    cdef const double* weight = one.weights
    cdef intptr_t padded = <intptr_t> one.own[PADDED], start = 0, size, i
    cdef double curvature[CHUNK]
    cdef double e
    memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(curvature, one.design + start, padded, x, n, size)
        for i in range(size):
            e = exp2_negabs(curvature[i] * label[i])
            curvature[i] = weight[i] * e / ((1.0 + e) * (1.0 + e))     # s (1 - s)
        add_gram(hessian, n, one.design + padded + start, padded, curvature, size, n)
        start += size
        label += size
        weight += size
    complete(hessian, one, n)
    return 0


FUNCTION = <size_t> <l2o_objective_fn> logistic
HESSIAN = <size_t> <l2o_hessian_fn> logistic_hessian
EXPANSION = <size_t> <l2o_expansion_fn> logistic_expansion
