"""Which parts of guided policy search matter: one row a switch of the family's recipe, with backtracking.

    python -m benchmarks.paper.ablation --json FILE [--family logistic] [--rows ...] [--seeds 0 1 2] [--docs]

One training for each row and seed, on one core, judged by its card (validation) and on unseen functions. FILE keeps
what has been trained: rows that are in it are not trained again, so that a run that was stopped goes on. With --docs
the table goes into docs/results. Cells are mean and range over the seeds. "diverged" counts trainings whose last
round is worse on the validation functions than the imitated momentum that they began with (the best round is what is
returned), "lost" the unseen runs that end above their start. Seeds differ in their functions, too: the second column
has the range of the differences in validation from the first row, seed by seed.
"""

import argparse
import json
from pathlib import Path
from time import thread_time

import numpy as np

import l2o
from benchmarks import report
from l2o.baselines import Momentum
from l2o.commands.reproduce import SEARCH
from l2o.families import FAMILIES
from l2o.policies import MLP
from l2o.training import streams
from l2o.training.task import Yardstick

SHOWN, STEPS, FUNCTIONS = [1, 5, 10, 40, 100], 100, 500
TEACHER = {"samples": "teacher", "trust_region": "teacher"}
PAPER = {**TEACHER, "relative": 0.0, "first_step": 1.0, "rotations": 0.0, "quiet": False, "backtracking": False}
SWITCHES = {  # settings of GuidedPolicySearch, settings of MLP
    "default": ({}, {}),
    "samples from the teachers": ({"samples": "teacher"}, {}),
    "trust region round the teachers": ({"trust_region": "teacher"}, {}),
    "both: 2016": (TEACHER, {}),
    "2016, duals, rate 0.1": ({**TEACHER, "dual_rate": 0.1}, {}),
    "2016, duals, rate 10": ({**TEACHER, "dual_rate": 10.0}, {}),
    "2016, duals, adapted weights": ({**TEACHER, "dual_rate": 0.1, "adapt_coupling": True}, {}),
    "2016, the paper to the letter": (PAPER, {"inputs": "raw", "newest_gradient": False, "max_step": np.inf}),
    "the same, newest gradient seen": (PAPER, {"inputs": "raw", "max_step": np.inf}),
    "local model from Hessians": ({"local_model": "hessian"}, {}),
    "plain sum as the cost": ({"relative": 0.0, "first_step": 1.0}, {}),
    "no step bound": ({}, {"max_step": np.inf}),
    "raw inputs": ({}, {"inputs": "raw"}),
    "scaled inputs": ({}, {"inputs": "scaled"}),
    "without the newest gradient": ({}, {"newest_gradient": False}),
    "no rotations": ({"rotations": 0.0}, {}),
    "no fresh starts": ({"fresh_starts": False}, {}),
    "no backtracking": ({"backtracking": False}, {}),
    "no quiet samples": ({"quiet": False}, {}),
    "entropy weight 100": ({"entropy": 100.0}, {}),
    "sigma 0.05": ({"sigma": 0.05}, {}),
    "sigma 0.2": ({"sigma": 0.2}, {}),
    "8 samples": ({"n_samples": 8}, {}),
    "history 8": ({}, {"history": 8}),
    "width 24": ({}, {"width": 24}),
    "rectified units": ({}, {"activation": "relu"}),
    "horizon 20": ({"horizon": 20}, {}),
}


def trained(family, name, seed):
    """Return what a training gives: seconds of the processor, validation, gaps at some steps, share of runs lost."""
    search, network = SWITCHES[name]
    recipe, family = {**SEARCH[family], "backtracking": True}, FAMILIES[family]()
    start = thread_time()
    policy = l2o.train(family, rng=seed, trainer=l2o.GuidedPolicySearch(**{**recipe, **search}), policy=MLP(**network))
    seconds, quality = thread_time() - start, policy.card["quality"]
    fresh = family.sample(FUNCTIONS, streams(seed)["fresh"])
    gaps = Yardstick.of(fresh, Momentum(**quality["momentum_settings"]), STEPS).gaps(policy, STEPS, 1)
    first, *_, last = (entry["validation"] for entry in policy.card["training"]["course"])
    return {
        "seconds": seconds, "validation": quality["policy"], "gaps": gaps[:, SHOWN].mean(axis=0).tolist(),
        "lost": float((~(gaps[:, -1] <= gaps[:, 0])).mean()), "diverged": last is None or last > first,
    }


def spread(values, digits):
    """Return the mean of several numbers, and their range; None stands for a number that is not finite."""
    values = [np.inf if value is None else value for value in values]
    mean, low, high = (f"{value:.{digits}f}" if value < 100 else f"{value:.0e}"
                       for value in (np.mean(values), np.min(values), np.max(values)))
    return f"{mean} ({low}-{high})" if low != high else mean


def less(runs, others):
    """Return the range over the seeds of the difference in validation."""
    found = [1e4 * ((run["validation"] or np.inf) - other["validation"]) for run, other in zip(runs, others)]
    return f"{min(found):+.0f}..{max(found):+.0f}"


def cells(runs, others):
    """Return the cells of a row from those of its seeds, and of the first row's."""
    gaps = np.array([run["gaps"] for run in runs])
    seconds, lost = (np.mean([run[what] for run in runs]) for what in ("seconds", "lost"))
    diverged = sum(run["diverged"] for run in runs)
    return [spread([run["validation"] for run in runs], 4), less(runs, others),
            *(spread(column, 4 if k >= 10 else 3) for k, column in zip(SHOWN, gaps.T)),
            f"{seconds:.0f}", f"{diverged} of {len(runs)}", f"{100 * lost:.1f} %"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="what has been trained; it grows")
    parser.add_argument("--family", default="logistic", choices=SEARCH)
    parser.add_argument("--rows", nargs="+", default=list(SWITCHES), choices=SWITCHES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results")
    given = parser.parse_args()
    rows = json.loads(given.json.read_text(encoding="utf-8")) if given.json.exists() else {}
    for seed in given.seeds:
        for name in given.rows:
            key = f"{given.family}, {name}, seed {seed}"
            if key not in rows:
                rows[key] = trained(given.family, name, seed)
                given.json.parent.mkdir(parents=True, exist_ok=True)
                given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
                print(key, rows[key], flush=True)
    head = [given.family, "validation", f"less {given.rows[0]}, 1e-4", *(f"k = {k}" for k in SHOWN), "seconds",
            "diverged", "lost"]
    of = {name: [rows[f"{given.family}, {name}, seed {seed}"] for seed in given.seeds] for name in given.rows}
    text = report.table(head, [[name, *cells(runs, of[given.rows[0]])] for name, runs in of.items()])
    print(text)
    if given.docs:
        report.write(f"ablation-{given.family}", text)


if __name__ == "__main__":
    main()
