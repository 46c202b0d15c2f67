"""A lesson: some problems of a batch, solved by L-BFGS, teach how to begin with the others, and are counted for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from l2o.learning.candidates import FOLDS, Candidate, Lessons, beginnings, looks, successions
from l2o.learning.labels import Ends, Labels, as_it_is, hessians
from l2o.learning.prior import Look
from l2o.methods import Method, Solution
from l2o.policies.expecting import Expecting
from l2o.solving.runs import Runs, solved

__all__ = ["CLASSICAL", "Lesson", "labelled_rows", "taught"]

CLASSICAL = "L-BFGS"
ALWAYS = 1000  # problems from which on something is learned whatever the share of its labels
SHARE = 0.1  # of the batch's evaluations that labels may cost below
PAIRS = 15  # of neighbours that are labelled
FEWEST = 10  # labels to learn from
USABLE = 2 / 3  # of the labelled problems that are finite; others have no minima that tell of the rest
CLOSE = 1e-3  # of the fall: a label need not be exacter
BASIN = 1e-3  # of the fall, by which ends in other basins differ
FOR_CHOICE = 0.01  # of the batch's evaluations that candidates may spend
FEW = 2  # candidates that are tried at least
ROUNDS = 3  # after each the worse half of the candidates goes
LESS = 0.95  # of the evaluations: what a candidate must bring against a simpler one
WORSE = 2  # ends in a higher basin than L-BFGS's, over those in a lower one, that a candidate may have
ENOUGH = 0.5  # of the evaluations: where a neighbour saves as much, no other way to begin is looked for
HOPELESS = 1.1  # of the evaluations, above which a candidate is not tried again
EXPECTED = 0.6  # of L-BFGS's evaluations that a candidate's run takes, about


@dataclass(frozen=True, eq=False)
class Lesson:
    """What labelled problems taught.

    Attributes
    ----------
    spent : ndarray of int, shape (n,)
        Evaluations that each of them took for it, beyond those of L-BFGS.
    chosen : str
        How the others are to begin.
    policy : Method or None
        What begins so; None for L-BFGS.
    why : str
        Why it is L-BFGS.
    scores : dict of str to float
        Evaluations of each candidate, those of L-BFGS as 1.
    n_labels : int
        Problems that something was learned from.
    """

    spent: np.ndarray
    chosen: str = CLASSICAL
    policy: Method | None = None
    why: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    n_labels: int = 0


def labelled_rows(m: int) -> np.ndarray:
    """Return the rows of pairs of neighbours, one at random in each part of a batch of m."""
    edges = np.linspace(0, m, PAIRS + 1).astype(np.intp)
    first = edges[:-1] + np.random.default_rng(0).integers(0, np.diff(edges) - 1)
    return np.column_stack([first, first + 1]).ravel()


def taught(runs: Runs, first: Solution, m: int, ordered: bool) -> Lesson:
    """Learn from problems that L-BFGS has solved how to begin with the others.

    Parameters
    ----------
    runs : Runs
        n problems, pairs of neighbours one after the other.
    first : Solution
        What L-BFGS found.
    m : int
        Problems in the batch.
    ordered : bool
        Whether neighbours are alike.
    """
    spent, refusal = np.zeros(len(runs), np.intp), _refusal(runs, first, m, ordered)
    if refusal:
        return Lesson(spent, why=refusal)
    affordable = np.flatnonzero(first.nfev + _cost(runs, first, ordered) <= runs.stopping.maxfun)
    labels, start = _labelled(runs[affordable], Solution(*(column[affordable] for column in first[:7])))
    spent[affordable] = labels.nfev
    if len(labels) < max(FEWEST, USABLE * (len(runs) - labels.left_out.get("not finite", 0))):
        left_out = ", ".join(f"{n} {reason}" for reason, n in labels.left_out.items())
        return Lesson(spent, why=f"too few of {len(runs)} labelled ones have a minimum to learn from ({left_out})")
    rows = affordable[labels.rows]
    within = as_it_is if runs.box is None else runs.box[rows].nearest
    lessons = Lessons(labels, start, (rows // 2) % FOLDS, runs.free, within)
    most = int((spent + first.nfev)[rows].max()) + looks(runs.free, ordered)
    trial = _Trial(runs[rows], labels, first.nfev[rows], runs.stopping.maxfun - most)
    best, scores = _best(lessons, trial, _mates(rows) if ordered else None, FOR_CHOICE * m * float(first.nfev.mean()))
    spent[rows] += trial.spent
    if best is None:
        why = f"none of {len(scores)} ways to begin took less than {LESS:.0%} of its evaluations"
        return Lesson(spent, why=why, scores=scores, n_labels=len(labels))
    return Lesson(spent, best.name, best.policy(), "", scores, len(labels))


def _cost(runs: Runs, first: Solution, ordered: bool) -> float:
    """Return the evaluations that a label takes, and the least number of trials with it."""
    dim = runs.problems.dim
    label = (dim if runs.problems.hessian_function else 2 * dim) + looks(runs.free, ordered) + 1
    return label + FEW * 2 * float(first.nfev.mean())


def _refusal(runs: Runs, first: Solution, m: int, ordered: bool) -> str:
    """Say why nothing is to be learned for m problems; nothing if something is."""
    mean = float(first.nfev.mean())
    trials = FEW * (1 + ordered) * EXPECTED * mean
    cost = len(runs) * (_cost(runs, first, ordered) - FEW * 2 * mean) + len(runs) // ROUNDS * trials
    if m < ALWAYS and cost > SHARE * m * mean:
        return f"labels would take {cost / (m * mean):.0%} of its evaluations"
    if (first.nfev + _cost(runs, first, ordered) <= runs.stopping.maxfun).sum() < FEWEST:
        return f"maxfun = {runs.stopping.maxfun} leaves none for labels"
    return ""


def _mates(rows: np.ndarray) -> np.ndarray:
    """Return the place of each row's neighbour, row 2 k of row 2 k + 1 and the other way round, or its own place."""
    place = np.searchsorted(rows, rows ^ 1).clip(max=len(rows) - 1)
    return np.where(rows[place] == rows ^ 1, place, np.arange(len(rows)))


