"""A lesson: some problems of a batch, solved by L-BFGS, teach how to begin with the others, and are counted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from l2o.baselines import Newton
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
    method : Method or None
        What begins so; None for L-BFGS.
    why : str
        Why it is L-BFGS.
    scores : dict of str to float
        Evaluations of each candidate, those of L-BFGS as 1.
    n_labels : int
        Problems that something was learned from.
    hessians : bool
        Whether the method takes Hessians, too.
    weight : float
        What an evaluation of the method takes, with the Hessians beside it, in evaluations of others.
    """

    spent: np.ndarray
    chosen: str = CLASSICAL
    method: Method | None = None
    why: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    n_labels: int = 0
    hessians: bool = False
    weight: float = 1.0


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
    return Lesson(spent, best.name, best.method(), "", scores, len(labels), best.matrices is None,
                  trial.weight(best))


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

    Evaluations of Newton's method count as many times as they take, with its Hessians, the time of the others'.

    A race of `worth` candidates is worth what it spends.
    """

    def __init__(self, runs: Runs, labels: Labels, rival: np.ndarray, most: int, m: int) -> None:
        self.runs, self.rival, self._most = runs, rival, most
        self.worth = int(FOR_CHOICE * m / (1.75 * len(rival) / ROUNDS * EXPECTED))
        self.spent = np.zeros(len(runs), np.intp)
        self.stopping = runs.stopping._replace(safeguard=True)
        self._fun, self._near = labels.fun, BASIN * labels.fall
        self._price = Price.modelled(LEAN, runs.problems)
        self._weights: dict[str, float] = {}

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

    def weight(self, way: Candidate) -> float:
        """Return what an evaluation of a candidate that ran takes, in those of others."""
        return self._weights.get(way.name, 1.0)

    def run(self, ways: list[Candidate], rows: np.ndarray) -> dict[str, _Shown]:
        """Return what candidates showed on some of the problems; Newton's method, which varies less, on two thirds.

        Ends in a lower basin than L-BFGS's make up for higher ones.
        """
        expecting = [each for each in ways if each.matrices is not None]
        newton = [each for each in ways if each.matrices is None]
        shown: dict[str, _Shown] = {}
        if expecting:
            matrices = np.concatenate([each.matrices[rows] for each in expecting if each.matrices is not None])
            taken, _, higher = self._judged(expecting, rows, Expecting(matrices))
            shown = self._shown(expecting, taken, rows, higher)
        if newton:
            some = rows[np.arange(len(rows)) % 3 < 2]
            taken, nit, higher = self._judged(newton, some, Newton())
            worth = self._price.by_newton(taken, nit)
            self._weights |= {each.name: float(a / b) for each, a, b in zip(newton, worth, taken)}
            shown |= self._shown(newton, worth, some, higher)
        return shown

    def _judged(self, ways: list[Candidate], rows: np.ndarray, method: Method) -> tuple[np.ndarray, ...]:
        """Return evaluations, iterations and higher ends of candidates whose runs one method makes."""
        some, shape = self.runs[np.tile(rows, len(ways))], (len(ways), len(rows))
        problems = some.problems.with_starts(np.concatenate([each.starts[rows] for each in ways]))
        found = solved(problems, method, self.stopping, some.box, watch=some.watch)
        nfev, nit, above = found.nfev.reshape(shape), found.nit.reshape(shape), found.fun.reshape(shape)
        above = above - self._fun[rows]
        self.spent[rows] += nfev.sum(axis=0)
        higher = (above > self._near[rows]).sum(axis=1) - (above < -self._near[rows]).sum(axis=1)
        return nfev.sum(axis=1) + len(rows) * np.array([each.looks - 1 for each in ways]), nit.sum(axis=1), higher

    def _shown(self, ways: list[Candidate], taken: np.ndarray, rows: np.ndarray,
               higher: np.ndarray) -> dict[str, _Shown]:
        rival = int(self.rival[rows].sum())
        return {each.name: _Shown(float(a), rival, int(b)) for each, a, b in zip(ways, taken, higher)}


class _Shown(NamedTuple):
    """Evaluations of a candidate on some problems, first looks included, those of L-BFGS there, and its higher ends."""

    taken: float
    rival: int
    higher: int


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

    Each round is run on other problems, by the better half of those before. Newton's method, where there is one, takes
    part beside as many others as may be tried.
    """
    n = len(trial.rival)
    matrices = sorted((each for each in ways if each.matrices is not None), key=lambda way: way.merit)
    tried = matrices[: trial.afford(len(matrices))]
    alive = [each for each in ways if each in tried or each.matrices is None]
    shown = {each.name: _Shown(0.0, 0, 0) for each in alive}
    scores: dict[str, float] = {}
    for part in range(ROUNDS):
        for name, more in trial.run(alive, np.arange(part, n, ROUNDS)).items():
            before = shown[name]
            shown[name] = _Shown(before.taken + more.taken, before.rival + more.rival, before.higher + more.higher)
            scores[name] = shown[name].taken / shown[name].rival
        limit = sorted(scores[each.name] for each in alive)[max(len(alive) // 2, 1) - 1]
        alive = [each for each in alive
                 if scores[each.name] <= min(limit, HOPELESS) and shown[each.name].higher <= WORSE]
        if not alive:
            return None, scores
        if len(alive) == 1 and scores[alive[0].name] <= CLEAR:
            break
    best = min(alive, key=lambda each: scores[each.name])
    return best if scores[best.name] <= LESS else None, scores
