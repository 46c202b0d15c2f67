# Damped Newton: the direction -(H + shift D)^-1 g, D the diagonal of H, shift the first that makes the matrix positive
# definite (Nocedal and Wright, 2006, algorithm 3.3). Elimination in plain loops: d is small, and LAPACK costs more to
# call.
#
# From the second step on, H is the Hessian to expect halfway along the step, to first order: B + th (B - B_before),
# B that of the iterate, B_before that of the one before, a step s back, and th = r / 2. How many times s the step will
# be is r = -g's / s'Bs. Where that matrix is not positive definite, H is B.
from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_hessian_fn
from l2o._kernels.base._status cimport GO_ON, OBJECTIVE_FAILED, PRECISION_LOSS
from l2o._kernels.solvers._descent cimport AGAIN, EXACT, NO_GAP, PLAIN, PREDICTED, descent_method, product, steepest

cdef extern from *:
    """
    #define L2O_EPSILON 2.220446049250313e-16
    #define L2O_LEAST_SHIFT 3e-3
    #define L2O_NO_PIVOT 1e-12
    #define L2O_NO_SLOPE 1e-6
    #define L2O_FARTHEST 0.5
    """
    const double EPSILON "L2O_EPSILON"
    const double LEAST_SHIFT "L2O_LEAST_SHIFT"                 # all in units of the diagonal
    const double NO_PIVOT "L2O_NO_PIVOT"
    const double NO_SLOPE "L2O_NO_SLOPE"                       # of the steepest variable's
    const double FARTHEST "L2O_FARTHEST"                       # of th

cdef enum:
    MOST_SHIFTS = 40


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


cdef intptr_t newton_size(intptr_t n, size_t hessian) noexcept nogil:
    return header() + n * (5 * n + 5)


cdef void newton_reset(double* memory, intptr_t n, size_t hessian, void* data) noexcept nogil:
    cdef newton_state* state = <newton_state*> memory
    state.dim, state.hessian, state.data = n, <l2o_hessian_fn> hessian, data
    state.moved = False
    state.matrix = memory + header()
    state.before = state.matrix + n * n
    state.ahead = state.before + n * n
    state.last = state.ahead + n * n
    state.block = state.last + n
    state.rows = state.block + n * (n + 2)
    state.unit = state.rows + (n + 1) * n


cdef bint matters_not(const double* rows, const double* g, const double* unit, intptr_t j, intptr_t n) noexcept nogil:
    """Whether a variable adds nothing to those before it, as a constant column or one that is there twice does.

    Its pivot is zero but for rounding, and so is what is left of its gradient.
    """
    cdef double steepest_slope = 0.0
    cdef intptr_t i
    for i in range(n):
        if unit[i] > 0.0:
            steepest_slope = max(steepest_slope, fabs(g[i]) / sqrt(unit[i]))
    return (fabs(rows[j * n + j]) <= NO_PIVOT * unit[j]
            and fabs(rows[n * n + j]) <= NO_SLOPE * sqrt(unit[j]) * steepest_slope)


cdef inline int eliminate(const double* matrix, const double* g, double shift, const double* unit, double* rows,
                          intptr_t n) noexcept nogil:
    """Rows of L and, as row n, of -D^-1 L^-1 g, where L D L' = H + shift diag(unit); 0 if a pivot is not positive.

    Positive is above what rounding may leave of that diagonal entry, whatever the size of the others. A variable that
    does not matter is left out, and 2 returned, else 1. The right-hand side goes along as one more row, and a pivot is
    divided by only once: there is no root to wait for.
    """
    cdef intptr_t i, j, k
    cdef int outcome = 1
    cdef double inverse, entry
    for i in range(n):
        for k in range(i + 1):
            rows[i * n + k] = matrix[i * n + k]
        rows[n * n + i] = -g[i]
    for j in range(n):
        if not rows[j * n + j] + shift * unit[j] > EPSILON * n * unit[j]:
            if shift > 0.0 or not matters_not(rows, g, unit, j, n):
                return 0
            outcome = 2
            for i in range(j + 1, n + 1):
                rows[i * n + j] = 0.0
            continue
        inverse = 1.0 / (rows[j * n + j] + shift * unit[j])
        for i in range(j + 1, n + 1):
            entry = rows[i * n + j]
            rows[i * n + j] = entry * inverse
            for k in range(j + 1, min(i + 1, n)):
                rows[i * n + k] -= entry * rows[k * n + j]
    return outcome


