"""The learned quasi-Newton rule beside L-BFGS and BFGS: evaluations, and time by what an evaluation costs.

    python -m benchmarks.rule [--policy FILE] [--rounds 5] [--json FILE] [--docs]

Evaluations are those after the first until f - f* <= 1e-6, f* the lowest value that a method or a polish found; who
ends in another minimum does not get there. The objective of the times is the paper's logistic loss with a pause in it.
All run in one process on one core, in turn.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import math
from time import process_time

import numpy as np
from scipy.optimize import minimize

import l2o
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.timing import best_of, one_core
from l2o.baselines._scipy import ScipyMethod
from l2o.policies import Policy, QuasiNewton
from l2o.solving.counting import evaluations_until
from l2o.solving.named import resolve
from l2o.solving.optimum import best_known

CLOSE, LIMIT, GTOL = 1e-6, 500, 1e-5
SCIPY, BFGS, LBFGS, RULE, HAND = "SciPy L-BFGS-B", "SciPy BFGS", "l2o L-BFGS", "learned rule", "by hand"
LEAN = "rule of one pair and constants"
FAMILIES = {
    "logistic, d = 4": (l2o.families.Logistic(), 100),
    "logistic, d = 10": (l2o.families.Logistic(n_features=9, n_points=400), 50),
    "logistic, d = 20": (l2o.families.Logistic(n_features=19, n_points=400), 40),
    "robust, d = 4": (l2o.families.RobustRegression(), 100),
    "robust, d = 10": (l2o.families.RobustRegression(n_features=9, n_points=400), 50),
}
PAUSES = (0, 1, 2, 5, 20, 200)  # microseconds
FITS = {4: 60, 10: 40, 20: 30}  # functions of the times, by dimension


class ScipyBFGS(ScipyMethod):
    """BFGS of SciPy."""

    scipy_name = "BFGS"

    def options(self, stopping):
        """Return SciPy's options."""
        return {"gtol": 0.0 if stopping is None else stopping.gtol}


def untrained(kind):
    """Return the rule with the constants by hand."""
    return Policy(kind, kind.initial())


def methods(policy):
    """Return all methods by name."""
    return {SCIPY: resolve("scipy-lbfgs"), BFGS: ScipyBFGS(), LBFGS: resolve("lbfgs"), RULE: policy,
            HAND: untrained(QuasiNewton())}


# -- evaluations ---------------------------------------------------------------------------------------


def evaluations(problems, method, targets):
    """Return the evaluations after the first until f is no more than the targets, (m,); +inf where it is not."""
    if isinstance(method, ScipyMethod):
        values = l2o.rollout(problems, method=method, n_steps=LIMIT).evaluations
        met = values <= targets[:, None]
        return np.where(met.any(axis=1), met.argmax(axis=1), np.inf)
    counts = evaluations_until(problems, method, targets[:, None], LIMIT)[:, 0].astype(float)
    return np.where(counts < 0, np.inf, counts)


def compared(problems, chosen):
    """Return by method the mean evaluations, their ratio to SciPy's L-BFGS-B where both get there, and the share."""
    ends = [l2o.minimize_many(problems, method=method, tol=1e-9).x for method in chosen.values()]
    lowest = best_known(problems, np.stack([problems.x0, *ends], axis=1))
    counts = {name: evaluations(problems, method, lowest + CLOSE) for name, method in chosen.items()}
    result = {}
    for name, each in counts.items():
        there, both = np.isfinite(each), np.isfinite(each + counts[SCIPY])
        result[name] = each[there].mean(), each[both].sum() / counts[SCIPY][both].sum(), there.mean()
    return result


def by_family(chosen):
    """Return rows of a table of evaluations, ratios and shares, and the figures."""
    record = {name: compared(family.sample(m, rng=8), chosen) for name, (family, m) in FAMILIES.items()}
    return [[name, *(f"{mean:.1f}; {ratio:.2f}; {share:.0%}" for mean, ratio, share in each.values())]
            for name, each in record.items()], record


