/* The C ABI of a policy: it asks where to evaluate next, and is told what came of it.
 *
 * All else is the loop's: it evaluates, judges each trial, keeps the best point, counts, and lets another method take
 * over. A policy is asked for the points of several runs at once, since a network can then read each weight once for
 * all of them. What a run gets must not depend, to the bit, on which others are asked for with it. */
#ifndef L2O_POLICY_H
#define L2O_POLICY_H
#include <stdint.h>

/* What came of the newest trial. */
enum {
    L2O_START = 0,      /* it is the starting point: finite, and the best point so far */
    L2O_LOWER = 1,      /* it is the best point now: lower, or as low but for rounding with a smaller gradient */
    L2O_HIGHER = 2,     /* it is not; the best point is where it was */
    L2O_NOT_FINITE = 3  /* the value or a gradient entry is not finite; met only by a kind that may reject trials */
};

/* One run, as a policy sees it. Newest first: f[0] and g[0..dim-1] belong to x, f[i] and g[i*dim..] to the trial i
 * trials earlier. Entries from `count` on are zero: those trials have not happened. */
typedef struct {
    intptr_t dim;            /* number of variables */
    intptr_t length;         /* entries kept */
    intptr_t count;          /* entries that exist, at most length */
    intptr_t t;              /* trials so far; 0 at the start */
    const double *x;         /* the newest trial, (dim,) */
    const double *f;         /* objective values, (length,) */
    const double *g;         /* gradients, (length, dim) */
    int outcome;             /* of the newest trial: one of the four above */
    const double *best_x;    /* the best point, (dim,) */
    const double *best_g;    /* its gradient, (dim,) */
    double best_f;           /* its value */
    const double *curvature; /* the Hessian at the best point, (dim, dim), for a kind that asks; or NULL */
    double *state;           /* the policy's own memory of this run, zero at its start */
} l2o_run;

/* A kind of policy: one static struct, whose address is handed over. `user` is one flat block of doubles (sizes, then
 * weights) that the runs share; a batch calls from several threads, so a policy writes nowhere but where it is told. */
typedef struct {
    /* Write where to evaluate run i next to points[i*dim..]. The runs have dim, length, count and t in common. */
    void (*next)(const l2o_run *runs, intptr_t n_runs, double *points, const void *user);
    /* Write an approximation of the inverse Hessian at the best point to inverse[0..dim*dim-1], for the method that
     * takes over; the newest trial is told here, and `next` is not asked again. NULL: there is none. */
    void (*bequeath)(const l2o_run *run, double *inverse, const void *user);
} l2o_policy;

#endif
