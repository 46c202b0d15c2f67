"""A lesson: some problems of a batch, solved by L-BFGS, teach how to begin with the others, and are counted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from l2o.learning.candidates import FOLDS, Candidate, Lessons, beginnings, looks, predictions, successions
from l2o.learning.labels import Ends, Labels, as_it_is, hessians
from l2o.learning.price import Price
from l2o.learning.prior import LEAN, Look
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
FOR_CHOICE = 0.005  # of the batch's evaluations that candidates may spend in a race
FEW = 2  # candidates that are tried at least
ROUNDS = 3  # after each the worse half of the candidates goes
LESS = 0.95  # of the evaluations of L-BFGS: what a candidate must bring
CHEAPER = 0.98  # of those of the best so far: what one that costs more to learn must bring
WORSE = 2  # ends in a higher basin than L-BFGS's, over those in a lower one, that a candidate may have
ENOUGH = 0.5  # of the evaluations: where a way to begin saves as much, costlier ones are not looked for
CLEAR = 0.7  # of the evaluations: where the last candidate takes no more, its race is over
PREDICTED = 0.03  # of a batch's time that predictions save against other ways to begin, in the mean of families
FITTING = 3500.0  # microseconds that it takes to learn them
HOPELESS = 1.1  # of the evaluations, above which a candidate is not tried again
EXPECTED = 0.6  # of L-BFGS's evaluations that a candidate's run takes, about

Stage = Callable[[Lessons], Iterator[Candidate]]  # makes candidates


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
    most = int((spent + first.nfev)[rows].max()) + looks(runs.free, ordered)
    trial = _Trial(runs[rows], labels, first.nfev[rows], runs.stopping.maxfun - most, m)
    lessons = Lessons(labels, start, (rows // 2) % FOLDS, runs.free, trial.look)
    stages: list[Stage] = [partial(successions, mate=_mates(rows))] if ordered else []
    stages += [beginnings, predictions] if _pays(runs, first, m) else [beginnings]
    best, scores = _best(stages, lessons, trial)
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


def _pays(runs: Runs, first: Solution, m: int) -> bool:
    """Return whether predictions may save the time that it takes to learn them; nobody knows a user's objective's."""
    price = Price.modelled(LEAN, runs.problems)
    saved = PREDICTED * m * float(price.classical(first.nfev).mean())
    return saved > FITTING or runs.problems.kernel.source is not None


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
    """Runs of candidates on labelled problems of a batch of m, beside L-BFGS's; counts what they spend.

    A race of `worth` candidates is worth what it spends.
    """

    def __init__(self, runs: Runs, labels: Labels, rival: np.ndarray, most: int, m: int) -> None:
        self.runs, self.rival, self._most = runs, rival, most
        self.worth = int(FOR_CHOICE * m / (1.75 * len(rival) / ROUNDS * EXPECTED))
        self.spent = np.zeros(len(runs), np.intp)
        self.stopping = runs.stopping._replace(safeguard=True)
        self._fun, self._near = labels.fun, BASIN * labels.fall

    def look(self, x: np.ndarray) -> Look:
        """Evaluate each problem at its row of x (n, d), moved into the bounds."""
        self.spent += 1
        return Look.at(self.runs.problems, x if self.runs.box is None else self.runs.box.nearest(x))

    @property
    def left(self) -> int:
        """Evaluations that each problem may still take."""
        return self._most - int(self.spent.max())

    def afford(self, n: int) -> int:
        """Return how many of n candidates may be tried, and limit their runs so that no problem exceeds maxfun."""
        longest = 2 * int(self.rival.max())
        n = max(FEW, min(n, self.worth, self.left // longest))
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


def _best(stages: list[Stage], lessons: Lessons, trial: _Trial) -> tuple[Candidate | None, dict[str, float]]:
    """Return the best way to begin, or None where L-BFGS is, and the scores of those that were tried.

    Each stage makes candidates that cost more than those before, and must be better to be chosen. Where nothing else
    helps, predictions are not tried: it is not for want of them.
    """
    best: Candidate | None = None
    scores: dict[str, float] = {}
    for stage in stages:
        enough = best is not None and scores[best.name] <= ENOUGH
        useless = stage is predictions and best is None
        if scores and (enough or useless or min(trial.worth, trial.left) < FEW):
            break
        other, more = _race(list(stage(lessons)), trial)
        scores |= more
        if best is None or (other is not None and scores[other.name] <= CHEAPER * scores[best.name]):
            best = other
    return best, scores


def _race(ways: list[Candidate], trial: _Trial) -> tuple[Candidate | None, dict[str, float]]:
    """Return the best candidate, or None where L-BFGS is; and the scores of those that were tried.

    Each round is run on other problems, by the better half of those before.
    """
    n, most = len(trial.rival), trial.afford(len(ways))
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
        if len(alive) == 1 and scores[alive[0].name] <= CLEAR:
            break
    best = min(alive, key=lambda each: scores[each.name])
    return best if scores[best.name] <= LESS else None, scores
