"""Prior: where runs of a family begin, what first step they take, what curvature they expect.

All regression works in the units of a metric T T' = P, the log-Euclidean mean of the inverse Hessians at minimisers.
At the base point x, with value f, gradient g and s the median fall of the family, a run sees

    u = [asinh(T'g / sqrt(s)), log|T'g|, asinh(f / s)],    inputs = [u, x]  and, quadratic, all products u_i u_j,

and two things are predicted from it: the way to the minimiser, z = T^-1 (x* - x), and the inverse Hessian there, as the
lower triangle of R, R R' = T^-1 H*^-1 T^-T, with the logarithms of its diagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from l2o.learning.data_start import DataStart
from l2o.learning.labels import Labels
from l2o.learning.means import MEANS
from l2o.learning.ridge import Ridge
from l2o.policies import Policy, QuasiNewton
from l2o.policies.prior import CURVATURES, MOST_FULL, PriorShape
from l2o.policies.trainable import Expectant
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["LEAN", "NEWTON", "Base", "Candidates", "Look", "Prior", "Seen", "candidates_of", "priors", "starts",
           "targets", "triangles", "within_reach"]

# (labels, with products of inputs, start by the data) -> priors by name, the simplest first
Candidates = Callable[[Labels, bool, DataStart | None], "list[tuple[str, Prior]]"]
TINY = 1e-300
NEWTON = "Newton"  # how names of candidates end that Newton's method makes the runs of
LEAN = QuasiNewton()  # with a prior, it is the lean rule: one pair
FARTHEST = 6.0  # the logarithm of a diagonal entry of R
SPREAD = 4 * 1.4826  # median absolute deviations within which targets are taken


@dataclass(frozen=True, eq=False)
class Base:
    """Where a run is evaluated first: at its own start, at a constant point, or at a constant way from its start.

    Attributes
    ----------
    point : ndarray, shape (d,)
        The point, or the way.
    relative : bool
        Whether it is added to the problem's own start.
    """

    point: np.ndarray
    relative: bool

    def of(self, x0: np.ndarray) -> np.ndarray:
        """Return the base points (m, d) of problems that start at x0 (m, d)."""
        return x0 + self.point if self.relative else np.broadcast_to(self.point, x0.shape).copy()

    @classmethod
    def constant(cls, labels: Labels) -> Base:
        """Return the constant with the least mean log of the gap it leaves, in units of the fall.

        Candidates are the problems' own starts, the mean and the median of the minimisers and of the ways to them from
        the starts, and up to 30 minimisers.
        """
        ways = labels.x - labels.problems.x0
        candidates = [cls(np.zeros(labels.problems.dim), True),
                      cls(labels.x.mean(axis=0), False), cls(np.median(labels.x, axis=0), False),
                      cls(ways.mean(axis=0), True), cls(np.median(ways, axis=0), True)]
        candidates += [cls(x, False) for x in labels.x[:: max(1, len(labels) // 30)][:30]]
        return min(candidates, key=lambda base: _left(labels, base))


def _left(labels: Labels, base: Base) -> float:
    """Return the mean of log((f - f*) / (f0 - f*) + 1e-3) at base points; what is not finite is a gap of 1e6."""
    fun = labels.problems.value_and_grad(base.of(labels.problems.x0))[0]
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.maximum(fun - labels.fun, 0.0) / labels.fall
    return float(np.log(np.where(np.isfinite(gap), np.minimum(gap, 1e6), 1e6) + 1e-3).mean())


class Look(NamedTuple):
    """What was seen at a point of each problem.

    Attributes
    ----------
    x, fun, jac : ndarray, shape (m, d), (m,) and (m, d)
        Points, values, gradients; large numbers where they are not finite, and zero for a gradient that is NaN.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray

    @classmethod
    def at(cls, problems: Problems, x: np.ndarray) -> Look:
        """Evaluate each problem at its row of x (m, d)."""
        fun, jac = problems.value_and_grad(x)
        if np.isfinite(fun).all() and np.isfinite(jac).all():
            return cls(x, fun, jac)
        return cls(x, np.nan_to_num(fun, nan=1e30, posinf=1e30, neginf=-1e30),
                   np.nan_to_num(jac, nan=0.0, posinf=1e30, neginf=-1e30))


