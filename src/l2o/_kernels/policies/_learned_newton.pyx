# Newton's method from a prior: where a family's problems begin and their first step, then the steps of _newton_step.pxd
# within a soft cap, without a line search.
#
# Block of the policy: half, cap, cap after a rejection, where in the block a prior stands or 0; four unused; a prior
# (_prior.pxd), of which P counts only where a Hessian is not finite. A length is that of the metric: |p|^2 = p'Bp, or
# -g'p of the direction. A variable whose slope is zero, as at a bound, stays where it is.
from libc.math cimport exp, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport LOWER, NOT_FINITE, START, l2o_policy, l2o_run
from l2o._kernels.base._newton_step cimport LEAST_SHIFT, MOST_SHIFTS, UNSOLVED, eliminate, measure, share
from l2o._kernels.base._newton_step cimport solve_free, substitute
from l2o._kernels.policies._prior cimport Shape, clip, first_step, matrix, predict

cdef enum:
    MOST_VARIABLES = 200

ctypedef struct Numbers:                                       # of the state
    double looking                                             # the newest trial is the prior's first step
    double known                                               # of Hessians: those of the newest best points, at most 2
    double newest                                              # which of the two matrices is the newest
    double slope                                               # -g'p of the newest direction
    double tau                                                 # the part of it that was tried
    double reach                                               # ell^2
    double cap                                                 # e^(-2 cap); 0: no cap
    double told                                                # of how many trials
    double convex                                              # the Hessian before the newest is positive definite
    double known_convex                                        # the newest is

ctypedef struct Run:                                           # its numbers, where its arrays are
    intptr_t d
    const double* settings
    const Shape* prior                                         # or NULL
    Numbers* now
    double* x                                                  # the best point
    double* last                                               # the step to it
    double* p                                                  # the newest direction
    double* hessians                                           # (2, d, d)
    double* room                                               # workspace


cdef inline void view(Run* r, const l2o_run* run, const double* block) noexcept nogil:
    cdef intptr_t d = run.dim
    r.d, r.settings = d, block
    r.prior = <const Shape*> (block + <intptr_t> block[3]) if block[3] > 0.0 else NULL
    r.now = <Numbers*> run.state
    r.x = run.state + sizeof(Numbers) // sizeof(double)
    r.last, r.p, r.hessians = r.x + d, r.x + 2 * d, r.x + 3 * d
    r.room = r.hessians + 2 * d * d


cdef inline double* hessian(const Run* r, bint newest) noexcept nogil:
    """The Hessian at the best point, or the one before it."""
    return r.hessians + (r.now.newest == <double> newest) * r.d * r.d


cdef inline double product(const double* a, const double* b, intptr_t n) noexcept nogil:
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += a[j] * b[j]
    return total


cdef inline void arrive(Run* r, const l2o_run* run) noexcept nogil:
    """Take on the best point and its Hessian."""
    memcpy(r.x, run.best_x, r.d * sizeof(double))
    if run.curvature == NULL:
        r.now.known = 0.0
        return
    r.now.newest = 1.0 - r.now.newest
    memcpy(hessian(r, True), run.curvature, r.d * r.d * sizeof(double))
    r.now.known, r.now.convex = min(r.now.known + 1.0, 2.0), r.now.known_convex


cdef inline double minimiser(const l2o_run* run) noexcept nogil:
    """Where the cubic through both ends of a step is least, as a part of it between .02 and .8."""
    cdef double slope = 0.0, slope_n = 0.0, rise = run.f[0] - run.best_f, e, root, part
    cdef intptr_t j
    for j in range(run.dim):
        slope += run.best_g[j] * (run.x[j] - run.best_x[j])
        slope_n += run.g[j] * (run.x[j] - run.best_x[j])
    e = slope + slope_n - 3.0 * rise
    root = sqrt(max(e * e - slope * slope_n, 0.0))
    part = 1.0 - (slope_n + root - e) / (slope_n - slope + 2.0 * root)
    return clip(part, 0.02, 0.8) if part == part else 0.1


cdef inline void take(Run* r, const l2o_run* run) noexcept nogil:
    """Take in the newest trial."""
    cdef Numbers* now = r.now
    cdef double part = 0.1
    cdef intptr_t j
    now.told = <double> run.t
    if now.looking > 0.0:                                      # the way to a learned point is no step to learn from
        now.looking = now.known = 0.0
        arrive(r, run)
        return
    if run.outcome == LOWER:
        for j in range(r.d):
            r.last[j] = run.best_x[j] - r.x[j]
        arrive(r, run)
        now.reach, now.cap = 0.0, exp(-2.0 * r.settings[1])
        if now.known > 0.0:
            for j in range(r.d):
                now.reach += r.last[j] * product(hessian(r, True) + j * r.d, r.last, r.d)
        return
    if run.outcome != NOT_FINITE:
        part = minimiser(run)
    now.reach, now.cap = part * part * now.tau * now.tau * now.slope, exp(-2.0 * r.settings[2])


