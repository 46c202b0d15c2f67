"""How often a run says that it left what its policy was trained on: on unseen functions, and elsewhere.

    python -m benchmarks.paper.outside [--families logistic robust neural-net] [--seeds 0] [--functions 500]
                                 [--policies FOLDER]

All functions are given as plain Python functions, so that what they are is not known and only what the policy meets can
tell. Policies are those that are shipped, or FOLDER/family-seed.npz of each seed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import sys
from pathlib import Path

import numpy as np

import l2o
from benchmarks.paper.handoff import policy_of
from benchmarks.report import table
from l2o.families import PAPER, Logistic, RobustRegression
from l2o.training import streams


def share(policy, functions):
    """Return the share of the functions, pairs of x -> (f, g) and a starting point, that the policy finds outside."""
    with np.errstate(all="ignore"):
        return np.mean([l2o.minimize(fun, x0, method=policy).outside_training for fun, x0 in functions])


def members(problems):
    """Return problems as plain functions."""
    return [(each.value_and_grad, each.x0) for each in problems]


def from_data(family, m, scale, rng):
    """Return members of a family on standard normal features times a scale; the labels do not change with it."""
    p = family.n_inputs if isinstance(family, l2o.families.NeuralNet) else family.n_features
    X, w = rng.standard_normal((m, family.n_points, p)), rng.standard_normal((m, p))
    y = np.einsum("mnp,mp->mn", X, w) + rng.standard_normal((m, family.n_points))
    y = y if isinstance(family, RobustRegression) else (y > 0).astype(float)
    return members(family.from_data(scale * X, y, family.starts(m, rng)))


def elsewhere(family):
    """Return a family of another kind in the same dimension."""
    other = RobustRegression if isinstance(family, Logistic) else Logistic
    return other(n_features=family.dim - 1)


def standard_functions(dim):
    """Return the standard functions of the tests."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from standard_functions import FUNCTIONS

    return [(function.value_and_grad, function.start(dim)) for function in FUNCTIONS.values()]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=list(PAPER), choices=PAPER)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--functions", type=int, default=500)
    parser.add_argument("--policies", metavar="FOLDER", help="where policies are, instead of the shipped ones")
    given = parser.parse_args()
    columns, rows = [], {}
    for name in given.families:
        for seed in given.seeds:
            family, policy, m = PAPER[name](), policy_of(name, seed, given.policies), given.functions
            rng = np.random.default_rng(seed)
            cases = {"unseen functions": members(family.sample(m, streams(seed)["test"]))}
            cases |= {f"features with deviation {scale:g}": from_data(family, m, scale, rng)
                      for scale in (1, 3, 10, 1000)}
            cases["another family"] = members(elsewhere(family).sample(m, rng))
            cases["standard functions"] = standard_functions(family.dim)
            columns.append(f"{name}, seed {seed}")
            for case, functions in cases.items():
                rows.setdefault(case, [case]).append(f"{100 * share(policy, functions):.1f}")
    print("share of runs outside, in per cent\n")
    print(table(["", *columns], rows.values()))


if __name__ == "__main__":
    main()
