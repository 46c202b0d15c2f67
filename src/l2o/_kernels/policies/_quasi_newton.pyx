# l2o: built per instruction set
# The learned quasi-Newton rule: an inverse matrix that is stretched before each pair and absorbs the newest pairs
# again, steered by controls that are linear in features of the last trial. docs/learned-rule.md has the formulas.
#
# Every trial gives a pair (s, y), accepted or not; the best point, its gradient g and the step s = -tau H g are what a
# trial is measured against. Block of the policy: memory m, w (5), where in the block a prior stands or 0, one unused;
# W transposed (14, 8), five controls and padding a row; a prior (_prior.pxd). State of a run: `Numbers`; then vectors
# of `stride` numbers, d with padding: units of x, best point, its gradient g, q = H g, m rows s, m rows y; then 1 / s'y
# (m, padded); then H (d, stride).
from libc.math cimport INFINITY, copysign, exp, fabs, isfinite, log, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_policy, l2o_run
from l2o._kernels.base._branchfree cimport LN2, LOG2E, exp2_minus, log2_any
from l2o._kernels.base._symmetric cimport QUAD, change_times, dot, times
from l2o._kernels.policies._prior cimport Shape, clip, first_step, matrix, predict

cdef enum:
    MOST_VARIABLES = 200
    HEADER = 8
    LANES = 8                                                  # controls with padding, logarithms at a time

cdef enum:                                                     # features
    ONE, REJECTED, CURVATURE, TOO_SHORT, RATIO, GRADIENT, COSINE, MINIMISER, LENGTH, CAPPED, AGE, DIMENSION
    RATIO_BEFORE, MINIMISER_BEFORE
    N_FEATURES

cdef enum:                                                     # controls
    DRIFT, CAP, FLOOR, PSI, HERMITE
    N_CONTROLS

ctypedef struct Numbers:                                       # of the state
    double trials
    double pairs                                               # taken in since H was last isotropic
    double f                                                   # the best value
    double gg                                                  # g'g, |g|^2
    double gq                                                  # g'Hg
    double qq
    double length                                              # ell
    double cap                                                 # e^(-2 cap); 0 before the first trial: no cap
    double tau
    double ratio                                               # features of the trial before
    double log_minimiser
    double seed                                                # of the enumeration

cdef enum:                                                     # where H came from: a prior whose step is looked at, too
    GUESS, EXPECTED, LOOKING

ctypedef struct Rule:                                          # one run: its numbers, where its arrays are
    intptr_t d
    intptr_t stride
    intptr_t m
    const double* first                                        # w
    const double* W
    Numbers* now
    double* unit
    double* x
    double* g
    double* q
    double* S
    double* Y
    double* inverse_sy                                         # 0 where a pair is of no use
    double* H

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
    double minimiser                                           # a, of the cubic through both ends, in steps


cdef inline intptr_t padded(intptr_t d) noexcept nogil:
    return (d + QUAD - 1) & -QUAD


cdef inline void view(Rule* r, const l2o_run* run, const double* block) noexcept nogil:
    cdef intptr_t stride = padded(run.dim), m = <intptr_t> block[0]
    r.d, r.stride, r.m, r.first, r.W = run.dim, stride, m, block + 1, block + HEADER
    r.now = <Numbers*> run.state
    r.unit = run.state + sizeof(Numbers) // sizeof(double)
    r.x, r.g, r.q = r.unit + stride, r.unit + 2 * stride, r.unit + 3 * stride
    r.S = r.unit + 4 * stride
    r.Y = r.S + m * stride
    r.inverse_sy = r.Y + m * stride
    r.H = r.inverse_sy + padded(m)


cdef inline double sigmoid(double a) noexcept nogil:
    return 1.0 / (1.0 + exp(-a))


cdef inline void isotropic(Rule* r, double h) noexcept nogil:
    """H = h I."""
    cdef intptr_t i
    memset(r.H, 0, r.d * r.stride * sizeof(double))
    for i in range(r.d):
        r.H[i * r.stride + i] = h


cdef inline void forget(Rule* r) noexcept nogil:
    """H = ell / |g| I, so that the step has the length ell; no pairs, and the next one sets the scale of H."""
    cdef double h = r.now.length / sqrt(r.now.gg) if r.now.gg > 0.0 else 0.0   # at a gradient of zero: stay
    cdef intptr_t j
    isotropic(r, h)
    for j in range(r.stride):
        r.q[j] = h * r.g[j]
    r.now.pairs, r.now.seed = 0.0, GUESS
    r.now.gq, r.now.qq = dot(r.g, r.q, r.stride), dot(r.q, r.q, r.stride)


