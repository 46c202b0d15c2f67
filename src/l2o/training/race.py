"""What a method is judged by, function by function: evaluations beside those of L-BFGS, or the curve of its values.

Both are numbers to be low, of any method that the native loop runs, and need nothing but functions with starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from l2o.base.status import LIMIT, NON_FINITE
from l2o.baselines import LBFGS
from l2o.methods import StepMethod
from l2o.problems import Problems
from l2o.solving.counting import evaluations_until
from l2o.solving.minimize import minimize_many
from l2o.solving.optimum import best_known
from l2o.solving.starts import begun

__all__ = ["SCORES", "TOLERANCES", "Curve", "Mixture", "Race", "Scored"]

TOLERANCES = 10.0 ** -np.arange(1, 8)  # of the fall from the start to the lowest value known
MOST = 2.0  # by how much one tolerance of one function counts at most: a factor of 7.4
LEAST_FALL = 1e-7  # relative to the first value: below it differences are rounding
FLAT = 1e-3  # of the first gradient; a run that ends at its limit with more than that has found no minimum
TIGHT = 1e-12  # gradient at which the lowest value is looked for no further


class Scored(Protocol):
    """Functions that a method gets a score on each; lower is better."""

    @property
    def measure(self) -> str:
        """What the score is, in words."""

    @property
    def left_out(self) -> np.ndarray:
        """Rows of the given functions that no score is given on."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Scored: ...

    def scores(self, method: StepMethod) -> np.ndarray:
        """Return the score on each function, (m,)."""


def _minimised(problems: Problems, workers: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first and lowest values (m,), and whether there is a way down that ends (m,)."""
    fun, jac = problems.value_and_grad(problems.x0)
    runs = minimize_many(problems, method=LBFGS(), tol=TIGHT, workers=workers)
    lowest = best_known(problems, np.stack([problems.x0, runs.x], axis=1), workers=workers)
    ended = np.abs(runs.jac).max(axis=1) <= FLAT * np.abs(jac).max(axis=1)
    usable = np.isfinite(fun) & np.isfinite(lowest) & (ended | ~np.isin(runs.status, (LIMIT, NON_FINITE)))
    with np.errstate(invalid="ignore"):
        return fun, lowest, usable & (fun - lowest > LEAST_FALL * np.abs(fun))


@dataclass(frozen=True, eq=False)
class Race:
    """Functions with the evaluations that L-BFGS needs on them.

    A method's score on one is the mean of log((n + 1) / (L + 1)) over the tolerances, each within +-2: n evaluations
    after the first bring f within a tolerance of the lowest value known, L those of L-BFGS. Who does not get there in
    `limit` evaluations counts as 2 limit.

    Attributes
    ----------
    problems : Problems
        m functions.
    targets : ndarray, shape (m, 7)
        Values to get to.
    rival : ndarray, shape (m, 7)
        Evaluations of L-BFGS.
    left_out : ndarray of int
        Rows of the given functions that cannot be minimised: without a finite value, a minimum, or a fall towards it.
    """

    problems: Problems
    targets: np.ndarray
    rival: np.ndarray
    left_out: np.ndarray
    measure = "mean log ratio of evaluations to those of L-BFGS, over tolerances of 1e-1 to 1e-7 of the fall of f"

    @classmethod
    def of(cls, problems: Problems, horizon: int, workers: Any = 1) -> Race:
        """Find the lowest values, and run L-BFGS."""
        fun, lowest, usable = _minimised(problems, workers)
        problems, fun, lowest = problems[usable], fun[usable], lowest[usable]
        race = cls(problems, lowest[:, None] + TOLERANCES * (fun - lowest)[:, None], np.empty(0),
                   np.flatnonzero(~usable))
        return cls(problems, race.targets, race.evaluations(LBFGS()), race.left_out)

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, rows: Any) -> Race:
        return Race(self.problems[rows], self.targets[rows], self.rival[rows], self.left_out)

    @property
    def limit(self) -> int:
        """Evaluations after the first that a run may take."""
        return 50 + 5 * self.problems.dim

    def evaluations(self, method: Any) -> np.ndarray:
        """Return the evaluations (m, 7) until each target; 2 limit where there were not enough."""
        counts = evaluations_until(begun(self.problems, method), method, self.targets, self.limit)
        return np.where(counts < 0, 2 * self.limit, counts)

    def scores(self, method: StepMethod) -> np.ndarray:
        """Return the method's score on each function, (m,)."""
        ratio = np.log((self.evaluations(method) + 1) / (self.rival + 1))
        return np.clip(ratio, -MOST, MOST).mean(axis=1)


@dataclass(frozen=True, eq=False)
class Curve:
    """Functions with their lowest known values: the measure of the paper.

    A method's score on one is the mean of f - f_star over k = 1..horizon steps; +inf if a value is not finite.

    Attributes
    ----------
    problems : Problems
        m functions.
    f_star : ndarray, shape (m,)
        Lowest known values.
    horizon : int
        Steps.
    left_out : ndarray of int
        Rows of the given functions that cannot be minimised, as in `Race`.
    """

    problems: Problems
    f_star: np.ndarray
    horizon: int
    left_out: np.ndarray
    measure = "mean of f - f_star over the first steps"

    @classmethod
    def of(cls, problems: Problems, horizon: int, workers: Any = 1) -> Curve:
        """Find the lowest values."""
        _, lowest, usable = _minimised(problems, workers)
        return cls(problems[usable], lowest[usable], horizon, np.flatnonzero(~usable))

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, rows: Any) -> Curve:
        return Curve(self.problems[rows], self.f_star[rows], self.horizon, self.left_out)

    def scores(self, method: StepMethod) -> np.ndarray:
        """Return the method's score on each function, (m,)."""
        fun = method.simulate(begun(self.problems, method), self.horizon).fun[:, 1:]
        return np.where(np.isfinite(fun), fun - self.f_star[:, None], np.inf).mean(axis=1)


