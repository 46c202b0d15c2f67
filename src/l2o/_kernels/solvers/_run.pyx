# The step loop: policy -> step -> objective, for one run or a batch, on any number of threads.
#
# Every run reaches its objective and its policy through a function pointer and an address of data,
# one a run. The caller keeps what the addresses point to alive, checks shapes and slices the batch;
# nothing here allocates but one workspace a call. Runs with the same weights go in step, GROUP at a
# time, so that the policy can read its weights once for several; row i does not depend on its neighbours.
cimport numpy as cnp
from libc.math cimport INFINITY, NAN, fabs, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_history, l2o_objective_fn, l2o_policy_fn
from l2o._kernels.base._arrays cimport addresses_in, codes, counts, doubles, empty, flags
from l2o._kernels.solvers._descent cimport call_back, descend, descent, descent_size, product
from l2o._kernels.base._evaluate cimport CONVERGED, LIMIT, NON_FINITE, STOPPED, evaluate, is_better, largest, rounding
from l2o._kernels.base._history cimport history_push, history_reset, history_size
from l2o._kernels.solvers._lbfgs cimport lbfgs, lbfgs_push, lbfgs_reset, lbfgs_size

cnp.import_array()

cdef extern from *:
    """
    #define L2O_FLAT 0.5
    """
    const double FLAT "L2O_FLAT"                               # a gradient of that share of the first one is L-BFGS's

cdef enum:
    GROUP = 8                                                  # runs in step
    MOST_LEARNED = 10                                          # steps that a policy with a safeguard takes
    PAIRS = 10                                                 # curvature pairs that L-BFGS keeps, its default


cdef inline intptr_t group(const size_t* weights, intptr_t m) noexcept nogil:
    """How many of the m runs that remain go together: neighbours with the same weights, at most GROUP."""
    cdef intptr_t n = 1
    while n < min(m, <intptr_t> GROUP) and weights[n] == weights[0]:
        n += 1
    return n


cdef inline void drop(l2o_history* h, intptr_t* row, intptr_t k, intptr_t last) noexcept nogil:
    """Take run k out of a group: the last one takes its place."""
    cdef l2o_history ended = h[k]
    h[k], h[last] = h[last], ended
    row[k] = row[last]


cdef void rollout_group(l2o_objective_fn objective, const size_t* data, l2o_policy_fn policy, const void* weights,
                        const double* noise, l2o_history* h, double* action, intptr_t n_runs, intptr_t n,
                        intptr_t n_steps, double* x, double* f, double* g, intptr_t* last,
                        int* status) noexcept nogil:
    """Rows 0..n_steps of x, f, g of each run; one that ends early repeats its row `last`."""
    cdef intptr_t row[GROUP]
    cdef intptr_t rows = n_steps + 1, active = n_runs, t, k, i, j, here
    for i in range(n_runs):
        row[i], last[i] = i, 0
        status[i] = evaluate(objective, x + i * rows * n, f + i * rows, g + i * rows * n, n, <void*> data[i])
    for t in range(n_steps):
        k = 0
        while k < active:
            here = row[k] * rows + t
            if status[row[k]] == LIMIT:
                history_push(&h[k], x + here * n, f[here], g + here * n)
                k += 1
            else:
                active -= 1
                for here in range(here, row[k] * rows + n_steps):
                    memcpy(x + (here + 1) * n, x + here * n, n * sizeof(double))
                    memcpy(g + (here + 1) * n, g + here * n, n * sizeof(double))
                    f[here + 1] = f[here]
                drop(h, row, k, active)
        policy(h, active, action, weights)
        for k in range(active):
            i = row[k]
            here = i * rows + t
            for j in range(n):
                x[(here + 1) * n + j] = x[here * n + j] + action[k * n + j]
                if noise != NULL:
                    x[(here + 1) * n + j] += noise[(i * n_steps + t) * n + j]
            status[i] = evaluate(objective, x + (here + 1) * n, f + here + 1, g + (here + 1) * n, n, <void*> data[i])
            last[i] = t + 1


cdef inline void count(const double* f, intptr_t last, intptr_t n_steps, intptr_t* nfev,
                       double* evaluations) noexcept nogil:
    """Evaluations made up to each row, and their values in order: +inf where not finite, NaN after the last."""
    cdef intptr_t t
    for t in range(n_steps + 1):
        nfev[t] = min(t, last) + 1
        evaluations[t] = NAN if t > last else f[t] if isfinite(f[t]) else INFINITY


