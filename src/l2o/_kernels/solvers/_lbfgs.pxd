# The state of L-BFGS: the newest curvature pairs of a run, oldest overwritten first, in memory that the caller gives.
#
# A run of another method fills one with lbfgs_push as it goes and hands it over to `descend`, which
# then begins with the curvature that has been paid for.
from libc.stdint cimport intptr_t

from l2o._kernels.solvers._descent cimport descent_method

ctypedef struct lbfgs_state:
    intptr_t dim
    intptr_t length                                            # pairs kept at most
    intptr_t count                                             # pairs there are
    intptr_t newest                                            # row of the newest
    double scale                                               # s'y / y'y of the newest
    double* s                                                  # (length, dim) steps
    double* y                                                  # (length, dim) changes of the gradient
    double* inverse                                            # (length,) 1 / s'y
    double* inverse_of                                         # (length,) of the parts along the free variables, or 0
    double* along                                              # (length,) workspace of the direction
    const double* units                                        # (dim,) in the place of the identity, or NULL for it

cdef intptr_t lbfgs_size(intptr_t dim, size_t length) noexcept nogil
cdef void lbfgs_reset(double* memory, intptr_t dim, size_t length, void* data) noexcept nogil
cdef void lbfgs_push(double* memory, const double* s, const double* y) noexcept nogil
cdef int lbfgs_propose(double* memory, const double* x, const double* g, double* p, const double* free,
                       int trust) noexcept nogil
cdef descent_method lbfgs
