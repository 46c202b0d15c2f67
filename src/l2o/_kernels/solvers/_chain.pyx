# What Python gives for a chain of runs; _chain.pxd has what a run does.
cimport cython
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._arrays cimport doubles

cnp.import_array()


@cython.final
@cython.auto_pickle(False)
cdef class Chain:
    """A chain of runs of one policy, in pieces; its own memory is for one call.

    block (size,) is the policy's, and the matrix (n, n) that its runs expect stands there at `place`; memory
    (size + 5 n) is written to. origin is 0: a run's own start, 1: its predecessor's end, 2: its start moved as the
    predecessor was.
    """

    def __init__(self, cnp.ndarray block not None, cnp.ndarray memory not None, intptr_t n, intptr_t place,
                 intptr_t piece, int origin, bint carries, double far, intptr_t longest):
        cdef intptr_t size = block.shape[0]
        cdef double* room = doubles(memory, size + 5 * n)
        self.memory = block, memory
        self.rules.fresh, self.rules.block = doubles(block, size), room
        memcpy(room, self.rules.fresh, size * sizeof(double))
        self.rules.own, self.rules.before, self.rules.slope = room + size, room + size + n, room + size + 2 * n
        self.rules.end = room + size + 3 * n
        self.rules.size, self.rules.place, self.rules.piece = size, place, piece
        self.rules.origin, self.rules.carries, self.rules.far, self.rules.longest = origin, carries, far, longest
        self.rules.linked, self.rules.seen, self.rules.gap = False, 0, 0.0
