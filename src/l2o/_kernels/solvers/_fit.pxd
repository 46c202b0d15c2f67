# One fit by Levenberg and Marquardt: what is known of it, and its step, within bounds.
#
# What is fixed, and what is on a bound with the way down pointing out, is held; the others take the step of the damping
# rule. What that would carry across a bound goes there, and the others step again, knowing of it.
from libc.math cimport INFINITY, fabs, isfinite
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_normal_fn
from l2o._kernels.base._evaluate cimport is_held
from l2o._kernels.base._status cimport GO_ON, NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS, STOPPED
from l2o._kernels.solvers._bounds cimport within
from l2o._kernels.solvers._damping cimport MOST_DAMPING, damping, damping_rule, trial
from l2o._kernels.solvers._normal_equations cimport eliminate, expected_gain, size_of, solve_back

cdef extern from *:
    """
    #define L2O_FLAT 1e-12
    #define L2O_FADING 1e-2
    #define L2O_NEAR 1e-4
    #define L2O_WEAK 1e8
    """
    const double FLAT "L2O_FLAT"                               # of its scale, the curvature that counts as none
    const double FADING "L2O_FADING"                           # of it, the curvature of a parameter that runs away
    const double NEAR "L2O_NEAR"                               # offset below which a run is about to converge
    const double WEAK "L2O_WEAK"                               # scale over curvature from where that is looked at

cdef enum:
    PACE = 10                                                  # steps after which the pace is looked at
    MOST_SLOW = 5

ctypedef struct fit:
    l2o_normal_fn normal_equations
    void* data                                                 # that it is called with
    intptr_t d                                                 # parameters
    const double* low                                          # (d,) bounds, low and high, or NULL
    const double* high
    const damping_rule* rule
    damping state
    double tol
    intptr_t maxfev
    double* x                                                  # (d,) the best point
    double* trial                                              # (d,)
    double* step                                               # (d,)
    double* scale                                              # (d,) the largest curvature so far of each parameter
    double* normal                                             # (d + 1, d + 1) at x
    double* normal_trial
    double* rows                                               # (d + 1, d + 1), of eliminate
    double* meat                                               # (d, d), of the covariance
    double* part                                               # the normal equations of some parameters,
    double* part_scale                                         # their scale
    double* part_step                                          # and step
    double* work                                               # (d,)
    intptr_t* moving                                           # (d,) which these are
    double noise                                               # what rounding alone may gain, a parameter
    double before                                              # r'r when the pace was last looked at
    intptr_t slow                                              # how often in a row it was slow
    double gain                                                # of r'r by the step that is left, if r is linear
    bint weak                                                  # whether directions were left out of it
    bint ready                                                 # whether `rows` are of x, without damping
    bint here                                                  # whether the newest evaluation was at x
    double value                                               # half of r'r there; infinite where that failed
    double ratio                                               # what a trial has won of what was expected
    bint scaled                                                # whether the scale of the errors is asked of r'r
    intptr_t freedom                                           # points less parameters, at least 1
    intptr_t nfev
    intptr_t nit


cdef inline intptr_t fit_size(intptr_t d) noexcept nogil:
    """Doubles of workspace."""
    return 5 * (d + 1) * (d + 1) + 8 * d


cdef inline bint is_fixed(const fit* f, intptr_t a) noexcept nogil:
    return f.low != NULL and f.low[a] == f.high[a]


cdef inline int evaluate_fit(fit* f, const double* p, double* normal) noexcept nogil:
    """Fill `normal` at p; GO_ON, or why there is no such point. A derivative by what is fixed counts as zero."""
    cdef intptr_t d = f.d, a, b
    cdef int code = f.normal_equations(p, normal, d, f.data)
    f.value = INFINITY
    f.nfev += 1
    if code != 0:
        return STOPPED if code < 0 else OBJECTIVE_FAILED
    if f.low != NULL:
        for a in range(d):
            for b in range(d + 1 if is_fixed(f, a) else 0):
                normal[max(a, b) * (d + 1) + min(a, b)] = 0.0
    for a in range(d):
        if not isfinite(normal[a * (d + 2)]) or not isfinite(normal[d * (d + 1) + a]):
            return NON_FINITE
    if not isfinite(normal[d * (d + 2)]):
        return NON_FINITE
    f.value = 0.5 * normal[d * (d + 2)]
    return GO_ON


