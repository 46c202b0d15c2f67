"""Functions to train on after a prior was learned from them, from priors that did not know them.

A prior is better on what it was learned from than it will be in use, and constants that are trained from there would
trust it too much. So it is learned again from four fifths of the functions, and the others begin with that; for each
fifth, and for several partings into fifths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from l2o import _kernels
from l2o.learning.choice import LEAST
from l2o.learning.data_start import DataStart, Source
from l2o.learning.labels import Labels
from l2o.learning.prior import candidates_of
from l2o.methods import Step, StepMethod
from l2o.policies import Architecture
from l2o.policies.data_start import found
from l2o.policies.prior import PriorShape
from l2o.policies.trainable import Expectant
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.training.race import SCORES, Mixture, Scored

__all__ = ["crossed"]

FOLDS, PARTINGS = 5, 2
STARTS = 3  # of the runs that labels come from


@dataclass(frozen=True, eq=False)
class _Crossed(StepMethod):
    """A rule that runs each of m functions from one of several priors.

    Attributes
    ----------
    network : Architecture
        The rule, which begins where a function does.
    weights : list of dict of ndarray
        For each prior.
    part : ndarray of int, shape (m,)
        The prior of each function.
    """

    network: Architecture
    weights: list[Weights]
    part: np.ndarray

    def step(self, dim: int) -> Step:
        """Return what the kernels need."""
        steps = [self.network.step(each, dim) for each in self.weights]
        blocks = _kernels.aligned((len(steps), steps[0].blocks.shape[1]))
        for block, each in zip(blocks, steps):
            block[:] = each.blocks[0]
        return replace(steps[0], blocks=blocks, index=self.part, handoff=self.network.handoff)


@dataclass(frozen=True, eq=False)
class _FromPriors:
    """Functions on which a rule is scored with these priors in the place of its own.

    Attributes
    ----------
    scored : Scored
        m functions; they start where their priors say.
    shape : PriorShape
        What the priors consist of beside that.
    priors : list of dict of ndarray
        Their weights, without the scale, which is trained.
    part : ndarray of int, shape (m,)
        The prior of each function.
    """

    scored: Scored
    shape: PriorShape
    priors: list[Weights]
    part: np.ndarray

    @property
    def measure(self) -> str:
        """What the score is, in words."""
        return self.scored.measure

    @property
    def left_out(self) -> np.ndarray:
        """Rows of the given functions that no score is given on."""
        return self.scored.left_out

    def __len__(self) -> int:
        return len(self.scored)

    def __getitem__(self, rows: Any) -> _FromPriors:
        return replace(self, scored=self.scored[rows], part=self.part[rows])

    def scores(self, method: Any) -> np.ndarray:
        """Return the score of a rule on each function, (m,)."""
        weights = [{**method.weights, **prior} for prior in self.priors]
        return self.scored.scores(_Crossed(method.network.expecting(self.shape), weights, self.part))


def crossed(problems: Problems, kind: Expectant, candidate: str, score: str, horizon: int,
            workers: Any) -> Mixture | None:
    """Return training functions, each with priors that were learned without it; None if too few can be learned from.

    Parameters
    ----------
    problems : Problems
        Those that a prior was learned from.
    kind : Expectant
        What begins with it.
    candidate : str
        Its name among the candidates.
    score, horizon, workers
        As of `Mixture.of`.
    """
    rng = np.random.default_rng(0)
    labels = Labels.of(problems, STARTS, rng)
    if len(labels) < 2 * LEAST:
        return None
    shape = cast(PriorShape, kind.prior)
    source = None if shape.data is None else Source.of(
        labels.problems, None if shape.data.function is None else found(shape.data.function))[0]
    learned, starts, rows = [], [], []
    for _ in range(PARTINGS):
        fold = rng.permutation(len(labels)) % FOLDS
        for k in range(FOLDS):
            kept, held = labels[fold != k], np.flatnonzero(fold == k)
            data = None if source is None else DataStart.fit(kept, source)
            prior = dict(candidates_of(kind)(kept, shape.quadratic, data))[candidate]
            learned.append({**prior.weights(), "base": np.zeros(problems.dim)})
            starts.append(prior.starts(labels.problems[held]))
            rows.append(held)
    scored: Any = SCORES[score](labels.problems[np.concatenate(rows)], horizon, workers)
    if len(scored) == 0:
        return None
    for weights in learned:
        del weights["scale"]
    usable = np.delete(np.arange(sum(map(len, rows))), scored.left_out)
    scored = replace(scored, problems=scored.problems.with_starts(np.concatenate(starts)[usable]))
    part = np.repeat(np.arange(len(rows)), [len(each) for each in rows])[usable]
    return Mixture([_FromPriors(scored, replace(shape, relative=True, data=None), learned, part)])
