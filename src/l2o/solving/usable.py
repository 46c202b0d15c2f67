"""Problems that something can be learned from: those that have a value and a gradient where they start."""

from __future__ import annotations

import warnings

import numpy as np

from l2o.problems import Problems

__all__ = ["listed", "usable", "usable_or_warn"]

SHOWN = 8  # numbers of a list in a message


def listed(rows: np.ndarray) -> str:
    """Return row numbers as text, the first of a long list."""
    shown = ", ".join(map(str, rows[:SHOWN].tolist()))
    return shown if len(rows) <= SHOWN else f"{shown}, ..."


def usable(problems: Problems, name: str = "problems") -> tuple[Problems, np.ndarray]:
    """Return the problems whose value and gradient at the start are finite, and the rows of the others.

    Raises
    ------
    ValueError
        If there are problems, and none is usable; `name` is what they are called.
    """
    status = problems.evaluate(problems.x0)[2]
    kept, rest = np.flatnonzero(status == -1), np.flatnonzero(status != -1)
    if len(rest) == 0:
        return problems, rest
    if len(kept) == 0:
        raise ValueError(f"{name} holds {len(problems)} problems, none of which has a finite value and gradient at its "
                         "start; expected at least one that has")
    return problems[kept], rest


def usable_or_warn(problems: Problems, stacklevel: int) -> tuple[Problems, np.ndarray]:
    """Return the usable ones and the rows of the others, which a RuntimeWarning counts and names."""
    kept, rest = usable(problems)
    if len(rest):
        warnings.warn(f"{len(rest)} of {len(problems)} problems are left out, not finite at their starts: "
                      f"{listed(rest)}", RuntimeWarning, stacklevel=stacklevel + 1)
    return kept, rest
