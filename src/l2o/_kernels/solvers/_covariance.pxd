# What a fit says of its own errors: the inverse of the curvature, and which parameters the data do not determine.
from libc.math cimport INFINITY, NAN
from libc.stdint cimport intptr_t

from l2o._kernels.solvers._curve cimport curve, is_fixed
from l2o._kernels.solvers._normal_equations cimport eliminate, invert

cdef extern from *:
    """
    #define L2O_NO_INFLUENCE 1e-12
    #define L2O_MOST_INFLATION 1e10
    #define L2O_REPAIR 1e-13
    """
    const double NO_INFLUENCE "L2O_NO_INFLUENCE"               # of the curvature that a parameter once had
    const double MOST_INFLATION "L2O_MOST_INFLATION"           # of a variance by those of other parameters
    const double REPAIR "L2O_REPAIR"                           # of the diagonal of a matrix that has no inverse


cdef inline bint covariance(const curve* c, const double* normal, const double* scale, const unsigned char* on_bound,
                            intptr_t* which, double* part, double* rows, double* work, double* inverse) noexcept nogil:
    """Fill inverse (d, d): zero for what is fixed, NaN for what is on a bound; inf for what is undetermined.

    Returns False if something is. which, work (d,), part, rows (d + 1, d + 1) are workspace.
    """
    cdef intptr_t d = c.d, n = 0, a, i, j
    cdef bint all_determined = True
    cdef double entry
    for a in range(d):
        for i in range(d):
            inverse[a * d + i] = inverse[i * d + a] = 0.0 if is_fixed(c, a) else NAN
        if is_fixed(c, a) or on_bound[a]:
            continue
        if normal[a * (d + 2)] <= NO_INFLUENCE * scale[a]:
            inverse[a * (d + 1)] = INFINITY
            all_determined = False
            continue
        which[n] = a
        n += 1
    for i in range(n):
        work[i] = normal[which[i] * (d + 2)]
        for j in range(i + 1):
            part[i * (n + 1) + j] = normal[which[i] * (d + 1) + which[j]]
        part[n * (n + 1) + i] = 0.0
    if n == 0:
        return all_determined
    if eliminate(part, work, 0.0, rows, n) < 0.0 and eliminate(part, work, REPAIR, rows, n) < 0.0:
        return False
    invert(rows, part, work, n)
    for i in range(n):
        entry = part[i * n + i]
        if not entry * normal[which[i] * (d + 2)] < MOST_INFLATION:
            all_determined = False
            entry = INFINITY
        inverse[which[i] * (d + 1)] = entry
    for i in range(n):
        for j in range(n):
            if i != j and inverse[which[i] * (d + 1)] < INFINITY and inverse[which[j] * (d + 1)] < INFINITY:
                inverse[which[i] * d + which[j]] = part[i * n + j]
    return all_determined
