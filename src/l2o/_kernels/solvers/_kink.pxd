# Whether a run that makes no more steps has met a kink: across one, the gradient changes too little for the way.
from libc.math cimport fabs, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._evaluate cimport largest
from l2o._kernels.base._status cimport CONVERGED, GO_ON, NON_FINITE
from l2o._kernels.solvers._descent cimport attempt, descent
from l2o._kernels.solvers._descent_method cimport product

cdef enum:
    MOST_PROBES = 3                                            # of a run


cdef inline double most_moved(const descent* run, const double* x) noexcept nogil:
    """The largest move of a variable, in units."""
    cdef double most = 0.0
    cdef intptr_t j
    for j in range(run.n):
        most = max(most, fabs(x[j] - run.anchor[j]) / sqrt(run.units[j]))
    return most


cdef inline int probe_kink(descent* run, const double* x, const double* g, double least, double* x_new,
                           double* g_new) noexcept nogil:
    """Whether the gradient changes along itself as that of a smooth function so close to its minimum."""
    cdef double way = 1e-3 * most_moved(run, x), size = largest(g, run.n), length, change, f
    cdef int status
    cdef intptr_t j
    if run.probes == MOST_PROBES or run.nfev >= run.maxfun or not way > 0.0:
        return GO_ON
    run.probes += 1
    for j in range(run.n):
        x_new[j] = g[j] / size * sqrt(run.units[j])
    length = sqrt(product(x_new, x_new, run.n))
    for j in range(run.n):
        x_new[j] = x[j] - way * sqrt(run.units[j]) * (x_new[j] / length)
        if run.low != NULL:
            x_new[j] = min(max(x_new[j], run.low[j]), run.high[j])
    status = attempt(run, x_new, &f, g_new)
    if status != GO_ON:
        return GO_ON if status == NON_FINITE else status
    change, length = 0.0, 0.0
    for j in range(run.n):
        length += (x[j] - x_new[j]) * g[j]                     # the slope along the way, times it
        change += (x[j] - x_new[j]) * (g[j] - g_new[j])
    return CONVERGED if change > 0.0 and length * (length / change) <= 2.0 * least else GO_ON
