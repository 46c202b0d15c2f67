# Evaluations of a batch, from Python.
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._watch cimport Watch, stopped


def addresses(const double[:, :] blocks, const intptr_t[:] index, size_t[::1] out):
    """The address of row index[i] of blocks, for every i; in NumPy this takes three microseconds."""
    cdef intptr_t i
    for i in range(index.shape[0]):
        if not 0 <= index[i] < blocks.shape[0]:
            raise IndexError(f"index holds {index[i]} at {i}; there are {blocks.shape[0]} blocks")
        out[i] = <size_t> &blocks[index[i], 0]


def evaluate_many(size_t objective, const size_t[::1] data, const double[:, ::1] x, double[::1] f, double[:, ::1] g,
                  int[::1] status, Watch watch not None):
    """Values f (m,) and gradients g (m, n) at the rows of x (m, n); those that the watch ends are not written."""
    cdef intptr_t i
    with nogil:
        for i in range(x.shape[0]):
            if stopped(&watch.flag):
                break
            status[i] = evaluate(<l2o_objective_fn> objective, &x[i, 0], &f[i], &g[i, 0], x.shape[1], <void*> data[i])


def hessian_many(size_t hessian, const size_t[::1] data, const double[:, ::1] x, double[:, :, ::1] h,
                 Watch watch not None):
    """Hessians h (m, n, n) at the rows of x (m, n); those that the watch ends are not written."""
    cdef intptr_t i
    with nogil:
        for i in range(x.shape[0]):
            if stopped(&watch.flag):
                break
            (<l2o_hessian_fn> hessian)(&x[i, 0], &h[i, 0, 0], x.shape[1], <void*> data[i])
