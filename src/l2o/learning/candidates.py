"""Candidates: with what the rest of a batch may begin, from some thirty of its problems, in milliseconds.

As l2o.learning.prior has it, but each prediction for a labelled problem is made without it and its neighbours, so that
what it is worth shows on the labelled problems themselves. Base points are chosen by the Hessians instead of
evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from l2o.learning.labels import Labels
from l2o.learning.means import MEANS
from l2o.learning.newton_from import NewtonFrom, NewtonInOrder
from l2o.learning.prior import Base, Look, Prior, Seen, triangles, within_reach
from l2o.learning.ridge import Ridge
from l2o.methods import Method
from l2o.policies.chained import Chained, Link
from l2o.policies.prior import CURVATURES, MOST_FULL

__all__ = ["FOLDS", "Candidate", "Lessons", "beginnings", "looks", "predictions", "successions"]

FOLDS = 5
LESS = 0.9  # of the squared error of predictions, at which products of inputs are worth their time
DECADE = np.log(10.0)  # by which an evaluation must shorten the gap to be worth it
PROMISING = 2  # starts that are tried
NEWTON = "Newton"  # in place of a matrix, in names
FAR = 4.0  # times its usual gap: a run that follows another looks at its own start, too


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to begin, as it is for the rest of the batch and as it was for the labelled problems.

    Attributes
    ----------
    name : str
        Base point, first step or not, matrix.
    method : callable
        Makes the method, from all labels.
    starts : ndarray, shape (n, d)
        From where the labelled problems would run, each without itself.
    matrices : ndarray, shape (n, d, d), or None
        What inverse Hessians they would expect, likewise; None for Newton's method, which is given the Hessians.
    looks : int
        Evaluations up to there, that at `starts` included.
    merit : float
        How little it promises, in logs of the gap; an evaluation is worth a decade.
    """

    name: str
    method: Callable[[], Method]
    starts: np.ndarray
    matrices: np.ndarray | None
    looks: int
    merit: float


@dataclass(frozen=True, eq=False)
class Lessons:
    """Labelled problems, as candidates are made from them.

    Attributes
    ----------
    labels : Labels
        n labelled problems.
    start : Look
        At their own starting points.
    fold : ndarray of int, shape (n,)
        Problems of one number are left out together.
    moves : bool
        Whether runs may begin elsewhere than at their own starting points.
    look : callable
        Evaluates each problem at its row of points (n, d).
    """

    labels: Labels
    start: Look
    fold: np.ndarray
    moves: bool
    look: Callable[[np.ndarray], Look]

    @cached_property
    def means(self) -> dict[str, np.ndarray]:
        """The means of the inverse Hessians, (d, d)."""
        return {name: mean(self.labels.hessian) for name, mean in MEANS.items()}

    @cached_property
    def inverses(self) -> np.ndarray:
        """The inverse Hessians, (n, d, d)."""
        return np.linalg.inv(self.labels.hessian)

    @cached_property
    def metric(self) -> np.ndarray:
        """T of the predictions, (d, d)."""
        return np.linalg.cholesky(self.means["log"])

    @cached_property
    def starts(self) -> list[Start]:
        """Where runs may be evaluated first: at their own starting points, or at a constant."""
        starts = [Start("x0", Base(np.zeros(self.labels.problems.dim), True), self.start, 1)]
        if self.moves:
            base = _constant(self.labels)
            starts.append(Start("constant", base, self.look(base.of(self.labels.problems.x0)), 1))
        return starts

    @cached_property
    def triangle(self) -> np.ndarray:
        """What is to be predicted of the matrices, (n, d (d + 1) / 2)."""
        return within_reach(triangles(self.labels, self.metric))

    def merit(self, look: Look, looks: int) -> float:
        """Return the mean log of the gap that is left, in units of the fall; a further look must be worth it."""
        with np.errstate(over="ignore"):
            gap = np.maximum(look.fun - self.labels.fun, 0.0) / self.labels.fall
        return float(np.log(np.minimum(gap, 1e6) + 1e-6).mean()) + DECADE * looks

    def spreads(self, matrices: dict[str, np.ndarray]) -> dict[str, float]:
        """Return how far the eigenvalues of the Hessians are from 1 in units of each matrices (n, d, d), in logs.

        Root mean squares of acosh(1 + (tr A + tr A^-1 - 2 d) / 2): where one eigenvalue is not 1, the size of its log.
        """
        H, inverse, dim = self.labels.hessian, self.inverses, len(self.metric)
        traces = [(each * H).sum(axis=(1, 2)) + (np.linalg.inv(each) * inverse).sum(axis=(1, 2))
                  for each in matrices.values()]
        away = np.arccosh(np.maximum(1.0 + 0.5 * (np.stack(traces) - 2.0 * dim), 1.0))
        return dict(zip(matrices, np.sqrt((away**2).mean(axis=1) / dim).tolist()))


