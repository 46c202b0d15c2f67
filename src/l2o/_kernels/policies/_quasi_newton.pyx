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
    EXPECTED, GUESS, LOOKING, MOST_VARIABLES, Rule, absorb_all, isotropic, multiply, slot_of,
    view)
from l2o._kernels.policies._rule_trial cimport (
    N_FEATURES, TOGETHER, Lesson, Trial, control, cubic, first_scale, is_finite, measure, observe, shape, steer)

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


cdef inline void propose(Lesson* now) noexcept nogil:
    """point = x - tau q: tau = (1 + (|q| / (ell e^cap))^4)^(-1/4), a soft cap on the length of the step."""
    cdef Rule* r = &now.rule
    cdef double k
    cdef intptr_t j
    mend(r)
    k = r.now.qq * r.now.cap / (r.now.length * r.now.length)
    r.now.tau = 1.0 / sqrt(sqrt(1.0 + k * k) if k < 1e100 else k)
    for j in range(r.d):
        now.point[j] = now.best[j] - r.unit[j] * (r.now.tau * r.q[j])


cdef inline bint see(Lesson* now, const l2o_run* run) noexcept nogil:
    """Take in the trial at run.x; whether it gives a pair."""
    cdef Rule* r = &now.rule
    cdef Trial* t = &now.trial
    cdef intptr_t slot = slot_of(r, <intptr_t> r.now.pairs)
    now.s, now.y, now.inverse_sy = r.S + slot * r.stride, r.Y + slot * r.stride, r.inverse_sy + slot
    r.now.trials += 1.0
    if not is_finite(r, run, t, now.g):
        r.now.length = 0.1 * sqrt(t.ss) if t.ss > 0.0 else r.now.length
        r.now.cap = 1.0 if r.now.cap == 0.0 else r.now.cap
        return False
    measure(r, t, run.outcome == LOWER, now.g, now.s, now.y)
    return True


cdef inline void form(Lesson* now) noexcept nogil:
    """The pair, and where the run goes on from."""
    cdef Rule* r = &now.rule
    cdef Trial* t = &now.trial
    cdef double b = 0.0, sy
    cdef bint first = r.now.pairs == 0.0 and r.now.seed == GUESS
    r.now.length = sqrt(t.ss) if t.accepted else sqrt(t.ss) * cubic(t)
    if first:
        b, now.controls.drift = first_scale(r, t, now.y), 1.0
        isotropic(r, 1.0 / b)
    shape(r, t, now.s, now.y, now.controls.floor, now.controls.hermite, first, b)
    sy, t.yy = dot(now.s, now.y, r.stride), dot(now.y, now.y, r.stride)
    now.inverse_sy[0] = 1.0 / sy if sy > 0.0 and sy * sy > 1e-24 * (t.ss * t.yy) else 0.0
    r.now.pairs += 1.0
    r.now.cap = now.controls.cap
    if t.accepted:
        r.now.f, r.now.gg = t.f, t.gg
        weigh(r.g, r.stride, 1.0, now.g, 0.0, now.g)


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


cdef inline bint take(Lesson* now, const l2o_run* run) noexcept nogil:
    """Take in the newest trial; whether it gives a pair."""
    now.rule.now.told = <double> run.t
    if now.rule.now.seed == LOOKING:
        settle(&now.rule, run)
        return False
    return see(now, run)


cdef inline void decide(Lesson* now) noexcept nogil:
    """What the rule makes of the trial."""
    cdef double F[N_FEATURES]
    if now.rule.W == NULL:
        steer(&now.rule, &now.trial, &now.controls)
    else:
        observe(&now.rule, &now.trial, now.y, F)
        control(&now.rule, F, &now.controls)


cdef inline void learn(Lesson* const* lessons, intptr_t n) noexcept nogil:
    """Take in the pairs of runs, all of them stage by stage: while one waits for a number, another goes on."""
    cdef intptr_t k
    for k in range(n):
        decide(lessons[k])
    for k in range(n):
        form(lessons[k])
    for k in range(n):
        absorb_all(&lessons[k].rule, lessons[k].controls.drift, lessons[k].controls.psi, lessons[k].rule.g)


cdef void some_points(const l2o_run* runs, intptr_t n_runs, double* points, const double* block) noexcept nogil:
    cdef Lesson lessons[TOGETHER]
    cdef Lesson* learners[TOGETHER]
    cdef Lesson* movers[TOGETHER]
    cdef Lesson* now
    cdef intptr_t prior = <intptr_t> block[6], learning = 0, moving = 0, i
    for i in range(n_runs):
        now = &lessons[i]
        now.best, now.point = runs[i].best_x, points + i * runs[i].dim
        view(&now.rule, &runs[i], block)
        if runs[i].outcome == START:
            start(&now.rule, &runs[i], prior == 0)
            if prior > 0 and expect(&now.rule, <const Shape*> (block + prior), runs[i].x, now.point):
                continue
        elif <double> runs[i].t > now.rule.now.told and take(now, &runs[i]):     # else `bequeath` has taken it in
            learners[learning] = now
            learning += 1
        movers[moving] = now
        moving += 1
    learn(learners, learning)
    for i in range(moving):
        propose(movers[i])


cdef void next_points(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    cdef intptr_t i = 0
    while i < n_runs:
        some_points(runs + i, min(n_runs - i, <intptr_t> TOGETHER), points + i * runs[0].dim, <const double*> user)
        i += TOGETHER


cdef void bequeath(const l2o_run* run, double* inverse, const void* user) noexcept nogil:
    """H in the caller's units; `next_points` may have seen the newest trial, or not."""
    cdef Lesson lesson
    cdef Lesson* learner = &lesson
    cdef Rule* r = &lesson.rule
    cdef intptr_t i, j
    view(r, run, <const double*> user)
    if <double> run.t > r.now.told and take(&lesson, run):
        learn(&learner, 1)
    mend(r)
    for i in range(r.d):
        for j in range(r.d):
            inverse[i * r.d + j] = r.unit[i] * r.H[i * r.stride + j] * r.unit[j]


cdef l2o_policy quasi_newton
quasi_newton.next, quasi_newton.bequeath = next_points, bequeath
POLICY = <size_t> &quasi_newton
