# Bounds and fixed variables: an objective of free variables z behind which another one stands, of x(z).
#
# Each variable has its own change, by its bounds (James and Roos, MINUIT, 1975): x = z without any,
# low - 1 + sqrt(z^2 + 1), high + 1 - sqrt(z^2 + 1), low + (high - low) (1 + sin z) / 2. A bound is a point of x(z)
# like any other, so that a minimum there is a smooth one of z. A variable whose bounds are equal is fixed.
from libc.math cimport cos, isinf, sin, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_objective_fn

cdef struct Box:                                               # then low, high, start as z and x; room for x and g
    l2o_objective_fn objective
    l2o_hessian_fn hessian                                     # or NULL
    void* data

cdef struct Change:                                            # of one variable: x, dx/dz and d2x/dz2
    double x
    double slope
    double bend

HEAD = sizeof(Box) // sizeof(double)


cdef inline Change change(double z, double low, double high) noexcept nogil:
    cdef Change to
    cdef double root = sqrt(z * z + 1.0)
    if low == high:
        to.x, to.slope, to.bend = low, 0.0, 0.0
    elif isinf(low) and isinf(high):
        to.x, to.slope, to.bend = z, 1.0, 0.0
    elif isinf(high):
        to.x, to.slope, to.bend = low + z * z / (root + 1.0), z / root, 1.0 / (root * root * root)
    elif isinf(low):
        to.x, to.slope, to.bend = high - z * z / (root + 1.0), -z / root, -1.0 / (root * root * root)
    else:
        to.x, to.slope = low + 0.5 * (high - low) * (1.0 + sin(z)), 0.5 * (high - low) * cos(z)
        to.bend = -0.5 * (high - low) * sin(z)
        to.x = min(max(to.x, low), high) if z == z else z      # rounding stays inside, and what is no number that
    return to


cdef inline double* place(const double* z, const Box* box, intptr_t n) noexcept nogil:
    """Return x(z); of the start that is what the user gave, to the bit."""
    cdef double* low = <double*> (box + 1)
    cdef double* high = low + n
    cdef double* start = high + n
    cdef double* x = start + 2 * n
    cdef intptr_t j
    for j in range(n):
        x[j] = start[n + j] if z[j] == start[j] else change(z[j], low[j], high[j]).x
    return x


cdef int boxed(const double* z, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const Box* box = <const Box*> user
    cdef double* low = <double*> (box + 1)
    cdef double* high = low + n
    cdef double* x = place(z, box, n)
    cdef Change at
    cdef intptr_t j
    cdef int code
    code = box.objective(x, f, g, n, box.data)
    for j in range(n):
        at = change(z[j], low[j], high[j])
        g[j] = 0.0 if low[j] == high[j] else g[j] * at.slope
    return code


cdef int boxed_hessian(const double* z, double* hessian, intptr_t n, void* user) noexcept nogil:
    """The Hessian by z: of x by the chain rule, and what the gradient by x adds where x(z) is curved."""
    cdef const Box* box = <const Box*> user
    cdef double* low = <double*> (box + 1)
    cdef double* high = low + n
    cdef double* x = place(z, box, n)
    cdef double* g = x + n
    cdef double f = 0.0
    cdef Change at
    cdef intptr_t i, j
    cdef int code
    code = box.objective(x, &f, g, n, box.data)
    if code < 0:
        return code
    code = box.hessian(x, hessian, n, box.data)
    for j in range(n):
        at = change(z[j], low[j], high[j])
        for i in range(n):
            hessian[i * n + j] = 0.0 if low[j] == high[j] else hessian[i * n + j] * at.slope
            hessian[j * n + i] = 0.0 if low[j] == high[j] else hessian[j * n + i] * at.slope
        hessian[j * n + j] = 1.0 if low[j] == high[j] else hessian[j * n + j] + g[j] * at.bend
    return code


FUNCTION = <size_t> <l2o_objective_fn> boxed
HESSIAN = <size_t> <l2o_hessian_fn> boxed_hessian


def points(const double[:, ::1] z, const double[:, ::1] low, const double[:, ::1] high, double[:, ::1] x):
    """Write the points x (m, n) that z (m, n) stands for."""
    cdef intptr_t i, j
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            x[i, j] = change(z[i, j], low[i, j], high[i, j]).x
