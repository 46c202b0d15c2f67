# One run of a policy: its trials are judged and the best point is kept; where they no longer help, another method, the
# heir, takes over.
from libc.math cimport INFINITY, fabs, isfinite
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport HIGHER, LOWER, NOT_FINITE, l2o_hessian_fn, l2o_run
from l2o._kernels.base._curvature cimport show_curvature
from l2o._kernels.base._evaluate cimport evaluate_within, is_better, rounding
from l2o._kernels.base._history cimport history_push
from l2o._kernels.base._newton_step cimport AS_GIVEN, solve
from l2o._kernels.base._status cimport (
    CONVERGED, GO_ON, LIMIT, NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS, STOPPED)
from l2o._kernels.solvers._bounds cimport direction_size, downhill, free_slope
from l2o._kernels.solvers._descent cimport descend, descent, descent_size, slope_of
from l2o._kernels.solvers._descent_method cimport EXACT, NO_GAP, PREDICTED, product
from l2o._kernels.solvers._gate cimport admits
from l2o._kernels.solvers._hessian_gap cimport MOST_COUPLED
from l2o._kernels.solvers._scrutiny cimport prepare_scrutiny, scrutiny_size, seen_gap, settle
from l2o._kernels.solvers._step cimport Limits, step_rules
from l2o._kernels.solvers._stopping cimport (
    at_infimum, is_short, stopping_change, stopping_step, tolerance_at_last_digits)

cdef struct Minimization:                                      # one run
    descent best                                               # the best point seen, as the heir takes it over
    const step_rules* rules
    l2o_hessian_fn hessian
    bint outside                                               # whether a step of the policy was beyond its limits
    bint far                                                   # whether the start is, by the gate
    bint gated                                                 # and the policy declines such starts
    double* point                                              # the newest trial
    double* gradient
    double* shown                                              # (3, n) within bounds: see `show`
    double* curvature                                          # (n, n), or NULL
    double* origin                                             # of `watch_size`: the start, and what the stop needs
    double* work                                               # shared: descent_size(n)
    double value
    double gap                                                 # to the minimum, as the last step has it
    double steepness                                           # of the start: the maximum norm of its gradient
    double slope                                               # of the best point, the same
    intptr_t rejected                                          # trials without a gain, in a row
    int status
    bint told                                                  # whether the policy has been told of the newest trial
    bint learned                                               # the next trial is the policy's
    bint helped                                                # one of its trials led to a better point


cdef inline void look_at_curvature(Minimization* run, l2o_run* h) noexcept nogil:
    if run.curvature != NULL and not show_curvature(run.hessian, run.curvature, h, run.best.data):
        run.status = OBJECTIVE_FAILED


cdef inline const double* show(Minimization* run, const double* x, const double* g, int row) noexcept nogil:
    """The gradient at x as the policy sees it, zero where a bound holds a variable.

    It stands in a row of `shown`: 0 for the trial, 1 for the best point. Row 2 is for the last trial's own gradient.
    """
    if run.best.low == NULL:
        return g
    free_slope(x, g, run.best.low, run.best.high, run.shown + row * run.best.n, run.best.n)
    return run.shown + row * run.best.n


cdef inline int evaluate_point(Minimization* run) noexcept nogil:
    cdef descent* best = &run.best
    return evaluate_within(best.objective, run.point, &run.value, run.gradient, best.low, best.high, best.n, best.data)


cdef inline void start(Minimization* run, l2o_run* h) noexcept nogil:
    memcpy(run.point, run.best.x, run.best.n * sizeof(double))
    run.status = evaluate_point(run)
    begin(run, h)


cdef inline void begin(Minimization* run, l2o_run* h) noexcept nogil:
    """Begin at a point that is evaluated."""
    cdef descent* best = &run.best
    memcpy(best.x, run.point, best.n * sizeof(double))
    memcpy(best.g, run.gradient, best.n * sizeof(double))
    best.f[0], best.first, best.lowest, best.nit, best.nfev = run.value, run.value, run.value, 0, 1
    run.steepness, run.learned, run.helped = slope_of(best, run.point, run.gradient), True, False
    run.slope = run.steepness
    run.outside, run.told, run.rejected, run.gap = False, False, 0, INFINITY
    run.far = run.rules.gate != NULL and not admits(run.rules.gate, run.point, run.value, run.gradient, best.n)
    h.best_x, h.best_g, h.best_f = best.x, show(run, best.x, best.g, 1), best.f[0]
    if best.stop.ftol > 0.0:
        best.origin = run.origin
        prepare_scrutiny(best, run.point, run.origin)
    if run.status == GO_ON:
        look_at_curvature(run, h)


cdef inline void tell(Minimization* run, l2o_run* h) noexcept nogil:
    if not run.told:
        history_push(h, run.point, run.value, show(run, run.point, run.gradient, 0))
        run.told = True


