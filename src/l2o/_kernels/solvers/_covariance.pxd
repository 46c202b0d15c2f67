# What a fit says of its own errors: the inverse of the curvature, and which parameters the data do not determine.
#
# Where a robust loss is minimised that is the sandwich of P. J. Huber, "The behavior of maximum likelihood estimates
# under nonstandard conditions", Proceedings of the Fifth Berkeley Symposium (1967): the variance of the gradient
# between two inverses of the curvature.
from libc.math cimport INFINITY, NAN, isfinite
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._loss cimport LEAST_CURVATURE
from l2o._kernels.solvers._curve cimport curve
from l2o._kernels.solvers._fit cimport fit, is_fixed
from l2o._kernels.solvers._normal_equations cimport eliminate, invert

cdef extern from *:
    """
    #define L2O_NO_INFLUENCE 1e-12
    #define L2O_MOST_INFLATION 1e10
    #define L2O_REPAIR 1e-13
    #define L2O_MOST_LEVERAGE 0.9
    #define L2O_LEAST_SHARE 0.1
    """
    const double NO_INFLUENCE "L2O_NO_INFLUENCE"               # of the curvature that a parameter once had
    const double MOST_INFLATION "L2O_MOST_INFLATION"           # of a variance by those of other parameters
    const double MOST_LEVERAGE "L2O_MOST_LEVERAGE"             # of a point of which nothing else tells
    const double LEAST_SHARE "L2O_LEAST_SHARE"                 # of the weights, what all curvatures come to
    const double REPAIR "L2O_REPAIR"                           # of the diagonal of a matrix that has no inverse


cdef inline bint covariance(fit* f, const double* normal, const unsigned char* on_bound,
                            double* inverse) noexcept nogil:
    """Fill inverse (d, d): zero for what is fixed, inf for what is undetermined. Returns False if something is.

    What is on a bound counts as free, since nothing says that the bound is the truth; if nothing can be said then, it
    counts as known, and its entries are NaN. The fit is over: its workspace is used up.
    """
    cdef bint some = False
    cdef intptr_t a
    for a in range(f.d):
        some |= on_bound[a]
    return inverted(f, normal, NULL, inverse) or (some and inverted(f, normal, on_bound, inverse))


cdef inline bint inverted(fit* f, const double* normal, const unsigned char* known, double* inverse) noexcept nogil:
    """As `covariance`, without the parameters that are known (NULL: none is)."""
    cdef double* part = f.part
    cdef double* rows = f.rows
    cdef double* work = f.work
    cdef intptr_t* which = f.moving
    cdef intptr_t d = f.d, n = 0, a, i, j
    cdef bint all_determined = True
    cdef double entry
    for a in range(d):
        for i in range(d):
            inverse[a * d + i] = 0.0 if is_fixed(f, a) or is_fixed(f, i) else NAN
        if is_fixed(f, a) or (known != NULL and known[a]):
            continue
        if normal[a * (d + 2)] <= NO_INFLUENCE * f.scale[a]:
            inverse[a * (d + 1)] = INFINITY
            all_determined = False
            continue
        which[n] = a
        n += 1
    for i in range(n):
        work[i] = normal[which[i] * (d + 2)]
        for j in range(i + 1):
            part[i * (n + 1) + j] = normal[which[i] * (d + 1) + which[j]]
        part[n * (n + 1) + i] = 0.0
    if n == 0:
        return all_determined
    if eliminate(part, work, 0.0, rows, n) < 0.0 and eliminate(part, work, REPAIR, rows, n) < 0.0:
        return False
    invert(rows, part, work, n)
    for i in range(n):
        entry = part[i * n + i]
        if not entry * normal[which[i] * (d + 2)] < MOST_INFLATION:
            all_determined = False
            entry = INFINITY
        inverse[which[i] * (d + 1)] = entry
    for i in range(n):
        for j in range(n):
            if i != j and inverse[which[i] * (d + 1)] < INFINITY and inverse[which[j] * (d + 1)] < INFINITY:
                inverse[which[i] * d + which[j]] = part[i * n + j]
    return all_determined


