"""Starts by the data of a problem: what is learned of them, in a policy's file, and where they are not to be had."""

import pickle

import numpy as np
import pytest
from exponentials import decay, table
from test_learning import outcomes

import l2o
from l2o.learning.data_start import DataStart, Source, _without_groups
from l2o.learning.labels import Labels
from l2o.policies.data_start import DataShape
from l2o.policies.prior import PriorShape

FAMILY = l2o.families.Custom(decay, dim=3)


def decays(m, seed, rows=20):
    rng = np.random.default_rng(seed)
    return FAMILY.from_data([table(rng, rows) for _ in range(m)], np.zeros((m, 3)))


def ends(data):
    """The last value and how far a curve falls: features of a module, which a policy finds again."""
    return data[-1, 1], data[0, 1] - data[-1, 1], data[len(data) // 3, 1]


def three(data):
    return np.zeros((3, 3))


def nothing(data):
    return np.full(2, np.nan)


@pytest.fixture(scope="module")
def policy():
    return l2o.train(decays(60, 0), rng=0)


def facts(policy):
    return policy.card["training"]["course"][0]


def learned(features=None, m=60):
    problems = decays(m, 0)
    source, _ = Source.of(problems, features)
    labels = Labels.of(problems, 2, np.random.default_rng(0))
    return labels, source, DataStart.fit(labels, source)


def test_entries_that_vary_are_the_features_and_equal_ones_count_once():
    source, _ = Source.of(decays(30, 0), None)
    assert source.entries.size == source.shape.n_features
    np.testing.assert_array_equal(source.entries, np.unique(source.entries))
    values = source.values(decays(30, 0))
    assert (values.std(axis=0) > 0).all()
    design = outcomes(30, 0)  # a row of the table has one label, whose sign four entries of the block have
    labels, _ = Source.of(design, None)
    assert labels.shape.n_features <= 200
    distances = np.abs(np.corrcoef(labels.values(design).T)) - np.eye(labels.shape.n_features)
    assert distances.max() < 1 - 1e-6


def test_start_is_nearer_than_the_mean_of_the_minimisers():
    labels, _, start = learned()
    other = Labels.of(decays(60, 1), 2, np.random.default_rng(0))
    away = start.starts(other.problems) - other.x
    assert (away**2).mean() < 0.2 * ((labels.x.mean(axis=0) - other.x) ** 2).mean()
    assert ((start.crossed - labels.x) ** 2).mean() < 0.3 * labels.x.var(axis=0).mean()


def by_the_formula(w, features):
    z = np.clip((features - w["data_scale"][0]) * w["data_scale"][1], -4, 4)
    near = np.exp(-((z @ w["data_axes"] - w["data_centres"]) ** 2).sum(axis=1))
    expected = z @ w["data_linear"][:-1] + w["data_linear"][-1] + near @ w["data_weights"]
    return np.clip(expected, *w["data_range"])


def test_start_is_the_formula():
    _, source, start = learned()
    new = decays(5, 2)
    for block, x in zip(new.blocks, start.starts(new)):
        expected = by_the_formula(start.weights, block[source.entries.astype(int)])
        np.testing.assert_allclose(x, expected, atol=1e-10)


@pytest.mark.parametrize(("k", "r", "c"), [(1, 0, 0), (8, 1, 1), (13, 3, 64), (40, 6, 150), (1000, 16, 70)])
def test_start_of_any_size_is_the_formula(k, r, c):
    rng, problems = np.random.default_rng(k), decays(6, 0, rows=600)
    shape = DataShape(k, r, c, layout=(600, 2))
    weights = {name: rng.standard_normal(size) / 4 for name, size in shape.shapes(3).items()}
    weights["data_entries"] = np.sort(rng.permutation(1200)[:k]) + 2.0
    weights["data_scale"][1] = np.abs(weights["data_scale"][1])
    weights["data_range"] = np.array([[-2.0, -np.inf, -np.inf], [2.0, np.inf, np.inf]])
    shape.check(weights)
    for block, x in zip(problems.blocks, shape.beginning(weights)(problems)):
        expected = by_the_formula(weights, block[weights["data_entries"].astype(int)])
        np.testing.assert_allclose(x, expected, rtol=1e-12, atol=1e-12)


def test_errors_without_a_group_are_those_of_a_fit_without_it():
    rng = np.random.default_rng(0)
    points, wanted, group = rng.standard_normal((20, 2)), rng.standard_normal((20, 1)), np.arange(20) // 2
    kernel = np.exp(-((points[:, None] - points) ** 2).sum(axis=2))
    wanted -= wanted.mean()
    fit = _without_groups(kernel, wanted, [np.flatnonzero(group == each) for each in range(10)])
    left = wanted - kernel @ fit.solution  # of a mean, and of the penalty times the solution
    penalty = np.linalg.lstsq(np.hstack([fit.solution, np.ones((20, 1))]), left, rcond=None)[0][0, 0]
    for each in range(10):
        kept, out = group != each, group == each
        system = np.block([[kernel[np.ix_(kept, kept)] + penalty * np.eye(18), np.ones((18, 1))],
                           [np.ones((1, 18)), np.zeros((1, 1))]])
        free = np.linalg.solve(system, np.vstack([wanted[kept], [[0.0]]]))
        np.testing.assert_allclose(fit.crossed[out], kernel[np.ix_(out, kept)] @ free[:-1] + free[-1], atol=1e-6)


def test_policy_begins_where_the_data_say_and_saves_evaluations(policy):
    assert facts(policy)["choice"].startswith("data, ")
    assert facts(policy)["data_features"] == policy.network.prior.data.n_features
    new = decays(40, 3)
    begun = l2o.rollout(new, method=policy, n_steps=0).x[:, 0]
    np.testing.assert_array_equal(begun, policy.starts(new))
    here, classical = (l2o.minimize_many(new, method=method, tol=1e-6) for method in (policy, "lbfgs"))
    assert here.success.all()
    assert here.nfev.sum() < 0.7 * classical.nfev.sum()


def test_row_of_a_batch_is_the_single_run_to_the_bit(policy):
    new = decays(70, 4)
    batch = l2o.minimize_many(new, method=policy, tol=1e-6, workers=2)
    for i in (0, 13, 69):
        np.testing.assert_array_equal(policy.starts(new[[i]]), policy.starts(new)[[i]])
        np.testing.assert_array_equal(l2o.minimize(new[i], method=policy, tol=1e-6).x, batch.x[i])


def test_policy_saves_loads_and_pickles(policy, tmp_path):
    policy.save(tmp_path / "p.npz")
    new = decays(9, 5)
    for other in (l2o.load(tmp_path / "p.npz"), pickle.loads(pickle.dumps(policy))):
        assert other.network == policy.network
        np.testing.assert_array_equal(other.starts(new), policy.starts(new))


def test_problems_laid_out_in_another_way_begin_at_their_own_starts(policy):
    longer = decays(4, 6, rows=25)
    np.testing.assert_array_equal(policy.starts(longer), longer.x0)
    assert l2o.minimize_many(longer, method=policy, tol=1e-6).success.all()
    far = FAMILY.from_data(np.full((1, 20, 2), np.nan), np.ones((1, 3)))
    np.testing.assert_array_equal(policy.starts(far), far.x0)


def test_problems_whose_data_are_unlike_any_learned_from_begin_at_their_own_starts(policy):
    tables = np.stack([table(np.random.default_rng(k), 20) for k in range(50)])
    like, unlike = (FAMILY.from_data(each, np.ones((50, 3))) for each in (tables, np.add(tables, [0.0, 50.0])))
    assert (policy.starts(like) != 1.0).all(axis=1).mean() > 0.9
    assert (policy.starts(unlike) == 1.0).all()


def test_data_of_different_shapes_give_no_features_and_the_card_says_so():
    rng = np.random.default_rng(0)
    ragged = FAMILY.from_data([table(rng, int(rows)) for rows in rng.integers(10, 20, 24)], np.zeros((24, 3)))
    assert facts(l2o.train(ragged, rng=0))["data_features"] == "data blocks of different shapes"


def test_data_that_do_not_vary_give_no_features():
    problems = decays(1, 0)[np.zeros(12, int)]
    assert Source.of(problems, None) == (None, "0 entries of the data vary; from 1 to 1000 are used")


# -- features of the user's own ------------------------------------------------------------------------


def test_function_of_the_data_is_named_in_the_card_and_called_at_use(tmp_path, monkeypatch):
    policy = l2o.train(decays(60, 0), rng=0, trainer=l2o.CurvatureRegression(features=ends))
    assert policy.card["training"]["trainers"][0]["features"] == "test_data_start:ends"
    assert facts(policy)["data_features"] == 3
    assert policy.network.prior.data.function == "test_data_start:ends"
    new = decays(6, 1)
    policy.save(tmp_path / "p.npz")
    loaded = l2o.load(tmp_path / "p.npz")
    np.testing.assert_array_equal(loaded.starts(new), policy.starts(new))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(policy)).starts(new), policy.starts(new))
    ragged = decays(3, 1, rows=31)  # any shape that the function takes
    assert (loaded.starts(ragged) != ragged.x0).any()
    monkeypatch.setattr("test_data_start.ends", three)
    with pytest.raises(ValueError, match=r"test_data_start:ends' returned an array of shape \(3, 3\); expected \(3,\)"):
        l2o.minimize_many(new, method=loaded)
    monkeypatch.delattr("test_data_start.ends")
    with pytest.raises(ValueError, match="'test_data_start:ends' says, which is not found; expected module"):
        l2o.minimize_many(new, method=loaded)
    assert l2o.minimize_many(new, new.x0, method=loaded).success.all()  # a start in the call needs no prediction


