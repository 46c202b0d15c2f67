"""The generic fit under a mixture prior: what it must recover, and that with few runs the structured fit is closer."""

import numpy as np
import pytest
from oracle_riccati import dynamics

from l2o.training.local_model import LocalModel, from_samples
from l2o.training.mixture_prior import Mixture, all_states, from_mixture, from_structure
from l2o.training.trajectories import Layout, Trajectories

DIM, H, T = 2, 3, 6
LAYOUT = Layout(DIM, H, H, 0)
CURVATURE, CENTRE, START = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -0.2]), np.array([1.0, 1.5])


def runs(n, sigma=0.1, seed=0):
    """Return n runs of gradient descent with noise on a quadratic; the dynamics of its gradient are linear."""
    rng, x = np.random.default_rng(seed), np.tile(START, (n, 1))
    path = [x]
    for _ in range(T):
        x = x - 0.3 * (x - CENTRE) @ CURVATURE + sigma * rng.standard_normal(x.shape)
        path.append(x)
    x = np.stack(path, axis=1)
    g = (x - CENTRE) @ CURVATURE
    return Trajectories(x, 0.5 * np.einsum("nti,nti->nt", x - CENTRE, g), g)


def exact(layout=LAYOUT):
    nominal = runs(1, sigma=0.0)
    curvature = np.tile(CURVATURE, (1, T + 1, 1, 1))
    return from_structure(nominal, LocalModel(nominal.jac, curvature, curvature), layout)


def structured(samples):
    nominal = runs(1, sigma=0.0)
    return from_structure(nominal, from_samples(nominal, samples, None, 1e-3), LAYOUT)


def errors(fitted, truth):
    """Return the error of B, and that of the mean next state of new runs, in units of their spread."""
    new = runs(500, seed=9)
    states = all_states(new, LAYOUT)
    apart = fitted.means(states[:, :-1], new.actions) - states[:, 1:]
    return [np.linalg.norm(fitted.B - truth.B) / np.linalg.norm(truth.B),
            np.sqrt((apart**2).mean() / states[:, 1:].var(axis=0).mean())]


@pytest.mark.parametrize("layout", [LAYOUT, Layout(DIM, H, H + 1, 1)])
def test_structure_is_that_of_the_riccati_pass(layout):
    nominal, found = runs(1, sigma=0.0), exact(layout)
    curvature = np.tile(CURVATURE, (T + 1, 1, 1))
    for t in range(T):
        A, B = dynamics(curvature, nominal.jac[0], layout.history, layout.kept, t)
        np.testing.assert_allclose(found.A[t], A, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.B[t], B, rtol=0, atol=1e-14)
    states = all_states(nominal, layout)
    np.testing.assert_allclose(found.means(states[:, :-1], nominal.actions), states[:, 1:], rtol=0, atol=1e-14)


@pytest.mark.slow
def test_many_runs_give_the_dynamics():
    """B, its mask of entries that do not exist yet, and A in the directions that the states have."""
    fitted, truth, samples = from_mixture(runs(4000), LAYOUT, rng=0), exact(), runs(400, seed=3)
    np.testing.assert_allclose(fitted.B, truth.B, rtol=0, atol=0.15 * abs(truth.B).max())
    for t in range(T):
        gone = slice(DIM + min(t + 1, H), DIM + H)
        assert abs(fitted.B[t, gone]).max(initial=0.0) < 1e-3
        states = samples.states(LAYOUT)[:, t]
        moves = states - states.mean(axis=0)
        expected = moves @ truth.A[t].T
        np.testing.assert_allclose(moves @ fitted.A[t].T, expected, rtol=0, atol=0.2 * max(abs(expected).max(), 0.1))
    linear = [*range(DIM), *range(DIM + H, LAYOUT.size)]  # locations and gradients; values are quadratic
    assert errors(fitted, truth)[0] < 0.05
    np.testing.assert_allclose(fitted.B[:, linear], truth.B[:, linear], rtol=0, atol=0.02)


def test_structured_fit_is_closer_with_twenty_runs():
    truth = exact()
    for seed in range(3):
        samples = runs(20, seed=seed)
        generic, known = errors(from_mixture(samples, LAYOUT, rng=seed), truth), errors(structured(samples), truth)
        assert known[0] < 0.5 * generic[0]
        assert known[1] < generic[1]


def test_mixture_finds_its_components():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    points = np.concatenate([centre + rng.standard_normal((n, 2)) * [1.0, 0.2]
                             for centre, n in zip(centres, (600, 300, 100))])
    mixture = Mixture.fit(points, 3, np.random.default_rng(1))
    order = np.argsort(-mixture.weights)
    np.testing.assert_allclose(mixture.weights[order], [0.6, 0.3, 0.1], rtol=0, atol=0.01)
    np.testing.assert_allclose(mixture.means[order], centres, rtol=0, atol=0.25)
    np.testing.assert_allclose(mixture.covariances[order][0], np.diag([1.0, 0.04]), rtol=0, atol=0.1)
    mean, covariance = mixture.moments(points)  # of all of them: those of the points
    np.testing.assert_allclose(mean, points.mean(axis=0), rtol=0, atol=1e-3)
    np.testing.assert_allclose(covariance, np.cov(points.T, bias=True), rtol=0, atol=1e-2)


def test_prior_counts_as_the_points_that_it_is_said_to():
    """One component: prior and samples of a step in the formula, written out."""
    samples = runs(10)
    states = all_states(samples, LAYOUT)
    points = np.concatenate([states[:, :-1], samples.actions, states[:, 1:]], axis=2)
    every, fitted = points.reshape(-1, points.shape[2]), from_mixture(samples, LAYOUT, n_components=1, strength=4.0)
    prior = np.cov(every.T, bias=True) + 1e-6 * every.var(axis=0).mean() * np.eye(every.shape[1])
    mean, moved = points[:, 2].mean(axis=0), points[:, 2].mean(axis=0) - every.mean(axis=0)
    sigma = 10 * np.cov(points[:, 2].T, bias=True) + 4 * prior + 10 * 4 / 14 * np.outer(moved, moved)
    z = LAYOUT.size + DIM
    np.testing.assert_allclose(np.hstack([fitted.A[2], fitted.B[2]]) @ sigma[:z, :z], sigma[z:, :z], rtol=0, atol=1e-8)
    np.testing.assert_allclose(fitted.means(states[:, :-1], samples.actions)[:, 2].mean(axis=0), mean[z:], atol=1e-9)


@pytest.mark.parametrize(("settings", "message"), [({"n_components": 0}, "n_components is 0"),
                                                   ({"strength": 0}, "strength is 0"), ({"rng": -1}, "rng is -1")])
def test_setting_that_does_not_fit_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        from_mixture(runs(5), LAYOUT, **settings)


def test_run_that_is_lost_is_an_error():
    lost = runs(5)
    lost.x[2, 3] = np.nan
    with pytest.raises(ValueError, match="samples holds nan"):
        from_mixture(lost, LAYOUT)
