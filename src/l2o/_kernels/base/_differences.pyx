# Hessians by central differences of the gradient, within bounds: an objective behind which another one stands.
cimport numpy as cnp
from libc.math cimport fabs
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, counts, doubles, records
from l2o._kernels.base._evaluate cimport evaluate
from l2o._kernels.base._status cimport OBJECTIVE_FAILED

cnp.import_array()

cdef struct Differenced:                                       # what an objective is given in place of its data
    l2o_objective_fn objective
    void* data
    const double* low                                          # (n,), or NULL
    const double* high
    intptr_t* nfev                                             # evaluations for differences

cdef intptr_t SIZE = sizeof(Differenced) // sizeof(size_t)
cdef double STEP = 6.055454452393343e-06                       # the third root of the machine epsilon


cdef int objective(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const Differenced* one = <const Differenced*> user
    return one.objective(x, f, g, n, one.data)


cdef int column(const Differenced* one, double* point, double* hessian, double* g, intptr_t n,
                intptr_t j) noexcept nogil:
    """Write differences along variable j to row j of the Hessian; a variable without room has zeros."""
    cdef double x = point[j], step = STEP * max(1.0, fabs(x)), above = x + step, below = x - step, f
    cdef int status = 0
    cdef intptr_t k
    if one.low != NULL:
        above, below = min(above, one.high[j]), max(below, one.low[j])
    if above > below:
        one.nfev[0] += 2
        point[j] = above
        status = evaluate(one.objective, point, &f, hessian + j * n, n, one.data)
        point[j] = below
        if status != OBJECTIVE_FAILED:
            status = evaluate(one.objective, point, &f, g, n, one.data)
        point[j] = x
    for k in range(n):
        hessian[j * n + k] = (hessian[j * n + k] - g[k]) / (above - below) if above > below else 0.0
    return -1 if status == OBJECTIVE_FAILED else 0


cdef int hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    """Differences that are not finite are the caller's to see."""
    cdef const Differenced* one = <const Differenced*> user
    cdef double* work = <double*> malloc(2 * n * sizeof(double))
    cdef int code = 0
    cdef intptr_t j, k
    if work == NULL:
        return -1
    memcpy(work, x, n * sizeof(double))
    for j in range(n):
        if code == 0:
            code = column(one, work, hessian, work + n, n, j)
    for j in range(n):
        for k in range(j):
            hessian[j * n + k] = 0.5 * (hessian[j * n + k] + hessian[k * n + j])
            hessian[k * n + j] = hessian[j * n + k]
    free(work)
    return code


FUNCTION = <size_t> <l2o_objective_fn> objective
HESSIAN = <size_t> <l2o_hessian_fn> hessian


def over(size_t objective, cnp.ndarray data not None, cnp.ndarray low, cnp.ndarray high, intptr_t n,
         cnp.ndarray nfev not None):
    """Return the addresses (m,) of what these need, of data at addresses (m,), which they keep alive.

    low and high (m, n) are bounds or None, and are to be kept alive, as is nfev (m,), which counts from zero.
    """
    cdef cnp.npy_intp m = data.shape[0], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef intptr_t* count = counts(nfev, m)
    cdef cnp.ndarray result = records(m, SIZE, data)
    cdef Differenced* one = <Differenced*> (addresses_in(result, m) + m)
    for i in range(m):
        one.objective, one.data, one.nfev = <l2o_objective_fn> objective, <void*> data_of[i], count + i
        one.low = NULL if low is None else doubles(low, m * n) + i * n
        one.high = NULL if high is None else doubles(high, m * n) + i * n
        count[i] = 0
        one += 1
    return result
