# How many evaluations a run needs: an objective behind which another one stands, with targets and counters beside it.
#
# Any loop can run it. It ends a run, with an error of the objective, once the last target is met or the evaluations are
# spent; nothing else is recorded, so that a run of few evaluations costs little more than these.
cimport numpy as cnp
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_normal_fn, l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, counts, doubles, records

cnp.import_array()

cdef struct Counted:                                           # what an objective is given in place of its data
    l2o_objective_fn objective
    l2o_hessian_fn hessian                                     # or NULL, and so is this
    l2o_normal_fn normal
    void* data
    const double* targets                                      # (n_targets,) falling
    intptr_t* met                                              # (n_targets,) evaluations after the first; -1 before
    intptr_t n_targets
    intptr_t n_met
    intptr_t n_evaluations
    intptr_t limit                                             # evaluations after the first

cdef intptr_t SIZE = sizeof(Counted) // sizeof(size_t)


cdef inline bint is_done(const Counted* one) noexcept nogil:
    return one.n_met == one.n_targets or one.n_evaluations > one.limit


cdef inline void count(Counted* one, int code, double f) noexcept nogil:
    while code == 0 and one.n_met < one.n_targets and f <= one.targets[one.n_met]:  # a NaN meets none
        one.met[one.n_met] = one.n_evaluations
        one.n_met += 1
    one.n_evaluations += 1


cdef int counted(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef Counted* one = <Counted*> user
    cdef int code
    if is_done(one):
        return -1
    code = one.objective(x, f, g, n, one.data)
    count(one, code, f[0])
    return code


cdef int counted_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const Counted* one = <const Counted*> user
    return one.hessian(x, hessian, n, one.data)


cdef int counted_normal(const double* x, double* normal, intptr_t n, void* user) noexcept nogil:
    cdef Counted* one = <Counted*> user
    cdef int code
    if is_done(one):
        return -1
    code = one.normal(x, normal, n, one.data)
    count(one, code, 0.5 * normal[n * (n + 2)])
    return code


FUNCTION = <size_t> <l2o_objective_fn> counted
HESSIAN = <size_t> <l2o_hessian_fn> counted_hessian
NORMAL = <size_t> <l2o_normal_fn> counted_normal


def over(size_t objective, size_t hessian, size_t normal, cnp.ndarray data not None, cnp.ndarray targets not None,
         intptr_t limit, cnp.ndarray met not None):
    """Return the addresses (m,) of what `counted` needs, of data at addresses (m,); they keep it alive, not the rest.

    targets (m, k) fall along each row; met (m, k) becomes the evaluations after the first until f is no more than
    each, -1 where that is not so within `limit` evaluations after the first.
    """
    cdef cnp.npy_intp m = data.shape[0], k = targets.shape[1], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef const double* target = doubles(targets, m * k)
    cdef intptr_t* n_met = counts(met, m * k)
    cdef cnp.ndarray result = records(m, SIZE, data)
    cdef Counted* one = <Counted*> (addresses_in(result, m) + m)
    for i in range(m * k):
        n_met[i] = -1
    for i in range(m):
        one.objective, one.hessian = <l2o_objective_fn> objective, <l2o_hessian_fn> hessian
        one.normal = <l2o_normal_fn> normal
        one.data, one.targets, one.met = <void*> data_of[i], target + i * k, n_met + i * k
        one.n_targets, one.n_met, one.n_evaluations, one.limit = k, 0, 0, limit
        one += 1
    return result
