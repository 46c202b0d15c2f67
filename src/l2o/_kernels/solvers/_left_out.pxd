# Whether there is more to win along what the steps of a run have left out, where its matrix has only guessed.
#
# Over a step s the gradient changes by Hs, so a direction without a share in these changes is conjugate to the steps.
# A gradient along what is left of g tells how that changes, which is left out, too: until a tenth of it is left, a
# curvature is not positive, or there is too much to win.
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._status cimport CONVERGED, GO_ON, NON_FINITE
from l2o._kernels.solvers._descent cimport attempt, descent
from l2o._kernels.solvers._descent_method cimport product
from l2o._kernels.solvers._kink cimport most_moved
from l2o._kernels.solvers._stopping cimport WINDOW, stopping

cdef extern from *:
    """
    #define L2O_NEW 0.1
    #define L2O_EXPLORED 0.1
    #define L2O_WAY 1e-5
    """
    const double NEW "L2O_NEW"                                 # of a change: less shows no direction of its own
    const double EXPLORED "L2O_EXPLORED"                       # of what was left out: the rest may be left
    const double WAY "L2O_WAY"                                 # of the largest move: how far off the gradients are


cdef inline double product_in(const double* a, const double* b, const double* units, intptr_t n) noexcept nogil:
    """a'Ub, U the diagonal matrix of the units."""
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += a[j] * units[j] * b[j]
    return total


cdef inline void leave_out(double* rest, const double* along, const double* units, intptr_t n) noexcept nogil:
    """Take the share of `along`, which is not zero, out of `rest`."""
    cdef double share = product_in(rest, along, units, n) / product_in(along, along, units, n)
    cdef intptr_t j
    for j in range(n):
        rest[j] -= share * along[j]


cdef inline double* change_before(const stopping* stop, intptr_t k, intptr_t n) noexcept nogil:
    """The change of the gradient k steps ago."""
    return stop.changes + (stop.changed - 1 - k) % WINDOW * n


cdef inline void leave_out_changes(const descent* run, const bint* counts, intptr_t some, double* rest) noexcept nogil:
    """Take the shares of orthogonal changes, the newest first, out of `rest`."""
    cdef intptr_t k
    for k in range(some):
        if counts[k]:
            leave_out(rest, change_before(&run.stop, k, run.n), run.units, run.n)


cdef inline intptr_t orthogonalise(const descent* run, bint* counts) noexcept nogil:
    """Make the last changes orthogonal, the newest first; how many, and which of them are directions of their own."""
    cdef double* change
    cdef double size
    cdef intptr_t k, some = min(min(run.stop.changed, <intptr_t> WINDOW), run.n - 1)
    for k in range(some):
        change = change_before(&run.stop, k, run.n)
        size = product_in(change, change, run.units, run.n)
        leave_out_changes(run, counts, k, change)
        counts[k] = product_in(change, change, run.units, run.n) > NEW * NEW * size
    return some


cdef inline intptr_t directions(const descent* run, double* basis, double* change) noexcept nogil:
    """How many directions the last changes show; basis (n, n) and change (n,) are workspace."""
    cdef intptr_t n = run.n, known = 0, k, i
    cdef double size
    for k in range(min(run.stop.changed, <intptr_t> WINDOW) if n <= WINDOW + 1 else 0):
        memcpy(change, change_before(&run.stop, k, n), n * sizeof(double))
        size = product_in(change, change, run.units, n)
        for i in range(known):
            leave_out(change, basis + i * n, run.units, n)
        if known < n and product_in(change, change, run.units, n) > NEW * NEW * size:
            memcpy(basis + known * n, change, n * sizeof(double))
            known += 1
    return known


cdef inline int change_along(descent* run, const double* x, const double* g, const double* p, double way, double* x_new,
                             double* g_new) noexcept nogil:
    """g_new <- Hp by a gradient a way downhill along p; GO_ON, or why there is none."""
    cdef double f, length = 0.0
    cdef int status
    cdef intptr_t j
    for j in range(run.n):
        length = max(length, p[j] * p[j] / run.units[j])
    if run.nfev >= run.maxfun or not 0.0 < way / sqrt(length) < INFINITY:
        return NON_FINITE
    length = way / sqrt(length)
    for j in range(run.n):
        x_new[j] = x[j] - length * p[j]
        if run.low != NULL:
            x_new[j] = min(max(x_new[j], run.low[j]), run.high[j])
    status = attempt(run, x_new, &f, g_new)
    for j in range(run.n):
        g_new[j] = (g[j] - g_new[j]) / length
    return status


cdef inline int look_at_the_rest(descent* run, const double* x, const double* g, double least, intptr_t most,
                                 double* x_new, double* g_new, double* rest, double* p) noexcept nogil:
    """Whether no more than `least` is to be won along what was left out: CONVERGED, or GO_ON, or a failure.

    It takes `most` gradients at most.
    """
    cdef bint counts[WINDOW]
    cdef double way = WAY * most_moved(run, x), bend, gap = 0.0, left
    cdef intptr_t n = run.n, some = orthogonalise(run, counts), j, _
    cdef double size = product_in(g, g, run.units, n), first
    cdef int status
    memcpy(rest, g, n * sizeof(double))
    leave_out_changes(run, counts, some, rest)
    if product_in(rest, rest, run.units, n) <= EXPLORED * EXPLORED * size:
        memcpy(rest, g, n * sizeof(double))                    # they were too long ago, or too far off
    first = product_in(rest, rest, run.units, n)
    for _ in range(min(n, most) if first > 0.0 else 0):
        left = product_in(rest, rest, run.units, n)
        for j in range(n):
            p[j] = run.units[j] * rest[j]
        status = change_along(run, x, g, p, way, x_new, g_new)
        if status != GO_ON:
            return GO_ON if status == NON_FINITE else status
        bend = product(p, g_new, n)
        gap += 0.5 * left * (left / bend)
        if not (bend > 0.0 and gap <= least):
            return GO_ON
        leave_out(rest, g_new, run.units, n)
        size = product_in(rest, rest, run.units, n)
        if size <= EXPLORED * EXPLORED * first and 0.5 * size * (left / bend) <= least:
            return CONVERGED
    return CONVERGED
