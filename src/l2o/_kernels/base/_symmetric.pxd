# The products of symmetric.h, as Cython sees them. Strides and lengths are multiples of QUAD (4) with zero padding.
from libc.stdint cimport intptr_t

cdef extern from "symmetric.h" nogil:
    enum:
        QUAD "L2O_QUAD"
    # sum_j a[j] b[j]
    double dot "l2o_quad_dot"(const double* a, const double* b, intptr_t n)
    # out = a x + b y; it may be one of them
    void weigh "l2o_quad_sum"(double* out, intptr_t n, double a, const double* x, double b, const double* y)
    # H <- scale H + u s' + v q', then out = H w
    void change_times "l2o_change_times"(double* H, intptr_t n, intptr_t stride, double scale, const double* u,
                                         const double* s, const double* v, const double* q, const double* w,
                                         double* out)
    # out = scale H w
    void times "l2o_times"(const double* H, intptr_t n, intptr_t stride, double scale, const double* w, double* out)
