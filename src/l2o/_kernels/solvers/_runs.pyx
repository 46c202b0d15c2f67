# Runs of a native method, from Python: minimisations, and records of all their steps.
#
# Nothing here allocates but one workspace a call; row i does not depend on its neighbours.
cimport numpy as cnp
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, codes, counts, doubles
from l2o._kernels.base._evaluate cimport evaluate, evaluate_within
from l2o._kernels.base._status cimport CONVERGED, GO_ON, LIMIT
from l2o._kernels.solvers._call cimport enter, leave, minimize_call, read_call
from l2o._kernels.solvers._chain cimport OWN, Chain, chain_rules, is_unusual, keep, link
from l2o._kernels.solvers._descent cimport call_back, descend, descent, descent_size
from l2o._kernels.solvers._descent_method cimport DescentMethod
from l2o._kernels.solvers._line_search cimport MOST_TRIALS

cnp.import_array()


cdef double* workspace(descent* run, size_t objective, DescentMethod method, intptr_t n, intptr_t extra) except NULL:
    """Prepare `run` for every row of a batch; memory for it, for the method and `extra` doubles at the front."""
    cdef double* work
    memset(run, 0, sizeof(descent))
    run.objective, run.method, run.n = <l2o_objective_fn> objective, method.method, n
    work = <double*> calloc(extra + descent_size(n) + method.method.size(n, method.settings), sizeof(double))
    if work == NULL:
        raise MemoryError
    run.memory = work + extra + descent_size(n)
    return work


cdef inline void begin(descent* run, const void* settings, size_t data) noexcept nogil:
    run.data, run.nit, run.nfev = <void*> data, 0, 0
    run.method.reset(run.memory, run.n, settings, run.data)


cdef inline int run_to_end(descent* run, double* work) noexcept nogil:
    return descend(run, work) if run.method.loop == NULL else run.method.loop(run, work)


cdef int or_from_own_start(chain_rules* chain, descent* run, const void* settings, double* work,
                           int status) noexcept nogil:
    """Where a run that took over an end fell unusually far, and its own start is lower than that was, run from there.

    The lower end is kept. Return its status.
    """
    cdef intptr_t n = run.n, nit = run.nit, nfev = run.nfev
    cdef double f = run.f[0], began = run.first
    cdef bint short_step = run.short_step
    cdef int other
    if not chain.linked or chain.origin == OWN or not is_unusual(chain, began - f) or run.maxfun <= nfev + 1:
        return status
    memcpy(chain.end, run.x, n * sizeof(double))
    memcpy(chain.end + n, run.g, n * sizeof(double))
    memcpy(run.x, chain.own, n * sizeof(double))
    begin(run, settings, <size_t> run.data)
    other = evaluate_within(run.objective, run.x, run.f, run.g, run.low, run.high, n, run.data)
    run.nfev, run.first, run.lowest = 1, run.f[0], run.f[0]
    run.maxfun, run.short_step = run.maxfun - nfev, False
    if other == GO_ON and run.f[0] < began:
        other = run_to_end(run, work)
    run.nit, run.nfev = run.nit + nit, run.nfev + nfev
    if other == CONVERGED and run.f[0] < f:
        return other
    memcpy(run.x, chain.end, n * sizeof(double))
    memcpy(run.g, chain.end + n, n * sizeof(double))
    run.f[0], run.short_step = f, short_step
    return status


def minimize(size_t objective, cnp.ndarray data not None, DescentMethod method not None, object stopping,
             object callback, tuple solution not None, cnp.ndarray low=None, cnp.ndarray high=None, Chain chain=None):
    """Minimise from every row of x (m, n) of the solution, which is filled. callback(x, f) -> stop, or None.

    stopping has the attributes gtol, ftol, xtol, infimum, maxiter and maxfun. low and high (m, n) are bounds, both or
    neither, and the rows of x are within them. Runs of a chain begin as their predecessors ended.
    """
    cdef minimize_call call
    cdef descent run
    cdef chain_rules* links = NULL if chain is None else &chain.rules
    cdef intptr_t i
    cdef int status
    read_call(&call, stopping, solution, low, high)
    cdef const size_t* data_of = addresses_in(data, call.m)
    cdef const void* settings = method.settings
    cdef list told = [callback, call.n, None]
    cdef double* work = workspace(&run, objective, method, call.n, 0)
    if callback is not None:
        run.after_step, run.observer = call_back, <void*> told
    with nogil:
        for i in range(call.m):
            enter(&call, &run, i)
            if links != NULL:
                link(links, &run, i)
            begin(&run, settings, data_of[i])
            status = run_to_end(&run, work)
            if links != NULL:
                status = or_from_own_start(links, &run, settings, work, status)
                keep(links, &run, status)
            leave(&call, &run, i, status)
    free(work)
    if told[2] is not None:
        raise told[2]


