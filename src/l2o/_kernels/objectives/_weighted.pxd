# Regressions with a weight for each point, and a design that problems may share.
#
# Own block of a problem (float64): an 8-entry header, then columns of `padded` points: the labels or targets, the
# weights unless all are 1, the design unless it is shared. A design has p + 2 such columns: zeros, features, ones. All
# numbers of padding points are 0, and so are their weights.
from libc.stdint cimport intptr_t

cdef enum:
    HEADER = 8
    TOTAL = 0         # sum of the weights; NaN where the problem's data are not finite
    PADDED = 1        # points with padding, a multiple of 8
    SETTING = 2       # of the objective
    WEIGHTS = 3       # where the weights begin in the block; 0 for weights of 1
    DESIGN = 4        # where the design begins in the block; 0 if it is shared
    ONES = 5          # which column of the design holds the ones
    CHUNK = 128       # points at a time: of twenty columns they stay in the nearest cache

cdef struct Weighted:                                          # what these objectives are given in place of their data
    const double* own
    const double* weights
    const double* design
