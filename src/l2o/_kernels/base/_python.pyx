# The trampoline: a Python callable behind the C ABI of an objective. It takes the GIL for each evaluation; so do a
# callback after each step (_descent.pyx) and a watch that looks for Ctrl-C (_watch.pyx), and nothing else.
from cpython.ref cimport PyObject
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_objective_fn


cdef int call(const double* x, double* f, double* g, intptr_t n, void* user) noexcept with gil:
    cdef object target = <object> <PyObject*> user
    cdef intptr_t j
    cdef const double[::1] gradient
    try:
        value, gradient = target.value_and_grad([x[j] for j in range(n)])
        f[0] = value
        for j in range(n):
            g[j] = gradient[j]
        return 0
    except BaseException as error:                             # raised again, intact, by the caller of the run
        target.error = error
        return -1


FUNCTION = <size_t> <l2o_objective_fn> call
