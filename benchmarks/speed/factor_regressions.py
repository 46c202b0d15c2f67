"""Rolling robust factor regressions, real data: SciPy in a loop, our engine, and our engine with a policy.

    python -m benchmarks.speed.factor_regressions [--rounds 2] [--seeds 0 1] [--docs]
    python -m benchmarks.speed.factor_regressions --settings [--seeds 0 1]

The first fits all 22,800 windows from least squares and from zero, then compares the policy with other methods on the
windows of the 18 sorted portfolios that start in 1990 or later. It is trained on windows of industries that end before
1990. The second compares settings of the training on further industries' windows of that time; the choice below is
made by it. All counts are evaluations after the one at the start.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

from dataclasses import replace

import numpy as np

import l2o
from benchmarks.paper.handoff import SHOWN, evaluations_to, limited, recorded
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.speed.fits import GTOL, calls, compared, race
from benchmarks.timing import best_of, one_core
from l2o.commands.real_data import factor_regressions
from l2o.policies import MLP
from l2o.solving.optimum import best_known

NEAR = 1e-3  # above the lowest known value: that near a run has arrived, and that far its basin is a wrong one
STARTS = 50  # of Newton and L-BFGS, for the lowest known value
N_INDUSTRIES = 12
VALIDATION = "Durbl", "BusEq", "Shops", "Money"  # industries that are not trained on
SPLIT = np.datetime64("1990-01")

NETWORK = MLP(inputs="linear", history=8)
SEARCH = l2o.GuidedPolicySearch(n_iterations=8, n_samples=12, horizon=20, sigma=0.03, least_sigma=0.01, rotations=0.0,
                                fresh_starts=False)
UNROLLED = l2o.UnrolledGradient(horizon=10, rotations=0.0, n_rounds=10)
SETTINGS = {
    "as for drawn functions": (MLP(inputs="linear"), l2o.GuidedPolicySearch()),
    "search": (NETWORK, SEARCH),
    "search, 10 steps": (NETWORK, replace(SEARCH, horizon=10)),
    "unrolled": (NETWORK, UNROLLED),
    "unrolled, 20 steps": (NETWORK, replace(UNROLLED, horizon=20)),
    "unrolled, axes turned": (NETWORK, replace(UNROLLED, rotations=0.5)),
    "unrolled, raw inputs": (MLP(inputs="raw", history=8), UNROLLED),
    "unrolled, scaled inputs": (MLP(inputs="scaled", history=8), UNROLLED),
    "unrolled, 24 units": (MLP(inputs="linear", history=8, width=24), UNROLLED),
    "unrolled, history 25": (MLP(inputs="linear"), UNROLLED),
    "search, then unrolled": (NETWORK, [SEARCH, UNROLLED]),
}
CHOSEN = "search, then unrolled"


def in_numpy(X, y):
    """Return x -> (f, g) of a robust regression with c = 1, in NumPy."""
    Z = np.column_stack([X, np.ones(len(y))])

    def value_and_grad(x):
        r = y - Z @ x
        u = 1.0 / (1.0 + r * r)
        return (r * r * u).mean(), (r * u * u) @ Z * (-2.0 / len(y))

    return value_and_grad


def parts(windows, every=12):
    """Return the windows to train on, to validate on, and to test on."""
    known = np.unique(windows.portfolio, return_index=True)
    industries = known[0][np.argsort(known[1])][:N_INDUSTRIES]
    industry, held_out = np.isin(windows.portfolio, industries), np.isin(windows.portfolio, VALIDATION)
    past = np.flatnonzero(industry & (windows.last < SPLIT))
    past = past[(windows.first[past] - windows.first.min()).astype(int) % every == 0]
    return (windows[past[~held_out[past]]], windows[past[held_out[past]]],
            windows[np.flatnonzero(~industry & (windows.first >= SPLIT))])


def trained(name, training, validation, seed):
    """Return a policy; the problems are those of residuals, so that all start at zero, as they do in rounds to come."""
    network, trainer = SETTINGS[name]
    return l2o.train(training.residual_problems(), validation=validation.residual_problems(), policy=network,
                     trainer=trainer, rng=seed)


def lowest_known(problems, *ends):
    """Return the lowest value that Newton and L-BFGS find from many starts, or that other runs end at, (m,)."""
    rng = np.random.default_rng(0)
    for i in range(STARTS):
        x0 = problems.x0 + (i > 0) * rng.standard_normal(problems.x0.shape)
        ends += tuple(l2o.minimize_many(problems, x0, method=method).x for method in ("newton", "lbfgs"))
    return best_known(problems, np.stack(ends, axis=1))


# -- the three columns ---------------------------------------------------------------------------------


def speed(windows, policies, rounds):
    """Return a table for each start: evaluations, time and wrong basins of all fits."""
    functions = [in_numpy(*each) for each in zip(windows.X, windows.y)]
    methods = {"L-BFGS": "lbfgs", "Newton": "newton", "policy, safeguarded": policies[0]}
    found, at = {}, {"least squares": windows.least_squares, "zero": np.zeros_like(windows.least_squares)}
    for start, x0 in at.items():
        found[start] = race(windows.problems().with_starts(x0), functions, methods, rounds)
    lowest = lowest_known(windows.problems(), *(fits.x for both in found.values() for fits in both.values()))
    tables = {}
    for start, fits in found.items():
        head, rows = compared(fits)
        wrong = [f"{100 * (each.fun > lowest + NEAR).mean():.2f} %" for each in fits.values()]
        tables[start] = table([*head, "wrong basin"], [[*row, cell] for row, cell in zip(rows, wrong)])
    return tables


# -- the policy ----------------------------------------------------------------------------------------


def judged(problems, methods, alone, lowest=None):
    """Return for each method the lowest values by evaluation, less the lowest known, and whether its basin is wrong.

    `methods` are run to the end by `minimize_many`; `alone` holds policies that are run without L-BFGS.
    """
    curves, ends = {}, {}
    for name, method in methods.items():
        with_policy = isinstance(method, l2o.Policy)
        curves[name] = limited(problems, method) if with_policy else recorded(problems, method)
        ends[name] = l2o.minimize_many(problems, method=method, tol=GTOL)
    if lowest is None:
        lowest = lowest_known(problems, *(end.x for end in ends.values()))
    wrong = {name: end.fun > lowest + NEAR for name, end in ends.items()}
    for name, policy in alone.items():
        curves[name] = recorded(problems, policy)
        wrong[name] = curves[name][:, -1] > lowest + NEAR
    return {name: curve - lowest[:, None] for name, curve in curves.items()}, wrong


def arrived(gaps, wrong, alone):
    """Return head and rows on evaluations to NEAR and wrong basins, and how many problems are averaged.

    Means are over the problems on which all methods but those of `alone` arrive.
    """
    to = {name: evaluations_to(gap, NEAR) for name, gap in gaps.items()}
    common = np.isfinite([each for name, each in to.items() if name not in alone]).all(axis=0)
    reference = to["L-BFGS"][common].mean()
    head = ["method", "mean", "of L-BFGS's", "median", "arrive", "wrong basin"]
    return head, [[name, *(f"{mean:.2f} {mean / reference:.0%}".split() if np.isfinite(mean) else "--"),
                   f"{np.median(each):.0f}", f"{np.isfinite(each).mean():.4f}", f"{100 * wrong[name].mean():.2f} %"]
                  for name, each in to.items() for mean in [each[common].mean()]], common.sum()


def tested(test, training, policies, rounds):
    """Return text and tables of the policies on the windows of the test."""
    problems = test.problems()
    momentum = l2o.tune(l2o.baselines.Momentum, training.residual_problems(), n_steps=10)
    alone = {"momentum, tuned": momentum} | {f"policy alone, seed {seed}": each for seed, each in policies.items()}
    methods = {"SciPy L-BFGS-B": "scipy-lbfgs", "L-BFGS": "lbfgs", "Newton": "newton"} | {
        f"policy, safeguarded, seed {seed}": each for seed, each in policies.items()}
    gaps, wrong = judged(problems, methods, alone)
    head, rows, n = arrived(gaps, wrong, alone)
    times = best_of(calls(problems, methods), rounds)
    seconds = [f"{1e6 * times[row[0]] / len(problems):.2f}" if row[0] in times else "-" for row in rows]
    return (table([*head, "microseconds a fit"], [[*row, cell] for row, cell in zip(rows, seconds)]), n,
            table(["k", *SHOWN], [[name, *(f"{gap[:, k].mean():.2g}" for k in SHOWN)] for name, gap in gaps.items()]))


def compare_settings(training, validation, seeds):
    """Return a table of settings on the validation windows, a row for each seed."""
    problems, rows = validation.problems(), []
    lowest = lowest_known(problems)
    for name in SETTINGS:
        for seed in seeds:
            policy = trained(name, training, validation, seed)
            label = f"{name}, {seed}"
            gaps, wrong = judged(problems, {"L-BFGS": "lbfgs", label: policy}, {"alone": policy}, lowest)
            _, found, n = arrived(gaps, wrong, {"alone"})
            rows.append([*found[1], found[2][4], n, f"{policy.card['run']['seconds']:.0f}"])
            print(*rows[-1], flush=True)
    return table(["setting, seed", "mean", "of L-BFGS's", "median", "arrive", "wrong basin", "arrive alone", "windows",
                  "seconds"], rows)


def main():
    """Print the tables."""
    parser = arguments(__doc__.splitlines()[0], rounds=2)
    parser.add_argument("--settings", action="store_true", help="compare settings on validation windows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    given = parser.parse_args()
    windows = factor_regressions()
    training, validation, test = parts(windows)
    told = machine("l2o", "numpy", "scipy")
    record = {"machine": told, "rounds": given.rounds, "seeds": given.seeds}
    if given.settings:
        publish("betas-settings", compare_settings(training, validation, given.seeds), record, given)
        return
    policies = {seed: trained(CHOSEN, training, validation, seed) for seed in given.seeds}
    one_core()
    arrival, n, curves = tested(test, training, policies, 5 * given.rounds)
    about = f"Best of {given.rounds} rounds. {sentence(told)}"
    text = (f"Evaluations until f is at most {NEAR:g} above the lowest known, and the time of a fit to "
            f"|g| <= {GTOL:.0e}; means over the {n:,} of {len(test):,} windows on which all but momentum and the "
            f"policies alone arrive:\n\n{arrival}\n\nMean of f less the lowest known after k "
            f"evaluations, all windows:\n\n{curves}\n\n{about}")
    publish("betas-policy", text, record, given)
    for start, text in speed(windows, list(policies.values()), given.rounds).items():
        about_start = f"{len(windows):,} fits from {start} to |g| <= {GTOL:.0e}. {about}"
        publish(f"betas-{start.replace(' ', '-')}", f"{text}\n\n{about_start}", record, given)


if __name__ == "__main__":
    main()