@dataclass(frozen=True, eq=False)
class Seen:
    """What a run sees at its base point, in a metric.

    Attributes
    ----------
    metric : ndarray, shape (d, d)
        T, lower triangular.
    unit : float
        Median fall s of the family's values.
    centre, inverse : ndarray, shape (d + 2,)
        By which u is standardised before its products are formed.
    quadratic : bool
        Whether products are inputs, too.
    """

    metric: np.ndarray
    unit: float
    centre: np.ndarray
    inverse: np.ndarray
    quadratic: bool

    @classmethod
    def of(cls, labels: Labels, metric: np.ndarray, look: Look, quadratic: bool) -> Seen:
        """Take the units from labels, and from what was seen of their problems at base points."""
        dim = len(metric)
        bare = cls(metric, float(np.median(labels.fall)), np.zeros(dim + 2), np.ones(dim + 2), False)
        u = bare.inputs(*look)[:, : dim + 2]
        return replace(bare, centre=u.mean(axis=0), inverse=1.0 / (u.std(axis=0) + 1e-9), quadratic=quadratic)

    def inputs(self, x: np.ndarray, fun: np.ndarray, jac: np.ndarray) -> np.ndarray:
        """Return the inputs (m, k) from base points (m, d), values (m,) and gradients (m, d) there."""
        slope = jac @ self.metric
        length = np.sqrt((slope * slope).sum(axis=1, keepdims=True) + TINY)
        u = np.hstack([np.arcsinh(slope / np.sqrt(self.unit)), np.log(length), np.arcsinh(fun[:, None] / self.unit)])
        if not self.quadratic:
            return np.hstack([u, x])
        standard = np.clip((u - self.centre) * self.inverse, -4.0, 4.0)
        i, j = np.triu_indices(u.shape[1])
        return np.hstack([u, x, standard[:, i] * standard[:, j]])


