/* An exponential decay, A exp(-k t) + c, with x = (log A, log k, c): half the mean of squared residuals.
 *
 *     cc -O2 -shared -fPIC -I"$(python -c 'import l2o; print(l2o.get_include())')" decay.c -o decay.so -lm
 *
 *     import ctypes, l2o, scipy
 *     decay = ctypes.CDLL("./decay.so").decay
 *     doubles = ctypes.POINTER(ctypes.c_double)
 *     decay.restype, decay.argtypes = ctypes.c_int, [doubles] * 3 + [ctypes.c_ssize_t, ctypes.c_void_p]
 *     l2o.minimize(scipy.LowLevelCallable(decay), x0, args=(data,), method="lbfgs")   # data (rows, 2): t, y
 */
#include <math.h>
#include "objective.h"

int decay(const double *x, double *f, double *g, intptr_t n, void *user)
{
    const double *block = user, *data = block + 2; /* rows, columns, then the data by rows */
    intptr_t rows = (intptr_t)block[0], i;
    double amplitude = exp(x[0]), rate = exp(x[1]);
    if (n != 3 || block[1] != 2.0)
        return -1; /* ends the run with status 4 */
    f[0] = g[0] = g[1] = g[2] = 0.0;
    for (i = 0; i < rows; i++) {
        double t = data[2 * i], part = amplitude * exp(-rate * t);
        double residual = part + x[2] - data[2 * i + 1];
        f[0] += 0.5 * residual * residual / rows;
        g[0] += residual * part / rows;
        g[1] -= residual * part * rate * t / rows;
        g[2] += residual / rows;
    }
    return 0;
}
