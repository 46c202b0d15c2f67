# Descent along a line, step after step: what L-BFGS and Newton share. They differ in the direction.
from libc.math cimport sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.base._evaluate cimport evaluate_within, is_better, largest, rounding, steepness
from l2o._kernels.base._status cimport GO_ON
from l2o._kernels.solvers._stopping cimport stopping, stopping_see

cdef enum:                                                     # what -g'p / 2 of a direction p is worth
    NO_GAP = 0
    PREDICTED = 1                                              # the gap to the minimum, as the matrix has it
    EXACT = 2                                                  # by the Hessian itself

cdef enum:                                                     # what a direction is to be made of
    LEARNED = 0                                                # all that is known
    PLAIN = 1                                                  # the gradient: the last direction led nowhere
    AGAIN = 2                                                  # as before at this x, for fewer free variables

ctypedef struct descent_method:
    # How a kind of method finds its directions; `memory` is its own, one a run, `setting` its only number.
    intptr_t (*size)(intptr_t n, size_t setting) noexcept nogil                    # doubles of memory
    void (*reset)(double* memory, intptr_t n, size_t setting, void* data) noexcept nogil
    # Write a direction to p and return GO_ON, or the status of a run without one. free (n,) is 1 where a
    # variable may move and 0 where not, with g zero there; NULL: all may.
    int (*propose)(double* memory, const double* x, const double* g, double* p, const double* free,
                   int made_of) noexcept nogil
    void (*learn)(double* memory, const double* s, const double* y) noexcept nogil  # after a step s, g changed by y
    # Where another method may write an inverse Hessian for this one to start from, (n, n); or NULL.
    double* (*inherit)(double* memory) noexcept nogil
    int (*trust)(const double* memory) noexcept nogil         # of the newest direction, for the predicted gap
    # Forget the matrix: units (n,) is about the inverse diagonal of the Hessian. NULL: the method has no units.
    void (*rescale)(double* memory, const double* units) noexcept nogil

ctypedef struct descent:
    # One run. The caller sets what stands above the line.
    l2o_objective_fn objective
    void* data
    const descent_method* method
    double* memory                                             # of the method, reset (and perhaps filled) before
    intptr_t n
    stopping stop                                              # its tolerances
    intptr_t maxiter
    intptr_t maxfun
    const double* low                                          # (n,) bounds of x, which is within them; NULL: none
    const double* high
    # Who watches, or NULL: told every value; told every iterate, may answer that the run shall stop.
    void (*after_value)(void* observer, double f) noexcept nogil
    bint (*after_step)(void* observer, const double* x, double f, const double* g, intptr_t nfev) noexcept nogil
    void* observer
    double* x                                                  # (n,) the start, then always the best point
    double* f
    double* g                                                  # (n,)
    intptr_t nit
    intptr_t nfev                                              # 0, or x, f, g are known and first and lowest set
    double first                                               # value at the start
    double lowest                                              # lowest value seen
    const double* origin                                       # (n,) where the run began, or NULL: at x
    # ------
    bint gain                                                  # the last search bettered the best point, noticeably
    double* anchor                                             # (n,) moves are counted from here
    double* units                                              # (n,) of their squares
    int rescalings
    int probes
    double caution                                             # a factor to the tolerance: the method's gap was wrong

cdef intptr_t descent_size(intptr_t n) noexcept nogil         # doubles of workspace
cdef int descend(descent* run, double* work) noexcept nogil   # the status
# An after_step for a Python callback; observer is the list [callback(x, f) -> stop, n, exception raised].
cdef bint call_back(void* observer, const double* x, double f, const double* g, intptr_t nfev) noexcept with gil


cdef inline double product(const double* a, const double* b, intptr_t n) noexcept nogil:
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += a[j] * b[j]
    return total


cdef inline double product_of(const double* a, const double* b, const double* free, intptr_t n) noexcept nogil:
    """The product over the free variables; NULL: all."""
    cdef double total = 0.0
    cdef intptr_t j
    if free == NULL:
        return product(a, b, n)
    for j in range(n):
        total += free[j] * a[j] * b[j]
    return total


cdef inline void steepest(const double* g, double* p, intptr_t n) noexcept nogil:
    """p = -g / |g|; first by the maximum, since the squares must not overflow."""
    cdef double size = largest(g, n)
    cdef intptr_t j
    for j in range(n):
        p[j] = -g[j] / size
    size = sqrt(product(p, p, n))
    for j in range(n):
        p[j] /= size


cdef inline double slope_of(const descent* run, const double* x, const double* g) noexcept nogil:
    """The largest entry of the gradient at x, without those of variables that a bound holds."""
    return steepness(x, g, run.low, run.high, run.n)


cdef inline int attempt(descent* run, const double* x, double* f, double* g) noexcept nogil:
    """Evaluate a point that is to become an iterate, perhaps; the best one is kept."""
    cdef int status = evaluate_within(run.objective, x, f, g, run.low, run.high, run.n, run.data)
    run.nfev += 1
    if run.after_value != NULL:
        run.after_value(run.observer, f[0])
    if status == GO_ON:
        run.lowest = min(run.lowest, f[0])
        if is_better(f[0], x, g, run.f[0], run.x, run.g, run.first, run.lowest, run.low, run.high, run.n):
            run.gain |= (f[0] + rounding(f[0]) < run.f[0]
                         or slope_of(run, x, g) < 0.9 * slope_of(run, run.x, run.g))
            memcpy(run.x, x, run.n * sizeof(double))
            memcpy(run.g, g, run.n * sizeof(double))
            run.f[0] = f[0]
        if run.stop.ftol > 0.0:
            stopping_see(&run.stop, slope_of(run, x, g))
    return status
