# The history of one run: a window of the newest values and gradients, newest first.
#
# The window moves down through memory for two of it, so that what it holds is moved once in `length` pushes.
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_history


cdef inline intptr_t history_size(intptr_t dim, intptr_t length, intptr_t state_size) noexcept nogil:
    """Doubles that a history needs, the policy's own memory of the run included."""
    return 2 * length * (dim + 1) + state_size


cdef inline void history_reset(l2o_history* h, double* memory, intptr_t dim, intptr_t length,
                               intptr_t state_size) noexcept nogil:
    memset(memory, 0, history_size(dim, length, state_size) * sizeof(double))
    h.dim, h.length, h.count, h.t = dim, length, 0, 0
    h.f = memory + length                                      # the end of its memory
    h.g = memory + 2 * length + length * dim
    h.state = memory + 2 * length * (dim + 1)
    h.x = NULL


cdef inline void history_push(l2o_history* h, const double* x, double f, const double* g) noexcept nogil:
    """Take on the evaluation at x; it becomes entry 0."""
    cdef intptr_t j, shift = -1
    if h.state - h.g == 2 * h.length * h.dim:                  # at the start of its memory: back to the end
        shift = h.length
        memcpy(h.f + shift + 1, h.f, (h.length - 1) * sizeof(double))
        memcpy(h.g + (shift + 1) * h.dim, h.g, (h.length - 1) * h.dim * sizeof(double))
    h.f += shift
    h.g += shift * h.dim
    h.x = x
    h.f[0] = f
    for j in range(h.dim):
        h.g[j] = g[j]
    h.t += h.count > 0
    h.count = min(h.count + 1, h.length)
