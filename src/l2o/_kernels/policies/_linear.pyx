# Policies that are linear in what they have seen: momentum, and the controllers of training.
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_policy, l2o_run


cdef void momentum(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    """v <- decay v - step_size g, with v the state. Block: step_size, decay."""
    cdef const double* block = <const double*> user
    cdef intptr_t i, j, d = runs.dim
    for i in range(n_runs):
        for j in range(d):
            runs[i].state[j] = block[1] * runs[i].state[j] - block[0] * runs[i].g[j]
            points[i * d + j] = runs[i].x[j] + runs[i].state[j]


cdef inline void control(const l2o_run* h, double* point, const double* block) noexcept nogil:
    """x + K_t s + k_t, s = [x, objective changes, gradients]. Block: horizon, changes, gradients; K; k."""
    cdef intptr_t d = h.dim, horizon = <intptr_t> block[0], history = <intptr_t> block[1], kept = <intptr_t> block[2]
    cdef intptr_t size = d + history + kept * d, t = min(h.t, horizon - 1), i, j
    cdef intptr_t n_changes = min(h.count - 1, history), n_gradients = min(h.count, kept) * d
    cdef const double* gains
    cdef double total
    for j in range(d):
        gains = block + 3 + (t * d + j) * size
        total = block[3 + horizon * d * size + t * d + j]
        for i in range(d):
            total += gains[i] * h.x[i]
        for i in range(n_changes):
            total += gains[d + i] * (h.f[0] - h.f[i + 1])
        for i in range(n_gradients):
            total += gains[d + history + i] * h.g[i]
        point[j] = h.x[j] + total


cdef void controller(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    cdef intptr_t i
    for i in range(n_runs):
        control(&runs[i], points + i * runs.dim, <const double*> user)


cdef l2o_policy[2] kinds
kinds[0].next, kinds[1].next = momentum, controller
MOMENTUM, CONTROLLER = <size_t> &kinds[0], <size_t> &kinds[1]
