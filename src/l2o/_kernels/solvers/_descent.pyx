# Descent along a line, step after step: direction, strong Wolfe line search, again.
#
# The run ends when it has converged (_stopping.pxd), at a limit, or when neither the direction of the method nor a
# plain one leads to anything better: then f is known no more precisely.
from cpython.ref cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._evaluate cimport evaluate_within, rounding
from l2o._kernels.base._status cimport CONVERGED, GO_ON, LIMIT, NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS, STOPPED
from l2o._kernels.solvers._bounds cimport direction, direction_size, downhill, longest_step, within
from l2o._kernels.solvers._descent_method cimport LEARNED, PLAIN, product
from l2o._kernels.solvers._line_search cimport (
    ACCEPTED, SEARCHING, line_search, search_advance, search_start)
from l2o._kernels.solvers._scrutiny cimport (
    LOOK, RESCALED, prepare_scrutiny, scrutiny_size, seen_gap, settle, watch_size)
from l2o._kernels.solvers._stopping cimport is_short, stopping_change, stopping_step

cdef enum:
    PATIENCE = 3                                               # steps without any gain that end a run


cdef intptr_t descent_size(intptr_t n) noexcept nogil:
    return 7 * n + watch_size(n) + scrutiny_size(n) + direction_size(n)


cdef int search(descent* run, const double* x, double f, const double* p, double slope, double* x_new,
                double* f_new, double* g_new) noexcept nogil:
    """Find the next iterate along p: GO_ON, or why there is none.

    Where the Wolfe conditions are met nowhere, at a kink or beside a wall, any better point will do.
    """
    cdef line_search line
    cdef int status = NON_FINITE, verdict = SEARCHING, outcome = NON_FINITE
    cdef intptr_t j
    cdef bint moved
    search_start(&line, f, slope, run.method.curvature, rounding(f), longest_step(run, x, p))
    run.gain = False
    while verdict == SEARCHING:
        if run.nfev >= run.maxfun:
            return LIMIT
        moved = False
        for j in range(run.n):
            x_new[j] = x[j] + line.step * p[j]
            if run.low != NULL:
                x_new[j] = within(x_new[j], x[j], p[j], run.low[j], run.high[j])
            moved |= x_new[j] != x[j]
        if not moved:
            break
        status = attempt(run, x_new, f_new, g_new)
        if status == OBJECTIVE_FAILED:
            return status
        if status == GO_ON:
            outcome = PRECISION_LOSS
        verdict = search_advance(&line, status == GO_ON, f_new[0], product(g_new, p, run.n))
    if verdict == ACCEPTED:
        return GO_ON
    if not run.gain:
        return PRECISION_LOSS if not moved else outcome
    memcpy(x_new, run.x, run.n * sizeof(double))
    memcpy(g_new, run.g, run.n * sizeof(double))
    f_new[0] = run.f[0]
    return GO_ON


cdef inline double predicted_gap(const descent* run, const double* x, const double* p, double slope) noexcept nogil:
    """What the matrix of the method says is left to gain along p: half the slope, or all, where p ends at a bound."""
    return -0.5 * slope if run.low == NULL or longest_step(run, x, p) > 1.0 else -slope


cdef int begin_run(descent* run, double* work) noexcept nogil:
    """Evaluate the start, unless that is done; GO_ON, or why there is nothing to do."""
    cdef intptr_t n = run.n
    cdef int status = GO_ON
    if run.nfev == 0:
        status = evaluate_within(run.objective, run.x, run.f, run.g, run.low, run.high, n, run.data)
        run.nfev, run.first, run.lowest = 1, run.f[0], run.f[0]
        if run.after_value != NULL:
            run.after_value(run.observer, run.f[0])
    memcpy(work, run.x, n * sizeof(double))
    memcpy(work + n, run.g, n * sizeof(double))
    if run.stop.ftol > 0.0 and status == GO_ON:
        prepare_scrutiny(run, run.x if run.origin == NULL else run.origin, work + 5 * n)
    return status


cdef inline bint go_back(const descent* run, double* x, double* f, double* g, double* returned) noexcept nogil:
    """Go on from the best point, once from each, where a search that ended beyond a kink left it behind."""
    if not (run.f[0] + rounding(f[0]) < f[0] and run.f[0] < returned[0]):
        return False
    memcpy(x, run.x, run.n * sizeof(double))
    memcpy(g, run.g, run.n * sizeof(double))
    f[0], returned[0] = run.f[0], run.f[0]
    return True


