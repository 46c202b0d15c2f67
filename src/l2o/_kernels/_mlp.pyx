# l2o: built per instruction set
# The paper's policy: one hidden layer of softplus units and a linear output, bounded in length.
#
# Block: a header of 8 float64, then in the precision of the network b1 (width), W1 transposed
# (observations, width), W2 (dim, width), b2 (dim). `width` is padded to a multiple of 8; W1 and b1 are
# scaled by log2(e) and W2 by ln 2, so that softplus is softplus2. With float weights differences of
# objective values are still formed in double. The observation is [objective changes, gradients],
# newest first; entries of steps that have not happened are zero, so their columns are skipped.
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels._abi cimport l2o_history, l2o_policy_fn
from l2o._kernels._branchfree cimport signed_log1p, signed_log1pf, softplus2, softplus2f
from l2o._kernels._linalg cimport add_columns, dot, real

cdef enum:
    HEADER = 8
    HISTORY = 0       # steps of history seen
    WIDTH = 1         # hidden units with padding
    FIRST = 2         # newest gradient seen: 0 the current one, 1 the one before
    MAX_STEP = 3      # longest step
    FLOOR = 4         # lower bound of the gradient scale
    UNITS = 256       # hidden units at a time
    SEEN = 64         # observation entries at a time


cdef inline double gradient_scale(const l2o_history* h, const double* block) noexcept nogil:
    """r = sqrt(floor^2 + s^2), s the largest of the three newest gradient norms seen."""
    cdef intptr_t first = <intptr_t> block[FIRST], i, j
    cdef double largest = 0.0, norm2
    for i in range(first, min(h.count, first + min(<intptr_t> 3, <intptr_t> block[HISTORY]))):
        norm2 = 0.0
        for j in range(h.dim):
            norm2 += h.g[i * h.dim + j] * h.g[i * h.dim + j]
        if not norm2 <= largest:                               # a NaN is taken on
            largest = norm2
    largest = sqrt(block[FLOOR] * block[FLOOR] + largest)
    return 1e-100 if largest < 1e-100 else largest


cdef inline void layer1(real* hidden, real* seen, intptr_t n, const real* columns, intptr_t width, intptr_t size,
                        bint logarithm) noexcept nogil:
    cdef intptr_t i
    if logarithm:                                              # a constant where this is inlined
        for i in range(n, (n + 7) & -8):
            seen[i] = 0.0
        for i in range((n + 7) & -8):
            seen[i] = signed_log1pf(seen[i]) if real is float else signed_log1p(seen[i])
    add_columns(hidden, columns, width, seen, n, size)


cdef inline void forward(const l2o_history* h, double* action, const double* block, const real* b1, double r,
                         bint logarithm) noexcept nogil:
    """action = r net(objective changes / r^2, gradients / r), shortened to the longest step."""
    cdef intptr_t history = <intptr_t> block[HISTORY], width = <intptr_t> block[WIDTH], first = <intptr_t> block[FIRST]
    cdef intptr_t n_changes = min(h.count - 1, history)
    cdef intptr_t n_gradients = max(min(h.count - first, history), 0) * h.dim
    cdef const real* w1 = b1 + width
    cdef const real* w2 = w1 + (history + history * h.dim) * width
    cdef const real* b2 = w2 + h.dim * width
    cdef const double* gradients = h.g + first * h.dim
    cdef real hidden[UNITS]
    cdef real seen[SEEN]
    cdef intptr_t unit = 0, size, start, n, i, j
    cdef double length2 = 0.0, per_r = 1.0 / r, per_r2 = per_r * per_r, shorten
    for j in range(h.dim):
        action[j] = b2[j]
    while unit < width:
        size = min(width - unit, <intptr_t> UNITS) & -8
        for i in range(size):
            hidden[i] = b1[unit + i]
        start = 0
        while start < n_changes:
            n = min(n_changes - start, <intptr_t> SEEN)
            for i in range(n):
                seen[i] = <real> ((h.f[0] - h.f[start + i + 1]) * per_r2)
            layer1(hidden, seen, n, w1 + start * width + unit, width, size, logarithm)
            start += n
        start = 0
        while start < n_gradients:
            n = min(n_gradients - start, <intptr_t> SEEN)
            for i in range(n):
                seen[i] = <real> (gradients[start + i] * per_r)
            layer1(hidden, seen, n, w1 + (history + start) * width + unit, width, size, logarithm)
            start += n
        for i in range(size):
            hidden[i] = softplus2f(hidden[i]) if real is float else softplus2(hidden[i])
        for j in range(h.dim):
            action[j] += dot(w2 + j * width + unit, hidden, size)
        unit += size
    for j in range(h.dim):
        action[j] *= r
        length2 += action[j] * action[j]
    if length2 > block[MAX_STEP] * block[MAX_STEP] and length2 < INFINITY:
        shorten = block[MAX_STEP] / sqrt(length2)
        for j in range(h.dim):
            action[j] *= shorten


cdef void raw(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, block + HEADER, 1.0, False)


cdef void raw_single(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, <const float*> (block + HEADER), 1.0, False)


cdef void linear(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, block + HEADER, gradient_scale(h, block), False)


cdef void linear_single(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, <const float*> (block + HEADER), gradient_scale(h, block), False)


cdef void scaled(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, block + HEADER, gradient_scale(h, block), True)


cdef void scaled_single(const l2o_history* h, double* action, double* state, const void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    forward(h, action, block, <const float*> (block + HEADER), gradient_scale(h, block), True)


FUNCTIONS = {                                                  # by inputs and precision of the weights
    ("raw", "float64"): <size_t> <l2o_policy_fn> raw,
    ("raw", "float32"): <size_t> <l2o_policy_fn> raw_single,
    ("linear", "float64"): <size_t> <l2o_policy_fn> linear,
    ("linear", "float32"): <size_t> <l2o_policy_fn> linear_single,
    ("scaled", "float64"): <size_t> <l2o_policy_fn> scaled,
    ("scaled", "float32"): <size_t> <l2o_policy_fn> scaled_single,
}
