# One fit by Levenberg and Marquardt: what is known of it, and its step, within bounds.
#
# What is fixed, and what is on a bound with the way down pointing out, is held; the others take the step of the damping
# rule. What that would carry across a bound goes there, and the others step again, knowing of it.
from libc.math cimport INFINITY, fabs
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._evaluate cimport is_held
from l2o._kernels.solvers._bounds cimport within
from l2o._kernels.solvers._curve cimport SPARE, curve, is_fixed
from l2o._kernels.solvers._damping cimport damping, damping_rule
from l2o._kernels.solvers._normal_equations cimport eliminate, solve_back

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
    curve c
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
    bint here                                                  # whether the curve's rows are of x
    intptr_t freedom                                           # points less parameters, at least 1
    intptr_t nfev
    intptr_t nit


cdef inline intptr_t fit_size(intptr_t d, intptr_t k, intptr_t n) noexcept nogil:
    """Doubles of workspace for curves of up to n points."""
    return (d + 1) * n + SPARE + n * (k + 4) + 5 * (d + 1) * (d + 1) + 7 * d


cdef inline double* lay_out(fit* f, double* work) noexcept nogil:
    """Hand out the workspace; what is left is for the points."""
    cdef intptr_t d = f.c.d, square = (d + 1) * (d + 1)
    f.normal, f.normal_trial, f.rows, f.part = work, work + square, work + 2 * square, work + 3 * square
    f.meat = work + 4 * square
    work += 5 * square
    f.trial, f.step, f.scale, f.part_scale = work, work + d, work + 2 * d, work + 3 * d
    f.part_step, f.work, f.moving = work + 4 * d, work + 5 * d, <intptr_t*> (work + 6 * d)
    return work + 7 * d


cdef inline intptr_t gather(fit* f, const double* t, const double* y, const double* sigma, intptr_t n,
                            double* work) noexcept nogil:
    """Take the points that are not masked, one after the other; return how many."""
    cdef intptr_t k = f.c.k, i, j, used = 0
    cdef double total = 0.0, value
    for i in range(n):
        if y[i] == y[i] and (sigma == NULL or sigma[i] != INFINITY):
            used += 1
    f.c.t, f.c.y, f.c.w, f.c.n = t, y, NULL, used
    if used < n or sigma != NULL:
        f.c.t, f.c.y, f.c.w = work, work + n * k, NULL if sigma == NULL else work + n * (k + 1)
        used = 0
        for i in range(n):
            if y[i] == y[i] and (sigma == NULL or sigma[i] != INFINITY):
                for j in range(k):
                    work[used * k + j] = t[i * k + j]
                work[n * k + used] = y[i]
                if sigma != NULL:
                    work[n * (k + 1) + used] = 1.0 / sigma[i]
                used += 1
    f.c.work = work + n * (k + 2)
    f.c.rows = work + n * (k + 4)
    memset(f.c.rows + (f.c.d + 1) * used, 0, SPARE * sizeof(double))
    for i in range(used):
        value = f.c.y[i] if f.c.w == NULL else f.c.y[i] * f.c.w[i]
        total += value * value
    f.noise = 1e-30 * total
    return used


cdef inline intptr_t free_parameters(fit* f) noexcept nogil:
    """Write to `moving` what neither is fixed nor held by a bound; return how many."""
    cdef const curve* c = &f.c
    cdef intptr_t a, n = 0
    for a in range(c.d):
        if c.low == NULL or not (is_fixed(c, a)
                                 or is_held(f.x[a], f.normal[c.d * (c.d + 1) + a], c.low[a], c.high[a])):
            f.moving[n] = a
            n += 1
    return n


cdef inline const double* equations(fit* f, intptr_t n, const double** scale) noexcept nogil:
    """The normal equations of the n parameters that move, after the steps of those that do not."""
    cdef intptr_t d = f.c.d, i, j, a, b
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
    return f.part


