# l2o: built per instruction set
# Half the sum of squares of a curve's residuals, by way of its model: value and gradient, or normal equations. Or half
# of what another loss makes of them (_loss.pxd).
#
# The data of one problem is that of a user's objective: rows, columns, then a row for each point, the k numbers of t,
# y, and 1 / sigma. `over` puts before it what a model is and what it is called with: addresses hold in one process
# only.
cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_model, l2o_normal_fn, l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, records
from l2o._kernels.base._loss cimport loss

cnp.import_array()

cdef extern from "gram.h" nogil:
    enum:
        SPARE "L2O_GRAM_SPARE"
    void gram "l2o_gram"(double* out, const double* rows, intptr_t n, intptr_t count)

cdef struct Squares:                                           # what the objective is given in place of its data
    l2o_model model
    const void* user
    const double* data
    const loss* lost                                           # NULL for the squares

cdef intptr_t SIZE = sizeof(Squares) // sizeof(size_t)

cdef enum:
    ON_STACK = 2048                                            # doubles; more are allocated


cdef inline intptr_t room(const Squares* one, intptr_t d) noexcept nogil:
    """Doubles for t, d rows of derivatives, the residuals, what `gram` reads after them, and what a loss needs."""
    cdef intptr_t more = 4 if one.lost != NULL else 0
    return <intptr_t> one.data[0] * (<intptr_t> one.data[1] - 1 + d + more) + SPARE


cdef inline int call_model(const Squares* one, const double* p, intptr_t d, double* work) noexcept nogil:
    """Write d rows of derivatives, then the values, and behind SPARE numbers t to `work`; the code of a failure."""
    cdef intptr_t n = <intptr_t> one.data[0], columns = <intptr_t> one.data[1], k = columns - 2, i, j
    cdef const double* row = one.data + 2
    cdef double* t = work + (d + 1) * n + SPARE
    cdef int code
    for i in range(n):
        for j in range(k):
            t[i * k + j] = row[i * columns + j]
    code = one.model(p, t, n, work + d * n, work, d, one.user)
    return 1 if code > 0 else code


cdef inline int evaluate_model(const Squares* one, const double* p, intptr_t d, double* work,
                               bint weighted) noexcept nogil:
    """Write d rows of derivatives, weighted or not, then the weighted residuals to `work`; the code of a failure."""
    cdef intptr_t n = <intptr_t> one.data[0], columns = <intptr_t> one.data[1], i, j
    cdef const double* row = one.data + columns                # y and 1 / sigma, the last two of each
    cdef double* residual = work + d * n
    cdef int code = call_model(one, p, d, work)
    if code != 0:
        return code
    for i in range(n):
        residual[i] = (residual[i] - row[0]) * row[1]
        row += columns
    if weighted:
        for j in range(d):
            for i in range(n):
                work[j * n + i] *= one.data[1 + (i + 1) * columns]
    return 0


cdef inline int evaluate_loss(const Squares* one, const double* p, intptr_t d, double* work,
                              double* twice) noexcept nogil:
    """Write derivatives and residuals to `work` as the loss has them, and what is minimised, twice."""
    cdef intptr_t n = <intptr_t> one.data[0], columns = <intptr_t> one.data[1], i
    cdef const double* row = one.data + columns
    cdef double* y = work + (d + 1) * n + SPARE + n * (columns - 2)
    cdef double* w = y + n
    cdef int code = call_model(one, p, d, work)
    if code != 0:
        return code
    for i in range(n):
        y[i], w[i] = row[0], row[1]
        row += columns
    twice[0] = one.lost.weigh(one.lost.shape, work, w + n, y, w, n, d)
    return 0


cdef int squares(const Squares* one, const double* p, double* f, double* g, intptr_t d, double* work) noexcept nogil:
    cdef intptr_t n = <intptr_t> one.data[0], columns = <intptr_t> one.data[1], i, j
    cdef double* residual = work + d * n
    cdef double total = 0.0
    cdef int code = evaluate_loss(one, p, d, work, &total) if one.lost != NULL else evaluate_model(
        one, p, d, work, False)
    if code != 0:
        return code
    if one.lost == NULL:
        for i in range(n):
            total += residual[i] * residual[i]
            residual[i] *= one.data[1 + (i + 1) * columns]
    f[0] = 0.5 * total
    for j in range(d):
        g[j] = 0.0
        for i in range(n):
            g[j] += residual[i] * work[j * n + i]
    return 0


cdef int least_squares(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const Squares* one = <const Squares*> user
    cdef double[ON_STACK] here
    cdef double* work = here
    cdef int code
    if room(one, n) > ON_STACK:
        work = <double*> malloc(room(one, n) * sizeof(double))
        if work == NULL:
            f[0] = NAN
            return -1
    code = squares(one, x, f, g, n, work)
    if work != here:
        free(work)
    return code


cdef int products(const Squares* one, const double* p, double* normal, intptr_t d, double* work) noexcept nogil:
    cdef intptr_t n = <intptr_t> one.data[0]
    cdef double twice = 0.0
    cdef int code = evaluate_loss(one, p, d, work, &twice) if one.lost != NULL else evaluate_model(
        one, p, d, work, True)
    if code != 0:
        return code
    memset(work + (d + 1) * n, 0, SPARE * sizeof(double))
    gram(normal, work, n, d + 1)
    if one.lost != NULL:
        normal[d * (d + 2)] = twice
    return 0


cdef int normal_equations(const double* x, double* normal, intptr_t n, void* user) noexcept nogil:
    """What a step of Gauss and Newton needs, the derivatives of the residuals multiplied with one another."""
    cdef const Squares* one = <const Squares*> user
    cdef double[ON_STACK] here
    cdef double* work = here
    cdef int code
    if room(one, n) > ON_STACK:
        work = <double*> malloc(room(one, n) * sizeof(double))
        if work == NULL:
            return -1
    code = products(one, x, normal, n, work)
    if work != here:
        free(work)
    return code


FUNCTION = <size_t> <l2o_objective_fn> least_squares
NORMAL = <size_t> <l2o_normal_fn> normal_equations


def over(size_t model, size_t user, size_t lost, cnp.ndarray data not None):
    """Return the addresses (m,) of what `least_squares` needs, of data at addresses (m,); they keep it alive."""
    cdef cnp.npy_intp m = data.shape[0], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef cnp.ndarray result = records(m, SIZE, data)
    cdef Squares* one = <Squares*> (addresses_in(result, m) + m)
    for i in range(m):
        one.model, one.user, one.data = <l2o_model> model, <const void*> user, <const double*> data_of[i]
        one.lost = <const loss*> lost
        one += 1
    return result
