# l2o: built per instruction set
# How much of each basis curve is in curves that are known at some points only: the most likely, with normal errors.
#
# F. Yao, H.-G. Mueller and J.-L. Wang, "Functional data analysis for sparse longitudinal data", Journal of the American
# Statistical Association 100 (2005): components by conditional expectation. l2o/policies/points_start.py has the
# formula. Row i does not depend on its neighbours.
cimport numpy as cnp
from libc.math cimport floor, isfinite
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from l2o._kernels.base._arrays cimport counts, doubles
from l2o._kernels.solvers._curve cimport SPARE, gram
from l2o._kernels.solvers._normal_equations cimport eliminate, solve_back

cnp.import_array()


cdef inline bint is_known(double place, double value) noexcept nogil:
    return place == place and isfinite(value)


cdef intptr_t gather(const double* place, const double* y, intptr_t n, const double* basis, intptr_t r, double* rows
                     ) noexcept nogil:
    """Fill rows (r + 1, k) with the basis curves and the residuals of their mean, at the k points that are known."""
    cdef intptr_t used = 0, j, a
    cdef const double* below
    cdef double part
    for j in range(n):
        used += is_known(place[j], y[j])
    memset(rows + (r + 1) * used, 0, SPARE * sizeof(double))
    rows -= 1
    for j in range(n):
        if is_known(place[j], y[j]):
            rows += 1
            below = basis + <intptr_t> floor(place[j]) * (r + 1)
            part = place[j] - floor(place[j])
            for a in range(r + 1):
                rows[a * used] = below[a] if part == 0.0 else below[a] + part * (below[r + 1 + a] - below[a])
            rows[r * used] -= y[j]
    return used


def components(cnp.ndarray place not None, cnp.ndarray y not None, cnp.ndarray offsets not None,
               cnp.ndarray basis not None, cnp.ndarray z not None):
    """Fill z (m, r) with the components of the curves of values y[offsets[i]:offsets[i + 1]], in units of their errors.

    place (n,), the same for all, or (N,), is where values are, counted in nodes from 0 to g - 1, or NaN. basis
    (g, r + 1) has at each node the basis curves, then their mean, in units of the errors of values; components are
    normal, with the standard deviation 1.
    """
    cdef intptr_t m = z.shape[0], r = z.shape[1], total = y.shape[0], g = basis.shape[0], n_place = place.shape[0]
    cdef intptr_t i, j, longest = 0, square = (r + 1) * (r + 1)
    cdef const intptr_t* first = counts(offsets, m + 1)
    cdef const double* place_of = doubles(place, n_place)
    cdef const double* y_of = doubles(y, total)
    cdef const double* basis_of = doubles(basis, g * (r + 1))
    cdef double* z_of = doubles(z, m * r)
    cdef double* normal
    for i in range(m):
        longest = max(longest, first[i + 1] - first[i])
    normal = <double*> calloc(2 * square + r + (r + 1) * longest + SPARE, sizeof(double))
    if normal == NULL:
        raise MemoryError
    for j in range(r):
        normal[2 * square + j] = 1.0                           # the scale of each component
    with nogil:
        for i in range(m):
            j = gather(place_of + (first[i] if n_place == total else 0), y_of + first[i], first[i + 1] - first[i],
                       basis_of, r, normal + 2 * square + r)
            gram(normal, normal + 2 * square + r, j, r + 1)
            if eliminate(normal, normal + 2 * square, 1.0, normal + square, r) < 0.0:
                memset(z_of + i * r, 0, r * sizeof(double))    # nothing of it is finite
            else:
                solve_back(normal + square, z_of + i * r, r)
    free(normal)
