# Damped Newton: the direction -(H + shift D)^-1 g, D the diagonal of H, shift the first that makes the matrix positive
# definite (Nocedal and Wright, 2006, algorithm 3.3). Elimination in plain loops: d is small, and LAPACK costs more to
# call.
from libc.math cimport fabs
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn
from l2o._kernels.solvers._descent cimport EXACT, NO_GAP, PREDICTED, descent_method, steepest
from l2o._kernels.base._evaluate cimport LIMIT, OBJECTIVE_FAILED, PRECISION_LOSS

cdef extern from *:
    """
    #define L2O_EPSILON 2.220446049250313e-16
    #define L2O_LEAST_SHIFT 3e-3
    """
    const double EPSILON "L2O_EPSILON"
    const double LEAST_SHIFT "L2O_LEAST_SHIFT"                 # in units of the diagonal

cdef enum:
    MOST_SHIFTS = 40


ctypedef struct newton_state:
    intptr_t dim
    l2o_hessian_fn hessian
    void* data
    int trust                                                  # of the newest direction
    double* matrix                                             # (n, n)
    double* rows                                               # (n + 1, n), of eliminate
    double* unit                                               # (n,) curvature that counts as 1, of each variable


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrices."""
    return (sizeof(newton_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t newton_size(intptr_t n, size_t hessian) noexcept nogil:
    return header() + n * (2 * n + 2)


cdef void newton_reset(double* memory, intptr_t n, size_t hessian, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.hessian, state.data = n, <l2o_hessian_fn> hessian, data
    state.matrix = memory + header()
    state.rows = state.matrix + n * n
    state.unit = state.rows + (n + 1) * n


cdef inline bint eliminate(const newton_state* state, const double* g, double shift, double* rows,
                           intptr_t n) noexcept nogil:
    """Rows of L and, as row n, of -D^-1 L^-1 g, where L D L' = H + shift diag(unit); False if a pivot is not positive.

    Positive is above what rounding may leave of that diagonal entry, whatever the size of the others. The right-hand
    side goes along as one more row, and a pivot is divided by only once: there is no root to wait for.
    """
    cdef intptr_t i, j, k
    cdef double inverse, entry
    for i in range(n):
        for k in range(i + 1):
            rows[i * n + k] = state.matrix[i * n + k]
        rows[n * n + i] = -g[i]
    for j in range(n):
        if not rows[j * n + j] + shift * state.unit[j] > EPSILON * n * state.unit[j]:
            return False
        inverse = 1.0 / (rows[j * n + j] + shift * state.unit[j])
        for i in range(j + 1, n + 1):
            entry = rows[i * n + j]
            rows[i * n + j] = entry * inverse
            for k in range(j + 1, min(i + 1, n)):
                rows[i * n + k] -= entry * rows[k * n + j]
    return True


cdef inline double measure(const newton_state* state, intptr_t n) noexcept nogil:
    """Write what counts as 1 along each variable, and return the first shift.

    It is the variable's own curvature, so that units do not matter, unless that of some variable is not positive.
    """
    cdef intptr_t j
    cdef double scale = 0.0, lowest = state.matrix[0]
    for j in range(n):
        state.unit[j] = state.matrix[j * n + j]
        scale = max(scale, fabs(state.unit[j]))
        lowest = min(lowest, state.unit[j])
    if lowest > 0.0:
        return 0.0
    for j in range(n):
        state.unit[j] = scale
    return LEAST_SHIFT - lowest / scale


cdef inline bint solve(newton_state* state, const double* g, double* p, intptr_t n) noexcept nogil:
    """p <- -(H + shift diag(unit))^-1 g with the smallest shift that was tried; False if H is not finite, or zero."""
    cdef intptr_t i, j, _
    cdef double shift = measure(state, n)
    for _ in range(MOST_SHIFTS):
        if eliminate(state, g, shift, state.rows, n):
            state.trust = EXACT if shift == 0.0 else PREDICTED
            break
        shift = max(4.0 * shift, LEAST_SHIFT)
    else:
        return False
    for i in range(n - 1, -1, -1):
        p[i] = state.rows[n * n + i]
        for j in range(i + 1, n):
            p[i] -= state.rows[j * n + i] * p[j]
    return True


cdef int newton_propose(double* memory, const double* x, const double* g, double* p, bint plain) noexcept nogil:
    """The Newton direction, or that of steepest descent where the Hessian is of no use."""
    cdef newton_state* state = <newton_state*> memory
    cdef int code
    if plain:
        return PRECISION_LOSS
    state.trust = NO_GAP
    code = state.hessian(x, state.matrix, state.dim, state.data)
    if code < 0:
        return OBJECTIVE_FAILED
    # a constant unrolls the loops, by a third of their time; 4 is what the regressions with three features have
    if code > 0 or not (solve(state, g, p, 4) if state.dim == 4 else solve(state, g, p, state.dim)):
        steepest(g, p, state.dim)
    return LIMIT


cdef void newton_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """Nothing: the next Hessian tells."""


cdef int newton_trust(const double* memory) noexcept nogil:
    return (<const newton_state*> memory).trust


cdef descent_method newton
newton.size, newton.reset, newton.propose, newton.learn = newton_size, newton_reset, newton_propose, newton_learn
newton.trust, newton.rescale = newton_trust, NULL
METHOD = <size_t> &newton
