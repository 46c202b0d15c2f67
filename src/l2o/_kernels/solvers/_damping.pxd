# How far a step goes: More's trust region, or Nielsen's damping.
#
# J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical Analysis, Lecture Notes in
# Mathematics 630 (1978). H. B. Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05 (1999).
from libc.math cimport fabs, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.solvers._normal_equations cimport eliminate, shrinkage, size_of, solve_back

cdef extern from *:
    """
    #define L2O_MOST_DAMPING 1e18
    """
    const double MOST_DAMPING "L2O_MOST_DAMPING"

cdef enum:
    MOST_SECANTS = 10                                          # of a search for a step of the right length

ctypedef struct damping:
    const double* numbers                                      # of the rule: factor of the radius, or first damping
    double value                                               # in units of the scale of each parameter
    double radius
    double growth
    double gain                                                # of r'r, by the whole step, where that is `ready`
    double share                                               # the logarithm of gain over r'r
    double level                                               # that of value
    double stretch                                             # what the next step is multiplied by
    double* last                                               # (d,) the last step that led down
    intptr_t rejections                                        # in a row
    intptr_t trials
    intptr_t failures                                          # trials that led up
    bint moved                                                 # whether there is one
    bint textbook                                              # whether More's or Nielsen's rule is in force

ctypedef struct trial:                                         # what came of a step
    const double* step                                         # (d,)
    const double* scale                                        # (d,)
    const double* there                                        # (d,) the gradient where it led; NULL: not finite
    intptr_t d
    double ratio                                               # gained over expected
    double size
    double slope                                               # along the step
    double fall                                                # of f, the true one; -inf: not finite
    bint first

ctypedef struct damping_rule:
    void (*begin)(damping* state, double size) noexcept nogil  # size of the start
    # step (d,) <- that of the rule; False if there is none. rows (d + 1, d + 1) hold what was eliminated without
    # damping, if that is `ready`; they and work (d,) are workspace.
    bint (*step)(damping* state, const double* normal, const double* scale, double* rows, double* step, double* work,
                 intptr_t d, bint ready) noexcept nogil
    void (*learn)(damping* state, const trial* t) noexcept nogil
    const damping_rule* second                                 # More's, where this one comes to no end; or NULL
    double radius                                              # its number


cdef inline void more_begin(damping* state, double size) noexcept nogil:
    state.value, state.textbook = 0.0, True
    state.radius = state.numbers[0] * (size if size > 0.0 else 1.0)


cdef inline bint more_step(damping* state, const double* normal, const double* scale, double* rows, double* step,
                           double* work, intptr_t d, bint ready) noexcept nogil:
    """The step of Gauss and Newton where it is within the radius, else one that is as long to a tenth."""
    cdef double size, low = 0.0, high = 0.0, value
    cdef intptr_t a, _
    if ready or eliminate(normal, scale, 0.0, rows, d) >= 0.0:
        solve_back(rows, step, d)
        size = size_of(step, scale, d)
        if size <= 1.1 * state.radius:
            state.value = 0.0
            return True
        low = size * size / shrinkage(rows, step, scale, work, d) * (size - state.radius) / state.radius
    for a in range(d):
        high += normal[d * (d + 1) + a] * normal[d * (d + 1) + a] / scale[a]
    high = sqrt(high) / state.radius
    low = min(low, high)
    value = min(max(state.value, low), high)
    size = -1.0
    for _ in range(MOST_SECANTS):
        if value <= 0.0:
            value = 1e-3 * high
        if eliminate(normal, scale, value, rows, d) < 0.0:
            low = max(low, value)
            value = max(sqrt(low * high), 1e-3 * high)
            continue
        solve_back(rows, step, d)
        size = size_of(step, scale, d)
        if fabs(size - state.radius) <= 0.1 * state.radius:
            break
        if size > state.radius:
            low = max(low, value)
        else:
            high = min(high, value)
        value += size * size / shrinkage(rows, step, scale, work, d) * (size - state.radius) / state.radius
        if not low < value < high:
            value = max(sqrt(low * high), 1e-3 * high)
    state.value = value
    return size >= 0.0


cdef inline void more_learn(damping* state, const trial* t) noexcept nogil:
    cdef double shorter = 0.5
    if t.first:
        state.radius = min(state.radius, t.size)
    if t.ratio <= 0.25:
        if not t.fall >= 0.0:                                  # higher, where a parabola has its minimum; or not finite
            shorter = 0.5 * t.slope / (t.slope + t.fall) if t.fall > -1e300 else 0.1
        shorter = min(max(shorter, 0.1), 0.5)
        state.radius = shorter * min(state.radius, 10.0 * t.size)
        state.value /= shorter
    elif state.value == 0.0 or t.ratio >= 0.75:
        state.radius = 2.0 * t.size
        state.value *= 0.5


cdef inline void nielsen_begin(damping* state, double size) noexcept nogil:
    state.value, state.growth, state.textbook = state.numbers[0], 2.0, True


cdef inline bint nielsen_step(damping* state, const double* normal, const double* scale, double* rows, double* step,
                              double* work, intptr_t d, bint ready) noexcept nogil:
    while eliminate(normal, scale, state.value, rows, d) < 0.0:
        state.value = max(10.0 * state.value, 1e-10)
        if state.value > MOST_DAMPING:
            return False
    solve_back(rows, step, d)
    return state.value <= MOST_DAMPING


cdef inline void nielsen_learn(damping* state, const trial* t) noexcept nogil:
    cdef double rest = 2.0 * min(t.ratio, 2.0) - 1.0
    if t.fall > 0.0:
        state.value *= max(1.0 / 3.0, 1.0 - rest * rest * rest)
        state.growth = 2.0
    else:
        state.value *= state.growth
        state.growth *= 2.0
