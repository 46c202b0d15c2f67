"""Make the rule for any function that is shipped, and measure it.

    python -m benchmarks.rules.universal [--trained FOLDER] [--seeds 0 1 2 3 4] [--ship] [--measure] [--docs]

One training a seed on the bank, about a minute and a half on one core. `--ship` writes the seed that does best on the
validation functions of the bank, and nothing else, into src/l2o/pretrained, with a longer first step, which the bank
does not see and which finds lower values at once elsewhere (`benchmarks.rules.first_steps`). `--measure` then tells for
every seed, and for what is shipped, what evaluations it needs on functions that nothing was trained or chosen on,
relative to SciPy's L-BFGS-B. `--families` is the same for rules that were trained on logistic functions of d = 4, from
the shipped one. `--docs` writes it into docs/evolution.md. `make pretrained` does all of it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import importlib.util
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import l2o
from benchmarks.report import table, write
from l2o.policies import Policy, QuasiNewton
from l2o.policies.policy import PRETRAINED
from l2o.solving.counting import evaluations_until
from l2o.solving.optimum import best_known
from l2o.training.bank import bank
from l2o.training.race import Mixture

SEEDS = (0, 1, 2, 3, 4)
TRAINING, VALIDATION, UNUSED = (40, 4), (20, 3), (20, 77)  # functions of a kind and dimension, and the bank's seed
TRAINER = l2o.EvolutionStrategy(n_starts=1)
ON_FAMILY = l2o.EvolutionStrategy(seconds=30.0)
FAMILY_SEEDS = (0, 1, 2)
FIRST_STEP = 1.35  # of the shipped rule, in those of the trained one
CLOSE, MOST = 1e-6, 1000  # f - f_star that ends a count on a family, and evaluations
SOLVED = 1e-5  # of the fall, on standard functions
FRESH = {  # family, functions, seed
    "logistic, d = 4": (l2o.families.Logistic(), 500, 7),
    "logistic, d = 10": (l2o.families.Logistic(n_features=9, n_points=400), 100, 8),
    "logistic, d = 20": (l2o.families.Logistic(n_features=19, n_points=400), 100, 8),
    "robust, d = 4": (l2o.families.RobustRegression(), 500, 7),
}
KNOWN = ("It counts evaluations: where one takes less than two microseconds, or d = 2, L-BFGS is as good by the clock. "
         "In long valleys it may need up to twice the evaluations of L-BFGS.")


@cache
def functions():
    """Return the functions to train on and those to choose on, the same for all seeds."""
    return bank(*TRAINING), bank(*VALIDATION)


def train(seed, folder):
    """Return the rule of a seed, trained now unless it is in the folder."""
    path = folder / f"universal-{seed}.npz"
    if path.exists():
        return l2o.load(path)
    rule = QuasiNewton()
    by_hand = Policy(rule, rule.initial())
    training, validation = functions()
    policy = l2o.train(training, validation=validation, rng=seed, init=by_hand, trainer=TRAINER)
    folder.mkdir(parents=True, exist_ok=True)
    policy.save(path)
    return policy


def lengthened(policy, factor):
    """Return a rule whose first step is longer by a factor."""
    weights = policy.weights
    weights["start"][0] += np.log(factor)
    return Policy(policy.network, weights, policy.card)


# -- evaluations beside SciPy's L-BFGS-B -------------------------------------------------------------------


def recorded(fun, x0, minimizer=minimize, **how):
    """Return the values of f, in order, of a run of SciPy's minimize, or of another, and the last point."""
    values = []

    def told(x):
        f, g = fun(x)
        values.append(f)
        return f, g

    with np.errstate(all="ignore"):
        end = minimizer(told, x0, jac=True, **how)
    return np.array(values), end.x


TIGHT = {"method": "L-BFGS-B", "options": {"maxiter": MOST, "maxfun": MOST, "ftol": 1e-14, "gtol": 1e-10}}
POLISH = {"method": "BFGS", "options": {"gtol": 1e-11}}


def first(values, target):
    """Return the first evaluation at which a run is no higher than a target; -1 if it never is."""
    met = np.flatnonzero(values <= target)
    return met[0] if len(met) else -1


@cache
def reference(name):
    """Return fresh functions of a family, their lowest values, and the evaluations of L-BFGS-B."""
    family, m, seed = FRESH[name]
    problems = family.sample(m, rng=seed)
    runs, lowest = [], []
    starts = [problems.x0, *(family.starts(m, rng=100 + i) for i in range(3 if name.startswith("robust") else 0))]
    for i in range(m):
        values = [recorded(problems[i].value_and_grad, x0[i], **TIGHT) for x0 in starts]
        ends = [recorded(problems[i].value_and_grad, end, **POLISH)[0].min() for _, end in values]
        runs.append(values[0][0])
        lowest.append(min(ends))
    lowest = np.fmin(lowest, best_known(problems, problems.x0[:, None]))
    return problems, lowest, np.array([first(run, low + CLOSE) for run, low in zip(runs, lowest)])


def on_family(name, policy):
    """Return the ratio of summed evaluations to those of L-BFGS-B, where both get there, and the share solved."""
    problems, lowest, rival = reference(name)
    counts = evaluations_until(problems, policy, lowest[:, None] + CLOSE, MOST)[:, 0]
    both = (counts >= 0) & (rival >= 0)
    return tuple(map(float, (counts[both].sum() / rival[both].sum(), (counts >= 0).mean(), (rival >= 0).mean())))


@cache
def unused():
    """Return functions of the bank that nothing was trained or chosen on."""
    return Mixture.of("unused", bank(*UNUSED), "evaluations", 40)


