"""The structured local model beside the generic fit under a mixture prior: how far each is from the truth.

    python -m benchmarks.paper.local_models [--functions 10] [--docs]

Logistic functions of two variables, runs of momentum with noise 0.1 and quiet samples as in training, horizon 8. The
truth is that of the Hessians along the noise-free run. Errors are medians over the functions, of: the derivative of the
next state by the action, B, relative to its norm; the mean next state of 500 new runs, relative to its deviation from
the noise-free run; the same of the gradient in it alone. With --docs the table goes into docs/results.
"""

import argparse

import numpy as np

import l2o
from benchmarks import report
from l2o.training.controllers import momentum_controllers
from l2o.training.local_model import from_hessians, from_samples
from l2o.training.mixture_prior import all_states, from_mixture, from_structure
from l2o.training.trajectories import Layout, simulate

SAMPLES, HISTORIES, HORIZON, SIGMA, DIM, NEW, FLOOR = (5, 20, 100, 1000), (2, 3), 8, 0.1, 2, 500, 1e-3
QUIET = (1.0, 1.0, 0.2, 0.0)


def drawn(teacher, problem, n, rng, quiet=True):
    """Return n noisy runs of a controller on one problem."""
    noise = SIGMA * rng.standard_normal((n, HORIZON, DIM))
    noise *= np.take(QUIET, np.arange(n) * len(QUIET) // n)[:, None, None] if quiet else 1.0
    return simulate(teacher.repeated(n), problem[np.zeros(n, int)], HORIZON, noise=noise)


def errors(fitted, truth, new, nominal, layout):
    """Return the errors of one fit."""
    states, usual = all_states(new, layout), all_states(nominal, layout)
    apart = fitted.means(states[:, :-1], new.actions) - states[:, 1:]
    moved = states[:, 1:] - usual[:, 1:]
    gradient = slice(DIM + layout.history, 2 * DIM + layout.history)
    return [np.linalg.norm(fitted.B - truth.B) / np.linalg.norm(truth.B),
            np.linalg.norm(apart) / np.linalg.norm(moved),
            np.linalg.norm(apart[..., gradient]) / np.linalg.norm(moved[..., gradient])]


def measured(history, n, functions):
    """Return the errors of the generic and of the structured fit, medians over the functions, (2, 3)."""
    problems = l2o.families.Logistic(n_features=DIM - 1).sample(functions, rng=0)
    layout, found = Layout(DIM, history, history, 0), []
    for i in range(functions):
        rng, problem = np.random.default_rng(i), problems[i : i + 1]
        teacher = momentum_controllers(np.ones(1), np.full(1, 0.5), HORIZON, SIGMA, layout)
        nominal, samples = simulate(teacher, problem, HORIZON), drawn(teacher, problem, n, rng)
        truth = from_structure(nominal, from_hessians(problem, nominal, FLOOR), layout)
        new = drawn(teacher, problem, NEW, rng, quiet=False)
        fits = (from_mixture(samples, layout, rng=i),
                from_structure(nominal, from_samples(nominal, samples, None, FLOOR), layout))
        found.append([errors(fit, truth, new, nominal, layout) for fit in fits])
    return np.median(found, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=10)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results")
    given = parser.parse_args()
    rows = []
    for history in HISTORIES:
        for n in SAMPLES:
            generic, structured = measured(history, n, given.functions)
            rows.append([f"H = {history}, {n} samples", *(f"{value:.3f}" for pair in zip(generic, structured)
                                                          for value in pair)])
    text = report.table(["", "B: generic", "structured", "next state: generic", "structured", "gradient: generic",
                         "structured"], rows)
    print(text)
    if given.docs:
        report.write("local-models", text)


if __name__ == "__main__":
    main()
