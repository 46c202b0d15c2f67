"""Candidates: with what the rest of a batch may begin, from some thirty of its problems, in milliseconds.

As l2o.learning.prior has it, but each prediction for a labelled problem is made without it and its neighbours, so that
what it is worth shows on the labelled problems themselves. Base points are chosen by the Hessians instead of
evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from l2o.learning.labels import Labels
from l2o.learning.means import MEANS
from l2o.learning.prior import Base, Look, Prior, Seen, targets
from l2o.learning.ridge import Ridge
from l2o.policies.prior import CURVATURES, MOST_FULL

__all__ = ["FOLDS", "Candidate", "candidates", "looks"]

FOLDS = 5
LESS = 0.9  # of the squared error of predictions, at which products of inputs are worth their time
DECADE = np.log(10.0)  # by which an evaluation must shorten the gap to be worth it
PROMISING = 2  # starts that are tried


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to begin, as it is for the rest of the batch and as it was for the labelled problems.

    Attributes
    ----------
    name : str
        Base point, first step or not, matrix.
    prior : Prior
        Learned from all labels.
    starts : ndarray, shape (n, d)
        From where the labelled problems would run, each without itself.
    matrices : ndarray, shape (n, d, d)
        What inverse Hessians they would expect, likewise.
    looks : int
        Evaluations up to there, that at `starts` included.
    merit : float
        How little it promises, in logs of the gap; an evaluation is worth a decade.
    """

    name: str
    prior: Prior
    starts: np.ndarray
    matrices: np.ndarray
    looks: int
    merit: float


@dataclass(frozen=True, eq=False)
class _Start:
    name: str
    base: Base
    look: Look
    looks: int

    def stepped(self, labels: Labels, way: np.ndarray) -> _Start:
        """Return the lower of the start and of a step (n, d) from it."""
        there = Look.at(labels.problems, self.look.x + way)
        take = there.fun < self.look.fun
        lower = Look(np.where(take[:, None], there.x, self.look.x), np.minimum(self.look.fun, there.fun),
                     np.where(take[:, None], there.jac, self.look.jac))
        return _Start(self.name, self.base, lower, self.looks + 1)

    def merit(self, labels: Labels) -> float:
        """Return the mean log of the gap that is left, in units of the fall; a further look must be worth it."""
        with np.errstate(over="ignore"):
            gap = np.maximum(self.look.fun - labels.fun, 0.0) / labels.fall
        return float(np.log(np.minimum(gap, 1e6) + 1e-6).mean()) + DECADE * self.looks


@dataclass(frozen=True, eq=False)
class _Predicted:
    """What a base point lets predict: of the labelled problems z (n, d) and R (n, d (d + 1) / 2) without themselves."""

    seen: Seen
    ridge: Ridge
    z: np.ndarray
    triangle: np.ndarray

    @classmethod
    def of(cls, labels: Labels, metric: np.ndarray, base: Base, look: Look, fold: np.ndarray) -> _Predicted:
        """Fit with inputs as they are, and with their products; take these where they are clearly better."""
        dim, wanted = len(metric), targets(labels, metric, base)

        def made(quadratic: bool) -> tuple[_Predicted, float]:
            seen = Seen.of(labels, metric, look, quadratic)
            ridge, out = Ridge.crossed(seen.inputs(*look), wanted, (slice(0, dim), slice(dim, None)), fold)
            return cls(seen, ridge, out[:, :dim], out[:, dim:]), float(((out - wanted) ** 2).mean())

        (plain, error), (rich, less) = made(False), made(True)
        return rich if less < LESS * error else plain

    def matrices(self, curvature: str) -> np.ndarray:
        """Return the predicted inverse Hessians (n, d, d) of the labelled problems."""
        metric = self.seen.metric
        i, j = np.tril_indices(len(metric))
        entries = np.where(i == j, np.exp(self.triangle), self.triangle * (curvature == "full"))
        if curvature == "scale":
            log = self.triangle[:, i == j].mean(axis=1, keepdims=True)
            entries = np.where(i == j, np.exp(log), 0.0)
        R = np.zeros((len(entries), *metric.shape))
        R[:, i, j] = entries
        A = metric @ R
        return A @ A.transpose(0, 2, 1)