cdef inline void set_units(Rule* r, const double* x, bint guess) noexcept nogil:
    """Run in x_i / |x_i| where these differ by more than 1000; zeros count as the largest."""
    cdef double least = INFINITY, most = 0.0
    cdef intptr_t j
    for j in range(r.d):
        most = max(most, fabs(x[j]))
        if x[j] != 0.0:
            least = min(least, fabs(x[j]))
    for j in range(r.d):
        r.unit[j] = 1.0 if not (guess and most > 1000.0 * least) else fabs(x[j]) if x[j] != 0.0 else most


cdef inline void start(Rule* r, const l2o_run* run, bint guess) noexcept nogil:
    """The first length, from |x| and |g|; a prior knows the units of x."""
    cdef double xx = 0.0
    cdef intptr_t j
    set_units(r, run.x, guess)
    for j in range(r.d):
        r.x[j], r.g[j] = run.x[j], r.unit[j] * run.g[j]
        xx += (r.x[j] / r.unit[j]) * (r.x[j] / r.unit[j])
    r.now.f, r.now.gg, r.now.cap = run.f[0], dot(r.g, r.g, r.stride), 0.0
    r.now.length = exp(r.first[0] + r.first[1] * log(1.0 + sqrt(xx))
                       + r.first[2] * clip(0.5 * log(r.now.gg), -5.0, 5.0))
    forget(r)


cdef inline void propose(Rule* r, double* point) noexcept nogil:
    """point = x - tau q: tau = (1 + (|q| / (ell e^cap))^4)^(-1/4), a soft cap on the length of the step."""
    cdef Numbers* now = r.now
    cdef double k
    cdef intptr_t j
    if not (0.0 < now.gq < INFINITY and now.qq < INFINITY):    # rounding has spoilt H
        forget(r)
    k = now.qq * now.cap / (now.length * now.length)
    now.tau = 1.0 / sqrt(sqrt(1.0 + k * k) if k < 1e100 else k)
    for j in range(r.d):
        point[j] = r.x[j] - r.unit[j] * (now.tau * r.q[j])


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
    return isfinite(t.f) and t.gg < INFINITY and t.ss > 0.0


cdef inline void measure(Rule* r, Trial* t, const double* g, double* s, double* y) noexcept nogil:
    """The trial's step s, change of gradient y and their products."""
    cdef Numbers* now = r.now
    cdef intptr_t j
    for j in range(r.stride):
        s[j], y[j] = -now.tau * r.q[j], g[j] - r.g[j]
    t.rise, t.accepted = t.f - now.f, t.f <= now.f
    t.slope, t.slope_n = -now.tau * now.gq, dot(g, s, r.stride)
    t.sy, t.yy = t.slope_n - t.slope, dot(y, y, r.stride)
    t.sBs = -now.tau * t.slope                                 # B s = -tau g, so B is not needed
    t.exact = max(fabs(t.rise), fabs(t.slope)) > 1e-9 * max(fabs(t.f), fabs(now.f))
    t.minimiser = cubic(t)


cdef inline void observe(Rule* r, const Trial* t, double* F) noexcept nogil:
    """The features of the trial; none has a unit."""
    cdef Numbers* now = r.now
    cdef double logs[LANES]
    cdef double z = clip(-t.rise / t.slope, -20.0, 20.0)
    cdef intptr_t j
    logs[0], logs[1] = t.sBs / t.sy if t.sy > 0.0 else 1e6, t.gg / now.gg
    logs[2], logs[3] = t.minimiser, t.ss / (now.length * now.length)
    logs[4], logs[5], logs[6], logs[7] = now.tau, fabs(z) + sqrt(z * z + 1.0), <double> r.d, 1.0
    for j in range(LANES):
        logs[j] = LN2 * log2_any(logs[j])
    F[ONE], F[REJECTED] = 1.0, not t.accepted
    F[CURVATURE] = clip(0.5 * logs[0], -3.0, 3.0)              # 3 where s'y <= 0
    F[TOO_SHORT] = max(F[CURVATURE], 0.0)
    F[RATIO] = copysign(logs[5], z) if t.exact else -0.5
    F[GRADIENT] = clip(0.5 * logs[1], -4.0, 4.0)
    F[COSINE] = t.sy / (sqrt(t.ss * t.yy) + 1e-300)
    F[MINIMISER] = logs[2]
    F[LENGTH] = clip(0.5 * logs[3], -4.0, 2.0)
    F[CAPPED] = max(logs[4], -4.0)
    F[AGE], F[DIMENSION] = 1.0 / now.trials, 0.5 * logs[6]
    F[RATIO_BEFORE], F[MINIMISER_BEFORE] = now.ratio, now.log_minimiser
    now.ratio, now.log_minimiser = F[RATIO], F[MINIMISER]


