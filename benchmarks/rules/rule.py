"""The learned quasi-Newton rule beside L-BFGS and BFGS: evaluations, and time by what an evaluation costs.

    python -m benchmarks.rules.rule [--policy FILE] [--rounds 3] [--json FILE] [--docs]

On families, evaluations are those after the first until f - f* <= 1e-6, f* the lowest value that a method or a polish
found; who ends in another minimum does not get there. On the bank's unused functions and on standard functions the
target is 1e-5 of the fall from the start. Times are of `benchmarks.rules.rule_times`. All run in one process on one
core, in turn; four minutes.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import numpy as np

import l2o
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.rules.rule_times import (
    BFGS,
    HAND,
    LBFGS,
    RULE,
    SCIPY,
    break_evens,
    by_cost,
    cost_table,
    of_a_step,
    step_table,
    untrained,
)
from benchmarks.rules.universal import SOLVED, UNUSED, first, rivals, standard_functions, values_of
from benchmarks.timing import one_core
from l2o.baselines._scipy import ScipyMethod
from l2o.policies import QuasiNewton
from l2o.solving.counting import evaluations_until
from l2o.solving.named import resolve
from l2o.solving.optimum import best_known
from l2o.training.bank import bank

CLOSE, LIMIT = 1e-6, 500
FAMILIES = {
    "logistic, d = 2": (l2o.families.Logistic(n_features=1), 100),
    "logistic, d = 4": (l2o.families.Logistic(), 100),
    "logistic, d = 10": (l2o.families.Logistic(n_features=9, n_points=400), 50),
    "logistic, d = 20": (l2o.families.Logistic(n_features=19, n_points=400), 40),
    "logistic, d = 50": (l2o.families.Logistic(n_features=49, n_points=1000), 20),
    "robust, d = 2": (l2o.families.RobustRegression(n_features=1), 100),
    "robust, d = 4": (l2o.families.RobustRegression(), 100),
    "robust, d = 10": (l2o.families.RobustRegression(n_features=9, n_points=400), 50),
    "robust, d = 20": (l2o.families.RobustRegression(n_features=19, n_points=400), 40),
    "neural net, d = 12": (l2o.families.NeuralNet(), 50),
}
BANK = (2, 4, 10, 20)  # dimensions


class ScipyBFGS(ScipyMethod):
    """BFGS of SciPy."""

    scipy_name = "BFGS"

    def options(self, stopping):
        """Return SciPy's options."""
        return {"gtol": 0.0 if stopping is None else stopping.gtol}


def methods(policy):
    """Return all methods by name."""
    return {SCIPY: resolve("scipy-lbfgs"), BFGS: ScipyBFGS(), LBFGS: resolve("lbfgs"), RULE: policy,
            HAND: untrained(QuasiNewton())}


def evaluations(problems, method, targets):
    """Return the evaluations after the first until f is no more than the targets, (m,); +inf where it is not."""
    if isinstance(method, ScipyMethod):
        values = l2o.rollout(problems, method=method, n_steps=LIMIT).evaluations
        met = values <= targets[:, None]
        return np.where(met.any(axis=1), met.argmax(axis=1), np.inf)
    counts = evaluations_until(problems, method, targets[:, None], LIMIT)[:, 0].astype(float)
    return np.where(counts < 0, np.inf, counts)


def counted(problems, chosen, share):
    """Return by method the evaluations (m,) until f is within CLOSE of the lowest value, or a share of the fall."""
    ends = [l2o.minimize_many(problems, method=method, tol=1e-9).x for method in chosen.values()]
    lowest = best_known(problems, np.stack([problems.x0, *ends], axis=1))
    fall = problems.value_and_grad(problems.x0)[0] - lowest
    targets = lowest + (CLOSE if share is None else share * fall)
    return {name: evaluations(problems, method, targets) for name, method in chosen.items()}


def summary(counts):
    """Return by method mean evaluations, their ratio to SciPy's L-BFGS-B where both get there, and the share."""
    result = {}
    for name, each in counts.items():
        there, both = np.isfinite(each), np.isfinite(each + counts[SCIPY])
        ratio = each[both].sum() / counts[SCIPY][both].sum() if both.any() else np.nan
        result[name] = each[there].mean() if there.any() else np.nan, ratio, there.mean()
    return result


