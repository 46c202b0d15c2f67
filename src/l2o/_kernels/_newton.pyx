# Damped Newton: the direction -(H + shift I)^-1 g, shift the first that makes the matrix positive definite
# (Nocedal and Wright, 2006, algorithm 3.3). Cholesky in plain loops: d is small, and LAPACK costs more to call.
from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels._abi cimport l2o_hessian_fn
from l2o._kernels._descent cimport descent_method, steepest
from l2o._kernels._evaluate cimport LIMIT, OBJECTIVE_FAILED, PRECISION_LOSS

cdef enum:
    MOST_SHIFTS = 40


ctypedef struct newton_state:
    intptr_t dim
    l2o_hessian_fn hessian
    void* data
    double* matrix                                             # (n, n)
    double* factor                                             # (n, n), lower triangle, 1 / pivot on the diagonal


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrices."""
    return (sizeof(newton_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t newton_size(intptr_t n, size_t hessian) noexcept nogil:
    return header() + 2 * n * n


cdef void newton_reset(double* memory, intptr_t n, size_t hessian, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.hessian, state.data = n, <l2o_hessian_fn> hessian, data
    state.matrix = memory + header()
    state.factor = state.matrix + n * n


cdef inline bint cholesky(const double* matrix, double shift, double least, double* factor, intptr_t n) noexcept nogil:
    """Factor of matrix + shift I; False if a pivot is not above `least`."""
    cdef intptr_t i, j, k
    cdef double total
    for j in range(n):
        for i in range(j, n):
            total = matrix[i * n + j]
            for k in range(j):
                total -= factor[i * n + k] * factor[j * n + k]
            if i > j:
                factor[i * n + j] = total * factor[j * n + j]
            elif total + shift > least:
                factor[j * n + j] = 1.0 / sqrt(total + shift)
            else:
                return False
    return True


cdef inline void solve(const double* factor, double* p, intptr_t n) noexcept nogil:
    """p <- (L L')^-1 p."""
    cdef intptr_t i, k
    for i in range(n):
        for k in range(i):
            p[i] -= factor[i * n + k] * p[k]
        p[i] *= factor[i * n + i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            p[i] -= factor[k * n + i] * p[k]
        p[i] *= factor[i * n + i]


cdef inline bint factorise(const newton_state* state) noexcept nogil:
    """Factor of the Hessian with the smallest shift that was tried; False if it is not finite, or zero."""
    cdef intptr_t n = state.dim, j, _
    cdef double scale = 0.0, lowest = state.matrix[0], shift
    for j in range(n * n):
        if not isfinite(state.matrix[j]):
            return False
    for j in range(n):
        scale = max(scale, fabs(state.matrix[j * n + j]))
        lowest = min(lowest, state.matrix[j * n + j])
    shift = 0.0 if lowest > 0.0 else 1e-3 * scale - lowest
    for _ in range(MOST_SHIFTS):
        if cholesky(state.matrix, shift, 2.220446049250313e-16 * n * scale, state.factor, n):
            return True
        shift = max(4.0 * shift, 1e-3 * scale)
    return False


cdef int newton_propose(double* memory, const double* x, const double* g, double* p, bint plain) noexcept nogil:
    """The Newton direction, or that of steepest descent where the Hessian is of no use."""
    cdef newton_state* state = <newton_state*> memory
    cdef intptr_t j
    cdef int code
    if plain:
        return PRECISION_LOSS
    code = state.hessian(x, state.matrix, state.dim, state.data)
    if code < 0:
        return OBJECTIVE_FAILED
    if code > 0 or not factorise(state):
        steepest(g, p, state.dim)
        return LIMIT
    for j in range(state.dim):
        p[j] = -g[j]
    solve(state.factor, p, state.dim)
    return LIMIT


cdef void newton_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """Nothing: the next Hessian tells."""


cdef descent_method newton
newton.size, newton.reset, newton.propose, newton.learn = newton_size, newton_reset, newton_propose, newton_learn
METHOD = <size_t> &newton
