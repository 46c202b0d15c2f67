"""Where a classification has no minimum: its value falls for ever along a way to infinity.

So it is where a plane separates the labels, all or some of them, without regularisation; and where labels are all the
same, or a class has no points, even with it, for biases are not regularised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

__all__ = ["LOW", "NO_COUNTS", "SENTENCES", "Endless", "endless_network", "endless_regression", "endless_weighted",
           "said"]

HEADER, TOTAL, PADDED, L2, INPUTS, DESIGN, CLASSES = 8, 0, 1, 2, 3, 4, 5  # of blocks, as in the kernels
HAS_MINIMUM, ONE_LABEL, SEPARABLE, PARTLY, NO_POINTS, NO_COUNTS = range(6)
SENTENCES = {
    ONE_LABEL: "the labels are all the same: the minimum lies at infinity",
    SEPARABLE: "the data are separable: the minimum lies at infinity",
    PARTLY: "the data are separable in part, some points from all others: the minimum lies at infinity",
    NO_POINTS: "a class has no points: the minimum lies at infinity",
    NO_COUNTS: "all counts are zero, and so are the rates that fit: the minimum may lie at infinity",
}
LOW = 0.05  # a value, in the mean over points, above which no run ends that has one label only
FLAT, IDLE = 1e-3, 1e-5  # of a curvature; of f that it explains: where there is less, points have lost their losses
SIDES = (14.0, 2.0)  # log2 of the odds of points that may be parted from the others
ROUNDS = 8  # in which points turn out not to be
NOTHING = 1e-6  # of the largest distance from the plane
RANK = 1e-12  # of squares, in units of each column
AT_A_TIME = 2**20  # numbers of designs that are looked at, 8 MB
UNSURE = 8.0  # between biases of a network: a class of less has points

Self = TypeVar("Self", bound="Classifications")


class Classifications(Protocol):
    """What is looked at of `Problems`, which have all of this."""

    blocks: np.ndarray
    shared: np.ndarray | None

    def __getitem__(self: Self, which: np.ndarray, /) -> Self: ...

    @property
    def dim(self) -> int:
        """Number of variables."""

    def entries(self, columns: np.ndarray) -> np.ndarray:
        """Return some entries (m, k) of the blocks."""

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Return the Hessians (m, d, d) at x (m, d)."""


class Endless(NamedTuple):
    """Which of m problems have their minimum at infinity, as far as points near it show.

    Attributes
    ----------
    reason : ndarray of int8, shape (m,)
        Why, a key of `SENTENCES`; 0 for the others.
    way : ndarray, shape (m, d)
        A direction in which the value falls for ever; zero for the others.
    """

    reason: np.ndarray
    way: np.ndarray


def said(reason: int) -> str:
    """Return the sentence of a reason as the end of a message; none where there is a minimum."""
    sentence = SENTENCES.get(reason, "")
    return sentence and f" {sentence[0].upper()}{sentence[1:]}."


