# What the learned quasi-Newton rule sees in a trial, what it decides, and the pair that it makes of it.
from libc.math cimport INFINITY, copysign, exp, fabs, log, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport NOT_FINITE, l2o_run
from l2o._kernels.base._branchfree cimport LN2, LOG2E, exp2_minus, log2_any
from l2o._kernels.base._symmetric cimport dot, weigh
from l2o._kernels.policies._prior cimport clip
from l2o._kernels.policies._rule_matrix cimport Constants, Controls, LANES, MOST_VARIABLES, Numbers, Rule

cdef enum:                                                     # features
    ONE, REJECTED, CURVATURE, TOO_SHORT, RATIO, GRADIENT, COSINE, MINIMISER, LENGTH, CAPPED, AGE, DIMENSION
    RATIO_BEFORE, MINIMISER_BEFORE
    N_FEATURES

cdef enum:                                                     # logarithms of the controls
    DRIFT, CAP, FLOOR, PSI, HERMITE
    N_CONTROLS

ctypedef struct Trial:
    double f
    bint accepted
    bint exact                                                 # differences of f are more than rounding
    double rise                                                # of f
    double slope                                               # g'p
    double slope_n                                             # at the trial
    double sy                                                  # s'y
    double sBs
    double ss
    double yy
    double gg                                                  # of the trial

cdef enum:
    TOGETHER = 8                                               # runs that take a step together

ctypedef struct Lesson:                                        # a run with its newest trial, and what becomes of it
    Rule rule
    Trial trial
    Controls controls
    double* s                                                  # where the pair is remembered, and so on
    double* y
    double* inverse_sy
    const double* best
    double* point
    double g[MOST_VARIABLES]


cdef inline double sigmoid(double a) noexcept nogil:
    return 1.0 / (1.0 + exp(-a))


cdef inline double cubic(const Trial* t) noexcept nogil:
    """a, where the cubic through both ends is least, or the slope would vanish; in steps."""
    cdef double e = t.slope + t.slope_n - 3.0 * t.rise, square = e * e - t.slope * t.slope_n, root, a = 10.0
    if t.exact and square > 0.0:
        root = sqrt(square)
        a = 1.0 - (t.slope_n + root - e) / (t.sy + 2.0 * root)
    elif t.sy > 0.0:
        a = -t.slope / t.sy
    if not 0.0 < a < INFINITY:
        a = 10.0
    return clip(a, 0.05, 10.0) if t.accepted else clip(a, 0.02, 0.8)


cdef inline bint is_finite(Rule* r, const l2o_run* run, Trial* t, double* g) noexcept nogil:
    """Whether the trial led anywhere and can be reckoned with; its gradient in units of the run."""
    cdef intptr_t j
    for j in range(r.d, r.stride):
        g[j] = 0.0
    for j in range(r.d):
        g[j] = r.unit[j] * run.g[j]
    t.f, t.gg, t.ss = run.f[0], dot(g, g, r.stride), r.now.tau * r.now.tau * r.now.qq
    return run.outcome != NOT_FINITE and t.gg < INFINITY and t.ss > 0.0


cdef inline void measure(Rule* r, Trial* t, bint accepted, const double* g, double* s, double* y) noexcept nogil:
    """The trial's step s, change of gradient y and their products."""
    cdef Numbers* now = r.now
    weigh(s, r.stride, -now.tau, r.q, 0.0, r.q)
    weigh(y, r.stride, 1.0, g, -1.0, r.g)
    t.rise, t.accepted = t.f - now.f, accepted
    t.slope, t.slope_n = -now.tau * now.gq, dot(g, s, r.stride)
    t.sy = t.slope_n - t.slope
    t.sBs = -now.tau * t.slope                                 # B s = -tau g, so B is not needed
    t.exact = max(fabs(t.rise), fabs(t.slope)) > 1e-9 * max(fabs(t.f), fabs(now.f))


