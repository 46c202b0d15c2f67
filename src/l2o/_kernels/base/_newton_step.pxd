# The step of Newton's method: -(H + shift D)^-1 g, D the diagonal of H, shift the first that makes the matrix positive
# definite (Nocedal and Wright, 2006, algorithm 3.3). Elimination in plain loops: d is small, and LAPACK costs more to
# call.
#
# From the second step on, curvature is extrapolated. B is the Hessian of the iterate, B_before that of the one before,
# a step s back, and r = -g's / s'Bs how many times s the step will be. The Hessian to expect halfway along it is then
# B (B_before^-1 B)^th, th = r / 2. The power is taken as (1 + x)^th = c + (1 - c) / (1 + b x), c = (1 + th) / (1 - th)
# and b = (1 - th) / 2, which is it to second order and has its sign:
#
#     p = c q + (1 - c) q',   q = -B^-1 g,   q' = -(B + b (B_before - B))^-1 g.
#
# Where one of both is not positive definite, H = B + th (B - B_before) is, to first order, or B is taken.
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #define L2O_EPSILON 2.220446049250313e-16
    #define L2O_LEAST_SHIFT 3e-3
    #define L2O_NO_PIVOT 1e-12
    #define L2O_NO_SLOPE 1e-6
    #define L2O_FARTHEST 0.5
    """
    const double EPSILON "L2O_EPSILON"
    const double LEAST_SHIFT "L2O_LEAST_SHIFT"                 # all in units of the diagonal
    const double NO_PIVOT "L2O_NO_PIVOT"
    const double NO_SLOPE "L2O_NO_SLOPE"                       # of the steepest variable's
    const double FARTHEST "L2O_FARTHEST"                       # of th

cdef enum:
    MOST_SHIFTS = 40

cdef enum:                                                     # what `solve` came to
    UNSOLVED = 0
    AS_GIVEN = 1                                               # by the matrix itself
    CHANGED = 2                                                # shifted, or with a variable left out


cdef inline bint matters_not(const double* rows, const double* g, const double* unit, intptr_t j,
                             intptr_t n) noexcept nogil:
    """Whether a variable adds nothing to those before it, as a constant column or one that is there twice does.

    Its pivot is zero but for rounding, and so is what is left of its gradient.
    """
    cdef double steepest_slope = 0.0
    cdef intptr_t i
    for i in range(n):
        if unit[i] > 0.0:
            steepest_slope = max(steepest_slope, fabs(g[i]) / sqrt(unit[i]))
    return (fabs(rows[j * n + j]) <= NO_PIVOT * unit[j]
            and fabs(rows[n * n + j]) <= NO_SLOPE * sqrt(unit[j]) * steepest_slope)


cdef inline int eliminate(const double* matrix, const double* g, double shift, const double* unit, double* rows,
                          intptr_t n) noexcept nogil:
    """Rows of L and, as row n, of -D^-1 L^-1 g, where L D L' = H + shift diag(unit); 0 if a pivot is not positive.

    Positive is above what rounding may leave of that diagonal entry, whatever the size of the others. A variable that
    does not matter is left out, and 2 returned, else 1. The right-hand side goes along as one more row, and a pivot is
    divided by only once: there is no root to wait for.
    """
    cdef intptr_t i, j, k
    cdef int outcome = 1
    cdef double inverse, entry
    for i in range(n):
        for k in range(i + 1):
            rows[i * n + k] = matrix[i * n + k]
        rows[n * n + i] = -g[i]
    for j in range(n):
        if not rows[j * n + j] + shift * unit[j] > EPSILON * n * unit[j]:
            if shift > 0.0 or not matters_not(rows, g, unit, j, n):
                return 0
            outcome = 2
            for i in range(j + 1, n + 1):
                rows[i * n + j] = 0.0
            continue
        inverse = 1.0 / (rows[j * n + j] + shift * unit[j])
        for i in range(j + 1, n + 1):
            entry = rows[i * n + j]
            rows[i * n + j] = entry * inverse
            for k in range(j + 1, min(i + 1, n)):
                rows[i * n + k] -= entry * rows[k * n + j]
    return outcome


cdef inline double measure(const double* matrix, const double* g, double* unit, intptr_t n) noexcept nogil:
    """Write what counts as 1 along each variable, and return the first shift.

    It is the variable's own curvature, so that units do not matter, unless that of some variable is not positive.
    """
    cdef intptr_t j
    cdef double scale = 0.0, lowest = INFINITY
    for j in range(n):
        unit[j] = matrix[j * n + j]
        scale = max(scale, fabs(unit[j]))
        if unit[j] != 0.0 or g[j] != 0.0:
            lowest = min(lowest, unit[j])
    if lowest > 0.0:
        return 0.0
    for j in range(n):
        unit[j] = scale
    return LEAST_SHIFT - lowest / scale


cdef inline void substitute(const double* rows, double* p, intptr_t n) noexcept nogil:
    """p from the rows of `eliminate`."""
    cdef intptr_t i, j
    for i in range(n - 1, -1, -1):
        p[i] = rows[n * n + i]
        for j in range(i + 1, n):
            p[i] -= rows[j * n + i] * p[j]


cdef inline int solve(const double* matrix, const double* g, double* p, bint shifted, double* unit, double* rows,
                      intptr_t n) noexcept nogil:
    """p <- -(H + shift diag(unit))^-1 g with the smallest shift that was tried; one of the enumeration.

    UNSOLVED if H is not finite, or zero; or, unless it may be shifted, not positive definite. unit (n,) and rows
    (n + 1, n) are workspace.
    """
    cdef double shift = measure(matrix, g, unit, n)
    cdef int outcome, _
    if shift > 0.0 and not shifted:
        return UNSOLVED
    for _ in range(MOST_SHIFTS if shifted else 1):
        outcome = eliminate(matrix, g, shift, unit, rows, n)
        if outcome:
            substitute(rows, p, n)
            return AS_GIVEN if shift == 0.0 and outcome == 1 else CHANGED
        shift = max(4.0 * shift, LEAST_SHIFT)
    return UNSOLVED


cdef inline double share(const double* B, const double* last, const double* g, double half, intptr_t n) noexcept nogil:
    """th, with `half` in the place of 1/2; 0 where the last step shows no curvature."""
    cdef double bend = 0.0, slope = 0.0, row
    cdef intptr_t i, j
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += B[i * n + j] * last[j]
        bend += last[i] * row
        slope += last[i] * g[i]
    if not 0.0 < bend < INFINITY:
        return 0.0
    return min(max(-half * slope / bend, -FARTHEST), FARTHEST)


cdef inline void mix(const double* B, const double* before, double part, double* mixed, intptr_t n) noexcept nogil:
    """mixed <- B + part (B_before - B)."""
    cdef intptr_t i
    for i in range(n * n):
        mixed[i] = B[i] + part * (before[i] - B[i])


cdef inline intptr_t room_ahead(intptr_t n) noexcept nogil:
    """Doubles of workspace of `solve_ahead`."""
    return n * (2 * n + 3)


cdef inline int solve_ahead(const double* B, const double* before, double th, bint* convex, const double* g, double* p,
                            double* room, intptr_t n) noexcept nogil:
    """p <- the step with the extrapolated Hessian; one of the enumeration, AS_GIVEN if B is positive definite.

    convex says whether B_before is, and then whether B is. Where th is 0, B_before is not looked at.
    """
    cdef double* mixed = room
    cdef double* way = mixed + n * n
    cdef double* unit = way + n
    cdef double* rows = unit + n
    cdef double c = (1.0 + th) / (1.0 - th), slope = 0.0
    cdef int outcome = solve(B, g, p, False, unit, rows, n)
    cdef bint both = convex[0] and outcome != UNSOLVED
    cdef intptr_t j
    convex[0] = outcome != UNSOLVED
    if th != 0.0:
        mix(B, before, 0.5 * (1.0 - th) if both else -th, mixed, n)
        if solve(mixed, g, way, False, unit, rows, n) != UNSOLVED:
            for j in range(n):
                way[j] = c * p[j] + (1.0 - c) * way[j] if both else way[j]
                slope += way[j] * g[j]
            if slope < 0.0:                                    # but for rounding, it is
                memcpy(p, way, n * sizeof(double))
                return CHANGED if outcome == UNSOLVED else outcome
    return solve(B, g, p, True, unit, rows, n) if outcome == UNSOLVED else outcome


cdef inline void gather(const double* matrix, const double* free, double* block, intptr_t n) noexcept nogil:
    """The matrix of the variables with free[j] != 0."""
    cdef intptr_t i, j, entry = 0
    for i in range(n):
        for j in range(n if free[i] != 0.0 else 0):
            if free[j] != 0.0:
                block[entry] = matrix[i * n + j]
                entry += 1


cdef inline int solve_free(const double* B, const double* before, double th, bint* convex, const double* g,
                           const double* free, double* p, double* room, intptr_t n) noexcept nogil:
    """`solve_ahead` for the variables with free[j] != 0; p is zero elsewhere. The room has 2 n (n + 1) doubles more."""
    cdef double* slope = room + 2 * n * n
    cdef double* way = slope + n
    cdef intptr_t j, row = 0
    cdef int outcome
    gather(B, free, room, n)
    if th != 0.0:
        gather(before, free, room + n * n, n)
    for j in range(n):
        if free[j] != 0.0:
            slope[row] = g[j]
            row += 1
    outcome = solve_ahead(room, room + n * n, th, convex, slope, way, way + n, row)
    row = 0
    for j in range(n):
        p[j] = 0.0
        if free[j] != 0.0:
            p[j] = way[row]
            row += 1
    return outcome
