# Damped Newton: the direction -(H + shift I)^-1 g, shift the first that makes the matrix positive definite
# (Nocedal and Wright, 2006, algorithm 3.3). Elimination in plain loops: d is small, and LAPACK costs more to call.
from libc.math cimport fabs
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn
from l2o._kernels.solvers._descent cimport descent_method, steepest
from l2o._kernels.base._evaluate cimport LIMIT, OBJECTIVE_FAILED, PRECISION_LOSS

cdef enum:
    MOST_SHIFTS = 40


ctypedef struct newton_state:
    intptr_t dim
    l2o_hessian_fn hessian
    void* data
    double* matrix                                             # (n, n)
    double* rows                                               # (n + 1, n), of eliminate


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrices."""
    return (sizeof(newton_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t newton_size(intptr_t n, size_t hessian) noexcept nogil:
    return header() + n * (2 * n + 1)


cdef void newton_reset(double* memory, intptr_t n, size_t hessian, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.hessian, state.data = n, <l2o_hessian_fn> hessian, data
    state.matrix = memory + header()
    state.rows = state.matrix + n * n


cdef inline bint eliminate(const double* matrix, const double* g, double shift, double least, double* rows,
                           intptr_t n) noexcept nogil:
    """Rows of L and, as row n, of -D^-1 L^-1 g, where L D L' = matrix + shift I; False if a pivot is not above `least`.

    The right-hand side goes along as one more row, and a pivot is divided by only once: there is no root to wait for.
    """
    cdef intptr_t i, j, k
    cdef double inverse, entry
    for i in range(n):
        for k in range(i + 1):
            rows[i * n + k] = matrix[i * n + k]
        rows[n * n + i] = -g[i]
    for j in range(n):
        if not rows[j * n + j] + shift > least:
            return False
        inverse = 1.0 / (rows[j * n + j] + shift)
        for i in range(j + 1, n + 1):
            entry = rows[i * n + j]
            rows[i * n + j] = entry * inverse
            for k in range(j + 1, min(i + 1, n)):
                rows[i * n + k] -= entry * rows[k * n + j]
    return True


cdef inline bint solve(const newton_state* state, const double* g, double* p, intptr_t n) noexcept nogil:
    """p <- -(H + shift I)^-1 g with the smallest shift that was tried; False if H is not finite, or zero."""
    cdef intptr_t i, j, _
    cdef double scale = 0.0, lowest = state.matrix[0], shift
    for j in range(n):
        scale = max(scale, fabs(state.matrix[j * n + j]))
        lowest = min(lowest, state.matrix[j * n + j])
    shift = 0.0 if lowest > 0.0 else 1e-3 * scale - lowest
    for _ in range(MOST_SHIFTS):
        if eliminate(state.matrix, g, shift, 2.220446049250313e-16 * n * scale, state.rows, n):
            break
        shift = max(4.0 * shift, 1e-3 * scale)
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
    code = state.hessian(x, state.matrix, state.dim, state.data)
    if code < 0:
        return OBJECTIVE_FAILED
    # a constant unrolls the loops, by a third of their time; 4 is what the regressions with three features have
    if code > 0 or not (solve(state, g, p, 4) if state.dim == 4 else solve(state, g, p, state.dim)):
        steepest(g, p, state.dim)
    return LIMIT


cdef void newton_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """Nothing: the next Hessian tells."""


cdef descent_method newton
newton.size, newton.reset, newton.propose, newton.learn = newton_size, newton_reset, newton_propose, newton_learn
METHOD = <size_t> &newton