cdef inline void observe(Rule* r, const Trial* t, const double* y, double* F) noexcept nogil:
    """The features of the trial; none has a unit."""
    cdef Numbers* now = r.now
    cdef double logs[LANES]
    cdef double z = clip(-t.rise / t.slope, -20.0, 20.0)
    cdef intptr_t j
    logs[0], logs[1] = t.sBs / t.sy if t.sy > 0.0 else 1e6, t.gg / now.gg
    logs[2], logs[3] = cubic(t), t.ss / (now.length * now.length)
    logs[4], logs[5], logs[6], logs[7] = now.tau, fabs(z) + sqrt(z * z + 1.0), <double> r.d, 1.0
    for j in range(LANES):
        logs[j] = LN2 * log2_any(logs[j])
    F[ONE], F[REJECTED] = 1.0, not t.accepted
    F[CURVATURE] = clip(0.5 * logs[0], -3.0, 3.0)              # 3 where s'y <= 0
    F[TOO_SHORT] = max(F[CURVATURE], 0.0)
    F[RATIO] = copysign(logs[5], z) if t.exact else -0.5
    F[GRADIENT] = clip(0.5 * logs[1], -4.0, 4.0)
    F[COSINE] = t.sy / (sqrt(t.ss * dot(y, y, r.stride)) + 1e-300)
    F[MINIMISER] = logs[2]
    F[LENGTH] = clip(0.5 * logs[3], -4.0, 2.0)
    F[CAPPED] = max(logs[4], -4.0)
    F[AGE], F[DIMENSION] = 1.0 / now.trials, 0.5 * logs[6]
    F[RATIO_BEFORE], F[MINIMISER_BEFORE] = now.ratio, now.log_minimiser
    now.ratio, now.log_minimiser = F[RATIO], F[MINIMISER]


cdef inline void control(Rule* r, const double* F, Controls* controls) noexcept nogil:
    """The controls, from their logarithms c = W F."""
    cdef double c[LANES]
    cdef double powers[LANES]
    cdef intptr_t j, k
    for j in range(LANES):
        c[j] = 0.0
    for k in range(N_FEATURES):
        for j in range(LANES):
            c[j] += F[k] * r.W[k * LANES + j]
    for j in range(LANES):
        c[j] = min(max(c[j], -6.0), 6.0)
    c[DRIFT] = clip(c[DRIFT], -1.0, 1.5)
    c[CAP], c[PSI], c[HERMITE] = -2.0 * c[CAP], -c[PSI], 2.0 * c[HERMITE]
    for j in range(LANES):
        powers[j] = exp2_minus(-LOG2E * c[j])
    controls.drift, controls.cap, controls.floor = powers[DRIFT], powers[CAP], powers[FLOOR]
    controls.psi, controls.hermite = 1.0 / (1.0 + powers[PSI]), 1.0 - 2.0 / (1.0 + powers[HERMITE])


cdef inline void steer(const Rule* r, const Trial* t, Controls* controls) noexcept nogil:
    """The controls of a lean rule: only the drift depends on more than whether the trial was accepted."""
    cdef const Constants* constants = r.constants + (not t.accepted)
    cdef double curvature = clip(0.5 * LN2 * log2_any(t.sBs / t.sy), -3.0, 3.0) if t.sy > 0.0 else 3.0
    controls[0] = constants.controls
    controls.drift = exp2_minus(-LOG2E * clip(constants.drift + constants.curvature * curvature
                                              + constants.too_short * max(curvature, 0.0), -1.0, 1.5))


cdef inline double first_scale(const Rule* r, const Trial* t, const double* y) noexcept nogil:
    """b of the first B = b I."""
    cdef double u = sigmoid(r.first[3]), yy = dot(y, y, r.stride)
    if not t.sy > 0.0:
        return 0.3 * t.sBs / t.ss
    return exp(r.first[4] + (1.0 - u) * log(max(t.sy, 0.02 * t.sBs) / t.ss) + 0.5 * u * log(yy / t.ss))


cdef inline void shape(Rule* r, const Trial* t, const double* s, double* y, double floor, double hermite, bint first,
                       double b) noexcept nogil:
    """Make y that of the cubic at the end that is kept; then Powell's damping, s'y >= floor s'Bs."""
    cdef double h = 0.0, sy = t.sy, sBs = b * t.ss if first else t.sBs, theta = 1.0, of_s, of_g
    if t.exact and sy > 0.0:
        h = hermite * (3.0 * (t.slope + t.slope_n) - 6.0 * t.rise)
        h = clip(h if t.accepted else -h, -0.8 * sy, 2.0 * sy)
        sy += h
        h /= t.ss
    if sy < floor * sBs:
        theta = (1.0 - floor) * sBs / (sBs - sy)
    of_s = theta * h + ((1.0 - theta) * b if first else 0.0)   # B s is b s, then -tau g
    of_g = 0.0 if first else (theta - 1.0) * r.now.tau
    weigh(y, r.stride, theta, y, of_s, s)
    if of_g != 0.0:
        weigh(y, r.stride, 1.0, y, of_g, r.g)