@pytest.mark.parametrize(("features", "error", "message"), [
    (3, TypeError, "features is 3; expected a function of a problem's data"),
    (lambda data: data[0], ValueError, "expected a function of a module"),
])
def test_features_that_no_file_can_name_are_a_clear_error(features, error, message):
    with pytest.raises(error, match=message):
        l2o.CurvatureRegression(features=features)


@pytest.mark.parametrize(("features", "message"), [
    (three, r"three' returned an array of shape \(3, 3\); expected \(k,\)"),
    (nothing, "nothing' are not finite for 16 of 16 training functions; expected 2 finite numbers"),
])
def test_features_of_the_wrong_shape_or_not_finite_are_a_clear_error(features, message):
    with pytest.raises(ValueError, match=message):
        l2o.train(decays(20, 0), rng=0, trainer=l2o.CurvatureRegression(features=features))


# -- cards that do not fit -----------------------------------------------------------------------------


def test_card_whose_data_do_not_fit_the_weights_is_a_clear_error(policy):
    for name, value, message in (("data_entries", np.full(policy.weights["data_entries"].shape, -1.0), "holds -1"),
                                 ("data_scale", np.zeros((2, 1)), r"weights\['data_scale'\] has shape")):
        with pytest.raises(ValueError, match=message):
            l2o.Policy(policy.network, {**policy.weights, name: value}, policy.card)
    with pytest.raises(ValueError, match="n_features is 1001; expected at most 1000"):
        PriorShape(data={"n_features": 1001, "layout": (2, 2)})
    with pytest.raises(ValueError, match="expected one of them"):
        PriorShape(data={"n_features": 3})
