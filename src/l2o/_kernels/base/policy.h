/* The C ABI of a policy: what turns the history of a run into its next step.
 *
 * The network, momentum and the linear controllers of training are all functions of this type. They are asked for
 * the steps of several runs at once, since a network can then read each weight once for all of them. What a run gets
 * must not depend, to the bit, on which others are asked for with it. */
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
    double *state;     /* the policy's own memory of this run, zero at its start */
} l2o_history;

/* Write the next step of run i to actions[i*dim..]. The runs have dim, length, count and t in common; `user` is one
 * flat block of doubles (sizes, then weights) that they share. */
typedef void (*l2o_policy_fn)(const l2o_history *runs, intptr_t n_runs, double *actions, const void *user);

#endif
