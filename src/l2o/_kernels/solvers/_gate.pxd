# The gate of a policy that begins with a prior: whether a start is near what training has shown.
#
# Block: T (n, n) by rows, lower triangular; then lowest and highest values, 2 n + 2 each, of T'g (n), |T'g|^2, f and
# x (n). l2o/policies/gate.py makes it.
from libc.stdint cimport intptr_t


cdef inline bint is_within(double value, const double* low, const double* high, intptr_t k) noexcept nogil:
    return low[k] <= value <= high[k]                          # a NaN is not


cdef inline bint admits(const double* gate, const double* x, double f, const double* g, intptr_t n) noexcept nogil:
    """Whether the value and gradient at a start x are within the block's limits."""
    cdef const double* low = gate + n * n
    cdef const double* high = low + 2 * n + 2
    cdef double slope, total = 0.0
    cdef intptr_t i, j
    for j in range(n):
        slope = 0.0
        for i in range(j, n):
            slope += g[i] * gate[i * n + j]
        total += slope * slope
        if not is_within(slope, low, high, j) or not is_within(x[j], low, high, n + 2 + j):
            return False
    return is_within(total, low, high, n) and is_within(f, low, high, n + 1)
