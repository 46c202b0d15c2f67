# Descent along a line, step after step: what all native methods share.
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.base._evaluate cimport evaluate_within, is_better, rounding, steepness
from l2o._kernels.base._status cimport GO_ON, LIMIT
from l2o._kernels.solvers._descent_method cimport descent_method
from l2o._kernels.solvers._stopping cimport end_rule, stopping, stopping_see

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
    bint short_step                                            # the last step was within xtol, which ended the run
    int probes
    double caution                                             # a factor to the tolerance: the method's gap was wrong

cdef intptr_t descent_size(intptr_t n) noexcept nogil         # doubles of workspace
cdef int descend(descent* run, double* work) noexcept nogil   # the status
# An after_step for a Python callback; observer is the list [callback(x, f) -> stop, n, exception raised].
cdef bint call_back(void* observer, const double* x, double f, const double* g, intptr_t nfev) noexcept with gil


cdef inline void end_by(descent* run, const end_rule* rule) noexcept nogil:
    run.stop.gtol, run.stop.ftol, run.stop.xtol, run.stop.infimum = rule.gtol, rule.ftol, rule.xtol, rule.infimum
    run.maxiter, run.maxfun, run.short_step = rule.maxiter, rule.maxfun, False


cdef inline double slope_of(const descent* run, const double* x, const double* g) noexcept nogil:
    """The largest entry of the gradient at x, without those of variables that a bound holds."""
    return steepness(x, g, run.low, run.high, run.n)


cdef inline int attempt(descent* run, const double* x, double* f, double* g) noexcept nogil:
    """Evaluate a point that is to become an iterate, perhaps; the best one is kept. LIMIT if there is none left."""
    cdef int status
    if run.nfev >= run.maxfun:
        return LIMIT
    status = evaluate_within(run.objective, x, f, g, run.low, run.high, run.n, run.data)
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
