"""What the trainers are worth: guided policy search, the unrolled gradient, and one after the other.

    python -m benchmarks.paper.trainers [--family logistic] [--seeds 0 1] [--functions 500] [--workers N]

One training for each trainer and seed, with default settings, judged on unseen functions: the mean of f - f*, and the
paired 95 % intervals of its difference from tuned gradient descent and momentum (by iteration), from CG and L-BFGS (by
evaluation), and from guided policy search alone. Positive where the learned step is better.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse

import l2o
from l2o.families import FAMILIES
from l2o.training import streams

TRAINERS = {
    "search": l2o.GuidedPolicySearch(),
    "unrolled": l2o.UnrolledGradient(),
    "search, then unrolled": [l2o.GuidedPolicySearch(), l2o.UnrolledGradient()],
}
RIVALS = {"gradient descent": "iteration", "momentum": "iteration", "CG": "evaluation", "L-BFGS": "evaluation"}
STEPS, SHOWN = 100, (1, 2, 3, 5, 10, 20, 40, 100)


def row(name, cells, width=11):
    print(f"{name:36s}" + "".join(f"{cell:>{width}}" for cell in cells))


def first_lead(low):
    """Return for how many k from 1 on the values are above 0."""
    return next((k - 1 for k in range(1, len(low)) if not low[k] > 0), len(low) - 1)


def show_difference(report, a, b, by):
    """Print mean and interval of b - a, and where it is above 0, and below."""
    curve = report.paired(a, b, by=by)
    row(f"  {b}", [f"{curve.mean[k]:+.4f}" for k in SHOWN])
    row("", [f"{curve.low[k]:+.4f}.." for k in SHOWN])
    row("", [f"{curve.high[k]:+.4f}" for k in SHOWN])
    above, below = (sum(1 for k in range(1, STEPS + 1) if test(k)) for test in
                    (lambda k: curve.mean[k] > 0, lambda k: curve.high[k] < 0))
    print(f"    better in the mean at {above} of {STEPS} k, worse with 95 % confidence at {below}; ahead at the first "
          f"{first_lead(curve.mean)} k, with 95 % confidence at the first {first_lead(curve.low)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="logistic", choices=FAMILIES)
    parser.add_argument("--trainers", nargs="+", default=list(TRAINERS), choices=TRAINERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--functions", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    family = FAMILIES[options.family]()
    for seed in options.seeds:
        learned = {name: l2o.train(family, rng=seed, trainer=TRAINERS[name], workers=options.workers)
                   for name in options.trainers}
        training = family.sample(family.n_training, streams(seed)["training"])
        baselines = {"gradient descent": l2o.tune(l2o.baselines.GradientDescent, training),
                     "momentum": l2o.tune(l2o.baselines.Momentum, training), "CG": "cg", "L-BFGS": "scipy-lbfgs"}
        fresh = family.sample(options.functions, streams(seed)["fresh"])
        report = l2o.compare(fresh, {**learned, **baselines}, n_steps=STEPS, workers=options.workers)
        print(f"\n{options.family}, seed {seed}: mean of f - f* on {options.functions} unseen functions")
        row("", [f"k = {k}" for k in SHOWN])
        curves = {by: report.curves(by) for by in set(RIVALS.values())}
        for name in report.methods:
            curve = curves[RIVALS.get(name, "iteration")][name]
            card = learned[name].card if name in learned else None
            seconds = f", {card['run']['seconds']:.0f} s" if card else ""
            row(name + seconds, [f"{curve.mean[k]:.4g}" for k in SHOWN])
        for name in learned:
            print(f"\nBetter than these by, with {name} (validation {learned[name].card['quality']['policy']:.4f}):")
            for rival, by in RIVALS.items():
                show_difference(report, name, rival, by)
            if name != "search" and "search" in learned:
                show_difference(report, name, "search", "iteration")


if __name__ == "__main__":
    main()
