"""The local model: recovered from samples of functions whose Hessian is known, and what must not disturb it."""

import numpy as np
import oracles
import pytest

import l2o
from l2o.training.controllers import momentum_controllers
from l2o.training.local_model import LocalModel, floored, from_hessians, from_samples
from l2o.training.trajectories import Layout, Trajectories, simulate

M, N, T, DIM = 5, 20, 6, 4
FLOOR = 1e-3


def symmetric(rng, *shape):
    root = rng.standard_normal((*shape, DIM, DIM))
    return root + root.swapaxes(-1, -2)


def quadratics(seed=0, each_step=False, noise=0.1):
    """Return Hessians (M, T+1, d, d) and runs (nominal, samples) whose gradient is linear: g = H x + c."""
    rng = np.random.default_rng(seed)
    H = symmetric(rng, M, T + 1) if each_step else np.repeat(symmetric(rng, M, 1), T + 1, axis=1)
    c = rng.standard_normal((M, 1, DIM))
    x = rng.standard_normal((M, T + 1, DIM))
    moved = x[:, None] + noise * rng.standard_normal((M, N, T + 1, DIM))

    def runs(x, H, c):
        g = np.einsum("...tij,...tj->...ti", H, x) + c
        return Trajectories(x.reshape(-1, T + 1, DIM), np.zeros((x.size // DIM // (T + 1), T + 1)),
                            g.reshape(-1, T + 1, DIM))

    return H, runs(x, H, c), runs(moved, H[:, None], c[:, None])


def logistic(sigma=0.1, seed=0):
    """Return logistic regressions, noise-free runs of momentum on them, and N noisy runs of each."""
    problems = l2o.families.Logistic(n_points=50).sample(M, rng=seed)
    teachers = momentum_controllers(np.ones(M), np.full(M, 0.5), T, 0.1, Layout(DIM, 5, 5, 0))
    noise = sigma * np.random.default_rng(seed).standard_normal((M * N, T, DIM))
    samples = simulate(teachers.repeated(N), problems[np.repeat(np.arange(M), N)], T, noise=noise)
    return problems, simulate(teachers, problems, T), samples


def model(curvature):
    return LocalModel(np.zeros(curvature.shape[:-1]), curvature, curvature)


def changed(runs, **parts):
    """Return trajectories with parts replaced."""
    return Trajectories(*(parts.get(name, getattr(runs, name)).copy() for name in ("x", "fun", "jac")))


def hidden(nominal, samples, t):
    """Return samples that coincide with the nominal run at step t, where they say nothing."""
    x, jac = samples.x.copy(), samples.jac.copy()
    x[:, t], jac[:, t] = np.repeat(nominal.x[:, t], N, axis=0), np.repeat(nominal.jac[:, t], N, axis=0)
    return changed(samples, x=x, jac=jac)


# -- from Hessians -------------------------------------------------------------------------------------


def test_hessians_are_those_of_the_gradient():
    problems, nominal, _ = logistic()
    fitted = from_hessians(problems, nominal, FLOOR)
    np.testing.assert_array_equal(fitted.gradient, nominal.jac)
    assert fitted.curvature.shape == (M, T + 1, DIM, DIM)
    for i in range(M):
        for t in range(T + 1):
            expected = oracles.slope(problems[i].grad, nominal.x[i, t])
            np.testing.assert_allclose(fitted.curvature[i, t], expected, rtol=0, atol=1e-8)


def test_hessians_predict_gradient_and_value_to_their_order():
    """Half the deviation: a quarter of the error of the gradient, an eighth of that of the value."""
    problems, nominal, _ = logistic()
    fitted, move = from_hessians(problems, nominal, FLOOR), np.random.default_rng(1).standard_normal((M, DIM))
    errors = []
    for size in (2e-2, 1e-2):
        step = size * move
        f, g = problems.value_and_grad(nominal.x[:, 3] + step)
        bent = np.einsum("mij,mj->mi", fitted.curvature[:, 3], step)
        value = nominal.fun[:, 3] + np.einsum("mi,mi->m", fitted.gradient[:, 3] + bent / 2, step)
        errors.append([abs(g - fitted.gradient[:, 3] - bent).max(), abs(f - value).max()])
    np.testing.assert_allclose(np.divide(*errors), [4, 8], rtol=0.1)


def test_floor_is_for_the_cost_alone():
    problems, nominal, _ = logistic()
    low, high = from_hessians(problems, nominal, 1e-3), from_hessians(problems, nominal, 0.2)
    np.testing.assert_array_equal(low.curvature, high.curvature)
    assert np.linalg.eigvalsh(low.curvature).min() < 0.1
    assert np.linalg.eigvalsh(high.convex).min() == pytest.approx(0.2)
    np.testing.assert_allclose(from_hessians(problems, nominal, 0.0).convex, low.curvature, rtol=0, atol=1e-12)


def test_floored_keeps_eigenvectors_and_larger_eigenvalues():
    matrices = symmetric(np.random.default_rng(0), 3, 2)
    result = floored(matrices, 0.5)
    assert result.shape == matrices.shape
    for matrix, other in zip(matrices.reshape(-1, DIM, DIM), result.reshape(-1, DIM, DIM)):
        values, vectors = np.linalg.eigh(matrix)
        np.testing.assert_allclose(vectors.T @ other @ vectors, np.diag(np.maximum(values, 0.5)), rtol=0, atol=1e-12)


# -- from samples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [0, 1, 3])
def test_samples_of_a_quadratic_give_its_hessian(neighbours):
    H, nominal, samples = quadratics()
    fitted = from_samples(nominal, samples, None, FLOOR, ridge=1e-9, neighbours=neighbours)
    np.testing.assert_allclose(fitted.curvature, H, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fitted.convex, floored(H, FLOOR), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(fitted.gradient, nominal.jac)


def test_samples_of_a_step_are_its_own_without_neighbours():
    H, nominal, samples = quadratics(each_step=True)
    own = from_samples(nominal, samples, None, FLOOR, ridge=1e-9, neighbours=0)
    np.testing.assert_allclose(own.curvature, H, rtol=0, atol=1e-6)


def test_step_without_samples_learns_from_its_neighbours():
    H, nominal, samples = quadratics()
    alone = hidden(nominal, samples, 3)
    before = model(np.zeros(H.shape))
    errors = [abs(from_samples(nominal, alone, before, FLOOR, ridge=1e-6, neighbours=n).curvature - H)[:, 3].max()
              for n in (0, 1)]
    assert errors[0] == pytest.approx(abs(H).max())
    assert errors[1] < 1e-3


def test_samples_of_logistic_runs_come_near_the_hessian():
    """Twenty runs with small noise; at the first step they say nothing, for all start at one point."""
    problems, nominal, samples = logistic(sigma=0.02)
    exact = from_hessians(problems, nominal, FLOOR).curvature
    error = [np.linalg.norm(from_samples(nominal, samples, None, FLOOR, ridge=1e-3, neighbours=n).curvature - exact,
                            axis=(2, 3))[:, 1:] / np.linalg.norm(exact, axis=(2, 3))[:, 1:] for n in (0, 1)]
    assert error[0].max() < 0.1
    assert np.median(error[0]) < 0.02
    assert np.median(error[1]) < 0.15  # pooling costs what the Hessian changes from step to step


def test_samples_give_a_symmetric_model():
    """The gradient of no function: its derivative is not symmetric, the model is."""
    _, nominal, samples = quadratics()
    shear = np.triu(np.ones((DIM, DIM)))
    fitted = from_samples(changed(nominal, jac=nominal.x @ shear.T), changed(samples, jac=samples.x @ shear.T), None,
                          FLOOR, ridge=1e-9)
    np.testing.assert_array_equal(fitted.curvature, fitted.curvature.swapaxes(-1, -2))
    np.testing.assert_allclose(fitted.curvature, np.broadcast_to((shear + shear.T) / 2, fitted.curvature.shape),
                               rtol=0, atol=1e-6)
    assert np.linalg.eigvalsh(fitted.convex).min() > FLOOR * (1 - 1e-9)


def test_each_function_has_its_own_samples():
    _, nominal, samples = quadratics()
    whole = from_samples(nominal, samples, None, FLOOR)
    one = from_samples(nominal[2:3], samples[2 * N : 3 * N], None, FLOOR)
    np.testing.assert_allclose(whole.curvature[2:3], one.curvature, rtol=1e-12, atol=1e-12)


def test_near_samples_count_as_much_as_far_ones():
    """Half of the samples lie 30 times further out and follow another Hessian: neither half rules."""
    _, nominal, samples = quadratics()
    far = np.arange(M * N) % 2 == 1
    move = (samples.x - np.repeat(nominal.x, N, axis=0)) * np.where(far, 30, 1)[:, None, None]
    jac = np.repeat(nominal.jac, N, axis=0) + move * np.where(far, 3.0, 1.0)[:, None, None]
    mixed = changed(samples, x=np.repeat(nominal.x, N, axis=0) + move, jac=jac)
    trace = np.trace(from_samples(nominal, mixed, None, FLOOR).curvature, axis1=2, axis2=3) / DIM
    assert 1.2 < np.median(trace) < 2.8  # plain least squares: 3


# -- the ridge -----------------------------------------------------------------------------------------


def test_ridge_pulls_towards_the_model_before():
    H, nominal, samples = quadratics()
    before = model(symmetric(np.random.default_rng(5), M, T + 1))
    distance = [abs(from_samples(nominal, samples, before, FLOOR, ridge=ridge).curvature - before.curvature).max()
                for ridge in (1e9, 10.0, 1.0, 1e-9)]
    assert distance[0] < 1e-6
    assert (np.diff(distance) > 0).all()
    fitted = from_samples(nominal, samples, before, FLOOR, ridge=1e-9)
    np.testing.assert_allclose(fitted.curvature, H, rtol=0, atol=1e-6)


def test_ridge_is_in_units_of_one_sample():
    """With a ridge of n samples and n samples all round, the model is half way in every direction."""
    _, nominal, _ = quadratics()
    moves = np.concatenate([np.eye(DIM), -np.eye(DIM)])
    x = (nominal.x[:, None] + moves[:, None]).reshape(-1, T + 1, DIM)
    jac = (nominal.jac[:, None] + 3 * moves[:, None]).reshape(-1, T + 1, DIM)
    samples = Trajectories(x, np.zeros(x.shape[:2]), jac)
    fitted = from_samples(nominal, samples, model(np.broadcast_to(np.eye(DIM), (M, T + 1, DIM, DIM))), FLOOR,
                          ridge=2.0, neighbours=0)  # two samples a direction
    np.testing.assert_allclose(fitted.curvature, np.broadcast_to(2 * np.eye(DIM), fitted.curvature.shape), rtol=0.01,
                               atol=1e-12)


def test_first_model_is_pulled_to_the_mean_over_the_steps():
    H, nominal, samples = quadratics()
    fitted = from_samples(nominal, hidden(nominal, samples, 3), None, FLOOR, neighbours=0)
    np.testing.assert_allclose(fitted.curvature[:, 3], H[:, 3], rtol=0, atol=1e-4)


# -- samples that must not disturb ---------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
def test_samples_that_coincide_with_the_nominal_run_say_nothing(before):
    _, nominal, _ = quadratics()
    samples = Trajectories(*(np.repeat(part, N, axis=0) for part in (nominal.x, nominal.fun, nominal.jac)))
    previous = model(symmetric(np.random.default_rng(5), M, T + 1)) if before else None
    fitted = from_samples(nominal, samples, previous, FLOOR, neighbours=0)
    expected = previous.curvature if before else np.zeros(fitted.curvature.shape)
    np.testing.assert_allclose(fitted.curvature, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fitted.convex, floored(expected, FLOOR), rtol=0, atol=1e-12)


def test_samples_that_coincide_with_each_other_count_once():
    """gps-in-practice.md: rows that coincide count once; they arise where quiet samples are not the nominal run."""
    _, nominal, samples = logistic()
    before = model(np.broadcast_to(np.eye(DIM), (M, T + 1, DIM, DIM)))
    parts = [part.reshape(M, N, *part.shape[1:]) for part in (samples.x, samples.fun, samples.jac)]
    copies = [np.concatenate([part, np.repeat(part[:, :1], N, axis=1)], axis=1) for part in parts]
    twice = Trajectories(*(part.reshape(2 * M * N, *part.shape[2:]) for part in copies))
    np.testing.assert_allclose(from_samples(nominal, twice, before, FLOOR).curvature,
                               from_samples(nominal, samples, before, FLOOR).curvature, rtol=1e-9)


def lost(runs, run, t, gradient, location):
    """Return runs of which one leaves at step t, as the kernels record it."""
    x, jac = runs.x.copy(), runs.jac.copy()
    x[run, t:] += location
    jac[run, t:] = gradient
    return changed(runs, x=x, jac=jac)


@pytest.mark.parametrize("gradient", [np.nan, np.inf, -np.inf])
def test_sample_with_a_nonfinite_gradient_is_ignored(gradient):
    H, nominal, samples = quadratics()
    fitted = from_samples(nominal, lost(samples, 3, 2, gradient, 0.0), None, FLOOR, ridge=1e-9)
    np.testing.assert_allclose(fitted.curvature, H, rtol=0, atol=1e-6)


@pytest.mark.parametrize("location", [1e8, 1e200, np.inf, np.nan])
def test_sample_lost_far_away_is_ignored(location):
    """Its gradient is not finite. It must not rule the weights of the others by its length."""
    H, nominal, samples = quadratics()
    fitted = from_samples(nominal, lost(samples, 3, 2, np.nan, location), model(np.zeros(H.shape)), FLOOR, ridge=1e-6)
    np.testing.assert_allclose(fitted.curvature, H, rtol=0, atol=1e-4)
