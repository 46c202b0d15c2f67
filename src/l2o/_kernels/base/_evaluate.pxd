# One evaluation behind the ABI of objectives, and which of two evaluated points is the better one.
from libc.math cimport INFINITY, NAN, fabs, isfinite
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.base._status cimport GO_ON, NON_FINITE, OBJECTIVE_FAILED


cdef inline int evaluate(l2o_objective_fn objective, const double* x, double* f, double* g, intptr_t n,
                         void* data) noexcept nogil:
    """Value and gradient at x; GO_ON, or why the run ends. A point that is not finite has no value that counts.

    Both are NaN beforehand: what the objective leaves unwritten, or a part of it, is seen.
    """
    cdef int code
    cdef double rest = 0.0
    cdef intptr_t j
    f[0] = NAN
    memset(g, 0xFF, n * sizeof(double))                        # the bytes of a NaN
    code = objective(x, f, g, n, data)
    if code < 0:
        f[0] = NAN
        for j in range(n):
            g[j] = NAN
        return OBJECTIVE_FAILED
    if code > 0:
        f[0] = INFINITY
    for j in range(n):
        rest += 0.0 * g[j] + 0.0 * x[j]                        # NaN, if one is not finite
    return GO_ON if isfinite(f[0]) and rest == 0.0 else NON_FINITE


cdef inline int evaluate_within(l2o_objective_fn objective, const double* x, double* f, double* g, const double* low,
                                const double* high, intptr_t n, void* data) noexcept nogil:
    """`evaluate`; of a variable whose bounds are equal a gradient that is not finite is zero. low may be NULL."""
    cdef int status = evaluate(objective, x, f, g, n, data)
    cdef intptr_t j
    if low == NULL or status != NON_FINITE or not isfinite(f[0]):
        return status
    for j in range(n):
        if not isfinite(x[j]):
            return NON_FINITE
        if not isfinite(g[j]):
            if low[j] < high[j]:
                return NON_FINITE
            g[j] = 0.0
    return GO_ON


cdef inline double largest(const double* g, intptr_t n) noexcept nogil:
    cdef double most = 0.0
    cdef intptr_t j
    for j in range(n):
        most = max(most, fabs(g[j]))
    return most


cdef inline double rounding(double f) noexcept nogil:
    """What two values of f may differ by and still be equal for all that is known."""
    return 8.0 * 2.220446049250313e-16 * fabs(f)


cdef inline bint is_held(double x, double g, double low, double high) noexcept nogil:
    """Whether a variable is on a bound with the way down pointing out."""
    return (x <= low and g >= 0.0) or (x >= high and g <= 0.0)


cdef inline double steepness(const double* x, const double* g, const double* low, const double* high,
                             intptr_t n) noexcept nogil:
    """The largest entry of the gradient at x, without those of variables that a bound holds; low may be NULL."""
    cdef double most = 0.0
    cdef intptr_t j
    if low == NULL:
        return largest(g, n)
    for j in range(n):
        if not is_held(x[j], g[j], low[j], high[j]):
            most = max(most, fabs(g[j]))
    return most


cdef inline bint is_better(double f, const double* x, const double* g, double best_f, const double* best_x,
                           const double* best_g, double first, double lowest, const double* low, const double* high,
                           intptr_t n) noexcept nogil:
    """Better is lower; of values equal but for rounding, none above the first, the smallest gradient."""
    return f + rounding(f) < best_f or (f <= first and f <= lowest + rounding(lowest)
                                        and steepness(x, g, low, high, n) < steepness(best_x, best_g, low, high, n))
