"""Whether a gradient is that of its function: changes of f along a line beside integrals of the slope.

Close to a minimum the slope is all rounding, and a difference of two values says nothing of it. The change of f from
h to 3 h and Simpson's integral of the slopes there agree for a right gradient at any point, to the fifth order of h,
and the size of these slopes says what is a large difference. The point itself takes no part: it may be at a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["Way", "contradiction", "ways"]

Line = Callable[[float], tuple[float, float]]  # t -> value and slope at t

EXACT = 20 * np.finfo(float).eps  # of f: changes are not known better
LOST = np.finfo(float).tiny / np.finfo(float).eps  # below it terms lose their digits, as exponentials that underflow do
IN_A_ROW = 4  # ways on which a wrong gradient differs; rounding that looks like it on two is common


@dataclass(frozen=True)
class Way:
    """What happens from h to 3 h of a line.

    Attributes
    ----------
    length : float
        2 h, negative where the line is followed backwards.
    change : float
        Change of the values.
    integral, size : float
        Integral of the slope, and of its magnitude.
    rounding : float
        What is not known of the change.
    """

    length: float
    change: float
    integral: float
    size: float
    rounding: float

    @property
    def error(self) -> float:
        """Return what the change has beside the integral."""
        return self.change - self.integral

    def agrees(self, tolerance: float, least: float) -> bool:
        """Return whether the two differ by no more than a share of their size, or a least slope."""
        return abs(self.error) <= tolerance * max(self.size, abs(self.change)) + least * abs(self.length)

    @property
    def tells(self) -> bool:
        """Return whether there are numbers to compare, and the error is no rounding."""
        return self.is_finite and abs(self.error) > self.rounding

    @property
    def is_finite(self) -> bool:
        """Return whether all of it is."""
        return bool(np.isfinite([self.change, self.integral, self.size]).all())


def ways(line: Line, sizes: Iterable[float]) -> Iterator[Way]:
    """Walk along a line from h to 3 h, for each h of sizes; three evaluations each."""
    for h in sizes:
        with np.errstate(all="ignore"):
            (first, a), (_, b), (last, c) = (line(k * h) for k in (1, 2, 3))
            yield Way(2 * h, last - first, h * (a + 4 * b + c) / 3, abs(h) * (abs(a) + 4 * abs(b) + abs(c)) / 3,
                      max(EXACT * max(abs(first), abs(last)), LOST))


def contradiction(walked: Iterable[Way], tolerance: float, least: float = 0.0) -> Way | None:
    """Return a way that shows a wrong gradient; None if one of the ways agrees, or rounding explains what they show.

    Each way is a tenth of the one before. The error of a wrong gradient shrinks with the way, or with its square;
    rounding does not shrink, and what Simpson's rule neglects shrinks faster.

    Parameters
    ----------
    walked : iterable of Way
        From the longest to the shortest; it is not read further than to a way that agrees.
    tolerance : float
        Share of the change that does not count.
    least : float
        Slope that does not count.
    """
    differing: list[Way] = []
    for way in walked:
        if way.is_finite and way.agrees(tolerance, least):
            return None
        if way.tells:
            differing.append(way)
    for i in range(len(differing) - IN_A_ROW + 1):
        row = differing[i : i + IN_A_ROW]
        if all(_shrinks(one, other) for one, other in pairwise(row)):
            return row[-1]
    return None


def _shrinks(longer: Way, shorter: Way) -> bool:
    """Return whether the error shrinks from one way to another as that of a wrong gradient does."""
    ratio, share = longer.length / shorter.length, longer.error / shorter.error
    return ratio / 3 <= share <= 3 * ratio**2
