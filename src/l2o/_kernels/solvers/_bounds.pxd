# A run within bounds: which variables may move, how far, and where a trial ends up.
#
# Two metrics, after Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM
# Journal on Control and Optimization 20 (1982): a variable on its bound with the way down pointing out is held, and the
# matrix of the method acts on the others alone. One that its step would carry across a bound goes as far as the bound,
# or, where that is uphill, stays; the direction of those that are left is found again without it. Each part goes down,
# so the whole does, and the segment to its end lies within the bounds.
from libc.math cimport INFINITY, fabs
from libc.stdint cimport intptr_t

from l2o._kernels.base._evaluate cimport is_held
from l2o._kernels.base._status cimport GO_ON
from l2o._kernels.solvers._descent cimport descent
from l2o._kernels.solvers._descent_method cimport AGAIN


cdef inline double within(double to, double x, double p, double low, double high) noexcept nogil:
    """Where a step from x along p arrives: never beyond a bound, and on the bound that rounding alone keeps it from."""
    cdef double bound = low if p < 0.0 else high
    cdef double slack = 2.0 * 2.220446049250313e-16 * (fabs(x) + fabs(bound))
    if (p < 0.0 and to <= bound + slack) or (p > 0.0 and to >= bound - slack):
        return bound
    return to


cdef inline void free_slope(const double* x, const double* g, const double* low, const double* high, double* slope,
                            intptr_t n) noexcept nogil:
    """slope <- g, zero where a bound holds a variable."""
    cdef intptr_t j
    for j in range(n):
        slope[j] = 0.0 if is_held(x[j], g[j], low[j], high[j]) else g[j]


cdef inline double longest_step(const descent* run, const double* x, const double* p) noexcept nogil:
    """How many times p fits within the bounds, at least 1: that it does once is known."""
    cdef double most = INFINITY
    cdef intptr_t j
    if run.low == NULL:
        return most
    for j in range(run.n):
        if p[j] < 0.0:
            most = min(most, (run.low[j] - x[j]) / p[j])
        elif p[j] > 0.0:
            most = min(most, (run.high[j] - x[j]) / p[j])
    return max(most, 1.0)


cdef inline intptr_t direction_size(intptr_t n) noexcept nogil:
    """Doubles of workspace."""
    return 3 * n


cdef inline const double* downhill(const descent* run, const double* x, const double* g, double* slope) noexcept nogil:
    """The gradient at x, zero where a bound holds a variable: g itself, or `slope` (n,)."""
    if run.low == NULL:
        return g
    free_slope(x, g, run.low, run.high, slope, run.n)
    return slope


cdef inline int direction(descent* run, const double* x, const double* g, double* p, double* work,
                          int made_of) noexcept nogil:
    """Write a direction to p, as `propose` does, so that x + p is within the bounds; g is that of `downhill`."""
    cdef intptr_t n = run.n, j, left = 0, before = -1
    cdef double* free = work
    cdef double* slope = work + n                              # g where free, else zero
    cdef double* fixed = work + 2 * n                          # the steps of those that arrive at a bound
    cdef int outcome = GO_ON
    if run.low == NULL:
        return run.method.propose(run.memory, x, g, p, NULL, made_of)
    for j in range(n):
        slope[j], fixed[j], p[j] = g[j], 0.0, 0.0
        free[j] = not is_held(x[j], g[j], run.low[j], run.high[j])
        left += free[j] > 0.0
    while 0 < left != before:
        outcome = run.method.propose(run.memory, x, slope, p, NULL if left == n else free, made_of)
        if outcome != GO_ON:
            return outcome
        before, made_of = left, AGAIN
        for j in range(n):
            if free[j] == 0.0:
                p[j] = 0.0
            elif not run.low[j] <= x[j] + p[j] <= run.high[j]:
                if p[j] * slope[j] < 0.0:
                    fixed[j] = (run.low[j] if p[j] < 0.0 else run.high[j]) - x[j]
                free[j] = slope[j] = p[j] = 0.0
                left -= 1
    for j in range(n):
        p[j] += fixed[j]
    return GO_ON
