# l2o: built per instruction set
# Classifier with one hidden layer: the mean softmax cross-entropy of the scores U max(W x + b, 0) + c, plus
# l2/2 (|W|^2 + |U|^2). Parameters: W, b, U, c, each row by row. The derivative of max(a, 0) at 0 is 0.
#
# Block of one problem (float64): an 8-entry header, then p + 1 + K columns of `padded` points each: the p
# feature columns, the column of ones, and for each of the K classes the column that is 1 where it is the
# label. All are 0 for padding points: their scores are 0, and what they add to a derivative is 0.
#
# The scores' exponentials are taken relative to the largest score so far. A new class costs one exp2:
# where it is the larger one, the earlier ones shrink by it. So two classes cost no more than logistic does.
# The log of a sum of losses is one log of a product: K^chunk must not overflow, which the family sees to.
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_objective_fn
from l2o._kernels.base._branchfree cimport LN2, LOG2E, by_sign, exp2_negabs, log2_ge1, positive_part
from l2o._kernels.base._linalg cimport add_columns, add_dots, dot

cdef enum:
    HEADER = 8
    N_POINTS = 0      # real points
    PADDED = 1        # points with padding, a multiple of 8
    L2 = 2            # weight of the regulariser
    N_INPUTS = 3
    N_HIDDEN = 4
    N_CLASSES = 5
    AT_A_TIME = 6     # points of a chunk, a multiple of 8; (2 hidden + classes) rows of them fit the scratch
    CHUNK = 512       # the largest
    SCRATCH = 8192    # numbers

cdef struct Net:
    intptr_t inputs, hidden, classes, padded
    const double* W
    const double* b
    const double* U
    const double* c
    const double* features
    const double* one
    const double* label


cdef inline Net net_of(const double* x, const double* block) noexcept nogil:
    cdef Net net
    net.inputs = <intptr_t> block[N_INPUTS]
    net.hidden = <intptr_t> block[N_HIDDEN]
    net.classes = <intptr_t> block[N_CLASSES]
    net.padded = <intptr_t> block[PADDED]
    net.W = x
    net.b = net.W + net.hidden * net.inputs
    net.U = net.b + net.hidden
    net.c = net.U + net.classes * net.hidden
    net.features = block + HEADER
    net.one = net.features + net.inputs * net.padded
    net.label = net.one + net.padded
    return net


cdef inline double forward(const Net* net, intptr_t start, intptr_t size, double* hidden, double* share) noexcept nogil:
    """Write hidden units and softmax shares of a chunk, a row each; return the sum of its losses."""
    cdef double unit[CHUNK]
    cdef double score[CHUNK]
    cdef double largest[CHUNK]
    cdef double total[CHUNK]        # of exp(score - largest)
    cdef double missed[CHUNK]       # largest - score of the label
    cdef double shrink[CHUNK]
    cdef const double* one = net.one + start
    cdef const double* label
    cdef intptr_t i, j, k
    cdef double rise, e
    for j in range(net.hidden):
        for i in range(size):
            unit[i] = net.b[j] * one[i]
        add_columns(unit, net.features + start, net.padded, net.W + j * net.inputs, net.inputs, size)
        for i in range(size):
            hidden[j * size + i] = positive_part(unit[i])
    for k in range(net.classes):
        label = net.label + k * net.padded + start
        for i in range(size):
            score[i] = net.c[k] * one[i]
        add_columns(score, hidden, size, net.U + k * net.hidden, net.hidden, size)
        if k == 0:
            for i in range(size):
                largest[i] = score[i]
                total[i] = share[i] = 1.0
                missed[i] = -label[i] * score[i]
            continue
        for i in range(size):
            rise = score[i] - largest[i]
            e = exp2_negabs(LOG2E * rise)
            shrink[i] = by_sign(rise, e, 1.0)
            unit[i] = by_sign(rise, 1.0, e)
            total[i] = total[i] * shrink[i] + unit[i]
            largest[i] = by_sign(rise, score[i], largest[i])
            missed[i] -= label[i] * score[i]
        for j in range(k):
            for i in range(size):
                share[j * size + i] *= shrink[i]
        for i in range(size):
            share[k * size + i] = unit[i]
    for i in range(size):
        missed[i] += largest[i]
        shrink[i] = 1.0 / total[i]
        total[i] = 1.0 + one[i] * (total[i] - 1.0)             # 1 for padding points
    for k in range(net.classes):
        for i in range(size):
            share[k * size + i] *= shrink[i]
    return loss_of(missed, total, size)


