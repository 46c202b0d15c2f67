# The C ABI of objectives and policies, mirrored from objective.h and policy.h.
from libc.stdint cimport intptr_t


cdef extern from "objective.h" nogil:
    ctypedef int (*l2o_objective_fn)(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil
    ctypedef int (*l2o_hessian_fn)(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil

cdef extern from "policy.h" nogil:
    ctypedef struct l2o_history:
        intptr_t dim
        intptr_t length
        intptr_t count
        intptr_t t
        const double* x
        double* f
        double* g
        double* state
    ctypedef void (*l2o_policy_fn)(const l2o_history* runs, intptr_t n_runs, double* actions,
                                   const void* user) noexcept nogil
