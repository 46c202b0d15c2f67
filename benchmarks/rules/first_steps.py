"""The first steps of the learned rule: margins of victory by evaluation, and what a longer first step costs elsewhere.

    python -m benchmarks.rules.first_steps [--policy FILE] [--docs]

The first step of the shipped rule is multiplied by a factor, in units of the first step that was trained; nothing is
trained again. The margins of victory (Li and Malik,
2016) are over gradient descent and momentum, tuned on 90 other logistic functions, nonlinear CG and L-BFGS, on 500
logistic functions of d = 4, all by evaluation. The score on the bank is that of the training, on functions that
nothing was trained on; its paired difference to the trained first step has a standard error. `--docs` writes the
table into docs/learned-rule.md. Half a minute.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse

import numpy as np

import l2o
from benchmarks.report import table, write
from benchmarks.rules.universal import FIRST_STEP, lengthened
from l2o.commands.reproduce import tuned_baselines
from l2o.evaluation.margins import margin
from l2o.training import streams
from l2o.training.bank import bank
from l2o.training.race import Mixture

FACTORS = (0.75, 1.0, FIRST_STEP, 1.8, 2.5)
FUNCTIONS, SEED, N_STEPS, AT = 500, 4321, 12, (1, 2, 3, 4, 6, 10)
BANK = (40, 5)  # functions of a kind and dimension, and the seed: neither those of the training nor the unused ones


def lowest_so_far(problems, method, f_star):
    """Return f - f_star at the best of evaluations 0..N_STEPS, (m, N_STEPS + 1)."""
    values = l2o.rollout(problems, method=method, n_steps=N_STEPS).evaluations[:, : N_STEPS + 1]
    return np.fmin.accumulate(values, axis=1) - f_star[:, None]


def told(values):
    """Return a mean with its standard error."""
    return f"{values.mean():+.3f} +- {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def rows(policy):
    """Return rows of the table, one a factor."""
    family = l2o.families.Logistic()
    problems = family.sample(FUNCTIONS, rng=SEED)
    tuned, _ = tuned_baselines(family.sample(90, streams(0)["training"]))
    f_star = l2o.compare(problems, {"rule": policy}, n_steps=N_STEPS).f_star
    rivals = np.stack([lowest_so_far(problems, rival, f_star) for rival in (*tuned.values(), "cg", "scipy-lbfgs")])
    functions = Mixture.of("bank", bank(*BANK), "evaluations", 40)
    as_trained = functions.scores(lengthened(policy, 1.0 / FIRST_STEP))
    result = []
    for factor in FACTORS:
        changed = lengthened(policy, factor / FIRST_STEP)
        margins, scores = margin(lowest_so_far(problems, changed, f_star), rivals), functions.scores(changed)
        result.append([f"times {factor:g}", *(told(margins[:, k]) for k in AT), f"{np.exp(scores.mean()):.3f}",
                       told(scores - as_trained) if factor != 1.0 else ""])
    return result


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="universal", help="name or file of the rule (%(default)s)")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    text = table(["first step", *(f"margin at k = {k}" for k in AT), "bank", "paired log ratio"],
                 rows(l2o.load(options.policy)))
    print(text)
    if options.docs:
        write("first-steps", text)


if __name__ == "__main__":
    main()
