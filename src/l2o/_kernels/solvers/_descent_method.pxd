# What a native method is: how it finds the directions that a descent goes along. They differ in nothing else.
from libc.math cimport sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._evaluate cimport largest

cdef enum:                                                     # what -g'p / 2 of a direction p is worth
    NO_GAP = 0
    PREDICTED = 1                                              # the gap to the minimum, as the matrix has it
    EXACT = 2                                                  # by the Hessian itself

cdef enum:                                                     # what a direction is to be made of
    LEARNED = 0                                                # all that is known
    PLAIN = 1                                                  # the gradient: the last direction led nowhere
    AGAIN = 2                                                  # as before at this x, for fewer free variables

ctypedef struct descent_method:
    # How a method finds its directions. `memory` is its own, one a run; `settings` a struct of its own, one a call.
    intptr_t (*size)(intptr_t n, const void* settings) noexcept nogil              # doubles of memory
    void (*reset)(double* memory, intptr_t n, const void* settings, void* data) noexcept nogil
    # Write a direction to p and return GO_ON, or the status of a run without one. free (n,) is 1 where a
    # variable may move and 0 where not, with g zero there; NULL: all may.
    int (*propose)(double* memory, const double* x, const double* g, double* p, const double* free,
                   int made_of) noexcept nogil
    void (*learn)(double* memory, const double* s, const double* y) noexcept nogil  # after a step s, g changed by y
    # Where another method may write an inverse Hessian for this one to start from, (n, n); or NULL.
    double* (*inherit)(double* memory) noexcept nogil
    int (*trust)(const double* memory) noexcept nogil         # of the newest direction, for the predicted gap
    # Forget the matrix: units (n,) is about the inverse diagonal of the Hessian. NULL: the method has no units.
    void (*rescale)(double* memory, const double* units) noexcept nogil
    double curvature                                           # of the Wolfe conditions: what of the slope may be left
    # A loop of its own, which runs a `descent` to its end and returns the status, workspace as there; NULL: descend.
    int (*loop)(void* run, double* work) noexcept nogil

cdef class DescentMethod:                                      # one with its settings, as loops take it from Python
    cdef const descent_method* method
    cdef const void* settings                                  # within `kept`
    cdef bytes kept

cdef DescentMethod bound(const descent_method* method, const void* settings, size_t size)  # the settings are copied


cdef inline double product(const double* a, const double* b, intptr_t n) noexcept nogil:
    cdef double total = 0.0
    cdef intptr_t j
    for j in range(n):
        total += a[j] * b[j]
    return total


cdef inline double product_of(const double* a, const double* b, const double* free, intptr_t n) noexcept nogil:
    """The product over the free variables; NULL: all."""
    cdef double total = 0.0
    cdef intptr_t j
    if free == NULL:
        return product(a, b, n)
    for j in range(n):
        total += free[j] * a[j] * b[j]
    return total


cdef inline void steepest(const double* g, double* p, intptr_t n) noexcept nogil:
    """p = -g / |g|; first by the maximum, since the squares must not overflow."""
    cdef double size = largest(g, n)
    cdef intptr_t j
    for j in range(n):
        p[j] = -g[j] / size
    size = sqrt(product(p, p, n))
    for j in range(n):
        p[j] /= size
