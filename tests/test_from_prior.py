"""Constants of the rule that are trained after a prior, from priors that did not know the functions."""

import numpy as np
import pytest
from test_learning import outcomes

import l2o
from l2o.learning.labels import Labels
from l2o.learning.prior import priors
from l2o.policies import QuasiNewton
from l2o.policies.bare import Bare
from l2o.training.from_prior import FOLDS, PARTINGS, crossed
from l2o.training.race import Race

PRIOR = l2o.CurvatureRegression(n_starts=1)
SHORT = l2o.EvolutionStrategy(n_generations=4, n_pairs=3, batch=20, judged_every=2)
CANDIDATE = "constant, step, full"


@pytest.fixture(scope="module")
def family():
    return outcomes(30, 0)


@pytest.fixture(scope="module")
def begun(family):
    labels = Labels.of(family, 3, np.random.default_rng(0))
    return labels, dict(priors(labels, True))[CANDIDATE]


@pytest.fixture(scope="module")
def policies(family):
    return {name: l2o.train(family, rng=0, trainer=[PRIOR, *more]) for name, more in (
        ("prior", []), ("lean", [SHORT]), ("all", [l2o.EvolutionStrategy(4, n_pairs=3, batch=20, weights="all")]))}


def test_functions_begin_with_priors_that_were_learned_without_them(family, begun):
    (part,) = crossed(family, QuasiNewton().with_prior(begun[1].shape), CANDIDATE, "evaluations", 40, 1).parts
    assert len(part) == PARTINGS * len(family)
    assert len(part.priors) == PARTINGS * FOLDS
    assert np.bincount(part.part).tolist() == [len(family) // FOLDS] * len(part.priors)
    labels, _ = begun
    fold = np.random.default_rng(0)
    Labels.of(family, 3, fold)  # takes its noise from the same generator
    fold = fold.permutation(len(labels)) % FOLDS
    expected = dict(priors(labels[fold != 0], True))[CANDIDATE]
    np.testing.assert_array_equal(part.priors[0]["matrix"], expected.matrix)
    np.testing.assert_array_equal(part.scored.problems.x0[part.part == 0],
                                  expected.starts(labels.problems[fold == 0]))


def test_score_is_that_of_runs_from_each_prior_alone(family, begun):
    mixture = crossed(family, QuasiNewton().with_prior(begun[1].shape), CANDIDATE, "evaluations", 40, 1)
    (part,) = mixture.parts
    network = QuasiNewton().with_prior(begun[1].shape)
    rule = Bare(network, {**network.initial(4, np.random.default_rng(0)), "scale": np.array([0.2])})
    scores = mixture.scores(rule)
    for row in (0, 7, 31, 59):
        alone = Bare(network.expecting(part.shape), {**rule.weights, **part.priors[part.part[row]]})
        race = part.scored[np.array([row])]
        assert isinstance(race, Race)
        np.testing.assert_array_equal(race.scores(alone), scores[[row]])
    np.testing.assert_array_equal(mixture[np.array([3, 40])].scores(rule), scores[[3, 40]])


def test_lean_training_moves_eight_constants_and_nothing_of_the_prior(policies):
    before, after = policies["prior"], policies["lean"]
    assert after.network == before.network
    moved = after.network.moved(after.weights)
    assert sum(int(mask.sum()) for mask in moved.values()) == 8
    for name, value in after.weights.items():
        np.testing.assert_array_equal(value[~moved[name]], before.weights[name][~moved[name]])


def test_all_of_the_rule_is_trained_in_the_family_s_dimension(policies):
    after = policies["all"]
    assert (after.network.memory, after.network.features, after.dim) == (5, True, 4)
    assert after.network.prior == policies["prior"].network.prior
    assert sum(int(mask.sum()) for mask in after.network.moved(after.weights).values()) == 5 * 13 + 1
    assert after.card["training"]["course"][-1]["round"] == 4


def test_policy_trained_after_a_prior_is_no_worse_on_validation_and_runs(policies):
    judged = {name: policy.card["quality"]["policy"] for name, policy in policies.items()}
    measure = policies["lean"].card["quality"]["measure"]
    assert measure == policies["all"].card["quality"]["measure"] != policies["prior"].card["quality"]["measure"]
    nothing = l2o.EvolutionStrategy(n_generations=0)
    untouched = l2o.train(outcomes(30, 0), rng=0, trainer=[PRIOR, nothing]).card["quality"]["policy"]
    assert judged["lean"] <= untouched
    new = outcomes(20, 1, side=1)
    for policy in policies.values():
        assert l2o.minimize_many(new, method=policy, tol=1e-6).success.all()


def test_training_after_a_prior_is_the_same_for_any_number_of_workers(family, policies):
    again = l2o.train(family, rng=0, trainer=[PRIOR, SHORT], workers=2)
    for name, value in policies["lean"].weights.items():
        np.testing.assert_array_equal(again.weights[name], value)


def test_whole_rule_does_as_the_lean_one_before_it_is_trained(policies):
    """All but the number of pairs, which the whole rule keeps five of."""
    network, weights = policies["prior"].network.whole(policies["prior"].weights)
    one = QuasiNewton(memory=1, prior=network.prior)
    new = outcomes(5, 2, side=1)
    runs = [l2o.rollout(new, method=l2o.Policy(each, weights_), n_steps=8).fun
            for each, weights_ in ((one, weights), (policies["prior"].network, policies["prior"].weights))]
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-9)
    assert network == QuasiNewton(prior=network.prior)
