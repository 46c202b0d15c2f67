"""The shipped policies: found by name, with cards that say how they were made, and sound on real data."""

import json
from functools import cache
from itertools import combinations

import numpy as np
import pytest

import l2o
from l2o.families import PAPER
from l2o.policies.policy import PRETRAINED
from l2o.training.race import Race

with_each = pytest.mark.parametrize("name", list(PAPER))


@cache
def tables():
    """Return (features, target, whether the target is a class) of tables that come with scikit-learn, standardised."""
    from sklearn import datasets

    found = {}
    for name in ("breast_cancer", "wine", "iris", "diabetes"):
        table = getattr(datasets, f"load_{name}")()
        found[name] = table.data, table.target, name != "diabetes"
    digits = datasets.load_digits()
    pair = np.isin(digits.target, (3, 8))
    busiest = np.argsort(digits.data[pair].std(axis=0))[-6:]
    found["digits"] = digits.data[pair][:, busiest], digits.target[pair], True
    return {name: ((X - X.mean(axis=0)) / X.std(axis=0), y, classes) for name, (X, y, classes) in found.items()}


def real_problems(name, table, most=40, seed=0):
    """Return problems on subsets of a table's features; half start at zero, where the family allows that."""
    family, (X, y, classes) = l2o.families.named(name), tables()[table]
    p = family.n_inputs if name == "neural-net" else family.n_features
    targets = [y == label for label in np.unique(y)[:3]] if classes else [y > np.median(y)]
    if name == "robust":  # a feature that is left out, or the target, in its own units
        targets = [(X[:, -1] - X[:, -1].mean()) if classes else (y - y.mean()) / y.std()]
        X = X[:, :-1] if classes else X
    rng = np.random.default_rng(seed)
    cases = [(list(columns), target) for columns in combinations(range(X.shape[1]), p) for target in targets]
    chosen = [cases[i] for i in rng.permutation(len(cases))[:most]]
    x0 = family.starts(len(chosen), rng)
    if name != "neural-net":
        x0[: len(chosen) // 2] = 0
    return family.from_data([X[:, columns] for columns, _ in chosen], [target for _, target in chosen], x0)


def cases():
    """Return the families with the tables that have problems of them."""
    return [(name, table) for name in PAPER for table in ("breast_cancer", "wine", "iris", "diabetes", "digits")]


@with_each
def test_name_is_the_shipped_policy_and_a_path_is_a_file(name, tmp_path, monkeypatch):
    policy = l2o.load(name)
    family = l2o.families.named(name)
    assert policy.dim == family.dim
    assert policy.card["family"]["settings"] == family.settings()
    assert PRETRAINED[name].stat().st_size < 300_000
    monkeypatch.chdir(tmp_path)
    policy.with_card(note="mine").save(tmp_path / name)  # a file of that name
    assert "note" not in l2o.load(name).card
    assert l2o.load(f"./{name}").card["note"] == l2o.load(tmp_path / name).card["note"] == "mine"


@pytest.mark.parametrize(("path", "told"), [("logistics", True), ("neural_net", True), ("missing.npz", False),
                                            ("./logistics", False)])
def test_unknown_name_is_an_error_that_lists_the_names(path, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="cannot read the policy") as caught:
        l2o.load(path)
    names = "'logistic', 'robust', 'neural-net', 'robust-short', 'universal'"
    assert (f"expected a file, or one of {names}" in str(caught.value)) == told


@with_each
def test_card_has_command_seeds_curves_and_limits(name):
    card = l2o.load(name).card
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    made = card["pretrained"]
    assert made["command"] == "make pretrained"
    assert str(card["training"]["seed"]) in made["validation"]
    assert card["limits"]["known"]
    assert made["fresh"]["n_functions"] == 500
    for curve in made["fresh"]["curves"]["iteration"].values():
        low, mean, high = (np.array(curve[key]) for key in ("low", "mean", "high"))
        assert len(mean) == 101
        assert (low <= mean).all()
        assert (mean <= high).all()


@with_each
def test_curve_of_the_card_is_that_of_the_policy(name):
    """On the first functions that the card's curve is of, drawn again, by what is shipped."""
    family, policy = l2o.families.named(name), l2o.load(name)
    problems = family.sample(500, l2o.training.streams(0)["fresh"])
    fun = l2o.rollout(problems, method=policy, n_steps=100).fun
    curve = np.array(policy.card["pretrained"]["fresh"]["curves"]["iteration"]["learned"]["mean"])
    assert np.isfinite(fun).all()
    np.testing.assert_allclose(fun.mean(axis=0) - fun[:, 0].mean(), curve - curve[0], rtol=0.02, atol=2e-4)


@with_each
def test_shipped_policy_beats_tuned_gradient_descent_at_every_step(name):
    """By its card, paired: below in the mean at 95 of 100 steps or more, and nowhere above for certain."""
    paired = l2o.load(name).card["pretrained"]["fresh"]["paired"]["gradient descent, by iteration"]
    assert sum(np.array(paired["mean"])[1:] > 0) >= 95
    assert not (np.array(paired["high"])[1:] < 0).any()


def test_policy_for_the_first_steps_leads_lbfgs_and_ends_lower():
    """Safeguarded, on functions that its card's figures are not of, against a lead that is several times the noise."""
    problems, policy = l2o.families.RobustRegression().sample(300, rng=11), l2o.load("robust-short")
    assert policy.card["limits"]["known"].endswith("Alone it does not come to rest.")

    def after(k, method):
        return l2o.minimize_many(problems, method=method, options={"maxfun": 1 + k}).fun.mean()

    for k in (2, 3, 5, 10):
        assert after(k, policy) < after(k, "lbfgs")
    assert after(1000, policy) <= after(1000, "lbfgs")


@pytest.mark.parametrize(("name", "table"), cases())
def test_shipped_policy_is_sound_on_real_data(name, table):
    """100 steps of the policy alone stay bounded and end below their start; with the safeguard it converges.

    A network of rectified units has minima at kinks, where no gradient is small and L-BFGS, too, ends with status 2.
    """
    pytest.importorskip("sklearn")
    policy, problems = l2o.load(name), real_problems(name, table)
    runs = l2o.rollout(problems, method=policy, n_steps=100)
    assert np.isfinite(runs.fun).all()
    assert (np.abs(runs.x).max(axis=(1, 2)) < 1e3).all()
    assert (runs.fun[:, -1] < runs.fun[:, 0]).all()
    batch = l2o.minimize_many(problems, method=policy)
    usual = (0, 2) if name == "neural-net" else (0,)
    assert np.isin(batch.status, usual).all(), [batch.message(i) for i in np.flatnonzero(~batch.success)]
    assert batch.nfev.max() < 5000  # looks at a kink, which settle nothing, come to an end
    assert (batch.fun <= runs.fun[:, 0]).all()
    assert batch.fun.mean() <= l2o.minimize_many(problems, method="lbfgs").fun.mean() + 0.05


def test_rule_for_any_function_says_how_it_was_chosen_and_what_it_reaches():
    policy = l2o.load("universal")
    card = policy.card
    made = card["pretrained"]
    assert policy.dim is None
    assert PRETRAINED["universal"].stat().st_size < 100_000
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert made["command"] == "make pretrained"
    assert len(made["validation"]) >= 5
    assert str(card["training"]["seed"]) == min(made["validation"], key=made["validation"].get)
    assert made["laws"]["training"]["seed"] != made["laws"]["validation"]["seed"]
    assert card["limits"]["known"]
    assert set(made["fresh"]) == {"logistic, d = 4", "logistic, d = 10", "logistic, d = 20", "robust, d = 4", "bank"}


@pytest.mark.parametrize("n_features", [3, 9])
def test_rule_for_any_function_needs_fewer_evaluations_than_lbfgs(n_features):
    """On a family that it was not trained on, by a margin of several standard errors."""
    problems = l2o.families.Logistic(n_features=n_features, n_points=200).sample(200, rng=77)
    scores = Race.of(problems, 40).scores(l2o.load("universal"))
    assert scores.mean() + 3 * scores.std() / np.sqrt(len(scores)) < np.log(0.95)
