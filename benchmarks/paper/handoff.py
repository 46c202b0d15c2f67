"""When a policy should hand over to L-BFGS, and what that gives.

    python -m benchmarks.paper.handoff --rules [--families logistic robust] [--seeds 0 1] [--policies FOLDER] [--docs]
    python -m benchmarks.paper.handoff [--functions 500] [--families ...] [--seeds ...] [--policies FOLDER] [--docs]
    python -m benchmarks.paper.handoff --standard [--families logistic neural-net] [--seeds ...] [--policies FOLDER]

The first tries rules on 400 functions of the branch of the seed that validates, the second runs the compiled rule on
unseen functions beside the other methods (--docs writes the tables, of the first seed, into docs/results), the third
on the standard functions of the tests. Policies are those that are shipped, or FOLDER/family-seed.npz of each seed, as
`make pretrained` leaves them in build/pretrained. All counts are evaluations after the one at x0.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

import l2o
from benchmarks import native_parts
from benchmarks.paper.pretrained import family_of
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.speed.fits import GTOL, calls
from benchmarks.timing import best_of
from l2o import _kernels
from l2o.baselines._scipy import ScipyMethod
from l2o.families import PAPER
from l2o.methods import Stopping
from l2o.policies.policy import PRETRAINED
from l2o.solving.optimum import best_known
from l2o.training import streams

BUDGET, SHOWN = 100, range(1, 11)
TARGETS = 1e-2, 1e-4, 1e-6
LONGEST = 25  # learned steps that the rules may choose among


def policy_of(family, seed, folder):
    """Return the policy of a family that is shipped, or that of the seed in a folder."""
    return l2o.load(Path(folder, f"{family}-{seed}.npz") if folder else family)


def lowest_so_far(evaluations):
    """Return the lowest value after 0..BUDGET evaluations, (m, BUDGET + 1)."""
    filled = np.full((len(evaluations), BUDGET + 1), np.inf)
    kept = evaluations[:, : BUDGET + 1]
    filled[:, : kept.shape[1]] = np.where(np.isfinite(kept), kept, np.inf)
    return np.minimum.accumulate(filled, axis=1)


def recorded(problems, method):
    """Return the lowest values of a method that `rollout` records."""
    return lowest_so_far(l2o.rollout(problems, method=method, n_steps=BUDGET).evaluations)


def limited(problems, method):
    """Return the lowest values of a method that only `minimize_many` runs, one budget after the other."""
    return np.stack([l2o.minimize_many(problems, method=method, options={"maxfun": 1 + k, "gtol": 0.0}).fun
                     for k in range(BUDGET + 1)], axis=1)


def gaps(curves, problems, starts):
    """Return f - f* of each method, f* the lowest value that a method or a polish from its end points found."""
    lowest = best_known(problems, starts)
    f_star = np.minimum(lowest, np.min([curve[:, -1] for curve in curves.values()], axis=0))
    return {name: curve - f_star[:, None] for name, curve in curves.items()}


def evaluations_to(gap, target):
    """Return the evaluations until f - f* <= target, (m,); +inf where the budget is not enough."""
    return np.where((gap <= target).any(axis=1), (gap <= target).argmax(axis=1), np.inf)


# -- the choice of the rule ----------------------------------------------------------------------------


def steps_of(runs, *, flat=0.0, most=LONGEST, promised=0.0, chances=1):
    """Return how many learned steps each run takes, (m,).

    A run hands over after so many steps in a row (chances) of which none lowers f, or the first that does not; after a
    step that leaves less than `flat` of the gradient at the start, or that lowers f by less than `promised` times what
    a step of L-BFGS promised; or after `most` steps.
    """
    slope, taken = np.abs(runs.jac).max(axis=2), []
    for i in range(len(runs.fun)):
        gain = np.minimum.accumulate(runs.fun[i])[:-1] - runs.fun[i, 1:]
        lower = [False] + [g > promised * (promise(runs, i, k) if promised and k else 0.0) for k, g in enumerate(gain)]
        ends = (k for k in range(1, most)
                if not any(lower[max(k - chances + 1, 0) : k + 1]) or slope[i, k] <= flat * slope[i, 0])
        taken.append(next(ends, most))
    return taken


def pairs(runs, i, k):
    """Return the curvature pairs of the first k learned steps."""
    return np.diff(runs.x[i, : k + 1], axis=0), np.diff(runs.jac[i, : k + 1], axis=0)


def promise(runs, i, k):
    """Return by how much the model of L-BFGS says that its next step lowers f, g'Hg / 2."""
    g = runs.jac[i, k]
    return -0.5 * g @ native_parts.direction(_kernels.lbfgs.method(10), *pairs(runs, i, k), g)


