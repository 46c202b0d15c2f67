# What a run alone cannot tell before it is called converged: a few more gradients do.
#
# A variable in a unit of its own may not have moved yet: its gradient is small because its unit is, and the matrix
# knows nothing of it. Then, and where f is known no better than what is left to gain, one gradient a variable gives the
# Hessian, and the gap is judged with that. So it is after a run of many evaluations a variable: it is long because of
# valleys and saddles, where the matrix is wrong, and a Hessian costs little beside it. A gradient or two along what its
# steps have left out tell of a short one (_left_out.pxd), and of any whose last steps lead closer and leave out one
# direction; those that leave out none are believed. If the gap is too wide, the run goes on in units of the diagonal.
# And where the gradient has not become small, a kink may stop the steps (_kink.pxd); if there is none, a variable with
# a unit of its own may hold the gradient up, which the Hessian shows.
#
# The points of the Hessian are far off first, where the gradient changes in spite of its rounding. Where what it shows
# is as much as may be left, the points were just as far off as the slope reaches, and beside a saddle that hides it:
# then, too, the Hessian is measured near. Where no change is to be seen near, what was seen far off stands.
from libc.math cimport INFINITY, copysign, fabs, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._evaluate cimport is_held, largest, rounding
from l2o._kernels.base._status cimport CONVERGED, GO_ON, NON_FINITE
from l2o._kernels.solvers._descent cimport attempt, descent, slope_of
from l2o._kernels.solvers._descent_method cimport EXACT, PREDICTED, product
from l2o._kernels.solvers._doubt cimport doubt, is_closer, is_fast, is_last_digits, is_long, is_misled
from l2o._kernels.solvers._hessian_gap cimport MOST_COUPLED, hessian_gap, keep
from l2o._kernels.solvers._kink cimport most_moved, probe_kink
from l2o._kernels.solvers._left_out cimport directions, look_at_the_rest
from l2o._kernels.solvers._stopping cimport (
    WINDOW, at_infimum, is_flat, stopping_start, tolerance, tolerance_at_last_digits)

cdef enum:
    RESCALED = -2                                              # not converged: the run begins anew in other units
    LOOK = 4                                                   # evaluations a variable that it may take
    MOST_RESCALINGS = 3
    MOST_DOUBTS = 6                                            # and after them ftol is not in force

cdef extern from *:
    """
    #define L2O_STILL 1e-2
    #define L2O_FAR 100.0
    #define L2O_NEAR 1e-4
    #define L2O_CLEAR 0.5
    #define L2O_BARELY 2.0
    #define L2O_LITTLE 10.0
    #define L2O_ENOUGH 100.0
    #define L2O_NOTHING 1e-18
    """
    const double STILL "L2O_STILL"                             # of the largest move: less may be a matter of units
    const double FAR "L2O_FAR"                                 # times the gradient: another part of the function
    const double NOTHING "L2O_NOTHING"                         # of the fall, f itself
    const double BARELY "L2O_BARELY"                           # times it: so much along a line without curvature
    const double LITTLE "L2O_LITTLE"                           # times it: so much along a direction or two
    const double ENOUGH "L2O_ENOUGH"                           # times it: what a Hessian close by shows may be so much
    const double NEAR "L2O_NEAR"                               # of a variable's move: the part with the minimum
    const double CLEAR "L2O_CLEAR"                             # of the tolerance: more, far off, may hide a saddle


cdef inline intptr_t watch_size(intptr_t n) noexcept nogil:
    """Doubles that a run keeps."""
    return (2 + WINDOW) * n


cdef inline void prepare_scrutiny(descent* run, const double* origin, double* room) noexcept nogil:
    """Begin to watch the run; room of `watch_size` stays its own."""
    cdef intptr_t j
    run.anchor, run.units, run.rescalings, run.probes, run.caution = room, room + run.n, 0, 0, 1.0
    memcpy(run.anchor, origin, run.n * sizeof(double))
    run.stop.changes = room + 2 * run.n
    for j in range(run.n):
        run.units[j] = 1.0
    stopping_start(&run.stop, run.first, slope_of(run, run.x, run.g))


cdef inline double seen_gap(const double* g, double* step, const double* change, intptr_t n) noexcept nogil:
    """Half g'Hg with (s's / s'y) I for H; infinite where the step s shows no curvature. step <- H g."""
    cdef double inverse = product(step, step, n) / product(step, change, n)
    cdef intptr_t j
    for j in range(n):
        step[j] = inverse * g[j]
    return 0.5 * product(g, g, n) * inverse if 0.0 < inverse < INFINITY else INFINITY


cdef inline bint some_rest(const descent* run, const double* x, const double* g) noexcept nogil:
    """Whether a variable that no bound holds has moved by less than a unit common to all explains."""
    cdef double most = most_moved(run, x)
    cdef intptr_t j
    for j in range(run.n):
        if run.low != NULL and is_held(x[j], g[j], run.low[j], run.high[j]):
            continue
        if not fabs(x[j] - run.anchor[j]) >= STILL * most * sqrt(run.units[j]):
            return True
    return not most > 0.0


