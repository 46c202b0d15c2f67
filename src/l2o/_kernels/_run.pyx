# The step loop: policy -> step -> objective, for one run or a batch, on any number of threads.
#
# Every run reaches its objective and its policy through a function pointer and an address of data,
# one a run. The caller keeps what the addresses point to alive, checks shapes and slices the batch;
# nothing here allocates but one workspace a call. Row i does not depend on its neighbours.
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from l2o._kernels._abi cimport l2o_hessian_fn, l2o_history, l2o_objective_fn, l2o_policy_fn
from l2o._kernels._evaluate cimport CONVERGED, LIMIT, STOPPED, evaluate, is_better, largest
from l2o._kernels._history cimport history_push, history_reset, history_size


cdef int rollout_one(l2o_objective_fn objective, void* data, l2o_policy_fn policy, const void* weights,
                     const double* noise, l2o_history* h, double* state, intptr_t n, intptr_t n_steps,
                     double* x, double* f, double* g) noexcept nogil:
    """Rows 0..n_steps of x, f, g; a run that ends early repeats its last row."""
    cdef intptr_t t, j
    cdef int status = evaluate(objective, x, f, g, n, data)
    for t in range(n_steps):
        if status == LIMIT:
            history_push(h, x, f[0], g)
            policy(h, x + n, state, weights)
            for j in range(n):
                x[n + j] += x[j]
                if noise != NULL:
                    x[n + j] += noise[t * n + j]
            status = evaluate(objective, x + n, f + 1, g + n, n, data)
        else:
            memcpy(x + n, x, n * sizeof(double))
            memcpy(g + n, g, n * sizeof(double))
            f[1] = f[0]
        x += n
        g += n
        f += 1
    return status


def rollout(size_t objective, const size_t[::1] data, size_t policy, const size_t[::1] weights, intptr_t length,
            intptr_t state_size, const double[:, :, ::1] noise, double[:, :, ::1] x, double[:, ::1] f,
            double[:, :, ::1] g, int[::1] status):
    """Run every row of x from x[:, 0]: fill x, f, g (m, T+1, ...) and status (m,). noise may be None."""
    cdef intptr_t m = x.shape[0], n_steps = x.shape[1] - 1, n = x.shape[2], i, size = history_size(n, length)
    cdef double* memory = <double*> calloc(size + state_size + 1, sizeof(double))
    cdef l2o_history h
    cdef const double* shock = NULL
    if memory == NULL:
        raise MemoryError
    with nogil:
        for i in range(m):
            history_reset(&h, memory, n, length)
            memset(memory + size, 0, state_size * sizeof(double))
            if noise is not None and n_steps > 0:
                shock = &noise[i, 0, 0]
            status[i] = rollout_one(<l2o_objective_fn> objective, <void*> data[i], <l2o_policy_fn> policy,
                                    <const void*> weights[i], shock, &h, memory + size, n, n_steps,
                                    &x[i, 0, 0], &f[i, 0], &g[i, 0, 0])
    free(memory)


cdef int minimize_one(l2o_objective_fn objective, void* data, l2o_policy_fn policy, const void* weights,
                      l2o_history* h, double* work, intptr_t n, double gtol, intptr_t maxiter, intptr_t maxfun,
                      object callback, double* x, double* f, double* g, intptr_t* nit, intptr_t* nfev):
    """Run from x until the best point has a gradient within gtol; x, f, g become the best point seen.

    Best is the lowest value; of values equal but for rounding, none above the first, the smallest gradient.
    """
    cdef double* state = work + 3 * n
    cdef double value, first, lowest
    cdef intptr_t j
    cdef int status
    cdef bint stop
    nit[0], nfev[0] = 0, 1
    memcpy(work, x, n * sizeof(double))
    with nogil:
        status = evaluate(objective, work, &value, work + n, n, data)
        f[0], first, lowest = value, value, value
        memcpy(g, work + n, n * sizeof(double))
        while status == LIMIT:
            if largest(g, n) <= gtol:
                status = CONVERGED
                break
            if nit[0] >= maxiter or nfev[0] >= maxfun:
                break
            history_push(h, work, value, work + n)
            policy(h, work + 2 * n, state, weights)
            for j in range(n):
                work[j] += work[2 * n + j]
            status = evaluate(objective, work, &value, work + n, n, data)
            nfev[0] += 1
            if status != LIMIT:
                break
            nit[0] += 1
            lowest = min(lowest, value)
            if is_better(value, work + n, f[0], g, first, lowest, n):
                memcpy(x, work, n * sizeof(double))
                memcpy(g, work + n, n * sizeof(double))
                f[0] = value
            if callback is not None:
                with gil:
                    stop = callback([work[j] for j in range(n)], value)
                if stop:
                    status = STOPPED
    return status


def minimize(size_t objective, const size_t[::1] data, size_t policy, const size_t[::1] weights, intptr_t length,
             intptr_t state_size, double gtol, intptr_t maxiter, intptr_t maxfun, object callback, double[:, ::1] x,
             double[::1] f, double[:, ::1] g, intptr_t[::1] nit, intptr_t[::1] nfev, int[::1] status):
    """Minimise from every row of x (m, n); x, f, g become the best points. callback(x, f) -> stop, or None."""
    cdef intptr_t m = x.shape[0], n = x.shape[1], i, size = history_size(n, length)
    cdef double* memory = <double*> calloc(size + 3 * n + state_size + 1, sizeof(double))
    cdef l2o_history h
    if memory == NULL:
        raise MemoryError
    try:
        for i in range(m):
            history_reset(&h, memory, n, length)
            memset(memory + size, 0, (3 * n + state_size) * sizeof(double))
            status[i] = minimize_one(<l2o_objective_fn> objective, <void*> data[i], <l2o_policy_fn> policy,
                                     <const void*> weights[i], &h, memory + size, n, gtol, maxiter, maxfun,
                                     callback, &x[i, 0], &f[i], &g[i, 0], &nit[i], &nfev[i])
    finally:
        free(memory)


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
