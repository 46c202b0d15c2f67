/* The C ABI of an l2o objective: the one thing that every objective, native or user-compiled, meets.
 *
 * Write the value at x to *f and the gradient to g[0..n-1]; both are always asked for.
 *
 *   return 0          f and g were written
 *   return positive   x is outside the domain: f counts as +inf, the run ends with status 3
 *   return negative   stop the run with status 4; a Python exception may be pending
 *
 * The caller sets *f and g to NaN first, so an objective that leaves one of them unwritten is noticed.
 * `user` is one flat block of doubles (sizes, then data), or, of objectives that problems share a
 * part of, a record of pointers to the own block and to that part. A batch calls from several threads at
 * once with different `user`, so an objective keeps no state of its own. */
#ifndef L2O_OBJECTIVE_H
#define L2O_OBJECTIVE_H
#include <stdint.h>

typedef int (*l2o_objective_fn)(const double *x, double *f, double *g, intptr_t n, void *user);

/* Optional companion: the Hessian at x, row by row, to hessian[0..n*n-1]. Same return values. */
typedef int (*l2o_hessian_fn)(const double *x, double *hessian, intptr_t n, void *user);

/* Optional companion: value, gradient and Hessian at x in one call, for what they have in common. Same return values. */
typedef int (*l2o_expansion_fn)(const double *x, double *f, double *g, double *hessian, intptr_t n, void *user);

/* Optional companion where f is r'r / 2 of residuals r: the lower triangle of the n + 1 rows of n + 1 products of the
 * derivatives of r by each variable, and of r, the last, with one another. Same return values. */
typedef int (*l2o_normal_fn)(const double *x, double *normal, intptr_t n, void *user);

#endif