cdef inline intptr_t stop_at_bounds(fit* f, intptr_t n) noexcept nogil:
    """Have what would cross a bound go as far as that, or stay where that is uphill; return how many still move."""
    cdef intptr_t i, a, left = 0
    cdef double to
    for i in range(n):
        a = f.moving[i]
        to = f.x[a] + f.part_step[i]
        if f.c.low[a] <= to <= f.c.high[a]:
            f.moving[left] = a
            left += 1
        elif f.part_step[i] * f.normal[f.c.d * (f.c.d + 1) + a] < 0.0:
            f.step[a] = (f.c.low[a] if f.part_step[i] < 0.0 else f.c.high[a]) - f.x[a]
    return left


cdef inline bint propose(fit* f, intptr_t n) noexcept nogil:
    """Fill `step` for the n parameters that move, and `trial`; False if that goes nowhere."""
    cdef const double* normal
    cdef const double* scale
    cdef intptr_t a, i, left
    cdef bint moved = False, ready = f.ready
    memset(f.step, 0, f.c.d * sizeof(double))
    f.ready = False
    while n > 0:
        normal = equations(f, n, &scale)
        if not f.rule.step(&f.state, normal, scale, f.rows, f.part_step, f.work, n, ready):
            return False
        ready = False
        left = n if f.c.low == NULL else stop_at_bounds(f, n)
        if left == n:
            break
        n = left
    for i in range(n):
        f.step[f.moving[i]] = f.part_step[i]
    for a in range(f.c.d):
        f.trial[a] = f.x[a] + f.step[a]
        if f.c.low != NULL:
            f.trial[a] = within(f.trial[a], f.x[a], f.step[a], f.c.low[a], f.c.high[a])
        moved |= fabs(f.step[a]) > 1e-15 * fabs(f.x[a])
    return moved


cdef inline double offset(fit* f, intptr_t n) noexcept nogil:
    """The square of the step that is left, in standard errors, a parameter.

    Directions in which nothing is known any more do not count: they would never end.
    """
    cdef const double* scale
    cdef const double* normal
    cdef double weakness = 0.0, variance = 1.0
    if f.c.loss == NULL or f.c.loss.scaled:
        variance = f.normal[f.c.d * (f.c.d + 2)] / f.freedom
    if n == 0:
        return 0.0
    memset(f.step, 0, f.c.d * sizeof(double))
    normal = equations(f, n, &scale)
    f.gain = eliminate(normal, scale, 0.0, f.rows, n, &weakness)
    f.weak = f.gain < 0.0 or weakness > WEAK
    f.ready = not f.weak
    if f.weak:
        f.gain = eliminate(normal, scale, FLAT, f.rows, n)
    if f.gain < 0.0:
        return INFINITY
    return 0.0 if f.gain <= f.c.d * f.noise else f.gain / (f.c.d * variance)


cdef inline void arrive(fit* f, intptr_t n) noexcept nogil:
    """Take the step that `offset` measured, and what it is expected to gain, where it crosses no bound."""
    cdef intptr_t d = f.c.d, i, a
    if n == 0 or f.weak:
        return
    solve_back(f.rows, f.part_step, n)
    for i in range(n):
        a = f.moving[i]
        if f.c.low != NULL and not f.c.low[a] < f.x[a] + f.part_step[i] < f.c.high[a]:
            return
    for i in range(n):
        f.x[f.moving[i]] += f.part_step[i]
    f.normal[d * (d + 2)] = max(f.normal[d * (d + 2)] - f.gain, 0.0)


cdef inline bint runs_away(fit* f, double left) noexcept nogil:
    """Whether the minimum lies at infinity: there is way left, and many steps gain next to nothing.

    It takes fewer where a parameter loses its influence.
    """
    cdef intptr_t d = f.c.d, a
    cdef double now = f.normal[d * (d + 2)]
    f.slow = f.slow + 1 if f.before - now <= f.tol * d * now / f.freedom and left > NEAR else 0
    f.before = now
    if f.slow > 0:
        for a in range(d):
            if not is_fixed(&f.c, a) and f.normal[a * (d + 2)] < FADING * f.scale[a]:
                return True
    return f.slow == MOST_SLOW
