"""What `minimize` costs a call, beside SciPy's: a quadratic of 2 variables, in Python and compiled.

    python -m benchmarks.speed.overheads [--rounds 20] [--json FILE] [--docs]

The function costs next to nothing, so that what is left is the method and the call. The policy has two variables and
random weights: its steps are those of any, and where they do not help L-BFGS takes over, as always.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import numpy as np
from scipy.optimize import minimize

import l2o
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.timing import best_of, one_core
from l2o.policies import MLP, Policy

X0 = np.array([3.0, -2.0])
SCIPY, LBFGS, POLICY = "SciPy L-BFGS-B", "l2o L-BFGS", "l2o policy, safeguarded"


def quadratic(x):
    """Return (x0 - 1)^2 + (x1 - 1)^2 / 2, and its gradient."""
    u, v = x[0] - 1.0, x[1] - 1.0
    return u * u + 0.5 * v * v, np.array([2.0 * u, v])


@l2o.objective
def compiled(x, data, grad):
    """Return the same."""
    u, v = x[0] - 1.0, x[1] - 1.0
    grad[0], grad[1] = 2.0 * u, v
    return u * u + 0.5 * v * v


def calls():
    """Return (function, method) -> call."""
    network = MLP(inputs="linear")
    policy = Policy(network, network.initial(2, np.random.default_rng(0)))
    problem = l2o.families.Custom(compiled, dim=2).from_data([np.zeros((1, 1))], x0=X0[None])
    one, many = problem[0], problem[np.zeros(1000, int)]
    by_scipy = {
        "in Python": lambda: minimize(quadratic, X0, jac=True, method="L-BFGS-B"),
        "compiled": lambda: minimize(one.value_and_grad, X0, jac=True, method="L-BFGS-B"),
    }
    given = {LBFGS: "lbfgs", POLICY: policy}
    return ({(function, SCIPY): call for function, call in by_scipy.items()}
            | {("in Python", name): lambda method=method: l2o.minimize(quadratic, X0, method=method)
               for name, method in given.items()}
            | {("compiled", name): lambda method=method: l2o.minimize(one, method=method)
               for name, method in given.items()}
            | {("compiled, 1,000 in a call", name): lambda method=method: l2o.minimize_many(many, method=method)
               for name, method in given.items()})


def main():
    """Compare, time, print."""
    given = arguments(__doc__.splitlines()[0], rounds=20).parse_args()
    one_core()
    timed = calls()
    results = {key: call() for key, call in timed.items()}
    if not all(np.allclose(each.x, 1.0, atol=1e-4) for each in results.values()):
        raise SystemExit("a minimum is not the quadratic's; no times")
    times = {(function, name): 1e6 * best / (1000 if "1,000" in function else 1)
             for (function, name), best in best_of(timed, given.rounds).items()}
    functions = list(dict.fromkeys(function for function, _ in times))
    rows = [[function, *(f"{times[function, name]:.3g} ({np.mean(results[function, name].nfev):.0f})"
                         if (function, name) in times else "-" for name in (SCIPY, LBFGS, POLICY))]
            for function in functions]
    told = machine("l2o", "numpy", "scipy")
    record = {"machine": told, "rounds": given.rounds,
              "microseconds": {f"{name}, {function}": each for (function, name), each in times.items()}}
    publish("overheads", f"{table(['microseconds (evaluations) a call', SCIPY, LBFGS, POLICY], rows)}\n\n"
            f"Best of {given.rounds} rounds. {sentence(told)}", record, given)


if __name__ == "__main__":
    main()
