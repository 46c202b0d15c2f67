"""The adaptive method: it learns from the first problems of a batch how to begin with the others.

Some thirty problems, in pairs of neighbours, are solved by L-BFGS, as they would be anyway, and labelled with their
Hessians. Ways to begin compete on them, each learned from others; the rest of the batch begins as the best one, under
probes, or by L-BFGS where none saves evaluations. All that is spent is counted at the problem that it was spent on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from l2o.learning import labels as labelling
from l2o.learning.candidates import FOLDS, Candidate, candidates, looks
from l2o.learning.labels import Ends, Labels
from l2o.learning.prior import Look
from l2o.methods import Solution
from l2o.policies.expecting import Expecting
from l2o.policies.quasi_newton import MOST_VARIABLES
from l2o.solving.probes import joined, solved_with_probes
from l2o.solving.runs import Runs, Spread, solved

__all__ = ["ADAPTIVE", "Learned", "labelled_rows", "solved_adaptively"]

ADAPTIVE = "adaptive"
CLASSICAL = "L-BFGS"
LEAST = 200  # problems below which nothing is learned
ALWAYS = 1000  # problems from which on something is learned whatever the share of its labels
SHARE = 0.1  # of the batch's evaluations that labels may cost below
PAIRS = 15  # of neighbours that are labelled
FEWEST = 10  # labels to learn from
CLOSE = 1e-3  # of the fall: a label need not be exacter
FOR_CHOICE = 0.02  # of the batch's evaluations that candidates may spend
FEW = 2  # candidates that are tried at least
ROUNDS = 3  # after each the worse half of the candidates goes
LESS = 0.95  # of the evaluations: what a candidate must bring against a simpler one
HOPELESS = 1.1  # of the evaluations, above which a candidate is not tried again
EXPECTED = 0.6  # of L-BFGS's evaluations that a candidate's run takes, about


@dataclass(frozen=True)
class Learned:
    """What was learned inside a batch, and what it saved.

    Attributes
    ----------
    chosen : str
        With what the rest of the batch began: base point, first step or not, matrix; or "L-BFGS".
    why : str
        Why nothing was gained; empty where something was.
    scores : dict of str to float
        Evaluations of each candidate on labelled problems, those of L-BFGS as 1.
    n_problems, n_labels : int
        Problems in the batch, and those that something was learned from.
    label_evaluations : int
        Evaluations beyond those of L-BFGS that the labels and the choice took.
    probe_ratio : float
        Evaluations of what was chosen on later problems, those of L-BFGS as 1; NaN without probes.
    expected, taken : int
        Evaluations that L-BFGS would have taken for the batch, as far as it was seen to run; those that were taken.
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
        return (f"Learned({self.chosen!r} for {self.n_problems:,} problems: about {share:.0f} % of {self.expected:,} "
                f"evaluations saved{probed}; {spent})")


def solved_adaptively(runs: Runs, spread: Spread) -> tuple[Solution, Learned]:
    """Solve a batch with what some of its problems teach.

    Parameters
    ----------
    runs : Runs
        The batch, by L-BFGS; where its starts were not told, others may be learned.
    spread : callable
        Solves runs by the workers of the call.
    """
    m, refusal = len(runs), _refusal(len(runs), runs.problems.dim)
    if refusal:
        return spread(runs), Learned(CLASSICAL, refusal, n_problems=m)
    rows = labelled_rows(m)
    first = spread(runs[rows])
    lesson = _lesson(runs[rows], first, m)
    rest = np.setdiff1d(np.arange(m), rows, assume_unique=True)
    others, classical, ratio, why = _rest(runs[rest], lesson, spread)
    solution = joined(m, [(rows, first._replace(nfev=first.nfev + lesson.spent)), (rest, others)])
    expected, taken = int(first.nfev.sum()) + classical, int(solution.nfev.sum())
    if not why and taken > expected:
        why = "it saved less than labels and probes took"
    return solution, Learned(lesson.name, why, lesson.scores, m, lesson.n_labels, int(lesson.spent.sum()), ratio,
                             expected, taken)


def _rest(runs: Runs, lesson: _Lesson, spread: Spread) -> tuple[Solution, int, float, str]:
    """Solve the rest of a batch as the lesson says, as long as probes speak for it.

    Return the solution, evaluations that L-BFGS takes by what the probes say, their ratio, and why nothing was gained.
    """
    if lesson.candidate is None:
        solution = spread(runs)
        return solution, int(solution.nfev.sum()), np.nan, lesson.why
    own = runs.by(lesson.candidate.prior.policy())
    solution, shown = solved_with_probes(len(runs), lambda some: spread(own[some]), lambda some: spread(runs[some]))
    alone = int(solution.nfev[shown.until :].sum())
    classical = (int(solution.nfev.sum()) - alone - int(shown.classical.sum())) / shown.ratio + alone
    against = "" if shown.until == len(runs) else f"probes turned against it after {shown.until:,}"
    return solution, round(classical), shown.ratio, against


def _refusal(m: int, dim: int) -> str:
    """Say why a batch is not worth a lesson; nothing if it may be."""
    if m < LEAST:
        return f"fewer than {LEAST}"
    return "" if dim <= MOST_VARIABLES else f"they have {dim} variables, more than {MOST_VARIABLES}"