@dataclass(frozen=True, eq=False)
class Prior:
    """What a run begins with.

    Attributes
    ----------
    base : Base
        Where it is evaluated first.
    matrix : ndarray, shape (d, d)
        Inverse Hessian to expect, where none is predicted.
    seen : Seen or None
        What the predictions are made from; None where nothing is predicted.
    ridge : Ridge or None
        Predicts z (d) and R (d (d + 1) / 2).
    step : bool
        Whether the predicted minimiser is evaluated, too; the run goes on from the lower of the two.
    curvature : {"mean", "scale", "diagonal", "full"}
        What is predicted of the matrix: nothing, the mean of R's log diagonal, the diagonal, all of R.
    data : DataStart or None
        Predicts the base point from the problem's data, in the place of `base`.
    met : ndarray, shape (2, 2 d + 2), or None
        Lowest and highest of u and x at the base points of training.
    newton : bool
        Whether Newton's method makes the runs where an objective has a Hessian.
    """

    base: Base
    matrix: np.ndarray
    seen: Seen | None = None
    ridge: Ridge | None = None
    step: bool = False
    curvature: str = "mean"
    data: DataStart | None = None
    met: np.ndarray | None = None
    newton: bool = False

    def starts(self, problems: Problems) -> np.ndarray:
        """Return where runs of problems are evaluated first, (m, d)."""
        return self.base.of(problems.x0) if self.data is None else self.data.starts(problems)

    def policy(self, kind: Expectant = LEAN) -> Policy:
        """Return the policy of a kind that begins so, with its constants by hand."""
        network = kind.with_prior(self.shape)
        return Policy(network, {**network.initial(len(self.matrix), np.random.default_rng(0)), **self.weights()})

    def gated(self, labels: Labels) -> Prior:
        """Return the prior with what its runs see at first points of the problems that it was learned from."""
        starts = self.starts(labels.problems) if self.data is None else self.data.crossed  # as new problems have them
        look = Look.at(labels.problems, starts)
        metric = np.linalg.cholesky(MEANS["log"](labels.hessian))
        seen = Seen.of(labels, metric, look, False) if self.seen is None else self.seen
        inputs = seen.inputs(*look)[:, : 2 * len(metric) + 2]
        return replace(self, seen=seen, met=np.stack([inputs.min(axis=0), inputs.max(axis=0)]))

    @property
    def shape(self) -> PriorShape:
        """What the prior consists of."""
        quadratic = self.seen is not None and self.seen.quadratic
        return PriorShape(self.base.relative, self.step, self.curvature, quadratic and self.predicts,
                          None if self.data is None else self.data.shape, self.met is not None, self.newton)

    @property
    def predicts(self) -> bool:
        """Whether anything is predicted."""
        return self.step or self.curvature != "mean"

    def weights(self) -> Weights:
        """Return the numbers as the policy has them: of the predictions only what is used."""
        dim = len(self.matrix)
        weights = {"base": self.base.point, "matrix": self.matrix, "scale": np.zeros(1)}
        if self.data is not None:
            weights |= self.data.weights
        if self.seen is not None and self.met is not None:
            weights |= {"metric": self.seen.metric, "unit": np.array([self.seen.unit]), "met": self.met}
        if self.seen is None or self.ridge is None or not self.predicts:
            return weights
        used = _used(dim, self.step, self.curvature)
        seen, ridge = self.seen, self.ridge
        return {**weights, "metric": seen.metric, "unit": np.array([seen.unit]),
                "seen": np.stack([seen.centre, seen.inverse]), "inputs": np.stack([ridge.mean, ridge.inverse]),
                "ridge": ridge.coefficients[:, used], "range": np.stack([ridge.low[used], ridge.high[used]])}


def _used(dim: int, step: bool, curvature: str) -> np.ndarray:
    """Return which of the outputs z (d), R (d (d + 1) / 2) a prior uses."""
    i, j = np.tril_indices(dim)
    of_matrix = {"mean": i < 0, "scale": i == j, "diagonal": i == j, "full": i >= 0}[curvature]
    return np.flatnonzero(np.concatenate([np.full(dim, step), of_matrix]))


def targets(labels: Labels, metric: np.ndarray, base: Base) -> np.ndarray:
    """Return z and the entries of R, (m, d + d (d + 1) / 2); outliers are brought within 4 deviations of the median."""
    z = (labels.x - base.of(labels.problems.x0)) @ np.linalg.inv(metric).T
    return within_reach(np.hstack([z, triangles(labels, metric)]))


def triangles(labels: Labels, metric: np.ndarray) -> np.ndarray:
    """Return the entries of R, (m, d (d + 1) / 2)."""
    inverse = np.linalg.inv(metric)
    whitened = inverse @ np.linalg.inv(labels.hessian) @ inverse.T
    triangle = np.linalg.cholesky(0.5 * (whitened + whitened.transpose(0, 2, 1)))
    i, j = np.tril_indices(len(metric))
    entries = triangle[:, i, j]
    entries[:, i == j] = np.clip(np.log(entries[:, i == j]), -FARTHEST, FARTHEST)
    return entries


def within_reach(wanted: np.ndarray) -> np.ndarray:
    """Return targets (m, q) of which each column is within 4 deviations of its median."""
    median = np.median(wanted, axis=0)
    reach = SPREAD * np.median(np.abs(wanted - median), axis=0)
    return np.where(reach > 0, np.clip(wanted, median - reach, median + reach), wanted)


