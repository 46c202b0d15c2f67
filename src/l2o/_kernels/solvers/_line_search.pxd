# A line search to the strong Wolfe conditions, after Moré and Thuente, "Line search algorithms with guaranteed
# sufficient decrease", ACM Transactions on Mathematical Software 20 (1994); the case numbers are theirs.
#
# phi(a) = f(x + a p). The search keeps `low`, the best step so far, and once a minimum is bracketed the other
# end `high` of the interval that holds it. Three things are not in the paper. Values that differ by rounding
# alone count as equal, so that slopes decide near the floor of precision. And a trial at which f is not finite
# is a `wall`: the search starts over in front of it. At a kink, where the slope jumps and no trial meets the
# conditions, the search ends beyond it, after Lewis and Overton, "Nonsmooth optimization via quasi-Newton methods",
# Mathematical Programming 141 (2013): the step over it teaches the method that it is there.
from libc.math cimport INFINITY, fabs, isfinite, sqrt

cdef extern from *:
    """
    #define L2O_DECREASE 1e-3
    #define L2O_NARROW 1e-10
    #define L2O_NEAR_KINK 0.1
    #define L2O_JUMP 0.5
    #define L2O_SHRINK 0.66
    """
    const double DECREASE "L2O_DECREASE"                       # as in L-BFGS-B
    const double NARROW "L2O_NARROW"                           # relative width of an interval without hope
    const double NEAR_KINK "L2O_NEAR_KINK"                     # the same of an interval with a kink in it
    const double JUMP "L2O_JUMP"                               # of the slopes' first difference: more is a kink's
    const double SHRINK "L2O_SHRINK"                           # by which the interval shrinks in two trials, at least

cdef enum:
    SEARCHING = 0
    ACCEPTED = 1
    GIVEN_UP = 2
    MOST_TRIALS = 20                                           # as in L-BFGS-B

ctypedef struct line_search:
    double f, slope                                            # phi(0) and phi'(0) < 0
    double curvature                                           # of the slope, what a step may leave
    double slack                                               # what rounding may change phi by
    double low, f_low, slope_low
    double high, f_high, slope_high
    double most                                                # longest step that may be taken, at least 1
    double wall                                                # shortest step known to lead out of the domain
    double width, width_before                                 # of the interval
    double jump                                                # of the slope over the interval when it was new
    double step                                                # the next trial
    bint bracketed
    bint first_stage                                           # phi less the decrease asked for guides the search
    int trials


cdef inline void search_restart(line_search* s, double width) noexcept nogil:
    s.bracketed, s.first_stage = False, True
    s.width, s.width_before, s.jump = width, 2.0 * width, INFINITY


cdef inline void search_start(line_search* s, double f, double slope, double curvature, double slack,
                              double most) noexcept nogil:
    """Begin with a trial at step 1."""
    s.most = most
    s.f, s.slope, s.curvature, s.slack = f, slope, curvature, slack
    s.low, s.f_low, s.slope_low = 0.0, f, slope
    s.high, s.f_high, s.slope_high = 0.0, f, slope
    s.wall, s.step, s.trials = INFINITY, 1.0, 0
    search_restart(s, INFINITY)


cdef inline double cubic_minimiser(double a, double f_a, double slope_a, double b, double f_b,
                                   double slope_b) noexcept nogil:
    """Where the cubic through two values and slopes is least; NaN if it is monotonic.

    Nocedal and Wright, Numerical Optimization (2006), equation 3.59.
    """
    cdef double d1 = slope_a + slope_b - 3.0 * (f_a - f_b) / (a - b)
    cdef double scale = max(max(fabs(d1), fabs(slope_a)), fabs(slope_b))   # the squares must not overflow
    cdef double d2 = scale * sqrt((d1 / scale) * (d1 / scale) - (slope_a / scale) * (slope_b / scale))
    if b < a:
        d2 = -d2
    return b - (b - a) * ((slope_b + d2 - d1) / (slope_b - slope_a + 2.0 * d2))


cdef inline double closer(double to, double a, double b) noexcept nogil:
    return a if fabs(a - to) < fabs(b - to) else b