cdef inline bint still_helps(const Minimization* run) noexcept nogil:
    """The rule of the safeguard after a trial; its numbers for the network: benchmarks/paper/handoff.py."""
    return (run.rejected < run.rules.rejections and not run.outside and run.best.nfev <= run.rules.most_trials
            and run.slope > run.rules.flat * run.steepness)


cdef inline bint beyond(const Minimization* run, double before, const double* step,
                        const double* change) noexcept nogil:
    """Whether a step of the policy, from a value `before`, showed what training did not; a NaN is beyond."""
    cdef const Limits* limits = run.rules.limits
    cdef double length2 = product(step, step, run.best.n), bend = product(step, change, run.best.n)
    return not (run.status != NON_FINITE and run.best.nit <= limits.horizon
                and limits.least_gradient <= run.steepness <= limits.most_gradient
                and slope_of(&run.best, run.point, run.gradient) <= limits.most_gradient
                and limits.fall <= run.value - before <= limits.rise
                and limits.least_curvature * length2 <= bend <= limits.most_curvature * length2)


cdef inline bint inherits(const Minimization* run) noexcept nogil:
    """Whether the heir is given the policy's matrix, rather than pairs."""
    return run.rules.policy.bequeath != NULL and run.rules.heir.inherit != NULL


cdef inline void hand_over(Minimization* run, l2o_run* h, const void* weights) noexcept nogil:
    """Prepare the heir. If no trial helped, and no matrix is inherited, its run is that from the start, to the bit."""
    cdef descent* best = &run.best
    if inherits(run):
        tell(run, h)
        run.rules.policy.bequeath(h, best.method.inherit(best.memory), weights)
    elif not run.helped:
        best.method.reset(best.memory, best.n, run.rules.settings, best.data)
    if not run.helped:
        best.lowest = best.first


cdef inline bint ends(Minimization* run, l2o_run* h, const void* weights) noexcept nogil:
    """Whether the policy is not to be asked again; where it no longer helps, the heir finishes the run."""
    cdef descent* best = &run.best
    if run.status == GO_ON and run.slope <= best.stop.gtol:
        run.status = CONVERGED
    if run.status == GO_ON and (best.nit >= best.maxiter or best.nfev >= best.maxfun or (run.far and run.gated)):
        run.status = LIMIT
    if run.status != GO_ON:
        return True
    if run.learned:
        return False
    hand_over(run, h, weights)
    run.status = descend(best, run.work)
    return True


cdef inline bint move(Minimization* run, const double* origin, double* point, double* step) noexcept nogil:
    """Take on a point, moved within bounds; step is how it differs from the origin. Whether it does, and is finite."""
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(run.best.n):
        if run.best.low != NULL:
            point[j] = min(max(point[j], run.best.low[j]), run.best.high[j]) if point[j] == point[j] else point[j]
        step[j] = point[j] - origin[j]
        total += fabs(step[j])
    if not 0.0 < total < INFINITY and (run.best.memory != NULL or run.rules.rejects):
        run.learned = False
        if run.best.memory == NULL:
            run.status = PRECISION_LOSS if isfinite(total) else NON_FINITE
        return False
    memcpy(run.point, point, run.best.n * sizeof(double))
    return True


cdef inline double bequeathed_gap(Minimization* run, l2o_run* h, const void* weights, const double* down,
                                  double* step) noexcept nogil:
    """Half g'Hg with the matrix that the policy would leave; step <- H g."""
    cdef descent* best = &run.best
    cdef double* inverse = best.method.inherit(best.memory)    # the heir's, who gets a newer one when it takes over
    cdef intptr_t j
    tell(run, h)
    run.rules.policy.bequeath(h, inverse, weights)
    for j in range(best.n):
        step[j] = product(inverse + j * best.n, down, best.n)
    return 0.5 * product(step, down, best.n)


cdef inline int exact_gap(Minimization* run, const l2o_run* h, const double* down, double* step) noexcept nogil:
    """The same with the Hessian that the policy was shown: EXACT, or NO_GAP where that is not to be had so."""
    cdef descent* best = &run.best
    cdef intptr_t n = best.n
    cdef double* way = run.work + 4 * n
    if (h.curvature == NULL or best.low != NULL or n > MOST_COUPLED
            or solve(h.curvature, down, way, False, way + n, run.work + 7 * n, n) != AS_GIVEN):
        return NO_GAP
    memcpy(step, way, n * sizeof(double))
    run.gap = -0.5 * product(step, down, n)
    return EXACT


