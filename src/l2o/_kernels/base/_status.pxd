# Why a run ended, or GO_ON where it has not, and which test a converged one met; mirrored from status.h.

cdef extern from "status.h" nogil:
    enum:
        GO_ON "L2O_GO_ON"
        CONVERGED "L2O_CONVERGED"
        LIMIT "L2O_LIMIT"
        PRECISION_LOSS "L2O_PRECISION_LOSS"
        NON_FINITE "L2O_NON_FINITE"
        OBJECTIVE_FAILED "L2O_OBJECTIVE_FAILED"
        TOO_FEW_POINTS "L2O_TOO_FEW_POINTS"
        SINGULAR "L2O_SINGULAR"
        STOPPED "L2O_STOPPED"
        N_STATUSES "L2O_N_STATUSES"
        NO_TEST "L2O_NO_TEST"
        GRADIENT "L2O_GRADIENT"
        FALL "L2O_FALL"
        STEP "L2O_STEP"
        N_TESTS "L2O_N_TESTS"
    ctypedef struct l2o_status:
        const char* name
        int number
        const char* message
    const l2o_status* l2o_statuses
    const l2o_status* l2o_tests