def endless_regression(problems: Classifications, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> Endless:
    """Look at logistic regressions at x (m, d), where they have the values fun (m,)."""
    return _regressions(problems, x, fun, _folded)


def endless_weighted(problems: Classifications, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> Endless:
    """Look at logistic regressions with weights."""
    return _regressions(problems, x, fun, _multiplied)


def _folded(problems: Classifications) -> np.ndarray:
    """Return the design of each problem with the labels as signs, (m, d, n); a last column holds the signs."""
    padded = int(problems.blocks[0, PADDED])
    columns = problems.entries(HEADER + padded + np.arange(problems.dim * padded))
    return columns.reshape(-1, problems.dim, padded)


def _multiplied(problems: Classifications) -> np.ndarray:
    """Return the same of problems with weights; zeros for points without weight."""
    padded, design = problems.blocks[0, [PADDED, DESIGN]].astype(int)
    signs = problems.entries(HEADER + np.arange(padded))[:, None, :]
    inner = padded + np.arange(problems.dim * padded)  # after a column of zeros
    if problems.shared is not None:
        return signs * problems.shared[inner].reshape(problems.dim, padded)
    return signs * problems.entries(design + inner).reshape(-1, problems.dim, padded)


def _regressions(problems: Classifications, x: np.ndarray, fun: np.ndarray,
                 designs: Callable[[Classifications], np.ndarray]) -> Endless:
    """Look at logistic regressions of such designs, if there is little curvature left, or no value."""
    found = Endless(np.zeros(len(x), np.int8), np.zeros(x.shape))
    plain = problems.entries(np.array([L2]))[:, 0] == 0.0
    suspect = fun < LOW
    rest = np.flatnonzero(plain & ~suspect)
    if len(rest):
        suspect[rest] = _is_flat(problems[rest], x[rest])
    rows = np.flatnonzero(suspect)
    piece = max(1, AT_A_TIME // max(1, problems.dim * int(problems.blocks[0, PADDED])))
    for first in range(0, len(rows), piece):
        some = rows[first : first + piece]
        signed = designs(problems[some])
        signs = signed[:, -1]
        alike = (signs >= 0.0).all(axis=1) | (signs <= 0.0).all(axis=1)
        found.reason[some[alike]], found.way[some[alike], -1] = ONE_LABEL, x[some[alike], -1]
        if plain[some].any():
            left = plain[some] & ~alike
            found.reason[some[left]], found.way[some[left]] = _parted(signed[left], x[some[left]])
    return found


def _is_flat(problems: Classifications, x: np.ndarray) -> np.ndarray:
    """Return whether there is next to no curvature at x (m, d) along a variable, beside its value, or a combination."""
    hessian = np.ascontiguousarray(problems.hessian(x).transpose(1, 2, 0))
    diagonal = np.einsum("jjm->jm", hessian).copy()
    flat: np.ndarray = (diagonal * x.T**2 < IDLE).any(axis=0)
    for j in range(x.shape[1]):  # pivots of its factors
        pivot = hessian[j, j]
        flat |= pivot < FLAT * diagonal[j]
        row = hessian[j] / np.where(pivot > 0.0, pivot, np.inf)
        for k in range(j + 1, x.shape[1]):
            hessian[k, j + 1 :] -= hessian[j, k] * row[j + 1 :]
    return flat


def _parted(signed: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the signed designs (m, d, n) are separable, all or in part, and the way (m, d).

    All points are on their side of the plane x, or those far on it are parted from the others by a plane in which all
    the others lie: of x the part that these know nothing of. A point that is on the wrong side of it is one of them.
    """
    scale = np.sqrt(np.einsum("mjn,mjn->mj", signed, signed))
    scale[scale == 0.0] = 1.0
    unit = signed / scale[:, :, None]
    at = x * scale
    distance, counts = (at[:, None, :] @ unit)[:, 0], signed[:, -1] != 0.0
    reason = np.where((distance > 0.0).all(axis=1, where=counts), SEPARABLE, HAS_MINIMUM).astype(np.int8)
    way = np.where((reason == SEPARABLE)[:, None], x, 0.0)
    for side in SIDES:
        left = np.flatnonzero(reason == HAS_MINIMUM)
        near = distance[left] <= side
        for _ in range(ROUNDS):
            part = _unknown(unit[left], near, at[left])
            beyond = (part[:, None, :] @ unit[left])[:, 0]
            most = np.abs(beyond).max(axis=1, initial=0.0)
            wrong = beyond < -NOTHING * most[:, None]
            parts = (most > side) & ~wrong.any(axis=1)
            reason[left[parts]], way[left[parts]] = PARTLY, part[parts] / scale[left[parts]]
            on = (most > side) & ~parts
            if not on.any():
                break
            left, near = left[on], near[on] | wrong[on]
    return reason, way


def _unknown(design: np.ndarray, near: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the part of x (m, d) that the points near, (m, n), of designs (m, d, n) know nothing of."""
    squares, axes = np.linalg.eigh((design * near[:, None, :]) @ design.swapaxes(1, 2))
    free = squares <= RANK * np.maximum(squares[:, -1:], np.finfo(float).tiny)
    return np.einsum("mij,mj->mi", axes, np.where(free, np.einsum("mij,mi->mj", axes, x), 0.0))


def endless_network(problems: Classifications, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> Endless:
    """Look at classifiers of one hidden layer at x (m, d), where they have the values fun (m,)."""
    inputs, hidden, classes = (int(problems.blocks.item(0, i)) for i in range(INPUTS, CLASSES + 1))
    biases = x[:, -classes:]
    low = np.flatnonzero((fun < LOW) | (biases.max(axis=1) - biases.min(axis=1) > UNSURE))
    found = Endless(np.zeros(len(x), np.int8), np.zeros(x.shape))
    if len(low) == 0:
        return found
    header = problems[low].entries(np.arange(HEADER))
    padded = int(header[0, PADDED])
    first = HEADER + (inputs + 1) * padded
    labels = problems[low].entries(first + np.arange(classes * padded)).reshape(len(low), classes, padded).sum(axis=2)
    missing = (labels == 0.0).any(axis=1)
    apart = ~missing & (fun[low] * header[:, TOTAL] < np.log(2.0)) & (header[:, L2] == 0.0)
    found.reason[low] = np.where(missing, NO_POINTS, np.where(apart, SEPARABLE, HAS_MINIMUM))
    found.reason[low[labels.max(axis=1) == header[:, TOTAL]]] = ONE_LABEL
    found.way[low, -classes:] = np.where(missing[:, None] & (labels == 0.0), -1.0, 0.0)
    outer = classes * (hidden + 1)  # the scores are linear in these weights
    found.way[low[apart], -outer:] = x[low[apart], -outer:]
    return found
