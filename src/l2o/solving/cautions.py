"""What the results of a batch warn of: sentences that know the rows that they are about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from l2o.base.status import NON_FINITE, OBJECTIVE_FAILED, PRECISION_LOSS
from l2o.problems.separation import SENTENCES

__all__ = ["Caution", "cautions"]

SHOWN = 5  # rows that a sentence names
MANY = 0.05  # of the runs


class Caution(str):
    """A sentence; `rows`, an array of int, are the numbers of the problems that it is about."""

    rows: np.ndarray

    @classmethod
    def of(cls, what: str, where: np.ndarray, each: str = "problems") -> Caution:
        """Return the sentence that says `what` of the problems, or whatever `each` is, where (m,) is True."""
        rows = np.flatnonzero(where)
        shown = ", ".join(map(str, rows[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
        made = cls(f"{len(rows):,} of {len(where):,} {each} ({shown}): {what}")
        made.rows = rows
        return made


def cautions(status: np.ndarray, nit: np.ndarray, outside: np.ndarray | None,
             endless: np.ndarray | None, cause: str) -> Iterator[Caution]:
    """Yield what is to be said of m runs, of which there are these columns (m,), and why the first failed."""
    troubles = {
        "the data or the start are not finite, or no point has a weight": (status == NON_FINITE) & (nit == 0),
        f"the objective reported an error{cause and ', the first: '}{cause}": status == OBJECTIVE_FAILED,
    }
    stuck = status == PRECISION_LOSS
    if stuck.sum() > MANY * len(status):
        troubles["nothing lower was found: they are flat there, or a gradient of your own is wrong, which "
                 "l2o.testing.check_objective tells"] = stuck
    if outside is not None:
        troubles["the policy met what it did not meet in training"] = outside
    if endless is not None:
        troubles |= {sentence: endless == reason for reason, sentence in SENTENCES.items()}
    for what, where in troubles.items():
        if where.any():
            yield Caution.of(what, where)
