"""One bad problem among those to learn or tune from is left out, counted and named; the others teach as without it."""

import numpy as np
import pytest

import l2o
from l2o.solving.tuning import best_of_grid, grid


@l2o.objective
def centre(x, data, grad):
    f = 0.0
    grad[:] = 0.0
    for i in range(data.shape[0]):
        for j in range(len(x)):
            f += 0.5 * (x[j] - data[i, j]) ** 2
            grad[j] += x[j] - data[i, j]
    return f


FAMILY = l2o.families.Custom(centre, dim=2)
GOOD = list(np.random.default_rng(0).standard_normal((20, 5, 2)))
BAD = np.full((5, 2), np.nan)


def problems(tables):
    return FAMILY.from_data(tables, x0=np.zeros((len(tables), 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tuning_is_that_without_the_bad_problem_and_says_so(value):
    tables = [*GOOD[:3], np.full((5, 2), value), *GOOD[3:]]
    with pytest.warns(RuntimeWarning, match=r"1 of 21 problems are left out, not finite at their starts: 3$") as said:
        tuned = l2o.tune(l2o.baselines.GradientDescent, problems(tables))
    assert said[0].filename == __file__
    assert tuned == l2o.tune(l2o.baselines.GradientDescent, problems(GOOD))
    assert 0.19 < tuned.step_size < 0.21  # the Hessian is 5 I: 1 / 5 arrives at once


def test_envelope_is_that_without_the_bad_problem():
    methods, f_star = grid(l2o.baselines.GradientDescent), np.arange(21.0)
    with pytest.warns(RuntimeWarning, match="left out"):
        found = best_of_grid(methods, problems([*GOOD, BAD]), 5, f_star=f_star)
    np.testing.assert_array_equal(found, best_of_grid(methods, problems(GOOD), 5, f_star=f_star[:20]))
    assert np.isfinite(found).all()


def test_nothing_to_tune_on_is_an_error():
    with pytest.raises(ValueError, match="problems holds 2 problems, none of which has a finite value"):
        l2o.tune(l2o.baselines.GradientDescent, problems([BAD, BAD]))


TRAINERS = [l2o.GuidedPolicySearch(n_iterations=1, n_samples=6),
            l2o.UnrolledGradient(n_steps=4, n_runs=8, horizon=4, n_rounds=2)]


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: type(trainer).__name__)
def test_training_is_that_without_the_bad_problems_and_the_card_names_them(trainer):
    given = [*GOOD[:2], BAD, *GOOD[2:15]]
    policy = l2o.train(problems(given), validation=problems([BAD, *GOOD[15:], BAD]), rng=0, trainer=trainer)
    same = l2o.train(problems(GOOD[:15]), validation=problems(GOOD[15:]), rng=0, trainer=trainer)
    for name, weights in policy.weights.items():
        np.testing.assert_array_equal(weights, same.weights[name])
    quality = policy.card["quality"]
    assert quality["left_out"] == [[0, 6]]
    assert quality["left_out_training"] == [[2]]
    assert quality["policy"] == same.card["quality"]["policy"]
    assert "left_out" not in same.card["quality"]


def test_training_from_bad_problems_alone_is_an_error():
    with pytest.raises(ValueError, match="none of which has a finite value"):
        l2o.train(problems([BAD] * 10), rng=0, trainer=TRAINERS[0])


def test_comparison_names_the_problems_that_its_means_are_without():
    report = l2o.compare(problems([*GOOD, BAD]), {"gradient descent": l2o.baselines.GradientDescent(0.1)}, n_steps=3)
    assert "over 20 of 21 problems, without 20\n" in report.table()
    assert "over 21 of 21 problems\n" in report.table(statistic="median")
    assert report.to_dict()["left_out"] == {"iteration": [20], "evaluation": [20]}
    assert report.left_out().tolist() == [20]
