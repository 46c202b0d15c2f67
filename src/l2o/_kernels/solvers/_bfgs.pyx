# BFGS: the direction from an approximation of the inverse Hessian, a dense matrix (Nocedal and Wright, 2006, 6.17).
#
# Another method may leave it the matrix that it has learned; its own first is the identity, scaled by its first pair.
from libc.math cimport isfinite, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._status cimport GO_ON, PRECISION_LOSS
from l2o._kernels.solvers._descent_method cimport NO_GAP, PLAIN, PREDICTED, bound, descent_method, product, steepest

ctypedef struct bfgs_state:
    intptr_t dim
    bint known                                                 # the matrix is one
    double* inverse                                            # (n, n)
    double* image                                              # (n,) workspace


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrix."""
    return (sizeof(bfgs_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t bfgs_size(intptr_t n, const void* settings) noexcept nogil:
    return header() + n * (n + 1)


cdef void bfgs_reset(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil:
    cdef bfgs_state* state = <bfgs_state*> memory
    state.dim, state.known = n, False
    state.inverse = memory + header()
    state.image = state.inverse + n * n


cdef double* bfgs_inherit(double* memory) noexcept nogil:
    cdef bfgs_state* state = <bfgs_state*> memory
    state.known = True
    return state.inverse


cdef int bfgs_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                      int made_of) noexcept nogil:
    """Direction -H g; before the first pair, and if plain, as L-BFGS does without pairs."""
    cdef bfgs_state* state = <bfgs_state*> memory
    cdef intptr_t n = state.dim, j
    cdef bint plain = made_of == PLAIN
    if plain and not state.known:
        return PRECISION_LOSS
    if plain or not state.known:
        steepest(g, p, n)
        if plain and product(g, p, n) > -1.0:
            for j in range(n):
                p[j] = -g[j]
        state.known = False
        return GO_ON
    for j in range(n):
        p[j] = -product(state.inverse + j * n, g, n)
    return GO_ON


cdef void bfgs_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """H <- H + (1 + y'Hy / s'y) s s' / s'y - (Hy s' + s (Hy)') / s'y, unless the pair shows no positive curvature."""
    cdef bfgs_state* state = <bfgs_state*> memory
    cdef intptr_t n = state.dim, i, j
    cdef double sy = product(s, y, n), yy = product(y, y, n), ss = product(s, s, n), weight
    cdef double* H = state.inverse
    cdef double* image = state.image
    if not (sy > 2.220446049250313e-16 * sqrt(ss) * sqrt(yy) and isfinite(1.0 / sy) and isfinite(yy)):
        return
    if not state.known:
        state.known = True
        for i in range(n):
            for j in range(n):
                H[i * n + j] = sy / yy if i == j else 0.0
    for i in range(n):
        image[i] = product(H + i * n, y, n)
    weight = (1.0 + product(y, image, n) / sy) / sy
    for i in range(n):
        for j in range(n):
            H[i * n + j] += weight * s[i] * s[j] - (image[i] * s[j] + s[i] * image[j]) / sy


cdef int bfgs_trust(const double* memory) noexcept nogil:
    return PREDICTED if (<const bfgs_state*> memory).known else NO_GAP


cdef void bfgs_rescale(double* memory, const double* units) noexcept nogil:
    cdef bfgs_state* state = <bfgs_state*> memory
    cdef intptr_t n = state.dim, j
    state.known = True
    memset(state.inverse, 0, n * n * sizeof(double))
    for j in range(n):
        state.inverse[j * n + j] = units[j]


cdef descent_method bfgs
bfgs.size, bfgs.reset, bfgs.propose, bfgs.learn, bfgs.inherit = (
    bfgs_size, bfgs_reset, bfgs_propose, bfgs_learn, bfgs_inherit)
bfgs.trust, bfgs.rescale = bfgs_trust, bfgs_rescale
bfgs.curvature = 0.9


def method():
    """The method; it has no settings."""
    return bound(&bfgs, NULL, 0)
