# What runs of a family begin with: a first step and an inverse matrix, predicted from the value f and gradient g at
# their first point x. l2o/learning/prior.py has the formulas.
#
# Block: a header (`Shape`), then P (d, d) by rows; and where something is predicted T (d, d) by rows, centre and
# inverse of u (d + 2 each), mean and inverse of the inputs (k each), coefficients (k + 1, q) by rows, low and high (q).
# Of the outputs only those are there that are used: z (d) if a step is predicted, then of the matrix nothing, the
# logarithms of its diagonal (d) or its whole triangle (d (d + 1) / 2, by rows).
from libc.math cimport asinh, exp, log, sqrt
from libc.stdint cimport intptr_t

cdef enum:                                                     # what is predicted of the matrix
    MEAN, SCALE, DIAGONAL, FULL

ctypedef struct Shape:                                         # doubles, as the rest of the block
    double scale                                               # of P, or of what is predicted
    double curvature                                           # one of the enumeration
    double step                                                # 1: a first step is predicted
    double quadratic                                           # 1: products of u are inputs
    double inputs                                              # k
    double outputs                                             # q
    double unit                                                # s
    double unused

cdef enum:
    MOST_DIMENSIONS = 200


cdef inline const double* after(const Shape* shape, intptr_t matrices, intptr_t d) noexcept nogil:
    """What stands in the block after so many (d, d) matrices."""
    return <const double*> (shape + 1) + matrices * d * d


cdef inline double clip(double a, double low, double high) noexcept nogil:
    return low if a < low else high if a > high else a


cdef inline void add_input(double value, const double* mean, const double* inverse, const double* rows, intptr_t* k,
                           intptr_t q, double* out) noexcept nogil:
    """Standardise the next input and add its share to the outputs."""
    cdef double standard = clip((value - mean[k[0]]) * inverse[k[0]], -4.0, 4.0)
    cdef const double* row = rows + k[0] * q
    cdef intptr_t j
    for j in range(q):
        out[j] += standard * row[j]
    k[0] += 1


cdef inline void look(const Shape* shape, intptr_t d, double f, const double* g, double* u) noexcept nogil:
    """u = asinh(T'g / sqrt(s)), log|T'g|, asinh(f / s)."""
    cdef const double* T = after(shape, 1, d)
    cdef double total = 1e-300, root = 1.0 / sqrt(shape.unit)
    cdef intptr_t i, j
    for j in range(d):
        u[j] = 0.0
    for i in range(d):
        for j in range(i + 1):
            u[j] += g[i] * T[i * d + j]
    for j in range(d):
        total += u[j] * u[j]
        u[j] = asinh(u[j] * root)
    u[d], u[d + 1] = 0.5 * log(total), asinh(f / shape.unit)


cdef inline void predict(const Shape* shape, intptr_t d, const double* x, double f, const double* g,
                         double* out) noexcept nogil:
    """The outputs (q,)."""
    cdef intptr_t n = d + 2, inputs = <intptr_t> shape.inputs, q = <intptr_t> shape.outputs, k = 0, i, j
    cdef const double* centre = after(shape, 2, d)
    cdef const double* mean = centre + 2 * n
    cdef const double* inverse = mean + inputs
    cdef const double* rows = inverse + inputs
    cdef const double* low = rows + (inputs + 1) * q
    cdef double u[MOST_DIMENSIONS + 2]
    look(shape, d, f, g, u)
    for j in range(q):
        out[j] = rows[inputs * q + j]
    for i in range(n):
        add_input(u[i], mean, inverse, rows, &k, q, out)
    for i in range(d):
        add_input(x[i], mean, inverse, rows, &k, q, out)
    if shape.quadratic != 0.0:
        for i in range(n):
            u[i] = clip((u[i] - centre[i]) * centre[n + i], -4.0, 4.0)
        for i in range(n):
            for j in range(i, n):
                add_input(u[i] * u[j], mean, inverse, rows, &k, q, out)
    for j in range(q):
        out[j] = clip(out[j], low[j], low[q + j])


cdef inline void first_step(const Shape* shape, intptr_t d, const double* out, double* step) noexcept nogil:
    """step = T z."""
    cdef const double* T = after(shape, 1, d)
    cdef intptr_t i, j
    for i in range(d):
        step[i] = 0.0
        for j in range(i + 1):
            step[i] += T[i * d + j] * out[j]


cdef inline double exponential(double entry) noexcept nogil:
    return exp(clip(entry, -6.0, 6.0))


cdef inline double entry(const double* T, const double* out, intptr_t d, intptr_t i, intptr_t j,
                         bint full) noexcept nogil:
    """(T R)_ij, j <= i; of R the outputs are the lower triangle, or its diagonal alone, with logarithms there."""
    cdef double total
    cdef intptr_t k
    if not full:
        return T[i * d + j] * exponential(out[j])
    total = T[i * d + j] * exponential(out[j * (j + 3) // 2])
    for k in range(j + 1, i + 1):
        total += T[i * d + k] * out[k * (k + 1) // 2 + j]
    return total


cdef inline void matrix(const Shape* shape, intptr_t d, intptr_t stride, const double* out, double* H) noexcept nogil:
    """H = scale A A', A = T R, or scale P where no more than a factor is predicted; its rows are `stride` apart."""
    cdef const double* P = after(shape, 0, d)
    cdef double factor = shape.scale, total = 0.0
    cdef intptr_t i, j, k
    if shape.curvature == MEAN or shape.curvature == SCALE:
        if shape.curvature == SCALE:                           # all entries of R's diagonal are their geometric mean
            for j in range(d):
                total += clip(out[j], -6.0, 6.0)
            factor *= exp(2.0 * total / d)
        for i in range(d):
            for j in range(d):
                H[i * stride + j] = factor * P[i * d + j]
        return
    for i in range(d):                                         # A first, in the lower triangle
        for j in range(i + 1):
            H[i * stride + j] = entry(after(shape, 1, d), out, d, i, j, shape.curvature == FULL)
    for i in range(d - 1, -1, -1):                             # row i of A A' needs rows of A up to i
        for j in range(i, -1, -1):
            total = 0.0
            for k in range(j + 1):
                total += H[i * stride + k] * H[j * stride + k]
            H[i * stride + j] = factor * total
    for i in range(d):
        for j in range(i):
            H[j * stride + i] = H[i * stride + j]
