"""The adaptive method: it learns from the first problems of a batch how to begin with the others.

Some thirty problems, in pairs of neighbours, are solved by L-BFGS, as they would be anyway, and labelled with their
Hessians. Ways to begin compete on them, each learned from others; the rest of the batch begins as the best one, under
probes, or by L-BFGS where none saves evaluations. All that is spent is counted at the problem that it was spent on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from l2o.methods import Solution
from l2o.policies.quasi_newton import MOST_VARIABLES
from l2o.solving.lesson import CLASSICAL, Lesson, labelled_rows, taught
from l2o.solving.probes import joined, solved_in_order, solved_with_probes
from l2o.solving.runs import Runs, Spread

__all__ = ["ADAPTIVE", "Learned", "solved_adaptively"]

ADAPTIVE = "adaptive"
LEAST = 200  # problems below which nothing is learned


@dataclass(frozen=True)
class Learned:
    """What was learned inside a batch, and what it saved.

    Attributes
    ----------
    chosen : str
        With what the rest of the batch began: base point, first step or not, matrix or Newton's method; or "L-BFGS".
    why : str
        Why nothing was gained; empty where something was.
    scores : dict of str to float
        Evaluations of each candidate on labelled problems, those of L-BFGS as 1. Hessians count as the evaluations that
        take as long, by a model of the time.
    n_problems, n_labels : int
        Problems in the batch, and those that something was learned from.
    label_evaluations : int
        Evaluations beyond those of L-BFGS that the labels and the choice took.
    probe_ratio : float
        Evaluations of what was chosen on later problems, those of L-BFGS as 1; NaN without probes.
    expected, taken : int
        Evaluations that L-BFGS would have taken for the batch, as far as it was seen to run; those that were taken.
    hessians : int
        Hessians that Newton's method took beside them, where it was chosen.
    """

    chosen: str
    why: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    n_problems: int = 0
    n_labels: int = 0
    label_evaluations: int = 0
    probe_ratio: float = np.nan
    expected: int = 0
    taken: int = 0
    hessians: int = 0

    @property
    def saved(self) -> int:
        """Evaluations saved against L-BFGS, an estimate; below zero where learning cost more than it brought."""
        return self.expected - self.taken

    def __repr__(self) -> str:
        spent = f"{self.n_labels} labels took {self.label_evaluations:,} evaluations" if self.n_labels else ""
        if self.why:
            return f"Learned({self.chosen} for {self.n_problems:,} problems: {self.why}{spent and '; ' + spent})"
        share = 100.0 * self.saved / max(self.expected, 1)
        probed = "" if np.isnan(self.probe_ratio) else f", {self.probe_ratio:.2f} of L-BFGS's on probes"
        beside = f" beside {self.hessians:,} Hessians" if self.hessians else ""
        return (f"Learned({self.chosen!r} for {self.n_problems:,} problems: about {share:.0f} % of {self.expected:,} "
                f"evaluations saved{beside}{probed}; {spent})")


def solved_adaptively(runs: Runs, ordered: bool, spread: Spread) -> tuple[Solution, Learned]:
    """Solve a batch with what some of its problems teach.

    Parameters
    ----------
    runs : Runs
        The batch, by L-BFGS; where its starts were not told, others may be learned.
    ordered : bool
        Whether neighbours are alike.
    spread : callable
        Solves runs by the workers of the call.
    """
    m, refusal = len(runs), _refusal(len(runs), runs.problems.dim)
    if refusal:
        return spread(runs), Learned(CLASSICAL, refusal, n_problems=m)
    rows = labelled_rows(m)
    first = spread(runs[rows])
    with np.errstate(all="ignore"):  # of problems at the ends of the numbers
        lesson = taught(runs[rows], first, m, ordered)
    rest = np.setdiff1d(np.arange(m), rows, assume_unique=True)
    others, classical, ratio, why, hessians = _rest(runs[rest], lesson, spread)
    solution = joined(m, [(rows, first._replace(nfev=first.nfev + lesson.spent)), (rest, others)])
    expected, taken = int(first.nfev.sum()) + classical, int(solution.nfev.sum())
    if not why and taken > expected:
        why = "it saved less than labels and probes took"
    return solution, Learned(lesson.chosen, why, lesson.scores, m, lesson.n_labels, int(lesson.spent.sum()), ratio,
                             expected, taken, hessians)


def _rest(runs: Runs, lesson: Lesson, spread: Spread) -> tuple[Solution, int, float, str, int]:
    """Solve the rest of a batch as the lesson says, as long as probes speak for it.

    Return the solution, evaluations that L-BFGS takes by what the probes say, their ratio, why nothing was gained, and
    how many Hessians were taken.
    """
    if lesson.method is None:
        solution = spread(runs)
        return solution, int(solution.nfev.sum()), np.nan, lesson.why, 0
    own, m = runs.by(lesson.method), len(runs)
    if own.method.piece > 1:
        solution, shown = solved_in_order(m, own.method.piece, lambda some: spread(own[some]),
                                          lambda some: spread(runs[some]), lesson.weight)
    else:
        solution, shown = solved_with_probes(m, lambda some: spread(own[some]), lambda some: spread(runs[some]),
                                             lesson.weight)
    alone, ratio = int(solution.nfev[shown.until :].sum()) - shown.beyond, shown.ratio
    taken = int(solution.nfev[: shown.until].sum()) - int(shown.classical.sum())
    against = "" if shown.until == m else f"probes turned against it after {shown.until:,}"
    expected = taken / (lesson.scores[lesson.chosen] / lesson.weight if np.isnan(ratio) else ratio)
    hessians = int(solution.nit[: shown.until].sum()) if lesson.hessians else 0
    return solution, round(expected) + alone, ratio, against, hessians


def _refusal(m: int, dim: int) -> str:
    """Say why a batch is not worth a lesson; nothing if it may be."""
    if m < LEAST:
        return f"fewer than {LEAST}"
    return "" if dim <= MOST_VARIABLES else f"they have {dim} variables, more than {MOST_VARIABLES}"
