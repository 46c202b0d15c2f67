# What a regression with weights is called with, of its own block and the design that may be shared.
cimport numpy as cnp
from libc.stdint cimport intptr_t

from l2o._kernels.base._arrays cimport addresses_in, records

cnp.import_array()

cdef intptr_t SIZE = sizeof(Weighted) // sizeof(size_t)


def over(cnp.ndarray data not None, size_t shared):
    """Return the addresses (m,) of what the objectives need, of own blocks at addresses (m,) and a shared design."""
    cdef cnp.npy_intp m = data.shape[0], i
    cdef const size_t* data_of = addresses_in(data, m)
    cdef cnp.ndarray result = records(m, SIZE, data)
    cdef Weighted* one = <Weighted*> (addresses_in(result, m) + m)
    cdef const double* own
    for i in range(m):
        own = <const double*> data_of[i]
        one.own = own
        one.design = own + <intptr_t> own[DESIGN] if own[DESIGN] > 0.0 else <const double*> shared
        one.weights = own + <intptr_t> own[WEIGHTS]
        if own[WEIGHTS] == 0.0:
            one.weights = one.design + <intptr_t> (own[ONES] * own[PADDED])
        one += 1
    return result
