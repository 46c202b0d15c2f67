# l2o: built per instruction set
# Levenberg's and Marquardt's method as one of the seat: for objectives that offer their normal equations.
#
# It has a loop of its own, since it has a trust region in place of a line search. All else is as in _descent.pyx: when
# a run has converged, where its limits are, who watches, and what it leaves behind. A fit that ends by standard errors
# is in _levenberg.pyx.
cimport numpy as cnp
from libc.math cimport INFINITY, fabs
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_normal_fn
from l2o._kernels.base._arrays cimport doubles
from l2o._kernels.base._evaluate cimport evaluate_within, is_better
from l2o._kernels.base._status cimport (
    CONVERGED, GO_ON, LIMIT, NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS, SINGULAR, STOPPED)
from l2o._kernels.solvers._bounds cimport direction_size, downhill
from l2o._kernels.solvers._damping cimport damping_rule
from l2o._kernels.solvers._descent cimport descent, slope_of
from l2o._kernels.solvers._descent_method cimport EXACT, NO_GAP, PREDICTED, bound, descent_method
from l2o._kernels.solvers._fit cimport (
    PACE, attempt_step, begin_fit, expect, fit, fit_size, free_parameters, go_to_trial, lay_out, propose, runs_away)
from l2o._kernels.solvers._learned_damping cimport N_NUMBERS
from l2o._kernels.solvers._normal_equations cimport solve_back
from l2o._kernels.solvers._scrutiny cimport LOOK, prepare_scrutiny, scrutiny_size, settle
from l2o._kernels.solvers._stopping cimport is_short, stopping_see, stopping_step

cnp.import_array()

cdef extern from *:
    """
    #define L2O_SLOW 1e-5
    """
    const double SLOW "L2O_SLOW"                               # of f and a variable, what PACE steps of a slow run win

ctypedef struct marquardt_settings:
    l2o_normal_fn normal
    const damping_rule* rule
    double[N_NUMBERS] numbers                                  # of the rule


cdef inline intptr_t header() noexcept nogil:
    """Doubles in front of the workspace of the fit."""
    return (sizeof(fit) + sizeof(double) - 1) // sizeof(double)


cdef intptr_t marquardt_size(intptr_t n, const void* settings) noexcept nogil:
    return header() + fit_size(n)


