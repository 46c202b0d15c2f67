# The state of a run of the learned quasi-Newton rule, and how its inverse matrix H takes on pairs.
#
# State: `Numbers`; then vectors of `stride` numbers, d with padding: units of x, g, q = H g, m rows s, m rows y; then
# 1 / s'y (m, padded); then H (d, stride).
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_run
from l2o._kernels.base._symmetric cimport QUAD, change_times, dot, times, weigh

cdef enum:
    MOST_VARIABLES = 200
    HEADER = 8                                                 # of the policy's block
    LANES = 8                                                  # controls with padding, logarithms at a time

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
    double told                                                # of how many trials, a prior's first step included

cdef enum:                                                     # where H came from: a prior whose step is looked at, too
    GUESS, EXPECTED, LOOKING

ctypedef struct Controls:                                      # what is decided after a trial
    double drift                                               # H is multiplied by it, before it takes in the pair
    double cap                                                 # e^(-2 cap)
    double floor                                               # of s'y, in s'Bs
    double psi                                                 # of the newest pair: 0 is BFGS, 1 is DFP
    double hermite                                             # share of the cubic in y

ctypedef struct Constants:                                     # of a lean rule, after accepted or rejected trials
    Controls controls                                          # but for the drift: its logarithm is linear in
    double drift                                               # one,
    double curvature                                           # log(s'Bs / s'y) / 2,
    double too_short                                           # and its positive part

ctypedef struct Rule:                                          # one run: its numbers, where its arrays are
    intptr_t d
    intptr_t stride
    intptr_t m
    const double* first                                        # w
    const double* W                                            # or NULL, and then there are
    const Constants* constants                                 # of accepted and of rejected trials
    Numbers* now
    double* unit
    double* g
    double* q
    double* S
    double* Y
    double* inverse_sy                                         # 0 where a pair is of no use
    double* H


cdef inline intptr_t padded(intptr_t d) noexcept nogil:
    return (d + QUAD - 1) & -QUAD


cdef inline void view(Rule* r, const l2o_run* run, const double* block) noexcept nogil:
    cdef intptr_t stride = padded(run.dim), m = <intptr_t> block[0]
    r.d, r.stride, r.m, r.first = run.dim, stride, m, block + 1
    r.W = block + HEADER if block[7] == 0.0 else NULL
    r.constants = <const Constants*> (block + HEADER)
    r.now = <Numbers*> run.state
    r.unit = run.state + sizeof(Numbers) // sizeof(double)
    r.g, r.q, r.S = r.unit + stride, r.unit + 2 * stride, r.unit + 3 * stride
    r.Y = r.S + m * stride
    r.inverse_sy = r.Y + m * stride
    r.H = r.inverse_sy + padded(m)


cdef inline intptr_t slot_of(const Rule* r, intptr_t pair) noexcept nogil:
    """Where a pair is remembered."""
    return pair % r.m if r.m > 1 else 0                        # a division takes as long as ten products


cdef inline void isotropic(Rule* r, double h) noexcept nogil:
    """H = h I."""
    cdef intptr_t i
    memset(r.H, 0, r.d * r.stride * sizeof(double))
    for i in range(r.d):
        r.H[i * r.stride + i] = h


cdef inline void multiply(Rule* r) noexcept nogil:
    """q = H g."""
    times(r.H, r.d, r.stride, 1.0, r.g, r.q)
    r.now.gq, r.now.qq = dot(r.g, r.q, r.stride), dot(r.q, r.q, r.stride)


cdef inline void absorb(Rule* r, double scale, const double* s, const double* y, double inverse_sy, double psi,
                        double* Hy, const double* next, double* product) noexcept nogil:
    """H <- scale H, given Hy = scale H y, takes in the pair: H y = s; then product = H next.

    The inverse Broyden class, psi = 0: BFGS, 1: DFP:
    H += (1 + b y'Hy) / s'y ss' - b (s (Hy)' + Hy s') - c Hy (Hy)',  b = (1 - psi) / s'y, c = psi / y'Hy.
    """
    cdef double u[MOST_VARIABLES]
    cdef double v[MOST_VARIABLES]
    cdef double yHy = dot(y, Hy, r.stride), a = 0.0, b = 0.0, c = 0.0
    if yHy > 0.0:
        b = (1.0 - psi) * inverse_sy
        a = (1.0 + b * yHy) * inverse_sy
        if psi > 0.0 and inverse_sy > 0.0:
            c = psi / yHy
    weigh(u, r.stride, a, s, -b, Hy)
    weigh(v, r.stride, -b, s, -c, Hy)
    change_times(r.H, r.d, r.stride, scale, u, s, v, Hy, next, product)


cdef inline void absorb_all(Rule* r, double scale, double psi, const double* g) noexcept nogil:
    """Stretch H and absorb the remembered pairs, the oldest first; then q = H g."""
    cdef double products[2][MOST_VARIABLES]
    cdef intptr_t pairs = <intptr_t> r.now.pairs, n = min(pairs, r.m), slot = slot_of(r, pairs - n), i, following
    times(r.H, r.d, r.stride, scale, r.Y + slot * r.stride, products[0])
    for i in range(n - 1):
        following = slot + 1 if slot + 1 < r.m else 0
        absorb(r, scale, r.S + slot * r.stride, r.Y + slot * r.stride, r.inverse_sy[slot], 0.0, products[i & 1],
               r.Y + following * r.stride, products[(i + 1) & 1])
        scale, slot = 1.0, following
    absorb(r, scale, r.S + slot * r.stride, r.Y + slot * r.stride, r.inverse_sy[slot], psi, products[(n - 1) & 1], g,
           r.q)
    r.now.gq, r.now.qq = dot(g, r.q, r.stride), dot(r.q, r.q, r.stride)
