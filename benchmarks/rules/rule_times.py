"""Times of the learned quasi-Newton rule beside L-BFGS and BFGS, by what an evaluation costs: the tables of `rule`.

The objective is the paper's logistic loss, of 10 points a variable and at least 50: the compiled family, and the same
with a pause in it, which is also called from Python. A minimisation ends at a gradient of 1e-5, with any method.
"""

import math
from functools import cache
from time import process_time

import numpy as np
from scipy.optimize import minimize

import l2o
from benchmarks.report import table
from benchmarks.timing import best_of
from l2o.policies import Policy, QuasiNewton

__all__ = ["BFGS", "HAND", "LBFGS", "RULE", "SCIPY", "break_evens", "by_cost", "cost_table", "of_a_step", "step_table",
           "untrained"]

SCIPY, BFGS, LBFGS, RULE, HAND = "SciPy L-BFGS-B", "SciPy BFGS", "l2o L-BFGS", "learned rule", "by hand"
LEAN = "rule of one pair and constants"
GTOL, FEW = 1e-5, 8  # points where the objective is to cost next to nothing
DIMENSIONS = (2, 4, 10, 20, 50)
COSTS = (1, 3, 10, 100, 1000)  # microseconds an evaluation
LONG = 100  # microseconds, from which on a single time is exact
FITS, STEP_FITS = 10, 30  # functions


@l2o.objective
def paused(x, data, grad):
    """Return a logistic loss over rows (label of -1 or 1, inputs), after a pause of data[0, 0] turns."""
    burnt = 0.0
    for k in range(int(data[0, 0])):
        burnt = math.sqrt(burnt + k)
    n, d = data.shape[0] - 1, x.size
    value = 1e-300 * burnt
    grad[d - 1] = 0.0
    for j in range(d - 1):
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


def untrained(kind):
    """Return the rule with the constants by hand."""
    return Policy(kind, kind.initial())


@cache
def for_python():
    """Return the same, compiled for calls from Python."""
    import numba

    return numba.njit(paused.function, error_model="numpy")


class Losses:
    """Logistic losses of one dimension, drawn as `families.Logistic` draws them."""

    def __init__(self, dim, m, n_points=None):
        n_points = n_points or max(50, 10 * dim)
        rng, self.dim, label = np.random.default_rng(dim), dim, np.arange(n_points) % 2
        means, factors = rng.standard_normal((2, m, dim - 1)), rng.standard_normal((2, m, dim - 1, dim - 1))
        noise = rng.standard_normal((m, n_points, dim - 1))
        self.X = np.moveaxis(means[label], 0, 1) + np.einsum("nmij,mnj->mni", factors[label], noise)
        self.y, self.x0 = np.tile(label, (m, 1)), rng.standard_normal((m, dim))

    @property
    def family(self):
        """The compiled family's, without a pause."""
        return l2o.families.Logistic(n_features=self.dim - 1).from_data(self.X, self.y, self.x0)

    def tables(self, turns):
        """Return the data of `paused`, for each function."""
        rows = np.concatenate([2.0 * self.y[..., None] - 1, self.X, np.ones((*self.y.shape, 1))], axis=-1)
        first = np.broadcast_to(np.array([turns, *np.zeros(self.dim)]), (len(rows), 1, 1 + self.dim))
        return np.concatenate([first, rows], axis=1)

    def paused(self, turns):
        """Return the same with a pause."""
        return l2o.families.Custom(paused, dim=self.dim).from_data(self.tables(turns), x0=self.x0)

    def in_python(self, turns):
        """Return functions x -> (f, g), which call compiled code."""
        compiled = for_python()

        def function(data):
            def fun(x):
                grad = np.empty(x.size)
                return compiled(x, data, grad), grad

            fun(np.zeros(self.dim))  # compiles, the first time
            return fun

        return [function(data) for data in self.tables(turns)]


# -- what an evaluation costs, and a step --------------------------------------------------------------


def rollout(problems):
    """Evaluate each function 51 times, with next to nothing in between."""
    l2o.rollout(problems, method=l2o.baselines.Momentum(step_size=1e-3, decay=0.5), n_steps=50)


def seconds(problems):
    """Return the seconds that an evaluation takes in a native loop: the least of three times."""
    times = []
    for _ in range(3):
        start = process_time()
        rollout(problems)
        times.append(process_time() - start)
    return min(times) / (51 * len(problems))


def turns_a_microsecond():
    """Return how many turns of the pause take a microsecond."""
    losses, some = Losses(4, FITS), 20000
    return some / (1e6 * (seconds(losses.paused(some)) - seconds(losses.paused(0))))


def many(problems, method):
    """Return a call that minimises all in a compiled loop."""
    return lambda: l2o.minimize_many(problems, method=method, tol=GTOL)