cdef void marquardt_reset(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil:
    cdef const marquardt_settings* own = <const marquardt_settings*> settings
    cdef fit* f = <fit*> memory
    memset(f, 0, sizeof(fit))
    f.normal_equations, f.data, f.d = own.normal, data, n
    f.rule, f.state.numbers, f.tol, f.freedom = own.rule, own.numbers, SLOW, 1
    lay_out(f, memory + header())


cdef inline const double* gradient(const fit* f) noexcept nogil:
    return f.normal + f.d * (f.d + 1)


cdef inline double value_of(const fit* f) noexcept nogil:
    return 0.5 * f.normal[f.d * (f.d + 2)]


cdef inline void see(descent* run, const fit* f, const double* x, const double* normal) noexcept nogil:
    """Take note of the newest evaluation, at x."""
    run.nfev += 1
    if run.after_value != NULL:
        run.after_value(run.observer, f.value)
    if f.value < INFINITY and run.stop.ftol > 0.0:
        stopping_see(&run.stop, slope_of(run, x, normal + f.d * (f.d + 1)))


cdef inline void keep(descent* run, const fit* f) noexcept nogil:
    """The iterate is the best point, unless the scrutiny has met a lower one."""
    cdef intptr_t n = run.n
    run.lowest = min(run.lowest, f.value)
    if is_better(f.value, f.x, gradient(f), run.f[0], run.x, run.g, run.first, run.lowest, run.low, run.high, n):
        memcpy(run.x, f.x, n * sizeof(double))
        memcpy(run.g, gradient(f), n * sizeof(double))
        run.f[0] = f.value


cdef int begin(descent* run, fit* f, double* work) noexcept nogil:
    """Evaluate the start, and count that unless it was known; GO_ON, or why there is nothing to do."""
    cdef bint known = run.nfev > 0
    cdef int status
    f.low, f.high, f.x = run.low, run.high, work
    memcpy(work, run.x, run.n * sizeof(double))
    status = begin_fit(f)
    if status != GO_ON:                                        # the objective has words for it
        status = evaluate_within(run.objective, run.x, run.f, run.g, run.low, run.high, run.n, run.data)
        status = NON_FINITE if status == GO_ON else status
    else:
        run.f[0] = f.value
        memcpy(run.g, gradient(f), run.n * sizeof(double))
    if not known:
        run.nfev, run.first, run.lowest = 1, run.f[0], run.f[0]
        if run.after_value != NULL:
            run.after_value(run.observer, run.f[0])
    if run.stop.ftol > 0.0 and status == GO_ON:
        prepare_scrutiny(run, run.x if run.origin == NULL else run.origin, work + 5 * run.n)
    return status


cdef int verdict(descent* run, fit* f, double* work) noexcept nogil:
    """What ftol says of the iterate, by what Gauss and Newton expect of it.

    Their matrix is as good as the Hessian where the last step won what it said; what it leaves out, another has to say.
    """
    cdef intptr_t n = run.n, moving = free_parameters(f), i
    cdef double* p = work + 4 * n
    cdef double* inverse = work + 7 * n                        # and the matrix of the scrutiny
    cdef double* confined = inverse + n + scrutiny_size(n) + direction_size(n)
    cdef int trust
    for i in range(n):
        run.units[i] = 1.0 / f.scale[i]
    memset(p, 0, n * sizeof(double))
    f.gain = 0.0
    if moving > 0:
        expect(f, moving)
        solve_back(f.rows, f.part_step, moving)
        for i in range(moving):
            p[f.moving[i]] = f.part_step[i]
    trust = NO_GAP if f.weak else EXACT if fabs(f.ratio - 1.0) <= 0.5 else PREDICTED
    return settle(run, f.x, value_of(f), downhill(run, f.x, gradient(f), confined), p,
                  0.5 * f.gain if f.gain >= 0.0 else INFINITY, trust, work + 2 * n, work + 3 * n, inverse)


cdef inline bint is_flatter(const descent* run, const fit* f) noexcept nogil:
    """Whether the trial, where f is as low for all that is known, has the smaller gradient."""
    return f.value < INFINITY and is_better(
        f.value, f.trial, f.normal_trial + f.d * (f.d + 1), value_of(f), f.x, gradient(f), run.first,
        min(run.lowest, f.value), run.low, run.high, f.d)


cdef inline int take_step(descent* run, fit* f, bint* accepted) noexcept nogil:
    """Propose a step, and take it where it leads down: GO_ON, or why there is none."""
    cdef double before = value_of(f)
    cdef int status
    if not propose(f, free_parameters(f)):
        return PRECISION_LOSS
    status = attempt_step(f, accepted)
    see(run, f, f.trial, f.normal if accepted[0] else f.normal_trial)
    if status == STOPPED:
        return OBJECTIVE_FAILED
    if status == PRECISION_LOSS and not accepted[0] and is_flatter(run, f):
        go_to_trial(f)
        accepted[0], status = True, GO_ON
    if not accepted[0]:
        return status
    run.nit += 1
    if run.stop.ftol > 0.0:
        stopping_step(&run.stop, before, f.value, slope_of(run, f.x, gradient(f)))
    keep(run, f)
    if run.after_step != NULL and run.after_step(run.observer, f.x, f.value, gradient(f), run.nfev):
        return STOPPED
    run.short_step = run.stop.xtol > 0.0 and is_short(&run.stop, f.step, f.x, f.d)
    return status


cdef inline bint is_lost(const descent* run, fit* f) noexcept nogil:
    """Whether the minimum lies at infinity: PACE steps have won less than the one to come should, and next to nothing.

    A run without tolerances goes there.
    """
    cdef double won
    if f.nit == 0 or f.nit % PACE > 0 or not (run.stop.gtol > 0.0 or run.stop.ftol > 0.0 or run.stop.xtol > 0.0):
        return False
    won = f.before - 2.0 * value_of(f)
    expect(f, free_parameters(f))
    return runs_away(f, f.weak or f.gain > won)


cdef int marquardt_loop(void* one, double* work) noexcept nogil:
    """Minimise from run.x, as `descend` does: x, f, g, nit, nfev of run tell the best point and what it took."""
    cdef descent* run = <descent*> one
    cdef fit* f = <fit*> run.memory
    cdef int status = begin(run, f, work)
    cdef bint accepted = True
    while status == GO_ON and slope_of(run, run.x, run.g) > run.stop.gtol and not run.short_step:
        if run.nit >= run.maxiter or run.nfev >= run.maxfun:
            return LIMIT
        if accepted and is_lost(run, f):
            return SINGULAR
        if accepted and run.stop.ftol > 0.0:
            status = verdict(run, f, work)
        if status == GO_ON:
            status = take_step(run, f, &accepted)
        if status == PRECISION_LOSS and run.stop.ftol > 0.0:
            run.stop.decrease = 0.0
            status = verdict(run, f, work)
            if status == GO_ON:
                return LIMIT if run.maxfun - run.nfev < LOOK * run.n else PRECISION_LOSS
    return CONVERGED if status == GO_ON else status


cdef descent_method marquardt
marquardt.size, marquardt.reset, marquardt.loop = marquardt_size, marquardt_reset, marquardt_loop


def method(size_t normal, size_t rule, cnp.ndarray numbers not None):
    """The method with the addresses of the normal equations and of a rule of damping, and the numbers of that."""
    cdef marquardt_settings settings
    cdef intptr_t n = min(numbers.shape[0], <intptr_t> N_NUMBERS)
    memset(&settings, 0, sizeof(marquardt_settings))
    settings.normal, settings.rule = <l2o_normal_fn> normal, <const damping_rule*> rule
    memcpy(settings.numbers, doubles(numbers, n), n * sizeof(double))
    return bound(&marquardt, &settings, sizeof(marquardt_settings))
