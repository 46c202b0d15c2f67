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


def status_message(status: int, test: int = NO_TEST) -> str:
    """Say in a sentence why a run ended, and by which test if one was met."""
    message = MESSAGES[int(status)]
    return message.replace(TESTS[NO_TEST], TESTS[int(test)]) if status == CONVERGED else message