cdef inline double* lay_out(fit* f, double* work) noexcept nogil:
    """Hand out the workspace; return what is left."""
    cdef intptr_t d = f.d, square = (d + 1) * (d + 1)
    f.normal, f.normal_trial, f.rows, f.part = work, work + square, work + 2 * square, work + 3 * square
    f.meat = work + 4 * square
    work += 5 * square
    f.trial, f.step, f.scale, f.part_scale = work, work + d, work + 2 * d, work + 3 * d
    f.part_step, f.work, f.state.last, f.moving = work + 4 * d, work + 5 * d, work + 6 * d, <intptr_t*> (work + 7 * d)
    return work + 8 * d


cdef inline intptr_t free_parameters(fit* f) noexcept nogil:
    """Write to `moving` what neither is fixed nor held by a bound; return how many."""
    cdef intptr_t a, n = 0
    for a in range(f.d):
        if f.low == NULL or not (is_fixed(f, a)
                                 or is_held(f.x[a], f.normal[f.d * (f.d + 1) + a], f.low[a], f.high[a])):
            f.moving[n] = a
            n += 1
    return n


cdef inline const double* equations(fit* f, intptr_t n, const double** scale) noexcept nogil:
    """The normal equations of the n parameters that move, after the steps of those that do not."""
    cdef intptr_t d = f.d, i, j, a, b
    cdef double slope
    if n == d:
        scale[0] = f.scale
        return f.normal
    scale[0] = f.part_scale
    for i in range(n):
        a = f.moving[i]
        f.part_scale[i] = f.scale[a]
        for j in range(i + 1):
            f.part[i * (n + 1) + j] = f.normal[a * (d + 1) + f.moving[j]]
        slope = f.normal[d * (d + 1) + a]
        for b in range(d):
            slope += f.normal[max(a, b) * (d + 1) + min(a, b)] * f.step[b]
        f.part[n * (n + 1) + i] = slope
    f.part[n * (n + 2)] = f.normal[d * (d + 2)]
    return f.part


cdef inline intptr_t stop_at_bounds(fit* f, intptr_t n) noexcept nogil:
    """Have what would cross a bound go as far as that, or stay where that is uphill; return how many still move."""
    cdef intptr_t i, a, left = 0
    cdef double to
    for i in range(n):
        a = f.moving[i]
        to = f.x[a] + f.part_step[i]
        if f.low[a] <= to <= f.high[a]:
            f.moving[left] = a
            left += 1
        elif f.part_step[i] * f.normal[f.d * (f.d + 1) + a] < 0.0:
            f.step[a] = (f.low[a] if f.part_step[i] < 0.0 else f.high[a]) - f.x[a]
    return left


cdef inline bint propose(fit* f, intptr_t n) noexcept nogil:
    """Fill `step` for the n parameters that move, and `trial`; False if that goes nowhere."""
    cdef const double* normal
    cdef const double* scale
    cdef intptr_t a, i, left
    cdef bint moved = False, ready = f.ready
    memset(f.step, 0, f.d * sizeof(double))
    f.ready = False
    while n > 0:
        normal = equations(f, n, &scale)
        if not f.rule.step(&f.state, normal, scale, f.rows, f.part_step, f.work, n, ready):
            return False
        ready = False
        left = n if f.low == NULL else stop_at_bounds(f, n)
        if left == n:
            break
        n = left
    for i in range(n):
        f.step[f.moving[i]] = f.part_step[i]
    for a in range(f.d):
        f.trial[a] = f.x[a] + f.step[a]
        if f.low != NULL:
            f.trial[a] = within(f.trial[a], f.x[a], f.step[a], f.low[a], f.high[a])
        moved |= fabs(f.step[a]) > 1e-15 * fabs(f.x[a])
    return moved


cdef inline void expect(fit* f, intptr_t n) noexcept nogil:
    """Find what the n parameters that move would gain if r were linear, -1 if that is not to be told.

    Directions in which nothing is known any more do not count: they would never end.
    """
    cdef const double* scale
    cdef const double* normal
    cdef double weakness = 0.0
    memset(f.step, 0, f.d * sizeof(double))
    normal = equations(f, n, &scale)
    f.gain = eliminate(normal, scale, 0.0, f.rows, n, &weakness)
    f.weak = f.gain < 0.0 or weakness > WEAK
    f.ready, f.state.gain = not f.weak, f.gain
    if f.weak:
        f.gain = eliminate(normal, scale, FLAT, f.rows, n)


