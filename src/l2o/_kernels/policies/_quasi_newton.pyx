# l2o: built per instruction set
# The learned quasi-Newton rule: an inverse matrix that is stretched before each pair and absorbs the newest pairs
# again, steered by controls that are linear in features of the last trial. docs/learned-rule.md has the formulas.
#
# Every trial gives a pair (s, y), accepted or not; it is measured against the gradient g of the best point, from which
# the step s = -tau H g led. Block of the policy: memory m, w (5), where in the block a prior stands or 0, whether it is
# lean; W transposed (14, 8), five controls and padding a row, or lean, two `Constants`; a prior (_prior.pxd). Here is
# what a run does; its state and the matrix are in _rule_matrix.pxd, a trial in _rule_trial.pxd.
from libc.math cimport INFINITY, exp, fabs, log, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport LOWER, START, l2o_policy, l2o_run
from l2o._kernels.base._symmetric cimport dot, weigh
from l2o._kernels.policies._prior cimport Shape, clip, first_step, matrix, predict
from l2o._kernels.policies._rule_matrix cimport (
    EXPECTED, GUESS, LOOKING, MOST_VARIABLES, Controls, Numbers, Rule, absorb_all, isotropic, multiply, slot_of,
    view)
from l2o._kernels.policies._rule_trial cimport (
    N_FEATURES, Trial, control, cubic, first_scale, is_finite, measure, observe, shape, steer)

cdef extern from *:
    """
    #define L2O_FAINT 3e-4
    """
    const double FAINT "L2O_FAINT"                             # of the largest |x_i g_i|: x_i is as good as zero


cdef inline void forget(Rule* r) noexcept nogil:
    """H = ell / |g| I, so that the step has the length ell; no pairs, and the next one sets the scale of H."""
    cdef double h = r.now.length / sqrt(r.now.gg) if r.now.gg > 0.0 else 0.0   # at a gradient of zero: stay
    cdef intptr_t j
    isotropic(r, h)
    for j in range(r.stride):
        r.q[j] = h * r.g[j]
    r.now.pairs, r.now.seed = 0.0, GUESS
    r.now.gq, r.now.qq = dot(r.g, r.q, r.stride), dot(r.q, r.q, r.stride)


cdef inline void mend(Rule* r) noexcept nogil:
    """Forget H where rounding has spoilt it: its step leads nowhere, or up."""
    if not (0.0 < r.now.gq < INFINITY and r.now.qq < INFINITY):
        forget(r)


cdef inline void set_units(Rule* r, const double* x, const double* g) noexcept nogil:
    """Run in x_i / |x_i| where the start says that units differ: |x_i| by more than 1000.

    What is nearly zero says nothing of its unit, and takes the largest: its gradient does not make up for it.
    """
    cdef double most = 0.0, least = INFINITY, pull = 0.0
    cdef intptr_t j
    for j in range(r.d):
        most, pull = max(most, fabs(x[j])), max(pull, fabs(x[j] * g[j]))
    for j in range(r.d):
        r.unit[j] = fabs(x[j]) if fabs(x[j] * g[j]) > FAINT * pull else most
        least = min(least, r.unit[j])
    if most > 1000.0 * least:
        return
    for j in range(r.d):
        r.unit[j] = 1.0


cdef inline double first_length(const Rule* r, const double* x) noexcept nogil:
    """The length of a first step of which nothing is known, from |x| and |g|."""
    cdef double xx = 0.0
    cdef intptr_t j
    for j in range(r.d):
        xx += (x[j] / r.unit[j]) * (x[j] / r.unit[j])
    return exp(r.first[0] + r.first[1] * log(1.0 + sqrt(xx)) + r.first[2] * clip(0.5 * log(r.now.gg), -5.0, 5.0))


cdef inline void start(Rule* r, const l2o_run* run, bint guess) noexcept nogil:
    """Begin a run; a prior knows the units of x, and the matrix."""
    cdef intptr_t j
    if guess:
        set_units(r, run.x, run.g)
    else:
        for j in range(r.d):
            r.unit[j] = 1.0
    for j in range(r.d):
        r.g[j] = r.unit[j] * run.g[j]
    r.now.f, r.now.gg, r.now.cap = run.f[0], dot(r.g, r.g, r.stride), 0.0
    if guess:
        r.now.length = first_length(r, run.x)
        forget(r)


cdef inline void propose(Rule* r, const double* x, double* point) noexcept nogil:
    """point = x - tau q: tau = (1 + (|q| / (ell e^cap))^4)^(-1/4), a soft cap on the length of the step."""
    cdef Numbers* now = r.now
    cdef double k
    cdef intptr_t j
    mend(r)
    k = now.qq * now.cap / (now.length * now.length)
    now.tau = 1.0 / sqrt(sqrt(1.0 + k * k) if k < 1e100 else k)
    for j in range(r.d):
        point[j] = x[j] - r.unit[j] * (now.tau * r.q[j])