def labelled_rows(m: int) -> np.ndarray:
    """Return the rows of pairs of neighbours, one at random in each part of the runs."""
    edges = np.linspace(0, m, PAIRS + 1).astype(np.intp)
    first = edges[:-1] + np.random.default_rng(0).integers(0, np.diff(edges) - 1)
    return np.column_stack([first, first + 1]).ravel()


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What labelled problems taught: a candidate, or why there is none; evaluations spent on each problem for it."""

    spent: np.ndarray
    candidate: Candidate | None = None
    why: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    n_labels: int = 0

    @property
    def name(self) -> str:
        """Return how the others begin."""
        return CLASSICAL if self.candidate is None else self.candidate.name


def _lesson(runs: Runs, first: Solution, m: int) -> _Lesson:
    """Learn from problems that L-BFGS has solved how to begin with the others of m."""
    problems, dim = runs.problems, runs.problems.dim
    per_label = (dim if problems.hessian_function else 2 * dim) + looks(runs.free) + 1
    expected, mean = float(first.nfev.mean()) * m, float(first.nfev.mean())
    nothing = np.zeros(len(problems), np.intp)
    cost = len(problems) * per_label + FEWEST * EXPECTED * mean
    if m < ALWAYS and cost > SHARE * expected:
        return _Lesson(nothing, why=f"labels would take {cost / expected:.0%} of its evaluations")
    affordable = np.flatnonzero(first.nfev + per_label + 2 * FEW * mean <= runs.stopping.maxfun)
    if len(affordable) < FEWEST:
        return _Lesson(nothing, why=f"maxfun = {runs.stopping.maxfun} leaves none for labels")
    labels, start = _labelled(runs[affordable], first, affordable)
    spent = nothing.copy()
    spent[affordable] = labels.nfev
    if len(labels) < FEWEST:
        left_out = ", ".join(f"{n} {reason}" for reason, n in labels.left_out.items())
        return _Lesson(spent, why=f"too few of {len(problems)} problems have a minimum to learn from ({left_out})")
    where = affordable[labels.rows]
    spent[where] += looks(runs.free)
    ways = list(candidates(labels, start, (where // 2) % FOLDS, runs.free))
    trial = _Trial(runs[where], first.nfev[where], runs.stopping.maxfun - int((spent + first.nfev)[where].max()))
    best, scores = _race(ways, trial, FOR_CHOICE * expected)
    spent[where] += trial.spent
    why = "" if best else f"none of {len(scores)} ways to begin took less than {LESS:.0%} of its evaluations"
    return _Lesson(spent, best, why, scores, len(labels))


def _labelled(runs: Runs, first: Solution, rows: np.ndarray) -> tuple[Labels, Look]:
    """Return the labels of problems whose solutions are rows of `first`, and a look at the starts of those labelled."""
    problems = runs.problems
    x, fun, jac = first.x[rows], first.fun[rows], first.jac[rows]
    if runs.box is not None:
        problems = problems.with_starts(runs.box.nearest(problems.x0))
        jac = np.where(runs.box.holds(x, jac), 0.0, jac)
    look = Look.at(problems, problems.x0)
    hessian, taken = labelling.hessians(problems, x)
    labels = Labels.at(problems, look.fun, Ends(x, fun, jac, hessian), np.full(len(rows), taken + 1), CLOSE)
    return labels, Look(*(column[labels.rows] for column in look))


class _Trial:
    """Runs of candidates on labelled problems; counts what they spend."""

    def __init__(self, runs: Runs, rival: np.ndarray, left: int) -> None:
        self.runs, self.rival = runs, rival
        self.spent = np.zeros(len(runs), np.intp)
        self.left = left
        self.stopping = replace(runs.stopping, safeguard=True)

    def afford(self, n: int) -> int:
        """Return how many of n candidates may be tried, and limit their runs so that no problem exceeds maxfun."""
        longest = 2 * int(self.rival.max())
        n = max(FEW, min(n, self.left // longest))
        self.stopping = replace(self.stopping, maxfun=max(1, min(longest, self.left // n)))
        return n

    def evaluations(self, candidate: Candidate, rows: np.ndarray) -> np.ndarray:
        """Return the evaluations of a candidate on some of the problems, its first looks included."""
        some = self.runs[rows]
        found = solved(some.problems.with_starts(candidate.starts[rows]), Expecting(candidate.matrices[rows]),
                       self.stopping, some.box, watch=some.watch)
        self.spent[rows] += found.nfev
        return found.nfev + candidate.looks - 1


def _race(ways: list[Candidate], trial: _Trial, budget: float) -> tuple[Candidate | None, dict[str, float]]:
    """Return the simplest candidate within 5 % of the best, or None where L-BFGS is; and their scores.

    Each round is run on other problems, by the better half of those before.
    """
    n, mean = len(trial.rival), float(trial.rival.mean())
    most = trial.afford(min(len(ways), int(budget / (1.75 * n / ROUNDS * EXPECTED * mean))))
    alive = [each for each in ways if each in sorted(ways, key=lambda way: way.merit)[:most]]
    own, rival, scores = dict.fromkeys((each.name for each in alive), 0), 0, {}
    for part in range(ROUNDS):
        rows = np.arange(part, n, ROUNDS)
        rival += int(trial.rival[rows].sum())
        for each in alive:
            own[each.name] += int(trial.evaluations(each, rows).sum())
            scores[each.name] = own[each.name] / rival
        limit = np.median([scores[each.name] for each in alive] or [0.0])
        alive = [each for each in alive if scores[each.name] <= min(limit, HOPELESS)]
    best = min((scores[each.name] for each in alive), default=np.inf)
    if best > LESS:
        return None, scores
    return next(each for each in alive if scores[each.name] <= best / LESS), scores
