"""Fits that have ended in a wrong minimum: how many are called suspect, and of how many starts have agreed.

    python -m benchmarks.curves.wrong_basins [--curves 2000]

Lorentz peaks on a line and rings, from one constant and from one or three more starts. A fit is wrong where its chi2 is
above the lowest that 41 starts have found. The errors are known (absolute_sigma), or told by the batch. Printed are
shares, in per cent: of fits that are wrong; of fits that are called so; of those called so that are wrong, and of the
others; the last two by an agreement of one start alone.
"""

import argparse
from functools import partial

import numpy as np
from scipy.stats.qmc import Halton

import l2o
from benchmarks.curves.peers.curves import ring, values
from benchmarks.timing import one_core

ALIKE = 1e-6
MANY = 40


@l2o.model
def lorentz(t, p):
    return p[0] / (1.0 + ((t - p[1]) / p[2]) ** 2) + p[3] + p[4] * t


def peaks(m, noise, rng):
    """Return model, points, curves, a constant start, and where further ones lie."""
    t = np.linspace(-5.0, 5.0, 60)
    x = np.column_stack([np.exp(0.3 * rng.standard_normal(m)), rng.uniform(-3, 3, m), rng.uniform(0.4, 1.5, m),
                         0.3 * rng.standard_normal(m), 0.05 * rng.standard_normal(m)])
    return (lorentz, t, values(lorentz, t, x) + noise * rng.standard_normal((m, 60)), [1.0, 0.0, 1.0, 0.0, 0.0],
            ([0.2, -5.0, 0.2, -1.0, -0.5], [3.0, 5.0, 3.0, 1.0, 0.5]))


def rings(m, noise, rng):
    """Return the same of rings, from a start with half the frequency of the fastest."""
    t = np.linspace(0.0, 4.0, 60)
    x = np.column_stack([0.5 * np.exp(0.2 * rng.standard_normal(m)), np.exp(-0.7 + 0.5 * rng.standard_normal(m)),
                         rng.uniform(0.4, 4.0, m), rng.uniform(-1, 1, m), 0.5 + 0.05 * rng.standard_normal(m)])
    return (ring, t, values(ring, t, x) + noise * rng.standard_normal((m, 60)), [0.5, 0.5, 4.0, 0.0, 0.5],
            ([0.2, 0.1, 0.3, -1.5, 0.2], [1.0, 1.5, 4.2, 1.5, 0.8]))


def fitted(model, t, Y, constant, noise, starts, known=True):
    """Return the fits from a constant and further starts, with errors that are known or told by the batch."""
    return l2o.curve_fit_many(model, t, Y, constant, sigma=noise, absolute_sigma=known, options={"starts": starts})


def percent(rows, among):
    """Return the share of rows among some, as text."""
    return f"{100.0 * rows[among].mean():10.2f}" if among.any() else f"{'-':>10}"


def main():
    """Print a line for each family, noise, and number of starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=2000)
    given = parser.parse_args()
    one_core()
    print(f"{'':22}starts   errors     wrong    called  of called of others   agreed 1 of others")
    for name, family in (("peaks", peaks), ("rings", rings)):
        for noise in (0.05, 0.15):
            model, t, Y, constant, box = family(given.curves, noise, np.random.default_rng(4))
            low, high = np.array(box)
            more = low + (high - low) * Halton(len(low), scramble=False).random(MANY + 1)[1:]

            fit = partial(fitted, model, t, Y, constant, noise)
            best = fit(more).chi2 * (1.0 + ALIKE)
            for n in (0, 1, 3):
                for known in (True, False):
                    found = fit(more[:n], known)
                    wrong, called = ~(found.chi2 <= best), found.suspect
                    alone = np.zeros_like(called) if found.agreement is None else found.agreement == 1
                    print(f"{name:8}noise {noise:<8g}{n + 1:6}{'known' if known else 'told':>9}"
                          f"{percent(wrong, wrong >= 0)}{percent(called, wrong >= 0)}{percent(wrong, called)}"
                          f"{percent(wrong, ~called)}{percent(wrong, alone)}{percent(wrong, ~alone)}", flush=True)


if __name__ == "__main__":
    main()