cdef inline double offset(fit* f, intptr_t n) noexcept nogil:
    """The square of the step that is left, in standard errors, a parameter."""
    cdef double variance = f.normal[f.d * (f.d + 2)] / f.freedom if f.scaled else 1.0
    if n == 0:
        return 0.0
    expect(f, n)
    if f.gain < 0.0:
        return INFINITY
    return 0.0 if f.gain <= f.d * f.noise else f.gain / (f.d * variance)


cdef inline void arrive(fit* f, intptr_t n) noexcept nogil:
    """Take the step that `offset` measured, and what it is expected to gain, where it crosses no bound."""
    cdef intptr_t d = f.d, i, a
    if n == 0 or f.weak:
        return
    solve_back(f.rows, f.part_step, n)
    for i in range(n):
        a = f.moving[i]
        if f.low != NULL and not f.low[a] < f.x[a] + f.part_step[i] < f.high[a]:
            return
    for i in range(n):
        f.x[f.moving[i]] += f.part_step[i]
    f.normal[d * (d + 2)] = max(f.normal[d * (d + 2)] - f.gain, 0.0)


cdef inline bint runs_away(fit* f, bint far) noexcept nogil:
    """Whether the minimum lies at infinity: it is far, and many steps gain next to nothing.

    It takes fewer where a parameter loses its influence.
    """
    cdef intptr_t d = f.d, a
    cdef double now = f.normal[d * (d + 2)]
    cdef bint away
    f.slow = f.slow + 1 if f.before - now <= f.tol * d * now / f.freedom and far else 0
    f.before = now
    away = f.slow == MOST_SLOW
    for a in range(d if f.slow > 0 else 0):
        away |= not is_fixed(f, a) and f.normal[a * (d + 2)] < FADING * f.scale[a]
    if away and not f.state.textbook:                          # it may be the rule that is slow
        f.slow, f.state.textbook, f.state.value = 0, True, 0.0
        return False
    return away


cdef inline int begin_fit(fit* f) noexcept nogil:
    """Evaluate the start; GO_ON, or why the run ends there."""
    cdef intptr_t d = f.d, a
    cdef int status
    f.nfev, f.nit, f.here = 0, 0, True
    for a in range(d):
        if not isfinite(f.x[a]):
            return NON_FINITE
    if f.low != NULL:
        for a in range(d):
            f.x[a] = min(max(f.x[a], f.low[a]), f.high[a])
    status = evaluate_fit(f, f.x, f.normal)
    if status != GO_ON:
        return status
    for a in range(d):
        f.scale[a] = f.normal[a * (d + 2)] if f.normal[a * (d + 2)] > 0.0 else 1.0
    f.before, f.slow = f.normal[d * (d + 2)], 0
    f.rule.begin(&f.state, size_of(f.x, f.scale, d))
    return GO_ON


cdef inline void go_to_trial(fit* f) noexcept nogil:
    cdef intptr_t a
    f.nit, f.here = f.nit + 1, True
    memcpy(f.x, f.trial, f.d * sizeof(double))
    f.normal, f.normal_trial = f.normal_trial, f.normal
    for a in range(f.d):
        f.scale[a] = max(f.scale[a], f.normal[a * (f.d + 2)])


cdef inline int attempt_step(fit* f, bint* accepted) noexcept nogil:
    """Evaluate the trial, and take it where it is lower; GO_ON, or why the run ends."""
    cdef intptr_t d = f.d, a
    cdef double expected = expected_gain(f.normal, f.step, d), fall = -INFINITY, value = 0.5 * f.normal[d * (d + 2)]
    cdef trial t
    cdef int status = evaluate_fit(f, f.trial, f.normal_trial)
    f.ratio = -10.0
    if status == STOPPED:
        return status
    if status == GO_ON:
        fall = value - f.value
        if expected > 0.0:
            f.ratio = fall / expected
    accepted[0] = f.here = fall > 0.0
    if not accepted[0] and fall >= -1e-14 * value and expected <= 1e-13 * value:
        return PRECISION_LOSS
    t.step, t.scale, t.there, t.d = f.step, f.scale, f.normal_trial + d * (d + 1) if status == GO_ON else NULL, d
    t.ratio, t.size, t.slope, t.fall, t.first = f.ratio, size_of(f.step, f.scale, d), 0.0, fall, f.nfev == 2
    for a in range(d):
        t.slope += f.normal[d * (d + 1) + a] * f.step[a]
    f.rule.learn(&f.state, &t)
    if accepted[0]:
        go_to_trial(f)
    return GO_ON if f.state.value <= MOST_DAMPING else PRECISION_LOSS
