# l2o: built per instruction set
# The paper's policy: one hidden layer of softplus (or rectified) units and a linear output, bounded in length.
#
# Block: a header of 8 float64, then in the precision of the network b1 (width), W1 transposed
# (observations, width), W2 (dim, width), b2 (dim). `width` is padded to a multiple of 8; W1 and b1 are
# scaled by log2(e) and W2 by ln 2, so that softplus is softplus2; for max(x, 0) the two cancel. With
# float weights differences of objective values are still formed in double. The observation is [objective
# changes, gradients], newest first; entries of steps that have not happened are zero, so their columns are
# skipped.
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_policy, l2o_run
from l2o._kernels.base._branchfree cimport (
    exp2_negabsf, exp2_parts, signed_log1p, signed_log1pf, softplus2_parts, softplus2_partsf)
from l2o._kernels.base._linalg cimport TILE, add_dots, add_dots_float, add_tiles, real

cdef extern from *:
    """#define LEAST_SCALE 1e-100"""
    double LEAST_SCALE    # of the gradient, so that it can be divided by

cdef enum:
    HEADER = 8
    NEWEST = 3        # gradients among which the largest norm is the scale
    HISTORY = 0       # steps of history seen
    WIDTH = 1         # hidden units with padding
    FIRST = 2         # newest gradient seen: 0 the current one, 1 the one before
    MAX_STEP = 3      # longest step
    FLOOR = 4         # lower bound of the gradient scale
    INPUTS = 5        # what is done to the observation: one of the three below
    RECTIFIED = 6     # activation: 0 softplus, 1 max(x, 0)
    RAW = 0
    LINEAR = 1
    SCALED = 2
    RUNS = 8          # runs at a time
    UNITS = 256       # hidden units at a time
    SEEN = 128        # observation entries at a time
    PART = 256        # units that are activated at a time


cdef inline double gradient_scale(const l2o_run* h, const double* block) noexcept nogil:
    """r = sqrt(floor^2 + s^2), s the largest of the NEWEST newest gradient norms seen."""
    cdef intptr_t first = <intptr_t> block[FIRST], i, j
    cdef double largest = 0.0, norm2
    for i in range(first, min(h.count, first + min(<intptr_t> NEWEST, <intptr_t> block[HISTORY]))):
        norm2 = 0.0
        for j in range(h.dim):
            norm2 += h.g[i * h.dim + j] * h.g[i * h.dim + j]
        if not norm2 <= largest:                               # a NaN is taken on
            largest = norm2
    largest = sqrt(block[FLOOR] * block[FLOOR] + largest)
    return LEAST_SCALE if largest < LEAST_SCALE else largest


cdef inline void observe(real* seen, const l2o_run* h, const double* block, intptr_t start, intptr_t n, double r,
                         bint logarithm) noexcept nogil:
    """Entries start..start+n of the observation, all objective changes or all gradients."""
    cdef intptr_t history = <intptr_t> block[HISTORY], i
    cdef double unit = 1.0 / r, newest = h.f[0]                # outside the loop, as gcc cannot exclude aliasing
    cdef const double* value
    if start < history:
        value = h.f + start + 1
        unit *= unit
        for i in range(n):
            seen[i] = <real> ((newest - value[i]) * unit)
    else:
        value = h.g + <intptr_t> block[FIRST] * h.dim + start - history
        for i in range(n):
            seen[i] = <real> (value[i] * unit)
    if logarithm:                                              # a constant where this is inlined
        for i in range(n, (n + 7) & -8):
            seen[i] = 0.0
        for i in range((n + 7) & -8):
            seen[i] = signed_log1pf(seen[i]) if real is float else signed_log1p(seen[i])


