"""A learned prior where the family has changed: evaluations relative to L-BFGS's, without and with probes.

    python -m benchmarks.families.shifts [FAMILY ...] [--problems 10000] [--seed 0]

A policy is trained on 100 problems and minimises many of another law, to |g| <= 1e-6. "alone" is the policy on every
row; "with probes" is what `minimize_many` does, the evaluations of its probes included. Above 1 learning has cost.
Where Newton's method was chosen, its Hessians are no evaluations; the time of a call relative to L-BFGS's has them.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
from functools import partial

import numpy as np

import l2o
from benchmarks.families import tensor_data
from benchmarks.families.family_data import FAMILIES, cancer, curve, decay, logistic_outcomes
from benchmarks.timing import best_of
from l2o.methods import Stopping
from l2o.solving.starts import begun

GTOL = 1e-6
LIMIT = 15000
ROUNDS = 3
DRAWN = 1000  # different problems of a shift; more are these again


def decays(amplitude=1.0, rate=1.0, offset=0.0, sigma=0.05, n=30):
    """Return curves of the training's law, but for what is given."""
    rng, t = np.random.default_rng(9), np.linspace(0.0, 4.0, n)
    law = rng.standard_normal((DRAWN, 3)) * [0.4, 0.5, 0.3]
    curves = [curve(rng, t, amplitude * np.exp(a), rate * np.exp(k), c + offset, sigma) for a, k, c in law]
    return l2o.families.Custom(decay, dim=3).from_data(
        curves, x0=[[np.log(max(v[0, 1] - v[-1, 1], 0.1)), 0.0, v[-1, 1]] for v in curves])


def outcomes(columns=None, scale=1.0, low=0.1, high=0.9):
    """Return regressions of all features above a quantile between low and high, on scaled columns of the table."""
    Z, order = cancer()[0], np.random.default_rng(11).permutation(30)
    X = scale * Z[:, order[:3] if columns is None else columns]
    return logistic_outcomes(X, Z[:, order[3:]], DRAWN, np.random.default_rng(3), low, high)


SHIFTS = {  # family that is learned -> what it is used on
    "decays": {
        "as trained": decays, "amplitude x 3": lambda: decays(amplitude=3.0),
        "amplitude x 10": lambda: decays(amplitude=10.0), "rates x 4": lambda: decays(rate=4.0),
        "rates / 4": lambda: decays(rate=0.25), "offset + 5": lambda: decays(offset=5.0),
        "noise x 10": lambda: decays(sigma=0.5), "noise / 10": lambda: decays(sigma=0.005),
        "300 points": lambda: decays(n=300), "8 points": lambda: decays(n=8)},
    "decays, ragged": {"as trained": None},
    "one design, d = 4": {
        "test outcomes": None, "rare outcomes": lambda: outcomes(low=0.02, high=0.08),
        "other covariates": lambda: outcomes([0, 3, 20]), "covariates x 10": lambda: outcomes(scale=10.0),
        "covariates / 10": lambda: outcomes(scale=0.1)},
    "one design, d = 10": {"test outcomes": None},
    "one design, d = 20": {"test outcomes": None},
    "bootstrap": {"as trained": None},
    "tensors, own voxels": {"the other half": None},
    "tensors, simulated": {
        "real voxels": None,
        "101 gradients": lambda: tensor_data.problems(tensor_data.design("small_101D"),
                                                      tensor_data.measured("small_101D"))},
    "triples": {"other features": None},
    "rolling windows": {"from 1990": None},
    "logistic": {"another draw": None},
    "robust": {"another draw": None},
}


def ratios(policy, drawn, m):
    """Return evaluations on m problems relative to L-BFGS's, alone and with probes, and the time with probes."""
    problems = drawn[np.arange(m) % len(drawn)]
    calls = {method: partial(l2o.minimize_many, problems, method=method, tol=GTOL) for method in ("lbfgs", policy)}
    seconds = best_of(calls, ROUNDS)
    classical, probed = (call().nfev.sum() for call in calls.values())
    alone = policy.serving(drawn).solve(begun(drawn, policy), Stopping(GTOL, LIMIT, LIMIT))
    alone = alone.nfev[np.arange(m) % len(drawn)].sum()
    return alone / classical, probed / classical, seconds[policy] / seconds["lbfgs"]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(SHIFTS)}")
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    worst = 0.0
    for name in options.families or SHIFTS:
        training, test = FAMILIES[name](100, options.seed)
        policy = l2o.train(training, rng=options.seed, trainer=l2o.CurvatureRegression())
        print(f"{name}: {policy.card['training']['course'][0]['choice']}")
        for shift, drawn in SHIFTS[name].items():
            alone, probed, taken = ratios(policy, test if drawn is None else drawn(), options.problems)
            worst = max(worst, probed)
            print(f"  {shift:18s} alone {alone:.2f}, with probes {probed:.3f}, in {taken:.2f} of the time", flush=True)
    print(f"worst with probes: {worst:.3f}")


if __name__ == "__main__":
    main()