@cache
def standard_functions():
    """Return name -> (x -> (f, g), start) of the test functions, d = 4 and 12."""
    spec = importlib.util.spec_from_file_location("standard_functions",
                                                  Path(__file__).parents[2] / "tests" / "standard_functions.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["standard_functions"] = module
    spec.loader.exec_module(module)
    return {(name, d): (each.value_and_grad, np.array(each.start(d), float))
            for name, each in module.FUNCTIONS.items() for d in (4, 12)}


def values_of(policy, fun, x0):
    """Return the values of f, in order, of a run of the rule alone."""
    alone = {"safeguard": False, "gtol": 0.0, "maxfun": MOST, "maxiter": MOST}
    return recorded(fun, x0, l2o.minimize, method=policy, options=alone)[0]


@cache
def rivals():
    """Return the runs of SciPy's L-BFGS-B and BFGS, to tight tolerances, on the standard functions."""
    how = {"L-BFGS-B": TIGHT, "BFGS": {"method": "BFGS", "options": {"maxiter": MOST, "gtol": 1e-9}}}
    return {name: {key: recorded(*function, **options)[0] for key, function in standard_functions().items()}
            for name, options in how.items()}


def on_standard_functions(policy):
    """Return the shares solved by the rule, L-BFGS-B and BFGS, and the trimmed ratio of evaluations to L-BFGS-B."""
    runs = {"rule": {key: values_of(policy, *each) for key, each in standard_functions().items()}, **rivals()}
    counts = {name: [] for name in runs}
    for key in standard_functions():
        with np.errstate(invalid="ignore"):
            lowest = min(np.nanmin(run[key]) for run in runs.values())
            start = runs["rule"][key][0]
            for name, run in runs.items():
                counts[name].append(first(run[key], lowest + SOLVED * (start - lowest)))
    counts = {name: np.array(count) for name, count in counts.items()}
    both = (counts["rule"] >= 0) & (counts["L-BFGS-B"] >= 0)
    ratio = np.sort(np.log((counts["rule"][both] + 1) / (counts["L-BFGS-B"][both] + 1)))
    trim = len(ratio) // 10
    return [(count >= 0).mean() for count in counts.values()], np.exp(ratio[trim : len(ratio) - trim].mean())


def row(name, policy):
    """Return a line of the table."""
    cells = []
    for family in FRESH:
        ratio, solved, _ = on_family(family, policy)
        cells.append(f"{ratio:.3f}" + ("" if solved == 1 else f" ({solved:.1%} solved)"))
    shares, ratio = on_standard_functions(policy)
    return [name, *cells, f"{np.exp(unused().score(policy)):.3f}", f"{shares[0]:.3f}", f"{ratio:.3f}"]


def measured(policies):
    """Return the table of all rules, and a line on SciPy's methods."""
    rule = QuasiNewton()
    rows = [row("constants by hand", Policy(rule, rule.initial()))]
    rows += [row(f"seed {seed}", policy) for seed, policy in policies.items()]
    rows.append(row("as shipped", l2o.load("universal")))
    shares, _ = on_standard_functions(next(iter(policies.values())))
    text = table(["", *FRESH, "bank", "standard: solved", "trimmed ratio"], rows)
    return f"{text}\n\nStandard functions solved by L-BFGS-B {shares[1]:.3f}, BFGS {shares[2]:.3f}."


def family_training(seed):
    """Return what half a minute on one family gives, and the seconds of the training."""
    begun = time.process_time()
    policy = l2o.train(l2o.families.Logistic(), trainer=ON_FAMILY, rng=seed)
    seconds = time.process_time() - begun
    generations = policy.card["training"]["course"][-1]["round"]
    return [f"seed {seed}", *(f"{on_family(name, policy)[0]:.3f}" for name in FRESH), generations, f"{seconds:.0f}"]


def ship(policies):
    """Write the best rule on the validation functions, with a longer first step, into the package; return its seed."""
    judge = Mixture.of("validation", functions()[1], "evaluations", 40)
    judged = {seed: judge.score(policy) for seed, policy in policies.items()}
    best = min(judged, key=judged.get)
    shipped = lengthened(policies[best], FIRST_STEP)
    made = {"command": "make pretrained", "validation": {str(seed): value for seed, value in judged.items()},
            "validation_measure": judge.measure, "first_step": FIRST_STEP,
            "laws": {name: {"functions_of_a_kind_and_dimension": n, "seed": seed} for name, (n, seed)
                     in (("training", TRAINING), ("validation", VALIDATION))},
            "fresh": {name: dict(zip(("ratio", "solved", "solved_by_lbfgsb"), on_family(name, shipped)))
                      for name in FRESH} | {"bank": float(np.exp(unused().score(shipped)))}}
    shipped.with_card(family={"name": "any", "settings": {}}, pretrained=made,
                             limits={"known": KNOWN}).save(PRETRAINED["universal"])
    return best


def main():
    """Train, choose, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, default=Path("build/pretrained"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--families", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    policies = {}
    for seed in options.seeds:
        policies[seed] = train(seed, options.trained)
        card = policies[seed].card
        print(f"seed {seed}: validation {np.exp(card['quality']['policy']):.4f}, {card['run']['seconds']} s",
              flush=True)
    if options.ship:
        print(f"seed {ship(policies)} is shipped", flush=True)
    texts = {}
    if options.measure:
        texts["universal"] = measured(policies)
    if options.families:
        head = ["trained on logistic, d = 4", *FRESH, "generations", "seconds of CPU"]
        texts["universal-families"] = table(head, [family_training(seed) for seed in FAMILY_SEEDS])
    for name, text in texts.items():
        print(f"\n{text}", flush=True)
        if options.docs:
            write(name, text)


if __name__ == "__main__":
    main()
