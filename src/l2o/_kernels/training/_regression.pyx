# l2o: built per instruction set
# A batch of the policy's regression: the loss of mu = r W2 (sigma(W1 z + b1) - sigma(b1)) and its gradient.
#
# A block of rows goes through all of it at a time, in memory that stays in the first cache. The sums run over the rows
# in order, so that nothing depends on a library for matrices, its threads or their number.
#
# first is (columns, units): W1 transposed, a row b1, and rows that nothing is read of; second is (d, units): W2. The
# features (rows, columns) have a 1 where b1 is; the targets (rows, 1 + d + d d) hold the scale r, the wanted step and
# its precision. Inside, rows of units are filled up to a multiple of 8 with units whose weights are zero.
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from l2o._kernels.base._arrays cimport contents, counts
from l2o._kernels.base._branchfree cimport (
    LN2, LOG2E, exp2_negabsf, exp2_parts, softplus2_parts, softplus2_partsf)
from l2o._kernels.base._linalg cimport TILE, add_tiles, add_transposed_double, add_transposed_float, prefetch, real

cnp.import_array()

cdef enum:
    ROWS = 32         # of a block
    LINE = 64         # bytes of a line of the cache


cdef inline void activate(real* x, real* hidden, const real* rest, intptr_t rows, intptr_t units,
                          bint rectified) noexcept nogil:
    """hidden <- sigma(x) - rest, x <- sigma'(x); rest (units,)."""
    cdef real e, z
    cdef real lost
    cdef intptr_t _, j
    for _ in range(rows):
        if rectified:
            for j in range(units):
                z = x[j] if x[j] > 0.0 else <real> 0.0
                hidden[j] = z - rest[j]
                x[j] = <real> 1.0 if x[j] > 0.0 else <real> 0.0
        else:
            for j in range(units):                             # in two loops: see _logistic.pyx
                if real is float:
                    hidden[j] = exp2_negabsf(<float> LOG2E * x[j])
                else:
                    hidden[j] = exp2_parts(LOG2E * x[j], &lost)
            for j in range(units):
                e = hidden[j]
                if real is float:
                    hidden[j] = <float> LN2 * softplus2_partsf(<float> LOG2E * x[j], e) - rest[j]
                else:
                    hidden[j] = LN2 * softplus2_parts(LOG2E * x[j], e, 0.0) - rest[j]
                x[j] = (<real> 1.0 if x[j] > 0.0 else e) / (<real> 1.0 + e)
        x += units
        hidden += units


