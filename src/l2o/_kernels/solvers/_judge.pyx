# The rule of stopping for runs whose loop is not ours: told of every step, it says when they have converged.
cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY, fabs
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from l2o._kernels.base._abi cimport l2o_objective_fn
from l2o._kernels.base._arrays cimport doubles
from l2o._kernels.base._evaluate cimport largest
from l2o._kernels.base._status cimport CONVERGED, GO_ON
from l2o._kernels.solvers._bounds cimport direction_size, downhill
from l2o._kernels.solvers._descent cimport descent, descent_size, end_by, slope_of
from l2o._kernels.solvers._descent_method cimport NO_GAP
from l2o._kernels.solvers._scrutiny cimport prepare_scrutiny, scrutiny_size, seen_gap, settle
from l2o._kernels.solvers._stopping cimport end_rule, is_short, read_rule, stopping_see, stopping_step

cnp.import_array()


@cython.final
@cython.auto_pickle(False)
cdef class Judge:
    """Judges one run of the objective; `nfev` counts the evaluations that it makes itself.

    stopping has gtol, ftol, xtol, infimum, maxiter and maxfun."""

    cdef descent run
    cdef double* work
    cdef readonly bint short_step                              # whether the newest step is within xtol
    cdef double f
    cdef double gap
    cdef tuple bounds                                          # kept alive

    def __cinit__(self, size_t objective, size_t data, cnp.ndarray x not None, double f, cnp.ndarray g not None,
                  object stopping, cnp.ndarray low=None, cnp.ndarray high=None):
        cdef intptr_t n = x.shape[0]
        cdef end_rule rule
        memset(&self.run, 0, sizeof(descent))
        self.work = <double*> calloc(10 * n + 1 + descent_size(n), sizeof(double))
        if self.work == NULL:
            raise MemoryError
        self.run.objective, self.run.data, self.run.n = <l2o_objective_fn> objective, <void*> data, n
        read_rule(&rule, stopping)
        end_by(&self.run, &rule)
        self.run.first, self.run.lowest, self.f = f, f, f
        # the best point, the newest iterate, the origin with its units, then the workspace of the stop
        self.run.x, self.run.g, self.run.f = self.work, self.work + n, self.work + 2 * n
        memcpy(self.run.x, doubles(x, n), n * sizeof(double))
        memcpy(self.run.g, doubles(g, n), n * sizeof(double))
        memcpy(self.work + 2 * n + 1, self.run.x, n * sizeof(double))
        memcpy(self.work + 3 * n + 1, self.run.g, n * sizeof(double))
        self.run.f[0], self.gap = f, INFINITY
        self.bounds = low, high
        if low is not None:
            self.run.low, self.run.high = doubles(low, n), doubles(high, n)
        prepare_scrutiny(&self.run, self.run.x, self.work + 4 * n + 1)

    def __dealloc__(self):
        free(self.work)

    @property
    def nfev(self):
        return self.run.nfev

    def see(self, cnp.ndarray g not None):
        """Take note of a gradient at a trial."""
        stopping_see(&self.run.stop, largest(doubles(g, self.run.n), self.run.n))

    def step(self, cnp.ndarray x not None, double f, cnp.ndarray g not None, intptr_t left):
        """Take note of a step to x (n,), f, g (n,): None to go on, or the status; `left` evaluations may be made."""
        cdef intptr_t n = self.run.n, j
        cdef double* at = doubles(x, n)
        cdef double* slope = doubles(g, n)
        cdef double* old = self.work + 2 * n + 1
        cdef double* step = self.work + 6 * n + 1
        cdef double before = self.f
        self.run.maxfun = self.run.nfev + left
        for j in range(n):
            step[j] = at[j] - old[j]
            step[n + j] = slope[j] - old[n + j]
        memcpy(old, at, n * sizeof(double))
        memcpy(old + n, slope, n * sizeof(double))
        self.f = f
        self.run.f[0] = min(self.run.f[0], f)
        stopping_step(&self.run.stop, before, f, slope_of(&self.run, at, slope))
        self.run.stop.decrease = fabs(self.run.stop.decrease)
        self.short_step = self.run.stop.xtol > 0.0 and is_short(&self.run.stop, step, at, n)
        if self.short_step or slope_of(&self.run, at, slope) <= self.run.stop.gtol:
            return CONVERGED
        if not self.run.stop.ftol > 0.0:
            return None
        self.gap = seen_gap(down(self), step, step + n, n)
        return verdict(self)

    def end(self, intptr_t left):
        """The same where the method finds nothing lower than the newest iterate."""
        self.run.maxfun = self.run.nfev + left
        self.run.stop.decrease = 0.0
        return verdict(self) if self.run.stop.ftol > 0.0 else None


cdef const double* down(Judge judge) noexcept:
    """The gradient of the newest iterate, without what a bound holds."""
    cdef intptr_t n = judge.run.n
    cdef double* old = judge.work + 2 * n + 1
    return downhill(&judge.run, old, old + n, judge.work + 14 * n + 1 + scrutiny_size(n) + direction_size(n))


cdef object verdict(Judge judge):
    """What ftol says of the newest iterate."""
    cdef intptr_t n = judge.run.n
    cdef double* old = judge.work + 2 * n + 1
    cdef double* step = judge.work + 6 * n + 1
    cdef int status = settle(&judge.run, old, judge.f, down(judge), step, judge.gap, NO_GAP, step + 2 * n,
                             step + 3 * n, step + 7 * n)
    return None if status == GO_ON else status
