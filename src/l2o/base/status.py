"""Why a run ended, and by which test: the constants and sentences of _kernels/base/status.h."""

from l2o._kernels.base._status import (
    CONVERGED,
    FALL,
    GRADIENT,
    LIMIT,
    MESSAGES,
    NO_TEST,
    NON_FINITE,
    OBJECTIVE_FAILED,
    PRECISION_LOSS,
    SINGULAR,
    STEP,
    STOPPED,
    TESTS,
    TOO_FEW_POINTS,
)

__all__ = ["CONVERGED", "FALL", "GRADIENT", "LIMIT", "NON_FINITE", "NO_TEST", "OBJECTIVE_FAILED", "PRECISION_LOSS",
           "SINGULAR", "STEP", "STOPPED", "TOO_FEW_POINTS", "status_message"]


BY_TEST = {test: MESSAGES[CONVERGED].replace(TESTS[NO_TEST], told) for test, told in TESTS.items()}


def status_message(status: int, test: int = NO_TEST) -> str:
    """Say in a sentence why a run ended, and by which test if one was met."""
    return BY_TEST[int(test)] if status == CONVERGED else MESSAGES[int(status)]
