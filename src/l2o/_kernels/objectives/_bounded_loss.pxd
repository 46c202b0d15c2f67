# What robust regressions with and without weights share: residuals q of a loss q^2 / (1 + q^2), which is bounded.
from libc.stdint cimport intptr_t


cdef inline void bound(double* q, intptr_t n) noexcept nogil:
    """Bound each q, so that its square is finite: there the loss is 1 and flat. The NaN of inf - inf counts as large.

    In a loop of its own: gcc makes branches of the two choices, and does not vectorise a loop that goes on with q.
    """
    cdef double largest = 1e150
    cdef intptr_t i
    for i in range(n):
        q[i] = q[i] if q[i] < largest else largest
        q[i] = q[i] if q[i] > -largest else -largest


cdef inline double zero_if_finite(const double* x, intptr_t n) noexcept nogil:
    """0, or NaN where x is not finite: the loss is bounded, so nothing else would show it."""
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += 0.0 * x[j]
    return total