cdef inline double loss_of(const double* missed, const double* total, intptr_t size) noexcept nogil:
    """The sum of missed + log(total)."""
    cdef double factor[8]
    cdef double part[8]
    cdef double product
    cdef intptr_t i = 0, lane
    for lane in range(8):
        factor[lane] = 1.0
        part[lane] = 0.0
    while i < size:
        for lane in range(8):
            factor[lane] *= total[i + lane]
            part[lane] += missed[i + lane]
        i += 8
    product = ((factor[0] * factor[4]) * (factor[2] * factor[6])) \
        * ((factor[1] * factor[5]) * (factor[3] * factor[7]))
    return LN2 * log2_ge1(product) \
        + (((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7])))


cdef int neural_net(const double* x, double* f, double* g, intptr_t n, void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef Net net = net_of(x, block)
    cdef double scratch[SCRATCH]
    cdef double back[CHUNK]         # d loss / d hidden unit before max(., 0)
    cdef intptr_t start = 0, size, i, j, k
    cdef double* hidden = scratch
    cdef double* slope              # d loss / d score
    cdef double loss = 0.0, penalty = 0.0
    for j in range(n):
        g[j] = 0.0
    while start < net.padded:
        size = min(net.padded - start, <intptr_t> block[AT_A_TIME]) & -8
        slope = scratch + net.hidden * size
        loss += forward(&net, start, size, hidden, slope)
        for k in range(net.classes):
            for i in range(size):
                slope[k * size + i] -= net.label[k * net.padded + start + i]
            add_dots(g + (net.U - x) + k * net.hidden, hidden, size, slope + k * size, size, net.hidden)
            g[net.c - x + k] += dot(slope + k * size, net.one + start, size)
        for j in range(net.hidden):
            for i in range(size):
                back[i] = 0.0
            for k in range(net.classes):
                add_columns(back, slope + k * size, size, net.U + k * net.hidden + j, 1, size)
            for i in range(size):
                back[i] = back[i] if hidden[j * size + i] > 0.0 else 0.0
            add_dots(g + j * net.inputs, net.features + start, net.padded, back, size, net.inputs)
            g[net.b - x + j] += dot(back, net.one + start, size)
        start += size
    for j in range(n):
        g[j] /= block[N_POINTS]
        if j < net.b - x or net.U - x <= j < net.c - x:        # biases are not regularised
            penalty += 0.5 * (block[L2] * x[j]) * x[j]         # in this order 0 times a huge x is 0
            g[j] += block[L2] * x[j]
    f[0] = loss / block[N_POINTS] + penalty
    return 0


cdef inline void add_pair(double* hessian, intptr_t n, intptr_t row, intptr_t column, double value) noexcept nogil:
    hessian[max(row, column) * n + min(row, column)] += value


cdef inline intptr_t first_layer(const Net* net, intptr_t unit, intptr_t feature) noexcept nogil:
    """The number of a parameter in W, or in b for the column of ones, which follows the features."""
    return unit * net.inputs + feature if feature < net.inputs else net.b - net.W + unit


cdef inline intptr_t second_layer(const Net* net, intptr_t score, intptr_t unit) noexcept nogil:
    """The number of a parameter in U, or in c for the column of ones, which follows the hidden units."""
    return net.U - net.W + score * net.hidden + unit if unit < net.hidden else net.c - net.W + score


cdef void second_by_second(const Net* net, intptr_t start, intptr_t size, const double* hidden, const double* share,
                           double* hessian, intptr_t n) noexcept nogil:
    """Add the terms of two parameters of U, c: the Hessian of the loss by scores, times two hidden units."""
    cdef double weighted[CHUNK]
    cdef const double* one = net.one + start
    cdef const double* left
    cdef const double* right
    cdef intptr_t i, j, k, other, unit
    cdef double own
    for k in range(net.classes):
        for other in range(k + 1):
            own = 1.0 if k == other else 0.0
            for j in range(net.hidden + 1):
                left = hidden + j * size if j < net.hidden else one
                for i in range(size):
                    weighted[i] = share[k * size + i] * (own - share[other * size + i]) * left[i]
                for unit in range(j + 1 if k == other else net.hidden + 1):
                    right = hidden + unit * size if unit < net.hidden else one
                    add_pair(hessian, n, second_layer(net, k, j), second_layer(net, other, unit),
                             dot(weighted, right, size))


cdef void second_by_first(const Net* net, intptr_t start, intptr_t size, const double* hidden, const double* share,
                          const double* mean, double* hessian, intptr_t n) noexcept nogil:
    """Add the terms of a parameter of U, c and one of W, b; U and the unit it meets have a term of their own."""
    cdef double weighted[CHUNK]
    cdef double bend[CHUNK]
    cdef const double* left
    cdef const double* label
    cdef intptr_t i, j, k, unit, feature
    cdef double weight, active, own
    for k in range(net.classes):
        label = net.label + k * net.padded + start
        for unit in range(net.hidden):
            weight = net.U[k * net.hidden + unit]
            for i in range(size):
                active = 1.0 if hidden[unit * size + i] > 0.0 else 0.0
                bend[i] = active * share[k * size + i] * (weight - mean[unit * size + i])
            for j in range(net.hidden + 1):
                left = hidden + j * size if j < net.hidden else net.one + start
                own = 1.0 if j == unit else 0.0
                for i in range(size):
                    active = own if hidden[unit * size + i] > 0.0 else 0.0
                    weighted[i] = bend[i] * left[i] + active * (share[k * size + i] - label[i])
                for feature in range(net.inputs + 1):
                    add_pair(hessian, n, second_layer(net, k, j), first_layer(net, unit, feature),
                             dot(weighted, net.features + feature * net.padded + start, size))


cdef void first_by_first(const Net* net, intptr_t start, intptr_t size, const double* hidden, const double* share,
                         const double* mean, double* hessian, intptr_t n) noexcept nogil:
    """Add the terms of two parameters of W, b: the covariance of columns of U under the shares, times two features."""
    cdef double bend[CHUNK]
    cdef double weighted[CHUNK]
    cdef intptr_t i, j, k, unit, feature
    cdef double left, right
    for unit in range(net.hidden):
        for j in range(unit + 1):
            for i in range(size):
                bend[i] = 0.0
            for k in range(net.classes):
                left = net.U[k * net.hidden + unit]
                right = net.U[k * net.hidden + j]
                for i in range(size):
                    bend[i] += share[k * size + i] * (left - mean[unit * size + i]) * (right - mean[j * size + i])
            for i in range(size):
                bend[i] = bend[i] if hidden[unit * size + i] > 0.0 and hidden[j * size + i] > 0.0 else 0.0
            for feature in range(net.inputs + 1):
                for i in range(size):
                    weighted[i] = bend[i] * net.features[feature * net.padded + start + i]
                for k in range(feature + 1 if unit == j else net.inputs + 1):
                    add_pair(hessian, n, first_layer(net, unit, feature), first_layer(net, j, k),
                             dot(weighted, net.features + k * net.padded + start, size))


cdef int neural_net_hessian(const double* x, double* hessian, intptr_t n, void* user) noexcept nogil:
    cdef const double* block = <const double*> user
    cdef Net net = net_of(x, block)
    cdef double scratch[SCRATCH]
    cdef intptr_t start = 0, size, i, j, k
    cdef double* hidden = scratch
    cdef double* share
    cdef double* mean               # of a column of U under the shares, a row for each hidden unit
    for j in range(n * n):
        hessian[j] = 0.0
    while start < net.padded:
        size = min(net.padded - start, <intptr_t> block[AT_A_TIME]) & -8
        share = scratch + net.hidden * size
        mean = share + net.classes * size
        forward(&net, start, size, hidden, share)
        for j in range(net.hidden):
            for i in range(size):
                mean[j * size + i] = 0.0
            for k in range(net.classes):
                add_columns(mean + j * size, share + k * size, size, net.U + k * net.hidden + j, 1, size)
        second_by_second(&net, start, size, hidden, share, hessian, n)
        second_by_first(&net, start, size, hidden, share, mean, hessian, n)
        first_by_first(&net, start, size, hidden, share, mean, hessian, n)
        start += size
    for j in range(n):
        for k in range(j + 1):
            hessian[j * n + k] /= block[N_POINTS]
            if j == k and (j < net.b - x or net.U - x <= j < net.c - x):
                hessian[j * n + k] += block[L2]
            hessian[k * n + j] = hessian[j * n + k]
    return 0


FUNCTION = <size_t> <l2o_objective_fn> neural_net
HESSIAN = <size_t> <l2o_hessian_fn> neural_net_hessian