@dataclass(frozen=True, eq=False)
class Start:
    """Where the labelled problems would begin, after so many looks at them."""

    name: str
    base: Base
    look: Look
    looks: int

    def stepped(self, there: Look) -> Start:
        """Return the lower of the start and of a point that was looked at from it."""
        take = there.fun < self.look.fun
        lower = Look(np.where(take[:, None], there.x, self.look.x), np.minimum(self.look.fun, there.fun),
                     np.where(take[:, None], there.jac, self.look.jac))
        return Start(self.name, self.base, lower, self.looks + 1)


@dataclass(frozen=True, eq=False)
class _Predicted:
    """What a base point lets predict: of the labelled problems z (n, d) and R (n, d (d + 1) / 2) without themselves."""

    seen: Seen
    ridge: Ridge
    z: np.ndarray
    triangle: np.ndarray

    @classmethod
    def of(cls, lessons: Lessons, start: Start) -> _Predicted:
        """Fit with inputs as they are, and with their products; take these where they are clearly better."""
        labels, dim = lessons.labels, len(lessons.metric)
        way = (labels.x - start.base.of(labels.problems.x0)) @ np.linalg.inv(lessons.metric).T
        wanted, parts = np.hstack([within_reach(way), lessons.triangle]), (slice(0, dim), slice(dim, None))
        seen = Seen.of(labels, lessons.metric, start.look, True)
        inputs = seen.inputs(*start.look)

        def made(quadratic: bool) -> tuple[_Predicted, float]:
            ridge, out = Ridge.crossed(inputs if quadratic else inputs[:, : 2 * dim + 2], wanted, parts, lessons.fold)
            fitted = cls(replace(seen, quadratic=quadratic), ridge, out[:, :dim], out[:, dim:])
            return fitted, float(((out - wanted) ** 2).mean())

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


def looks(moves: bool, ordered: bool) -> int:
    """Return at how many points candidates evaluate each labelled problem, if all of them are made."""
    return 3 + 2 * ordered if moves else 1


def beginnings(lessons: Lessons) -> Iterator[Candidate]:
    """Yield ways to begin that predict nothing: each start with the mean matrices; simple ones first.

    Newton's method, where there are Hessians, begins at the most promising start.
    """
    spreads = lessons.spreads(lessons.means)
    merits = [lessons.merit(start.look, start.looks) for start in lessons.starts]
    if lessons.labels.problems.hessian_function is not None:
        best = int(np.argmin(merits))
        start = lessons.starts[best]
        yield Candidate(f"{start.name}, {NEWTON}", partial(NewtonFrom, start.base), start.look.x, None, start.looks,
                        merits[best])
    for start, merit in zip(lessons.starts, merits):
        for name, matrix in lessons.means.items():
            yield _made(start, Prior(start.base, matrix), name, matrix, merit + DECADE * spreads[name])


def predictions(lessons: Lessons) -> Iterator[Candidate]:
    """Yield ways to begin with what is predicted, a first step or a matrix, from the two most promising starts."""
    predicted = {each.name: _Predicted.of(lessons, each) for each in lessons.starts}
    stepped = [each.stepped(lessons.look(each.look.x + predicted[each.name].z @ lessons.metric.T))
               for each in lessons.starts]
    starts = [*lessons.starts, *stepped]
    best = sorted(starts, key=lambda each: lessons.merit(each.look, each.looks))[:PROMISING]
    for each in (each for each in starts if each in best):  # simple ones first
        yield from _with_matrices(each, predicted[each.name], lessons)


