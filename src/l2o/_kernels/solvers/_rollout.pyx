# Rollouts: a policy's trials one after the other, all recorded, without tolerance or safeguard.
#
# Every run reaches its objective and its policy through a function pointer and an address of data, one a run. The
# caller keeps what the addresses point to alive, checks shapes and slices the batch; nothing here allocates but one
# workspace a call. Runs with the same weights go in step, GROUP at a time, so that the policy can read its weights
# once for several; row i does not depend on its neighbours.
cimport numpy as cnp
from libc.math cimport INFINITY, NAN, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport HIGHER, LOWER, NOT_FINITE, l2o_hessian_fn, l2o_objective_fn, l2o_run
from l2o._kernels.base._arrays cimport addresses_in, codes, counts, doubles, empty
from l2o._kernels.base._curvature cimport show_curvature
from l2o._kernels.base._evaluate cimport evaluate, is_better
from l2o._kernels.base._history cimport GUARD, history_push, history_reset, history_size
from l2o._kernels.base._status cimport GO_ON, LIMIT, NON_FINITE, OBJECTIVE_FAILED
from l2o._kernels.base._watch cimport STOP, Watch, stopped
from l2o._kernels.solvers._step cimport GROUP, Step, ask, drop, group, refuse, step_rules

cnp.import_array()

cdef struct Batch:                                             # what the runs of a call have in common
    l2o_objective_fn objective
    l2o_hessian_fn hessian
    const step_rules* rules
    intptr_t n
    intptr_t n_steps
    double* points                                             # (GROUP, n)
    volatile int* flag                                         # of the watch

cdef struct Rollout:                                           # one run, and where its rows go
    void* data
    const double* noise                                        # (T, n), or NULL
    double* x                                                  # (T+1, n)
    double* f
    double* g
    double* evaluations                                        # (T+1,) values in order, or NULL
    double* curvature                                          # (n, n), or NULL
    double lowest
    intptr_t last                                              # the newest row that was evaluated
    int status


cdef inline void evaluate_row(const Batch* batch, Rollout* run, l2o_run* h, intptr_t t) noexcept nogil:
    """Evaluate row t and judge it; a run that the watch ends is not looked at."""
    cdef intptr_t n = batch.n
    cdef double* x = run.x + t * n
    cdef double* g = run.g + t * n
    cdef double f
    if stopped(batch.flag):
        run.status, run.last = OBJECTIVE_FAILED, t
        return
    run.status, run.last = evaluate(batch.objective, x, run.f + t, g, n, run.data), t
    f = run.f[t]
    if run.evaluations != NULL:
        run.evaluations[t] = f if isfinite(f) else INFINITY
    if run.status == NON_FINITE and batch.rules.rejects and t > 0:
        run.status, h.outcome = GO_ON, NOT_FINITE
    elif run.status == GO_ON:
        run.lowest = min(run.lowest, f) if t > 0 else f
        if t > 0:
            h.outcome = LOWER if is_better(f, x, g, h.best_f, h.best_x, h.best_g, run.f[0], run.lowest, NULL, NULL,
                                           n) else HIGHER
        if h.outcome != HIGHER:
            h.best_x, h.best_g, h.best_f = x, g, f
            if run.curvature != NULL and not show_curvature(batch.hessian, run.curvature, h, run.data):
                run.status = OBJECTIVE_FAILED


cdef inline void settle(const Batch* batch, Rollout* run, const l2o_run* h, intptr_t t) noexcept nogil:
    """A policy that may reject trials is where its best point is, and so is row t."""
    if batch.rules.rejects and h.best_x != NULL and h.best_x != run.x + t * batch.n:
        memcpy(run.x + t * batch.n, h.best_x, batch.n * sizeof(double))
        memcpy(run.g + t * batch.n, h.best_g, batch.n * sizeof(double))
        run.f[t] = h.best_f


cdef inline void step_to(const Batch* batch, Rollout* run, l2o_run* h, const double* point, intptr_t t) noexcept nogil:
    """Make the point, with its noise, row t; one that is no point ends the run of a policy that may reject trials."""
    cdef double* x = run.x + t * batch.n
    cdef bint finite = True
    cdef intptr_t j
    for j in range(batch.n):
        x[j] = point[j]
        if run.noise != NULL:
            x[j] += run.noise[(t - 1) * batch.n + j]
    for j in range(batch.n if batch.rules.rejects else 0):
        finite = finite and isfinite(x[j])
    if finite:
        evaluate_row(batch, run, h, t)
    else:
        run.status = NON_FINITE
        settle(batch, run, h, t)


cdef inline void fill(const Batch* batch, Rollout* run, intptr_t t) noexcept nogil:
    """Repeat row t to the end."""
    cdef intptr_t n = batch.n
    for t in range(t, batch.n_steps):
        memcpy(run.x + (t + 1) * n, run.x + t * n, n * sizeof(double))
        memcpy(run.g + (t + 1) * n, run.g + t * n, n * sizeof(double))
        run.f[t + 1] = run.f[t]


