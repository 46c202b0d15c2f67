"""Why a run ended: the constants and sentences of _kernels/base/status.h."""

from l2o._kernels.base._status import (
    CONVERGED,
    LIMIT,
    MESSAGES,
    NON_FINITE,
    OBJECTIVE_FAILED,
    PRECISION_LOSS,
    SINGULAR,
    STOPPED,
    TOO_FEW_POINTS,
)

__all__ = ["CONVERGED", "LIMIT", "NON_FINITE", "OBJECTIVE_FAILED", "PRECISION_LOSS", "SINGULAR", "STOPPED",
           "TOO_FEW_POINTS", "status_message"]


def status_message(status: int) -> str:
    """Say in a sentence why a run ended."""
    return MESSAGES[int(status)]
