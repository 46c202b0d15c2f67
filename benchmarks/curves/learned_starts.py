"""Starts and dampings of curve fits that `train` learns of a family, beside the family's own guess.

    python -m benchmarks.curves.learned_starts [family ...] [--draws 10000] [--curves 2000] [--seeds 3]

Evaluations a fit, in the mean and in the geometric mean; a fit is at the best where its chi2 is within 1e-6 of the
lower of the two. Times of fits are of the CPU, in turn, on one core; all curves are fresh draws.
"""

import argparse
from time import thread_time

import numpy as np

import l2o
from benchmarks.curves.beside import beside
from benchmarks.curves.peers.curves import FAMILIES, draw
from benchmarks.timing import one_core

NAMES = ("decay", "spot", "dose", "ring")


def family(name):
    """Return the family of problems whose members are curves of that name, with their guesses."""
    one = draw(name, 1, np.random.default_rng(0))

    def member(rng):
        curves = draw(name, 1, rng)
        return curves.Y[0], curves.p0[0]

    return l2o.families.LeastSquares(one.model, one.points, member, sigma=one.sigma)


def measured(curves, policy):
    """Return of the guess and of the policy evaluations, their logs' means, shares at the best, microseconds."""
    def fit(**settings):
        return l2o.curve_fit_many(curves.model, curves.points, curves.Y, sigma=curves.sigma, **settings)

    own = {} if policy.network.constant else {"p0": curves.p0}
    calls = {"guess": lambda: fit(p0=curves.p0), "learned": lambda: fit(method=policy, **own)}
    return list(beside(calls)[1].values())


def main():
    """Print a line for each family and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="family", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--curves", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    one_core()
    ratios = []
    print(f"{'':12}{'evaluations':>16}{'ratio':>8}{'geometric':>11}{'at the best':>18}{'us a fit':>14}{'training':>10}")
    for name in given.families or NAMES:
        for seed in range(given.seeds):
            begun = thread_time()
            policy = l2o.train(family(name), n_functions=given.draws, rng=seed)
            took = thread_time() - begun
            guess, learned = measured(FAMILIES[name](given.curves, np.random.default_rng([7, seed])), policy)
            ratios.append(np.log(learned[0] / guess[0]))
            print(f"{name:8}{seed:4}{guess[0]:9.2f}{learned[0]:7.2f}{learned[0] / guess[0]:8.3f}"
                  f"{np.exp(learned[1] - guess[1]):11.3f}{guess[2]:11.4f}{learned[2]:8.4f}{guess[3]:8.2f}"
                  f"{learned[3]:7.2f}{took:8.1f} s  {policy.card['training']['course'][-1]['choice']}", flush=True)
    print(f"geometric mean of the ratios {np.exp(np.mean(ratios)):.3f}")


if __name__ == "__main__":
    main()