def room(intptr_t m, intptr_t n_steps, intptr_t n):
    """Return arrays for a record of m runs: x, f, g, nfev (m, T+1, ...), status (m,), evaluations (m, T+1)."""
    cdef intptr_t rows = n_steps + 1
    return (empty(cnp.NPY_DOUBLE, 3, m, rows, n), empty(cnp.NPY_DOUBLE, 2, m, rows),
            empty(cnp.NPY_DOUBLE, 3, m, rows, n), empty(cnp.NPY_INTP, 2, m, rows), empty(cnp.NPY_INT, 1, m),
            empty(cnp.NPY_DOUBLE, 2, m, rows))


def rollout(size_t objective, cnp.ndarray data not None, size_t policy, cnp.ndarray weights not None, intptr_t length,
            intptr_t state_size, cnp.ndarray noise, cnp.ndarray x not None, cnp.ndarray f not None,
            cnp.ndarray g not None, cnp.ndarray status not None, cnp.ndarray nfev, cnp.ndarray evaluations):
    """Run every row of x from x[:, 0]: fill x, f, g, nfev, evaluations (m, T+1, ...) and status (m,).

    noise may be None, and so may nfev and evaluations, both.
    """
    cdef intptr_t m = x.shape[0], rows = x.shape[1], n = x.shape[2], n_steps = rows - 1, i = 0, k, n_runs
    cdef intptr_t size = history_size(n, length, state_size)
    cdef const size_t* data_of = addresses_in(data, m)
    cdef const size_t* weights_of = addresses_in(weights, m)
    cdef const double* shock = NULL if noise is None else doubles(noise, m * n_steps * n)
    cdef double* xs = doubles(x, m * rows * n)
    cdef double* fs = doubles(f, m * rows)
    cdef double* gs = doubles(g, m * rows * n)
    cdef int* statuses = codes(status, m)
    cdef intptr_t* nfevs = NULL if nfev is None else counts(nfev, m * rows)
    cdef double* values = NULL if nfev is None else doubles(evaluations, m * rows)
    cdef double* memory = <double*> malloc(GROUP * (size + n) * sizeof(double))
    cdef l2o_history h[GROUP]
    cdef intptr_t last[GROUP]
    if memory == NULL:
        raise MemoryError
    with nogil:
        while i < m:
            n_runs = group(weights_of + i, m - i)
            for k in range(n_runs):
                history_reset(&h[k], memory + k * size, n, length, state_size)
            rollout_group(<l2o_objective_fn> objective, data_of + i, <l2o_policy_fn> policy,
                          <const void*> weights_of[i], NULL if shock == NULL else shock + i * n_steps * n, h,
                          memory + GROUP * size, n_runs, n, n_steps, xs + i * rows * n, fs + i * rows,
                          gs + i * rows * n, last, statuses + i)
            if nfevs != NULL:
                for k in range(n_runs):
                    count(fs + (i + k) * rows, last[k], n_steps, nfevs + (i + k) * rows, values + (i + k) * rows)
            i += n_runs
    free(memory)


ctypedef struct Limits:                                        # of what a policy met in training, with a margin
    double least_gradient                                      # at the start; maximum norms
    double most_gradient
    double fall                                                # of f in a step, negative
    double rise
    double least_curvature                                     # along a step
    double most_curvature
    double horizon

cdef struct Minimization:                                      # one run
    descent best                                               # the best point seen, as L-BFGS takes it over
    const Limits* limits                                       # or NULL
    unsigned char outside                                      # whether a step of the policy was beyond them
    double* point                                              # where the policy is
    double* gradient
    double* work                                               # shared: descent_size(n)
    double value
    double steepness                                           # of the start: the maximum norm of its gradient
    int status
    bint learned                                               # the next step is the policy's
    bint helped                                                # one of its steps led to a better point


cdef inline void start(Minimization* run) noexcept nogil:
    cdef descent* best = &run.best
    memcpy(run.point, best.x, best.n * sizeof(double))
    run.status = evaluate(best.objective, run.point, &run.value, run.gradient, best.n, best.data)
    memcpy(best.g, run.gradient, best.n * sizeof(double))
    best.f[0], best.first, best.lowest, best.nit, best.nfev = run.value, run.value, run.value, 0, 1
    run.steepness, run.learned, run.helped = largest(run.gradient, best.n), True, False
    run.outside = False


cdef inline bint still_helps(const Minimization* run, double before) noexcept nogil:
    """The rule of the safeguard, after a step from a best value `before`; measured by benchmarks/handoff.py."""
    return (run.value + rounding(run.value) < before and not run.outside and run.best.nit < MOST_LEARNED
            and largest(run.gradient, run.best.n) > FLAT * run.steepness)


cdef inline bint beyond(const Minimization* run, double before, const double* step,
                        const double* change) noexcept nogil:
    """Whether a step of the policy, from a value `before`, showed what training did not; a NaN is beyond."""
    cdef const Limits* limits = run.limits
    cdef double length2 = product(step, step, run.best.n), bend = product(step, change, run.best.n)
    return not (run.status != NON_FINITE and run.best.nit <= limits.horizon
                and limits.least_gradient <= run.steepness <= limits.most_gradient
                and largest(run.gradient, run.best.n) <= limits.most_gradient
                and limits.fall <= run.value - before <= limits.rise
                and limits.least_curvature * length2 <= bend <= limits.most_curvature * length2)