cdef inline void settle_trial(Minimization* run, l2o_run* h, const void* weights, double before) noexcept nogil:
    """End a run that has converged at its newest trial, a step from a value `before`."""
    cdef descent* best = &run.best
    cdef intptr_t n = best.n
    cdef double* step = run.work
    cdef double* heirs = best.memory
    cdef const double* down
    cdef int status, trust = NO_GAP
    best.short_step = best.stop.xtol > 0.0 and is_short(&best.stop, step, run.point, n)
    if best.short_step:
        run.status = CONVERGED
    elif best.stop.ftol > 0.0:
        stopping_step(&best.stop, before, run.value, slope_of(best, run.point, run.gradient))
        down = downhill(best, run.point, run.gradient, step + 8 * n + scrutiny_size(n) + direction_size(n))
        best.stop.decrease = fabs(best.stop.decrease)
        if ((heirs != NULL or h.curvature != NULL)
                and not best.stop.decrease <= tolerance_at_last_digits(&best.stop, run.value, INFINITY)
                and not at_infimum(&best.stop, run.value)):
            return                                             # a matrix is not worth a look
        trust = exact_gap(run, h, down, step)
        if trust == NO_GAP and heirs != NULL:                  # who would inherit a matrix
            run.gap, trust = bequeathed_gap(run, h, weights, down, step), PREDICTED
        elif trust == NO_GAP and product(step, step, n) > 0.0:     # else it was too short for x, and nothing is new
            run.gap = seen_gap(down, step, step + n, n)
        best.memory = NULL                                     # the policy goes on in its own units
        status = settle(best, run.point, run.value, down, step, run.gap, trust, step + 2 * n, step + 3 * n,
                        step + 7 * n)
        best.memory = heirs
        h.best_f = best.f[0]                                   # a gradient of the stop may have been at a better one
        run.slope, run.status = slope_of(best, best.x, best.g), status


cdef inline void take(Minimization* run, l2o_run* h, const void* weights, const double* step,
                      const double* change) noexcept nogil:
    """Judge a finite trial; the best point is kept, and the heir learns the curvature along the step."""
    cdef descent* best = &run.best
    cdef double before = best.f[0]
    if best.stop.ftol > 0.0:
        stopping_change(&best.stop, change, best.n)
    best.lowest, h.outcome = min(best.lowest, run.value), HIGHER
    if is_better(run.value, run.point, run.gradient, best.f[0], best.x, best.g, best.first, best.lowest, best.low,
                 best.high, best.n):
        memcpy(best.x, run.point, best.n * sizeof(double))
        memcpy(best.g, run.gradient, best.n * sizeof(double))
        best.f[0], run.helped, h.outcome, h.best_f = run.value, True, LOWER, run.value
        run.slope = slope_of(best, best.x, best.g)
        show(run, best.x, best.g, 1)
        best.nit += run.rules.rejects
        look_at_curvature(run, h)
    run.rejected = 0 if run.value + rounding(run.value) < before else run.rejected + 1
    if best.memory != NULL:
        if not inherits(run):
            best.method.learn(best.memory, step, change)
        run.learned = still_helps(run)
    if (best.memory == NULL or inherits(run)) and (h.outcome == LOWER or not run.rules.rejects):
        settle_trial(run, h, weights, before if run.rules.rejects else h.f[0])
    if (best.after_step != NULL and (h.outcome == LOWER or not run.rules.rejects)
            and best.after_step(best.observer, run.point, run.value, run.gradient, best.nfev)):
        run.status = STOPPED


cdef inline void advance(Minimization* run, l2o_run* h, const void* weights, double* point) noexcept nogil:
    """Evaluate the point that the policy asks for and see what came of it.

    A policy that may not reject trials steps from one to the next; one that may steps from the best point, and its
    steps are counted as iterations where they lead to a better one.
    """
    cdef descent* best = &run.best
    cdef bint rejects = run.rules.rejects
    cdef const double* slope = best.g if rejects else h.g if best.low == NULL else run.shown + 2 * best.n
    cdef double* step = run.work
    cdef double* change = run.work + best.n
    cdef intptr_t j
    if not move(run, best.x if rejects else run.point, point, step):
        return
    if best.low != NULL:
        memcpy(run.shown + 2 * best.n, run.gradient, best.n * sizeof(double))
    run.status, run.told = evaluate_point(run), False
    best.nfev += 1
    best.nit += run.status == GO_ON and not rejects
    if not inherits(run) or best.memory == NULL or run.rules.limits != NULL or best.stop.ftol > 0.0:
        for j in range(best.n):
            change[j] = run.gradient[j] - slope[j]
    if run.rules.limits != NULL and not run.outside:
        run.outside = beyond(run, h.f[0], step, change)
    if run.status == GO_ON:
        take(run, h, weights, step, change)
    elif run.status == NON_FINITE and (rejects or best.memory != NULL):
        run.status, h.outcome, run.rejected = GO_ON, NOT_FINITE, run.rejected + 1
        run.learned = best.memory == NULL or still_helps(run)
    if rejects and best.memory == NULL and run.status == GO_ON and run.rejected >= run.rules.rejections:
        run.status = PRECISION_LOSS
