# l2o: built per instruction set
# Logistic regression: mean log(1 + exp(-m_i)) + l2/2 |w|^2, margin m_i = y_i (w . x_i + b), y_i = +-1.
#
# Block of one problem (float64): an 8-entry header, then p + 1 columns of `padded` points each:
# the offsets (0; 2000 for padding points, whose loss is then exactly 0) and the p feature columns
# and the label column, label folded in and scaled by log2(e) so that exp is exp2.
# The log of a sum of losses is one log of a product: 1 <= 1 + e_i <= 2, so a chunk of 128 points
# in 8 lanes cannot overflow.
#
# What is done for each point is spread over several loops: a CPU works on the next points while it waits for these,
# and sees the further ahead the less is done for each.
from libc.math cimport fabs
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._branchfree cimport LN2, exp2_minus, exp2_negabs, log2_ge1
from l2o._kernels.base._linalg cimport add_dots, add_gram, affine

cdef enum:
    HEADER = 8
    N_POINTS = 0      # real points
    PADDED = 1        # points with padding, a multiple of 8
    L2 = 2            # weight of the regulariser
    CHUNK = 128       # points at a time: of twenty columns they stay in the nearest cache


cdef inline void complete(double* hessian, const double* block, intptr_t n) noexcept nogil:
    """Scale the sums below the diagonal, and mirror them; the bias is not regularised."""
    cdef double total, scale = LN2 * LN2 / block[N_POINTS]
    cdef intptr_t j, k
    for j in range(n):
        for k in range(j + 1):
            total = hessian[j * n + k] * scale
            if j == k and j < n - 1:
                total += block[L2]
            hessian[j * n + k] = total
            hessian[k * n + j] = total


cdef inline void curve(double* power, const double* slope, const double* margin, intptr_t n) noexcept nogil:
    """power <- s (1 - s) of the slope s, without a division; 1 - s would be inexact near 0."""
    cdef intptr_t i
    for i in range(n):
        power[i] = power[i] * slope[i] * slope[i] if margin[i] < 0.0 else slope[i] * (1.0 - slope[i])


cdef inline int expand(const double* x, double* f, double* g, double* hessian, intptr_t n, void* user) noexcept nogil:
    """Value and gradient, and the Hessian unless that is NULL."""
    cdef const double* block = <const double*> user
    cdef const double* columns = block + HEADER
    cdef intptr_t padded = <intptr_t> block[PADDED], start = 0, size, i, j, lane
    cdef double margin[CHUNK]
    cdef double power[CHUNK]
    cdef double slope[CHUNK]
    cdef double factor[8]
    cdef double hinge[8]                                       # the sum of 2 max(-m, 0)
    cdef double loss = 0.0, penalty = 0.0, unit = LN2 / block[N_POINTS], pull, e, m
    for j in range(n):
        g[j] = 0.0
    if hessian != NULL:
        memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(margin, columns + start, padded, x, n, size)
        for lane in range(8):
            factor[lane] = 1.0
            hinge[lane] = 0.0
        i = 0
        while i < size:
            for lane in range(8):
                m = fabs(margin[i + lane])
                hinge[lane] += m - margin[i + lane]
                power[i + lane] = 1023.0 if m > 1023.0 else m
            i += 8
        for i in range(size):
            power[i] = exp2_minus(power[i])
        i = 0
        while i < size:
            for lane in range(8):
                e = power[i + lane]
                factor[lane] *= 1.0 + e
                slope[i + lane] = (1.0 if margin[i + lane] < 0.0 else e) / (1.0 + e)     # 1 / (1 + 2^m)
            i += 8
        for lane in range(4):                                  # in this order gcc works on several at once
            factor[lane] *= factor[lane + 4]
            hinge[lane] += hinge[lane + 4]
        for lane in range(2):
            factor[lane] *= factor[lane + 2]
            hinge[lane] += hinge[lane + 2]
        loss += log2_ge1(factor[0] * factor[1]) + 0.5 * (hinge[0] + hinge[1])
        add_dots(g, columns + padded + start, padded, slope, size, n)
        if hessian != NULL:
            curve(power, slope, margin, size)
            add_gram(hessian, n, columns + padded + start, padded, power, size, n)
        start += size
    for j in range(n):
        pull = block[L2] * x[j] if j < n - 1 else 0.0          # the bias is not regularised
        penalty += 0.5 * pull * x[j]                           # in this order 0 times a huge x is 0
        g[j] = pull - unit * g[j]
    f[0] = loss * unit + penalty
    if hessian != NULL:
        complete(hessian, block, n)
    return 0


cdef int logistic(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    return expand(x, f, g, NULL, n, user)


cdef int logistic_expansion(const double* x, double* f, double* g, double* hessian, intptr_t n,
                            void* user) noexcept nogil:
    return expand(x, f, g, hessian, n, user)


cdef int logistic_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef const double* columns = block + HEADER
    cdef intptr_t padded = <intptr_t> block[PADDED], start = 0, size, i
    cdef double curvature[CHUNK]
    cdef double e
    memset(hessian, 0, n * n * sizeof(double))
    while start < padded:
        size = min(padded - start, <intptr_t> CHUNK) & -8
        affine(curvature, columns + start, padded, x, n, size)
        for i in range(size):
            e = exp2_negabs(curvature[i])
            curvature[i] = e / ((1.0 + e) * (1.0 + e))         # s (1 - s), even in the margin
        add_gram(hessian, n, columns + padded + start, padded, curvature, size, n)
        start += size
    complete(hessian, block, n)
    return 0


FUNCTION = <size_t> <l2o_objective_fn> logistic
HESSIAN = <size_t> <l2o_hessian_fn> logistic_hessian
EXPANSION = <size_t> <l2o_expansion_fn> logistic_expansion
