"""What the inputs and the size of the network are worth: quality after training, and the time of a step.

    python -m benchmarks.paper.networks [--family logistic] [--seeds 0 1 2] [--functions 500] [--workers N] [--docs]

One training for each network and seed, with otherwise default settings, judged on unseen functions: the mean of
f - f* by iteration, averaged over the seeds, and the difference from the first network: mean over the seeds and its
standard error. Momentum is tuned on the training functions, as in the reports.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
from functools import partial

import numpy as np

import l2o
from benchmarks.report import machine, publish, sentence, table
from benchmarks.timing import best_of, one_core
from l2o.families import FAMILIES
from l2o.policies import MLP
from l2o.training import streams

NETWORKS = {
    "linear": MLP(inputs="linear"),
    "scaled": MLP(inputs="scaled"),
    "raw": MLP(inputs="raw"),
    "linear, H = 8, 24 units": MLP(inputs="linear", history=8, width=24),
}
STEPS, SHOWN = 100, (1, 2, 3, 5, 10, 20, 40, 100)


def step_times(policies, problems):
    """Return the microseconds of a step of each policy: among many runs, of one run a call, in single precision again.

    They take turns, so that a busy machine is busy for all.
    """
    calls = {(name, precision, runs): partial(l2o.rollout, problems[:runs], method=policy.astype(precision))
             for name, policy in policies.items() for precision in ("float64", "float32")
             for runs in (len(problems), 1)}
    best = best_of(calls, 20)
    return {name: [1e6 * seconds / (40 * runs) for (of, _, runs), seconds in best.items() if of == name]
            for name in policies}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="logistic", choices=FAMILIES)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--functions", type=int, default=500)
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results")
    options = parser.parse_args()
    family, curves = FAMILIES[options.family](), {}
    for seed in options.seeds:
        fresh = family.sample(options.functions, streams(seed)["fresh"])
        policies = {name: l2o.train(family, policy=NETWORKS[name], rng=seed, workers=options.workers)
                    for name in options.networks}
        training = family.sample(family.n_training, streams(seed)["training"])
        methods = {**policies, "momentum": l2o.tune(l2o.baselines.Momentum, training, n_steps=40)}
        report = l2o.compare(fresh, methods, n_steps=STEPS, workers=options.workers, n_bootstrap=1)
        for name, curve in report.curves(by="iteration").items():
            curves.setdefault(name, []).append(curve.mean[list(SHOWN)])
        print(f"seed {seed} done", flush=True)
    one_core()
    times = step_times(policies, fresh)  # of the last seed's: they are all of one size
    text = (f"{table(*compared(options.networks, curves, times))}\n\nMean f - f* on {options.functions} unseen "
            f"functions, over seeds {', '.join(map(str, options.seeds))}; microseconds a step in double precision and "
            f"in single, of a batch and of one run a call. {sentence(machine('l2o', 'numpy'))}")
    publish("networks", text, {}, argparse.Namespace(json=None, docs=options.docs))


def compared(networks, curves, times):
    """Return head and rows of a table; below each network but the first its difference from that one."""
    head = ["network", *(f"k = {k}" for k in SHOWN), "batch", "one run", "batch, single", "one run, single"]
    first, rows = np.array(curves[networks[0]]), []
    for name, seeds in curves.items():
        least = [f"{time:.2f}" for time in times[name]] if name in times else ["-"] * 4
        rows.append([name, *(f"{value:.2g}" for value in np.mean(seeds, axis=0)), *least])
        if name in networks[1:] and len(seeds) > 1:
            difference = np.array(seeds) - first
            error = difference.std(axis=0, ddof=1) / np.sqrt(len(seeds))
            rows.append([f"less {networks[0]}", *(f"{mean:+.1e} ± {e:.0e}" for mean, e in zip(difference.mean(axis=0),
                                                                                          error)), *["-"] * 4])
    return head, rows


if __name__ == "__main__":
    main()
