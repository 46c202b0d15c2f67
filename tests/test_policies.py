"""Contract of policies: the network as a function, its derivative, the file, and what the two agree on."""

import dataclasses
import gc
import itertools
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import oracles
import pytest

import l2o
from l2o.errors import PolicyFileError
from l2o.policies import MLP, Handoff, Policy, activations
from l2o.problems import PythonObjective

INPUTS = ("raw", "linear", "scaled")
ACTIVATIONS = ("softplus", "relu")
READINGS = list(itertools.product(INPUTS, (True, False)))
DATA = Path(__file__).parent / "data"
# one setting away from the default at a time: each must be in the file, for each shapes the step
SETTINGS = [{}, {"history": 4}, {"width": 9}, {"inputs": "scaled"}, {"inputs": "raw"}, {"newest_gradient": False},
            {"activation": "relu"}, {"max_step": 0.1}, {"max_step": np.inf}, {"scale_floor": 0.0}, {"scale_floor": 2.0}]


def observations(network, dim, rows=20, seed=0):
    """Return observations (rows, n) of very different sizes, the first of them a start: no history yet."""
    rng = np.random.default_rng(seed)
    result = 10 ** rng.uniform(-2, 1, (rows, 1)) * rng.standard_normal((rows, network.n_observations(dim)))
    result[0, : network.history] = result[0, network.history + dim :] = 0
    return result


def steps(policy, f, g):
    """Return the kernel's steps when it sees f (T+1,) and g (T+1, d)."""
    script = iter(zip(f.tolist(), g))
    objective = PythonObjective(lambda x, _: next(script), lambda: 0, np.zeros(g.shape[1]))
    return np.diff(policy.simulate(objective, len(f) - 1)[0][0], axis=0)