def looks(moves: bool) -> int:
    """Return at how many points `candidates` evaluates each labelled problem."""
    return 3 if moves else 1


def candidates(labels: Labels, start: Look, fold: np.ndarray, moves: bool) -> Iterator[Candidate]:
    """Yield ways to begin, from the two most promising starts with four matrices each; simple ones first.

    Parameters
    ----------
    labels : Labels
        n labelled problems.
    start : Look
        At their own starting points.
    fold : ndarray of int, shape (n,)
        Problems of one number are left out together.
    moves : bool
        Whether runs may begin elsewhere than at their own starting points.
    """
    means = {name: mean(labels.hessian) for name, mean in MEANS.items()}
    metric = np.linalg.cholesky(means["log"])
    bases = {"x0": Base(np.zeros(labels.problems.dim), True)}
    looked = {"x0": start}
    if moves:
        bases["constant"] = _constant(labels)
        looked["constant"] = Look.at(labels.problems, bases["constant"].of(labels.problems.x0))
    predicted = {name: _Predicted.of(labels, metric, base, looked[name], fold) for name, base in bases.items()}
    starts = [_Start(name, base, looked[name], 1) for name, base in bases.items()]
    starts += [each.stepped(labels, predicted[each.name].z @ metric.T) for each in starts]
    best = sorted(starts, key=lambda each: each.merit(labels))[:PROMISING]
    for each in (each for each in starts if each in best):  # simple ones first
        yield from _with_matrices(each, means, predicted[each.name], labels)


def _constant(labels: Labels) -> Base:
    """Return the constant point or way that leaves the least, as the Hessians have it."""
    ways = labels.x - labels.problems.x0
    choices = [Base(labels.x.mean(axis=0), False), Base(np.median(labels.x, axis=0), False),
               Base(ways.mean(axis=0), True), Base(np.median(ways, axis=0), True)]
    choices += [Base(x, False) for x in labels.x]

    def left(base: Base) -> float:
        away = base.of(labels.problems.x0) - labels.x
        gap = 0.5 * np.einsum("ni,nij,nj->n", away, labels.hessian, away) / labels.fall
        return float(np.log(np.minimum(gap, 1e6) + 1e-3).mean())

    return min(choices, key=left)


def _with_matrices(start: _Start, means: dict[str, np.ndarray], predicted: _Predicted,
                   labels: Labels) -> Iterator[Candidate]:
    """Yield a start with the mean matrices, and with the best of the predicted ones."""
    step, dim, n = start.looks == 2, labels.problems.dim, len(labels)
    name, merit = f"{start.name}, {'step, ' * step}", start.merit(labels)
    plain = Prior(start.base, means["log"], predicted.seen, predicted.ridge, step=step)
    made = {curvature: predicted.matrices(curvature) for curvature in CURVATURES[1:]
            if curvature != "full" or dim <= MOST_FULL}
    spreads = {curvature: _spread(matrices, labels.hessian) for curvature, matrices in made.items()}
    best = min(spreads, key=spreads.__getitem__)
    ways = [(mean, replace(plain, matrix=matrix), np.broadcast_to(matrix, (n, dim, dim)))
            for mean, matrix in means.items()]
    for each, prior, matrices in [*ways, (best, replace(plain, curvature=best), made[best])]:
        yield Candidate(name + each, prior, start.look.x, matrices, start.looks,
                        merit + DECADE * _spread(matrices, labels.hessian))


def _spread(matrices: np.ndarray, hessians: np.ndarray) -> float:
    """Return the root mean squared log of the eigenvalues of H (n, d, d) in units of matrices (n, d, d)."""
    root = np.linalg.cholesky(matrices)
    values = np.linalg.eigvalsh(root.transpose(0, 2, 1) @ hessians @ root)
    return float(np.sqrt((np.log(np.maximum(values, 1e-300)) ** 2).mean()))