# -- time ----------------------------------------------------------------------------------------------


@l2o.objective
def paused(x, data, grad):
    """Return a logistic loss over rows (label of -1 or 1, inputs), after a pause of data[0, 0] turns."""
    burnt = 0.0
    for k in range(int(data[0, 0])):
        burnt = math.sqrt(burnt + k)
    n, d = data.shape[0] - 1, x.size
    value = 1e-300 * burnt
    for j in range(d):
        grad[j] = 5e-4 * x[j]
        value += 2.5e-4 * x[j] * x[j]
    for i in range(1, n + 1):
        margin = 0.0
        for j in range(d):
            margin += data[i, 0] * data[i, 1 + j] * x[j]
        power = math.exp(-abs(margin))
        value += (math.log(1.0 + power) + max(-margin, 0.0)) / n
        slope = -data[i, 0] * (power if margin > 0 else 1.0) / (1.0 + power) / n
        for j in range(d):
            grad[j] += slope * data[i, 1 + j]
    return value


def drawn(rng, dim, turns, n):
    """Return the table of an objective: the pause; points as families.Logistic draws them, and ones."""
    means, factors = rng.standard_normal((2, dim - 1)), rng.standard_normal((2, dim - 1, dim - 1))
    label = np.arange(n) % 2
    X = means[label] + np.einsum("nij,nj->ni", factors[label], rng.standard_normal((n, dim - 1)))
    rows = np.column_stack([2 * label - 1, X, np.ones(n)])
    return np.vstack([[turns, *np.zeros(dim)], rows])


def problems_of(dim, turns=0, n=50):
    """Return problems with a pause."""
    rng = np.random.default_rng(dim)
    tables = [drawn(rng, dim, turns, n) for _ in range(FITS[dim])]
    return l2o.families.Custom(paused, dim=dim).from_data(tables, x0=rng.standard_normal((len(tables), dim)))


def rollout(problems):
    """Evaluate each function 51 times, with next to nothing in between."""
    l2o.rollout(problems, method=l2o.baselines.Momentum(step_size=1e-3, decay=0.5), n_steps=50)


def seconds(problems):
    """Return the seconds that an evaluation takes in a native loop."""
    start = process_time()
    rollout(problems)
    return (process_time() - start) / (51 * len(problems))


def turns_a_microsecond():
    """Return how many turns of the pause take a microsecond."""
    some = 20000
    with_pause, without = (min(seconds(problems_of(4, turns)) for _ in range(3)) for turns in (some, 0))
    return some / (1e6 * (with_pause - without))


def fits(problems, known):
    """Return by name a call that makes all fits."""
    return {name: lambda method=method: l2o.minimize_many(problems, method=method, tol=GTOL)
            for name, method in known.items()}


def of_a_step(policy, rounds):
    """Return microseconds an evaluation without the objective, by dimension and method; the calls are in them."""
    result = {}
    for dim in FITS:
        problems = problems_of(dim, n=8)
        calls = fits(problems, {LBFGS: "lbfgs", RULE: policy, LEAN: untrained(QuasiNewton(memory=1, features=False))})
        counts = {name: call().nfev.sum() for name, call in calls.items()}
        times = best_of(calls | {"alone": lambda problems=problems: rollout(problems)}, 4 * rounds)
        alone = times.pop("alone") / (51 * len(problems))
        result[dim] = {name: 1e6 * (best / counts[name] - alone) for name, best in times.items()}
    return result


def by_cost(policy, rounds):
    """Return microseconds a fit by dimension, pause and method, and the evaluations."""
    a_microsecond, result = turns_a_microsecond(), {}
    for dim in (4, 10):
        for pause in PAUSES:
            problems = problems_of(dim, round(pause * a_microsecond))
            calls = fits(problems, {LBFGS: "lbfgs", RULE: policy})
            counts = {name: call().nfev.mean() for name, call in calls.items()}
            times = best_of(calls, rounds if pause < 100 else 1)
            cost = 1e6 * min(seconds(problems) for _ in range(3))
            result[dim, pause] = cost, {name: 1e6 * each / len(problems) for name, each in times.items()}, counts
    return result


