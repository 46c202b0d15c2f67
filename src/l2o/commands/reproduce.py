"""The main job: train on a family, compare on unseen functions, apply to real data, write it all down.

Li and Malik (2016), section 4: train on drawn functions, compare with tuned hand-written optimizers on
100 others; here on 500 more, because a mean over 100 is ruled by a few badly conditioned ones. Where a family
is not convex, a run may also end in a minimum that is not the lowest: how often is counted.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.parallel import check_progress, resolve_workers
from l2o.base.typing import File, Seed, Workers
from l2o.baselines import GradientDescent, Momentum
from l2o.commands.real_data import breast_cancer_triples
from l2o.evaluation import Comparison, compare
from l2o.evaluation.report import as_json
from l2o.families import PAPER, Family, named
from l2o.methods import Method
from l2o.policies import Policy
from l2o.problems import Problems
from l2o.solving.minimize import minimize_many
from l2o.solving.tuning import best_of_grid, tune
from l2o.training import GuidedPolicySearch, streams, train
from l2o.version import __version__

__all__ = ["Reproduction", "evaluate", "lowest_basin", "reproduce", "reproduce_all"]

STEPS = 100
STARTS = 50  # from which the lowest minimum of a function is looked for
SAME_BASIN = 1e-3  # from its value; the next minimum is seldom nearer
AT = (1, 2, 3, 5, 10, 20, 40, 100)
AT_REAL = (1, 2, 3, 5, 10, 40)
FEW: dict[str, Any] = {"n_functions": 45, "n_validation": 50}
QUICK: dict[str, Any] = {**FEW, "trainer": GuidedPolicySearch(n_iterations=4, n_samples=10)}
SEARCH: dict[str, dict[str, Any]] = {  # what a family needs other than by default; chosen on validation functions
    "logistic": {"backtracking": False},
    # gradients are ten times shorter than elsewhere: with less noise the first step does not grow to a useful length
    "robust": {"first_step": 20.0, "sigma": 0.3, "least_sigma": 0.1, "kl_bound": 20.0, "backtracking": False},
    # the parameters of a network, turned, are not those of a network
    "neural-net": {"rotations": 0.0},
}


def training_settings(name: str, quick: bool = False, policy: str = "mlp") -> dict[str, Any]:
    """Return what `train` is given for a family of that name: the paper's for its network, else the default's."""
    if policy != "mlp":
        return FEW if quick else {}
    settings = QUICK if quick else {"trainer": GuidedPolicySearch()}
    return {**settings, "trainer": replace(settings["trainer"], **SEARCH.get(name, {}))}


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What `reproduce` found.

    Attributes
    ----------
    policy : Policy
        The trained policy.
    test, fresh : Comparison
        On as many functions as the paper's, 100, and on 500 more.
    real : Comparison or None
        On real data, if the family has some here and scikit-learn is installed.
    record : dict
        All figures, as written to results.json.
    paths : list of str
        Files written.
    """

    policy: Policy
    test: Comparison
    fresh: Comparison
    real: Comparison | None
    record: dict[str, Any]
    paths: list[str]


def evaluate(policy: Policy, problems: Problems, tuned: dict[str, Method], workers: Workers = 1) -> Comparison:
    """Compare a policy with tuned baselines, nonlinear CG and L-BFGS, both SciPy's."""
    methods: dict[str, str | Method] = {"learned": policy, **tuned, "CG": "cg", "L-BFGS": "scipy-lbfgs"}
    return compare(problems, methods, n_steps=STEPS, workers=workers)


def lowest_basin(problems: Problems, family: Family, rng: Seed = None, workers: Workers = 1) -> np.ndarray:
    """Return the lowest value (m,) that L-BFGS finds from 50 starting points of the family's law."""
    rng = arguments.generator(rng)
    starts = (family.starts(len(problems), rng) for _ in range(STARTS))
    return np.min([minimize_many(problems.with_starts(x0), method="lbfgs", workers=workers).fun for x0 in starts],
                  axis=0)


def run_ends(comparison: Comparison, lowest: np.ndarray) -> dict[str, dict[str, float]]:
    """Return how each method's runs end: share in the lowest basin, numbers non-finite and above their start."""
    lowest = np.fmin(lowest, comparison.f_star)
    ends = {}
    for name, runs in comparison.runs.items():
        fun = runs.fun
        ends[name] = {"lowest_basin": float((fun[:, -1] - lowest <= SAME_BASIN).mean()),
                      "nonfinite": int((~np.isfinite(fun)).any(axis=1).sum()),
                      "above_start": int((~(fun[:, -1] <= fun[:, 0])).sum())}
    return ends


