# What a call from Python gives the loops that minimise: when runs end, where the best points go, and the bounds.
cimport numpy as cnp
from libc.stdint cimport intptr_t

from l2o._kernels.base._arrays cimport codes, counts, doubles
from l2o._kernels.base._status cimport CONVERGED, FALL, GRADIENT, NO_TEST, STEP
from l2o._kernels.solvers._descent cimport descent, end_by, slope_of
from l2o._kernels.solvers._stopping cimport end_rule, read_rule

ctypedef struct minimize_call:
    end_rule rule
    intptr_t m
    intptr_t n
    double* x                                                  # (m, n) the starts, then the best points
    double* f                                                  # (m,)
    double* g                                                  # (m, n)
    intptr_t* nit                                              # (m,), and so on
    intptr_t* nfev
    int* status
    int* test
    const double* low                                          # (m, n), or NULL
    const double* high


cdef inline int read_call(minimize_call* call, object stopping, tuple solution, cnp.ndarray low,
                          cnp.ndarray high) except -1:
    """stopping has what `read_rule` reads; solution is x, f, g, nit, nfev, status, test."""
    cdef cnp.ndarray x, f, g, nit, nfev, status, test
    x, f, g, nit, nfev, status, test = solution
    read_rule(&call.rule, stopping)
    call.m, call.n = x.shape[0], x.shape[1]
    call.x, call.f, call.g = doubles(x, call.m * call.n), doubles(f, call.m), doubles(g, call.m * call.n)
    call.nit, call.nfev = counts(nit, call.m), counts(nfev, call.m)
    call.status, call.test = codes(status, call.m), codes(test, call.m)
    call.low = NULL if low is None else doubles(low, call.m * call.n)
    call.high = NULL if low is None else doubles(high, call.m * call.n)
    return 0


cdef inline void enter(const minimize_call* call, descent* run, intptr_t i) noexcept nogil:
    """Prepare the run of row i."""
    end_by(run, &call.rule)
    run.x, run.f, run.g = call.x + i * call.n, call.f + i, call.g + i * call.n
    if call.low != NULL:
        run.low, run.high = call.low + i * call.n, call.high + i * call.n


cdef inline int passed(const descent* run, int status) noexcept nogil:
    """Which test a run has met."""
    if status != CONVERGED:
        return NO_TEST
    if slope_of(run, run.x, run.g) <= run.stop.gtol:
        return GRADIENT
    return STEP if run.short_step else FALL


cdef inline void leave(const minimize_call* call, const descent* run, intptr_t i, int status) noexcept nogil:
    """Write down what the run of row i took."""
    call.nit[i], call.nfev[i], call.status[i], call.test[i] = run.nit, run.nfev, status, passed(run, status)
