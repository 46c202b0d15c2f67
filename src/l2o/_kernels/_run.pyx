# The step loop: policy -> step -> objective, for one run or a batch, on any number of threads.
#
# Every run reaches its objective and its policy through a function pointer and an address of data,
# one a run. The caller keeps what the addresses point to alive, checks shapes and slices the batch;
# nothing here allocates but one workspace a call. Runs with the same weights go in step, GROUP at a
# time, so that the policy can read its weights once for several; row i does not depend on its neighbours.
from libc.math cimport INFINITY, NAN, fabs, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from l2o._kernels._abi cimport l2o_hessian_fn, l2o_history, l2o_objective_fn, l2o_policy_fn
from l2o._kernels._history cimport history_push, history_reset, history_size

cdef enum:
    GROUP = 8         # runs in step

cdef enum:                                                     # as in l2o.methods
    CONVERGED = 0
    LIMIT = 1
    NON_FINITE = 3
    OBJECTIVE_FAILED = 4
    STOPPED = 99


cdef inline int evaluate(l2o_objective_fn objective, const double* x, double* f, double* g, intptr_t n,
                         void* data) noexcept nogil:
    """Value and gradient at x; LIMIT stands for 'go on'."""
    cdef int code
    cdef intptr_t j
    f[0] = NAN
    code = objective(x, f, g, n, data)
    if code < 0:
        f[0] = NAN
        for j in range(n):
            g[j] = NAN
        return OBJECTIVE_FAILED
    if code > 0:
        f[0] = INFINITY
    if not isfinite(f[0]):
        return NON_FINITE
    for j in range(n):
        if not isfinite(g[j]):
            return NON_FINITE
    return LIMIT


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


def rollout(size_t objective, const size_t[::1] data, size_t policy, const size_t[::1] weights, intptr_t length,
            intptr_t state_size, const double[:, :, ::1] noise, double[:, :, ::1] x, double[:, ::1] f,
            double[:, :, ::1] g, int[::1] status, intptr_t[:, ::1] nfev, double[:, ::1] evaluations):
    """Run every row of x from x[:, 0]: fill x, f, g, nfev, evaluations (m, T+1, ...) and status (m,).

    noise may be None, and so may nfev and evaluations, both.
    """
    cdef intptr_t m = x.shape[0], n_steps = x.shape[1] - 1, n = x.shape[2], i = 0, k, n_runs
    cdef intptr_t size = history_size(n, length, state_size)
    cdef double* memory = <double*> malloc(GROUP * (size + n) * sizeof(double))
    cdef l2o_history h[GROUP]
    cdef intptr_t last[GROUP]
    cdef const double* shock = NULL
    if memory == NULL:
        raise MemoryError
    with nogil:
        while i < m:
            n_runs = group(&weights[i], m - i)
            for k in range(n_runs):
                history_reset(&h[k], memory + k * size, n, length, state_size)
            if noise is not None and n_steps > 0:
                shock = &noise[i, 0, 0]
            rollout_group(<l2o_objective_fn> objective, &data[i], <l2o_policy_fn> policy, <const void*> weights[i],
                          shock, h, memory + GROUP * size, n_runs, n, n_steps, &x[i, 0, 0], &f[i, 0], &g[i, 0, 0],
                          last, &status[i])
            if nfev is not None:
                for k in range(n_runs):
                    count(&f[i + k, 0], last[k], n_steps, &nfev[i + k, 0], &evaluations[i + k, 0])
            i += n_runs
    free(memory)


cdef inline double largest(const double* g, intptr_t n) noexcept nogil:
    cdef double most = 0.0
    cdef intptr_t j
    for j in range(n):
        most = max(most, fabs(g[j]))
    return most


cdef inline double rounding(double f) noexcept nogil:
    """What two values of f may differ by and still be equal for all that is known."""
    return 8.0 * 2.220446049250313e-16 * fabs(f)


cdef struct Minimization:                                      # one run: where it is, and the best it has seen
    double* point
    double* gradient
    double value
    double first
    double lowest
    double* x
    double* f
    double* g
    intptr_t* nit
    intptr_t* nfev
    int* status


cdef inline void start(Minimization* run, l2o_objective_fn objective, void* data, intptr_t n) noexcept nogil:
    memcpy(run.point, run.x, n * sizeof(double))
    run.status[0] = evaluate(objective, run.point, &run.value, run.gradient, n, data)
    run.f[0], run.first, run.lowest = run.value, run.value, run.value
    memcpy(run.g, run.gradient, n * sizeof(double))
    run.nit[0], run.nfev[0] = 0, 1


cdef inline bint ends(Minimization* run, intptr_t n, double gtol, intptr_t maxiter, intptr_t maxfun) noexcept nogil:
    """Whether there is no further step to take."""
    if run.status[0] == LIMIT and largest(run.g, n) <= gtol:
        run.status[0] = CONVERGED
    return run.status[0] != LIMIT or run.nit[0] >= maxiter or run.nfev[0] >= maxfun