def priors(labels: Labels, quadratic: bool, data: DataStart | None = None) -> list[tuple[str, Prior]]:
    """Return all candidates with their names, the simplest first.

    Parameters
    ----------
    labels : Labels
        What they are learned from.
    quadratic : bool
        Whether predictions use products of inputs.
    data : DataStart, optional
        A start by the problems' data, learned from the same labels.
    """
    dim = labels.problems.dim
    means = {name: mean(labels.hessian) for name, mean in MEANS.items()}
    metric = np.linalg.cholesky(means["log"])
    bases = _bases(labels)
    fitted = {name: _fitted(labels, metric, base, quadratic) for name, base in bases.items()}
    candidates = []
    if labels.problems.hessian_function is not None:
        candidates = [(f"{name}, {NEWTON}", Prior(base, means["log"], newton=True)) for name, base in bases.items()]
    candidates += [(f"{name}, {mean}", Prior(base, means[mean])) for name, base in bases.items() for mean in means]
    candidates += [(f"{name}, step, {mean}", Prior(base, means[mean], *fitted[name], step=True))
                   for name, base in bases.items() for mean in means]
    for curvature in CURVATURES[1:] if dim <= MOST_FULL else CURVATURES[1:-1]:
        candidates += [(f"{name}, {'step, ' * step}{curvature}",
                        Prior(base, means["log"], *fitted[name], step=step, curvature=curvature))
                       for step in (False, True) for name, base in bases.items()]
    return candidates if data is None else candidates + _from_data(labels, metric, means, quadratic, data)


def _from_data(labels: Labels, metric: np.ndarray, means: dict[str, np.ndarray], quadratic: bool,
               data: DataStart) -> list[tuple[str, Prior]]:
    """Return the candidates that begin where the data say; they learn from starts that did not know the problem."""
    told = replace(labels, problems=labels.problems.with_starts(data.crossed))
    there = Base(np.zeros(len(metric)), True)
    fitted = _fitted(told, metric, there, quadratic)
    curvatures = CURVATURES[1:] if len(metric) <= MOST_FULL else CURVATURES[1:-1]
    newton = [(f"data, {NEWTON}", Prior(there, means["log"], data=data, newton=True))]
    return (newton * (labels.problems.hessian_function is not None)
            + [(f"data, {name}", Prior(there, mean, data=data)) for name, mean in means.items()]
            + [(f"data, {curvature}", Prior(there, means["log"], *fitted, curvature=curvature, data=data))
               for curvature in curvatures])


def starts(labels: Labels, quadratic: bool, data: DataStart | None = None) -> list[tuple[str, Prior]]:
    """Return the candidates for runs that know their curvature: another base point, or a first step, or both."""
    matrix, bases = MEANS["log"](labels.hessian), _bases(labels)
    metric = np.linalg.cholesky(matrix)
    candidates = [("constant", Prior(bases["constant"], matrix))]
    candidates += [(f"{name}, step", Prior(base, matrix, *_fitted(labels, metric, base, quadratic), step=True))
                   for name, base in bases.items()]
    return candidates if data is None else [*candidates, ("data", Prior(bases["x0"], matrix, data=data))]


def candidates_of(kind: Expectant) -> Candidates:
    """Return what learns the candidates for a kind of policy: ``(labels, quadratic, data)`` -> named priors."""
    return priors if kind.expects_curvature else starts


def _bases(labels: Labels) -> dict[str, Base]:
    return {"x0": Base(np.zeros(labels.problems.dim), True), "constant": Base.constant(labels)}


def _fitted(labels: Labels, metric: np.ndarray, base: Base, quadratic: bool) -> tuple[Seen, Ridge]:
    look = Look.at(labels.problems, base.of(labels.problems.x0))
    seen, dim = Seen.of(labels, metric, look, quadratic), len(metric)
    return seen, Ridge.fit(seen.inputs(*look), targets(labels, metric, base), (slice(0, dim), slice(dim, None)))