def trimmed(counts):
    """Return by method median evaluations, the geometric mean of ratios without a tenth at either end, the share."""
    result = {}
    for name, each in counts.items():
        both = np.isfinite(each + counts[SCIPY])
        ratio = np.sort(np.log((each[both] + 1) / (counts[SCIPY][both] + 1)))
        trim = len(ratio) // 10
        result[name] = np.median(each), np.exp(ratio[trim : len(ratio) - trim].mean()), np.isfinite(each).mean()
    return result


def on_families(chosen):
    """Return the figures by family."""
    return {name: summary(counted(family.sample(m, rng=8), chosen, None)) for name, (family, m) in FAMILIES.items()}


def on_bank(chosen):
    """Return the figures by dimension, on functions that nothing was trained or chosen on."""
    result, unused = {}, bank(*UNUSED)
    for dim in BANK:
        parts = [counted(part, chosen, SOLVED) for part in unused if part.dim == dim]
        result[f"bank, d = {dim}"] = trimmed({name: np.concatenate([part[name] for part in parts]) for name in chosen})
    return result


def on_standard(chosen):
    """Return the figures on the standard functions of the tests, d = 4 and 12."""
    scipy = dict(zip((SCIPY, BFGS), rivals().values()))
    runs = {name: scipy[name] if name in scipy else
            {key: values_of(method, *each) for key, each in standard_functions().items()}
            for name, method in chosen.items()}
    counts = {name: [] for name in runs}
    for key in standard_functions():
        lowest, start = min(np.nanmin(run[key]) for run in runs.values()), runs[RULE][key][0]
        for name, run in runs.items():
            with np.errstate(invalid="ignore"):
                count = first(run[key], lowest + SOLVED * (start - lowest))
            counts[name].append(count if count >= 0 else np.inf)
    return {"standard, d = 4 and 12": trimmed({name: np.array(each, float) for name, each in counts.items()})}


def shown(figures):
    """Return rows of a table of evaluations, ratios and shares."""
    return [[name, *(f"{n:.1f}; {ratio:.2f}; {share:.0%}" for n, ratio, share in each.values())]
            for name, each in figures.items()]


def from_where(costs, counts):
    """Say from which cost of an evaluation on the rule is faster."""
    known = break_evens(costs, counts)
    faster = " and ".join(f"{cost:.1f} us (d = {dim})" for dim, cost in known.items() if np.isfinite(cost))
    slower = ", ".join(f"d = {dim}" for dim, cost in known.items() if np.isinf(cost))
    return (f"In a compiled loop the rule takes less time than L-BFGS from evaluations of {faster} on"
            + (f"; on these functions it saves none at {slower}." if slower else "."))


def main():
    """Count, time, print."""
    parser = arguments(__doc__.splitlines()[0], rounds=3)
    parser.add_argument("--policy", default="universal", help="name or file of the rule (%(default)s)")
    given = parser.parse_args()
    one_core()
    rule = l2o.load(given.policy)
    chosen = methods(rule)
    families, others = on_families(chosen), {**on_bank(chosen), **on_standard(chosen)}
    steps, (costs, counts) = of_a_step(rule, given.rounds), by_cost(rule, given.rounds)
    known = machine("l2o", "numpy", "scipy")
    texts = [
        table(["mean evaluations to 1e-6; ratio to SciPy's L-BFGS-B; share", *chosen], shown(families)),
        table(["median evaluations to 1e-5 of the fall; trimmed ratio; share", *chosen], shown(others)),
        step_table(steps), cost_table(costs, counts), f"{from_where(costs, counts)} {sentence(known)}"]
    record = {"machine": known, "families": families, "others": others, "step": steps,
              "costs": [[*key, cost, [[*name, time] for name, time in times.items()]]
                        for key, (cost, times) in costs.items()]}
    publish("rule", "\n\n".join(texts), record, given)


if __name__ == "__main__":
    main()