cdef inline void advance(Minimization* run, l2o_objective_fn objective, void* data, const double* action,
                         intptr_t n) noexcept nogil:
    """Take a step and keep the best point.

    Best is the lowest value; of values equal but for rounding, none above the first, the smallest gradient.
    """
    cdef intptr_t j
    for j in range(n):
        run.point[j] += action[j]
    run.status[0] = evaluate(objective, run.point, &run.value, run.gradient, n, data)
    run.nfev[0] += 1
    if run.status[0] != LIMIT:
        return
    run.nit[0] += 1
    run.lowest = min(run.lowest, run.value)
    if run.value + rounding(run.value) < run.f[0] or (
            run.value <= run.first and run.value <= run.lowest + rounding(run.lowest)
            and largest(run.gradient, n) < largest(run.g, n)):
        memcpy(run.x, run.point, n * sizeof(double))
        memcpy(run.g, run.gradient, n * sizeof(double))
        run.f[0] = run.value


cdef void minimize_group(l2o_objective_fn objective, const size_t* data, l2o_policy_fn policy, const void* weights,
                         l2o_history* h, double* action, Minimization* runs, intptr_t n_runs, intptr_t n, double gtol,
                         intptr_t maxiter, intptr_t maxfun) noexcept nogil:
    """Run each until its best point has a gradient within gtol; x, f, g become the best point seen."""
    cdef intptr_t row[GROUP]
    cdef intptr_t active = n_runs, k
    for k in range(n_runs):
        row[k] = k
        start(&runs[k], objective, <void*> data[k], n)
    while active > 0:
        k = 0
        while k < active:
            if ends(&runs[row[k]], n, gtol, maxiter, maxfun):
                active -= 1
                drop(h, row, k, active)
            else:
                history_push(&h[k], runs[row[k]].point, runs[row[k]].value, runs[row[k]].gradient)
                k += 1
        if active > 0:
            policy(h, active, action, weights)
        for k in range(active):
            advance(&runs[row[k]], objective, <void*> data[row[k]], action + k * n, n)


cdef int minimize_watched(l2o_objective_fn objective, void* data, l2o_policy_fn policy, const void* weights,
                          l2o_history* h, double* action, Minimization* run, intptr_t n, double gtol,
                          intptr_t maxiter, intptr_t maxfun, object callback) except -1:
    """The same for one run, with callback(x, f) -> stop after each iteration."""
    cdef intptr_t j
    start(run, objective, data, n)
    while not ends(run, n, gtol, maxiter, maxfun):
        history_push(h, run.point, run.value, run.gradient)
        policy(h, 1, action, weights)
        advance(run, objective, data, action, n)
        if run.status[0] == LIMIT and callback([run.point[j] for j in range(n)], run.value):
            run.status[0] = STOPPED
    return 0


def minimize(size_t objective, const size_t[::1] data, size_t policy, const size_t[::1] weights, intptr_t length,
             intptr_t state_size, double gtol, intptr_t maxiter, intptr_t maxfun, object callback, double[:, ::1] x,
             double[::1] f, double[:, ::1] g, intptr_t[::1] nit, intptr_t[::1] nfev, int[::1] status):
    """Minimise from every row of x (m, n); x, f, g become the best points. callback, for one run, or None."""
    cdef intptr_t m = x.shape[0], n = x.shape[1], i = 0, k, n_runs
    cdef intptr_t size = history_size(n, length, state_size)
    cdef double* memory = <double*> malloc(GROUP * (size + 3 * n) * sizeof(double))
    cdef double* work = memory + GROUP * size
    cdef l2o_history h[GROUP]
    cdef Minimization runs[GROUP]
    if memory == NULL:
        raise MemoryError
    try:
        while i < m:
            n_runs = group(&weights[i], m - i)
            for k in range(n_runs):
                history_reset(&h[k], memory + k * size, n, length, state_size)
                runs[k] = Minimization(work + k * n, work + (GROUP + k) * n, NAN, NAN, NAN, &x[i + k, 0], &f[i + k],
                                       &g[i + k, 0], &nit[i + k], &nfev[i + k], &status[i + k])
            if callback is not None:
                minimize_watched(<l2o_objective_fn> objective, <void*> data[i], <l2o_policy_fn> policy,
                                 <const void*> weights[i], h, work + 2 * GROUP * n, runs, n, gtol, maxiter, maxfun,
                                 callback)
            else:
                with nogil:
                    minimize_group(<l2o_objective_fn> objective, &data[i], <l2o_policy_fn> policy,
                                   <const void*> weights[i], h, work + 2 * GROUP * n, runs, n_runs, n, gtol, maxiter,
                                   maxfun)
            i += n_runs
    finally:
        free(memory)


def addresses(const double[:, :] blocks, const intptr_t[::1] index, size_t[::1] out):
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
