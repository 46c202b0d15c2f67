# The trampolines: a Python callable behind the C ABI of an objective, or of a model. They take the GIL for each
# evaluation; so do a callback after each step (_descent.pyx) and a watch that looks for Ctrl-C (_watch.pyx), and no
# others.
from cpython.exc cimport PyErr_SetInterrupt
from cpython.ref cimport PyObject
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._abi cimport l2o_model, l2o_objective_fn
from l2o._kernels.base._arrays cimport doubles, empty

cnp.import_array()


cdef int call(const double* x, double* f, double* g, intptr_t n, void* user) noexcept with gil:
    cdef object target = <object> <PyObject*> user
    cdef cnp.ndarray point, gradient
    try:
        point = empty(cnp.NPY_DOUBLE, 1, n)                    # a new one, as the callable may keep it
        memcpy(cnp.PyArray_DATA(point), x, n * sizeof(double))
        f[0], gradient = target.value_and_grad(point)
        memcpy(g, doubles(gradient, n), n * sizeof(double))
        return 0
    except BaseException as error:                             # raised again, intact, by the caller of the run
        target.error = error
        return -1


FUNCTION = <size_t> <l2o_objective_fn> call


cdef int call_model(const double* p, const double* t, intptr_t n, double* values, double* jacobian, intptr_t d,
                    const void* user) noexcept with gil:
    if user == NULL:
        return 1
    cdef object target = <object> <PyObject*> user
    cdef intptr_t i, j, k = target.k
    cdef const double[::1] row
    try:
        parameters = [p[j] for j in range(d)]
        for i in range(n):
            point = [t[i * k + j] for j in range(k)]
            if jacobian == NULL:
                values[i] = target.value(point, parameters)
            else:
                values[i], row = target.value_and_derivatives(point, parameters)
                for j in range(d):
                    jacobian[j * n + i] = row[j]
        return 0
    except KeyboardInterrupt:                                  # for the watch of the batch
        PyErr_SetInterrupt()
        return 1
    except BaseException as error:
        target.error = error
        return 1


MODEL = <size_t> <l2o_model> call_model
