# A policy with its rules, as the loops take it from Python.
cimport cython
cimport numpy as cnp
from libc.stdint cimport INTPTR_MAX, intptr_t

from l2o._kernels.base._abi cimport l2o_policy
from l2o._kernels.base._arrays cimport doubles
from l2o._kernels.solvers._descent_method cimport DescentMethod

cnp.import_array()


@cython.final
@cython.auto_pickle(False)
cdef class Step:
    """A policy with its rules: most_trials may be None for any number; limits is an array in the order of Limits."""

    def __init__(self, size_t policy, intptr_t length, intptr_t state_size, bint curvature, bint together,
                 object most_trials, intptr_t rejections, double flat, DescentMethod heir not None, cnp.ndarray limits,
                 cnp.ndarray gate):
        self.rules.policy = <const l2o_policy*> policy
        self.rules.length, self.rules.state_size, self.rules.curvature = length, state_size, curvature
        self.rules.together = GROUP if together else 1
        self.rules.most_trials = INTPTR_MAX if most_trials is None else most_trials
        self.rules.rejections, self.rules.rejects, self.rules.flat = rejections, rejections > 1, flat
        self.heir, self.rules.heir, self.rules.settings, self.arrays = heir, heir.method, heir.settings, (limits, gate)
        self.rules.limits = (NULL if limits is None
                             else <const Limits*> doubles(limits, sizeof(Limits) // sizeof(double)))
        self.rules.gate = NULL if gate is None else doubles(gate, gate.shape[0])


cdef int refuse(intptr_t n, intptr_t state_size) except -1:
    raise RuntimeError(f"the policy wrote beyond its memory: points have {n} numbers a run, the state has {state_size}")