def tuned_baselines(problems: Problems) -> tuple[dict[str, Method], list[Momentum]]:
    """Return gradient descent and momentum, tuned on training functions, and every momentum tried."""
    momentum, tried = tune(Momentum, problems, n_steps=40, return_grid=True)
    descent = tune(GradientDescent, problems, n_steps=40)
    return {"gradient descent": descent, "momentum": momentum}, tried


def reproduce(name: str, out: File, *, quick: bool = False, seed: int = 0, workers: Workers = 1, progress: bool = False,
              say: Callable[[str], None] = print) -> Reproduction:
    """Train, evaluate and write results.json, the figures and the policy.

    Parameters
    ----------
    name : str
        A name of `l2o.families.FAMILIES`.
    out : path-like
        Folder to write to; it is made.
    quick : bool
        Fewer functions and rounds: to see that everything works, not for its figures.
    seed : int
        Seed of everything.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs).
    progress : bool
        Show a progress bar.
    say : callable
        Where the lines of the report go.

    Raises
    ------
    ValueError
        If the family is unknown.
    OSError
        If the folder cannot be written.
    """
    family = named(name)
    arguments.count("seed", seed, 0)
    resolve_workers(workers)
    check_progress(progress)
    folder = _writable_folder(out)
    branches = streams(seed)
    begun = time.perf_counter()
    policy = train(family, rng=seed, workers=workers, progress=progress, **training_settings(name, quick))
    training = family.sample(policy.card["training"]["n_functions"], streams(seed)["training"])
    tuned, tried = tuned_baselines(training)
    test = evaluate(policy, family.sample(family.n_test, branches["test"]), tuned, workers)
    fresh = evaluate(policy, family.sample(100 if quick else 500, branches["fresh"]), tuned, workers)
    record: dict[str, Any] = {
        "family": name, "cpu": {"count": os.cpu_count(), "instruction_set": policy.card["run"]["instruction_set"]},
        "ends": run_ends(fresh, lowest_basin(fresh.problems, family, branches["fresh"], workers)),
        "seed": seed, "quick": quick, "l2o": __version__, "policy": policy.card,
        "test": test.to_dict(), "fresh": fresh.to_dict(timing=True),
        "best_of_momentum_grid": as_json({"n_settings": len(tried), "mean": best_of_grid(
            tried, fresh.problems, STEPS, f_star=fresh.f_star, workers=workers)}),
    }
    _say_training(policy, say)
    _say_evaluation(fresh, record, say)
    real = _real_data(name, policy, tuned, quick, workers, record, say)
    record["seconds"] = round(time.perf_counter() - begun, 1)
    paths = _write(folder, name, policy, test, fresh, real, record)
    say("\nwritten:\n" + "\n".join(f"  {path}" for path in paths))
    return Reproduction(policy, test, fresh, real, record, paths)


def reproduce_all(out: File, *, say: Callable[[str], None] = print, **settings: Any) -> dict[str, Reproduction]:
    """Do `reproduce` for each family of the paper, in a folder of its own.

    Parameters
    ----------
    out : path-like
        Folder to make these folders in.
    say : callable
        Where the lines of the report go.
    **settings
        Those of `reproduce`.
    """
    found = {}
    for name in PAPER:
        say(f"{name}\n{'=' * len(name)}\n")
        found[name] = reproduce(name, os.path.join(out, name), say=say, **settings)
        say("")
    return found


def _writable_folder(out: File) -> str:
    """Make the folder and see that it can be written to, before any work."""
    folder = os.fspath(out)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f"out is {folder}, which is a file; expected a folder")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def _say_training(policy: Policy, say: Callable[[str], None]) -> None:
    run, quality = policy.card["run"], policy.card["quality"]
    parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in run["parts"].items())
    say(f"trained on {policy.card['training']['n_functions']} functions in {run['seconds']:.0f} s ({parts})")
    say(f"validation, {quality['measure']}: learned {quality['policy']:.4f}, momentum {quality['momentum']:.4f}")


