"""Levenberg-Marquardt with a learned start and a learned first damping: for least-squares problems of a family.

Where an objective offers no residuals, runs are those of the quasi-Newton rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o import baselines
from l2o.base import arguments
from l2o.baselines.damping import DAMPING, TEXTBOOK
from l2o.methods import Handoff, Method, Runnable, Step
from l2o.policies.architecture import Architecture, Beginning, own_starts
from l2o.policies.points_start import PointsShape
from l2o.policies.quasi_newton import QuasiNewton
from l2o.policies.values_start import ValuesShape
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.problems.layout import HEADER

__all__ = ["LevenbergMarquardt"]

RULE = QuasiNewton(memory=1, features=False)  # where there are no residuals
LARGEST = 700.0  # logarithm of a factor


@dataclass(frozen=True)
class LevenbergMarquardt(Architecture):
    """Settings of Levenberg's and Marquardt's method with a learned start, for problems of `families.LeastSquares`.

    Learned by `l2o.StartRegression` are where curves begin and how their damping does. It is a method of
    `l2o.curve_fit_many`, as of `l2o.minimize_many`; objectives without residuals are minimised by a lean quasi-Newton
    rule from their own starts.

    Parameters
    ----------
    damping : {"more", "nielsen", "learned"}
        As of `l2o.baselines.LevenbergMarquardt`; the factor of the first two is a weight.
    constant : bool
        Whether runs begin at a constant, or at a problem's own start.
    values : ValuesShape, optional
        How curves with all their values begin, if these tell.
    points : PointsShape, optional
        How curves with other points begin, if their values tell.
    """

    kind: ClassVar[str] = "levenberg-marquardt"
    handoff: ClassVar[Handoff] = QuasiNewton.handoff

    damping: str = "more"
    constant: bool = False
    values: ValuesShape | None = None
    points: PointsShape | None = None

    def __post_init__(self) -> None:
        arguments.choice("damping", self.damping, DAMPING)
        if isinstance(self.values, dict):  # from a card
            object.__setattr__(self, "values", ValuesShape(**self.values))
        if isinstance(self.points, dict):
            object.__setattr__(self, "points", PointsShape(**self.points))
        for name, shape in (("values", ValuesShape), ("points", PointsShape)):
            given = getattr(self, name)
            if given is not None and not (isinstance(given, shape) and self.constant):
                raise TypeError(f"{name} is {given!r}; expected a {shape.__name__}, and constant=True for other curves")

    @property
    def one_dimension(self) -> bool:
        """Whether weights serve one number of variables: those with a start do."""
        return self.constant

    def shapes(self, dim: int | None = None) -> dict[str, tuple[int, ...]]:
        always: dict[str, tuple[int, ...]] = {**RULE.shapes(), **({"factor": (1,)} if self.damping in TEXTBOOK else {})}
        if not self.constant or dim is None:
            return always
        learned = [each.shapes(dim) for each in (self.values, self.points) if each is not None]
        return {**always, "base": (dim,), **{name: shape for each in learned for name, shape in each.items()}}

    def initial(self, dim: int | None = None, rng: np.random.Generator | None = None,
                observed: np.ndarray | None = None) -> Weights:
        """Return the constants by hand: nothing is drawn; runs begin at zero."""
        known = {**RULE.initial(), "factor": np.log(DAMPING[self.damping](None).numbers)}
        return {name: known.get(name, np.zeros(shape)) for name, shape in self.shapes(dim).items()}

    def dim(self, weights: Weights) -> int | None:
        return len(weights["base"]) if self.constant else None

    def check(self, weights: Weights) -> None:
        """Raise ValueError if a factor or limits are none."""
        if "factor" in weights and not abs(weights["factor"][0]) <= LARGEST:
            raise ValueError(f"weights['factor'] is {weights['factor'][0]}; expected a logarithm within {LARGEST}")
        for name in ("values_range", "points_range"):
            if name in weights and not (weights[name][0] <= weights[name][1]).all():
                raise ValueError(f"weights[{name!r}] has a lower limit above the upper one; expected ranges")
        if "points_noise" in weights and not weights["points_noise"][0] > 0.0:
            raise ValueError(f"weights['points_noise'] is {weights['points_noise'][0]}; expected a number above 0")

    def step(self, weights: Weights, dim: int) -> Step:
        """Return the rule for objectives without residuals, as the kernels see it."""
        return RULE.step(weights, dim)

    def serving(self, weights: Weights, problems: Runnable) -> Method | None:
        return None if problems.normal_function is None else self.by_residuals(weights)

    def by_residuals(self, weights: Weights) -> baselines.LevenbergMarquardt:
        """Return the method with the learned damping."""
        factor = float(np.exp(weights["factor"][0])) if "factor" in weights else None
        return baselines.LevenbergMarquardt(self.damping, factor)

    def beginning(self, weights: Weights) -> Beginning:
        return (lambda problems: self._starts(weights, problems)) if self.constant else own_starts

    def curve_starts(self, weights: Weights, t: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray | None:
        """Return where curves begin, (m, d); None if at their own starts.

        Parameters
        ----------
        weights : dict of ndarray
            The weights.
        t : ndarray, shape (n, k) or (N, k)
            Points, the same for all curves or each one's own.
        y : ndarray, shape (N,)
            Values, NaN where there is none.
        offsets : ndarray of intp, shape (m + 1,)
            The values of curve i are those from offsets[i] to offsets[i + 1].
        """
        if not self.constant:
            return None
        starts = self._elsewhere(weights, t, y, offsets)
        if self.values is not None and np.array_equal(t, weights["values_points"]):
            rows = y.reshape(len(starts), -1)
            known = np.isfinite(rows).all(axis=1)
            starts[known] = self.values.start(weights)(rows[known])
        return starts

    def _elsewhere(self, weights: Weights, t: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return where curves at any points begin, as `curve_starts`: at the constant, where too few are known."""
        starts = weights["base"][None].repeat(len(offsets) - 1, axis=0)
        if self.points is not None and t.shape[1] == self.points.n_numbers:
            start = self.points.start(weights)
            known = start.counts(t, y, offsets) >= starts.shape[1]
            starts[known] = start(t, y, offsets)[known]
        return starts

    def _starts(self, weights: Weights, problems: Problems) -> np.ndarray:
        """Return where runs of problems begin, (m, d)."""
        if problems.normal_function is None:
            return problems.x0
        if self.points is not None:
            starts = self._elsewhere(weights, *joined(problems))
        else:
            starts = weights["base"][None].repeat(len(problems), axis=0)
        if self.values is None:
            return starts
        n, k = self.values.n_points, self.values.n_numbers
        sizes = problems.entries(np.arange(HEADER))
        alike = np.flatnonzero((sizes == (n, k + 2)).all(axis=1))
        tables = problems[alike].entries(HEADER + np.arange(n * (k + 2))).reshape(-1, n, k + 2)
        known = (tables[:, :, :k] == weights["values_points"]).all(axis=(1, 2))
        starts[alike[known]] = self.values.start(weights)(tables[known, :, k])
        return starts


def joined(problems: Problems) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (N, k), values (N,) and offsets (m + 1,) of problems of curves."""
    tables = list(problems.data())
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in tables])]).astype(np.intp)
    table = np.concatenate(tables)
    return np.ascontiguousarray(table[:, :-2]), np.ascontiguousarray(table[:, -2]), offsets