cdef inline void guess(Run* r, const double* g) noexcept nogil:
    """The direction without a Hessian: by the prior's matrix, or along the gradient."""
    cdef double size = sqrt(product(g, g, r.d))
    cdef intptr_t j
    if r.prior != NULL:
        matrix(r.prior, r.d, r.d, NULL, r.room)
    for j in range(r.d):
        r.p[j] = -g[j] / size if r.prior == NULL else -product(r.room + j * r.d, g, r.d)


cdef inline bint direct(Run* r, const double* g) noexcept nogil:
    """The direction for the variables with a slope; whether there is one."""
    cdef double th = share(hessian(r, True), r.last, g, r.settings[0], r.d) if r.now.known == 2.0 else 0.0
    cdef bint convex = r.now.convex > 0.0
    cdef int outcome = solve_free(hessian(r, True), hessian(r, False), th, &convex, g, g, r.p, r.room, r.d)
    r.now.known_convex = convex
    return outcome != UNSOLVED


cdef inline void propose(Run* r, const l2o_run* run, double* point) noexcept nogil:
    """point = x + tau p: tau = (1 + (|p| / (ell e^cap))^4)^(-1/4), a soft cap on the length of the step."""
    cdef Numbers* now = r.now
    cdef const double* g = run.best_g
    cdef double k
    cdef intptr_t j
    if now.known == 0.0 or not direct(r, g):
        guess(r, g)
    now.slope = -product(g, r.p, r.d)
    k = now.slope * now.cap / now.reach if now.reach > 0.0 else 0.0
    now.tau = 1.0 / sqrt(sqrt(1.0 + k * k) if k < 1e100 else k)
    for j in range(r.d):
        point[j] = run.best_x[j] + now.tau * r.p[j]


cdef inline void begin(Run* r, const l2o_run* run, double* point) noexcept nogil:
    """The first point: the prior's first step, if it has one, or Newton's own."""
    cdef double out[2 * MOST_VARIABLES]
    cdef intptr_t j
    arrive(r, run)
    if r.prior == NULL or r.prior.step == 0.0:
        propose(r, run, point)
        return
    predict(r.prior, r.d, run.x, run.f[0], run.g, out)
    first_step(r.prior, r.d, out, point)
    for j in range(r.d):
        point[j] += run.x[j]
    r.now.looking = 1.0


cdef void next_points(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    cdef intptr_t i
    cdef Run r
    for i in range(n_runs):
        view(&r, &runs[i], <const double*> user)
        if runs[i].outcome == START:
            begin(&r, &runs[i], points + i * r.d)
            continue
        if <double> runs[i].t > r.now.told:
            take(&r, &runs[i])
        propose(&r, &runs[i], points + i * r.d)


cdef inline bint invert(Run* r, const double* B, double* inverse) noexcept nogil:
    """inverse <- (B + shift diag(unit))^-1 by columns, with the smallest shift that does for all; whether one does."""
    cdef intptr_t n = r.d, i, j
    cdef double* column = r.room
    cdef double* minus = column + n                            # a unit vector, negative
    cdef double* unit = minus + n
    cdef double* rows = unit + n
    cdef double shift
    cdef int _
    memset(minus, 0, n * sizeof(double))
    shift = measure(B, minus, unit, n)
    for _ in range(MOST_SHIFTS):
        for j in range(n):
            minus[j] = -1.0
            if not eliminate(B, minus, shift, unit, rows, n):
                minus[j] = 0.0
                break
            minus[j] = 0.0
            substitute(rows, column, n)
            for i in range(n):
                inverse[i * n + j] = column[i]
        else:
            return True
        shift = max(4.0 * shift, LEAST_SHIFT)
    return False


cdef void bequeath(const l2o_run* run, double* inverse, const void* user) noexcept nogil:
    """The inverse Hessian at the best point; where it is not finite, P, or a matrix whose step has length 1."""
    cdef double size = sqrt(product(run.best_g, run.best_g, run.dim))
    cdef intptr_t i
    cdef Run r
    view(&r, run, <const double*> user)
    if run.curvature != NULL and invert(&r, run.curvature, inverse):
        return
    memset(inverse, 0, r.d * r.d * sizeof(double))
    if r.prior != NULL:
        matrix(r.prior, r.d, r.d, NULL, inverse)
        return
    for i in range(r.d):
        inverse[i * r.d + i] = 1.0 / size if size > 0.0 else 1.0


cdef l2o_policy newton
newton.next, newton.bequeath = next_points, bequeath
POLICY = <size_t> &newton
