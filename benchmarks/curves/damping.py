"""Make the learned damping of robust curve fits that is shipped, and measure it.

    python -m benchmarks.curves.damping [--trained FOLDER] [--seeds 0 1 2] [--ship] [--measure] [--docs] [--rounds 5]

A training a seed, on decays, rings and peaks with outliers, by Cauchy's loss and that of Geman and McClure together, by
evolution strategies on the count of evaluations until f is within 1e-6 d / (n - d) of the lowest value known; some
minutes on one core. `--ship` writes the seed that does best on validation curves of the same families into
src/l2o/pretrained. `--measure` tells what each needs on those families and on others, of which no training has seen a
curve, beside the textbook's rules, each of them tuned on the very curves that are measured.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import l2o
from benchmarks.curves.peers.spoiled import FAR, OUTLIERS, draw_spoiled
from benchmarks.report import table, write
from benchmarks.timing import best_of, one_core
from l2o import _kernels
from l2o.base import archive
from l2o.baselines import LBFGS, LevenbergMarquardt
from l2o.baselines._native import NativeMethod
from l2o.baselines.damping import SHAPES, SHIPPED, learned
from l2o.policies.policy import FORMAT
from l2o.problems import Problems
from l2o.solving.counting import evaluations_until
from l2o.training.evolution_strategy import Evolved, centred_ranks

SEEDS = (0, 1, 2)
TRAINED, FOREIGN = ("decay", "ring", "lorentz"), ("spot", "stretched", "growth")
LOSSES = ("cauchy", "geman-mcclure")
N_TRAINING, N_VALIDATION, N_TEST = 300, 150, 500  # curves of a family and a loss
STARTS = (1.0, 2.0)  # of training: how far from the clean fits, in the distances of the guesses
GENERATIONS, PAIRS, BATCH = 240, 12, 60  # BATCH: curves of a family, a loss and a kind of start in a generation
SIGMA, RATE, LAST_RATE, JUDGED_EVERY = 0.1, 0.06, 0.004, 20
CAP, MISSED, TEST_CAP = 40, 160, 60  # evaluations of a run at most, in training those of one that does not arrive
CLOSE = 1e-6  # of f, times d / (n - d): a thousandth of a standard error
FIRST = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # dampings that Nielsen's rule is tuned over
# where trainings begin: rounded from earlier ones, that began with one number for each part and took longer
BY_HAND = {"first": np.array([-4.0, -0.8, 0.4, -1.0]), "accepted": np.zeros((2, 9)), "rejected": np.zeros((2, 9))}
BY_HAND["accepted"][0, :4], BY_HAND["rejected"][0, 0] = [-1.5, 0.0, 0.2, 0.7], 2.3


class Candidate(NativeMethod):
    """Levenberg and Marquardt's method with some numbers of the learned damping."""

    def __init__(self, numbers):
        self.damping = learned(numbers)

    def kernel(self, problems):
        """Return the method of the kernels."""
        return _kernels.marquardt.method(problems.normal_function, self.damping.rule, self.damping.numbers)


@dataclass(frozen=True, eq=False)
class Course:
    """Fits of curves by a loss, with the values that end a count."""

    name: str
    loss: str
    problems: Problems
    targets: np.ndarray

    @classmethod
    def of(cls, name, loss, m, seed, far=1.0):
        """Draw the curves; their lowest values are of several methods, from their starts and from the clean fits.

        Starts are so many times as far from the clean fits as the family's guesses.
        """
        curves, clean = draw_spoiled(name, m, seed)
        family = l2o.families.LeastSquares(curves.model, curves.points, lambda rng: (curves.Y[0], curves.p0[0]),
                                           sigma=curves.sigma, loss=loss)
        near = l2o.curve_fit_many(clean.model, clean.points, clean.Y, clean.p0, sigma=clean.sigma).x
        p0 = near + far * (curves.p0 - near)
        rivals = (LevenbergMarquardt("more"), LevenbergMarquardt("nielsen", 1e-3), LevenbergMarquardt("nielsen", 0.1),
                  LBFGS())
        found = [l2o.minimize_many(family.from_data(curves.Y, x0), method=method, options={"maxfun": 500}).fun
                 for x0 in (p0, near) for method in rivals]
        n, d = len(curves.t), p0.shape[1]
        return cls(name, loss, family.from_data(curves.Y, p0), np.nanmin(found, axis=0) * (1.0 + CLOSE * d / (n - d)))

    def counts(self, method, cap, rows=slice(None)):
        """Return the evaluations (m,) until the target; -1 where it was not met."""
        count = evaluations_until(self.problems[rows], method, self.targets[rows, None], cap - 1)[:, 0]
        return np.where(count < 0, -1, count + 1)