cdef bint rollout_group(const Batch* batch, const void* weights, Rollout* runs, l2o_run* h,
                        intptr_t n_runs) noexcept nogil:
    """All rows of each run; one that ends early repeats its last. False if the policy wrote where it must not."""
    cdef intptr_t row[GROUP]
    cdef intptr_t n = batch.n, active = n_runs, t, k
    cdef Rollout* run
    for k in range(n_runs):
        row[k] = k
        evaluate_row(batch, &runs[k], &h[k], 0)
    for t in range(batch.n_steps):
        if batch.flag[0] == STOP:                              # nobody looks at the rest
            return True
        k = 0
        while k < active:
            run = &runs[row[k]]
            if run.status == GO_ON:
                history_push(&h[k], run.x + t * n, run.f[t], run.g + t * n)
                k += 1
            else:
                settle(batch, run, &h[k], t)
                fill(batch, run, t)
                active -= 1
                drop(h, row, k, active)
        if active > 0 and not ask(batch.rules, h, active, batch.points, weights):
            return False
        for k in range(active):
            settle(batch, &runs[row[k]], &h[k], t)
            step_to(batch, &runs[row[k]], &h[k], batch.points + k * n, t + 1)
    for k in range(active):
        settle(batch, &runs[row[k]], &h[k], batch.n_steps)
    for k in range(n_runs):
        if h[k].state[batch.rules.state_size] != GUARD:
            return False
    return True


cdef inline void count(const Rollout* run, intptr_t n_steps, intptr_t* nfev) noexcept nogil:
    """Evaluations made up to each row; their values are NaN after the last."""
    cdef intptr_t t
    for t in range(n_steps + 1):
        nfev[t] = min(t, run.last) + 1
        if t > run.last:
            run.evaluations[t] = NAN


def empty_record(intptr_t m, intptr_t n_steps, intptr_t n):
    """Return arrays for a record of m runs: x, f, g, nfev (m, T+1, ...), status (m,), evaluations (m, T+1)."""
    cdef intptr_t rows = n_steps + 1
    return (empty(cnp.NPY_DOUBLE, 3, m, rows, n), empty(cnp.NPY_DOUBLE, 2, m, rows),
            empty(cnp.NPY_DOUBLE, 3, m, rows, n), empty(cnp.NPY_INTP, 2, m, rows), empty(cnp.NPY_INT, 1, m),
            empty(cnp.NPY_DOUBLE, 2, m, rows))


def rollout(size_t objective, size_t hessian, cnp.ndarray data not None, Step step not None,
            cnp.ndarray weights not None, cnp.ndarray noise, cnp.ndarray x not None, cnp.ndarray f not None,
            cnp.ndarray g not None, cnp.ndarray status not None, cnp.ndarray nfev, cnp.ndarray evaluations,
            Watch watch not None):
    """Run every row of x from x[:, 0]: fill x, f, g, nfev, evaluations (m, T+1, ...) and status (m,).

    noise may be None, and so may nfev and evaluations, both; hessian is 0 but for a step that asks for it.
    """
    cdef intptr_t m = x.shape[0], rows = x.shape[1], n = x.shape[2], i = 0, k, n_runs
    cdef intptr_t size = history_size(n, step.rules.length, step.rules.state_size)
    cdef intptr_t square = n * n if step.rules.curvature else 0
    cdef const size_t* data_of = addresses_in(data, m)
    cdef const size_t* weights_of = addresses_in(weights, m)
    cdef const double* shock = NULL if noise is None else doubles(noise, m * (rows - 1) * n)
    cdef double* xs = doubles(x, m * rows * n)
    cdef double* fs = doubles(f, m * rows)
    cdef double* gs = doubles(g, m * rows * n)
    cdef int* statuses = codes(status, m)
    cdef intptr_t* nfevs = NULL if nfev is None else counts(nfev, m * rows)
    cdef double* values = NULL if nfev is None else doubles(evaluations, m * rows)
    cdef double* memory = <double*> malloc((GROUP * (size + n + square) + 1) * sizeof(double))
    cdef l2o_run h[GROUP]
    cdef Rollout runs[GROUP]
    cdef Batch batch
    cdef bint kept = True
    if memory == NULL:
        raise MemoryError
    batch.objective, batch.hessian = <l2o_objective_fn> objective, <l2o_hessian_fn> hessian
    batch.rules, batch.n, batch.n_steps, batch.points = &step.rules, n, rows - 1, memory + GROUP * size
    batch.flag = &watch.flag
    with nogil:
        while i < m:
            n_runs = group(&step.rules, weights_of + i, m - i)
            for k in range(n_runs):
                history_reset(&h[k], memory + k * size, n, step.rules.length, step.rules.state_size)
                runs[k].data = <void*> data_of[i + k]
                runs[k].noise = NULL if shock == NULL else shock + (i + k) * (rows - 1) * n
                runs[k].x, runs[k].f, runs[k].g = xs + (i + k) * rows * n, fs + (i + k) * rows, gs + (i + k) * rows * n
                runs[k].evaluations = NULL if values == NULL else values + (i + k) * rows
                runs[k].curvature = memory + GROUP * (size + n) + 1 + k * square if square > 0 else NULL
            kept = rollout_group(&batch, <const void*> weights_of[i], runs, h, n_runs)
            if not kept or batch.flag[0] == STOP:
                break
            for k in range(n_runs):
                statuses[i + k] = LIMIT if runs[k].status == GO_ON else runs[k].status
                if nfevs != NULL:
                    count(&runs[k], rows - 1, nfevs + (i + k) * rows)
            i += n_runs
    free(memory)
    if not kept:
        refuse(n, step.rules.state_size)
