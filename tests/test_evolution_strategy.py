"""Evolution strategies: what a race scores, how the weights move, and that a training is what it promises."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import l2o
from l2o.baselines import GradientDescent
from l2o.policies import Architecture, Policy
from l2o.policies.bare import Bare
from l2o.policies.policy import PRETRAINED
from l2o.solving.named import resolve
from l2o.solving.optimum import best_known
from l2o.training.evolution_strategy import Evolved, centred_ranks
from l2o.training.race import SCORES, TOLERANCES, Curve, Mixture, Race

FAMILY = l2o.families.Logistic(n_points=20)
SHORT = l2o.EvolutionStrategy(n_generations=6, n_pairs=3, batch=10, n_starts=2, judged_every=2)


@dataclass(frozen=True)
class OneStep(Architecture):
    """Gradient descent whose step size is learned: a kind with one weight, for any dimension."""

    kind: ClassVar[str] = "one step"

    def shapes(self, dim=None):
        return {"log_step": (1,)}

    def initial(self, dim=None, rng=None, observed=None):
        return {"log_step": np.array([-1.0])}

    def step(self, weights, dim):
        return GradientDescent(float(np.exp(weights["log_step"][0]))).step(dim)

    def check(self, weights):
        if weights["log_step"][0] > 5:
            raise ValueError("log_step is above 5")


@l2o.objective
def bowl(x, data, grad):
    f = 0.0
    for i in range(len(x)):
        grad[i] = data[0, i] * x[i]
        f += 0.5 * data[0, i] * x[i] * x[i]
    return f


@l2o.objective
def slope(x, data, grad):
    grad[:] = 1.0
    return x.sum()


def bowls(m, dim, seed=0):
    """Return quadratics with curvatures between 1 and 2."""
    rng = np.random.default_rng(seed)
    return l2o.families.Custom(bowl, dim=dim).from_data(1 + rng.random((m, 1, dim)), x0=rng.standard_normal((m, dim)))


def slopes(m, dim):
    """Return functions without a minimum."""
    return l2o.families.Custom(slope, dim=dim).from_data(np.ones((m, 1, 1)), x0=np.zeros((m, dim)))


def trained(**changes):
    given = {"trainer": SHORT, "rng": 3, "n_functions": 8, "n_validation": 6} | changes
    return l2o.train(FAMILY, **given)


# -- scores ------------------------------------------------------------------------------------------------


def test_race_counts_evaluations_of_the_method_and_of_lbfgs():
    problems = FAMILY.sample(6, rng=0)
    race = Race.of(problems, 40)
    runs = {name: l2o.rollout(problems, method=name, n_steps=race.limit).evaluations[:, : race.limit + 1]
            for name in ("lbfgs", "momentum")}
    lowest = best_known(problems, problems.x0[:, None])
    fall = runs["lbfgs"][:, 0] - lowest
    counts = {}
    for name, values in runs.items():
        met = values[:, None] - lowest[:, None, None] <= (TOLERANCES * fall[:, None])[:, :, None]
        counts[name] = np.where(met.any(axis=2), met.argmax(axis=2), 2 * race.limit)
    expected = np.clip(np.log((counts["momentum"] + 1) / (counts["lbfgs"] + 1)), -2, 2).mean(axis=1)
    np.testing.assert_allclose(race.scores(resolve("momentum")), expected, atol=0.05)  # a target may be met by rounding
    np.testing.assert_array_equal(race.scores(resolve("lbfgs")), 0)
    np.testing.assert_array_equal(race[2:4].scores(resolve("momentum")), race.scores(resolve("momentum"))[2:4])


def test_curve_is_the_mean_gap_and_infinite_where_a_value_is():
    problems = bowls(5, 3)
    curve = Curve.of(problems, 7)
    good, bad = GradientDescent(0.5), GradientDescent(1e200)
    gaps = l2o.rollout(problems, method=good, n_steps=7).fun[:, 1:]
    np.testing.assert_allclose(curve.scores(good), gaps.mean(axis=1), rtol=1e-6, atol=1e-12)
    assert np.isinf(curve.scores(bad)).all()
    assert Mixture([curve]).score(bad) == np.inf


def test_mixture_takes_rows_of_all_its_parts():
    mixture = Mixture.of("training", [bowls(5, 2), bowls(4, 3), bowls(6, 5)], "evaluations", 40)
    method = GradientDescent(0.3)
    scores = mixture.scores(method)
    for rows in ([0, 4, 5, 8, 9, 14], [6, 7], [14]):
        np.testing.assert_array_equal(mixture[np.array(rows)].scores(method), scores[rows])


@pytest.mark.parametrize("score", SCORES)
def test_functions_without_a_minimum_are_left_out_and_named(score):
    endless = slopes(2, 3)
    mixture = Mixture.of("training", [bowls(3, 3), endless], score, 10)
    assert mixture.left_out == [[], [0, 1]]
    assert len(mixture) == 3
    with pytest.raises(ValueError, match="none of the 2 training functions can be minimised"):
        Mixture.of("training", [endless], score, 10)


# -- steps -------------------------------------------------------------------------------------------------


def test_ranks_are_centred_shared_by_equals_and_last_where_not_finite():
    np.testing.assert_allclose(centred_ranks(np.array([3.0, 1.0, 2.0])), [0.5, -0.5, 0.0])
    np.testing.assert_allclose(centred_ranks(np.array([1.0, 1.0, 0.0, np.inf, np.nan])),
                               [-0.125, -0.125, -0.5, 0.375, 0.375])
    assert not centred_ranks(np.full(4, np.nan)).any()


def test_weights_move_by_adam_and_their_average_follows():
    rng = np.random.default_rng(0)
    gradients, zero = rng.standard_normal((60, 4)), np.zeros(4)
    state, seen, m, v = Evolved(0, 0.0, zero, zero, zero, zero, zero), [], 0, 0
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        before, state = state, state.moved(g, 0.1)
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        np.testing.assert_allclose(state.centre, before.centre - 0.1 * step, rtol=1e-10)
        seen.append(state.centre)
        if t == 20:
            np.testing.assert_allclose(state.average, np.mean(seen, axis=0))
    np.testing.assert_allclose(state.average, 0.97 * before.average + 0.03 * state.centre)


def test_rate_falls_by_half_a_cosine():
    trainer = l2o.EvolutionStrategy(n_generations=100, last_rate=0.001)
    assert trainer.rate_at(0, 0.03) == pytest.approx(0.03)
    assert trainer.rate_at(50, 0.03) == pytest.approx(0.0155)
    assert trainer.rate_at(100, 0.03) == pytest.approx(0.001)


def test_training_finds_the_step_size_of_quadratics_of_several_dimensions():
    """With curvatures from 1 to 2, gradient descent is fastest near a step of 2/3, on every tolerance and dimension."""
    functions = (bowls(20, 2), bowls(20, 6))
    trainer = l2o.EvolutionStrategy(n_generations=60, n_pairs=4, rate=0.1, n_starts=1, judged_every=20)
    policy = l2o.train(functions, policy=OneStep(), trainer=trainer, rng=0)
    assert np.exp(policy.weights["log_step"][0]) == pytest.approx(2 / 3, abs=0.08)
    assert policy.dim is None
    assert policy.card["training"]["dimensions"] == [2, 6]


def test_weights_that_make_no_policy_are_not_taken():
    trainer = l2o.EvolutionStrategy(n_generations=4, n_pairs=4, sigma=20.0, rate=5.0, n_starts=1, judged_every=1)
    policy = l2o.train(bowls(10, 2), policy=OneStep(), trainer=trainer, rng=0)
    assert policy.weights["log_step"][0] <= 5


# -- trainings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [l2o.policies.QuasiNewton(), l2o.policies.MLP(history=4, width=4)])
def test_same_seed_gives_the_same_bits_for_any_number_of_workers(kind):
    one, two = (trained(policy=kind, workers=workers) for workers in (1, 2))
    for name, value in one.weights.items():
        assert np.array_equal(value, two.weights[name])
    assert one.card["training"] == two.card["training"]


def test_result_is_no_worse_than_the_untrained_and_the_given_policy():
    init = Policy(l2o.policies.QuasiNewton(), {"W": np.zeros((5, 14)), "start": np.zeros(5)})
    policy = trained(init=init)
    course = policy.card["training"]["course"]
    assert [each.get("policy") for each in course[:3]] == [None, "untrained", None]
    assert policy.card["quality"]["policy"] == min(each["validation"] for each in course)
    assert "L-BFGS" in policy.card["quality"]["measure"]


def test_no_seconds_are_no_generation_and_the_course_says_so():
    policy = trained(trainer=l2o.EvolutionStrategy(seconds=0.0, n_starts=1))
    course = policy.card["training"]["course"]
    assert course[-1]["round"] == 0
    assert course[-1]["ended_by"] == "seconds"
    assert "ended_by" not in trained().card["training"]["course"][-1]


def test_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole, path = trained(), tmp_path / "kept"
    moved, n = Evolved.moved, 0

    def stopping(self, *given):
        nonlocal n
        n += 1
        if n == 4:
            raise KeyboardInterrupt
        return moved(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Evolved, "moved", stopping)
        with pytest.raises(KeyboardInterrupt):
            trained(checkpoint=path)
    resumed = trained(checkpoint=path)
    for name, value in whole.weights.items():
        assert np.array_equal(value, resumed.weights[name])
    assert resumed.card["training"] == whole.card["training"]


def test_family_that_cannot_be_minimised_is_an_error():
    with pytest.raises(ValueError, match="none of the 2 validation functions can be minimised"):
        l2o.train(bowls(6, 2), validation=slopes(2, 2), trainer=SHORT)
    with pytest.raises(ValueError, match="none of the 12 training functions can be minimised"):
        l2o.train(slopes(6, 2), validation=bowls(2, 2), trainer=l2o.EvolutionStrategy(n_starts=2))


@pytest.mark.parametrize(("setting", "value"), [("n_pairs", 0), ("sigma", 0.0), ("batch", 0), ("seconds", -1.0),
                                                ("rate", np.nan), ("score", "speed"), ("n_generations", 1.5)])
def test_setting_that_does_not_fit_is_named(setting, value):
    with pytest.raises((ValueError, TypeError), match=setting):
        l2o.EvolutionStrategy(**{setting: value})


def test_average_is_a_rule_that_runs():
    weights = trained().weights
    problems = FAMILY.sample(5, rng=9)
    assert np.isfinite(l2o.rollout(problems, method=Bare(l2o.policies.QuasiNewton(), weights), n_steps=20).fun).all()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Another rule in the place of the one that is shipped for any function."""
    rule = l2o.policies.QuasiNewton()
    weights = rule.initial()
    weights["start"][1] += 0.2
    path = tmp_path / "universal.npz"
    Policy(rule, weights).save(path)
    monkeypatch.setitem(PRETRAINED, "universal", path)
    return l2o.load("universal")


def test_training_on_a_family_starts_from_the_shipped_rule(shipped):
    course = trained(trainer=l2o.EvolutionStrategy(n_generations=0, n_starts=1)).card["training"]["course"]
    assert [each.get("policy") for each in course] == ["untrained", "universal", None]
    assert course[1]["validation"] == course[2]["validation"] != course[0]["validation"]


def test_rule_of_one_dimension_is_the_shipped_one_elsewhere(shipped, tmp_path):
    trained().save(tmp_path / "rule.npz")
    policy = l2o.load(tmp_path / "rule.npz")
    assert policy.card["training"]["dimensions"] == [4]
    assert policy.card["elsewhere"] == "universal"
    for n_features, alike in ((3, False), (6, True)):
        problems = l2o.families.Logistic(n_features=n_features).sample(3, rng=0)
        ours, theirs = (l2o.rollout(problems, method=each, n_steps=15).fun for each in (policy, shipped))
        assert np.array_equal(ours, theirs) == alike
    mixed = l2o.train((bowls(6, 2), bowls(6, 3)), trainer=SHORT, rng=0)
    assert "elsewhere" not in mixed.card