def of_a_step(policy, rounds):
    """Return microseconds an evaluation without the objective, by dimension and method; the calls are in them."""
    result = {}
    for dim in DIMENSIONS:
        problems = Losses(dim, STEP_FITS, FEW).paused(0)
        lean = untrained(QuasiNewton(memory=1, features=False))
        calls = {name: many(problems, method) for name, method in ((LBFGS, "lbfgs"), (RULE, policy), (LEAN, lean))}
        counts = {name: call().nfev.sum() for name, call in calls.items()}
        times = best_of(calls | {"alone": lambda problems=problems: rollout(problems)}, 4 * rounds)
        alone = times.pop("alone") / (51 * len(problems))
        result[dim] = {name: 1e6 * (best / counts[name] - alone) for name, best in times.items()}
    return result


# -- minimisations -------------------------------------------------------------------------------------


def each(call, functions, starts):
    """Return a call that minimises one function after another, and returns their evaluations."""
    return lambda: [call(fun, x0).nfev for fun, x0 in zip(functions, starts)]


def by_scipy(name, **options):
    """Return a call of SciPy's minimize."""
    return lambda fun, x0: minimize(fun, x0, jac=True, method=name, options={"gtol": GTOL, **options})


def by_l2o(method):
    """Return a call of l2o's minimize."""
    return lambda fun, x0: l2o.minimize(fun, x0, method=method, tol=GTOL)


def measured(policy, problems, functions, x0, rounds):
    """Return microseconds a minimisation, (from Python or compiled, method) -> number, and the calls timed."""
    single = {SCIPY: by_scipy("L-BFGS-B", ftol=0.0), BFGS: by_scipy("BFGS"), LBFGS: by_l2o("lbfgs"),
              RULE: by_l2o(policy)}
    calls = {("Python", name): each(call, functions, x0) for name, call in single.items()}
    calls |= {("compiled", LBFGS): many(problems, "lbfgs"), ("compiled", RULE): many(problems, policy)}
    return {key: 1e6 * best / len(x0) for key, best in best_of(calls, rounds).items()}, calls


def by_cost(policy, rounds):
    """Return microseconds an evaluation and microseconds a minimisation by dimension and asked cost, and evaluations.

    The first of a dimension is the compiled family, which costs what it costs. Pauses that would have to be negative
    are left out. Evaluations are the same at any cost.
    """
    a_microsecond, result, counts = turns_a_microsecond(), {}, {}
    for dim in DIMENSIONS:
        losses = Losses(dim, FITS)
        family, least = losses.family, 1e6 * seconds(losses.paused(0))
        functions = [family[i] for i in range(FITS)]
        times, calls = measured(policy, family, [one.value_and_grad for one in functions], losses.x0, rounds)
        result[dim, 0] = 1e6 * seconds(family), times
        counts[dim] = {key: np.mean(call() if key[0] == "Python" else call().nfev) for key, call in calls.items()}
        for cost in COSTS:
            if cost > least:
                turns = round((cost - least) * a_microsecond)
                problems = losses.paused(turns)
                times, _ = measured(policy, problems, losses.in_python(turns), losses.x0, rounds * (cost < LONG))
                result[dim, cost] = 1e6 * seconds(problems), times
    return result, counts


# -- what is told --------------------------------------------------------------------------------------


def break_evens(costs, counts):
    """Return the microseconds of an evaluation from which on the rule is faster, by dimension; 0 if always.

    The compiled loops at the cheapest evaluation tell: what the rule's steps cost more, over the evaluations it saves.
    """
    result = {}
    for dim in DIMENSIONS:
        cost, times = costs[dim, 0]
        more, saved = (values["compiled", RULE] - values["compiled", LBFGS] for values in (times, counts[dim]))
        result[dim] = max(0.0, float(cost - more / saved)) if saved < 0 else math.inf
    return result


def step_table(steps):
    """Return the table of microseconds a step."""
    return table(["microseconds a step without the objective", *(f"d = {dim}" for dim in steps)],
                 [[name, *(f"{steps[dim][name]:.2f}" for dim in steps)] for name in next(iter(steps.values()))])


def cost_table(costs, counts):
    """Return the tables of microseconds a minimisation, and of evaluations."""
    keys = list(next(iter(costs.values()))[1])
    columns = [name if where == "Python" else f"{name}, compiled loop" for where, name in keys]
    rows = [[f"d = {dim}, {cost:.2g} us" if cost < 1 else f"d = {dim}, {cost:.0f} us",
             *(f"{times[key]:.0f}" if times[key] > 99.5 else f"{times[key]:.1f}" for key in keys),
             f"{times['Python', SCIPY] / times['Python', RULE]:.1f}",
             f"{times['compiled', LBFGS] / times['compiled', RULE]:.2f}"] for (dim, _), (cost, times) in costs.items()]
    evaluations = [[f"d = {dim}", *(f"{counts[dim][key]:.1f}" for key in keys[:4])] for dim in DIMENSIONS]
    return "\n\n".join([
        table(["microseconds a minimisation", *columns, f"{SCIPY} / rule", "compiled: L-BFGS / rule"], rows),
        table(["evaluations to a gradient of 1e-5", *columns[:4]], evaluations)])
