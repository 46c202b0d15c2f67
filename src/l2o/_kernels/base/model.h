/* The C ABI of a model: the points of one curve, and how they depend on its parameters.
 *
 * Write f(t_i, p) to values[i] for each of the n points, and the derivative of f(t_i, p) by parameter j to
 * jacobian[j*n + i]: d rows, one a parameter, contiguous along the points. jacobian is NULL where values alone are asked
 * for. t is n rows of k numbers; a model knows its k, which is fixed when it is compiled.
 *
 *   return 0          values, and the jacobian if asked for, were written
 *   return not 0      the model failed at p: the run cannot go there
 *
 * A value that is not finite counts as a failure, too. `user` is the model's own, or NULL. A batch calls from several
 * threads at once, so a model keeps no state. */
#ifndef L2O_MODEL_H
#define L2O_MODEL_H
#include <stdint.h>

typedef int (*l2o_model)(const double *p, const double *t, intptr_t n, double *values, double *jacobian, intptr_t d,
                         const void *user);

#endif
