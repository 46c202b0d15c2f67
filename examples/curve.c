/* A model of a curve in C, with its derivatives: A exp(-k t) + c, with p = (A, k, c).
 *
 *     cc -O2 -shared -fPIC -I"$(python -c 'import l2o; print(l2o.get_include())')" curve.c -o curve.so -lm
 *
 *     import ctypes, l2o, scipy
 *     curve = ctypes.CDLL("./curve.so").curve
 *     curve.restype, doubles = ctypes.c_int, ctypes.POINTER(ctypes.c_double)
 *     curve.argtypes = [doubles, doubles, ctypes.c_ssize_t, doubles, doubles, ctypes.c_ssize_t, ctypes.c_void_p]
 *     decay = l2o.model(scipy.LowLevelCallable(curve))
 *     decay([0.0, 1.0], [2.0, 1.0, 0.5])
 */
#include <math.h>
#include "model.h"

int curve(const double *p, const double *t, intptr_t n, double *values, double *jacobian, intptr_t d, const void *user)
{
    intptr_t i;
    (void)user;
    if (d != 3)
        return 1; /* the model fails at p */
    for (i = 0; i < n; i++) {
        double part = exp(-p[1] * t[i]);
        values[i] = p[0] * part + p[2];
        if (jacobian) {
            jacobian[i] = part;
            jacobian[n + i] = -p[0] * t[i] * part;
            jacobian[2 * n + i] = 1.0;
        }
    }
    return 0;
}