cdef inline void add_transposed(real* out, intptr_t units, const real* left, intptr_t left_stride, const real* right,
                                intptr_t rows, intptr_t n) noexcept nogil:
    """out[i, u] += sum_r left[r, i] right[r, u], i < n; out and right have rows of `units`."""
    if real is float:
        add_transposed_float(out, units, out, units, right, units, left, left_stride, rows, n, units // TILE)
    else:
        add_transposed_double(out, units, out, units, right, units, left, left_stride, rows, n, units // TILE)


cdef inline double weigh(real* action, intptr_t stride, const real* target, intptr_t dim, real share,
                         real* error) noexcept nogil:
    """The loss of a row; its action becomes the derivative of `share` of that loss. error (dim,) is space."""
    cdef double loss = 0.0
    cdef real pulled
    cdef intptr_t a, b
    for a in range(dim):
        error[a] = target[0] * action[a] - target[1 + a]
    for a in range(dim):
        pulled = 0.0
        for b in range(dim):
            pulled += target[1 + dim + a * dim + b] * error[b]
        loss += error[a] * pulled
        action[a] = pulled * target[0] * share
    for a in range(dim, stride):
        action[a] = 0.0
    return 0.5 * loss


cdef inline void copy_rows(real* to, intptr_t to_stride, const real* source, intptr_t stride, intptr_t n,
                           intptr_t length) noexcept nogil:
    cdef intptr_t i
    for i in range(n):
        memcpy(to + i * to_stride, source + i * stride, length * sizeof(real))


cdef inline void fetch(const real* rows, intptr_t length, const intptr_t* order, intptr_t n) noexcept nogil:
    """Have rows fetched for later: they lie anywhere, and to wait for them costs a third of a batch."""
    cdef intptr_t i, j
    for i in range(n):
        j = 0
        while j < length:
            prefetch(rows + order[i] * length + j)
            j += LINE // sizeof(real)


cdef inline intptr_t filled(intptr_t n) noexcept nogil:
    return (n + TILE - 1) // TILE * TILE


cdef intptr_t workspace_size(intptr_t columns, intptr_t units, intptr_t dim) noexcept nogil:
    """Numbers of memory for `batch`."""
    cdef intptr_t width = filled(dim)
    units = filled(units)
    return (2 * (columns + dim) + 3 + width + 3 * ROWS) * units + 3 * width + ROWS * (columns + width)


cdef double batch(const real* features, intptr_t columns, const real* targets, const intptr_t* order, intptr_t n,
                  const real* first, const real* second, intptr_t inputs, intptr_t n_units, intptr_t dim,
                  bint rectified, real* by_first, real* by_second, real* memory) noexcept nogil:
    """The mean loss of the rows in order; by_first and by_second become its derivatives. memory is zero."""
    cdef intptr_t width = filled(dim), units = filled(n_units), n_targets = 1 + dim + dim * dim, start, rows, i, j, a
    cdef real* w1 = memory
    cdef real* w2 = w1 + columns * units
    cdef real* d1 = w2 + dim * units                           # derivatives
    cdef real* d2 = d1 + columns * units
    cdef real* nothing = d2 + dim * units                      # zeros
    cdef real* rest = nothing + units + width                  # sigma(b1)
    cdef real* slope = rest + units                            # sigma'(b1)
    cdef real* outgoing = slope + units                        # W2 transposed (units, width)
    cdef real* error = outgoing + units * width
    cdef real* pull = error + width                            # the derivative by all rows' actions
    cdef real* seen = pull + width
    cdef real* gate = seen + ROWS * columns
    cdef real* hidden = gate + ROWS * units
    cdef real* back = hidden + ROWS * units
    cdef real* action = back + ROWS * units
    cdef double loss = 0.0
    copy_rows(w1, units, first, n_units, inputs + 1, n_units)
    copy_rows(w2, units, second, n_units, dim, n_units)
    copy_rows(slope, units, w1 + inputs * units, units, 1, units)
    activate(slope, rest, nothing, 1, units, rectified)
    for a in range(dim):
        for j in range(units):
            outgoing[j * width + a] = w2[a * units + j]
    start = 0
    while start < n:
        rows = min(n - start, <intptr_t> ROWS)
        for i in range(rows):
            memcpy(seen + i * columns, features + order[start + i] * columns, columns * sizeof(real))
        fetch(features, columns, order + start + rows, min(n - start - rows, <intptr_t> ROWS))
        fetch(targets, n_targets, order + start + rows, min(n - start - rows, <intptr_t> ROWS))
        add_tiles(gate, units, nothing, 0, w1, units, seen, columns, inputs + 1, rows, units // TILE)
        activate(gate, hidden, rest, rows, units, rectified)
        add_tiles(action, width, nothing, 0, outgoing, width, hidden, units, units, rows, width // TILE)
        for i in range(rows):
            loss += weigh(action + i * width, width, targets + order[start + i] * n_targets, dim, <real> (1.0 / n),
                          error)
            for a in range(dim):
                pull[a] += action[i * width + a]
        add_tiles(back, units, nothing, 0, w2, units, action, width, dim, rows, units // TILE)
        for i in range(rows * units):
            back[i] *= gate[i]
        add_transposed(d1, units, seen, columns, back, rows, inputs + 1)
        add_transposed(d2, units, action, width, hidden, rows, dim)
        start += rows
    for a in range(dim):                                       # what sigma(b1) adds to the derivative by b1
        for j in range(units):
            d1[inputs * units + j] -= slope[j] * pull[a] * w2[a * units + j]
    copy_rows(by_first, n_units, d1, units, columns, n_units)
    copy_rows(by_second, n_units, d2, units, dim, n_units)
    return loss / n


def differentiate(cnp.ndarray features not None, cnp.ndarray targets not None, cnp.ndarray order not None,
                  cnp.ndarray first not None, cnp.ndarray second not None, intptr_t inputs, bint rectified,
                  cnp.ndarray by_first not None, cnp.ndarray by_second not None):
    """Return the mean loss of the rows `order` (n,); its derivatives by first and second are written to by_*.

    All arrays but order are of one precision.
    """
    cdef int kind = cnp.PyArray_TYPE(first)
    cdef intptr_t n_examples = features.shape[0], columns = first.shape[0], units = first.shape[1]
    cdef intptr_t dim = second.shape[0], n = order.shape[0], i
    cdef const intptr_t* rows = counts(order, n)
    cdef void* seen = contents(features, kind, n_examples * columns)
    cdef void* wanted = contents(targets, kind, n_examples * (1 + dim + dim * dim))
    cdef void* w1 = contents(first, kind, columns * units)
    cdef void* w2 = contents(second, kind, dim * units)
    cdef void* d1 = contents(by_first, kind, columns * units)
    cdef void* d2 = contents(by_second, kind, dim * units)
    cdef double loss
    cdef void* memory
    if not 0 <= inputs < columns or n == 0:
        raise ValueError(f"inputs is {inputs} of {columns} columns, order has {n} rows")
    for i in range(n):
        if not 0 <= rows[i] < n_examples:
            raise IndexError(f"order holds {rows[i]}; there are {n_examples} examples")
    memory = calloc(workspace_size(columns, units, dim), sizeof(double) if kind == cnp.NPY_DOUBLE else sizeof(float))
    if memory == NULL:
        raise MemoryError
    with nogil:
        if kind == cnp.NPY_DOUBLE:
            loss = batch(<const double*> seen, columns, <const double*> wanted, rows, n, <const double*> w1,
                         <const double*> w2, inputs, units, dim, rectified, <double*> d1, <double*> d2,
                         <double*> memory)
        else:
            loss = batch(<const float*> seen, columns, <const float*> wanted, rows, n, <const float*> w1,
                         <const float*> w2, inputs, units, dim, rectified, <float*> d1, <float*> d2, <float*> memory)
    free(memory)
    return loss
