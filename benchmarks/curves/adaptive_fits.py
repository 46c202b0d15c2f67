"""Curve fits that learn inside the batch where to begin, beside the same fits from one start for all, and from a guess.

    python -m benchmarks.curves.adaptive_fits [family ...] [--curves 4000 ...] [--rounds 3]

Evaluations are all that are made, those to learn, too. A fit is at the best where its chi2 is within 1e-6 of the lowest
that any has found. Times are of the CPU, in turn.
"""

import argparse

import numpy as np

import l2o
from benchmarks.curves.beside import beside
from benchmarks.curves.peers.curves import FAMILIES
from benchmarks.timing import one_core

CONSTANTS = {"decay": [0.0, 0.0, 0.0], "spot": [60.0, 3.0, 3.0, 1.2, 10.0], "dose": [0.0, 1.0, 1.0, 0.0],
             "ring": [0.5, 0.5, 2.0, 0.0, 0.5]}


def measured(curves, p0, rounds):
    """Return what is told of both methods, and what was learned."""
    calls = {method: lambda method=method: l2o.curve_fit_many(curves.model, curves.points, curves.Y, p0,
                                                              sigma=curves.sigma, method=method)
             for method in ("lm", "adaptive")}
    fits, told = beside(calls, rounds)
    return told, fits["adaptive"].learned


def main():
    """Print a line for each family and start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="family", help=f"some of {', '.join(CONSTANTS)}")
    parser.add_argument("--curves", type=int, nargs="+", default=[4000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    one_core()
    print(f"{'':24}{'evaluations':>22}{'at the best':>22}{'us a fit':>18}")
    for name in given.families or CONSTANTS:
        for m in given.curves:
            curves = FAMILIES[name](m, np.random.default_rng(3))
            for start, p0 in (("constant", CONSTANTS[name]), ("guess", curves.p0)):
                told, learned = measured(curves, p0, given.rounds)
                plain, own = told["lm"], told["adaptive"]
                print(f"{name:6} {m:7,} {start:9}{plain.nfev:8.2f} {own.nfev:6.2f} {own.nfev / plain.nfev:6.2f}"
                      f"{plain.right:14.4f} {own.right:7.4f}{plain.us:11.2f} {own.us:6.2f}  {learned}")


if __name__ == "__main__":
    main()
