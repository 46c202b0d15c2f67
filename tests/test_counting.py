"""Counted evaluations are those of the recorded run, of every method whose loop is native."""

import numpy as np
import pytest

import l2o
from l2o.solving.counting import evaluations_until
from l2o.solving.named import resolve

LIMIT = 25


def counted(evaluations, targets):
    """Return the first evaluation at which f is no more than each target; -1 beyond the limit."""
    found = [[np.flatnonzero(row[: LIMIT + 1] <= target)[:1] for target in each]
             for row, each in zip(evaluations, targets)]
    return np.array([[first[0] if len(first) else -1 for first in each] for each in found])


def falling(fun, n):
    """Return targets between the first and the lowest of the values (m, T + 1)."""
    lowest = fun.min(axis=1)
    return lowest[:, None] + 10.0 ** -np.arange(1, 1 + n) * (fun[:, 0] - lowest)[:, None]


@pytest.mark.parametrize("method", ["lbfgs", "newton", "momentum", "logistic"])
def test_counts_are_those_of_the_recorded_run(method):
    problems = l2o.families.Logistic().sample(20, rng=0)
    method = l2o.load(method) if method == "logistic" else resolve(method)
    runs = l2o.rollout(problems, method=method, n_steps=LIMIT)
    targets = falling(runs.fun, 7)
    expected = counted(runs.evaluations, targets)
    np.testing.assert_array_equal(evaluations_until(problems, method, targets, LIMIT), expected)


def test_start_meets_its_target_at_zero_and_a_value_too_low_is_never_met():
    problems = l2o.families.RobustRegression().sample(5, rng=0)
    fun, _ = problems.value_and_grad(problems.x0)
    targets = np.stack([fun, fun - 1e-9, np.full(5, -1.0)], axis=1)
    counts = evaluations_until(problems, resolve("lbfgs"), targets, 60)
    assert (counts[:, 0] == 0).all()
    assert (counts[:, 1] > 0).all()
    assert (counts[:, 2] == -1).all()


def test_value_that_is_not_finite_meets_no_target():
    @l2o.objective
    def edge(x, data, grad):
        grad[0] = 1.0
        return x[0] if x[0] > 0 else np.nan

    problems = l2o.families.Custom(edge, dim=1).from_data([np.zeros((1, 1))], x0=[[3.0]])
    counts = evaluations_until(problems, l2o.baselines.GradientDescent(1.0), np.array([[3.0, 1.5, -9.0]]), 50)
    assert counts.tolist() == [[0, 2, -1]]