ctypedef struct recorder:
    intptr_t n
    intptr_t row                                               # the newest
    intptr_t count                                             # values so far
    double* x                                                  # (T+1, n)
    double* f                                                  # (T+1,)
    double* g                                                  # (T+1, n)
    intptr_t* nfev                                             # (T+1,)
    double* evaluations


cdef void record_value(void* observer, double f) noexcept nogil:
    cdef recorder* r = <recorder*> observer
    r.evaluations[r.count] = f if isfinite(f) else INFINITY
    r.count += 1


cdef bint record_step(void* observer, const double* x, double f, const double* g, intptr_t nfev) noexcept nogil:
    cdef recorder* r = <recorder*> observer
    r.row += 1
    memcpy(r.x + r.row * r.n, x, r.n * sizeof(double))
    memcpy(r.g + r.row * r.n, g, r.n * sizeof(double))
    r.f[r.row], r.nfev[r.row] = f, nfev
    return False


cdef int record_one(descent* run, recorder* r, double* work) noexcept nogil:
    """Fill the rows from x[0]; a run that ends early repeats its last row."""
    cdef intptr_t n = run.n, row
    cdef int status
    memcpy(run.x, r.x, n * sizeof(double))
    status = evaluate(run.objective, run.x, run.f, run.g, n, run.data)
    run.nfev, run.first, run.lowest, r.row, r.count = 1, run.f[0], run.f[0], -1, 0
    record_value(r, run.f[0])
    record_step(r, run.x, run.f[0], run.g, 1)
    if status == GO_ON:
        status = run_to_end(run, work)
        if r.row == run.maxiter:
            status = LIMIT
    for row in range(r.row, run.maxiter):
        record_step(r, r.x + row * n, r.f[row], r.g + row * n, r.nfev[row])
    return status


def record(size_t objective, cnp.ndarray data not None, DescentMethod method not None, tuple rows not None):
    """Take T steps, without any tolerance, from every x[:, 0]: fill the rows x, f, g, nfev (m, T+1, ...).

    After them come evaluations (m, E) with E at least most_evaluations(T), count (m,), the values in each of their
    rows, and status (m,).
    """
    cdef cnp.ndarray x, f, g, nfev, evaluations, count, status
    x, f, g, nfev, evaluations, count, status = rows
    cdef intptr_t m = x.shape[0], n_rows = x.shape[1], n = x.shape[2], most = evaluations.shape[1], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef double* xs = doubles(x, m * n_rows * n)
    cdef double* fs = doubles(f, m * n_rows)
    cdef double* gs = doubles(g, m * n_rows * n)
    cdef intptr_t* nfevs = counts(nfev, m * n_rows)
    cdef double* values = doubles(evaluations, m * most)
    cdef intptr_t* numbers = counts(count, m)
    cdef int* statuses = codes(status, m)
    cdef const void* settings = method.settings
    cdef recorder r
    cdef descent run
    cdef double* work = workspace(&run, objective, method, n, 2 * n + 1)
    run.maxiter, run.maxfun = n_rows - 1, most
    run.x, run.g, run.f = work, work + n, work + 2 * n
    run.after_value, run.after_step, run.observer, r.n = record_value, record_step, <void*> &r, n
    with nogil:
        for i in range(m):
            r.x, r.f, r.g = xs + i * n_rows * n, fs + i * n_rows, gs + i * n_rows * n
            r.nfev, r.evaluations = nfevs + i * n_rows, values + i * most
            begin(&run, settings, data_of[i])
            statuses[i] = record_one(&run, &r, work + 2 * n + 1)
            numbers[i] = r.count
    free(work)


def most_evaluations(intptr_t n_steps):
    """Evaluations that so many steps may take: one search along the method's direction, one along a plain one."""
    return 1 + 2 * MOST_TRIALS * n_steps