def _labelled(runs: Runs, first: Solution) -> tuple[Labels, Look]:
    """Return the labels of solved problems, and a look at the starts of those that could be labelled."""
    problems, box, jac = runs.problems, runs.box, first.jac
    if box is not None:
        problems = problems.with_starts(box.nearest(problems.x0))
        jac = np.where(box.holds(first.x, jac), 0.0, jac)
    look = Look.at(problems, problems.x0)
    hessian, taken = hessians(problems, first.x, as_it_is if box is None else box.nearest)
    ends = Ends(first.x, first.fun, jac, hessian)
    labels = Labels.at(problems, look.fun, ends, np.full(len(runs), taken + 1), CLOSE)
    return labels, Look(*(column[labels.rows] for column in look))


class _Trial:
    """Runs of candidates on labelled problems, beside L-BFGS's; counts what they spend."""

    def __init__(self, runs: Runs, labels: Labels, rival: np.ndarray, most: int) -> None:
        self.runs, self.rival, self._most = runs, rival, most
        self.spent = np.zeros(len(runs), np.intp)
        self.stopping = runs.stopping._replace(safeguard=True)
        self._fun, self._near = labels.fun, BASIN * labels.fall

    @property
    def left(self) -> int:
        """Evaluations that each problem may still take."""
        return self._most - int(self.spent.max())

    def afford(self, n: int) -> int:
        """Return how many of n candidates may be tried, and limit their runs so that no problem exceeds maxfun."""
        longest = 2 * int(self.rival.max())
        n = max(FEW, min(n, self.left // longest))
        self.stopping = self.stopping._replace(maxfun=max(1, min(longest, self.left // n)))
        return n

    def run(self, ways: list[Candidate], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return evaluations of each candidate on some of the problems, first looks included, and higher ends, (ways,).

        Ends in a lower basin than L-BFGS's make up for higher ones.
        """
        some, shape = self.runs[np.tile(rows, len(ways))], (len(ways), len(rows))
        problems = some.problems.with_starts(np.concatenate([each.starts[rows] for each in ways]))
        method = Expecting(np.concatenate([each.matrices[rows] for each in ways]))
        found = solved(problems, method, self.stopping, some.box, watch=some.watch)
        nfev, above = found.nfev.reshape(shape), found.fun.reshape(shape) - self._fun[rows]
        self.spent[rows] += nfev.sum(axis=0)
        higher = (above > self._near[rows]).sum(axis=1) - (above < -self._near[rows]).sum(axis=1)
        return nfev.sum(axis=1) + len(rows) * np.array([each.looks - 1 for each in ways]), higher


def _best(lessons: Lessons, trial: _Trial, mates: np.ndarray | None,
          budget: float) -> tuple[Candidate | None, dict[str, float]]:
    """Return the best way to begin, or None where L-BFGS is, and the scores of those that were tried.

    Neighbours come first, where the labelled problems have mates; other ways must be better to be chosen then.
    """
    best, scores = None, {}
    if mates is not None:
        best, scores = _race(list(successions(lessons, mates)), trial, budget)
        trial.spent += looks(lessons.moves, True) - looks(lessons.moves, False)
        if trial.left < FEW or (best is not None and scores[best.name] <= ENOUGH):
            return best, scores
    other, more = _race(list(beginnings(lessons)), trial, budget)
    trial.spent += looks(lessons.moves, False)
    scores |= more
    if best is None or (other is not None and scores[other.name] <= LESS * scores[best.name]):
        best = other
    return best, scores


def _race(ways: list[Candidate], trial: _Trial, budget: float) -> tuple[Candidate | None, dict[str, float]]:
    """Return the simplest candidate within 5 % of the best, or None where L-BFGS is; and their scores.

    Each round is run on other problems, by the better half of those before.
    """
    n, mean = len(trial.rival), float(trial.rival.mean())
    most = trial.afford(min(len(ways), int(budget / (1.75 * n / ROUNDS * EXPECTED * mean))))
    alive = [each for each in ways if each in sorted(ways, key=lambda way: way.merit)[:most]]
    own, higher = (dict.fromkeys((each.name for each in alive), 0) for _ in range(2))
    scores: dict[str, float] = {}
    for part in range(ROUNDS):
        rival = trial.rival[np.arange(n) % ROUNDS <= part].sum()
        for each, taken, more in zip(alive, *trial.run(alive, np.arange(part, n, ROUNDS))):
            own[each.name] += int(taken)
            higher[each.name] += int(more)
            scores[each.name] = own[each.name] / int(rival)
        limit = np.median([scores[each.name] for each in alive])
        alive = [each for each in alive
                 if scores[each.name] <= min(limit, HOPELESS) and higher[each.name] <= WORSE]
        if not alive:
            return None, scores
    best = min(scores[each.name] for each in alive)
    if best > LESS:
        return None, scores
    return next(each for each in alive if scores[each.name] <= best / LESS), scores
