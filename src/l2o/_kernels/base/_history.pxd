# The history of one run: a window of the newest values and gradients, newest first, and the best point beside it.
#
# The window moves down through memory for two of it, so that what it holds is moved once in `length` pushes.
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport START, l2o_run


cdef extern from *:
    """
    #define L2O_GUARD -6.02214076e223
    """
    const double GUARD "L2O_GUARD"                             # stands behind what a policy may write to


cdef inline intptr_t history_size(intptr_t dim, intptr_t length, intptr_t state_size) noexcept nogil:
    """Doubles that a history needs, the policy's own memory of the run included."""
    return 2 * length * (dim + 1) + state_size + 1             # a guard behind it


cdef inline void history_reset(l2o_run* run, double* memory, intptr_t dim, intptr_t length,
                               intptr_t state_size) noexcept nogil:
    memset(memory, 0, history_size(dim, length, state_size) * sizeof(double))
    run.dim, run.length, run.count, run.t, run.outcome = dim, length, 0, 0, START
    run.f = memory + length                                    # the end of its memory
    run.g = memory + 2 * length + length * dim
    run.state = memory + 2 * length * (dim + 1)
    run.state[state_size] = GUARD
    run.x = run.best_x = run.best_g = run.curvature = NULL


cdef inline void history_push(l2o_run* run, const double* x, double f, const double* g) noexcept nogil:
    """Take on the evaluation at x; it becomes entry 0."""
    cdef intptr_t j, shift = -1
    cdef double* values = <double*> run.f
    cdef double* gradients = <double*> run.g
    if run.state - gradients == 2 * run.length * run.dim:      # at the start of its memory: back to the end
        shift = run.length
        memcpy(values + shift + 1, values, (run.length - 1) * sizeof(double))
        memcpy(gradients + (shift + 1) * run.dim, gradients, (run.length - 1) * run.dim * sizeof(double))
    values += shift
    gradients += shift * run.dim
    values[0] = f
    for j in range(run.dim):
        gradients[j] = g[j]
    run.x, run.f, run.g = x, values, gradients
    run.t += run.count > 0
    run.count = min(run.count + 1, run.length)
