# l2o: built per instruction set
# Batches of least-squares fits by Levenberg and Marquardt.
#
# Each run ends by the relative offset of D. M. Bates and D. G. Watts, "A relative offset orthogonality convergence
# criterion for nonlinear least squares", Technometrics 23 (1981): the step that is left, in standard errors. Bounds are
# kept by an active set, as in _bounds.pxd. All is invariant to units of the data and of the parameters. Nothing here
# allocates but one workspace a call; row i does not depend on its neighbours.
cimport numpy as cnp
from libc.math cimport INFINITY, NAN, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_model
from l2o._kernels.base._arrays cimport codes, counts, doubles, flags
from l2o._kernels.base._loss cimport (
    cauchy, geman_mcclure, huber, loss, soft_l1, weigh_counts, weigh_robust)
from l2o._kernels.base._status cimport CONVERGED, GO_ON, LIMIT, PRECISION_LOSS, SINGULAR, TOO_FEW_POINTS
from l2o._kernels.solvers._covariance cimport covariance, sandwich
from l2o._kernels.solvers._curve cimport curve, evaluate_curve, gather, points_size
from l2o._kernels.solvers._damping cimport (
    damping_rule, more_begin, more_learn, more_step, nielsen_begin, nielsen_learn, nielsen_step)
from l2o._kernels.solvers._fit cimport (
    NEAR, PACE, arrive, attempt_step, begin_fit, evaluate_fit, fit, fit_size, free_parameters, is_fixed, lay_out,
    offset, propose, runs_away)
from l2o._kernels.solvers._learned_damping cimport N_NUMBERS, WIDE, learned_begin, learned_learn, learned_step

cnp.import_array()

cdef extern from *:
    """
    #define L2O_ROUNDING_OFFSET 1e-3
    #define L2O_REST 0.04
    #define L2O_ALIKE 1e-10
    #define L2O_POOR 2.0
    """
    const double REST "L2O_REST"                               # of the offset, after the step that it is of
    const double ALIKE "L2O_ALIKE"                             # of r'r, within which two fits have ended at the same
    const double POOR "L2O_POOR"                               # standard errors that points of a poor fit are off by
    const double ROUNDING_OFFSET "L2O_ROUNDING_OFFSET"         # where rounding ends a run, standard errors are close

cdef damping_rule more, nielsen, learned
more.begin, more.step, more.learn = more_begin, more_step, more_learn
nielsen.begin, nielsen.step, nielsen.learn = nielsen_begin, nielsen_step, nielsen_learn
learned.begin, learned.step, learned.learn = learned_begin, learned_step, learned_learn
learned.second, learned.radius = &more, WIDE
MORE, NIELSEN, LEARNED = <size_t> &more, <size_t> &nielsen, <size_t> &learned
N_LEARNED = N_NUMBERS

cdef loss hubers, soft, cauchys, gemans, counts_of
hubers.weigh, hubers.shape, hubers.scaled = weigh_robust, huber, True
soft.weigh, soft.shape, soft.scaled = weigh_robust, soft_l1, True
cauchys.weigh, cauchys.shape, cauchys.scaled = weigh_robust, cauchy, True
gemans.weigh, gemans.shape, gemans.scaled = weigh_robust, geman_mcclure, True
counts_of.weigh, counts_of.shape, counts_of.scaled = weigh_counts, NULL, False
LINEAR, HUBER, SOFT_L1, CAUCHY = 0, <size_t> &hubers, <size_t> &soft, <size_t> &cauchys
GEMAN_MCCLURE, POISSON = <size_t> &gemans, <size_t> &counts_of


cdef int run(fit* f) noexcept nogil:
    """Fit from f.x; x, normal, nit, nfev tell the best point and what it took."""
    cdef int status = begin_fit(f)
    cdef bint accepted = True
    cdef double left = INFINITY, before
    cdef intptr_t n = 0
    if status != GO_ON:
        f.normal[f.d * (f.d + 2)] = NAN
    while status == GO_ON:
        if accepted:
            n, before = free_parameters(f), left
            left = offset(f, n)
            if left <= f.tol * f.tol and left * min(left / before, 1.0) <= REST * f.tol * f.tol:
                arrive(f, n)
                return CONVERGED
            if f.nit > 0 and f.nit % PACE == 0 and runs_away(f, left > NEAR):
                return SINGULAR
        if f.nfev >= f.maxfev:
            return LIMIT
        status = attempt_step(f, &accepted) if propose(f, free_parameters(f)) else PRECISION_LOSS
    return CONVERGED if status == PRECISION_LOSS and left <= ROUNDING_OFFSET * ROUNDING_OFFSET else status


