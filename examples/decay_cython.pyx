# The decay of decay.c in Cython.
#
#     cythonize -i decay_cython.pyx      # with l2o.get_include() among the include_dirs
#
#     import decay_cython, l2o, scipy
#     decay = scipy.LowLevelCallable.from_cython(decay_cython, "decay")
#     l2o.minimize(decay, x0, args=(data,), method="lbfgs")
from libc.math cimport exp
from libc.stdint cimport intptr_t

cdef extern from "objective.h" nogil:
    ctypedef int (*l2o_objective_fn)(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil


cdef api int decay(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef const double* data = block + 2                        # rows, columns, then the data by rows
    cdef intptr_t rows = <intptr_t> block[0], i
    cdef double amplitude = exp(x[0]), rate = exp(x[1]), part, residual
    if n != 3 or block[1] != 2.0:
        return -1                                              # ends the run with status 4
    f[0] = g[0] = g[1] = g[2] = 0.0
    for i in range(rows):
        part = amplitude * exp(-rate * data[2 * i])
        residual = part + x[2] - data[2 * i + 1]
        f[0] += 0.5 * residual * residual / rows
        g[0] += residual * part / rows
        g[1] -= residual * part * rate * data[2 * i] / rows
        g[2] += residual / rows
    return 0


cdef l2o_objective_fn checked = decay                          # the compiler holds it against the header