cdef inline bint sandwich(fit* f, const curve* c, const unsigned char* on_bound, double* inverse) noexcept nogil:
    """As `covariance`, of a robust loss; c.rows are those of the point.

    The gradient of point i is J_i r_i. Its own curvature is negative far out where a loss redescends, and a sum of such
    is nearly singular by chance. So the curvature is J W J', W the weights rho', in the mean by as much too large as
    the weights are.
    """
    cdef double* weighted = f.normal_trial
    cdef intptr_t d = c.d, n = c.n, a, b, i
    cdef double entry, times = inflation(f, c)
    for a in range(d):
        for b in range(a + 1):
            entry = 0.0
            for i in range(n):
                entry += c.work[i] * c.rows[a * n + i] * c.rows[b * n + i]
            weighted[a * (d + 1) + b] = entry
    cdef bint determined = covariance(f, weighted, on_bound, inverse)
    variance_of_gradient(c, inverse, f.meat)
    between(inverse, f.meat, f.part, f.work, d)
    for a in range(d * d):
        inverse[a] *= times * times
    return determined


cdef inline double inflation(const fit* f, const curve* c) noexcept nogil:
    """By how much errors are larger than with rho' for curvatures: the ratio of the means, and Huber's correction.

    The correction is 1 + d / n var(curvature) / mean(curvature)^2: P. J. Huber, "Robust regression: asymptotics,
    conjectures and Monte Carlo", Annals of Statistics 1 (1973). The first row of c.work becomes rho' over what the
    products of c.rows have for it.
    """
    cdef const double* scale = c.work + c.n
    cdef double weights = 0.0, total = 0.0, squares = 0.0, weight, curvature
    cdef intptr_t free = 0, i
    for i in range(f.d):
        free += not is_fixed(f, i)
    for i in range(c.n):
        curvature = c.work[i]
        c.work[i] = 1.0 / max(curvature, LEAST_CURVATURE)
        weight = c.work[i] * scale[i] * scale[i]
        weights += weight
        total += weight * curvature
        squares += weight * curvature * weight * curvature
    if not weights > 0.0:
        return 1.0
    total = max(total, LEAST_SHARE * weights)
    return weights / total * (1.0 + free * max(squares / (total * total) - 1.0 / c.n, 0.0))


cdef inline void variance_of_gradient(const curve* c, const double* inverse, double* meat) noexcept nogil:
    """meat (d, d) <- sum of J_i J_i' (r_i / (1 - h_i))^2, h_i what point i has to say of its own value, as in HC3.

    J. G. MacKinnon and H. White, "Some heteroskedasticity-consistent covariance matrix estimators with improved finite
    sample properties", Journal of Econometrics 29 (1985). c.work is used up.
    """
    cdef intptr_t d = c.d, n = c.n, a, b, i
    cdef const double* residual = c.rows + d * n
    cdef double entry, own
    for i in range(n):
        own = 0.0
        for a in range(d):
            for b in range(d):
                entry = inverse[a * d + b]
                if isfinite(entry):
                    own += entry * c.rows[a * n + i] * c.rows[b * n + i]
        own = min(max(own * c.work[i], 0.0), MOST_LEVERAGE)
        c.work[i] = residual[i] * residual[i] / ((1.0 - own) * (1.0 - own))
    for a in range(d):
        for b in range(a + 1):
            entry = 0.0
            for i in range(n):
                entry += c.work[i] * c.rows[a * n + i] * c.rows[b * n + i]
            meat[a * d + b] = meat[b * d + a] = entry


cdef inline void between(double* inverse, double* meat, double* product, double* known, intptr_t d) noexcept nogil:
    """inverse <- inverse meat inverse, where it is finite. meat and product (d, d), known (d,) are workspace, too."""
    cdef intptr_t a, b, i
    for a in range(d):
        known[a] = 1.0 if isfinite(inverse[a * (d + 1)]) else 0.0
    for a in range(d):
        for b in range(d):
            product[a * d + b] = 0.0
            for i in range(d):
                if known[a] * known[i] > 0.0:
                    product[a * d + b] += inverse[a * d + i] * meat[i * d + b]
    for a in range(d):
        for b in range(d):
            meat[a * d + b] = inverse[a * d + b]
            if known[a] * known[b] > 0.0:
                meat[a * d + b] = 0.0
                for i in range(d):
                    if known[i] > 0.0:
                        meat[a * d + b] += product[a * d + i] * inverse[i * d + b]
    memcpy(inverse, meat, d * d * sizeof(double))