cdef inline void learn(Rule* r, const l2o_run* run) noexcept nogil:
    """Take in the trial at run.x."""
    cdef Numbers* now = r.now
    cdef Trial t
    cdef Controls c
    cdef double g[MOST_VARIABLES]
    cdef double F[N_FEATURES]
    cdef intptr_t slot = slot_of(r, <intptr_t> now.pairs)
    cdef double* s = r.S + slot * r.stride
    cdef double* y = r.Y + slot * r.stride
    cdef double b = 0.0, sy
    cdef bint first = now.pairs == 0.0 and now.seed == GUESS
    now.trials += 1.0
    if not is_finite(r, run, &t, g):
        now.length = 0.1 * sqrt(t.ss) if t.ss > 0.0 else now.length
        now.cap = 1.0 if now.cap == 0.0 else now.cap
        return
    measure(r, &t, run.outcome == LOWER, g, s, y)
    if r.W == NULL:
        steer(r, &t, &c)
    else:
        observe(r, &t, y, F)
        control(r, F, &c)
    now.length = sqrt(t.ss) if t.accepted else sqrt(t.ss) * cubic(&t)
    if first:
        b, c.drift = first_scale(r, &t, y), 1.0
        isotropic(r, 1.0 / b)
    shape(r, &t, s, y, c.floor, c.hermite, first, b)
    sy, t.yy = dot(s, y, r.stride), dot(y, y, r.stride)
    r.inverse_sy[slot] = 1.0 / sy if sy > 0.0 and sy * sy > 1e-24 * (t.ss * t.yy) else 0.0
    now.pairs += 1.0
    now.cap = c.cap
    if t.accepted:
        now.f, now.gg = t.f, t.gg
        weigh(r.g, r.stride, 1.0, g, 0.0, g)
    absorb_all(r, c.drift, c.psi, r.g)


cdef inline bint expect(Rule* r, const Shape* prior, const double* x, double* point) noexcept nogil:
    """Take the matrix of a prior; whether there is a first step of its own to evaluate, at `point`."""
    cdef double out[2 * MOST_VARIABLES]
    cdef intptr_t j
    if prior.outputs > 0.0:
        predict(prior, r.d, x, r.now.f, r.g, out)
    memset(r.H, 0, r.d * r.stride * sizeof(double))
    matrix(prior, r.d, r.stride, out + <intptr_t> prior.step * r.d, r.H)
    multiply(r)
    r.now.length = sqrt(r.now.qq) if r.now.qq < INFINITY else first_length(r, x)
    r.now.seed, r.now.pairs = EXPECTED, 0.0
    if prior.step == 0.0:
        return False
    first_step(prior, r.d, out, point)
    for j in range(r.d):
        point[j] += x[j]
    r.now.seed = LOOKING
    return True


cdef inline void settle(Rule* r, const l2o_run* run) noexcept nogil:
    """Go on from the lower of the base point and the first step; their pair is not used."""
    cdef intptr_t j
    r.now.seed = EXPECTED
    if run.outcome == LOWER:
        for j in range(r.d):
            r.g[j] = run.g[j]
        r.now.f, r.now.gg = run.f[0], dot(r.g, r.g, r.stride)
        multiply(r)


cdef inline void take(Rule* r, const l2o_run* run) noexcept nogil:
    """Take in the newest trial."""
    r.now.told = <double> run.t
    if r.now.seed == LOOKING:
        settle(r, run)
    else:
        learn(r, run)


cdef void next_points(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef intptr_t i, at = <intptr_t> block[6]
    cdef Rule r
    for i in range(n_runs):
        view(&r, &runs[i], block)
        if runs[i].outcome == START:
            start(&r, &runs[i], at == 0)
            if at > 0 and expect(&r, <const Shape*> (block + at), runs[i].x, points + i * r.d):
                continue
        elif <double> runs[i].t > r.now.told:                  # else `bequeath` has taken it in
            take(&r, &runs[i])
        propose(&r, runs[i].best_x, points + i * r.d)


cdef void bequeath(const l2o_run* run, double* inverse, const void* user) noexcept nogil:
    """H in the caller's units; `next_points` may have seen the newest trial, or not."""
    cdef Rule r
    cdef intptr_t i, j
    view(&r, run, <const double*> user)
    if <double> run.t > r.now.told:
        take(&r, run)
    mend(&r)
    for i in range(r.d):
        for j in range(r.d):
            inverse[i * r.d + j] = r.unit[i] * r.H[i * r.stride + j] * r.unit[j]


cdef l2o_policy quasi_newton
quasi_newton.next, quasi_newton.bequeath = next_points, bequeath
POLICY = <size_t> &quasi_newton
