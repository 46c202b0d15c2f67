# Newton's method with a line search; _newton_step.pxd has its direction.
from libc.math cimport NAN
from libc.stdint cimport intptr_t
from libc.string cimport memcmp, memcpy

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._evaluate cimport largest
from l2o._kernels.base._newton_step cimport AS_GIVEN, UNSOLVED, room_ahead, share, solve_ahead, solve_free
from l2o._kernels.base._status cimport GO_ON, OBJECTIVE_FAILED, PRECISION_LOSS
from l2o._kernels.solvers._descent cimport descend, descent
from l2o._kernels.solvers._descent_method cimport (
    AGAIN, EXACT, NO_GAP, PLAIN, PREDICTED, bound, descent_method, steepest)

ctypedef struct newton_settings:
    l2o_hessian_fn hessian
    l2o_expansion_fn expansion                                 # or NULL

ctypedef struct newton_state:
    intptr_t dim
    l2o_hessian_fn hessian
    l2o_expansion_fn expansion
    l2o_objective_fn objective
    void* data
    int trust                                                  # of the newest direction
    bint moved                                                 # `before` and `last` are known
    double* matrix                                             # (n, n) at the iterate
    double* before                                             # (n, n) at the one before
    double* last                                               # (n,) the step between
    bint convex                                                # `before` is positive definite, for what was free then
    bint known_convex                                          # the same of `matrix`
    double* room                                               # workspace
    double* tried                                              # (n,) the newest point that was expanded
    double* expanded                                           # (n, n) the Hessian there
    double gtol                                                # of the run
    double steepness                                           # largest entry of the gradient at the iterate
    bint closing                                               # the next trial is likely to end the run


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the matrices."""
    return (sizeof(newton_state) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t newton_size(intptr_t n, const void* settings) noexcept nogil:
    return header() + n * (5 * n + 4) + room_ahead(n)


cdef void newton_reset(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.data = n, data
    state.hessian = (<const newton_settings*> settings).hessian
    state.expansion = (<const newton_settings*> settings).expansion
    state.moved = state.convex = False
    state.matrix = memory + header()
    state.before = state.matrix + n * n
    state.last = state.before + n * n
    state.tried = state.last + n
    state.expanded = state.tried + n
    state.room = state.expanded + n * n
    state.tried[0] = state.steepness = NAN                     # equal to no point, above nothing
    state.gtol, state.closing = 0.0, False


cdef inline bint solve_for(newton_state* state, const double* g, double* p, const double* free) noexcept nogil:
    """The direction for the variables that are free; whether there is one."""
    cdef double th = share(state.matrix, state.last, g, 0.5, state.dim) if state.moved else 0.0
    cdef int outcome
    state.known_convex = state.convex
    if free != NULL:
        outcome = solve_free(state.matrix, state.before, th, &state.known_convex, g, free, p, state.room, state.dim)
    elif state.dim == 4:                                       # a constant unrolls the loops, by a third of their time
        outcome = solve_ahead(state.matrix, state.before, th, &state.known_convex, g, p, state.room, 4)
    else:
        outcome = solve_ahead(state.matrix, state.before, th, &state.known_convex, g, p, state.room, state.dim)
    state.trust = NO_GAP if outcome == UNSOLVED else EXACT if outcome == AS_GIVEN else PREDICTED
    return outcome != UNSOLVED


cdef inline void foresee(newton_state* state, double steepness) noexcept nogil:
    """Gradients fall by squares: is the next one within gtol?"""
    cdef double fall = steepness / state.steepness
    state.steepness, state.closing = steepness, steepness * fall * fall <= state.gtol


cdef int newton_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                        int made_of) noexcept nogil:
    """The Newton direction, or that of steepest descent where the Hessian is of no use."""
    cdef newton_state* state = <newton_state*> memory
    cdef intptr_t n = state.dim, j
    cdef int code = 0
    if made_of == PLAIN:
        return PRECISION_LOSS
    if made_of != AGAIN:
        foresee(state, largest(g, n))
    if made_of != AGAIN and memcmp(state.tried, x, n * sizeof(double)) == 0:
        state.matrix, state.expanded = state.expanded, state.matrix
        state.tried[0] = NAN
    elif made_of != AGAIN:
        code = state.hessian(x, state.matrix, n, state.data)
    if code < 0:
        return OBJECTIVE_FAILED
    if code > 0:
        for j in range(n):
            state.matrix[j * n + j] = NAN
    if not solve_for(state, g, p, free):
        steepest(g, p, n)
    return GO_ON


cdef void newton_learn(double* memory, const double* s, const double* y) noexcept nogil:
    """Keep the Hessian and the step for the direction to come."""
    cdef newton_state* state = <newton_state*> memory
    state.matrix, state.before = state.before, state.matrix
    state.moved, state.convex = True, state.known_convex
    memcpy(state.last, s, state.dim * sizeof(double))


cdef int newton_trust(const double* memory) noexcept nogil:
    return (<const newton_state*> memory).trust


cdef int expanded(const double* x, double* f, double* g, intptr_t n, void* memory) noexcept nogil:
    """The objective at a trial, with the Hessian that will be asked for: most trials are accepted, and few the last."""
    cdef newton_state* state = <newton_state*> memory
    if state.closing:
        return state.objective(x, f, g, n, state.data)
    memcpy(state.tried, x, n * sizeof(double))
    return state.expansion(x, f, g, state.expanded, n, state.data)


cdef int newton_loop(void* run, double* work) noexcept nogil:
    """Descend; with an expansion that is asked in the place of the objective."""
    cdef descent* one = <descent*> run
    cdef l2o_objective_fn objective = one.objective
    cdef void* data = one.data
    cdef int status
    cdef newton_state* state = <newton_state*> one.memory
    if state.expansion != NULL:
        state.objective, state.gtol = one.objective, one.stop.gtol
        one.objective, one.data = expanded, one.memory
    status = descend(one, work)
    one.objective, one.data = objective, data
    return status


cdef descent_method newton
newton.size, newton.reset, newton.propose, newton.learn = newton_size, newton_reset, newton_propose, newton_learn
newton.trust, newton.rescale = newton_trust, NULL
newton.curvature, newton.loop = 0.9, newton_loop


def method(size_t hessian, size_t expansion=0):
    """The method with the address of a Hessian, and of an expansion that is to be used."""
    cdef newton_settings settings
    settings.hessian, settings.expansion = <l2o_hessian_fn> hessian, <l2o_expansion_fn> expansion
    return bound(&newton, &settings, sizeof(newton_settings))