cdef inline bint ends(Minimization* run) noexcept nogil:
    """Whether the policy has no further step to take; where its steps no longer help, L-BFGS finishes the run.

    If none helped, that is the run of L-BFGS from the start, to the bit.
    """
    cdef descent* best = &run.best
    if run.status == LIMIT and largest(best.g, best.n) <= best.gtol:
        run.status = CONVERGED
    if run.status != LIMIT or best.nit >= best.maxiter or best.nfev >= best.maxfun:
        return True
    if run.learned:
        return False
    if not run.helped:
        lbfgs_reset(best.memory, best.n, PAIRS, NULL)
        best.lowest = best.first
    run.status = descend(best, run.work)
    return True


cdef inline bint move(Minimization* run, const double* action, double* step) noexcept nogil:
    """Add the action to the point; step is what that came to. Whether it led anywhere."""
    cdef double total = 0.0, before
    cdef intptr_t j
    for j in range(run.best.n):
        before = run.point[j]
        run.point[j] += action[j]
        step[j] = run.point[j] - before
        total += fabs(step[j])
    return 0.0 < total < INFINITY


cdef inline void advance(Minimization* run, const l2o_history* h, const double* action) noexcept nogil:
    """Take a step of the policy and keep the best point; with a safeguard, the curvature along the step, too."""
    cdef descent* best = &run.best
    cdef double before = best.f[0]
    cdef double* step = run.work
    cdef double* change = run.work + best.n
    cdef bint guarded = best.memory != NULL, moved = move(run, action, step)
    cdef intptr_t j
    if guarded and not moved:
        run.learned = False
        return
    run.status = evaluate(best.objective, run.point, &run.value, run.gradient, best.n, best.data)
    best.nfev += 1
    best.nit += run.status == LIMIT
    for j in range(best.n):
        change[j] = run.gradient[j] - h.g[j]
    if run.limits != NULL and not run.outside:
        run.outside = beyond(run, h.f[0], step, change)
    if guarded and run.status == NON_FINITE:
        run.status, run.learned = LIMIT, False
    elif run.status == LIMIT:
        best.lowest = min(best.lowest, run.value)
        if is_better(run.value, run.gradient, best.f[0], best.g, best.first, best.lowest, best.n):
            memcpy(best.x, run.point, best.n * sizeof(double))
            memcpy(best.g, run.gradient, best.n * sizeof(double))
            best.f[0], run.helped = run.value, True
        if guarded:
            lbfgs_push(best.memory, step, change)
            run.learned = still_helps(run, before)
        if best.after_step != NULL and best.after_step(best.observer, run.point, run.value, run.gradient, best.nfev):
            run.status = STOPPED


cdef void minimize_group(l2o_policy_fn policy, const void* weights, l2o_history* h, double* action,
                         Minimization* runs, intptr_t n_runs) noexcept nogil:
    """Run each until its best point has a gradient within gtol; x, f, g become the best point seen."""
    cdef intptr_t row[GROUP]
    cdef intptr_t active = n_runs, k
    for k in range(n_runs):
        row[k] = k
        start(&runs[k])
    while active > 0:
        k = 0
        while k < active:
            if ends(&runs[row[k]]):
                active -= 1
                drop(h, row, k, active)
            else:
                history_push(&h[k], runs[row[k]].point, runs[row[k]].value, runs[row[k]].gradient)
                k += 1
        if active > 0:
            policy(h, active, action, weights)
        for k in range(active):
            advance(&runs[row[k]], &h[k], action + k * runs[0].best.n)


def solution_room(cnp.ndarray x0 not None):
    """Return arrays for minimisations from x0 (m, n): a copy of it, f (m,), g (m, n), nit, nfev, status (m,)."""
    cdef intptr_t m = x0.shape[0], n = x0.shape[1]
    return (cnp.PyArray_NewCopy(x0, cnp.NPY_CORDER), empty(cnp.NPY_DOUBLE, 1, m), empty(cnp.NPY_DOUBLE, 2, m, n),
            empty(cnp.NPY_INTP, 1, m), empty(cnp.NPY_INTP, 1, m), empty(cnp.NPY_INT, 1, m))