cdef inline void control(Rule* r, const double* F, double* powers) noexcept nogil:
    """e^c of the controls c = W F, but e^(-2 c), e^(-c), e^(2 c) for cap, psi, hermite."""
    cdef double c[LANES]
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


cdef inline double first_scale(const Rule* r, const Trial* t) noexcept nogil:
    """b of the first B = b I."""
    cdef double u = sigmoid(r.first[3])
    if not t.sy > 0.0:
        return 0.3 * t.sBs / t.ss
    return exp(r.first[4] + (1.0 - u) * log(max(t.sy, 0.02 * t.sBs) / t.ss) + 0.5 * u * log(t.yy / t.ss))


cdef inline void shape(Rule* r, const Trial* t, const double* s, double* y, double floor, double hermite, bint first,
                       double b) noexcept nogil:
    """Make y that of the cubic at the end that is kept; then Powell's damping, s'y >= floor s'Bs."""
    cdef double h = 0.0, sy = t.sy, sBs = b * t.ss if first else t.sBs, theta = 1.0, of_s, of_g
    cdef intptr_t j
    if t.exact and sy > 0.0:
        h = hermite * (3.0 * (t.slope + t.slope_n) - 6.0 * t.rise)
        h = clip(h if t.accepted else -h, -0.8 * sy, 2.0 * sy)
        sy += h
        h /= t.ss
    if sy < floor * sBs:
        theta = (1.0 - floor) * sBs / (sBs - sy)
    of_s = theta * h + ((1.0 - theta) * b if first else 0.0)   # B s is b s, then -tau g
    of_g = 0.0 if first else (theta - 1.0) * r.now.tau
    for j in range(r.stride):
        y[j] = theta * y[j] + of_s * s[j] + of_g * r.g[j]


cdef inline void absorb(Rule* r, double scale, const double* s, const double* y, double inverse_sy, double psi,
                        double* Hy, const double* next, double* product) noexcept nogil:
    """H <- scale H, given Hy = scale H y, takes in the pair: H y = s; then product = H next.

    The inverse Broyden class, psi = 0: BFGS, 1: DFP:
    H += (1 + b y'Hy) / s'y ss' - b (s (Hy)' + Hy s') - c Hy (Hy)',  b = (1 - psi) / s'y, c = psi / y'Hy.
    """
    cdef double u[MOST_VARIABLES]
    cdef double v[MOST_VARIABLES]
    cdef double yHy = dot(y, Hy, r.stride), a = 0.0, b = 0.0, c = 0.0
    cdef intptr_t j
    if yHy > 0.0:
        b = (1.0 - psi) * inverse_sy
        a = (1.0 + b * yHy) * inverse_sy
        if psi > 0.0 and inverse_sy > 0.0:
            c = psi / yHy
    for j in range(r.stride):
        u[j] = a * s[j] - b * Hy[j]
        v[j] = -b * s[j] - c * Hy[j]
    change_times(r.H, r.d, r.stride, scale, u, s, v, Hy, next, product)


cdef inline void absorb_all(Rule* r, double scale, double psi, const double* g) noexcept nogil:
    """Stretch H and absorb the remembered pairs, the oldest first; then q = H g."""
    cdef double products[2][MOST_VARIABLES]
    cdef intptr_t pairs = <intptr_t> r.now.pairs, n = min(pairs, r.m), slot = (pairs - n) % r.m, i, following
    times(r.H, r.d, r.stride, scale, r.Y + slot * r.stride, products[0])
    for i in range(n - 1):
        following = slot + 1 if slot + 1 < r.m else 0
        absorb(r, scale, r.S + slot * r.stride, r.Y + slot * r.stride, r.inverse_sy[slot], 0.0, products[i & 1],
               r.Y + following * r.stride, products[(i + 1) & 1])
        scale, slot = 1.0, following
    absorb(r, scale, r.S + slot * r.stride, r.Y + slot * r.stride, r.inverse_sy[slot], psi, products[(n - 1) & 1], g,
           r.q)
    r.now.gq, r.now.qq = dot(g, r.q, r.stride), dot(r.q, r.q, r.stride)


