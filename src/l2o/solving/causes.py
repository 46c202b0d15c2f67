"""Why an objective reported an error: what its Python function raises, where there is one."""

from __future__ import annotations

import numpy as np

from l2o.base.status import OBJECTIVE_FAILED
from l2o.methods import Solution
from l2o.problems import Problems

__all__ = ["cause", "in_brackets"]


def cause(problems: Problems, solution: Solution) -> str:
    """Return what the objective of the first problem that failed raises, at its start or its best point; "" if nothing.

    The compiled function cannot tell, so the Python function is called.
    """
    raised = problems.kernel.raised
    if raised is None:
        return ""
    failed = np.flatnonzero(solution.status == OBJECTIVE_FAILED)
    if len(failed) == 0:
        return ""
    first = int(failed[0])
    data = next(problems[[first]].data())
    return raised(problems.x0[first], data) or raised(solution.x[first], data)


def in_brackets(reason: str) -> str:
    """Return a reason as the end of a message."""
    return reason and f" ({reason})"
