"""Tuning of baselines."""

import numpy as np
import pytest

import l2o
from l2o.baselines import GradientDescent, Momentum
from l2o.methods import Record
from l2o.solving import tuning

FAMILY = l2o.families.Logistic()
ONE_LABEL = FAMILY.from_data(np.zeros((1, 2, 3)), [[1, 1]])  # log(1 + exp(-b)): a larger step is better, always


@pytest.fixture(scope="module")
def problems():
    return FAMILY.sample(8, rng=5)


def score(problems, method, n_steps):
    return l2o.rollout(problems, method=method, n_steps=n_steps).fun[:, 1:].mean()


def scaled(factor, m=6):
    """Logistic regressions with features stretched by a factor: the best step size goes as 1 / factor^2."""
    rng = np.random.default_rng(8)
    X, y = factor * rng.standard_normal((m, 40, 3)), rng.integers(0, 2, (m, 40))
    return FAMILY.from_data(X, y, np.append(rng.standard_normal((m, 3)) / factor, np.zeros((m, 1)), axis=1))


def test_tune_gradient_descent_matches_a_fine_scan(problems):
    tuned = l2o.tune(GradientDescent, problems, 15)
    scan = np.geomspace(0.1, 10, 400)
    lowest = min(score(problems, GradientDescent(s), 15) for s in scan)
    assert score(problems, tuned, 15) - lowest < 1e-3 * lowest


def test_tune_momentum_is_no_worse_than_its_grid_and_gradient_descent(problems):
    tuned = l2o.tune(Momentum, problems, 15)
    best = score(problems, tuned, 15)
    assert best <= min(score(problems, method, 15) for method in tuning.grid(Momentum))
    assert best <= score(problems, l2o.tune(GradientDescent, problems, 15), 15)
    assert 0 <= tuned.decay < 1


def test_tune_refines_between_the_points_of_the_grid(problems):
    tuned, tried = l2o.tune(GradientDescent, problems, 15, return_grid=True)
    assert tuned in tried
    assert score(problems, tuned, 15) == min(score(problems, method, 15) for method in tried)
    sizes = np.sort([method.step_size for method in tried])
    here = np.searchsorted(sizes, tuned.step_size)
    np.testing.assert_allclose(sizes[here - 1 : here + 2] / tuned.step_size, 10 ** (0.025 * np.arange(-1, 2)))


def test_tune_widens_at_either_border():
    ends = [method.step_size for method in tuning.grid(GradientDescent)]
    small = l2o.tune(GradientDescent, scaled(100.0), 10)
    assert small.step_size < 0.5 * min(ends)  # refinement alone reaches 0.63 of it
    assert score(scaled(100.0), small, 10) < score(scaled(100.0), GradientDescent(min(ends)), 10)
    assert l2o.tune(GradientDescent, ONE_LABEL, 1).step_size > 2 * max(ends)


def test_tune_stops_widening_and_says_so(monkeypatch):
    monkeypatch.setattr(tuning, "WIDENINGS", 0)
    with pytest.warns(RuntimeWarning, match=r"GradientDescent\(step_size=10.*border"):
        l2o.tune(GradientDescent, ONE_LABEL, 1)


def test_tune_counts_non_finite_as_infinite(problems):
    class Blowing(GradientDescent):
        def record(self, problems, n_steps, out=None):
            x, fun, *rest = super().record(problems, n_steps)
            if self.step_size > 0.5:
                fun = fun.copy()
                fun[0, -1] = -np.inf if self.step_size > 2 else np.nan
            return Record(x, fun, *rest)

    tuning.AXES[Blowing] = tuning.AXES[GradientDescent]
    try:
        assert 0.3 < l2o.tune(Blowing, problems, 10).step_size <= 0.5
    finally:
        del tuning.AXES[Blowing]


def test_tune_takes_starting_points_and_workers(problems):
    elsewhere = problems.x0 + 5.0
    tuned = l2o.tune(GradientDescent, problems, 10, x0=elsewhere, workers=2)
    assert tuned == l2o.tune(GradientDescent, problems.with_starts(elsewhere), 10)
    assert tuned != l2o.tune(GradientDescent, problems, 10)


def test_grid_has_the_promised_size():
    assert len(tuning.grid(GradientDescent)) >= 16
    settings = tuning.grid(Momentum)
    assert len({m.step_size for m in settings}) >= 16
    assert len({m.decay for m in settings}) >= 8
    assert len(settings) == len(set(settings))


def test_best_of_grid_is_the_envelope(problems):
    methods = tuning.grid(GradientDescent)
    means = np.array([l2o.rollout(problems, method=m, n_steps=6).fun.mean(axis=0) for m in methods])
    f_star = np.arange(8.0)
    np.testing.assert_array_equal(tuning.best_of_grid(methods, problems, 6), means.min(axis=0))
    np.testing.assert_allclose(tuning.best_of_grid(methods, problems, 6, f_star=f_star), means.min(axis=0) - 3.5)
    assert len(set(means.argmin(axis=0)[1:])) > 1  # else the envelope would be one of the curves


@pytest.mark.parametrize(("baseline", "error"), [("momentum", TypeError), (Momentum(), TypeError),
                                                 (l2o.baselines.LBFGS, ValueError),
                                                 (l2o.baselines.ConjugateGradient, ValueError)])
def test_tune_refuses_what_has_no_settings(problems, baseline, error):
    for call in (tuning.grid, lambda b: l2o.tune(b, problems)):
        with pytest.raises(error, match=r"expected.*Momentum"):
            call(baseline)


def test_tune_refuses_bad_arguments(problems):
    with pytest.raises(ValueError, match="n_steps is 0"):
        l2o.tune(Momentum, problems, 0)
    with pytest.raises(TypeError, match="n_steps"):
        l2o.tune(Momentum, problems, 1.5)
    with pytest.raises(TypeError, match="problems is list"):
        l2o.tune(Momentum, [1, 2])
    with pytest.raises(ValueError, match="problems is empty"):
        l2o.tune(Momentum, problems[0:0])
    with pytest.raises(ValueError, match="x0 has shape"):
        l2o.tune(Momentum, problems, x0=np.zeros(5))
    with pytest.raises(ValueError, match="methods is empty"):
        tuning.best_of_grid([], problems)
    with pytest.raises(ValueError, match="f_star has shape"):
        tuning.best_of_grid(["momentum"], problems, f_star=0.0)
