# A damping that was learned: forty numbers say where it begins, and how a trial changes it and the length of a step.
#
# The first is the exponential of a linear function of log(1 - R), log R and the logarithm of the least pivot: R is the
# share of r'r that the whole step is expected to gain, a pivot that of the normal equations over the parameter's scale.
# After a trial it is multiplied by exp(a'z), and the next step by a function of b'z, with a and b of their own after
# steps that led down and after those that led up, and z what the trial showed, in no units. Steps that lead up are
# never taken, whatever the numbers; where many do, or a run is long or slow, More's trust region takes over.
from libc.math cimport exp, fabs, log, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.solvers._damping cimport damping, more_learn, more_step, trial
from l2o._kernels.solvers._normal_equations cimport eliminate, solve_back

cdef enum:
    N_FIRST = 4                                                # numbers of the first damping
    N_SEEN = 9                                                 # that a trial shows
    N_NUMBERS = 40
    MOST_FAILURES = 8                                          # in a run, before the textbook's rule takes over
    MOST_TRIALS = 30

cdef extern from *:
    """
    #define L2O_LEAST_LEVEL -27.6
    #define L2O_MOST_LEVEL 18.4
    #define L2O_LEAST_LEARNED 1e-12
    #define L2O_LEAST_SHARE 1e-8
    #define L2O_NEGLIGIBLE 1e-5
    #define L2O_FAR_LEVEL 2.3
    #define L2O_WIDE 100.0
    """
    const double LEAST_LEVEL "L2O_LEAST_LEVEL"                 # of the logarithm of a damping
    const double MOST_LEVEL "L2O_MOST_LEVEL"
    const double LEAST_LEARNED "L2O_LEAST_LEARNED"             # of a pivot
    const double LEAST_SHARE "L2O_LEAST_SHARE"
    const double NEGLIGIBLE "L2O_NEGLIGIBLE"                   # a damping below which a whole step is taken, if known
    const double FAR "L2O_FAR_LEVEL"                           # added to the level where a trial is not finite
    const double WIDE "L2O_WIDE"                               # More's radius, in units of the start


cdef inline double bounded(double value, double low, double high) noexcept nogil:
    """The value within bounds; the lower one for NaN."""
    return min(high, value) if value > low else low


cdef inline void learned_begin(damping* state, double size) noexcept nogil:
    state.value, state.stretch, state.moved, state.textbook = -1.0, 1.0, False, False
    state.rejections, state.trials, state.failures = 0, 0, 0
    state.radius = WIDE * (size if size > 0.0 else 1.0)


cdef inline void move(damping* state, double level) noexcept nogil:
    state.level = bounded(level, LEAST_LEVEL, MOST_LEVEL)
    state.value = exp(state.level)


cdef inline void look(damping* state, const double* normal, const double* scale, double* rows, intptr_t d,
                      bint ready) noexcept nogil:
    """Find the share that the whole step would gain, and at the start of a run the damping."""
    cdef const double* a = state.numbers
    cdef double weakness = 1.0, share, least
    cdef intptr_t j
    if not ready:
        state.gain = eliminate(normal, scale, LEAST_LEARNED, rows, d)
    share = bounded(state.gain / normal[d * (d + 2)], 0.0, 1.0)
    state.share = log(share + LEAST_SHARE)
    if state.value < 0.0:
        for j in range(d):
            weakness = max(weakness, scale[j] * rows[j * (d + 2)])
        least = LEAST_LEARNED if state.gain < 0.0 else max(1.0 / weakness, LEAST_LEARNED)
        move(state, a[0] + a[1] * log(1.0 - 0.9999 * share) + a[2] * state.share + a[3] * log(least))


cdef inline bint learned_step(damping* state, const double* normal, const double* scale, double* rows, double* step,
                              double* work, intptr_t d, bint ready) noexcept nogil:
    cdef intptr_t a
    if state.textbook:
        return more_step(state, normal, scale, rows, step, work, d, ready)
    if state.rejections == 0:
        look(state, normal, scale, rows, d, ready)
    while not (ready and state.value < NEGLIGIBLE) and eliminate(normal, scale, state.value, rows, d) < 0.0:
        if state.level >= MOST_LEVEL:
            return False
        move(state, state.level + FAR)
        ready = False
    solve_back(rows, step, d)
    for a in range(d):
        step[a] *= state.stretch
    return True


cdef inline double cosine(const damping* state, const trial* t) noexcept nogil:
    """Of the angle from the last step that led down to this one, in units of the scale."""
    cdef double along = 0.0, size = 0.0
    cdef intptr_t a
    for a in range(t.d):
        along += t.scale[a] * state.last[a] * t.step[a]
        size += t.scale[a] * state.last[a] * state.last[a]
    return along / (sqrt(size) * t.size) if size > 0.0 and t.size > 0.0 else 0.0


cdef inline void see(const damping* state, const trial* t, double* seen) noexcept nogil:
    """Fill seen (N_SEEN,) with what a trial showed."""
    cdef double off = bounded(t.ratio, -3.0, 2.0) - 1.0, there = 0.0
    cdef intptr_t a
    seen[0], seen[1], seen[2] = 1.0, off, 0.5 * off * off
    seen[3] = 4.0
    if t.there != NULL:
        for a in range(t.d):
            there += t.there[a] * t.step[a]
        seen[3] = bounded(-there / t.slope, -1.0, 4.0)
    seen[4] = 0.2 * state.share
    seen[5] = bounded(-state.value * t.size * t.size / t.slope, 0.0, 2.0)
    seen[6] = cosine(state, t) if state.moved else 0.0
    seen[7] = 0.1 * state.level
    seen[8] = 0.5 * state.rejections


cdef inline double stretched(double by) noexcept nogil:
    """1 for 0, from 1/2 to 2, from where on a step wins nothing."""
    by /= 1.0 + fabs(by)
    return (3.0 + by) / (3.0 - by)


cdef inline void learned_learn(damping* state, const trial* t) noexcept nogil:
    cdef bint down = t.fall > 0.0
    cdef const double* weights = state.numbers + N_FIRST + (0 if down else 2 * N_SEEN)
    cdef double[N_SEEN] seen
    cdef double change = 0.0, stretch = 0.0
    cdef intptr_t k
    if state.textbook:
        more_learn(state, t)
        return
    state.trials += 1
    state.rejections = 0 if down else state.rejections + 1
    state.failures += not down
    see(state, t, seen)
    for k in range(N_SEEN):
        change += weights[k] * seen[k]
        stretch += weights[N_SEEN + k] * seen[k]
    move(state, state.level + (bounded(change, -12.0, 12.0) if down else bounded(change, 0.3, 12.0)
                               + (FAR if t.there == NULL else 0.0)))
    state.stretch = stretched(stretch)
    if down:
        memcpy(state.last, t.step, t.d * sizeof(double))
        state.moved = True
    if state.failures >= MOST_FAILURES or state.trials >= MOST_TRIALS:
        state.textbook, state.value = True, 0.0
        if not down:
            state.radius = t.size
