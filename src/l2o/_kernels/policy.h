/* The C ABI of a policy: what turns the history of a run into its next step.
 *
 * The network, momentum and the linear controllers of training are all functions of this type. */
#ifndef L2O_POLICY_H
#define L2O_POLICY_H
#include <stdint.h>

/* What a policy may look at. Newest first: f[0] and g[0..dim-1] belong to x, f[i] and g[i*dim..]
 * to the point i steps earlier. Entries from `count` on are zero: those steps have not happened. */
typedef struct {
    intptr_t dim;      /* number of variables */
    intptr_t length;   /* entries kept */
    intptr_t count;    /* entries that exist, at most length */
    intptr_t t;        /* steps taken so far */
    const double *x;   /* current location, (dim,) */
    double *f;         /* objective values, (length,) */
    double *g;         /* gradients, (length, dim) */
} l2o_history;

/* Write the next step to action[0..dim-1]. `state` is the policy's own memory of this run, zero at
 * its start; `user` one flat block of doubles (sizes, then weights), shared by all runs. */
typedef void (*l2o_policy_fn)(const l2o_history *history, double *action, double *state, const void *user);

#endif
