"""Fits of a family's curves as a trainer sees them: what came of them, and which way to begin is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from l2o.baselines import LevenbergMarquardt
from l2o.curves.curve_fit import curve_fit_many
from l2o.curves.result import CurveFit
from l2o.methods import StepMethod
from l2o.policies.bare import Bare
from l2o.policies.levenberg_marquardt import LevenbergMarquardt as Kind
from l2o.policies.levenberg_marquardt import joined
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.problems.least_squares import SquaresOf

__all__ = ["Fits", "Outcome", "Trials", "Way"]

ALIKE = 1e-6  # of chi2: who ends further above the lowest has ended elsewhere
WORTH = np.log(1.01)  # by which a way to begin must beat a simpler one


class Way(NamedTuple):
    """A way to begin: a start and a damping."""

    kind: Kind
    weights: Weights

    @property
    def method(self) -> Bare:
        """The same as a method."""
        return Bare(self.kind, self.weights)


class Outcome(NamedTuple):
    """What came of m fits.

    Attributes
    ----------
    x : ndarray, shape (m, d)
        Parameters.
    chi2 : ndarray, shape (m,)
        What was minimised; inf where it is no number.
    nfev : ndarray of int, shape (m,)
        Evaluations.
    usable : ndarray of bool, shape (m,)
        Whether a fit tells where others end.
    """

    x: np.ndarray
    chi2: np.ndarray
    nfev: np.ndarray
    usable: np.ndarray

    @classmethod
    def of(cls, fit: CurveFit) -> Outcome:
        """Take from fits what counts."""
        usable = fit.success & np.isfinite(fit.cov).all(axis=(1, 2))
        return cls(fit.x, np.where(np.isfinite(fit.chi2), fit.chi2, np.inf), fit.nfev, usable)

    def some(self, rows: np.ndarray) -> Outcome:
        """Return what came of some of the fits."""
        return Outcome(self.x[rows], self.chi2[rows], self.nfev[rows], self.usable[rows])

    def elsewhere(self, lowest: np.ndarray) -> np.ndarray:
        """Return which fits have ended above the lowest chi2 (m,) that is known."""
        return ~(self.chi2 <= lowest * (1.0 + ALIKE))

    def cost(self, lowest: np.ndarray) -> float:
        """Return the mean log of evaluations; a fit that has ended elsewhere counts twice."""
        return float((np.log(self.nfev) + np.log(2.0) * self.elsewhere(lowest)).mean())


@dataclass(frozen=True, eq=False)
class Fits:
    """Problems of one model as curves.

    Attributes
    ----------
    problems : Problems
        The m problems.
    source : SquaresOf
        What they are made of.
    tables : list of ndarray, each (n, k + 2)
        Points, values, 1 / sigma.
    """

    problems: Problems
    source: SquaresOf
    tables: list[np.ndarray]

    @classmethod
    def of(cls, problems: Problems) -> Fits:
        """Read the curves.

        Raises
        ------
        ValueError
            If the problems are no least-squares problems of a model.
        """
        source = problems.kernel.source
        if not isinstance(source, SquaresOf):
            raise ValueError(f"family has the objective {problems.kernel.card()['name']!r}; expected problems of "
                             "families.LeastSquares for this trainer")
        return cls(problems, source, list(problems.data()))

    def some(self, rows: np.ndarray) -> Fits:
        """Return some of the curves."""
        return Fits(self.problems[rows], self.source, [self.tables[i] for i in rows])

    def common(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the points (n, k) that all curves share, and the values (m, n); None if they do not."""
        k, first = self.source.k, self.tables[0]
        if any(each.shape != first.shape or not np.array_equal(each[:, :k], first[:, :k]) for each in self.tables):
            return None
        return first[:, :k].copy(), np.array([each[:, k] for each in self.tables])

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the points (N, k), the values (N,), and where the curves lie among them, (m + 1,)."""
        return joined(self.problems)

    def by(self, method: StepMethod | None) -> Outcome:
        """Return what comes of fits that begin as a method says; None: at their own starts, by the default damping."""
        k, loss = self.source.k, self.source.loss.name
        damped = None if method is None else method.serving(self.problems)
        options = ({"damping": damped.damping, "factor": damped.factor} if isinstance(damped, LevenbergMarquardt)
                   else None)
        starts = self.problems.x0 if method is None else method.starts(self.problems)
        t, Y, inverse = ([each[:, column] for each in self.tables] for column in (slice(k), k, k + 1))
        sigma = None if loss == "poisson" else [1.0 / each for each in inverse]
        if len({len(each) for each in Y}) == 1:  # lists are for lengths that differ
            return Outcome.of(curve_fit_many(self.source.model, np.array(t), np.array(Y), starts, loss=loss,
                                             sigma=None if sigma is None else np.array(sigma), options=options))
        return Outcome.of(curve_fit_many(self.source.model, t, Y, starts, sigma=sigma, loss=loss, options=options))


@dataclass(frozen=True, eq=False)
class Trials:
    """Ways to begin, tried on the same curves.

    Attributes
    ----------
    fits : Fits
        The curves.
    own : Outcome
        Their fits from their own starts by the default damping.
    tried : dict of str to Outcome
        What came of each way.
    ways : dict of str to Way
        The ways.
    """

    fits: Fits
    own: Outcome
    tried: dict[str, Outcome] = field(default_factory=dict)
    ways: dict[str, Way] = field(default_factory=dict)

    def best(self, ways: Mapping[str, Way], among: Sequence[str] | None = None) -> str:
        """Try ways to begin, the simplest first; return the name of the first that is not behind the best.

        among : names of ways, tried before or now, that compete, if not only those tried now.
        """
        for name, way in ways.items():
            self.ways[name] = way
            self.tried[name] = self.fits.by(way.method)
        cost = {name: self.cost(name) for name in among or ways}
        return next(name for name, each in cost.items() if each <= min(cost.values()) + WORTH)

    def cost(self, name: str) -> float:
        """Return the cost of a way that was tried, by all that is known by now."""
        return self.tried[name].cost(self.lowest)

    @property
    def lowest(self) -> np.ndarray:
        """The lowest chi2 of each curve that any has found, (m,)."""
        return np.min([self.own.chi2, *(each.chi2 for each in self.tried.values())], axis=0)

    def scores(self) -> dict[str, list[float]]:
        """Return of each way the evaluations relative to those from own starts, and the share at the lowest chi2."""
        base, lowest = self.own.nfev.mean(), self.lowest
        return {name: [round(float(found.nfev.mean() / base), 4), round(float(1 - found.elsewhere(lowest).mean()), 4)]
                for name, found in {"as it was": self.own, **self.tried}.items()}