cdef inline double measure(const double* matrix, const double* g, double* unit, intptr_t n) noexcept nogil:
    """Write what counts as 1 along each variable, and return the first shift.

    It is the variable's own curvature, so that units do not matter, unless that of some variable is not positive.
    """
    cdef intptr_t j
    cdef double scale = 0.0, lowest = INFINITY
    for j in range(n):
        unit[j] = matrix[j * n + j]
        scale = max(scale, fabs(unit[j]))
        if unit[j] != 0.0 or g[j] != 0.0:
            lowest = min(lowest, unit[j])
    if lowest > 0.0:
        return 0.0
    for j in range(n):
        unit[j] = scale
    return LEAST_SHIFT - lowest / scale


cdef inline void substitute(const double* rows, double* p, intptr_t n) noexcept nogil:
    """p from the rows of `eliminate`."""
    cdef intptr_t i, j
    for i in range(n - 1, -1, -1):
        p[i] = rows[n * n + i]
        for j in range(i + 1, n):
            p[i] -= rows[j * n + i] * p[j]


cdef inline bint solve(newton_state* state, const double* matrix, const double* g, double* p, bint shifted,
                       intptr_t n) noexcept nogil:
    """p <- -(H + shift diag(unit))^-1 g with the smallest shift that was tried.

    False if H is not finite, or zero; or, unless it may be shifted, not positive definite.
    """
    cdef double shift = measure(matrix, g, state.unit, n)
    cdef int outcome, _
    if shift > 0.0 and not shifted:
        return False
    for _ in range(MOST_SHIFTS if shifted else 1):
        outcome = eliminate(matrix, g, shift, state.unit, state.rows, n)
        if outcome:
            state.trust = EXACT if shift == 0.0 and outcome == 1 else PREDICTED
            substitute(state.rows, p, n)
            return True
        shift = max(4.0 * shift, LEAST_SHIFT)
    return False


cdef bint solve_free(newton_state* state, const double* matrix, const double* g, double* p, const double* free,
                     bint shifted, intptr_t n) noexcept nogil:
    """`solve` for the free variables; p is zero elsewhere."""
    cdef double* slope = state.block + n * n
    cdef double* way = slope + n
    cdef intptr_t i, j, entry = 0, row = 0
    for i in range(n):
        p[i] = 0.0
        if free[i] > 0.0:
            slope[row] = g[i]
            row += 1
            for j in range(n):
                if free[j] > 0.0:
                    state.block[entry] = matrix[i * n + j]
                    entry += 1
    if not solve(state, state.block, slope, way, shifted, row):
        return False
    for i in range(n - 1, -1, -1):
        if free[i] > 0.0:
            row -= 1
            p[i] = way[row]
    return True


cdef inline bint solve_with(newton_state* state, const double* matrix, const double* g, double* p, const double* free,
                            bint shifted) noexcept nogil:
    """`solve` for the variables that are free. A constant unrolls the loops, by a third of their time."""
    if free != NULL:
        return solve_free(state, matrix, g, p, free, shifted, state.dim)
    if state.dim == 4:                                         # what the regressions with three features have
        return solve(state, matrix, g, p, shifted, 4)
    return solve(state, matrix, g, p, shifted, state.dim)


cdef inline bint look_ahead(newton_state* state, const double* g) noexcept nogil:
    """Write the matrix that is expected halfway along the coming step; False if there is no last step to go by."""
    cdef intptr_t n = state.dim, i
    cdef double bend = 0.0, share
    if not state.moved:
        return False
    for i in range(n):
        bend += state.last[i] * product(state.matrix + i * n, state.last, n)
    if not 0.0 < bend < INFINITY:
        return False
    share = min(max(-0.5 * product(g, state.last, n) / bend, -FARTHEST), FARTHEST)
    for i in range(n * n):
        state.ahead[i] = state.matrix[i] + share * (state.matrix[i] - state.before[i])
    return True


cdef int newton_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                        int made_of) noexcept nogil:
    """The Newton direction, or that of steepest descent where the Hessian is of no use."""
    cdef newton_state* state = <newton_state*> memory
    cdef intptr_t n = state.dim, j
    cdef int code = 0
    cdef bint solved
    if made_of == PLAIN:
        return PRECISION_LOSS
    state.trust = NO_GAP
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
METHOD = <size_t> &newton