SCORES: dict[str, Callable[..., Scored]] = {"evaluations": Race.of, "curve": Curve.of}


@dataclass(frozen=True, eq=False)
class Mixture:
    """Functions of several objectives and dimensions, each with its score.

    Attributes
    ----------
    parts : list of Scored
        By objective and dimension.
    """

    parts: list[Scored]

    @classmethod
    def of(cls, name: str, functions: Sequence[Problems], score: str, horizon: int, workers: Any = 1) -> Mixture:
        """Prepare the score of given functions.

        Raises
        ------
        ValueError
            If none of them can be minimised.
        """
        mixture = cls([SCORES[score](each, horizon, workers) for each in functions])
        if len(mixture) == 0:
            raise ValueError(f"none of the {sum(map(len, functions))} {name} functions can be minimised: no run of "
                             "L-BFGS leads from a finite value down to a minimum; expected one that does")
        return mixture

    @property
    def measure(self) -> str:
        """What the score is, in words."""
        return self.parts[0].measure

    def beside(self) -> dict[str, Any]:
        """Return which validation functions are not among these."""
        return {"left_out": self.left_out} if any(self.left_out) else {}

    @property
    def left_out(self) -> list[list[int]]:
        """Rows of the given functions that cannot be minimised, for each part."""
        return [each.left_out.tolist() for each in self.parts]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, rows: np.ndarray) -> Mixture:
        """Return some functions, by increasing numbers; parts without any are left out."""
        ends = np.cumsum([len(each) for each in self.parts])
        chosen = np.split(rows, np.searchsorted(rows, ends[:-1]))
        return Mixture([part[which - (end - len(part))] for part, which, end in zip(self.parts, chosen, ends)
                        if len(which)])

    def scores(self, method: StepMethod) -> np.ndarray:
        """Return the method's score on each function, (m,)."""
        return np.concatenate([each.scores(method) for each in self.parts])

    def score(self, method: StepMethod) -> float:
        """Return the mean of the scores; +inf if one is not finite."""
        mean = float(self.scores(method).mean())
        return mean if np.isfinite(mean) else np.inf