cdef bint is_lost(const fit* f, const curve* c, int status) noexcept nogil:
    """Whether a fit has come to no end, and its points are off by more than chance and outliers allow."""
    cdef double[3] rho
    if not (status == SINGULAR or status == PRECISION_LOSS or (status == CONVERGED and f.weak)):
        return False
    if c.loss == NULL or c.loss.shape == NULL:                 # sigma may say nothing
        return False
    c.loss.shape(POOR * POOR, rho)
    return f.normal[f.d * (f.d + 2)] > c.n * rho[0] and f.nfev < f.maxfev


cdef int run_again(fit* f, fit* other, int status) noexcept nogil:
    """Fit from other.x by another rule, and take the lower of both; evaluations add up."""
    cdef intptr_t last = f.d * (f.d + 2)
    cdef int found
    other.low, other.high, other.noise, other.freedom = f.low, f.high, f.noise, f.freedom
    other.maxfev = f.maxfev - f.nfev
    found = run(other)
    f.here = False                                             # the newest evaluation was the other's
    if other.normal[last] <= f.normal[last] * (1.0 + (ALIKE if found == CONVERGED else 0.0)):
        memcpy(f.x, other.x, f.d * sizeof(double))
        f.normal, other.normal = other.normal, f.normal
        f.scale, other.scale = other.scale, f.scale
        f.here, status = other.here, found
    f.nfev, f.nit = f.nfev + other.nfev, f.nit + other.nit
    return status


cdef int solve(fit* f, fit* other, curve* c, const double* t, const double* y, const double* sigma, intptr_t n,
               double* work, double* inverse, double* chi2, unsigned char* on_bound, intptr_t* used) noexcept nogil:
    """Fit one curve and say what came of it."""
    cdef intptr_t d = f.d, n_free = 0, a, b
    cdef int status
    for a in range(d):
        n_free += not is_fixed(f, a)
    f.noise = 1e-30 * gather(c, t, y, sigma, n, work)
    used[0] = c.n
    f.freedom = max(used[0] - n_free, 1)
    chi2[0] = NAN
    for a in range(d * d):
        inverse[a] = NAN
    memset(on_bound, 0, d)
    f.nfev = f.nit = 0
    if used[0] < n_free or used[0] == 0:
        return TOO_FEW_POINTS
    memcpy(other.x, f.x, d * sizeof(double))
    status = run(f)
    if other.rule != NULL and is_lost(f, c, status):
        status = run_again(f, other, status)
    chi2[0] = f.normal[d * (d + 2)]
    if isfinite(chi2[0]):
        for a in range(d):
            on_bound[a] = (f.low != NULL and not is_fixed(f, a)
                           and (f.x[a] == f.low[a] or f.x[a] == f.high[a]))
        if not errors_of(f, c, on_bound, inverse):
            status = SINGULAR if status == CONVERGED else status
        for a in range(d):                                     # the law of its estimate is none with such an error
            for b in range(d):
                if on_bound[a] and not is_fixed(f, b):
                    inverse[a * d + b] = inverse[b * d + a] = NAN
    return status


cdef bint errors_of(fit* f, const curve* c, const unsigned char* on_bound, double* inverse) noexcept nogil:
    """Fill inverse (d, d), the covariance but for the scale of the errors; False if something is undetermined."""
    if c.loss == NULL or c.loss.shape == NULL:
        return covariance(f, f.normal, on_bound, inverse)
    if not f.here and evaluate_fit(f, f.x, f.normal_trial) != GO_ON:  # the trial before was higher
        return True
    return sandwich(f, c, on_bound, inverse)


