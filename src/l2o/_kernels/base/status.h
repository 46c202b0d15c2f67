/* Why a run ended, and by which test: two lists for the kernels and for Python, which reads them from base/_status.pyx.
 *
 * A row is a name, a number and the sentence that a user reads. The numbers are public and never change. */
#ifndef L2O_STATUS_H
#define L2O_STATUS_H

#define L2O_STATUSES(row) \
    row(CONVERGED, 0, "Optimization terminated successfully: a tolerance is met.") \
    row(LIMIT, 1, "The limit of iterations or evaluations was reached before a tolerance was met.") \
    row(PRECISION_LOSS, 2, "No tolerance was met, and nothing lower was found: precision loss.") \
    row(NON_FINITE, 3, "The objective or its gradient is not finite; the best point seen before is returned.") \
    row(OBJECTIVE_FAILED, 4, "The objective reported an error; the best point seen before is returned.") \
    row(TOO_FEW_POINTS, 5, "There are fewer points than free parameters: nothing was fitted.") \
    row(SINGULAR, 6, "A tolerance is met, but the points leave a direction of the parameters undetermined.") \
    row(STOPPED, 99, "`callback` raised `StopIteration`.")

/* Of a run that has converged. */
#define L2O_TESTS(row) \
    row(NO_TEST, 0, "a tolerance is met") \
    row(GRADIENT, 1, "the gradient is zero, or within gtol") \
    row(FALL, 2, "the last decrease and the gap that is predicted are within ftol") \
    row(STEP, 3, "the last step is within xtol")

#define L2O_STATUS_NUMBER(name, number, message) L2O_##name = number,
enum {
    L2O_GO_ON = -1, /* inside the kernels: there is no reason to end the run */
    L2O_STATUSES(L2O_STATUS_NUMBER) L2O_TESTS(L2O_STATUS_NUMBER)
};

typedef struct {
    const char *name;
    int number;
    const char *message;
} l2o_status;

#define L2O_STATUS_ROW(name, number, message) {#name, number, message},
static const l2o_status l2o_statuses[] = {L2O_STATUSES(L2O_STATUS_ROW)};
static const l2o_status l2o_tests[] = {L2O_TESTS(L2O_STATUS_ROW)};
enum {
    L2O_N_STATUSES = sizeof(l2o_statuses) / sizeof(l2o_statuses[0]),
    L2O_N_TESTS = sizeof(l2o_tests) / sizeof(l2o_tests[0])
};

#endif
