"""What each part of the learned rule earns: evaluations without it, on functions to choose on and on unused ones.

    python -m benchmarks.rules.rule_parts [--retrain] [--docs]

A part is taken out of the trained rule, that is the shipped one before its first step was lengthened, or set as the
constants by hand have it; nothing is trained again. With `--retrain` the smaller kinds are trained, too, as the shipped
one was, with seeds 0, 1, 2: two minutes each. The score is that of the training (`l2o.EvolutionStrategy`): the mean log
ratio to the evaluations of L-BFGS over tolerances of 1e-1 to 1e-7, shown as a ratio, and its paired difference with the
standard error. `--docs` writes the table into docs/results. About half a minute, and fifteen with `--retrain`.
"""

import argparse
from dataclasses import replace
from itertools import chain

import numpy as np

import l2o
from benchmarks.report import table, write
from benchmarks.rules.universal import FIRST_STEP, SEEDS, TRAINER, UNUSED, VALIDATION, functions, lengthened
from l2o.policies import Policy, QuasiNewton
from l2o.policies.bare import Bare
from l2o.policies.quasi_newton import CONTROLS, FEATURES
from l2o.training.bank import bank
from l2o.training.race import Mixture


def without(weights, control, value):
    """Return the weights with a control that is a constant."""
    W = weights["W"].copy()
    W[CONTROLS.index(control)] = 0.0
    W[CONTROLS.index(control), 0] = value
    return {**weights, "W": W}


def variants(policy):
    """Yield (what is changed, policy that runs) for each part."""
    network, weights = policy.network, policy.weights
    hand = network.initial()
    off = {"no stretch": ("drift", 0.0), "no cap on the length": ("cap", 6.0), "no damping": ("floor", -6.0),
           "newest pair by BFGS": ("psi", -6.0), "no curvature of the cubic": ("hermite", 0.0)}
    for label, (control, value) in off.items():
        yield label, Bare(network, without(weights, control, value))
    for memory in (1, 3, 10):
        yield f"{memory} pair{'s' * (memory > 1)} absorbed", Bare(replace(network, memory=memory), weights)
    yield "start by hand", Bare(network, {**weights, "start": hand["start"]})
    for row, control in enumerate(CONTROLS):
        W = weights["W"].copy()
        W[row] = hand["W"][row]
        yield f"{control} by hand", Bare(network, {**weights, "W": W})
    for column, feature in enumerate(FEATURES):
        W = weights["W"].copy()
        W[:, column] = hand["W"][:, column]
        yield f"feature \"{feature}\" by hand", Bare(network, {**weights, "W": W})
    yield "all by hand", Bare(network, hand)


SMALLER = {"trained without features": {"features": False}, "trained with one pair": {"memory": 1},
           "trained with one pair, without features": {"memory": 1, "features": False}}


def retrained():
    """Yield (what is changed, policy) for kinds with fewer parts, trained as the shipped rule was, and for itself."""
    training, validation = functions()
    for label, settings in {"trained whole": {}, **SMALLER}.items():
        network = QuasiNewton(**settings)
        for seed in SEEDS[:3]:
            policy = l2o.train(training, validation=validation, rng=seed, init=Policy(network, network.initial()),
                               trainer=TRAINER)
            yield f"{label}, seed {seed}", policy


def row(label, scores, whole):
    """Return a row: the ratio on each set, and the paired difference of the logarithms."""
    cells = [label]
    for score, reference in zip(scores, whole):
        difference = score - reference
        error = difference.std(ddof=1) / np.sqrt(len(difference))
        cells.append(f"{np.exp(score.mean()):.3f}; {difference.mean():+.3f} +- {error:.3f}")
    return cells


def measure(again):
    """Return the table."""
    policy = lengthened(l2o.load("universal"), 1 / FIRST_STEP)
    sets = [Mixture.of("judged", bank(*how), "evaluations", 40) for how in (VALIDATION, UNUSED)]
    whole = [each.scores(Bare(policy.network, policy.weights)) for each in sets]
    rows = [["whole rule", *(f"{np.exp(score.mean()):.3f}" for score in whole)]]
    changes = chain(variants(policy), retrained()) if again else variants(policy)
    rows += [row(label, [each.scores(changed) for each in sets], whole) for label, changed in changes]
    return table(["evaluations, ratio to L-BFGS; paired log ratio to the whole rule", "validation functions",
                  "unused functions"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retrain", action="store_true", help="train the smaller kinds, too")
    parser.add_argument("--docs", action="store_true", help="write the table into the documents")
    given = parser.parse_args()
    text = measure(given.retrain)
    print(text)
    if given.docs:
        write("rule-parts", text)


if __name__ == "__main__":
    main()
