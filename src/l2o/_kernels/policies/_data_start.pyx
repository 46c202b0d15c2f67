# l2o: built per instruction set
# Where runs begin, by what the data of their problems say: a regression on features of the data, which are some of its
# entries. l2o/policies/data_start.py has the formula.
#
# Block: a header (`Shape`), then rows of `width`, k filled up with zeros: entries, mean and inverse deviation of the
# features, r rows A', d rows B'; then c, low and high (d each); then rows of `near` numbers, filled up likewise: r rows
# of coordinates p_i, d rows of weights w_i.
cimport numpy as cnp
from libc.stdint cimport intptr_t

from l2o._kernels.base._arrays cimport addresses_in, doubles
from l2o._kernels.base._branchfree cimport LOG2E, exp2_negabs
from l2o._kernels.base._linalg cimport TILE, add_dots, dot

cnp.import_array()

cdef enum:
    FEATURES = 1000                                            # k at most, a multiple of TILE
    COMPONENTS = 16                                            # r at most
    CENTRES = 64                                               # p_i at a time, a multiple of TILE

ctypedef struct Shape:                                         # doubles, as the rest of the block
    double features                                            # k
    double width
    double components                                          # r
    double near
    double rows                                                # what data begin with; -1: anything
    double columns
    double farthest                                            # sum of squared features of data that are the family's
    double reach                                               # within which features are taken


cdef inline double within(double a, double low, double high) noexcept nogil:
    return low if a < low else high if a > high else a


cdef inline bint standardise(const Shape* shape, const double* entries, const double* data, double* z) noexcept nogil:
    """z (width,) <- the features, in deviations from their mean; whether the data are like those of the family."""
    cdef intptr_t k = <intptr_t> shape.features, width = <intptr_t> shape.width, j
    cdef const double* mean = entries + width
    cdef const double* inverse = mean + width
    if shape.rows >= 0.0 and not (data[0] == shape.rows and data[1] == shape.columns):
        return False
    for j in range(k):
        z[j] = (data[<intptr_t> entries[j]] - mean[j]) * inverse[j]
    for j in range(k, width):
        z[j] = 0.0
    return dot(z, z, width) <= shape.farthest                  # a NaN is not


cdef inline void add_near(const Shape* shape, const double* centres, const double* p, intptr_t d,
                          double* x) noexcept nogil:
    """x += sum_i w_i exp(-|p - p_i|^2)."""
    cdef intptr_t r = <intptr_t> shape.components, c = <intptr_t> shape.near, first = 0, n, i, j
    cdef double near[CENTRES]
    cdef double away
    while first < c:
        n = min(<intptr_t> CENTRES, c - first)
        for i in range(n):
            near[i] = 0.0
        for j in range(r):
            for i in range(n):
                away = p[j] - centres[j * c + first + i]
                near[i] += away * away
        for i in range(n):
            near[i] = exp2_negabs(LOG2E * near[i])
        add_dots(x, centres + r * c + first, c, near, n, d)
        first += n


cdef inline void begin(const double* block, const double* data, double* x, intptr_t d) noexcept nogil:
    """x (d,) <- where a problem with these data begins; data unlike those of the family leave it as it is."""
    cdef const Shape* shape = <const Shape*> block
    cdef intptr_t width = <intptr_t> shape.width, r = <intptr_t> shape.components, j
    cdef const double* entries = <const double*> (shape + 1)
    cdef const double* axes = entries + 3 * width
    cdef const double* linear = axes + r * width
    cdef const double* free = linear + d * width
    cdef double z[FEATURES]
    cdef double p[COMPONENTS]
    if not standardise(shape, entries, data, z):
        return
    for j in range(width):
        z[j] = within(z[j], -shape.reach, shape.reach)
    for j in range(r):
        p[j] = 0.0
    for j in range(d):
        x[j] = free[j]
    add_dots(p, axes, width, z, width, r)
    add_dots(x, linear, width, z, width, d)
    add_near(shape, free + 3 * d, p, d, x)
    for j in range(d):
        x[j] = within(x[j], free[d + j], free[2 * d + j])


def starts(cnp.ndarray block not None, cnp.ndarray data not None, cnp.ndarray x not None):
    """Write where problems with data at addresses (m,) begin to the rows of x (m, d), which hold their own starts."""
    cdef intptr_t m = x.shape[0], d = x.shape[1], i
    cdef const double* numbers = doubles(block, block.shape[0])
    cdef const size_t* data_of = addresses_in(data, m)
    cdef double* row = doubles(x, m * d)
    with nogil:
        for i in range(m):
            begin(numbers, <const double*> data_of[i], row + i * d, d)


MOST_FEATURES, MOST_COMPONENTS, MULTIPLE = FEATURES, COMPONENTS, TILE
