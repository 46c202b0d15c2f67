# The C ABI of objectives, policies and models, mirrored from objective.h, policy.h and model.h.
from libc.stdint cimport intptr_t


cdef extern from "objective.h" nogil:
    ctypedef int (*l2o_objective_fn)(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil
    ctypedef int (*l2o_hessian_fn)(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil
    ctypedef int (*l2o_expansion_fn)(const double* x, double* f, double* g, double* hessian, intptr_t n,
                                     void* user) noexcept nogil
    ctypedef int (*l2o_normal_fn)(const double* x, double* normal, intptr_t n, void* user) noexcept nogil

cdef extern from "policy.h" nogil:
    enum:
        START "L2O_START"
        LOWER "L2O_LOWER"
        HIGHER "L2O_HIGHER"
        NOT_FINITE "L2O_NOT_FINITE"
    ctypedef struct l2o_run:
        intptr_t dim
        intptr_t length
        intptr_t count
        intptr_t t
        const double* x
        const double* f
        const double* g
        int outcome
        const double* best_x
        const double* best_g
        double best_f
        const double* curvature
        double* state
    ctypedef struct l2o_policy:
        void (*next)(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil
        void (*bequeath)(const l2o_run* run, double* inverse, const void* user) noexcept nogil

cdef extern from "model.h" nogil:
    ctypedef int (*l2o_model)(const double* p, const double* t, intptr_t n, double* values, double* jacobian,
                              intptr_t d, const void* user) noexcept nogil
