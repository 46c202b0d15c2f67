# Half the sum of squares of a curve's residuals, by way of its model, and the gradient.
#
# The data of one problem is that of a user's objective: rows, columns, then a row for each point, the k numbers of t,
# y, and 1 / sigma. `over` puts before it what a model is and what it is called with: addresses hold in one process
# only.
cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc

from l2o._kernels.base._abi cimport l2o_model, l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, records

cnp.import_array()

cdef struct Squares:                                           # what the objective is given in place of its data
    l2o_model model
    const void* user
    const double* data

cdef intptr_t SIZE = sizeof(Squares) // sizeof(size_t)

cdef enum:
    ON_STACK = 2048                                            # doubles; more are allocated


cdef int squares(const Squares* one, const double* p, double* f, double* g, intptr_t d, double* work) noexcept nogil:
    """work: k n numbers for t, d n for the derivatives, n for the values."""
    cdef intptr_t n = <intptr_t> one.data[0], k = <intptr_t> one.data[1] - 2, i, j
    cdef const double* row = one.data + 2
    cdef double* jacobian = work + n * k
    cdef double* residual = jacobian + n * d
    cdef double total = 0.0
    cdef int code
    for i in range(n):
        for j in range(k):
            work[i * k + j] = row[i * (k + 2) + j]
    code = one.model(p, work, n, residual, jacobian, d, one.user)
    if code != 0:
        return 1 if code > 0 else code
    for i in range(n):
        residual[i] = (residual[i] - row[k]) * row[k + 1]
        total += residual[i] * residual[i]
        residual[i] *= row[k + 1]
        row += k + 2
    f[0] = 0.5 * total
    for j in range(d):
        g[j] = 0.0
        for i in range(n):
            g[j] += residual[i] * jacobian[j * n + i]
    return 0


cdef int least_squares(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const Squares* one = <const Squares*> user
    cdef intptr_t points = <intptr_t> one.data[0], size = points * (<intptr_t> one.data[1] - 1 + n)
    cdef double[ON_STACK] here
    cdef double* work = here
    cdef int code
    if size > ON_STACK:
        work = <double*> malloc(size * sizeof(double))
        if work == NULL:
            f[0] = NAN
            return -1
    code = squares(one, x, f, g, n, work)
    if size > ON_STACK:
        free(work)
    return code


FUNCTION = <size_t> <l2o_objective_fn> least_squares


def over(size_t model, size_t user, cnp.ndarray data not None):
    """Return the addresses (m,) of what `least_squares` needs, of data at addresses (m,); they keep it alive."""
    cdef cnp.npy_intp m = data.shape[0], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef cnp.ndarray result = records(m, SIZE)
    cdef Squares* one = <Squares*> (addresses_in(result, m) + m)
    for i in range(m):
        one.model, one.user, one.data = <l2o_model> model, <const void*> user, <const double*> data_of[i]
        one += 1
    return result