cdef inline void layer1(real* hidden, const l2o_run* runs, intptr_t n_runs, const double* block, const real* b1,
                        const double* r, intptr_t unit, intptr_t size, bint logarithm) noexcept nogil:
    """hidden[i, 0..size] of run i: units unit..unit+size before their activation."""
    cdef intptr_t history = <intptr_t> block[HISTORY], width = <intptr_t> block[WIDTH], i, start, stop, n, part
    cdef intptr_t stride = 0
    cdef const real* w1 = b1 + width + unit
    cdef const real* so_far = b1 + unit
    cdef real seen[RUNS * SEEN]
    for part in range(2):                                      # objective changes, gradients: what exists of them
        start = part * history
        stop = start + (max(min(runs.count - <intptr_t> block[FIRST], history), 0) * runs.dim if part
                        else min(runs.count - 1, history))
        while start < stop or stride == 0:                     # once at least, to take on b1
            n = min(stop - start, <intptr_t> SEEN)
            for i in range(n_runs):
                observe(seen + i * SEEN, &runs[i], block, start, n, r[i], logarithm)
            add_tiles(hidden, size, so_far, stride, w1 + start * width, width, seen, SEEN, n, n_runs, size // TILE)
            so_far, stride = hidden, size
            start += n


cdef inline void activate(real* hidden, intptr_t size, bint rectified) noexcept nogil:
    """The activation of units, in place."""
    cdef real power[PART]
    cdef real rest[PART]
    cdef intptr_t j, n
    if rectified:                                              # a constant where this is inlined
        for j in range(size):
            hidden[j] = <real> 0.0 if hidden[j] < <real> 0.0 else hidden[j]  # a NaN stays one
        return
    while size > 0:                                            # in two loops: see _logistic.pyx
        n = min(size, <intptr_t> PART)
        for j in range(n):
            if real is float:
                power[j] = exp2_negabsf(hidden[j])
            else:
                power[j] = exp2_parts(hidden[j], &rest[j])
        for j in range(n):
            if real is float:
                hidden[j] = softplus2_partsf(hidden[j], power[j])
            else:
                hidden[j] = softplus2_parts(hidden[j], power[j], rest[j])
        hidden += n
        size -= n


cdef inline void forward(const l2o_run* runs, intptr_t n_runs, double* actions, const double* block, const real* b1,
                         const double* r, bint logarithm, bint rectified) noexcept nogil:
    """points = x + r net(objective changes / r^2, gradients / r), the step shortened to the longest."""
    cdef intptr_t width = <intptr_t> block[WIDTH], dim = runs.dim, unit = 0, size, i, j
    cdef const real* w2 = b1 + width + <intptr_t> block[HISTORY] * (1 + dim) * width
    cdef const real* b2 = w2 + dim * width
    cdef real hidden[RUNS * UNITS]
    cdef double length2, longest = block[MAX_STEP]
    for i in range(n_runs):
        for j in range(dim):
            actions[i * dim + j] = b2[j]
    while unit < width:
        size = min(width - unit, <intptr_t> UNITS) & -8
        layer1(hidden, runs, n_runs, block, b1, r, unit, size, logarithm)
        activate(hidden, n_runs * size, rectified)
        for i in range(n_runs):
            if real is float:
                add_dots_float(actions + i * dim, w2 + unit, width, hidden + i * size, size, dim)
            else:
                add_dots(actions + i * dim, w2 + unit, width, hidden + i * size, size, dim)
        unit += size
    for i in range(n_runs):
        length2 = 0.0
        for j in range(dim):
            actions[j] *= r[i]
            length2 += actions[j] * actions[j]
        if length2 > longest * longest and length2 < INFINITY:
            for j in range(dim):
                actions[j] *= longest / sqrt(length2)
        for j in range(dim):
            actions[j] += runs[i].x[j]
        actions += dim


cdef inline void network(const l2o_run* runs, intptr_t n_runs, double* actions, const double* block,
                         const real* b1, bint relative, bint logarithm, bint rectified) noexcept nogil:
    """The steps of all runs, RUNS at a time; relative: with the gradient scale as unit."""
    cdef double r[RUNS]
    cdef intptr_t n, i
    while n_runs > 0:
        n = min(n_runs, <intptr_t> RUNS)
        for i in range(n):
            r[i] = gradient_scale(&runs[i], block) if relative else 1.0
        forward(runs, n, actions, block, b1, r, logarithm, rectified)
        actions += n * runs.dim
        runs += n
        n_runs -= n


cdef inline void by_inputs(const l2o_run* runs, intptr_t n_runs, double* points, const double* block, const real* b1,
                           bint rectified) noexcept nogil:
    if block[INPUTS] == RAW:
        network(runs, n_runs, points, block, b1, False, False, rectified)
    elif block[INPUTS] == LINEAR:
        network(runs, n_runs, points, block, b1, True, False, rectified)
    else:
        network(runs, n_runs, points, block, b1, True, True, rectified)


cdef inline void by_form(const l2o_run* runs, intptr_t n_runs, double* points, const double* block,
                         const real* b1) noexcept nogil:
    """`network` of the block's form, with constants, so that each form is compiled for itself."""
    if block[RECTIFIED] > 0.0:
        by_inputs(runs, n_runs, points, block, b1, True)
    else:
        by_inputs(runs, n_runs, points, block, b1, False)


cdef void in_double(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    by_form(runs, n_runs, points, <const double*> user, <const double*> user + HEADER)


cdef void in_single(const l2o_run* runs, intptr_t n_runs, double* points, const void* user) noexcept nogil:
    by_form(runs, n_runs, points, <const double*> user, <const float*> (<const double*> user + HEADER))


cdef l2o_policy double_policy, single_policy
double_policy.next, single_policy.next = in_double, in_single

POLICIES = {"float64": <size_t> &double_policy, "float32": <size_t> &single_policy}  # by the precision of the weights
FORMS = {"raw": RAW, "linear": LINEAR, "scaled": SCALED, "softplus": 0, "relu": 1}  # as a block has them

# for what states the same formula in Python: policies/mlp.py, and with it the gradient in _kernels/training/unrolled.py
CONSTANTS = {"HEADER": HEADER, "NEWEST": NEWEST, "LEAST_SCALE": LEAST_SCALE}