cdef inline void learn(Rule* r, const l2o_run* run) noexcept nogil:
    """Take in the trial at run.x."""
    cdef Numbers* now = r.now
    cdef Trial t
    cdef double g[MOST_VARIABLES]
    cdef double F[N_FEATURES]
    cdef double powers[LANES]
    cdef intptr_t slot = <intptr_t> now.pairs % r.m, j
    cdef double* s = r.S + slot * r.stride
    cdef double* y = r.Y + slot * r.stride
    cdef double b = 0.0, sy
    cdef bint first = now.pairs == 0.0 and now.seed == GUESS
    now.trials += 1.0
    if not is_finite(r, run, &t, g):
        now.length = 0.1 * sqrt(t.ss) if t.ss > 0.0 else now.length
        now.cap = 1.0 if now.cap == 0.0 else now.cap
        return
    measure(r, &t, g, s, y)
    observe(r, &t, F)
    control(r, F, powers)
    if first:
        b = first_scale(r, &t)
        isotropic(r, 1.0 / b)
    shape(r, &t, s, y, powers[FLOOR], 1.0 - 2.0 / (1.0 + powers[HERMITE]), first, b)
    sy, t.yy = dot(s, y, r.stride), dot(y, y, r.stride)
    r.inverse_sy[slot] = 1.0 / sy if sy > 1e-12 * sqrt(t.ss * t.yy) else 0.0
    now.pairs += 1.0
    now.cap = powers[CAP]
    now.length = sqrt(t.ss)
    if t.accepted:
        now.f, now.gg = t.f, t.gg
        for j in range(r.d):
            r.x[j], r.g[j] = run.x[j], g[j]
    else:
        now.length *= t.minimiser
    absorb_all(r, 1.0 if first else powers[DRIFT], 1.0 / (1.0 + powers[PSI]), r.g)


cdef inline void multiply(Rule* r) noexcept nogil:
    """q = H g."""
    times(r.H, r.d, r.stride, 1.0, r.g, r.q)
    r.now.gq, r.now.qq = dot(r.g, r.q, r.stride), dot(r.q, r.q, r.stride)


cdef inline bint expect(Rule* r, const Shape* prior, double* point) noexcept nogil:
    """Take the matrix of a prior; whether there is a first step of its own to evaluate, at `point`."""
    cdef double out[2 * MOST_VARIABLES]
    cdef intptr_t j
    if prior.outputs > 0.0:
        predict(prior, r.d, r.x, r.now.f, r.g, out)
    memset(r.H, 0, r.d * r.stride * sizeof(double))
    matrix(prior, r.d, r.stride, out + <intptr_t> prior.step * r.d, r.H)
    multiply(r)
    r.now.seed, r.now.pairs = EXPECTED, 0.0
    if prior.step == 0.0:
        return False
    first_step(prior, r.d, out, point)
    for j in range(r.d):
        point[j] += r.x[j]
    r.now.seed = LOOKING
    return True


cdef inline void settle(Rule* r, const l2o_run* run) noexcept nogil:
    """Go on from the lower of the base point and the first step; their pair is not used."""
    cdef double gg = 0.0
    cdef intptr_t j
    r.now.seed = EXPECTED
    for j in range(r.d):
        gg += run.g[j] * run.g[j]
    if run.f[0] < r.now.f and gg < INFINITY:
        r.now.f, r.now.gg = run.f[0], gg
        for j in range(r.d):
            r.x[j], r.g[j] = run.x[j], run.g[j]
        multiply(r)


cdef void rule(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef intptr_t i, at = <intptr_t> block[6]
    cdef Rule r
    for i in range(n_runs):
        view(&r, &runs[i], block)
        if r.now.length == 0.0:
            start(&r, &runs[i], at == 0)
            if at > 0 and expect(&r, <const Shape*> (block + at), points + i * r.d):
                continue
        elif r.now.seed == LOOKING:
            settle(&r, &runs[i])
        else:
            learn(&r, &runs[i])
        propose(&r, points + i * r.d)


cdef l2o_policy quasi_newton
quasi_newton.next = rule
POLICY = <size_t> &quasi_newton