def _say_evaluation(fresh: Comparison, record: dict[str, Any], say: Callable[[str], None]) -> None:
    iteration, evaluation = fresh.curves("iteration"), fresh.curves("evaluation")
    rows = {name: iteration[name].mean for name in ("learned", "gradient descent", "momentum")}
    rows["best of momentum grid"] = np.array(record["best_of_momentum_grid"]["mean"])
    rows |= {f"{name}, by evaluation": evaluation[name].mean for name in ("CG", "L-BFGS")}
    say(f"\nmean f - f* on {len(fresh.problems)} unseen functions, after k steps (one evaluation each)")
    say(_table(AT, rows))
    paired = fresh.paired("learned", "momentum")
    say(_line("momentum - learned", [f"{v:+.1e}" for v in paired.mean[list(AT)]]))
    say(_line("  95 % interval from", [f"{v:+.1e}" for v in paired.low[list(AT)]]))
    say(_line("  to", [f"{v:+.1e}" for v in paired.high[list(AT)]]))
    ends = record["ends"]
    say(f"runs of the learned optimizer that are non-finite: {ends['learned']['nonfinite']}; "
        f"that end above their start: {ends['learned']['above_start']}")
    say(f"share of runs that end within {SAME_BASIN:g} of the lowest value from {STARTS} starts: "
        + ", ".join(f"{name} {end['lowest_basin']:.3f}" for name, end in ends.items()))


def _real_data(name: str, policy: Policy, tuned: dict[str, Method], quick: bool, workers: Workers,
               record: dict[str, Any], say: Callable[[str], None]) -> Comparison | None:
    if name != "logistic" or importlib.util.find_spec("sklearn") is None:
        record["real_data"] = None
        say("\nreal data: skipped, scikit-learn is not installed (pip install 'l2o[examples]')"
            if name == "logistic" else "\nreal data: none for this family")
        return None
    problems = breast_cancer_triples(every=20 if quick else 1)
    start = time.perf_counter()
    batch = minimize_many(problems, method=policy, workers=workers, options={"maxiter": 40, "safeguard": False})
    seconds = time.perf_counter() - start
    real = compare(problems, {"learned": policy, "momentum": tuned["momentum"], "L-BFGS": "scipy-lbfgs"}, n_steps=40,
                   workers=workers)
    gap = batch.fun - real.f_star
    record["real_data"] = {"comparison": real.to_dict(), "minimize_many": {
        "seconds": seconds, "mean_gap": float(gap.mean()), "worst_gap": float(gap.max()),
        "converged": float(batch.success.mean())}}
    say(f"\nreal data: breast cancer, {len(problems):,} logistic regressions on triples of features, 569 rows each;"
        f"\nmean f - f* after k evaluations, the policy unchanged")
    curves = real.curves("evaluation")
    say(_table(AT_REAL, {label: curve.mean for label, curve in curves.items()}))
    say(f"minimize_many, 40 steps: {len(problems):,} problems in {seconds:.2f} s; "
        f"mean f - f* {gap.mean():.1e}, largest {gap.max():.1e}")
    return real


def _table(at: tuple[int, ...], rows: dict[str, np.ndarray]) -> str:
    lines = [_line("k", [str(k) for k in at])]
    return "\n".join(lines + [_line(name, [f"{values[k]:.2g}" for k in at]) for name, values in rows.items()])


def _line(head: str, cells: list[str]) -> str:
    return f"{head:<24}" + "".join(f"{cell:>10}" for cell in cells)


def _write(folder: str, name: str, policy: Policy, test: Comparison, fresh: Comparison, real: Comparison | None,
           record: dict[str, Any]) -> list[str]:
    paths = {key: os.path.join(folder, file) for key, file in (
        ("policy", f"{name}.npz"), ("results", "results.json"), ("fresh", f"{name}-fresh.png"),
        ("test", f"{name}-paper.png"), ("real", f"{name}-real-data.png"))}
    policy.save(paths["policy"])
    with arguments.written(paths["results"]) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(record, file, allow_nan=False, indent=1)
    done = [paths["policy"], paths["results"]]
    if importlib.util.find_spec("matplotlib") is None:
        return done
    from l2o.evaluation import figure, paper_figure

    quick = ", after a short training (--quick)" if record["quick"] else ""
    figure(fresh, paths["fresh"], f"{name}: {len(fresh.problems)} unseen functions{quick}", seconds=True)
    paper_figure(test, paths["test"], f"{name}: {len(test.problems)} unseen functions, as many as in the paper{quick}")
    done += [paths["fresh"], paths["test"]]
    if real is not None:
        triples = f"breast cancer: {len(real.problems):,} logistic regressions on triples of features"
        figure(real, paths["real"], triples + quick)
        done.append(paths["real"])
    return done
