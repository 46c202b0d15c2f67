"""Learning inside the batch: evaluations, time and basins of `minimize_many` as it is, beside L-BFGS.

    python -m benchmarks.families.adaptive [FAMILY ...] [--problems 5000] [--rounds 5]

Nothing is trained beforehand; evaluations are all that are made, labels, first looks and probes included, until
max|g| <= 1e-6, relative to the compiled L-BFGS; times are those of whole calls, in turn in one process. A run is in a
wrong basin if it ends more than 1e-3 of the fall above the lowest value of both methods.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import importlib.util
from functools import partial
from itertools import combinations

import numpy as np

import l2o
from benchmarks.families import family_data, tensor_data
from benchmarks.families.family_data import decay
from benchmarks.timing import best_of, one_core
from l2o.commands.real_data import breast_cancer_triples, factor_regressions
from l2o.families import Custom, Logistic, RobustRegression

GTOL = 1e-6
BASIN = 1e-3
GRID = np.linspace(0.0, 4.0, 30)
MEAN = ("decays", "one design, d = 4", "one design, d = 10", "bootstrap", "tensors")  # whose mean is printed
ORDERED = ("French windows", "decay image")


def pixels(m, rng, noise=0.05):
    """Return decays in the pixels of a square image, row by row."""
    size = round(np.sqrt(m))
    row, column = np.mgrid[:size, :size].reshape(2, -1) / (size - 1)
    rate = np.exp(0.8 * np.sin(2 * np.pi * row) * np.cos(np.pi * column))
    curves = (1.0 + 0.5 * column)[:, None] * np.exp(-rate[:, None] * GRID) + 0.1
    curves += noise * rng.standard_normal(curves.shape)
    data = np.stack([np.broadcast_to(GRID, curves.shape), curves, np.full(curves.shape, 0.05)], axis=2)
    x0 = np.column_stack([np.log(np.maximum(curves[:, 0] - curves[:, -1], 0.1)), 0.0 * rate, curves[:, -1]])
    return data, x0


def image(m, shuffled):
    """Return the decays of an image, in order or not."""
    rng = np.random.default_rng(1)
    data, x0 = pixels(m, rng)
    rows = rng.permutation(len(x0)) if shuffled else np.arange(len(x0))
    return Custom(decay, dim=3).from_data(data[rows], x0=x0[rows])


def one_design(m, n_features):
    """Return outcomes of one design: other features, above random quantiles."""
    Z, _ = family_data.cancer()
    rng = np.random.default_rng(77)
    order = np.random.default_rng(11).permutation(30)
    X, which, share = Z[:, order[:n_features]], rng.choice(order[n_features:], m), rng.uniform(0.1, 0.9, m)
    y = np.array([Z[:, column] > np.quantile(Z[:, column], q) for column, q in zip(which, share)], float)
    return Logistic(n_features).from_data(np.repeat(X[None], m, axis=0), y, x0=np.zeros((m, n_features + 1)))


def resampled(m, rng):
    """Return rows of features and labels of resamples of one regression."""
    Z, target = family_data.cancer()
    rows = rng.integers(len(Z), size=(m, len(Z)))
    return Z[:, [0, 1, 4]][rows], target[rows]


def regressions(X, y):
    """Return logistic regressions from zero."""
    return Logistic().from_data(X, y, x0=np.zeros((len(X), 4)))


def mixed(m):
    """Return two families in one batch: resamples of one regression, and regressions on triples of features."""
    Z, target = family_data.cancer()
    rng = np.random.default_rng(5)
    X, y = resampled(m // 2, rng)
    triples = np.array(list(combinations(range(30), 3)))
    chosen = triples[rng.integers(len(triples), size=m - len(X))]
    X, y = np.concatenate([X, Z.T[chosen].transpose(0, 2, 1)]), np.concatenate([y, np.tile(target, (len(chosen), 1))])
    rows = rng.permutation(m)
    return regressions(X[rows], y[rows])


def shifted(m):
    """Return decays of which the second half has ten times the noise."""
    rng = np.random.default_rng(6)
    halves = [pixels(m // 2, rng, noise) for noise in (0.05, 0.5)]
    order = [rng.permutation(len(x0)) for _, x0 in halves]
    data, x0 = (np.concatenate([half[k][rows] for half, rows in zip(halves, order)]) for k in (0, 1))
    return Custom(decay, dim=3).from_data(data, x0=x0)


def tensors(m):
    """Return simulated voxels of a measurement of diffusion tensors."""
    B = tensor_data.design("small_64D")
    return tensor_data.problems(B, tensor_data.simulated(B, m, np.random.default_rng(3)))


def windows(shuffled=False):
    """Return all French windows from least squares, in order or not."""
    problems = factor_regressions().problems()
    return problems[np.random.default_rng(0).permutation(len(problems))] if shuffled else problems


FAMILIES = {
    "decays": lambda m: image(m, True),
    "broad decays": lambda m: family_data.FAMILIES["decays"](m, 0)[0],
    "ragged decays": lambda m: family_data.FAMILIES["decays, ragged"](m, 0)[0],
    "one design, d = 4": lambda m: one_design(m, 3),
    "one design, d = 10": lambda m: one_design(m, 9),
    "bootstrap": lambda m: regressions(*resampled(m, np.random.default_rng(77))),
    "tensors": tensors,
    "French windows": lambda m: windows(),
    "decay image": lambda m: image(m, False),
    "logistic": lambda m: Logistic().sample(m, rng=0),
    "robust": lambda m: RobustRegression().sample(m, rng=0),
    "neural net": lambda m: l2o.families.NeuralNet().sample(m, rng=0),
    "triples": lambda m: breast_cancer_triples(),
    "French windows, shuffled": lambda m: windows(True),
    "two families mixed": mixed,
    "second half shifted": shifted,
}


def measured(name, m, rounds):
    """Return ratio of evaluations, speed, shares in wrong basins, L-BFGS's evaluations, rows above start; learned."""
    problems = FAMILIES[name](m)
    calls = {"adaptive": partial(l2o.minimize_many, problems, ordered=name in ORDERED, tol=GTOL),
             "L-BFGS": partial(l2o.minimize_many, problems, method="lbfgs", tol=GTOL)}
    seconds = best_of(calls, rounds)
    own, classical = (call() for call in calls.values())
    start = problems.value_and_grad(problems.x0)[0]
    lowest = np.minimum(own.fun, classical.fun)
    near = lowest + BASIN * (start - lowest)
    return (own.nfev.sum() / classical.nfev.sum(), seconds["L-BFGS"] / seconds["adaptive"], (own.fun > near).mean(),
            (classical.fun > near).mean(), classical.nfev.mean(), int((own.fun > start).sum()), own)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    unknown = [name for name in options.families if name not in FAMILIES]
    if unknown:
        parser.error(f"argument FAMILY: {unknown[0]!r}; expected of {', '.join(FAMILIES)}")
    one_core()
    found = {}
    for name in options.families or FAMILIES:
        if name == "tensors" and importlib.util.find_spec("dipy") is None:
            print("tensors: left out, they need dipy and nibabel")
            continue
        ratio, speed, wrong, theirs, mean, above, own = measured(name, options.problems, options.rounds)
        found[name] = ratio, speed
        print(f"{name} ({len(own):,}): {ratio:.3f} of {mean:.1f} evaluations, {speed:.2f} x as fast; wrong basin "
              f"{100 * wrong:.2f} % (L-BFGS {100 * theirs:.2f}), {above} above their start, "
              f"{100 * own.success.mean():.2f} % converged\n  {own.learned}", flush=True)
    counted = [name for name in MEAN if name in found]
    if counted:
        ratio, speed = np.exp(np.log([found[name] for name in counted]).mean(axis=0))
        print(f"geometric mean of {', '.join(counted)}: {ratio:.3f} of the evaluations, {speed:.2f} x as fast")


if __name__ == "__main__":
    main()
