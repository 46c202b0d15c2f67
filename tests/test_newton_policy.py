"""The policy Newton: its steps against NumPy, its prior, what it does where the Hessian is of no use."""

import numpy as np
import pytest
from compiled import Compiled
from test_newton import ahead

import l2o
from l2o.methods import Stopping
from l2o.policies import Newton, Policy
from l2o.policies.prior import PriorShape

CAP, CAP_REJECTED = 2.0, 0.1


def policy(**weights):
    return Policy(Newton(), {**Newton().initial(), **weights})


def shortened(slope, slope_n, rise):
    """Return where the cubic through both ends of a step is least, within .02 and .8."""
    cubic = np.polynomial.Polynomial([0, slope, 3 * rise - 2 * slope - slope_n, slope + slope_n - 2 * rise])
    (least,) = [a for a in cubic.deriv().roots() if cubic.deriv(2)(a) > 0]
    return np.clip(least, 0.02, 0.8)


def path(problem, hessian, x, n_steps):
    """Return the best points (T+1, n) and how many trials were rejected, for a convex function."""
    points, (f, g), B = [x], problem.value_and_grad(x), hessian(x)
    before = s = None
    reach, cap, rejected = np.inf, 0.0, 0
    for _ in range(n_steps):
        p = ahead(B, before, s, g)
        length = np.sqrt(-g @ p)
        tau = (1 + (length / (reach * np.exp(cap))) ** 4) ** -0.25
        f_n, g_n = problem.value_and_grad(points[-1] + tau * p)
        if f_n < f:
            s, before, B = tau * p, B, hessian(points[-1] + tau * p)
            points.append(points[-1] + tau * p)
            f, g, reach, cap = f_n, g_n, np.sqrt(s @ B @ s), CAP
        else:
            reach = shortened(tau * g @ p, tau * g_n @ p, f_n - f) * tau * length
            points.append(points[-1])
            cap, rejected = CAP_REJECTED, rejected + 1
    return np.array(points), rejected


def test_steps_are_those_of_numpy():
    problems, total = l2o.families.Logistic(l2=0.01).sample(20, rng=3), 0
    far = problems.with_starts(4 * problems.x0)
    runs = l2o.rollout(far, method=policy(), n_steps=7)
    for i in range(20):
        expected, rejected = path(problems[i], lambda x, i=i: problems[i : i + 1].hessian(x[None])[0], far.x0[i], 7)
        np.testing.assert_allclose(runs.x[i], expected, rtol=1e-6, atol=1e-9)
        total += rejected
    assert total > 3


@pytest.fixture(scope="module")
def resamples():
    """Return 40 resamples of one regression to learn from, and 60 others."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) * [1, 2, 0.5]
    y = rng.random(200) < 1 / (1 + np.exp(-(2 * X[:, 0] + X[:, 1] - X[:, 2] - 1)))
    rows = rng.integers(200, size=(100, 200))
    problems = l2o.families.Logistic().from_data(X[rows], y[rows].astype(float))
    return problems[:40], problems[40:]


@pytest.fixture(scope="module")
def learned(resamples):
    return l2o.train(resamples[0], rng=0, policy=Newton(), trainer=l2o.CurvatureRegression())


def test_learned_start_saves_evaluations_of_newton(resamples, learned):
    facts = learned.card["training"]["course"][0]
    priors = ["constant", "x0, step", "constant, step", "data"]
    assert list(facts["scores"]) == ["L-BFGS", "the rule without a prior", *priors]
    assert facts["choice"] in priors
    found, classical = (l2o.minimize_many(resamples[1], method=method, tol=1e-6) for method in (learned, "newton"))
    assert found.success.all()
    np.testing.assert_allclose(found.fun, classical.fun, rtol=1e-9)
    assert found.nfev.mean() < 0.85 * classical.nfev.mean()


def test_learned_policy_saves_loads_and_runs_alike(resamples, learned, tmp_path):
    learned.save(tmp_path / "family.npz")
    loaded = l2o.load(tmp_path / "family.npz")
    first, second = (l2o.minimize_many(resamples[1], method=each).x for each in (learned, loaded))
    assert first.tobytes() == second.tobytes()
    assert loaded.network == Newton(learned.network.prior)


def test_first_step_of_a_prior_is_evaluated_and_the_lower_point_kept(resamples):
    problems, shape = resamples[1][:5], PriorShape(step=True)
    weights = {**Newton(shape).initial(4), "ridge": np.zeros((11, 4)), "range": np.array([[-9.0] * 4, [9.0] * 4])}
    for constant in (0.1, 50.0):
        weights["ridge"][-1] = constant
        runs = l2o.rollout(problems, method=Policy(Newton(shape), weights), n_steps=2)
        tried = problems.value_and_grad(problems.x0 + np.clip(constant, -9, 9))[0]
        np.testing.assert_allclose(runs.fun[:, 1], np.minimum(tried, runs.fun[:, 0]), rtol=1e-12)


def test_bound_is_reached_and_the_rest_is_minimal(resamples):
    problem = resamples[1][0]
    bounds = [(-1.0, 0.5)] * 4
    found, expected = (l2o.minimize(problem, np.zeros(4), method=method, bounds=bounds, tol=1e-8)
                       for method in (policy(), "newton"))
    assert found.success
    assert (found.x == 0.5).any()
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-7, atol=1e-9)


def bowl(x):
    root = np.sqrt(1 + x * x)
    return root.sum(), x / root


@pytest.mark.parametrize("hessian", [
    lambda x: np.full((2, 2), np.nan), lambda x: np.zeros((2, 2)), lambda x: -np.eye(2),
    lambda x: np.diag((1 + x * x) ** -1.5) if np.abs(x).max() < 1 else np.full((2, 2), np.inf)])
@pytest.mark.parametrize("stopping", [Stopping(1e-8, 500, 500), Stopping(0.0, 500, 500, ftol=1e-10)])
def test_minimum_is_found_with_any_hessian(hessian, stopping):
    found = policy().solve(Compiled(bowl, np.array([3.0, -2.0]), hessian), stopping)
    assert found.status[0] == 0
    assert found.fun[0] == pytest.approx(2.0, abs=1e-7)


def test_saddle_is_no_minimum():
    target = Compiled(lambda x: (x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 2, np.array([2 * x[0], 2 * x[1] ** 3 - 2 * x[1]])),
                      np.array([1.0, 1e-6]), lambda x: np.diag([2.0, 6 * x[1] ** 2 - 2]))
    found = policy().solve(target, Stopping(0.0, 500, 500, ftol=2.2e-9))
    assert found.fun[0] == pytest.approx(-0.5)


def test_objective_without_a_hessian_is_an_error():
    with pytest.raises(ValueError, match="the policy asks for a Hessian; this objective has none"):
        l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(2), method=policy())


def test_prior_that_predicts_a_matrix_is_an_error():
    with pytest.raises(ValueError, match="prior predicts 'full' of the inverse Hessian; expected 'mean'"):
        Newton(PriorShape(curvature="full"))