def fit_many(size_t model, size_t user, size_t rule, cnp.ndarray numbers not None, size_t lost, double tol,
             intptr_t maxfev, intptr_t k, cnp.ndarray t not None, cnp.ndarray y not None, cnp.ndarray sigma,
             cnp.ndarray offsets not None, cnp.ndarray low, cnp.ndarray high, cnp.ndarray x not None,
             cnp.ndarray cov not None, cnp.ndarray chi2 not None, cnp.ndarray used not None,
             cnp.ndarray nfev not None, cnp.ndarray nit not None, cnp.ndarray status not None,
             cnp.ndarray on_bound not None):
    """Fit m curves from the rows of x (m, d); fill x, cov (m, d, d), chi2, used, nfev, nit, status, on_bound.

    The points of curve i are y[offsets[i]:offsets[i + 1]]; t (n, k) and sigma (n,) are its own, at the same place, or
    the same for all where there are fewer of them than of y. cov is not scaled by chi2. low and high (m, d), both or
    neither. lost is one of the losses above; numbers are those of the rule: one, or N_LEARNED.
    """
    cdef intptr_t m = x.shape[0], d = x.shape[1], total = y.shape[0], i, n, at, longest = 0
    cdef intptr_t n_t = t.shape[0], n_sigma = 0 if sigma is None else sigma.shape[0]
    cdef const intptr_t* first_of = counts(offsets, m + 1)
    cdef double* x_of = doubles(x, m * d)
    cdef double* cov_of = doubles(cov, m * d * d)
    cdef double* chi2_of = doubles(chi2, m)
    cdef intptr_t* used_of = counts(used, m)
    cdef intptr_t* nfev_of = counts(nfev, m)
    cdef intptr_t* nit_of = counts(nit, m)
    cdef int* status_of = codes(status, m)
    cdef unsigned char* held_of = flags(on_bound, m * d)
    cdef const double* t_of = doubles(t, n_t * k)
    cdef const double* y_of = doubles(y, total)
    cdef const double* sigma_of = NULL if sigma is None else doubles(sigma, n_sigma)
    cdef const double* low_of = NULL if low is None else doubles(low, m * d)
    cdef const double* high_of = NULL if low is None else doubles(high, m * d)
    cdef double* work
    cdef double* points
    cdef curve c
    cdef fit f, other
    for i in range(m):
        longest = max(longest, first_of[i + 1] - first_of[i])
    memset(&f, 0, sizeof(fit))
    c.model, c.user, c.d, c.k, c.loss = <l2o_model> model, <const void*> user, d, k, <const loss*> lost
    f.normal_equations, f.data, f.d, f.scaled = evaluate_curve, &c, d, c.loss == NULL or c.loss.scaled
    f.rule, f.tol, f.maxfev = <const damping_rule*> rule, tol, maxfev
    f.state.numbers = doubles(numbers, N_NUMBERS if rule == LEARNED else 1)
    other = f
    other.rule, other.state.numbers = f.rule.second, &f.rule.radius
    work = <double*> calloc(2 * fit_size(d) + d + points_size(d, k, longest), sizeof(double))
    if work == NULL:
        raise MemoryError
    points = lay_out(&f, work)
    other.x = lay_out(&other, points)
    points = other.x + d
    with nogil:
        for i in range(m):
            at, n = first_of[i], first_of[i + 1] - first_of[i]
            f.x = x_of + i * d
            if low_of != NULL:
                f.low, f.high = low_of + i * d, high_of + i * d
            status_of[i] = solve(&f, &other, &c, t_of + (at * k if n_t == total else 0), y_of + at,
                                 NULL if sigma_of == NULL else sigma_of + (at if n_sigma == total else 0), n, points,
                                 cov_of + i * d * d, chi2_of + i, held_of + i * d, used_of + i)
            nfev_of[i], nit_of[i] = f.nfev, f.nit
    free(work)


def curves_of(size_t model, size_t user, intptr_t k, cnp.ndarray t not None, cnp.ndarray offsets not None,
              cnp.ndarray x not None, cnp.ndarray cov, cnp.ndarray values not None, cnp.ndarray variance not None):
    """Fill values (N,) with the curves of the rows of x (m, d), at t as in `fit_many`; NaN where the model fails.

    With cov (m, d, d) variance (N,) becomes that of the curves: the derivatives J' cov J.
    """
    cdef intptr_t m = x.shape[0], d = x.shape[1], n_t = t.shape[0], total = values.shape[0], longest = 0
    cdef intptr_t i, j, a, b, n, at
    cdef const intptr_t* first_of = counts(offsets, m + 1)
    cdef const double* t_of = doubles(t, n_t * k)
    cdef const double* x_of = doubles(x, m * d)
    cdef double* value_of = doubles(values, total)
    cdef const double* cov_of = NULL if cov is None else doubles(cov, m * d * d)
    cdef double* variance_of = NULL if cov is None else doubles(variance, total)
    cdef double* rows
    cdef double row
    for i in range(m):
        longest = max(longest, first_of[i + 1] - first_of[i])
    rows = <double*> calloc(d * longest + 1, sizeof(double))
    if rows == NULL:
        raise MemoryError
    with nogil:
        for i in range(m):
            at, n = first_of[i], first_of[i + 1] - first_of[i]
            if (<l2o_model> model)(x_of + i * d, t_of + (at * k if n_t == total else 0), n, value_of + at,
                                   NULL if cov_of == NULL else rows, d, <const void*> user):
                for j in range(at, at + n):
                    value_of[j] = NAN
            if cov_of == NULL:
                continue
            for j in range(n):
                variance_of[at + j] = 0.0
                for a in range(d):
                    row = 0.0
                    for b in range(d):
                        row += cov_of[(i * d + a) * d + b] * rows[b * n + j]
                    variance_of[at + j] += row * rows[a * n + j]
    free(rows)


def weights_of(size_t lost, cnp.ndarray r not None, cnp.ndarray weights not None):
    """Fill weights (n,) with rho'(r^2) of residuals r (n,) in standard errors."""
    cdef intptr_t n = r.shape[0], i
    cdef const double* r_of = doubles(r, n)
    cdef double* weight_of = doubles(weights, n)
    cdef double[3] rho
    for i in range(n):
        (<const loss*> lost).shape(r_of[i] * r_of[i], rho)
        weight_of[i] = rho[1]