cdef inline double way_to_bound(const descent* run, const double* x, const double* g, intptr_t j,
                                double least) noexcept nogil:
    """How far variable j may go downhill; 0 where that wins less than `least`, so that it does not matter."""
    cdef double way
    if run.low == NULL:
        return INFINITY
    way = x[j] - run.low[j] if g[j] > 0.0 else run.high[j] - x[j]
    return way if way * fabs(g[j]) > least else 0.0


cdef inline int change_over(descent* run, const double* x, const double* g, intptr_t j, double way, double* x_new,
                            double* g_new) noexcept nogil:
    """g_new <- how fast g changes over a way of variable j downhill, zeros where there is none; GO_ON, or why not."""
    cdef double f
    cdef int status = GO_ON
    cdef intptr_t k
    memcpy(x_new, x, run.n * sizeof(double))
    x_new[j] -= copysign(way, g[j])
    if x_new[j] == x[j] or g[j] == 0.0:
        memset(g_new, 0, run.n * sizeof(double))
        return GO_ON
    status = attempt(run, x_new, &f, g_new)
    for k in range(run.n):
        g_new[k] = (g_new[k] - g[k]) / (x_new[j] - x[j])
    return status


cdef inline int measure(descent* run, const double* x, const double* g, intptr_t j, double least, double most,
                        double* x_new, double* g_new) noexcept nogil:
    """g_new <- column j of the Hessian, from a gradient a way off; zeros if that shows nothing. GO_ON, or why not.

    The way is as long as the slope would have to hold on to win `least`. The variable's own move is tried first, then
    the largest, for the sake of f. A move of less than half the digits of x, as of a run that began at the minimum,
    shows rounding.
    """
    cdef double way, last = 0.0, digits = 1e-8 * fabs(x[j]), enough = max(2.0 * least / fabs(g[j]), digits)
    cdef int stage, status = GO_ON
    enough = min(enough, way_to_bound(run, x, g, j, least))
    for stage in range(4 if g[j] != 0.0 else 0):
        way = max(fabs(x[j] - run.anchor[j]), digits) if stage == 0 else most if stage == 1 else 1e4 * most \
            if stage == 2 else 1e8 * most
        way = min(enough, way)
        if not way > last or x[j] - way == x[j]:
            continue
        status = change_over(run, x, g, j, way, x_new, g_new)
        if status != GO_ON:
            break
        if way == enough or fabs(g_new[j]) * fabs(x_new[j] - x[j]) > 1e-6 * fabs(g[j]):
            return GO_ON
        last = way
    memset(g_new, 0, run.n * sizeof(double))
    return status


cdef inline bint is_bowl(const descent* run, const double* x, double f, const double* inverse) noexcept nogil:
    """Whether going back over the way would show in f; on a plateau it does not."""
    cdef double way
    cdef intptr_t j
    for j in range(run.n):
        way = fabs(x[j] - run.anchor[j])
        if way == 0.0:
            way = fabs(x[j])
        if inverse[j] > 0.0 and way * (way / inverse[j]) > 100.0 * rounding(f):
            return True
    return False


cdef inline bint is_minimum(const descent* run, const double* x, double f, double gap, double least,
                            double enough, const double* inverse) noexcept nogil:
    """Whether a Hessian leaves no more to win than `enough`, and no point that was met is lower by `least`."""
    return (gap <= enough and run.f[0] + least >= f
            and (least > rounding(f) or is_bowl(run, x, f, inverse)))


cdef inline int distrust(descent* run) noexcept nogil:
    """Go on, and ask more of ftol the next time; at last it is no longer in force."""
    run.rescalings += 1
    run.caution *= 0.01
    if run.rescalings > MOST_DOUBTS:
        run.stop.ftol = 0.0
    return GO_ON


cdef inline int rescale(descent* run, const double* x, const double* inverse) noexcept nogil:
    """Begin anew in units of the curvatures; GO_ON, if that is not to be had."""
    cdef double most = largest(inverse, run.n)
    cdef intptr_t j
    if run.memory == NULL or run.method.rescale == NULL or most == 0.0 or run.rescalings >= MOST_RESCALINGS:
        return distrust(run)
    run.rescalings += 1
    for j in range(run.n):
        run.units[j] = inverse[j] if inverse[j] > 0.0 else most
    memcpy(run.anchor, x, run.n * sizeof(double))
    run.method.rescale(run.memory, run.units)
    run.stop.decrease = INFINITY
    return RESCALED


