"""tune: the settings of a baseline that do best on given problems.

Every setting that can be tuned is an axis of points in geometric progression: a step size, or what a
decay leaves, 1 - decay. The product of the axes is the grid. The best of it is looked for; where it lies
on a border, the axis grows there; then the surroundings of the best are searched once more, finely.
A baseline with settings joins by an entry in AXES.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Workers
from l2o.baselines import GradientDescent, LevenbergMarquardt, Momentum
from l2o.methods import Method
from l2o.problems import Problems, problems_with_starts
from l2o.solving.rollout import rollout
from l2o.solving.usable import usable_or_warn

__all__ = ["best_of_grid", "grid", "tune"]

Baseline = TypeVar("Baseline", bound=Method)

REFINEMENT = np.arange(-8, 9) / 8  # positions around the best point of the grid, in steps of the grid
WIDENINGS = 8  # a bound on how often the grid grows: on a separable logistic regression any step size is too small


@dataclass(frozen=True)
class Axis:
    """Settings in geometric progression: at position p, ratio^p, or 1 - ratio^p for a complement.

    Attributes
    ----------
    ratio : float
        Quotient of two neighbours, above 0 and not 1.
    first, last : int
        Positions of the ends of the grid.
    complement : bool
        Whether 1 - ratio^p is the setting.
    lowest : int, optional
        Position that no setting may go below.
    """

    ratio: float
    first: int
    last: int
    complement: bool = False
    lowest: int | None = None

    def setting(self, position: float) -> float:
        """Return the setting at a position."""
        value = self.ratio**position
        return float(1.0 - value if self.complement else value)

    def allowed(self, position: float) -> bool:
        """Say whether there is a setting at a position."""
        return self.lowest is None or position >= self.lowest


STEP_SIZE = Axis(ratio=10**0.2, first=-10, last=5)  # 16 step sizes from 0.01 to 10
DECAY = Axis(ratio=0.7, first=0, last=7, complement=True, lowest=0)  # 0, 0.3, 0.51, ... 0.918

RADIUS = Axis(ratio=10**0.5, first=-4, last=5)  # 10 first radii from 0.01 to 316, in units of the start

AXES: dict[type, dict[str, Axis]] = {
    GradientDescent: {"step_size": STEP_SIZE},
    LevenbergMarquardt: {"factor": RADIUS},
    Momentum: {"step_size": STEP_SIZE, "decay": DECAY},
}


@overload
def tune(baseline_class: type[Baseline], problems: Problems, n_steps: int = 40, *, x0: ArrayLike | None = None,
         workers: Workers = 1, return_grid: Literal[False] = False) -> Baseline: ...


@overload
def tune(baseline_class: type[Baseline], problems: Problems, n_steps: int = 40, *, x0: ArrayLike | None = None,
         workers: Workers = 1, return_grid: Literal[True]) -> tuple[Baseline, list[Baseline]]: ...


def tune(baseline_class: type[Baseline], problems: Problems, n_steps: int = 40, *, x0: ArrayLike | None = None,
         workers: Workers = 1, return_grid: bool = False) -> Baseline | tuple[Baseline, list[Baseline]]:
    """Find the settings of a baseline with the lowest mean of f - f_star over k = 1..n_steps.

    The grid has 16 step sizes, and 8 decays for momentum, or 10 factors. It grows where its best point lies on a border
    (at most 8 times), and is refined once, by steps of an eighth. A setting with which any value is not
    finite counts as +inf; problems that are not finite at their starts are left out. The constant f_star of a problem
    does not change which settings are best, so it is not needed.

    Parameters
    ----------
    baseline_class : type
        `l2o.baselines.GradientDescent`, `l2o.baselines.Momentum`, or for least-squares problems
        `l2o.baselines.LevenbergMarquardt`, of which it is the factor.
    problems : Problems
        The problems to do well on; those of training, never those of the evaluation.
    n_steps : int
        Steps T of a run, at least 1.
    x0 : array_like, shape (m, d), optional
        Starting points; by default those of the problems.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.
    return_grid : bool
        Return every baseline that was tried, too.

    Returns
    -------
    baseline
        An object of baseline_class; with return_grid a pair of it and the list of all that were tried.

    Raises
    ------
    ValueError, TypeError
        If the baseline has no settings to tune, an argument does not fit, or no problem is finite at its start.

    Warns
    -----
    RuntimeWarning
        If the best settings still lie on the border of the grid after it has grown 8 times, and if problems are left
        out: how many, and which.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(20, rng=1)
    >>> tuned = l2o.tune(l2o.baselines.GradientDescent, problems, n_steps=20)
    >>> 0.5 < tuned.step_size < 5
    True
    """
    axes = _axes(baseline_class)
    problems, _ = usable_or_warn(_checked(problems, x0), 2)
    n_steps = arguments.count("n_steps", n_steps)
    search = _Search(baseline_class, axes, problems, n_steps, workers, {})
    best = search.widened()
    best = search.best([search.around(name, best[i]) for i, name in enumerate(axes)])
    chosen = search.baseline(best)
    return (chosen, [search.baseline(position) for position in search.scores]) if return_grid else chosen


def grid(baseline_class: type) -> list[Method]:
    """Return the baselines of the grid that `tune` begins with.

    Parameters
    ----------
    baseline_class : type
        `l2o.baselines.GradientDescent` (16 settings), `l2o.baselines.Momentum` (128), `LevenbergMarquardt` (10).

    Returns
    -------
    list of baselines

    Raises
    ------
    ValueError, TypeError
        If the baseline has no settings to tune.
    """
    axes = _axes(baseline_class)
    positions = itertools.product(*(range(axis.first, axis.last + 1) for axis in axes.values()))
    return [_baseline(baseline_class, axes, position) for position in positions]


def best_of_grid(methods: Sequence[Method], problems: Problems, n_steps: int = 40, *, x0: ArrayLike | None = None,
                 f_star: ArrayLike | None = None, workers: Workers = 1) -> np.ndarray:
    """Return the lowest of the methods' mean curves at each k: what no one setting can do, all together reach.

    Parameters
    ----------
    methods : sequence of methods
        For instance ``grid(Momentum)``, or what ``tune(..., return_grid=True)`` tried.
    problems : Problems
        m problems of dimension d.
    n_steps : int
        Steps T of a run, at least 1.
    x0 : array_like, shape (m, d), optional
        Starting points; by default those of the problems.
    f_star : array_like, shape (m,), optional
        Lowest known value of each problem; its mean is subtracted. By default nothing is.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.

    Returns
    -------
    ndarray, shape (T+1,)
        Minimum over the methods of the mean of f (or f - f_star) over the problems, at k = 0..T; a mean
        over values that are not all finite counts as +inf. Problems that are not finite at their starts are left out,
        with a RuntimeWarning.

    Raises
    ------
    ValueError, TypeError
        If methods is empty, an argument does not fit, or no problem is finite at its start.
    """
    problems, methods = _checked(problems, x0), list(methods)
    n_steps = arguments.count("n_steps", n_steps)
    if not methods:
        raise ValueError("methods is empty; expected at least one method")
    f_star = np.zeros(len(problems)) if f_star is None else f_star
    f_star = arguments.array("f_star", f_star, (len(problems),), "one value for each problem")
    kept, rest = usable_or_warn(problems, 2)
    curves = [_mean_curve(kept, method, n_steps, workers) for method in methods]
    return np.min(curves, axis=0) - np.delete(f_star, rest).mean()


def _axes(baseline_class: Any) -> dict[str, Axis]:
    known = ", ".join(c.__name__ for c in AXES)
    if not isinstance(baseline_class, type):
        raise TypeError(f"baseline_class is {baseline_class!r}; expected a class: {known}")
    if baseline_class not in AXES:
        raise ValueError(f"baseline_class is {baseline_class.__name__}, which has nothing to tune; expected {known}")
    return AXES[baseline_class]


def _checked(problems: Any, x0: Any) -> Problems:
    problems = problems_with_starts(problems, x0)
    if len(problems) == 0:
        raise ValueError("problems is empty; expected at least one problem")
    return problems


def _baseline(baseline_class: Any, axes: dict[str, Axis], position: Sequence[float]) -> Any:
    return baseline_class(**{name: axis.setting(p) for (name, axis), p in zip(axes.items(), position)})


def _mean_curve(problems: Problems, method: Any, n_steps: int, workers: Any) -> np.ndarray:
    """Return the mean of f at each k, (T+1,); +inf where a value is not finite."""
    fun = rollout(problems, method=method, n_steps=n_steps, workers=workers).fun
    with np.errstate(over="ignore", invalid="ignore"):
        mean = fun.mean(axis=0)
    return np.where(np.isfinite(mean), mean, np.inf)


@dataclass(frozen=True, eq=False)
class _Search:
    baseline_class: type
    axes: dict[str, Axis]
    problems: Problems
    n_steps: int
    workers: Any
    scores: dict[tuple[float, ...], float]  # by position; what has been tried is not tried again

    def baseline(self, position: Sequence[float]) -> Any:
        return _baseline(self.baseline_class, self.axes, position)

    def around(self, name: str, position: float) -> list[float]:
        """Return the fine positions around one of an axis."""
        return [p for p in (position + REFINEMENT).tolist() if self.axes[name].allowed(p)]

    def best(self, positions: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Return the best point tried so far, after trying every combination of the positions."""
        for point in itertools.product(*(map(float, along) for along in positions)):
            if point not in self.scores:
                curve = _mean_curve(self.problems, self.baseline(point), self.n_steps, self.workers)
                self.scores[point] = float(curve[1:].mean())
        return min(self.scores, key=self.scores.__getitem__)

    def widened(self) -> tuple[float, ...]:
        """Return the best point of the grid, grown until that point lies inside."""
        ends = {name: (axis.first, axis.last) for name, axis in self.axes.items()}
        for _ in range(WIDENINGS + 1):
            best = self.best([range(first, last + 1) for first, last in ends.values()])
            grown = {name: self._grown(name, ends[name], p) for name, p in zip(ends, best)}
            if grown == ends:
                return best
            ends = grown
        warnings.warn(f"the best settings, {self.baseline(best)}, lie on the border of the tuning grid",
                      RuntimeWarning, stacklevel=3)
        return best

    def _grown(self, name: str, ends: tuple[int, int], position: float) -> tuple[int, int]:
        """Return the ends of an axis, moved out by five where the best position is at one."""
        (first, last), lowest = ends, self.axes[name].lowest
        if position == first:
            first = first - 5 if lowest is None else max(first - 5, lowest)
        return first, last + 5 if position == last else last
