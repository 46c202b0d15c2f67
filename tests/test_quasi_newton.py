"""The learned quasi-Newton rule: its kernel against the statement in oracle_quasi_newton.py, and what it promises."""

import numpy as np
import oracle_quasi_newton as oracle
import pytest
from compiled import Compiled

import l2o
from l2o.policies import Policy, QuasiNewton

DIMENSIONS = (1, 2, 3, 4, 10, 20, 50)


def untrained(kind=None, weights=None):
    """Return a policy with these weights, by default the constants by hand."""
    kind = kind or QuasiNewton()
    return Policy(kind, weights or kind.initial())


def shaken(kind, rng, size=0.05):
    """Return the constants by hand with all weights moved a little, so that every feature counts."""
    return {name: value + size * rng.standard_normal(value.shape) for name, value in kind.initial().items()}


def smooth(dim, rng):
    """Return sum log cosh(A x - b) + |x|^2 / 20, which is convex, and a start at which steps are rejected."""
    A = rng.standard_normal((2 * dim, dim)) * np.geomspace(0.3, 3, dim) / np.sqrt(dim)
    b = rng.standard_normal(2 * dim)

    def value_and_grad(x):
        r = A @ x - b
        return np.logaddexp(r, -r).sum() + x @ x / 20, A.T @ np.tanh(r) + x / 10

    return value_and_grad, 3 * rng.standard_normal(dim)


@pytest.mark.parametrize("memory", [1, 2, 5])
@pytest.mark.parametrize("dim", DIMENSIONS)
def test_kernel_runs_as_the_oracle_does(dim, memory):
    rng = np.random.default_rng(dim)
    kind = QuasiNewton(memory)
    weights = shaken(kind, rng)
    for _ in range(3):
        objective, x0 = smooth(dim, rng)
        points, values, best = oracle.run(objective, x0, 60, weights["W"], weights["start"], memory)
        x, fun = untrained(kind, weights).record(Compiled(objective, x0), 60)[:2]
        far = best - best.min() > 1e-8 * (best[0] - best.min())
        assert far.sum() >= 3
        rows = np.flatnonzero(far)
        np.testing.assert_allclose(x[0, rows], points[rows], rtol=0, atol=1e-10 * np.abs(points).max())
        np.testing.assert_allclose(fun[0, rows], values[rows], rtol=1e-10)


def test_constants_by_hand_are_those_of_the_oracle():
    W, w = oracle.by_hand()
    weights = QuasiNewton().initial()
    assert weights["W"].tolist() == W.tolist()
    assert weights["start"].tolist() == w.tolist()


def test_constants_alone_are_the_same_rule_without_the_other_features():
    objective, x0 = smooth(6, np.random.default_rng(0))
    runs = [untrained(QuasiNewton(features=features)).record(Compiled(objective, x0), 30) for features in (True, False)]
    assert runs[0][0].tobytes() == runs[1][0].tobytes()


def test_settings_outside_their_range_are_named():
    for memory in (0, 21):
        with pytest.raises(ValueError, match=f"memory is {memory}; expected"):
            QuasiNewton(memory=memory)
    with pytest.raises(TypeError, match="features"):
        QuasiNewton(features="all")


def test_dimensions_above_the_limit_are_refused_with_what_to_take():
    untrained().step(200)
    with pytest.raises(ValueError, match=r"dimension 201.*up to 200.*method='lbfgs'"):
        untrained().step(201)


def test_row_of_a_batch_is_the_single_run():
    problems = l2o.families.Logistic(n_points=50).sample(9, rng=0)
    batch = l2o.rollout(problems, method=untrained(), n_steps=20)
    for i in (0, 4, 8):
        single = l2o.rollout(problems[i : i + 1], method=untrained(), n_steps=20)
        assert single.x[0].tobytes() == batch.x[i].tobytes()