def minimize(size_t objective, cnp.ndarray data not None, size_t policy, cnp.ndarray weights not None, intptr_t length,
             intptr_t state_size, bint safeguard, double gtol, intptr_t maxiter, intptr_t maxfun, object callback,
             cnp.ndarray x not None, cnp.ndarray f not None, cnp.ndarray g not None, cnp.ndarray nit not None,
             cnp.ndarray nfev not None, cnp.ndarray status not None, cnp.ndarray limits=None,
             cnp.ndarray outside=None):
    """Minimise from every row of x (m, n); x, f, g become the best points. callback(x, f) -> stop, or None.

    With a safeguard L-BFGS takes over where the policy no longer helps. outside (m,): whether a step of the policy was
    beyond the limits, numbers in the order of the struct; both may be None.
    """
    cdef intptr_t m = x.shape[0], n = x.shape[1], i = 0, k, n_runs
    cdef intptr_t size = history_size(n, length, state_size), pairs = lbfgs_size(n, PAIRS) if safeguard else 0
    cdef const size_t* data_of = addresses_in(data, m)
    cdef const size_t* weights_of = addresses_in(weights, m)
    cdef double* xs = doubles(x, m * n)
    cdef double* fs = doubles(f, m)
    cdef double* gs = doubles(g, m * n)
    cdef intptr_t* nits = counts(nit, m)
    cdef intptr_t* nfevs = counts(nfev, m)
    cdef int* statuses = codes(status, m)
    cdef intptr_t n_limits = sizeof(Limits) // sizeof(double)
    cdef const Limits* bounds = NULL if limits is None else <const Limits*> doubles(limits, n_limits)
    cdef unsigned char* beyond_them = NULL if limits is None else flags(outside, m)
    cdef double* memory = <double*> malloc((GROUP * (pairs + size + 3 * n) + descent_size(n)) * sizeof(double))
    cdef double* histories = memory + GROUP * pairs
    cdef double* vectors = histories + GROUP * size            # points, gradients, actions, workspace
    cdef list told = [callback, n, None]
    cdef l2o_history h[GROUP]
    cdef Minimization runs[GROUP]
    if memory == NULL:
        raise MemoryError
    memset(runs, 0, sizeof(runs))
    for k in range(GROUP):
        runs[k].best.objective, runs[k].best.method, runs[k].best.n = <l2o_objective_fn> objective, &lbfgs, n
        runs[k].best.gtol, runs[k].best.maxiter, runs[k].best.maxfun = gtol, maxiter, maxfun
        runs[k].point, runs[k].gradient = vectors + k * n, vectors + (GROUP + k) * n
        runs[k].work, runs[k].limits = vectors + 3 * GROUP * n, bounds
        if safeguard:
            runs[k].best.memory = memory + k * pairs
        if callback is not None:
            runs[k].best.after_step, runs[k].best.observer = call_back, <void*> told
    with nogil:
        while i < m:
            n_runs = group(weights_of + i, m - i)
            for k in range(n_runs):
                history_reset(&h[k], histories + k * size, n, length, state_size)
                runs[k].best.data = <void*> data_of[i + k]
                runs[k].best.x, runs[k].best.f, runs[k].best.g = xs + (i + k) * n, fs + i + k, gs + (i + k) * n
                if safeguard:
                    lbfgs_reset(runs[k].best.memory, n, PAIRS, NULL)
            minimize_group(<l2o_policy_fn> policy, <const void*> weights_of[i], h, vectors + 2 * GROUP * n, runs,
                           n_runs)
            for k in range(n_runs):
                nits[i + k], nfevs[i + k], statuses[i + k] = runs[k].best.nit, runs[k].best.nfev, runs[k].status
                if bounds != NULL:
                    beyond_them[i + k] = runs[k].outside
            i += n_runs
    free(memory)
    if told[2] is not None:
        raise told[2]


def addresses(const double[:, :] blocks, const intptr_t[:] index, size_t[::1] out):
    """The address of row index[i] of blocks, for every i; in NumPy this takes three microseconds."""
    cdef intptr_t i
    for i in range(index.shape[0]):
        out[i] = <size_t> &blocks[index[i], 0]


def evaluate_many(size_t objective, const size_t[::1] data, const double[:, ::1] x, double[::1] f, double[:, ::1] g,
                  int[::1] status):
    """Values f (m,) and gradients g (m, n) at the rows of x (m, n)."""
    cdef intptr_t i
    with nogil:
        for i in range(x.shape[0]):
            status[i] = evaluate(<l2o_objective_fn> objective, &x[i, 0], &f[i], &g[i, 0], x.shape[1], <void*> data[i])


def hessian_many(size_t hessian, const size_t[::1] data, const double[:, ::1] x, double[:, :, ::1] h):
    """Hessians h (m, n, n) at the rows of x (m, n)."""
    cdef intptr_t i
    with nogil:
        for i in range(x.shape[0]):
            (<l2o_hessian_fn> hessian)(&x[i, 0], &h[i, 0, 0], x.shape[1], <void*> data[i])