def in_python(policy, rounds):
    """Return microseconds a call of `minimize` on a function in Python, and its evaluations, by method."""
    X = np.random.default_rng(0).standard_normal((100, 4))
    sign = np.where(X @ [1.0, -1.0, 0.5, 0.2] + np.random.default_rng(1).standard_normal(100) > 0, 1.0, -1.0)

    def logistic(x):
        margin = sign * (X @ x)
        power = np.exp(-margin)
        return np.log1p(power).mean() + 1e-3 * x @ x, X.T @ (-sign * power / (1 + power)) / 100 + 2e-3 * x

    x0 = np.ones(4)
    calls = {"the function": lambda: logistic(x0),
             SCIPY: lambda: minimize(logistic, x0, jac=True, method="L-BFGS-B", options={"gtol": GTOL, "ftol": 0.0}),
             LBFGS: lambda: l2o.minimize(logistic, x0, method="lbfgs", tol=GTOL),
             RULE: lambda: l2o.minimize(logistic, x0, method=policy, tol=GTOL)}
    counts = {name: call().nfev for name, call in calls.items() if name != "the function"}
    return {name: 1e6 * best for name, best in best_of(calls, rounds).items()}, counts


# -- what is told --------------------------------------------------------------------------------------


def break_even(costs, dim):
    """Return the microseconds of an evaluation from which on the rule is faster; 0 if it is for the cheapest."""
    cost, times, counts = next(each for (d, _), each in costs.items() if d == dim)
    return max(0.0, cost + (times[RULE] - times[LBFGS]) / (counts[LBFGS] - counts[RULE]))


def main():
    """Count, time, print."""
    parser = arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("--policy", default="universal", help="name or file of the rule (%(default)s)")
    given = parser.parse_args()
    one_core()
    rule = l2o.load(given.policy)
    chosen = methods(rule)
    rows, record = by_family(chosen)
    steps, costs = of_a_step(rule, given.rounds), by_cost(rule, given.rounds)
    python, calls = in_python(rule, given.rounds)
    names = list(next(iter(steps.values())))
    texts = [
        table(["evaluations to 1e-6; ratio to SciPy's L-BFGS-B; share", *chosen], rows),
        table(["microseconds a step without the objective", *(f"d = {dim}" for dim in steps)],
              [[name, *(f"{steps[dim][name]:.2f}" for dim in steps)] for name in names]),
        table(["microseconds a fit, compiled", "an evaluation", LBFGS, RULE, "ratio", "evaluations"],
              [[f"d = {dim}", f"{cost:.2f}", *(f"{times[name]:.1f}" for name in (LBFGS, RULE)),
                f"{times[RULE] / times[LBFGS]:.2f}", f"{counts[LBFGS]:.1f}, {counts[RULE]:.1f}"]
               for (dim, _), (cost, times, counts) in costs.items()]),
        table([f"a function in Python of {python['the function']:.0f} us", "microseconds", "evaluations"],
              [[name, f"{python[name]:.0f}", calls[name]] for name in calls]),
        "The rule takes less time than L-BFGS from evaluations of "
        + " and ".join(f"{break_even(costs, dim):.1f} us (d = {dim})" for dim in (4, 10))
        + f" on. {sentence(machine('l2o', 'numpy', 'scipy'))}"]
    publish("rule", "\n\n".join(texts), {"machine": machine("l2o", "numpy", "scipy"), "families": record,
                                         "step": steps, "python": [python, {k: int(v) for k, v in calls.items()}]},
            given, page="learned-rule.md")


if __name__ == "__main__":
    main()