def handed_over(problems, runs, taken):
    """Return the lowest values of runs that take so many learned steps and then L-BFGS, (m, BUDGET + 1)."""
    curve = np.minimum.accumulate(np.pad(runs.fun, ((0, 0), (0, BUDGET + 1 - runs.fun.shape[1])), mode="edge"), axis=1)
    addresses, dim, lbfgs = problems.addresses(), problems.dim, _kernels.lbfgs.method(10)
    for i, k in enumerate(taken):
        best, first = int(np.argmin(runs.fun[i, : k + 1])), runs.fun[i, 0]
        known = pairs(runs, i, k) if best else (np.empty((0, dim)),) * 2
        for budget in range(k + 1, BUDGET + 1):
            point = runs.x[i, best], runs.fun[i, best], runs.jac[i, best]
            _, f, _, _, _, status = native_parts.resume(
                problems.function, int(addresses[i]), lbfgs, known, Stopping(0.0, 1000, budget + 1), point, first=first,
                lowest=point[1], nit=k, nfev=k + 1)
            curve[i, budget] = f
            if status != 1:
                curve[i, budget:] = f
                break
    return curve


RULES = {
    "L-BFGS alone": None,
    **{f"{n} step{'s or fewer' if n > 1 else ''}": {"most": n} for n in (1, 3, 5, 10)},
    **{f"gradient above {c}, 10 steps": {"flat": c, "most": 10} for c in (0.3, 0.5, 0.7)},
    **{f"gradient above {c}, 10 steps, second chance": {"flat": c, "most": 10, "chances": 2}
       for c in (0.2, 0.3, 0.4, 0.5)},
    **{f"gradient above 0.3, {n} steps, second chance": {"flat": 0.3, "most": n, "chances": 2} for n in (5, 15)},
    **{f"{c} of what L-BFGS promises": {"promised": c} for c in (0.5, 1.0)},
}


def compare_rules(given):
    """Print each rule: the mean of f - f* over budgets 1 to 10 against L-BFGS alone, and evaluations to 1e-6."""
    columns, rows = [], {name: [] for name in RULES}
    names = [name for family in given.families for name in (family, f"{family}-short") if name in PRETRAINED]
    for name, seed in itertools.product(names, given.seeds):
        problems = family_of(name).sample(400, streams(seed)["validation"])
        policy = policy_of(name, seed, given.policies)
        runs = l2o.rollout(problems, method=policy, n_steps=LONGEST)
        curves = {name: recorded(problems, "lbfgs") if rule is None else
                  handed_over(problems, runs, steps_of(runs, **rule)) for name, rule in RULES.items()}
        ends = l2o.minimize_many(problems, method="lbfgs", tol=1e-10).x
        found = gaps(curves, problems, ends[:, None])
        reached = {name: evaluations_to(gap, TARGETS[-1]) for name, gap in found.items()}
        common = np.isfinite(list(reached.values())).all(axis=0)
        alone = found["L-BFGS alone"].mean(axis=0)[1:11]
        for rule, gap in found.items():
            ratio = np.exp(np.log(gap.mean(axis=0)[1:11] / alone).mean())
            rows[rule] += [f"{ratio:.3f}", f"{reached[rule][common].mean():.2f}"]
        columns += [f"{name} {seed}: f - f*", f"to 1e-6 ({common.sum()})"]
    publish("safeguard-rules", table(["learned steps", *columns], [[name, *row] for name, row in rows.items()]), {},
            argparse.Namespace(json=None, docs=given.docs))


# -- what it gives -------------------------------------------------------------------------------------


class BFGS(ScipyMethod):
    """SciPy's BFGS, for the comparison."""

    scipy_name = "BFGS"

    def options(self, stopping):
        """Return SciPy's options; None asks for no tolerance at all."""
        return {"gtol": 0.0} if stopping is None else {"gtol": stopping.gtol, "maxiter": stopping.maxiter}


