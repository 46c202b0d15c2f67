# One curve: its points, and what an evaluation makes of them, the normal equations.
#
# Residuals r = w (f(t, p) - y) and their derivatives by the parameters, J (d, n), are one matrix of d + 1 rows, r the
# last. All products of its rows, `normal` (d + 1, d + 1), of which the lower triangle is written, are all that a step
# needs: A = J J', then the gradient g = J r as the last row, then r'r at its end, or twice what is minimised instead.
from libc.math cimport INFINITY
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_model
from l2o._kernels.base._loss cimport in_standard_errors, loss

cdef extern from "gram.h" nogil:
    enum:
        SPARE "L2O_GRAM_SPARE"
    void gram "l2o_gram"(double* out, const double* rows, intptr_t n, intptr_t count)

ctypedef struct curve:
    l2o_model model
    const void* user                                           # the model's own
    intptr_t d                                                 # parameters
    intptr_t k                                                 # numbers that make a t
    intptr_t n                                                 # points that are not masked
    const double* t                                            # (n, k)
    const double* y                                            # (n,)
    const double* w                                            # (n,) or NULL, which is 1
    double* rows                                               # (d + 1, n), and SPARE zeros after them
    const loss* loss                                           # NULL for the sum of squares
    double* work                                               # (2, n), the loss's


cdef inline int evaluate_curve(const double* p, double* normal, intptr_t d, void* one) noexcept nogil:
    """Fill `normal` at p, as an l2o_normal_fn of a curve; or the code of the model's failure."""
    cdef const curve* c = <const curve*> one
    cdef intptr_t n = c.n
    cdef double twice = 0.0
    cdef int code = c.model(p, c.t, n, c.rows + d * n, c.rows, d, c.user)
    if code != 0:
        return code                                            # negative is the watch (_watch.pyx)
    if c.loss == NULL:
        in_standard_errors(c.rows, c.y, c.w, n, d)
    else:
        twice = c.loss.weigh(c.loss.shape, c.rows, c.work, c.y, c.w, n, d)
    gram(normal, c.rows, n, d + 1)
    if c.loss != NULL:
        normal[d * (d + 2)] = twice
    return 0


cdef inline intptr_t points_size(intptr_t d, intptr_t k, intptr_t n) noexcept nogil:
    """Doubles of workspace for curves of up to n points."""
    return (d + 1) * n + SPARE + n * (k + 4)


cdef inline double gather(curve* c, const double* t, const double* y, const double* sigma, intptr_t n,
                          double* work) noexcept nogil:
    """Take the points that are not masked, one after the other; return the sum of squares of the weighted values."""
    cdef intptr_t k = c.k, i, j, used = 0
    cdef double total = 0.0, value
    for i in range(n):
        if y[i] == y[i] and (sigma == NULL or sigma[i] != INFINITY):
            used += 1
    c.t, c.y, c.w, c.n = t, y, NULL, used
    if used < n or sigma != NULL:
        c.t, c.y, c.w = work, work + n * k, NULL if sigma == NULL else work + n * (k + 1)
        used = 0
        for i in range(n):
            if y[i] == y[i] and (sigma == NULL or sigma[i] != INFINITY):
                for j in range(k):
                    work[used * k + j] = t[i * k + j]
                work[n * k + used] = y[i]
                if sigma != NULL:
                    work[n * (k + 1) + used] = 1.0 / sigma[i]
                used += 1
    c.work = work + n * (k + 2)
    c.rows = work + n * (k + 4)
    memset(c.rows + (c.d + 1) * used, 0, SPARE * sizeof(double))
    for i in range(used):
        value = c.y[i] if c.w == NULL else c.y[i] * c.w[i]
        total += value * value
    return total
