# Nonlinear conjugate gradient: the direction -g + beta s, s the last step (Hestenes and Stiefel, with beta at least 0;
# Nocedal and Wright, 2006, section 5.2), in the length that the curvature along s asks for.
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._status cimport GO_ON, PRECISION_LOSS
from l2o._kernels.solvers._descent_method cimport NO_GAP, PLAIN, bound, descent_method, product, product_of, steepest

ctypedef struct conjugate_state:
    intptr_t dim
    bint stepped                                               # there is a last step
    double* s                                                  # (n,)
    double* y                                                  # (n,) the change of the gradient along it


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the vectors."""
    return (sizeof(conjugate_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t conjugate_size(intptr_t n, const void* settings) noexcept nogil:
    return header() + 2 * n


cdef void conjugate_reset(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil:
    cdef conjugate_state* state = <conjugate_state*> memory
    state.dim, state.stepped, state.s, state.y = n, False, memory + header(), memory + header() + n


cdef int conjugate_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                           int made_of) noexcept nogil:
    cdef conjugate_state* state = <conjugate_state*> memory
    cdef intptr_t n = state.dim, j
    cdef double sy, yy, beta
    if made_of == PLAIN and not state.stepped:
        return PRECISION_LOSS
    state.stepped &= made_of != PLAIN
    sy, yy = product_of(state.s, state.y, free, n), product_of(state.y, state.y, free, n)
    if not (state.stepped and sy > 0.0 and yy > 0.0):
        steepest(g, p, n)
        return GO_ON
    beta = max(0.0, product(g, state.y, n) / sy)
    for j in range(n):
        p[j] = beta * state.s[j] - g[j]
        if free != NULL:
            p[j] *= free[j]
    if not product(g, p, n) < 0.0:
        for j in range(n):
            p[j] = -g[j]
    for j in range(n):
        p[j] *= sy / yy
    return GO_ON


cdef void conjugate_learn(double* memory, const double* s, const double* y) noexcept nogil:
    cdef conjugate_state* state = <conjugate_state*> memory
    memcpy(state.s, s, state.dim * sizeof(double))
    memcpy(state.y, y, state.dim * sizeof(double))
    state.stepped = True


cdef int conjugate_trust(const double* memory) noexcept nogil:
    """It has no matrix."""
    return NO_GAP


cdef descent_method conjugate
conjugate.size, conjugate.reset = conjugate_size, conjugate_reset
conjugate.propose, conjugate.learn = conjugate_propose, conjugate_learn
conjugate.trust, conjugate.rescale = conjugate_trust, NULL
conjugate.curvature = 0.4                                      # directions lean on steps to near a minimum


def method():
    """The method; it has no settings."""
    return bound(&conjugate, NULL, 0)
