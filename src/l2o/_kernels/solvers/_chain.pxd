# A chain: each run begins as its predecessor ended, for problems whose neighbours are alike.
#
# What it takes over is the place of the end, as it is or by how far it lay from the run's own start, and the matrix
# that the policy leaves, which becomes the one that the next run expects. A run that did not converge leaves nothing;
# one that was long leaves its end, but no matrix. Rows of a piece are chained, and each piece begins anew. Runs of a
# native method take over the place alone.
from libc.math cimport log
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_run
from l2o._kernels.base._evaluate cimport evaluate_within
from l2o._kernels.base._status cimport CONVERGED, GO_ON
from l2o._kernels.solvers._descent cimport descent
from l2o._kernels.solvers._descent_method cimport product
from l2o._kernels.solvers._safeguard cimport Minimization, begin, tell
from l2o._kernels.solvers._stopping cimport at_infimum

cdef enum:                                                     # where a run begins
    OWN, SOLUTION, OFFSET

cdef enum:
    FAMILIAR = 4                                               # runs after which their mean gap says something
    REMEMBERED = 32                                            # runs over which it is taken

ctypedef struct chain_rules:
    intptr_t piece                                             # rows that are chained
    int origin                                                 # of the enumeration
    bint carries                                               # the matrix, too
    double far                                                 # log of a gap over the mean: look at one's own start
    intptr_t longest                                           # evaluations of a run that leaves its matrix
    intptr_t size                                              # of a policy's block
    intptr_t place                                             # of the matrix there, (n, n)
    const double* fresh                                        # the block as it was given
    double* block                                              # and as runs get it
    double* own                                                # (n,) where this run would begin alone
    double* before                                             # (n,) where its predecessor would
    double* slope                                              # (n,)
    double* end                                                # (2, n) x and g of a run that is made again
    bint linked                                                # there is something to take over
    double gap                                                 # running mean of its log at the starts
    intptr_t seen

cdef class Chain:
    cdef chain_rules rules
    cdef object memory


cdef inline void renew(chain_rules* chain, intptr_t n) noexcept nogil:
    memcpy(chain.block + chain.place, chain.fresh + chain.place, n * n * sizeof(double))


cdef inline void link(chain_rules* chain, descent* best, intptr_t row) noexcept nogil:
    """Move the start of a row's run, best.x, which follows the end of its predecessor in memory."""
    cdef const double* end = best.x - best.n
    cdef intptr_t j
    memcpy(chain.own, best.x, best.n * sizeof(double))
    if row % chain.piece == 0:
        chain.linked, chain.seen = False, 0
        renew(chain, best.n)
    if not chain.linked or chain.origin == OWN:
        return
    for j in range(best.n):
        best.x[j] = end[j] + (chain.own[j] - chain.before[j] if chain.origin == OFFSET else 0.0)
        if best.low != NULL:
            best.x[j] = min(max(best.x[j], best.low[j]), best.high[j])


cdef inline bint is_unusual(chain_rules* chain, double gap) noexcept nogil:
    """Whether a gap at the start of a run is far above those of the runs before; it is remembered with them."""
    cdef bint far
    if not gap > 0.0:
        return False
    gap = log(gap)
    far = chain.seen >= FAMILIAR and gap > chain.gap + chain.far
    chain.seen += 1
    chain.gap += (gap - chain.gap) / min(chain.seen, <intptr_t> REMEMBERED)
    return far


cdef inline bint is_far(chain_rules* chain, const double* g, intptr_t n) noexcept nogil:
    """Whether g'Hg / 2 at the start of a run is far above what it was at others' starts."""
    cdef const double* H = chain.block + chain.place
    cdef double gap = 0.0
    cdef intptr_t i
    for i in range(n):
        gap += g[i] * product(H + i * n, g, n)
    return is_unusual(chain, gap)


cdef inline void look_again(chain_rules* chain, Minimization* run, l2o_run* h) noexcept nogil:
    """Where the end of the predecessor is no good start, evaluate the run's own one, too, and begin at the lower."""
    cdef descent* best = &run.best
    cdef double value
    cdef int status
    if not chain.linked or chain.origin == OWN or run.status != GO_ON or not is_far(chain, h.best_g, best.n):
        return
    status = evaluate_within(best.objective, chain.own, &value, chain.slope, best.low, best.high, best.n, best.data)
    if status == GO_ON and value < run.value:
        memcpy(run.point, chain.own, best.n * sizeof(double))
        memcpy(run.gradient, chain.slope, best.n * sizeof(double))
        run.value = value
        renew(chain, best.n)
        begin(run, h)
    best.nfev = 2


cdef inline void keep(chain_rules* chain, const descent* run, int status) noexcept nogil:
    """Note where a run would have begun, and whether its end is one to begin with, and not on the way to infinity."""
    memcpy(chain.before, chain.own, run.n * sizeof(double))
    chain.linked = status == CONVERGED and not at_infimum(&run.stop, run.f[0])


cdef inline void hand_on(chain_rules* chain, Minimization* run, l2o_run* h) noexcept nogil:
    """Keep what the next run of a policy takes over."""
    cdef intptr_t n = run.best.n
    keep(chain, &run.best, run.status)
    if chain.linked and chain.carries and run.learned and run.best.nfev <= chain.longest:
        tell(run, h)
        run.rules.policy.bequeath(h, chain.block + chain.place, chain.block)
    else:
        renew(chain, n)
