# Ctrl-C while kernels run, which hear nothing: an objective behind which another one stands, and a flag beside it.
#
# Python takes note of a signal and acts when its interpreter runs again. A handler before Python's own raises the flag
# of the call that the main thread is in; at the next evaluation Python is asked, and if its handler raises, that
# evaluation and all after it end their runs. Threads of a call share its flag.
cimport cython
cimport numpy as cnp
from libc.signal cimport SIG_DFL, SIG_ERR, SIG_IGN, SIGINT
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_expansion_fn, l2o_hessian_fn, l2o_model, l2o_normal_fn, l2o_objective_fn
from l2o._kernels.base._arrays cimport addresses_in, empty, records

import threading

cnp.import_array()

cdef extern from "Python.h":
    ctypedef void (*PyOS_sighandler_t)(int) noexcept nogil
    PyOS_sighandler_t PyOS_getsig(int) nogil
    PyOS_sighandler_t PyOS_setsig(int, PyOS_sighandler_t) nogil
    int PyErr_CheckSignals() except -1

cdef struct Watched:                                           # what an objective is given in place of its data
    l2o_objective_fn objective
    l2o_hessian_fn hessian                                     # or NULL, and so are these
    l2o_normal_fn normal
    l2o_expansion_fn expansion
    void* data
    volatile int* flag

cdef intptr_t HEAD = sizeof(Watched) // sizeof(size_t)

cdef PyOS_sighandler_t before = NULL                           # Python's
cdef volatile int* raised = NULL                               # the flag of the call that the main thread is in
cdef object told = None                                        # that call
here = threading.local()                                       # watch: of the call that a thread works for


cdef void hear(int number) noexcept nogil:
    before(number)                                             # first: then Python knows when it is asked
    if raised != NULL:
        raised[0] = ASK


cdef bint listens() noexcept:
    """Put the handler before Python's, where that listens. There it stays: to put it back takes longer than a run."""
    global before
    cdef PyOS_sighandler_t present = PyOS_getsig(SIGINT)
    if present == hear:
        return True
    if present == SIG_DFL or present == SIG_IGN or present == SIG_ERR:
        return False
    before = present
    PyOS_setsig(SIGINT, hear)
    return True


cdef bint ends(volatile int* flag) noexcept with gil:
    """Ask Python; only its main thread has an answer."""
    if flag[0] == ASK:
        flag[0] = QUIET
        try:
            PyErr_CheckSignals()
        except BaseException as error:                         # raised again by `check`
            told.error = error
            flag[0] = STOP
    return flag[0] == STOP


cdef int watched(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const Watched* one = <const Watched*> user
    if stopped(one.flag):
        return -1
    return one.objective(x, f, g, n, one.data)


cdef int watched_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const Watched* one = <const Watched*> user
    return one.hessian(x, hessian, n, one.data)


cdef int watched_expansion(const double* x, double* f, double* g, double* hessian, intptr_t n,
                           void* user) noexcept nogil:
    cdef const Watched* one = <const Watched*> user
    if stopped(one.flag):
        return -1
    return one.expansion(x, f, g, hessian, n, one.data)


cdef int watched_normal(const double* x, double* normal, intptr_t n, void* user) noexcept nogil:
    cdef const Watched* one = <const Watched*> user
    if one.flag[0] != QUIET and (one.flag[0] == STOP or ends(one.flag)):
        return -1
    return one.normal(x, normal, n, one.data)


cdef struct WatchedModel:                                      # what a model is given in place of its own
    l2o_model model
    const void* user
    volatile int* flag


cdef int watched_model(const double* p, const double* t, intptr_t n, double* values, double* jacobian, intptr_t d,
                       const void* user) noexcept nogil:
    """The model, whose failures are 1; -1 ends the run."""
    cdef const WatchedModel* one = <const WatchedModel*> user
    if stopped(one.flag):
        return -1
    return one.model(p, t, n, values, jacobian, d, one.user) != 0


FUNCTION = <size_t> <l2o_objective_fn> watched
MODEL = <size_t> <l2o_model> watched_model
HESSIAN = <size_t> <l2o_hessian_fn> watched_hessian
NORMAL = <size_t> <l2o_normal_fn> watched_normal
EXPANSION = <size_t> <l2o_expansion_fn> watched_expansion


def watch_here():
    """Return the watch of the call that this thread works for, or None."""
    return getattr(here, "watch", None)


@cython.final
cdef class Watch:
    """A call that hears Ctrl-C: a context, and what its threads are stopped with. In another process it is None."""

    def __enter__(self):
        global raised, told
        self.outer, here.watch = watch_here(), self
        self.listens = threading.current_thread() is threading.main_thread() and listens()
        if self.listens:
            self.raised, self.told = raised, told
            raised, told = &self.flag, self
        return self

    def __exit__(self, *_):
        global raised, told
        here.watch = self.outer
        if self.listens:
            raised, told = self.raised, self.told

    def __reduce__(self):
        return type(None), ()

    def over(self, size_t objective, size_t hessian, size_t normal, size_t expansion, cnp.ndarray data not None):
        """Return the addresses (m,) of what `watched` needs, of data at addresses (m,); they keep it alive."""
        cdef cnp.npy_intp m = data.shape[0], i
        cdef const size_t* data_of = addresses_in(data, m)
        cdef cnp.ndarray addresses = records(m, HEAD, data)
        cdef Watched* one = <Watched*> (addresses_in(addresses, m) + m)
        for i in range(m):
            one.objective, one.hessian = <l2o_objective_fn> objective, <l2o_hessian_fn> hessian
            one.normal, one.expansion = <l2o_normal_fn> normal, <l2o_expansion_fn> expansion
            one.data, one.flag = <void*> data_of[i], &self.flag
            one += 1
        return addresses

    def over_model(self, size_t model, size_t user):
        """Return what `watched_model` needs, of a model and its own: an array that is to be kept alive."""
        cdef cnp.ndarray memory = empty(cnp.NPY_UINTP, 1, sizeof(WatchedModel) // sizeof(size_t))
        cdef WatchedModel* one = <WatchedModel*> cnp.PyArray_DATA(memory)
        one.model, one.user, one.flag = <l2o_model> model, <const void*> user, &self.flag
        return memory

    def during(self, work, *given):
        """Return work(*given), done in this thread as a part of the call."""
        outer, here.watch = watch_here(), self
        try:
            return work(*given)
        finally:
            here.watch = outer

    def set(self):
        """End all runs at their next evaluation."""
        self.flag = STOP

    def check(self):
        """Raise what ended the runs."""
        if self.error is not None:
            raise self.error
        if self.flag == STOP:                                  # by another thread
            raise KeyboardInterrupt