cdef inline int lost(const descent* run) noexcept nogil:
    """Why a run ends that finds nothing lower: it may be at the minimum, and have no evaluations left to make sure."""
    return LIMIT if run.stop.ftol > 0.0 and run.maxfun - run.nfev < LOOK * run.n else PRECISION_LOSS


cdef int descend(descent* run, double* work) noexcept nogil:
    """Minimise from run.x; x, f, g, nit, nfev of run tell the best point and what it took."""
    cdef intptr_t n = run.n, j
    cdef double* x = work
    cdef double* g = work + n
    cdef double* x_new = work + 2 * n
    cdef double* g_new = work + 3 * n
    cdef double* p = work + 4 * n
    cdef double* inverse = work + 5 * n + watch_size(n)        # and the matrix of the scrutiny
    cdef double* confined = inverse + n + scrutiny_size(n)     # workspace of the direction, then room for `down`
    cdef const double* down                                    # the gradient without what a bound holds
    cdef double f, f_new = 0.0, slope, gap, inverse_curvature = INFINITY     # along the last step
    cdef double returned = INFINITY                            # value of the best point that it went back to
    cdef int status = begin_run(run, work), outcome, idle = 0, trust
    cdef bint plain = False, by_decrease = run.stop.ftol > 0.0
    if status != GO_ON:
        return status
    f = run.f[0]
    while slope_of(run, run.x, run.g) > run.stop.gtol and not run.short_step:
        if run.nit >= run.maxiter or run.nfev >= run.maxfun:
            return LIMIT
        if idle == PATIENCE:
            if not go_back(run, x, &f, g, &returned):
                return lost(run)
            idle = 0
        down = downhill(run, x, g, confined + direction_size(n))
        outcome = direction(run, x, down, p, confined, PLAIN if plain else LEARNED)
        if outcome != GO_ON:
            return status if plain and outcome == PRECISION_LOSS else outcome
        slope = product(down, p, n)
        if by_decrease:
            trust = run.method.trust(run.memory)
            gap = predicted_gap(run, x, p, slope) if trust else 0.5 * inverse_curvature * product(down, down, n)
            outcome = settle(run, x, f, down, p, gap, trust, x_new, g_new, inverse)
            if outcome == RESCALED:
                continue
            if outcome != GO_ON:
                return outcome
        status = search(run, x, f, p, slope, x_new, &f_new, g_new) if -INFINITY < slope < 0.0 else PRECISION_LOSS
        if status in (PRECISION_LOSS, NON_FINITE) and not plain:
            if by_decrease:
                run.stop.decrease = 0.0
                if not trust:
                    for j in range(n):
                        p[j], x_new[j] = x_new[j] - x[j], g_new[j] - g[j]
                    gap = seen_gap(down, p, x_new, n)
                outcome = settle(run, x, f, down, p, gap, trust, x_new, g_new, inverse)
                if outcome == RESCALED:
                    continue
                if outcome != GO_ON:
                    return outcome
            if go_back(run, x, &f, g, &returned):
                continue
            plain = True
            continue
        if status == LIMIT and slope_of(run, run.x, run.g) <= run.stop.gtol:
            return CONVERGED
        if status != GO_ON:
            return lost(run) if status == PRECISION_LOSS else status
        plain = False
        idle = 0 if run.gain or f_new + rounding(f_new) < f else idle + 1
        for j in range(n):
            p[j] = x_new[j] - x[j]
            g[j] = g_new[j] - g[j]
        run.method.learn(run.memory, p, g)
        if by_decrease:
            stopping_step(&run.stop, f, f_new, slope_of(run, x_new, g_new))
            stopping_change(&run.stop, g, n)
            slope = product(p, g, n)
            inverse_curvature = product(p, p, n) / slope if slope > 0.0 else INFINITY
        x, x_new = x_new, x
        g, g_new = g_new, g
        f = f_new
        run.nit += 1
        if run.after_step != NULL and run.after_step(run.observer, x, f, g, run.nfev):
            return STOPPED
        run.short_step = run.stop.xtol > 0.0 and is_short(&run.stop, p, x, n)
    return CONVERGED


cdef bint call_back(void* observer, const double* x, double f, const double* g, intptr_t nfev) noexcept with gil:
    """Tell a Python callback of an iterate; an exception of it ends the run and is raised after."""
    cdef list told = <list> <PyObject*> observer               # callback, n, exception
    cdef intptr_t j
    try:
        return told[0]([x[j] for j in range(<intptr_t> told[1])], f)
    except BaseException as error:
        told[2] = error
        return True