cdef inline int scrutinise(descent* run, const double* x, double f, const double* g, double least, bint close,
                           double* x_new, double* g_new, double* inverse, double* matrix) noexcept nogil:
    """Judge the gap with the Hessian by differences: CONVERGED, or RESCALED, or GO_ON, or a failure.

    close: it is known that points far off do not tell of the minimum.
    """
    cdef double most = most_moved(run, x), gap = INFINITY, way, enough = (ENOUGH if close else BARELY) * least, known
    cdef intptr_t n = run.n, j
    cdef int status
    cdef bint far = True, unchanged = False
    if run.maxfun - run.nfev < LOOK * n:
        return GO_ON
    if not most > 0.0:
        most = largest(x, n) if largest(x, n) > 0.0 else 1.0
    for j in range(0 if close else n):
        status = measure(run, x, g, j, least, most * sqrt(run.units[j]), x_new, g_new)
        if status != GO_ON:                                    # beside a wall nothing is known
            return distrust(run) if status == NON_FINITE else status
        far = far and (g[j] == 0.0 or largest(g_new, n) * fabs(x_new[j] - x[j]) > FAR * largest(g, n))
        keep(matrix, g_new, j, n)
    if not close:
        gap = hessian_gap(matrix, g, inverse, x_new, n)
        if is_minimum(run, x, f, gap, least, enough, inverse):
            if gap <= CLEAR * least and not (far and least <= rounding(f)):
                status = look_at_the_rest(run, x, g, LITTLE * least, 1, x_new, g_new, matrix, matrix + n)
                if status != GO_ON:
                    return status
            far, enough = True, ENOUGH * least
    if far and run.maxfun - run.nfev >= n:
        for j in range(n):                                     # the points were too far off to tell of the minimum
            way = min(max(NEAR * fabs(x[j] - run.anchor[j]), 1e-8 * fabs(x[j])), way_to_bound(run, x, g, j, 0.0))
            status = change_over(run, x, g, j, way, x_new, g_new)
            if status != GO_ON:
                return distrust(run) if status == NON_FINITE else status
            unchanged |= g_new[j] == 0.0 and x_new[j] != x[j] and way_to_bound(run, x, g, j, least) > 0.0
            keep(matrix, g_new, j, n)
        known, gap = gap, hessian_gap(matrix, g, g_new, x_new, n)
        if is_minimum(run, x, f, known if unchanged else gap, least, enough, g_new):
            return CONVERGED
        if close:
            memcpy(inverse, g_new, n * sizeof(double))
    return rescale(run, x, inverse)


cdef inline intptr_t scrutiny_size(intptr_t n) noexcept nogil:
    """Doubles of the matrix, and of a vector more."""
    return n * n + n if n <= MOST_COUPLED else 2 * n


cdef inline int settle(descent* run, const double* x, double f, const double* g, const double* p, double gap,
                       int trust, double* x_new, double* g_new, double* inverse) noexcept nogil:
    """Whether ftol ends the run at an iterate with this predicted gap: CONVERGED, GO_ON, RESCALED, a failure.

    g is zero for variables that a bound holds. x_new, g_new and inverse (n,), with the matrix behind it, are workspace.
    """
    cdef double least = tolerance(&run.stop, f)
    cdef int status
    cdef intptr_t n = run.n, known = 0, most
    cdef bint close = False, young, flat, misled
    gap = gap if gap >= 0.0 else INFINITY                      # uphill, the matrix knows nothing
    run.stop.gap = gap
    if at_infimum(&run.stop, f):
        return CONVERGED
    if run.rescalings > 0 and fabs(f) + gap <= NOTHING * (run.first - f) and is_flat(&run.stop, slope_of(run, x, g)):
        return CONVERGED                                       # doubts or not: a sum of squares has no more to lose
    if gap < INFINITY and is_last_digits(run, x, p, trust):
        least = tolerance_at_last_digits(&run.stop, f, 1e3 if trust == PREDICTED else INFINITY)
    if not (run.stop.decrease <= run.caution * least and gap <= run.caution * least and least < INFINITY
            and f <= run.f[0] + least):
        return GO_ON
    if trust == EXACT:
        return CONVERGED
    flat = is_flat(&run.stop, slope_of(run, x, g))
    if not flat:
        status = probe_kink(run, x, g, least, x_new, g_new)
        if status != CONVERGED:
            return status
    young = trust == PREDICTED and run.rescalings == 0 and least > rounding(f)
    misled = is_misled(run, f, least)
    if young and flat and not misled and is_closer(run):
        known = directions(run, inverse + n, inverse + n + n * n)
    if (young and (known >= max(n - 1, <intptr_t> 1) or is_fast(run) or not is_long(run) or not flat)
            and not some_rest(run, x, g)):
        if flat and not misled:
            most = doubt(run, least, known)
            status = look_at_the_rest(run, x, g, LITTLE * least, most, x_new, g_new, inverse + n,
                                      inverse + 2 * n) if most > 0 else CONVERGED
            if status != GO_ON:
                return status
        close = True
    return scrutinise(run, x, f, g, least, close, x_new, g_new, inverse, inverse + n)
