"""The learned quasi-Newton rule: its kernel against the statement in oracle_quasi_newton.py, and what it promises."""

import numpy as np
import oracle_quasi_newton as oracle
import pytest
from compiled import Compiled
from standard_functions import FUNCTIONS

import l2o
from l2o.methods import Stopping
from l2o.policies import Policy, QuasiNewton

DIMENSIONS = (1, 2, 3, 4, 10, 20, 50)


def untrained(kind=None, weights=None):
    """Return a policy with these weights, by default the constants by hand."""
    kind = kind or QuasiNewton()
    return Policy(kind, weights or kind.initial())


def evaluated(policy, objective, x0, n):
    """Return the points that the rule alone evaluates, (n + 1, d)."""
    compiled = Compiled(objective, x0)
    policy.record(compiled, n)
    return np.array(compiled.points)


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
        seen = evaluated(untrained(kind, weights), objective, x0, 60)
        far = best - best.min() > 1e-8 * (best[0] - best.min())
        assert far.sum() >= 3
        rows = np.flatnonzero(far)
        np.testing.assert_allclose(seen[rows], points[rows], rtol=0, atol=1e-10 * np.abs(points).max())
        np.testing.assert_allclose([objective(x)[0] for x in seen[rows]], values[rows], rtol=1e-10)


def test_constants_by_hand_are_those_of_the_oracle():
    W, w = oracle.by_hand()
    weights = QuasiNewton().initial()
    assert weights["W"].tolist() == W.tolist()
    assert weights["start"].tolist() == w.tolist()


@pytest.mark.parametrize("memory", [1, 5])
@pytest.mark.parametrize("beyond", [0.0, 0.1])
def test_constants_alone_are_the_same_rule_without_the_other_features(memory, beyond):
    """The oracle knows no short cut: weights of the other features are zero; `beyond` the lean rule others are not."""
    rng = np.random.default_rng(memory)
    kind = QuasiNewton(memory, features=False)
    weights = shaken(kind, rng)
    weights["W"][1:, 2:] *= beyond
    W = np.zeros((5, 14))
    W[:, :4] = weights["W"]
    objective, x0 = smooth(6, rng)
    points, _, best = oracle.run(objective, x0, 40, W, weights["start"], memory)
    seen = evaluated(untrained(kind, weights), objective, x0, 40)
    rows = np.flatnonzero(best - best.min() > 1e-8 * (best[0] - best.min()))
    assert len(rows) >= 5
    np.testing.assert_allclose(seen[rows], points[rows], rtol=0, atol=1e-10 * np.abs(points).max())


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


# -- trials that are not kept --------------------------------------------------------------------------


@pytest.mark.parametrize("outside", ["error", "infinite", "nan", "gradient"])
def test_trial_that_is_not_finite_makes_the_next_step_a_tenth(outside):
    inner, x0 = smooth(3, np.random.default_rng(5))
    x0 /= 3
    wall = inner(x0)[0] + 3.0

    def value_and_grad(x):
        f, g = inner(x)
        if f <= wall:
            return f, g
        return {"infinite": (np.inf, g), "nan": (np.nan, g), "gradient": (f, g * np.inf)}.get(outside, 1)

    def for_oracle(x):
        result = value_and_grad(x)
        return (np.inf, x) if isinstance(result, int) else result

    weights = {**QuasiNewton().initial(), "start": np.array([4.0, 0.25, 0.0, 1.0, -0.7])}  # the first step is too long
    points, values, best = oracle.run(for_oracle, x0, 20, weights["W"], weights["start"], 5)
    assert not np.isfinite(values[1]) or outside == "gradient"
    seen = evaluated(untrained(weights=weights), value_and_grad, x0, 20)
    far = np.flatnonzero(best - best.min() > 1e-8 * (best[0] - best.min()))
    np.testing.assert_allclose(seen[far], points[far], rtol=0, atol=1e-10 * np.abs(points[1]).max())
    assert np.linalg.norm(seen[2] - x0) == pytest.approx(0.1 * np.linalg.norm(seen[1] - x0), rel=1e-3)


def test_rejections_eight_in_a_row_end_the_rule_alone_and_hand_over_otherwise():
    def wrong(x):
        return x @ x, -2 * x  # every step leads up

    evaluations = []
    for safeguard in (False, True):
        compiled = Compiled(wrong, [1.0, 2.0])
        untrained().solve(compiled, Stopping(1e-5, 100, 100, safeguard))
        evaluations.append(len(compiled.points))
    assert evaluations[0] == 9
    assert evaluations[1] > 9
    run = l2o.minimize(wrong, [1.0, 2.0], method=untrained())
    assert (run.fun, run.success) == (5.0, False)


