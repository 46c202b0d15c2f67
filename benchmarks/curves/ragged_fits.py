"""Curves each with points of its own: starts that are learned, beside one constant for all and the family's guess.

    python -m benchmarks.curves.ragged_fits [decay dose peak ...] [--draws 3000] [--curves 2000] [--seeds 3]

A curve has 12 to 30 points (a peak 20 to 40), somewhere on a grid of 200. "Trained" is a policy that `train` learned of
other draws; "adaptive" learns inside the call, from the constant, and counts what that takes. Evaluations a fit are
relative to the guess's and, in brackets, to the constant's; a fit is at the best where its chi2 is within 1e-6 of the
lowest of all. Times are of the CPU, in turn, on one core.
"""

import argparse
from time import thread_time

import numpy as np

import l2o
from benchmarks.curves.beside import beside
from benchmarks.curves.peers.curves import decay, dose
from benchmarks.timing import one_core

N_GRID = 200


@l2o.model
def peak(t, p):
    return p[0] / (1.0 + ((t - p[1]) / p[2]) ** 2) + p[3]


def of_decay(rng):
    return rng.standard_normal(3) * [0.4, 0.5, 0.3]


def of_dose(rng):
    return np.array([rng.uniform(0, 0.5), 1 + 0.05 * rng.standard_normal(), np.exp(0.4 + 0.4 * rng.standard_normal()),
                     1.2 * rng.standard_normal()])


def of_peak(rng):
    return np.array([np.exp(0.3 * rng.standard_normal()), rng.uniform(1.5, 4.5),
                     0.5 * np.exp(0.3 * rng.standard_normal()), 0.2 * rng.standard_normal()])


def guess_decay(t, y):
    return [np.log(max(y[0] - y[-1], 0.1)), 0.0, y[-1]]


def guess_dose(t, y):
    low, high = y.min(), y.max()
    return [low, high, 1.0, t[np.abs(y - 0.5 * (low + high)).argmin()]]


def guess_peak(t, y):
    ground = np.sort(y)[: len(y) // 5].mean()
    return [y.max() - ground, t[y.argmax()], 0.5, ground]


FAMILIES = {"decay": (decay, (0.0, 4.0), 0.05, (12, 31), of_decay, guess_decay, [0.0, 0.0, 0.0]),
            "dose": (dose, (-3.5, 3.5), 0.06, (12, 31), of_dose, guess_dose, [0.0, 1.0, 1.0, 0.0]),
            "peak": (peak, (0.0, 6.0), 0.05, (20, 41), of_peak, guess_peak, [1.0, 3.0, 0.5, 0.0])}


def drawn(name, m, seed):
    """Return the grid, values (m, grid), NaN where a curve has no point, and guesses (m, d)."""
    model, ends, noise, sizes, parameters, guess, _ = FAMILIES[name]
    rng, grid = np.random.default_rng(seed), np.linspace(*ends, N_GRID)
    Y, guesses = np.full((m, N_GRID), np.nan), []
    for row in Y:
        at = np.sort(rng.choice(N_GRID, rng.integers(*sizes), replace=False))
        row[at] = model(grid[at], parameters(rng)) + noise * rng.standard_normal(len(at))
        guesses.append(guess(grid[at], row[at]))
    return grid, Y, np.array(guesses)


def measured(name, draws, m, seed):
    """Return of each way evaluations, their mean logarithm, the share at the best, microseconds; and the choices."""
    model, _, noise, *_, constant = FAMILIES[name]
    grid, Y, guesses = drawn(name, draws, [1, seed])
    begun = thread_time()
    policy = l2o.train(l2o.families.LeastSquares(model, grid, sigma=noise).from_data(Y, guesses), rng=seed)
    took = thread_time() - begun
    grid, Y, guesses = drawn(name, m, [2, seed])
    known = np.isfinite(Y)
    lists = [grid[each] for each in known], [row[each] for row, each in zip(Y, known)]

    def fit(p0=None, **settings):
        return l2o.curve_fit_many(model, *lists, p0, sigma=noise, **settings)

    own = {} if policy.network.constant else {"p0": guesses}
    calls = {"guess": lambda: fit(guesses), "constant": lambda: fit(constant),
             "trained": lambda: fit(**own, method=policy), "adaptive": lambda: fit(constant, method="adaptive")}
    fits, found = beside(calls)
    return found, f"{took:.1f} s, {policy.card['training']['course'][-1]['choice']}; {fits['adaptive'].learned}"


def main():
    """Print a line for each family, seed and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="family", help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--draws", type=int, default=3000)
    parser.add_argument("--curves", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    one_core()
    print(f"{'':18}{'evaluations':>12}{'ratio':>16}{'geometric':>16}{'at the best':>13}{'us a fit':>10}")
    for name in given.families or FAMILIES:
        for seed in range(given.seeds):
            found, told = measured(name, given.draws, given.curves, seed)
            guess, constant = found["guess"], found["constant"]
            for way, (nfev, log, right, us) in found.items():
                print(f"{name:6}{seed:3} {way:8}{nfev:12.2f}{nfev / guess[0]:8.2f} ({nfev / constant[0]:.2f})"
                      f"{np.exp(log - guess[1]):9.2f} ({np.exp(log - constant[1]):.2f}){right:13.4f}{us:10.2f}")
            print(f"  {told}", flush=True)


if __name__ == "__main__":
    main()
