# Parts of native methods, by addresses of arrays: see native_parts.py.
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.solvers._descent cimport descend, descent, descent_size, end_by
from l2o._kernels.solvers._descent_method cimport LEARNED, DescentMethod
from l2o._kernels.solvers._stopping cimport end_rule, read_rule


cdef double* told(DescentMethod method, intptr_t n, size_t s, size_t y, intptr_t k, intptr_t extra) except NULL:
    """The memory of a method that has learned k pairs, behind `extra` doubles."""
    cdef double* memory = <double*> calloc(extra + method.method.size(n, method.settings), sizeof(double))
    cdef intptr_t i
    if memory == NULL:
        raise MemoryError
    method.method.reset(memory + extra, n, method.settings, NULL)
    for i in range(k):
        method.method.learn(memory + extra, <double*> s + i * n, <double*> y + i * n)
    return memory


def direction(DescentMethod method not None, size_t s, size_t y, intptr_t k, size_t g, size_t p, intptr_t n):
    cdef double* memory = told(method, n, s, y, k, 0)
    method.method.propose(memory, NULL, <double*> g, <double*> p, NULL, LEARNED)
    free(memory)


def resume(size_t objective, size_t data, DescentMethod method not None, size_t s, size_t y, intptr_t k,
           object stopping, double first, double lowest, intptr_t nit, intptr_t nfev, size_t x, size_t f, size_t g,
           intptr_t n):
    cdef double* memory = told(method, n, s, y, k, descent_size(n))
    cdef descent run
    cdef end_rule rule
    cdef int status
    read_rule(&rule, stopping)
    memset(&run, 0, sizeof(descent))
    end_by(&run, &rule)
    run.objective, run.data, run.method, run.n = <l2o_objective_fn> objective, <void*> data, method.method, n
    run.first, run.lowest, run.nit, run.nfev = first, lowest, nit, nfev
    run.memory, run.x, run.f, run.g = memory + descent_size(n), <double*> x, <double*> f, <double*> g
    status = descend(&run, memory)
    free(memory)
    return run.nit, run.nfev, status