def evaluate(given, family, seed):
    """Compare methods on unseen functions: f - f* at small budgets, evaluations to targets, and times."""
    kind, branches = PAPER[family](), streams(seed)
    problems, policy = kind.sample(given.functions, branches["fresh"]), policy_of(family, seed, given.policies)
    momentum = l2o.tune(l2o.baselines.Momentum, kind.sample(kind.n_training, branches["training"]), n_steps=40)
    methods = {"SciPy L-BFGS-B": "scipy-lbfgs", "SciPy BFGS": BFGS(), "SciPy CG": "cg", "L-BFGS": "lbfgs",
               "Newton": "newton", "momentum, tuned": momentum, "policy alone": policy}
    if problems.kernel.hessian is None:
        del methods["Newton"]
    curves = {name: recorded(problems, method) for name, method in methods.items()}
    guarded = {"policy, safeguarded": policy}
    if f"{family}-short" in PRETRAINED:
        guarded[f"{family}-short, safeguarded"] = policy_of(f"{family}-short", seed, given.policies)
    curves |= {name: limited(problems, each) for name, each in guarded.items()}
    ends = np.stack([l2o.minimize_many(problems, method=method, tol=1e-10).x for method in ("lbfgs", policy)], axis=1)
    found = gaps(curves, problems, ends)
    slow = {"momentum, tuned": momentum, "policy alone": policy}  # they do not get to the end
    finishing = {name: each for name, each in methods.items() if name not in slow} | guarded
    times = best_of(calls(problems, finishing), given.rounds)
    told = sentence(machine("l2o", "numpy", "scipy"))
    text = (f"{family}, seed {seed}, {given.functions} unseen functions: mean of $f - f^\\star$ after $k$ evaluations, "
            f"the lowest without Hessians bold.\n\n{by_budget(found)}\n\n{to_targets(found, slow, times)}\n\n"
            f"Microseconds are those of a fit to a gradient of {GTOL:.0e} on one worker; SciPy's methods run in a loop "
            f"on our objective. {told}")
    publish(f"safeguard-{family}", text, {}, argparse.Namespace(json=None, docs=given.docs and seed == given.seeds[0]))


def by_budget(found):
    """Return a table of the mean of f - f* after SHOWN evaluations; the lowest of the gradient methods is bold."""
    means = {name: [f"{gap[:, k].mean():.2g}" for k in SHOWN] for name, gap in found.items()}
    gradient = [row for name, row in means.items() if name != "Newton"]
    lowest = [min(column, key=float) for column in zip(*gradient)]
    return table(["k", *SHOWN], [[name, *(f"**{each}**" if each == least and name != "Newton" else each
                                          for each, least in zip(row, lowest))] for name, row in means.items()])


def to_targets(found, slow, times):
    """Return a table of the evaluations to TARGETS, and of microseconds a fit, with a line on what is averaged."""
    reached = {name: [evaluations_to(gap, target) for target in TARGETS] for name, gap in found.items()}
    common = np.isfinite([row for name, row in reached.items() if name not in slow]).all(axis=0)
    head = [f"{target:.0e}: mean" if what == "mean" else what
            for target in TARGETS for what in ("mean", "median", "share")]
    rows = [[name] + [cell for at, among in zip(row, common)
                      for cell in (f"{at[among].mean():.2f}".replace("inf", "-"),
                                   f"{np.median(at):.0f}".replace("inf", "-"), f"{np.isfinite(at).mean():.3f}")]
            + [f"{1e6 * times[name] / len(row[0]):.2f}" if name in times else "-"] for name, row in reached.items()]
    numbers = ", ".join(map(str, common.sum(axis=1)))
    return (f"Evaluations until $f - f^\\star$ is at most the target: mean over the {numbers} functions on which all "
            f"but momentum and the policy alone get there, median over all, share that gets there in {BUDGET}.\n\n"
            + table(["method", *head, "microseconds"], rows))


def on_standard_functions(family, seed, folder):
    """Print evaluations and solved functions, outside of the family, of a policy and of L-BFGS."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from standard_functions import FUNCTIONS

    policy, total, solved = policy_of(family, seed, folder), np.zeros(2, int), np.zeros(2, int)
    for function in FUNCTIONS.values():
        with np.errstate(all="ignore"):
            both = [l2o.minimize(function.value_and_grad, function.start(policy.dim), method=method)
                    for method in (policy, "lbfgs")]
        best = min(result.fun for result in both)
        total += [result.nfev for result in both]
        solved += [result.success or result.fun <= best + 1e-8 for result in both]
    print(f"{family}, seed {seed}: {len(FUNCTIONS)} functions in dimension {policy.dim}; evaluations {total[0]}, of "
          f"L-BFGS {total[1]}; solved {solved[0]}, by L-BFGS {solved[1]}")


def main():
    """Print the tables."""
    parser = arguments(__doc__.splitlines()[0], rounds=3)
    parser.add_argument("--rules", action="store_true", help="try rules on validation functions")
    parser.add_argument("--standard", action="store_true", help="run on the standard functions of the tests")
    parser.add_argument("--families", nargs="+", default=["logistic", "robust"], choices=PAPER)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--functions", type=int, default=500)
    parser.add_argument("--policies", metavar="FOLDER", help="where policies are, instead of the shipped ones")
    given = parser.parse_args()
    if given.rules:
        compare_rules(given)
        return
    for family, seed in itertools.product(given.families, given.seeds):
        if given.standard:
            on_standard_functions(family, seed, given.policies)
        else:
            evaluate(given, family, seed)


if __name__ == "__main__":
    main()