def test_heir_starts_from_the_matrix():
    objective, x0 = smooth(4, np.random.default_rng(2))
    rule = oracle.Rule(x0, *objective(x0), *oracle.by_hand(), 5)
    for _ in range(6):
        rule.tell(*objective(rule.proposal))
    compiled = Compiled(objective, x0)
    policy = untrained().with_card(handoff={"most_trials": 6, "rejections": 8, "flat": 0.0, "heir": "bfgs"})
    policy.solve(compiled, Stopping(1e-8, 100, 100))
    np.testing.assert_allclose(compiled.points[7], rule.x - rule.H @ rule.g, rtol=1e-9)


# -- what it promises ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [4, 12])
def test_standard_functions_end_no_higher_than_they_start(dim):
    solved = 0
    for function in FUNCTIONS.values():
        x0 = function.start(dim)
        run = l2o.minimize(function.value_and_grad, x0, method=untrained())
        assert run.fun <= function.value_and_grad(x0)[0], function.name
        assert np.isfinite(run.x).all(), function.name
        solved += run.success
    assert solved >= 0.9 * len(FUNCTIONS)


def test_gradient_of_zero_at_the_start_is_the_end():
    run = l2o.minimize(lambda x: (x @ x, 2 * x), np.zeros(3), method=untrained())
    assert (run.nfev, run.status, run.fun) == (1, 0, 0.0)
    problems = l2o.families.Custom(_flat, dim=2).from_data([np.zeros((1, 1))], x0=np.zeros((1, 2)))
    runs = l2o.rollout(problems, method=untrained(), n_steps=4)
    assert runs.x.tolist() == np.zeros((1, 5, 2)).tolist()


@l2o.objective
def _flat(x, data, grad):
    grad[:] = 0.0
    return 1.0


@pytest.mark.parametrize("offset", [1e12, -1e12, 1e300])
def test_offset_that_hides_differences_of_f_does_no_harm(offset):
    objective, x0 = smooth(5, np.random.default_rng(1))
    run = l2o.minimize(lambda x: (objective(x)[0] + offset, objective(x)[1]), x0, method=untrained())
    assert run.fun <= objective(x0)[0] + offset
    assert np.isfinite(run.x).all()


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e6, 1e12])
def test_units_of_f_and_x_change_next_to_nothing(scale):
    objective, x0 = smooth(4, np.random.default_rng(3))
    points = evaluated(untrained(), objective, x0, 12)
    in_f = evaluated(untrained(), lambda x: tuple(scale * part for part in objective(x)), x0, 12)
    np.testing.assert_allclose(in_f, points, rtol=1e-6)


def test_units_of_single_variables_that_differ_by_much_change_nothing():
    objective, x0 = smooth(4, np.random.default_rng(3))
    unit = np.array([1e-4, 1.0, 1e3, 1e-2]) / np.abs(x0)

    def scaled(x):
        f, g = objective(x / unit)
        return f, g / unit

    def in_units_of_the_start(x):
        f, g = objective(x * np.abs(x0))
        return f, g * np.abs(x0)

    seen = evaluated(untrained(), scaled, x0 * unit, 12)
    points = evaluated(untrained(), in_units_of_the_start, np.sign(x0), 12)
    np.testing.assert_allclose(seen / (unit * np.abs(x0)), points, rtol=1e-6)


def test_component_that_happens_to_be_small_is_no_unit():
    objective, x0 = smooth(4, np.random.default_rng(3))
    x0[1] = 1e-5 * x0[0]
    assert oracle.units(x0, objective(x0)[1]).tolist() == [1.0] * 4
    step = evaluated(untrained(), objective, x0, 1)[1] - x0
    g = objective(x0)[1]
    np.testing.assert_allclose(step / np.linalg.norm(step), -g / np.linalg.norm(g), rtol=1e-9)


def test_largest_dimension_is_served_and_the_next_is_refused():
    run = l2o.minimize(lambda x: ((x**4 + x**2).sum(), 4 * x**3 + 2 * x), np.linspace(1, 2, 200), method=untrained(),
                       tol=1e-6)
    assert run.success
    with pytest.raises(ValueError, match="dimension 201"):
        l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(201), method=untrained())


def test_bounds_are_kept():
    objective, x0 = smooth(4, np.random.default_rng(6))
    bounds = [(-0.5, 0.5), (None, 0.1), (0.0, None), (None, None)]
    run = l2o.minimize(objective, np.clip(x0, [-0.5, -9, 0, -9], [0.5, 0.1, 9, 9]), method=untrained(), bounds=bounds)
    best = l2o.minimize(objective, np.clip(x0, [-0.5, -9, 0, -9], [0.5, 0.1, 9, 9]), method="lbfgs", bounds=bounds)
    assert (run.x >= [-0.5, -np.inf, 0, -np.inf]).all()
    assert (run.x <= [0.5, 0.1, np.inf, np.inf]).all()
    assert run.fun == pytest.approx(best.fun, rel=1e-6)
