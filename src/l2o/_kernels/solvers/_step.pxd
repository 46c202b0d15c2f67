# How runs of a policy go: whom to ask for points, what it is shown, and when and to whom it hands over.
cimport numpy as cnp
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_policy, l2o_run
from l2o._kernels.base._history cimport GUARD
from l2o._kernels.solvers._descent_method cimport DescentMethod, descent_method

cdef enum:
    GROUP = 8                                                  # runs in step, at most

ctypedef struct Limits:                                        # of what a policy met in training, with a margin
    double least_gradient                                      # at the start; maximum norms
    double most_gradient
    double fall                                                # of f in a step, negative
    double rise
    double least_curvature                                     # along a step
    double most_curvature
    double horizon

ctypedef struct step_rules:
    const l2o_policy* policy
    intptr_t length                                            # entries of history that it looks at
    intptr_t state_size                                        # doubles of its own memory
    bint curvature                                             # it asks for Hessians
    intptr_t together                                          # runs that it is asked for at a time
    bint rejects                                               # it may reject trials, and goes on from the best point
    # the hand-over, in a run with a safeguard
    intptr_t most_trials
    intptr_t rejections                                        # trials without a gain, in a row
    double flat                                                # share of the first gradient that is the heir's
    const descent_method* heir
    const void* settings                                       # of the heir
    const Limits* limits                                       # or NULL, and so is
    const double* gate                                         # the block of _gate.pxd

cdef class Step:
    cdef step_rules rules
    cdef DescentMethod heir                                    # kept alive, and so are
    cdef tuple arrays

cdef int refuse(intptr_t n, intptr_t state_size) except -1    # a policy that wrote where it must not


cdef inline bint ask(const step_rules* rules, const l2o_run* runs, intptr_t n_runs, double* points,
                     const void* weights) noexcept nogil:
    """Let the policy write its points, (n_runs, n) and room for one number more; False if it wrote on behind them."""
    cdef double* guard = points + n_runs * runs.dim
    guard[0] = GUARD
    rules.policy.next(runs, n_runs, points, weights)
    return guard[0] == GUARD


cdef inline intptr_t group(const step_rules* rules, const size_t* weights, intptr_t m) noexcept nogil:
    """How many of the m runs that remain go together: neighbours with the same weights."""
    cdef intptr_t n = 1
    while n < min(m, rules.together) and weights[n] == weights[0]:
        n += 1
    return n


cdef inline void drop(l2o_run* h, intptr_t* row, intptr_t k, intptr_t last) noexcept nogil:
    """Take run k out of a group: the last one takes its place."""
    cdef l2o_run ended = h[k]
    h[k], h[last] = h[last], ended
    row[k] = row[last]
