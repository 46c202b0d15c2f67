/* A policy in C: steps along -H g, with H an inverse matrix that is learned from every trial (BFGS), and no line search.
 * A step that does not lead lower is tried again at a quarter of its length. For problems of any dimension.
 *
 *     cc -O2 -shared -fPIC -I"$(python -c 'import l2o; print(l2o.get_include())')" quasi_newton.c -o quasi_newton.so -lm
 *
 *     import ctypes, l2o
 *     library = ctypes.CDLL("./quasi_newton.so")
 *     handoff = l2o.policies.Handoff(most_trials=None, rejections=8, flat=0.0, heir="bfgs")
 *     method = l2o.policies.Native(library.next, library.bequeath, weights=[0.25], handoff=handoff,
 *                                  state_size=lambda d: d * d + 3 * d + 1)
 *     l2o.minimize(fun, x0, method=method, jac=True)
 */
#include <math.h>
#include <string.h>
#include "policy.h"

static double product(const double *a, const double *b, intptr_t n)
{
    double total = 0.0;
    while (n-- > 0)
        total += a[n] * b[n];
    return total;
}

/* State: the length of the next step, then x and g of the point that the newest trial was made from, room for H y, H. */
static void learn(const l2o_run *run)
{
    intptr_t n = run->dim, i, j;
    double *x = run->state + 1, *g = x + n, *image = g + n, *H = image + n, sy = 0.0, yHy = 0.0, s, y;
    for (i = 0; i < n; i++)
        sy += (run->x[i] - x[i]) * (run->g[i] - g[i]);
    if (run->outcome == L2O_NOT_FINITE || !(sy > 0.0 && isfinite(1.0 / sy)))
        return;
    for (i = 0; i < n; i++)
        for (image[i] = 0.0, j = 0; j < n; j++)
            image[i] += H[i * n + j] * (run->g[j] - g[j]);
    for (i = 0; i < n; i++)
        yHy += image[i] * (run->g[i] - g[i]);
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            s = run->x[i] - x[i], y = run->x[j] - x[j];
            H[i * n + j] += (1.0 + yHy / sy) / sy * s * y - (image[i] * y + s * image[j]) / sy;
        }
}

static void told(const l2o_run *run, double shorter)
{
    intptr_t n = run->dim, i;
    double *length = run->state, *H = run->state + 1 + 3 * n;
    if (run->outcome == L2O_START)
        for (i = 0; i < n; i++)
            H[i * n + i] = 1.0 / fmax(sqrt(product(run->g, run->g, n)), 1.0);
    else
        learn(run);
    *length = run->outcome == L2O_HIGHER || run->outcome == L2O_NOT_FINITE ? shorter * *length : 1.0;
    memcpy(run->state + 1, run->best_x, n * sizeof(double));
    memcpy(run->state + 1 + n, run->best_g, n * sizeof(double));
}

void next(const l2o_run *runs, intptr_t n_runs, double *points, const void *user)
{
    const double *weights = user;
    intptr_t n = runs->dim, i, j;
    for (i = 0; i < n_runs; i++) {
        const double *length = runs[i].state, *H = length + 1 + 3 * n;
        told(&runs[i], weights[0]);
        for (j = 0; j < n; j++)
            points[i * n + j] = runs[i].best_x[j] - *length * product(H + j * n, runs[i].best_g, n);
    }
}

/* The method that takes over starts from H; the newest trial is told here. */
void bequeath(const l2o_run *run, double *inverse, const void *user)
{
    const double *weights = user;
    told(run, weights[0]);
    memcpy(inverse, run->state + 1 + 3 * run->dim, run->dim * run->dim * sizeof(double));
}
