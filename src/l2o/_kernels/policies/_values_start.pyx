# l2o: built per instruction set
# Where curve fits begin, by the values of the curves: linear in these, a polynomial in their leading components.
# l2o/policies/values_start.py has the formula. Row i does not depend on its neighbours.
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.string cimport memset

from l2o._kernels.base._arrays cimport counts, doubles
from l2o._kernels.base._linalg cimport TILE, add_dots

cnp.import_array()

cdef extern from *:
    """
    #define L2O_FAR 4.0
    """
    const double FAR_AWAY "L2O_FAR"                            # standard deviations within which components are taken


cdef inline double within(double a, double low, double high) noexcept nogil:
    return low if a < low else high if a > high else a


cdef inline intptr_t products(const double* p, const intptr_t* orders, intptr_t n_orders, double* u) noexcept nogil:
    """u <- products of two components, of three, and so on, by their last factor, the largest; how many."""
    cdef const double* before = p
    cdef intptr_t factors, a, j, n, first, made = 0
    for factors in range(n_orders):
        first, n = made, 1                                     # products of the first a + 1 components before
        for a in range(orders[factors]):
            for j in range(n):
                u[made + j] = p[a] * before[j]
            made += n
            n = n * (a + 2 + factors) // (a + 1)
        before = u + first
    return made


def starts(cnp.ndarray y not None, cnp.ndarray mean not None, cnp.ndarray axes not None, cnp.ndarray orders not None,
           cnp.ndarray rows not None, cnp.ndarray limits not None, cnp.ndarray work not None, cnp.ndarray x not None):
    """Fill x (m, d) with where curves of values y (m, n) begin.

    axes (r, w) and rows (d, v) are filled up with zeros to multiples of MULTIPLE, limits (3, d) are the intercepts and
    the lowest and highest of what is predicted; work is (v + w + r,).
    """
    cdef intptr_t m = x.shape[0], d = x.shape[1], n = mean.shape[0], r = axes.shape[0], i, j
    cdef intptr_t narrow = axes.shape[1], wide = rows.shape[1], n_orders = orders.shape[0]
    cdef const double* y_of = doubles(y, m * n)
    cdef const double* mean_of = doubles(mean, n)
    cdef const double* axes_of = doubles(axes, r * narrow)
    cdef const double* rows_of = doubles(rows, d * wide)
    cdef const double* free = doubles(limits, 3 * d)
    cdef const intptr_t* orders_of = counts(orders, n_orders)
    cdef double* u = doubles(work, wide + narrow + r)
    cdef double* p = u + wide + narrow
    cdef double* row = doubles(x, m * d)
    with nogil:
        for i in range(m):
            memset(u, 0, (wide + narrow + r) * sizeof(double))
            for j in range(n):
                u[j] = y_of[i * n + j] - mean_of[j]
            add_dots(p, axes_of, narrow, u, narrow, r)
            for j in range(r):
                p[j] = within(p[j], -FAR_AWAY, FAR_AWAY)
            products(p, orders_of, n_orders, u + n)
            for j in range(d):
                row[j] = free[j]
            add_dots(row, rows_of, wide, u, wide, d)
            for j in range(d):
                row[j] = within(row[j], free[d + j], free[2 * d + j])
            row += d


MULTIPLE, FAR = TILE, FAR_AWAY