def history(dim=3, n=12, seed=0):
    """Return values f (n,) and gradients g (n, dim)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n), rng.standard_normal((n, dim))


def same(one, other, problems):
    """Whether two policies run alike to the bit."""
    runs = [l2o.rollout(problems, method=policy, n_steps=7) for policy in (one, other)]
    return runs[0].x.tobytes() == runs[1].x.tobytes()


# -- the network as a function -------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("inputs", "newest_gradient"), READINGS)
def test_actions_equal_the_formula(inputs, newest_gradient, activation, random_policy):
    for max_step in (np.inf, 0.2):
        policy = random_policy(dim=3, history=5, inputs=inputs, newest_gradient=newest_gradient, max_step=max_step,
                               activation=activation)
        seen = observations(policy.network, 3)
        expected = [oracles.mlp(policy.weights, policy.network, o) for o in seen]
        np.testing.assert_allclose(policy.actions(seen), expected, rtol=1e-12, atol=1e-13)


def test_actions_keep_the_leading_shape(random_policy):
    policy = random_policy(dim=3)
    seen = observations(policy.network, 3, rows=6)
    np.testing.assert_allclose(policy.actions(seen.reshape(2, 3, -1)).reshape(6, 3), policy.actions(seen), rtol=1e-13)
    np.testing.assert_allclose(policy.actions(seen[4]), policy.actions(seen)[4], rtol=1e-13)


@pytest.mark.parametrize(("inputs", "newest_gradient"), READINGS)
@pytest.mark.parametrize("max_step", [np.inf, 0.4])
def test_actions_equal_the_steps_of_the_kernel(inputs, newest_gradient, max_step, problems, random_policy):
    policy = random_policy(dim=4, history=4, inputs=inputs, newest_gradient=newest_gradient, max_step=max_step)
    runs = l2o.rollout(problems, method=policy, n_steps=9)
    for i, t in itertools.product(range(len(problems)), range(9)):
        observation = oracles.observation(runs.fun[i], runs.jac[i], t, 4, newest_gradient)
        step = runs.x[i, t + 1] - runs.x[i, t]
        np.testing.assert_allclose(policy.actions(observation), step, rtol=1e-11, atol=1e-12 * np.abs(runs.x).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("inputs", "newest_gradient"), READINGS)
@pytest.mark.parametrize("max_step", [np.inf, 0.05])
def test_jacobian_equals_differences_of_the_actions(inputs, newest_gradient, max_step, activation, random_policy):
    for length in (1, 2, 5):
        settings = {"dim": 3, "history": length, "inputs": inputs, "activation": activation}
        policy = random_policy(**settings, newest_gradient=newest_gradient, max_step=max_step)
        seen = observations(policy.network, 3)
        free = random_policy(**settings, max_step=np.inf).actions(seen)
        assert (np.linalg.norm(free, axis=1) > 0.05).any()  # the bound is at work
        jacobian = policy.network.jacobian(policy.weights, seen)
        assert jacobian.shape == (20, 3, length * 4)
        for i in range(20):
            expected = oracles.slope(policy.actions, seen[i], 1e-7)
            np.testing.assert_allclose(jacobian[i], expected, rtol=1e-5, atol=1e-6)


def test_network_can_be_gradient_descent(problems, descent_policy):
    for inputs in ("raw", "linear"):
        learned = l2o.rollout(problems, method=descent_policy(4, 0.7, inputs=inputs), n_steps=20)
        written = l2o.rollout(problems, method=l2o.baselines.GradientDescent(0.7), n_steps=20)
        np.testing.assert_allclose(learned.x, written.x, rtol=1e-11, atol=1e-11)


# -- what scaling means --------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", ["linear", "scaled"])
@pytest.mark.parametrize("newest_gradient", [True, False])
@pytest.mark.parametrize("s", [2.0**-30, 2.0**20])
def test_scaled_steps_follow_the_unit_of_x(inputs, newest_gradient, s, random_policy):
    """x -> s x keeps f / s^2 and g / s: a quadratic of the same Hessian. Powers of 2, so equal to the bit."""
    policy = random_policy(dim=3, inputs=inputs, newest_gradient=newest_gradient, scale_floor=0.0, max_step=np.inf)
    f, g = history()
    start = 0 if newest_gradient else 1  # without a gradient there is no scale
    f[start] = f[0]
    np.testing.assert_array_equal(steps(policy, s**2 * f, s * g)[start:] / s, steps(policy, f, g)[start:])


def test_steps_follow_the_unit_of_f_where_changes_have_no_weight(random_policy):
    plain = random_policy(dim=3, scale_floor=0.0, max_step=np.inf)
    weights = plain.weights
    weights["W1"][:, : plain.network.history] = 0
    policy, (f, g) = Policy(plain.network, weights), history()
    np.testing.assert_array_equal(steps(policy, 8 * f, 8 * g), 8 * steps(policy, f, g))
    assert not np.allclose(steps(plain, 8 * f, 8 * g), 8 * steps(plain, f, g))


def test_scale_has_a_floor(random_policy):
    """Far below the floor the scale is the floor, and the inputs are all but zero."""
    policy = random_policy(dim=3, inputs="linear", scale_floor=0.5, max_step=np.inf)
    weights, (f, g) = policy.weights, history()
    at_zero = 0.5 * (weights["W2"] @ np.logaddexp(0, weights["b1"]) + weights["b2"])
    np.testing.assert_allclose(steps(policy, 1e-9 * f, 1e-9 * g), np.tile(at_zero, (11, 1)), rtol=1e-7)


@pytest.mark.parametrize("inputs", INPUTS)
def test_steps_do_not_see_the_level_of_f(inputs, random_policy):
    f, g = history()
    policy = random_policy(dim=3, inputs=inputs)
    np.testing.assert_allclose(steps(policy, f + 1000, g), steps(policy, f, g), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("inputs", INPUTS)
def test_step_is_no_longer_than_its_bound(inputs, random_policy):
    f, g = history(n=40)
    free = np.linalg.norm(steps(random_policy(dim=3, inputs=inputs, max_step=np.inf), f, g), axis=1)
    bound = np.median(free)
    bounded = steps(random_policy(dim=3, inputs=inputs, max_step=bound), f, g)
    np.testing.assert_allclose(np.linalg.norm(bounded, axis=1), np.minimum(free, bound), rtol=1e-12)


def test_literal_reading_does_not_see_the_newest_gradient(random_policy):
    f, g = history()
    other = np.where(np.arange(12)[:, None] == 5, 3.0, g)
    for newest_gradient, first in ((True, 5), (False, 6)):
        policy = random_policy(dim=3, newest_gradient=newest_gradient)
        differs = (steps(policy, f, g) != steps(policy, f, other)).any(axis=1)
        assert np.flatnonzero(differs)[0] == first


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "error"), [
    ({"history": 0}, ValueError), ({"history": 1.5}, TypeError), ({"width": -1}, ValueError),
    ({"activation": "tanh"}, ValueError), ({"activation": None}, ValueError), ({"inputs": "whitened"}, ValueError),
    ({"max_step": 0.0}, ValueError), ({"max_step": -1.0}, ValueError), ({"max_step": np.nan}, ValueError),
    ({"max_step": "far"}, TypeError), ({"max_step": None}, TypeError),
    ({"scale_floor": -0.1}, ValueError), ({"scale_floor": np.nan}, ValueError), ({"scale_floor": np.inf}, ValueError),
], ids=str)
def test_setting_that_does_not_fit_is_an_error_that_names_it(settings, error):
    (name, value), = settings.items()
    with pytest.raises(error, match=f"{name} is {value!r}"):
        MLP(**settings)


def test_network_defaults_are_the_documented_ones():
    assert dataclasses.asdict(MLP()) == {"history": 25, "width": 50, "activation": "softplus", "inputs": "linear",
                                         "newest_gradient": True, "max_step": 2.0, "scale_floor": 0.05}
    assert [MLP().n_observations(dim) for dim in (4, 12)] == [125, 325]


def test_initial_weights_fit_and_follow_their_seed():
    network = MLP(history=3, width=5)
    weights = network.initial(2, np.random.default_rng(0))
    assert {name: value.shape for name, value in weights.items()} == network.shapes(2)
    assert np.isfinite(Policy(network, weights).actions(observations(network, 2))).all()
    again = network.initial(2, np.random.default_rng(0))
    assert all(np.array_equal(weights[name], again[name]) for name in weights)


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2", "deviation"])
def test_weight_that_does_not_fit_is_an_error_that_names_it(name, random_policy):
    policy = random_policy(dim=2)
    for bad in (policy.weights[name][:-1], np.full_like(policy.weights[name], np.nan)):
        with pytest.raises(ValueError, match=r"weights\['"):
            Policy(policy.network, {**policy.weights, name: bad})


def test_problem_of_another_dimension_is_an_error_that_names_both(problems, random_policy):
    policy = random_policy(dim=3)
    for call in (lambda: l2o.rollout(problems, method=policy), lambda: l2o.minimize_many(problems, method=policy),
                 lambda: l2o.minimize(problems[0], method=policy),
                 lambda: l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(4), method=policy)):
        with pytest.raises(ValueError, match=r"4.*3") as caught:
            call()
        assert "trained for dimension 3" in str(caught.value)


# -- card, copies, pickles -----------------------------------------------------------------------------


def test_card_and_weights_rebuild_the_policy(problems, random_policy):
    policy = random_policy(card={"family": {"name": "logistic"}, "note": [1, 2.5, None]})
    card = json.loads(json.dumps(policy.card))
    assert card == policy.card
    assert card["dim"] == policy.dim == 4
    assert card["note"] == [1, 2.5, None]
    assert same(Policy(MLP.from_card(card["network"]), policy.weights), policy, problems)


def test_what_a_policy_gives_away_is_a_copy(problems, random_policy):
    policy, fresh = random_policy(card={"family": {"name": "a"}}), random_policy(card={"family": {"name": "a"}})
    for value in policy.weights.values():
        value += 1
    policy.card["family"]["name"] = "b"
    policy.card["dim"] = 17
    assert policy.card == fresh.card
    assert all(np.array_equal(policy.weights[name], fresh.weights[name]) for name in fresh.weights)
    assert same(policy, fresh, problems)


def test_card_entries_can_be_replaced(problems, random_policy):
    policy = random_policy(card={"note": "a", "other": 1})
    changed = policy.with_card(note="b")
    assert (policy.card["note"], changed.card["note"], changed.card["other"]) == ("a", "b", 1)
    assert same(policy, changed, problems)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_policy_pickles_to_the_bit(settings, problems, random_policy):
    policy = random_policy(card={"note": "x"}, **settings)
    twin = pickle.loads(pickle.dumps(policy))
    assert twin.card == policy.card
    assert twin.network == policy.network
    assert same(twin, policy, problems)


# -- the file ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_file_holds_the_policy_to_the_bit(settings, problems, random_policy, tmp_path):
    policy = random_policy(card={"family": {"name": "logistic"}, "note": 0.1}, **settings)
    policy.save(tmp_path / "p.npz")
    for path in (tmp_path / "p.npz", str(tmp_path / "p.npz")):
        loaded = l2o.load(path)
        assert loaded.card == policy.card
        assert loaded.network == policy.network
        assert {name: value.tobytes() for name, value in loaded.weights.items()} == {
            name: value.tobytes() for name, value in policy.weights.items()}
        assert same(loaded, policy, problems)


def test_every_setting_shapes_the_step(problems, random_policy):
    plain = random_policy()
    assert not any(same(random_policy(**settings), plain, problems) for settings in SETTINGS[1:])


def test_file_has_exactly_its_name_and_replaces_the_old_one(random_policy, tmp_path):
    for name in ("p.npz", "p", "p.policy"):
        random_policy(seed=1).save(tmp_path / name)
        random_policy(seed=2).save(tmp_path / name)
        assert np.array_equal(l2o.load(tmp_path / name).weights["b2"], random_policy(seed=2).weights["b2"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "p.npz", "p.policy"]


def test_file_has_no_pickle_in_it(random_policy, tmp_path):
    random_policy(card={"family": {"name": "logistic"}}).save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert set(arrays) == {"card", "W1", "b1", "W2", "b2", "deviation"}
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert json.loads(arrays["card"].tobytes())["family"] == {"name": "logistic"}


def test_save_that_fails_leaves_nothing_behind(random_policy, tmp_path):
    policy = random_policy()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="missing"):
        policy.save(tmp_path / "missing" / "p.npz")
    with pytest.raises(OSError, match="folder"):
        policy.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_save_that_fails_keeps_the_old_file(random_policy, tmp_path, monkeypatch):
    random_policy().save(tmp_path / "p.npz")
    before = (tmp_path / "p.npz").read_bytes()
    with pytest.raises(TypeError):
        random_policy(card={"note": object()}).save(tmp_path / "p.npz")

    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        random_policy(seed=3).save(tmp_path / "p.npz")
    assert (tmp_path / "p.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_file_that_is_missing_or_a_folder_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        l2o.load(tmp_path / "missing.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(OSError, match=r"folder\.npz"):
        l2o.load(tmp_path / "folder.npz")


@pytest.mark.parametrize("content", [b"", b"hello\n", pickle.dumps({"W1": 1}), bytes(1000)], ids=repr)
def test_file_of_another_kind_is_a_policy_file_error_that_names_it(content, tmp_path):
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(PolicyFileError, match=r"other\.npz"):
        l2o.load(tmp_path / "other.npz")


def test_numpy_file_of_another_kind_is_a_policy_file_error_that_names_it(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, X=np.zeros(3))
    with pytest.raises(PolicyFileError, match=r"other\.npz"):
        l2o.load(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(PolicyFileError, match=r"other\.npz"):
        l2o.load(path)
    np.savez(path, card=np.array([{"format": 1}], dtype=object))
    with pytest.raises(PolicyFileError, match=r"other\.npz"):
        l2o.load(path)


def test_file_with_a_damaged_weight_is_a_policy_file_error(random_policy, tmp_path):
    policy = random_policy(dim=2)
    policy.save(tmp_path / "damaged.npz")
    whole = bytearray((tmp_path / "damaged.npz").read_bytes())
    whole[whole.index(policy.weights["W1"].tobytes()) + 3] ^= 1
    (tmp_path / "damaged.npz").write_bytes(whole)
    with pytest.raises(PolicyFileError, match=r"damaged\.npz"):
        l2o.load(tmp_path / "damaged.npz")


def _rewritten(policy, path, card=None, **weights):
    card = policy.card if card is None else card
    content = card if isinstance(card, bytes) else json.dumps(card).encode()
    kept = {name: value for name, value in {**policy.weights, **weights}.items() if value is not None}
    np.savez(path, card=np.frombuffer(content, np.uint8), **kept)


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2", "deviation"])
def test_file_with_a_weight_missing_or_of_another_shape_is_a_policy_file_error(name, random_policy, tmp_path):
    policy, path = random_policy(dim=2), tmp_path / "p.npz"
    for value in (None, np.zeros((2, 2, 2)), np.full_like(policy.weights[name], np.inf), np.array("text")):
        _rewritten(policy, path, **{name: value})
        with pytest.raises(PolicyFileError, match=r"p\.npz"):
            l2o.load(path)


@pytest.mark.parametrize("change", [
    lambda card: b"\xff{", lambda card: b"", lambda card: [card], lambda card: {},
    lambda card: {**card, "network": None}, lambda card: {**card, "network": {}},
    lambda card: {**card, "network": {**card["network"], "kind": "lstm"}},
    lambda card: {**card, "network": {**card["network"], "heads": 8}},
    lambda card: {**card, "network": {**card["network"], "history": 4}},
    lambda card: {**card, "network": {**card["network"], "inputs": "other"}},
])
def test_file_with_another_card_is_a_policy_file_error(change, random_policy, tmp_path):
    policy, path = random_policy(dim=2), tmp_path / "p.npz"
    _rewritten(policy, path, change(policy.card))
    with pytest.raises(PolicyFileError, match=r"p\.npz"):
        l2o.load(path)


def test_file_of_a_later_format_is_a_policy_file_error_that_says_so(random_policy, tmp_path):
    policy, path = random_policy(dim=2), tmp_path / "p.npz"
    _rewritten(policy, path, {**policy.card, "format": 99})
    with pytest.raises(PolicyFileError, match=r"p\.npz.*format 99.*formats 1 and 2"):
        l2o.load(path)


def test_policy_file_error_is_a_value_error():
    assert issubclass(PolicyFileError, ValueError)


def test_file_of_format_1_still_gives_its_actions(problems):
    """Written once and kept: tests/data/policy_format_1.npz, history 3, width 4, dimension 2."""
    policy = l2o.load(DATA / "policy_format_1.npz")
    stored = json.loads((DATA / "policy_format_1.json").read_text())
    assert policy.card == {**stored["card"], "format": 2, "handoff": dataclasses.asdict(Handoff())}
    assert policy.network == MLP(history=3, width=4, inputs="scaled")
    np.testing.assert_allclose(policy.actions(stored["observations"]), stored["actions"], rtol=1e-12)
    taken = steps(policy, np.array(stored["fun"]), np.array(stored["jac"]))
    np.testing.assert_allclose(taken, stored["steps"], rtol=1e-11, atol=1e-14)
    assert zipfile.is_zipfile(DATA / "policy_format_1.npz")


def test_policy_keeps_its_weights_and_card_when_those_given_change(random_policy):
    network = MLP(history=2, width=3)
    weights, card = network.initial(2, np.random.default_rng(0)), {"family": {"name": "a"}}
    policy = Policy(network, weights, card)
    weights["b2"][:], card["family"]["name"] = 7.0, "b"
    assert (policy.weights["b2"] == 0).all()
    assert policy.card["family"] == {"name": "a"}


def test_settings_may_be_numpy_numbers(tmp_path):
    network = MLP(history=np.int64(2), width=np.int32(3), newest_gradient=np.True_, max_step=np.float32(2))
    policy = Policy(network, network.initial(2, np.random.default_rng(0)))
    policy.save(tmp_path / "p.npz")
    assert l2o.load(tmp_path / "p.npz").network == network


@pytest.mark.parametrize("content", [b"PK\x03\x04"], ids=repr)
def test_file_of_another_kind_is_closed(content, tmp_path):
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(PolicyFileError, match=r"other\.npz"):
        l2o.load(tmp_path / "other.npz")
    gc.collect()


def test_file_that_is_cut_short_is_a_policy_file_error(random_policy, tmp_path):
    path = tmp_path / "short.npz"
    random_policy(dim=2).save(path)
    whole = path.read_bytes()
    for n in range(0, len(whole), 7):
        path.write_bytes(whole[:n])
        with pytest.raises(PolicyFileError, match=r"short\.npz"):
            l2o.load(path)
    gc.collect()


@pytest.mark.parametrize("offset", [6, 8, 10])  # in the central directory: version needed, flags, compression
def test_file_with_a_damaged_directory_is_a_policy_file_error(offset, random_policy, tmp_path):
    path = tmp_path / "p.npz"
    random_policy(dim=2).save(path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + offset] ^= 0x61
    path.write_bytes(whole)
    with pytest.raises(PolicyFileError, match=r"p\.npz"):
        l2o.load(path)


def test_policy_with_a_family_by_name_can_be_shown(random_policy):
    assert "logistic" in repr(random_policy(card={"family": "logistic"}))


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_deviation_is_above_zero(bad, random_policy):
    policy = random_policy(dim=2)
    with pytest.raises(ValueError, match="deviation"):
        Policy(policy.network, {**policy.weights, "deviation": bad * policy.weights["deviation"]})


@pytest.mark.parametrize("bad", ["no", 2, None])
def test_newest_gradient_is_true_or_false(bad):
    with pytest.raises(TypeError, match="newest_gradient is"):
        MLP(newest_gradient=bad)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_pulls_back_by_its_derivative(name):
    """Central differences away from the kink; at 0 relu's is 0. In single precision all is single."""
    sigma = activations.ACTIVATIONS[name]
    x = np.array([-700.0, -30.0, -2.0, -0.1, 0.1, 2.0, 30.0, 700.0])
    np.testing.assert_array_equal(sigma.value(x), oracles.activation(name, x))
    slope = (sigma.value(x + 1e-6) - sigma.value(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(sigma.pull(x, 1.0), slope, rtol=0, atol=1e-7)
    np.testing.assert_allclose(sigma.pull(x, 3.0 * x), 3.0 * x * slope, rtol=0, atol=1e-4)
    assert sigma.pull(np.array([0.0, -0.0]), 2.0).tolist() == {"softplus": [1.0, 1.0], "relu": [0.0, 0.0]}[name]
    with np.errstate(invalid="ignore"):
        assert np.isnan(sigma.value(np.array([np.nan, -np.nan]))).all()
    single = x[1:].astype(np.float32)
    assert {sigma.value(single).dtype.name, sigma.pull(single, single).dtype.name} == {"float32"}


@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
def test_single_precision_takes_nearly_the_same_steps(inputs, random_policy, problems):
    policy = random_policy(dim=4, inputs=inputs, width=50, history=25)
    single = policy.astype("float32")
    whole, half = (l2o.rollout(problems, method=each, n_steps=30) for each in (policy, single))
    np.testing.assert_allclose(half.x, whole.x, rtol=0, atol=1e-4)
    assert (half.x[:, 1] != whole.x[:, 1]).any()
    assert {value.dtype.name for value in single.weights.values()} == {"float32"}


def test_single_precision_is_kept_in_the_file(random_policy, tmp_path):
    single = random_policy(dim=2).astype(np.float32)
    single.save(tmp_path / "p.npz")
    loaded = l2o.load(tmp_path / "p.npz")
    assert loaded.card == single.card
    assert all((loaded.weights[name] == value).all() and loaded.weights[name].dtype == np.float32
               for name, value in single.weights.items())


@pytest.mark.parametrize("bad", ["float16", "int64", "single precision"])
def test_precision_is_float32_or_float64(bad, random_policy):
    with pytest.raises(ValueError, match="precision is"):
        random_policy(dim=2).astype(bad)


# -- the hand-over ----------------------------------------------------------------------------------


def test_handoff_stands_in_the_card_and_is_followed(random_policy, problems, tmp_path):
    policy = random_policy()
    assert policy.card["handoff"] == {"most_trials": 10, "rejections": 1, "flat": 0.5, "heir": "lbfgs"}
    other = policy.with_card(handoff={"most_trials": 2, "heir": "bfgs"})
    assert other.card["handoff"] == {"most_trials": 2, "rejections": 1, "flat": 0.5, "heir": "bfgs"}
    assert other.step(4).handoff.most_trials == 2
    other.save(tmp_path / "other.npz")
    assert l2o.load(tmp_path / "other.npz").card == other.card
    found = [l2o.minimize_many(problems, method=method, tol=1e-6) for method in (policy, other)]
    assert found[0].nfev.tolist() != found[1].nfev.tolist()
    assert found[1].success.all()


@pytest.mark.parametrize("handoff", [{"most_trials": 0}, {"heir": "newton"}, {"trials": 3}, "lbfgs", [1]])
def test_handoff_that_is_none_is_refused(handoff, random_policy):
    with pytest.raises((TypeError, ValueError)):
        random_policy().with_card(handoff=handoff)