cdef inline double next_trial(const line_search* s, double f, double slope) noexcept nogil:
    """The step that interpolation proposes after (f, slope) at s.step."""
    cdef double t = s.step, low = s.low, ahead = t - low
    cdef double cubic, secant = t - ahead * (slope / (slope - s.slope_low)), nearest, farthest, bound
    if f > s.f_low:                                            # case 1: a minimum in between
        cubic = cubic_minimiser(t, f, slope, low, s.f_low, s.slope_low)
        secant = low + 0.5 * ahead * (s.slope_low / ((s.f_low - f) / ahead + s.slope_low))     # of the parabola
        return cubic if fabs(cubic - low) < fabs(secant - low) else 0.5 * (cubic + secant)
    cubic = cubic_minimiser(low, s.f_low, s.slope_low, t, f, slope)
    if slope * s.slope_low < 0.0:                              # case 2: the slope has turned
        return secant if closer(t, cubic, secant) == cubic else cubic
    nearest = t if s.bracketed or s.trials == 1 else t + 1.1 * ahead
    farthest = s.high if s.bracketed else t + 4.0 * ahead
    if fabs(slope) >= fabs(s.slope_low):                       # case 4: it falls faster
        return cubic_minimiser(s.high, s.f_high, s.slope_high, t, f, slope) if s.bracketed else farthest
    if not (cubic - t) * ahead > 0.0:                          # case 3: it falls less; without a minimum ahead
        cubic = farthest
    if s.bracketed:
        bound = t + SHRINK * (s.high - t)
        return closer(t, closer(t, cubic, secant), bound)
    cubic = secant if closer(t, cubic, secant) == cubic else cubic
    return min(max(cubic, nearest), farthest) if ahead > 0.0 else max(min(cubic, nearest), farthest)


cdef inline void narrow(line_search* s, double f, double slope) noexcept nogil:
    """Take the trial into the interval (the updating algorithm of section 2)."""
    if f > s.f_low:
        s.high, s.f_high, s.slope_high = s.step, f, slope
        s.bracketed = True
        return
    if slope * s.slope_low < 0.0:
        s.high, s.f_high, s.slope_high = s.low, s.f_low, s.slope_low
        s.bracketed = True
    s.low, s.f_low, s.slope_low = s.step, f, slope


cdef inline void tilt(line_search* s, double slope) noexcept nogil:
    """Add a line through the origin to phi at both ends."""
    s.f_low, s.slope_low = s.f_low + s.low * slope, s.slope_low + slope
    s.f_high, s.slope_high = s.f_high + s.high * slope, s.slope_high + slope


cdef inline bint at_kink(line_search* s) noexcept nogil:
    """Whether the slopes at the ends stay apart while the interval narrows; what f does not show may be rounding."""
    cdef double jump = fabs(s.slope_high - s.slope_low)
    if s.jump == INFINITY:
        s.jump = jump
    return s.width <= NEAR_KINK * max(s.low, s.high) and jump >= JUMP * s.jump and jump * s.width > s.slack


cdef inline int before_wall(line_search* s) noexcept nogil:
    """The trial is outside the domain: forget the interval and go a quarter of the way there."""
    s.wall = s.step
    if not (s.low < s.wall and s.slope_low < 0.0):
        s.low, s.f_low, s.slope_low = 0.0, s.f, s.slope
    search_restart(s, INFINITY)
    s.step = s.low + 0.25 * (s.wall - s.low)
    return SEARCHING if s.trials < MOST_TRIALS and s.low < s.step < s.wall else GIVEN_UP


cdef inline int search_advance(line_search* s, bint finite, double f, double slope) noexcept nogil:
    """Judge the trial at s.step by its value and slope; while SEARCHING, s.step is the next one."""
    cdef double asked = s.f + DECREASE * s.step * s.slope, step, line = 0.0
    s.trials += 1
    if not finite:
        return before_wall(s)
    if f <= asked + s.slack and fabs(slope) <= s.curvature * fabs(s.slope):
        return ACCEPTED
    if s.step >= s.most and f <= asked + s.slack and slope < 0.0:           # it falls as far as it may go
        return ACCEPTED
    if s.trials == MOST_TRIALS or (f > s.f + s.slack and s.step * fabs(s.slope) <= s.slack):    # f is noise
        return GIVEN_UP
    if s.f_low < f <= s.f_low + s.slack:
        f = s.f_low
    if f <= asked and slope >= 0.0:
        s.first_stage = False
    if s.first_stage and asked < f <= s.f_low:
        line = DECREASE * s.slope
    tilt(s, -line)
    step = next_trial(s, f - s.step * line, slope - line)
    narrow(s, f - s.step * line, slope - line)
    tilt(s, line)
    if s.bracketed:
        if not (min(s.low, s.high) < step < max(s.low, s.high)) \
                or fabs(s.high - s.low) >= SHRINK * s.width_before:
            step = 0.5 * (s.low + s.high)
        s.width_before, s.width = s.width, fabs(s.high - s.low)
        if at_kink(s) and f <= asked + s.slack and slope >= 0.0:
            return ACCEPTED
        if s.width <= NARROW * max(s.low, s.high):
            return GIVEN_UP
    elif step >= s.wall:
        step = 0.5 * (s.low + s.wall)
        if s.wall - s.low <= NARROW * s.wall:
            return GIVEN_UP
    if not isfinite(step):
        return GIVEN_UP
    s.step = min(step, s.most)
    return SEARCHING