def courses(names, m, seed, starts=(1.0,)):
    """Return the courses of some families by both losses, from starts so many times as far as guesses."""
    return [Course.of(name, loss, m, 1000 * seed + 10 * k, far)
            for k, name in enumerate(names) for loss in LOSSES for far in starts]


def score(numbers, tracks, rows=slice(None)):
    """Return the mean logarithm of evaluations."""
    method, total = Candidate(numbers), 0.0
    for track in tracks:
        count = track.counts(method, CAP, rows)
        total += np.log(np.where(count < 0, MISSED, count)).mean()
    return total / len(tracks)


def train(seed, folder, judges):
    """Return the numbers of a seed, trained now unless they are in the folder, the best of the course on the judges."""
    path = folder / f"damping-{seed}.npy"
    if path.exists():
        return np.load(path)
    begun, rng = time.process_time(), np.random.default_rng(seed)
    tracks = courses(TRAINED, N_TRAINING, 30 + seed, STARTS)
    start = np.concatenate([BY_HAND[name].ravel() for name in SHAPES])
    state = Evolved(0, 0.0, start, start, start, np.zeros_like(start), np.zeros_like(start))
    best, best_score = start, score(start, judges)
    for k in range(GENERATIONS):
        rows = np.sort(rng.permutation(N_TRAINING)[:BATCH])
        noise = rng.standard_normal((PAIRS, len(start)))
        tried = [[score(state.centre + sign * SIGMA * each, tracks, rows) for sign in (1.0, -1.0)] for each in noise]
        ranks = centred_ranks(np.ravel(tried)).reshape(-1, 2)
        rate = LAST_RATE + (RATE - LAST_RATE) * 0.5 * (1.0 + np.cos(np.pi * k / GENERATIONS))
        state = state.moved((ranks[:, 0] - ranks[:, 1]) @ noise / PAIRS, rate)
        if (k + 1) % JUDGED_EVERY == 0:
            now = score(state.average, judges)
            if now < best_score:
                best, best_score = state.average, now
    print(f"seed {seed}: {np.exp(best_score):.3f} evaluations on the validation curves, "
          f"{time.process_time() - begun:.0f} s", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(path, best)
    return best


def geometric(counts, cap):
    """Return the geometric mean of counts, and the share that arrived."""
    return float(np.exp(np.log(np.where(counts < 0, cap, counts)).mean())), float((counts >= 0).mean())


def measured(track, rules):
    """Return of one course the best textbook rule with its figures, and the figures of each learned rule."""
    textbook = {"More": LevenbergMarquardt("more")} | {f"Nielsen, {first:g}": LevenbergMarquardt("nielsen", first)
                                                 for first in FIRST}
    found = {name: geometric(track.counts(method, TEST_CAP), TEST_CAP) for name, method in textbook.items()}
    best = min(found, key=lambda name: found[name][0])
    return best, found[best], [geometric(track.counts(Candidate(each), TEST_CAP), TEST_CAP) for each in rules]


def timed(name, loss, m, rounds):
    """Return of whole fits by what is shipped the time, beside the quickest of the textbook's, and shares at the best.

    Rivals are More's rule and Nielsen's from three dampings; at the best is within 1e-6 of the lowest that any found.
    """
    curves, _ = draw_spoiled(name, m, 5)
    ways = {"learned": {"damping": "learned"}, "More": {"damping": "more"}} | {
        f"Nielsen, {first:g}": {"damping": "nielsen", "factor": first} for first in (1e-3, 1e-2, 1e-1)}
    calls = {way: lambda options=options: l2o.curve_fit_many(curves.model, curves.points, curves.Y, curves.p0,
                                                             sigma=curves.sigma, loss=loss, options=options)
             for way, options in ways.items()}
    fits = {way: call() for way, call in calls.items()}
    lowest = np.nanmin([fit.chi2 for fit in fits.values()], axis=0) * (1.0 + CLOSE)
    seconds = best_of(calls, rounds)
    rival = min(list(ways)[1:], key=seconds.get)
    shares = [(fits[way].chi2 <= lowest).mean() for way in ("learned", rival)]
    nfev = [fits[way].nfev.mean() for way in ("learned", rival)]
    return [1e6 * seconds["learned"] / m, seconds["learned"] / seconds[rival], rival, *shares, *nfev]


def ship(rules, judges):
    """Write the rule that does best on the validation curves into the package; return its seed."""
    judged = {str(seed): score(numbers, judges) for seed, numbers in rules.items()}
    best = min(judged, key=judged.get)
    parts = np.split(rules[int(best)], np.cumsum([np.prod(shape) for shape in SHAPES.values()])[:-1])
    weights = {name: part.reshape(SHAPES[name]) for name, part in zip(SHAPES, parts)}
    made = {"command": "python -m benchmarks.curves.damping --ship", "validation": judged,
            "validation_measure": f"mean logarithm of evaluations, of at most {CAP}, or {MISSED}",
            "families": list(TRAINED), "losses": list(LOSSES), "outliers": OUTLIERS, "far": FAR}
    card = {"format": FORMAT, "dim": None, "network": {"kind": "damping"}, "pretrained": made,
            "training": {"seed": int(best), "n_functions": N_TRAINING * len(TRAINED) * len(LOSSES) * len(STARTS),
                         "generations": GENERATIONS, "pairs": PAIRS, "batch": BATCH, "sigma": SIGMA, "rate": RATE}}
    archive.write(SHIPPED, weights, card=card)
    return best


def evaluations_table(rules):
    """Return what is needed until the target, by family and loss, and the geometric means of the ratios."""
    rows, ratios = [], {kind: [] for kind in (TRAINED, FOREIGN)}
    for kind in ratios:
        for track in courses(kind, N_TEST, 77):
            best, (count, solved), found = measured(track, list(rules.values()))
            cells = [f"{each:.1f}; {each / count:.2f}; {share:.3f}" for each, share in found]
            rows.append([f"{track.name}, {track.loss}", f"{best}: {count:.1f}; {solved:.3f}", *cells])
            ratios[kind].append([each / count for each, _ in found])
            print(rows[-1], flush=True)
    for kind, words in ((TRAINED, "families of the training"), (FOREIGN, "families not trained on")):
        rows.append([f"geometric mean, {words}", "", *(f"{each:.2f}" for each in np.exp(np.log(ratios[kind]).mean(0)))])
    return table(["curves", "best tuned textbook", *(f"learned, seed {seed}" for seed in rules)], rows)


def times_table(rounds):
    """Return what whole fits by the shipped rule take, by family and loss, beside the quickest of the textbook's."""
    rows = []
    for loss in (*LOSSES, "huber", "soft_l1"):
        for name in TRAINED + FOREIGN:
            us, ratio, rival, *figures = timed(name, loss, N_TEST, rounds)
            share, other, count, others = figures
            rows.append([f"{name}, {loss}", f"{us:.1f}", f"{ratio:.2f} of {rival}", f"{count:.1f}; {others:.1f}",
                         f"{share:.3f}; {other:.3f}"])
            print(rows[-1], flush=True)
    return table(["curves", "microseconds a fit", "time", "evaluations, and of that", "share at the best"], rows)


def main():
    """Train, choose, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, default=Path("build/pretrained"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    one_core()
    judges = courses(TRAINED, N_VALIDATION, 20)
    rules = {seed: train(seed, options.trained, judges) for seed in options.seeds}
    if options.ship:
        print(f"seed {ship(rules, judges)} is shipped", flush=True)
    if options.measure:
        for name, text in (("damping", evaluations_table(rules)), ("damping-times", times_table(options.rounds))):
            print(f"\n{text}", flush=True)
            if options.docs:
                write(name, text)


if __name__ == "__main__":
    main()
