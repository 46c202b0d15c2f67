# L-BFGS: the direction from the newest curvature pairs (Nocedal and Wright, 2006, algorithm 7.4).
from libc.math cimport isfinite, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._status cimport GO_ON, PRECISION_LOSS
from l2o._kernels.solvers._descent_method cimport (
    NO_GAP, PLAIN, PREDICTED, bound, descent_method, product, product_of, steepest)

ctypedef struct lbfgs_settings:
    intptr_t length                                            # pairs kept at most

ctypedef struct lbfgs_state:
    intptr_t dim
    intptr_t length                                            # pairs kept at most
    intptr_t count                                             # pairs there are
    intptr_t newest                                            # row of the newest
    double scale                                               # s'y / y'y of the newest
    double* s                                                  # (length, dim) steps
    double* y                                                  # (length, dim) changes of the gradient
    double* inverse                                            # (length,) 1 / s'y
    double* inverse_of                                         # (length,) of the parts along the free variables, or 0
    double* along                                              # (length,) workspace of the direction
    const double* units                                        # (dim,) in the place of the identity, or NULL for it


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the pairs."""
    return (sizeof(lbfgs_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t lbfgs_size(intptr_t dim, const void* settings) noexcept nogil:
    """Doubles that a state needs."""
    return header() + (<const lbfgs_settings*> settings).length * (2 * dim + 3)


cdef void lbfgs_reset(double* memory, intptr_t dim, const void* settings, void* data) noexcept nogil:
    """Make the memory a state without pairs."""
    cdef lbfgs_state* state = <lbfgs_state*> memory
    memset(state, 0, sizeof(lbfgs_state))
    state.dim, state.length = dim, (<const lbfgs_settings*> settings).length
    state.s = memory + header()
    state.y = state.s + state.length * dim
    state.inverse = state.y + state.length * dim
    state.along = state.inverse + state.length
    state.inverse_of = state.along + state.length


cdef void lbfgs_push(double* memory, const double* s, const double* y) noexcept nogil:
    """Take on the change y of the gradient along the step s, unless it shows no positive curvature."""
    cdef lbfgs_state* state = <lbfgs_state*> memory
    cdef intptr_t n = state.dim, row = (state.newest + 1) % state.length, j
    cdef double sy = product(s, y, n), yy = product(y, y, n), ss = product(s, s, n)
    if not (sy > 2.220446049250313e-16 * sqrt(ss) * sqrt(yy) and isfinite(1.0 / sy) and isfinite(yy)):
        return
    if state.units != NULL:
        yy = 0.0
        for j in range(n):
            yy += y[j] * state.units[j] * y[j]
    memcpy(state.s + row * n, s, n * sizeof(double))
    memcpy(state.y + row * n, y, n * sizeof(double))
    state.inverse[row], state.scale, state.newest = 1.0 / sy, sy / yy, row
    state.count = min(state.count + 1, state.length)


cdef inline void two_loops(const lbfgs_state* state, double* p) noexcept nogil:
    """p <- H p, H the inverse Hessian of the pairs on scale times the units."""
    cdef intptr_t n = state.dim, _, j, row = state.newest
    cdef double weight
    for _ in range(state.count):                               # newest first
        weight = state.inverse[row] * product(state.s + row * n, p, n)
        state.along[row] = weight
        for j in range(n):
            p[j] -= weight * state.y[row * n + j]
        row = row - 1 if row > 0 else state.length - 1
    for j in range(n):
        p[j] *= state.scale if state.units == NULL else state.scale * state.units[j]
    for _ in range(state.count):                               # and back
        row = row + 1 if row < state.length - 1 else 0
        weight = state.along[row] - state.inverse[row] * product(state.y + row * n, p, n)
        for j in range(n):
            p[j] += weight * state.s[row * n + j]


cdef inline double size_in(const double* y, const double* free, const double* units, intptr_t n) noexcept nogil:
    """y'Uy over the free variables, U the diagonal matrix of the units."""
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += free[j] * y[j] * units[j] * y[j]
    return total


cdef inline void two_loops_of(const lbfgs_state* state, double* p, const double* free) noexcept nogil:
    """p <- H p, H of the parts of the pairs along the free variables, if of positive curvature; p is zero elsewhere."""
    cdef intptr_t n = state.dim, _, j, row = state.newest
    cdef double weight, sy, yy, scale = 0.0
    cdef double* s
    cdef double* y
    for _ in range(state.count):                               # newest first
        s, y = state.s + row * n, state.y + row * n
        sy, yy = product_of(s, y, free, n), product_of(y, y, free, n)
        if sy > 2.220446049250313e-16 * sqrt(product_of(s, s, free, n)) * sqrt(yy) and isfinite(1.0 / sy):
            state.inverse_of[row] = 1.0 / sy
            if scale == 0.0:
                scale = sy / yy if state.units == NULL else sy / size_in(y, free, state.units, n)
        else:
            state.inverse_of[row] = 0.0
        weight = state.inverse_of[row] * product(s, p, n)
        state.along[row] = weight
        for j in range(n):
            p[j] -= weight * free[j] * y[j]
        row = row - 1 if row > 0 else state.length - 1
    scale = state.scale if scale == 0.0 else scale
    for j in range(n):
        p[j] *= scale if state.units == NULL else scale * state.units[j]
    for _ in range(state.count):                               # and back
        row = row + 1 if row < state.length - 1 else 0
        weight = state.along[row] - state.inverse_of[row] * product(state.y + row * n, p, n)
        for j in range(n):
            p[j] += weight * free[j] * state.s[row * n + j]


cdef int lbfgs_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                       int made_of) noexcept nogil:
    """Direction -H g; before the first pair a step of length 1, as in L-BFGS-B. PLAIN: start over with -g, if short."""
    cdef lbfgs_state* state = <lbfgs_state*> memory
    cdef intptr_t j
    cdef bint plain = made_of == PLAIN
    if state.units != NULL and (plain or state.count == 0):
        if plain and state.count == 0:
            return PRECISION_LOSS
        state.count = 0
        for j in range(state.dim):
            p[j] = -state.units[j] * g[j]
        return GO_ON
    if state.count == 0:
        steepest(g, p, state.dim)
        return GO_ON if not plain else PRECISION_LOSS
    if plain:
        state.count = 0
        steepest(g, p, state.dim)
        if product(g, p, state.dim) > -1.0:
            for j in range(state.dim):
                p[j] = -g[j]
        return GO_ON
    for j in range(state.dim):
        p[j] = -g[j]
    if free == NULL:
        two_loops(state, p)
    else:
        two_loops_of(state, p, free)
    return GO_ON


cdef int lbfgs_trust(const double* memory) noexcept nogil:
    cdef const lbfgs_state* state = <const lbfgs_state*> memory
    return PREDICTED if state.count > 0 or state.units != NULL else NO_GAP


cdef void lbfgs_rescale(double* memory, const double* units) noexcept nogil:
    cdef lbfgs_state* state = <lbfgs_state*> memory
    state.count, state.units = 0, units


cdef descent_method lbfgs
lbfgs.size, lbfgs.reset, lbfgs.propose, lbfgs.learn = lbfgs_size, lbfgs_reset, lbfgs_propose, lbfgs_push
lbfgs.trust, lbfgs.rescale = lbfgs_trust, lbfgs_rescale
lbfgs.curvature = 0.9                                          # as in L-BFGS-B


def method(intptr_t length):
    """The method with as many pairs as it keeps."""
    cdef lbfgs_settings settings
    settings.length = length
    return bound(&lbfgs, &settings, sizeof(lbfgs_settings))
