# Newton's method with a line search; _newton_step.pxd has its direction.
from libc.math cimport NAN
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_hessian_fn
from l2o._kernels.base._newton_step cimport AS_GIVEN, UNSOLVED, extrapolate, gather, scatter, share, solve
from l2o._kernels.base._status cimport GO_ON, OBJECTIVE_FAILED, PRECISION_LOSS
from l2o._kernels.solvers._descent_method cimport (
    AGAIN, EXACT, NO_GAP, PLAIN, PREDICTED, bound, descent_method, steepest)

ctypedef struct newton_settings:
    l2o_hessian_fn hessian

ctypedef struct newton_state:
    intptr_t dim
    l2o_hessian_fn hessian
    void* data
    int trust                                                  # of the newest direction
    bint moved                                                 # `before` and `last` are known
    double* matrix                                             # (n, n) at the iterate
    double* before                                             # (n, n) at the one before
    double* last                                               # (n,) the step between
    double* ahead                                              # (n, n) halfway along the coming step
    double* block                                              # (n + 2, n): that of the free variables, their g and p
    double* rows                                               # (n + 1, n), of eliminate
    double* unit                                               # (n,) curvature that counts as 1, of each variable


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrices."""
    return (sizeof(newton_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t newton_size(intptr_t n, const void* settings) noexcept nogil:
    return header() + n * (5 * n + 5)


cdef void newton_reset(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.hessian, state.data = n, (<const newton_settings*> settings).hessian, data
    state.moved = False
    state.matrix = memory + header()
    state.before = state.matrix + n * n
    state.ahead = state.before + n * n
    state.last = state.ahead + n * n
    state.block = state.last + n
    state.rows = state.block + n * (n + 2)
    state.unit = state.rows + (n + 1) * n


cdef inline bint solve_with(newton_state* state, const double* matrix, const double* g, double* p, const double* free,
                            bint shifted) noexcept nogil:
    """The direction of a matrix for the variables that are free; whether there is one."""
    cdef intptr_t n = state.dim, row
    cdef double* slope = state.block + n * n
    cdef double* way = slope + n
    cdef int outcome
    if free != NULL:
        row = gather(matrix, g, free, state.block, slope, n)
        outcome = solve(state.block, slope, way, shifted, state.unit, state.rows, row)
        scatter(way, free, p, n)
    elif n == 4:                                               # a constant unrolls the loops, by a third of their time
        outcome = solve(matrix, g, p, shifted, state.unit, state.rows, 4)
    else:
        outcome = solve(matrix, g, p, shifted, state.unit, state.rows, n)
    state.trust = NO_GAP if outcome == UNSOLVED else EXACT if outcome == AS_GIVEN else PREDICTED
    return outcome != UNSOLVED


cdef inline bint look_ahead(newton_state* state, const double* g) noexcept nogil:
    """Write the matrix that is expected halfway along the coming step; False if there is none but the Hessian."""
    cdef double th
    if not state.moved:
        return False
    th = share(state.matrix, state.last, g, 0.5, state.dim)
    if th != 0.0:
        extrapolate(state.matrix, state.before, th, state.ahead, state.dim)
    return th != 0.0


cdef int newton_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                        int made_of) noexcept nogil:
    """The Newton direction, or that of steepest descent where the Hessian is of no use."""
    cdef newton_state* state = <newton_state*> memory
    cdef intptr_t n = state.dim, j
    cdef int code = 0
    cdef bint solved
    if made_of == PLAIN:
        return PRECISION_LOSS
    if made_of != AGAIN:
        code = state.hessian(x, state.matrix, n, state.data)
    if code < 0:
        return OBJECTIVE_FAILED
    if code > 0:
        for j in range(n):
            state.matrix[j * n + j] = NAN
    solved = look_ahead(state, g) and solve_with(state, state.ahead, g, p, free, False)
    if not solved:
        solved = solve_with(state, state.matrix, g, p, free, True)
    if not solved:
        steepest(g, p, n)
    return GO_ON


cdef void newton_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """Keep the Hessian and the step for the direction to come."""
    cdef newton_state* state = <newton_state*> memory
    state.matrix, state.before, state.moved = state.before, state.matrix, True
    memcpy(state.last, s, state.dim * sizeof(double))


cdef int newton_trust(const double* memory) noexcept nogil:
    return (<const newton_state*> memory).trust


cdef descent_method newton
newton.size, newton.reset, newton.propose, newton.learn = newton_size, newton_reset, newton_propose, newton_learn
newton.trust, newton.rescale = newton_trust, NULL


def method(size_t hessian):
    """The method with the address of a Hessian."""
    cdef newton_settings settings
    settings.hessian = <l2o_hessian_fn> hessian
    return bound(&newton, &settings, sizeof(newton_settings))
