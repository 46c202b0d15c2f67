"""Comparison: the record of a `compare`, and what can be read off it.

The three axes answer three questions: by iteration (the paper's figures), by evaluation (a line search
pays for its trials), by seconds (a learned step pays for its network).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import File
from l2o.evaluation import report
from l2o.evaluation.bootstrap import CONFIDENCE
from l2o.evaluation.curves import VALUES, Curve, Values, difference, finite_everywhere, summarise
from l2o.evaluation.margins import margins
from l2o.evaluation.plotting import plot_curves
from l2o.evaluation.timing import elapsed, seconds_per_problem
from l2o.methods import Method
from l2o.problems import Problems
from l2o.solving.rollout import Rollouts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison"]

STEPWISE = ("iteration", "evaluation")  # axes on which k means the same for all methods
STATISTICS = ("mean", "median")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Methods side by side on the same problems. `compare` makes it.

    Attributes
    ----------
    problems : Problems
        The m problems, with their starting points.
    methods : dict of method
        The methods by name, with their settings.
    runs : dict of Rollouts
        The trajectories of each.
    f_star : ndarray, shape (m,)
        The value of each problem from which all values are measured.
    n_steps : int
        Steps T of a run.
    resamples : ndarray of int, shape (n_bootstrap, m)
        How often each problem was drawn in each bootstrap resample.
    """

    problems: Problems
    methods: dict[str, Method]
    runs: dict[str, Rollouts]
    f_star: np.ndarray
    n_steps: int
    resamples: np.ndarray

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.methods)}: {len(self.problems)} problems, {self.n_steps} steps)"

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Seconds that a problem takes each method, for all steps.

        The time of the whole batch on one worker, the median of 5 repetitions, divided by the number of
        problems; one repetition if it takes over 1 s. It is measured when first asked for.
        """
        return {name: seconds_per_problem(self.problems, each, self.n_steps) for name, each in self.methods.items()}

    def curves(self, by: str = "iteration") -> dict[str, Curve]:
        """Return the curve of f - f_star of each method.

        Parameters
        ----------
        by : {"iteration", "evaluation", "seconds"}
            "iteration": f after k accepted steps. "evaluation": the lowest f among evaluations 0..k.
            "seconds": f by iteration, over the seconds of a problem until then, which this measures: the
            method's `seconds` times the share of its evaluations made after k steps (k / T for a method
            with one evaluation a step).

        Returns
        -------
        dict of Curve

        Raises
        ------
        ValueError
            If by is none of these.
        """
        values = self._values(by, tuple(VALUES))
        axes: dict[str, np.ndarray] = dict.fromkeys(values, np.arange(self.n_steps + 1))
        if by == "seconds":
            axes = {name: seconds * elapsed(self.runs[name]) for name, seconds in self.seconds.items()}
        return summarise(values, axes, self.resamples)

    def margin_of_victory(self, by: str = "iteration") -> dict[str, Curve]:
        """Return the curve of each method's margin of victory, min over B != A of f_B(k) - f_A(k).

        The mean is over all problems. A margin of a non-finite A is -(f(x0) - f_star); a non-finite rival
        is passed over, and where all rivals are non-finite they count as f(x0).

        Parameters
        ----------
        by : {"iteration", "evaluation"}
            As in `curves`.

        Returns
        -------
        dict of Curve

        Raises
        ------
        ValueError
            If by is none of these, or there is one method only.

        References
        ----------
        Li and Malik, *Learning to Optimize*, 2016, section 4.
        """
        values = self._values(by, STEPWISE)
        if len(values) < 2:
            raise ValueError(f"methods is {list(values)}; a margin of victory needs at least two")
        return margins(values, np.arange(self.n_steps + 1), self.resamples)

    def paired(self, a: str, b: str, by: str = "iteration") -> Curve:
        """Return the curve of f_b - f_a, positive where a is better, with its paired bootstrap interval.

        Parameters
        ----------
        a, b : str
            Names of two methods.
        by : {"iteration", "evaluation"}
            As in `curves`.

        Returns
        -------
        Curve
            Mean, median and interval over the problems on which all methods are finite; n_nonfinite is the
            number of problems on which a or b is not.

        Raises
        ------
        ValueError
            If a or b is not the name of a method, or by is neither of these.
        """
        values = self._values(by, STEPWISE)
        for argument, name in (("a", a), ("b", b)):
            arguments.choice(argument, name, tuple(self.methods))
        return difference(values, a, b, np.arange(self.n_steps + 1), self.resamples)

    def left_out(self, by: str = "iteration") -> np.ndarray:
        """Return the rows of problems that means are not over: there some method is not finite at some k.

        Parameters
        ----------
        by : {"iteration", "evaluation"}
            As in `curves`.
        """
        return np.flatnonzero(~finite_everywhere(self._values(by, STEPWISE)))

    def _values(self, by: str, expected: tuple[str, ...]) -> Values:
        """Return f - f_star of each method, (m, T+1)."""
        arguments.choice("by", by, expected)
        with np.errstate(over="ignore"):
            return {name: VALUES[by](runs) - self.f_star[:, None] for name, runs in self.runs.items()}

    def plot(self, ax: Axes | None = None, by: str = "iteration", statistic: str = "mean") -> Axes:
        """Draw the curves (needs the extra ``plot``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default on a new figure, ``ax.figure`` of what is returned.
        by : {"iteration", "evaluation", "seconds"}
            As in `curves`.
        statistic : {"mean", "median"}
            What is drawn; the mean has its 95 % band.

        Returns
        -------
        matplotlib Axes
        """
        arguments.choice("statistic", statistic, STATISTICS)  # before seconds are measured
        return plot_curves(self.curves(by), ax, by, statistic)

    def table(self, at: Iterable[int] = (1, 2, 3, 5, 10, 20, 40, 100), by: str = "iteration",
              statistic: str = "mean") -> str:
        """Return the curves at some k as a text table; k beyond n_steps are left out.

        Parameters
        ----------
        at : iterable of int
            Values of k, at least 0.
        by : {"iteration", "evaluation"}
            As in `curves`.
        statistic : {"mean", "median"}
            What is shown.

        Returns
        -------
        str
        """
        arguments.choice("by", by, STEPWISE)
        arguments.choice("statistic", statistic, STATISTICS)
        return report.as_table(self.curves(by), at, by, statistic, self.left_out(by))

    def to_dict(self, timing: bool = False) -> dict[str, Any]:
        """Return settings, curves, margins and paired differences (first method against each other).

        Parameters
        ----------
        timing : bool
            Measure seconds, too; all else is the same in any two runs with the same seed.

        Returns
        -------
        dict
            Of what JSON holds; numbers that are not finite are None.
        """
        first, *rest = self.methods
        record: dict[str, Any] = {
            "n_problems": len(self.problems), "dim": self.problems.dim, "n_steps": self.n_steps,
            "n_bootstrap": len(self.resamples), "confidence": CONFIDENCE, "f_star": self.f_star,
            "methods": {name: {"settings": repr(method)} for name, method in self.methods.items()},
            "left_out": {by: self.left_out(by) for by in STEPWISE},
            "curves": {by: report.records(self.curves(by)) for by in STEPWISE},
            "margin_of_victory": {}, "paired": {"reference": first},
        }
        if rest:
            record["margin_of_victory"] = {by: report.records(self.margin_of_victory(by)) for by in STEPWISE}
            record["paired"] |= {by: report.records({b: self.paired(first, b, by) for b in rest}) for by in STEPWISE}
        if timing:
            record["curves"]["seconds"] = report.records(self.curves("seconds"))
            for name, seconds in self.seconds.items():
                record["methods"][name]["seconds_per_problem"] = seconds
        return report.as_json(record)

    def to_json(self, path: File, timing: bool = False) -> None:
        """Write `to_dict` to a file.

        Parameters
        ----------
        path : path-like
            Where to; the file is replaced in one piece.
        timing : bool
            Measure seconds, too.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        text = json.dumps(self.to_dict(timing), allow_nan=False, indent=1)
        with arguments.written(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(text + "\n")
