# When a run has converged: the one rule of all methods, in numbers that know no units.
#
# gtol: the largest |g| is within it. ftol: the last decrease of f and the gap to the minimum that the method's matrix
# predicts, g'Hg / 2, are both within `tolerance`, and the gradient has become small beside what was met in the last
# steps. Where that cannot be told from the run (_scrutiny.pxd), further gradients tell. xtol: the last step is
# within xtol (xtol + |x|). An objective that may have no minimum has an infimum: f is there within ftol times the fall
# of the run.
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._evaluate cimport rounding

cdef extern from *:
    """
    #define L2O_FLAT 1e-3
    """
    const double FLAT "L2O_FLAT"                               # of the largest gradient: smaller ones are small

cdef enum:
    WINDOW = 10                                                # steps that are remembered
    LATEST = 3                                                 # steps whose fall measures what is left to gain

ctypedef struct end_rule:                                       # of all runs of a call
    double gtol
    double ftol
    double xtol
    double infimum                                             # -inf where every problem has a minimum, or who knows
    intptr_t maxiter
    intptr_t maxfun

ctypedef struct stopping:
    double gtol
    double ftol                                                # 0: not in force, and so is xtol
    double xtol
    double infimum
    # ------ what the run has shown; kept with ftol only
    double first                                               # value that the fall is counted from
    double decrease                                            # of the last step
    double foreseen                                            # by the matrix, of that step; infinite: not asked
    double gap                                                 # that it foresees now
    double values[WINDOW]                                      # before each of the last steps
    double slopes[WINDOW]                                      # largest |g| evaluated during each of them
    intptr_t steps
    double* changes                                            # (WINDOW, n) of the gradient, over the last steps
    intptr_t changed                                           # how many there were


cdef inline int read_rule(end_rule* rule, object given) except -1:
    """Take on tolerances and limits: attributes of these names."""
    rule.gtol, rule.ftol, rule.xtol, rule.infimum = given.gtol, given.ftol, given.xtol, given.infimum
    rule.maxiter, rule.maxfun = given.maxiter, given.maxfun
    return 0


cdef inline void stopping_start(stopping* stop, double f, double slope) noexcept nogil:
    """slope, here and below: the largest entry of a gradient, without those of variables that a bound holds."""
    cdef intptr_t k
    stop.first, stop.decrease, stop.steps, stop.changed = f, INFINITY, 0, 0
    stop.foreseen, stop.gap = INFINITY, INFINITY
    for k in range(WINDOW):
        stop.values[k], stop.slopes[k] = f, 0.0
    stop.slopes[0] = slope


cdef inline void stopping_see(stopping* stop, double slope) noexcept nogil:
    """Take note of a gradient at a trial."""
    cdef intptr_t now = stop.steps % WINDOW
    stop.slopes[now] = max(stop.slopes[now], slope)


cdef inline void stopping_step(stopping* stop, double before, double f, double slope) noexcept nogil:
    """Take note of a step from a value `before` to f."""
    stop.decrease, stop.foreseen, stop.gap = before - f, stop.gap, INFINITY
    stop.values[stop.steps % WINDOW] = before
    stop.steps += 1
    stop.slopes[stop.steps % WINDOW] = slope


cdef inline void stopping_change(stopping* stop, const double* change, intptr_t n) noexcept nogil:
    """Take note of how the gradient changed over a step."""
    memcpy(stop.changes + stop.changed % WINDOW * n, change, n * sizeof(double))
    stop.changed += 1


cdef inline double tolerance(const stopping* stop, double f) noexcept nogil:
    """What f may still fall by at a point that counts as the minimum.

    ftol times the fall of the run, or what is left of f and its latest fall, if that is less (a steep start says
    nothing of the end); never less than f is known to.
    """
    cdef double before = stop.values[(stop.steps - LATEST) % WINDOW] if stop.steps >= LATEST else stop.first
    return max(stop.ftol * min(stop.first - f, fabs(f) + (before - f)), rounding(f))


cdef inline double tolerance_at_last_digits(const stopping* stop, double f, double most) noexcept nogil:
    """The same where no digit of x that matters is left to find: ftol times the fall of the whole run."""
    cdef double least = stop.ftol * (stop.first - f)
    return max(tolerance(stop, f), least if fabs(f) <= most * least else 0.0)


cdef inline bint at_infimum(const stopping* stop, double f) noexcept nogil:
    """Whether nothing is left to gain, though f may fall for ever."""
    return f - stop.infimum <= stop.ftol * (stop.first - f)


cdef inline bint is_flat(const stopping* stop, double slope) noexcept nogil:
    """Whether the gradient is small beside those of the last steps: at a kink it is not, however small the steps."""
    cdef double most = 0.0
    cdef intptr_t k
    for k in range(WINDOW):
        most = max(most, stop.slopes[k])
    return slope <= FLAT * most


cdef inline bint is_foreseen(const stopping* stop) noexcept nogil:
    """Whether the last step won about what the matrix had foreseen."""
    return 0.5 * stop.foreseen <= stop.decrease <= 2.0 * stop.foreseen


cdef inline bint is_short(const stopping* stop, const double* step, const double* x, intptr_t n) noexcept nogil:
    """Whether the step to x is within xtol."""
    cdef double length = 0.0, size = 0.0
    cdef intptr_t j
    for j in range(n):
        length += step[j] * step[j]
        size += x[j] * x[j]
    return sqrt(length) <= stop.xtol * (stop.xtol + sqrt(size))