def successions(lessons: Lessons, mate: np.ndarray) -> Iterator[Candidate]:
    """Yield ways to begin where a neighbour ended, with its matrix or with a mean one.

    Parameters
    ----------
    lessons : Lessons
        n labelled problems.
    mate : ndarray of int, shape (n,)
        The labelled neighbour of each problem, or itself, if it has none: it then begins alone.
    """
    labels, alone = lessons.labels, (mate == np.arange(len(mate)))[:, None]
    own, end = lessons.start.x, labels.x[mate]
    looked = {"own start": lessons.start}
    if lessons.moves:
        looked = {"solution": lessons.look(np.where(alone, own, end)),
                  "offset": lessons.look(np.where(alone, own, own + end - own[mate]))}
    merits = {origin: lessons.merit(look, 1) for origin, look in looked.items()}
    origin = min(merits, key=merits.__getitem__)
    left = np.where(alone[:, :, None], lessons.means["log"], lessons.inverses[mate])
    ways = {"carried": left, **lessons.means}
    spreads = lessons.spreads(ways)
    if lessons.moves and labels.problems.hessian_function is not None:
        name = f"neighbour's {origin}, {NEWTON}"
        method = partial(NewtonInOrder, Link(origin, carries=False, far=FAR))
        yield Candidate(name, method, looked[origin].x, None, 1, merits[origin])
    for name, matrices in ways.items():
        link = Link(origin, carries=name == "carried", far=FAR)
        made = partial(Chained, lessons.means["log" if link.carries else name], link)
        yield Candidate(f"neighbour's {origin}, {name}", made, looked[origin].x,
                        np.broadcast_to(matrices, left.shape), 1, merits[origin] + DECADE * spreads[name])


def _constant(labels: Labels) -> Base:
    """Return the constant point or way that leaves the least, as the Hessians have it."""
    ways = labels.x - labels.problems.x0
    points = np.vstack([labels.x.mean(axis=0), np.median(labels.x, axis=0), labels.x])
    moves = np.vstack([ways.mean(axis=0), np.median(ways, axis=0)])
    away = np.concatenate([points[:, None] - labels.x, moves[:, None] - ways])
    gap = 0.5 * ((away[:, :, None] @ labels.hessian)[:, :, 0] * away).sum(axis=2) / labels.fall
    least = int(np.log(np.minimum(gap, 1e6) + 1e-3).mean(axis=1).argmin())
    return Base(points[least], False) if least < len(points) else Base(moves[least - len(points)], True)


def _with_matrices(start: Start, predicted: _Predicted, lessons: Lessons) -> Iterator[Candidate]:
    """Yield a start with the best of the predicted matrices, and one with a first step with the mean ones, too."""
    step, means = start.looks == 2, lessons.means
    made = {curvature: predicted.matrices(curvature) for curvature in CURVATURES[1:]
            if curvature != "full" or len(lessons.metric) <= MOST_FULL}
    spreads = lessons.spreads(means | made)
    best, merit = min(made, key=spreads.__getitem__), lessons.merit(start.look, start.looks)
    plain = Prior(start.base, means["log"], predicted.seen, predicted.ridge, step=step)
    ways = [(name, replace(plain, matrix=matrix), matrix) for name, matrix in means.items() if step]
    for name, prior, matrices in [*ways, (best, replace(plain, curvature=best), made[best])]:
        yield _made(start, prior, name, matrices, merit + DECADE * spreads[name])


def _made(start: Start, prior: Prior, matrix: str, matrices: np.ndarray, merit: float) -> Candidate:
    name = f"{start.name}, {'step, ' * prior.step}{matrix}"
    matrices = np.broadcast_to(matrices, (len(start.look.x), *matrices.shape[-2:]))
    return Candidate(name, prior.policy, start.look.x, matrices, start.looks, merit)
