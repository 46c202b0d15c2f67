# One curve: its points, and what an evaluation makes of them, the normal equations.
#
# Residuals r = w (f(t, p) - y) and their derivatives by the parameters, J (d, n), are one matrix of d + 1 rows, r the
# last. All products of its rows, `normal` (d + 1, d + 1), of which the lower triangle is written, are all that a step
# needs: A = J J', then the gradient g = J r as the last row, then r'r at its end, or twice what is minimised instead.
from libc.math cimport isfinite
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_model
from l2o._kernels.base._status cimport GO_ON, NON_FINITE, OBJECTIVE_FAILED, STOPPED
from l2o._kernels.solvers._loss cimport in_standard_errors, loss

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
    const double* low                                          # (d,) bounds, low and high, or NULL
    const double* high
    double* rows                                               # (d + 1, n), and SPARE zeros after them
    const loss* loss                                           # NULL for the sum of squares
    double* work                                               # (2, n), the loss's


cdef inline bint is_fixed(const curve* c, intptr_t a) noexcept nogil:
    return c.low != NULL and c.low[a] == c.high[a]


cdef inline int evaluate_curve(const curve* c, const double* p, double* normal) noexcept nogil:
    """Fill `normal` at p; GO_ON, or why there is no such point. A derivative by what is fixed counts as zero."""
    cdef intptr_t d = c.d, n = c.n, a
    cdef double twice = 0.0
    cdef int code = c.model(p, c.t, n, c.rows + d * n, c.rows, d, c.user)
    if code != 0:
        return STOPPED if code < 0 else OBJECTIVE_FAILED       # negative is the watch (_watch.pyx)
    if c.loss == NULL:
        in_standard_errors(c.rows, c.y, c.w, n, d)
    else:
        twice = c.loss.weigh(c.loss.shape, c.rows, c.work, c.y, c.w, n, d)
    if c.low != NULL:
        for a in range(d):
            if is_fixed(c, a):
                memset(c.rows + a * n, 0, n * sizeof(double))
    gram(normal, c.rows, n, d + 1)
    if c.loss != NULL:
        normal[d * (d + 2)] = twice
    for a in range(d):
        if not isfinite(normal[a * (d + 2)]) or not isfinite(normal[d * (d + 1) + a]):
            return NON_FINITE
    return GO_ON if isfinite(normal[d * (d + 2)]) else NON_FINITE
