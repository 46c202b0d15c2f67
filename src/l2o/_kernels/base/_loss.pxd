# What a fit minimises, other than the sum of squares: a robust loss of the residuals, or the deviance of counts.
#
# r are residuals in standard errors, J (d, n) their derivatives. A loss rescales both, until J r is the gradient of
# half of what is minimised, and J J' a positive model of its second derivative: r sqrt(rho' / c) and J sqrt(rho' c),
# with u = r^2 and c = 1 + 2 u rho'' / rho', which is cut off from below. B. Triggs and others, "Bundle adjustment, a
# modern synthesis", Vision Algorithms, Lecture Notes in Computer Science 1883 (2000), section 4.3.
from libc.math cimport NAN, log, log1p, sqrt
from libc.stdint cimport intptr_t

cdef extern from *:
    """
    #define L2O_LEAST_CURVATURE 0.3
    """
    const double LEAST_CURVATURE "L2O_LEAST_CURVATURE"         # 0 would take outliers for points without a say

ctypedef void (*shape_of)(double u, double* shape) noexcept nogil  # rho, rho', c

ctypedef struct loss:
    # rows (d + 1, n), derivatives and last the model's values, become J and r; returns twice what is minimised, NaN
    # where there is none. work (2, n): its first row becomes c before it is cut off, its second what J is times.
    double (*weigh)(shape_of shape, double* rows, double* work, const double* y, const double* w, intptr_t n,
                    intptr_t d) noexcept nogil
    shape_of shape                                             # NULL for counts
    bint scaled                                                # whether the scale of the errors is asked of the fit


cdef inline void in_standard_errors(double* rows, const double* y, const double* w, intptr_t n,
                                    intptr_t d) noexcept nogil:
    """Values of the model, the last row, become residuals; all rows are times w, where that is given."""
    cdef double* residual = rows + d * n
    cdef intptr_t a, i
    for i in range(n):
        residual[i] -= y[i]
    if w != NULL:
        for a in range(d + 1):
            for i in range(n):
                rows[a * n + i] *= w[i]


cdef inline double weigh_robust(shape_of shape, double* rows, double* work, const double* y, const double* w,
                                intptr_t n, intptr_t d) noexcept nogil:
    cdef double* residual = rows + d * n
    cdef double* scale = work + n
    cdef double total = 0.0, curvature
    cdef double[3] rho
    cdef intptr_t a, i
    in_standard_errors(rows, y, w, n, d)
    for i in range(n):
        shape(residual[i] * residual[i], rho)
        total += rho[0]
        curvature = max(rho[2], LEAST_CURVATURE)
        work[i] = rho[2]
        scale[i] = sqrt(rho[1] * curvature)
        residual[i] = residual[i] * rho[1] / scale[i] if scale[i] > 0.0 else 0.0
    for a in range(d):
        for i in range(n):
            rows[a * n + i] *= scale[i]
    return total


cdef inline double weigh_counts(shape_of shape, double* rows, double* work, const double* y, const double* w,
                                intptr_t n, intptr_t d) noexcept nogil:
    """Twice the sum of mu - y - y log(mu / y) of rates mu; J J' is the Fisher information."""
    cdef double* residual = rows + d * n
    cdef double* scale = work + n
    cdef double total = 0.0, above
    cdef intptr_t a, i
    for i in range(n):
        if not residual[i] > 0.0:
            return NAN
        above = residual[i] - y[i]
        if y[i] > 0.0:
            above -= y[i] * (log1p(above / y[i]) if above > -0.5 * y[i] else log(residual[i] / y[i]))
        total += 2.0 * above
        scale[i] = 1.0 / sqrt(residual[i])
        residual[i] = (residual[i] - y[i]) * scale[i]
    for a in range(d):
        for i in range(n):
            rows[a * n + i] *= scale[i]
    return total


cdef inline void huber(double u, double* shape) noexcept nogil:
    shape[0], shape[1], shape[2] = u, 1.0, 1.0
    if not u <= 1.0:                                           # NaN, too
        shape[0], shape[1], shape[2] = 2.0 * sqrt(u) - 1.0, 1.0 / sqrt(u), 0.0


cdef inline void soft_l1(double u, double* shape) noexcept nogil:
    cdef double root = sqrt(1.0 + u)
    shape[0], shape[1], shape[2] = 2.0 * u / (1.0 + root), 1.0 / root, 1.0 / (1.0 + u)


cdef inline void cauchy(double u, double* shape) noexcept nogil:
    shape[0], shape[1], shape[2] = log1p(u), 1.0 / (1.0 + u), (1.0 - u) / (1.0 + u)


cdef inline void geman_mcclure(double u, double* shape) noexcept nogil:
    cdef double rest = 1.0 / (1.0 + u)
    shape[0], shape[1], shape[2] = u * rest, rest * rest, (1.0 - 3.0 * u) * rest
