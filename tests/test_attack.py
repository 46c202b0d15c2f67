"""Adversarial functions, files and arguments: whatever comes in, what comes out is sound, or an error that says why."""

import json
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

import l2o
from l2o.errors import PolicyFileError
from l2o.families import Custom
from l2o.policies import MLP, Policy

METHODS = ["lbfgs", "cg", "momentum", "gradient-descent", "scipy-lbfgs"]


@l2o.objective
def _until(x, data, grad):
    """A line that raises right of its datum."""
    grad[0] = 1.0
    if x[0] > data[0, 0]:
        raise ValueError
    return 5.0 + x[0]


def test_error_beyond_the_start_leaves_what_the_start_told():
    """Within [0, 4] the minimum of the line is at 0, where each run begins: f = 5, f' = 1."""
    problems = Custom(_until, dim=1).from_data([[[0.01]], [[0.005]]], [[0.0], [0.0]])
    for method in ("lbfgs", "cg", "universal"):
        batch = l2o.minimize_many(problems, method=l2o.load(method) if method == "universal" else method,
                                  bounds=[(0, 4)])
        assert (batch.x == 0.0).all()
        assert (batch.fun == 5.0).all()
        assert (batch.jac == 1.0).all()


def _deviation(x):
    """|x + 5| with what is missing left out; the gradient is missing below 2."""
    gradient = np.where(x > 2.0, 1.0, np.nan)
    return np.nansum(np.abs(x + 5.0)), np.nan_to_num(gradient) if np.isnan(x).any() else gradient


def _cliff(x):
    """No lower than at infinity, where a step overflows to."""
    return 1e200 * max(0.0, x[0]), np.array([1e200 * (x[0] > 0)])


@pytest.mark.parametrize("method", [*METHODS, l2o.baselines.GradientDescent(1e200), "universal"], ids=str)
@pytest.mark.parametrize("function", [_deviation, _cliff], ids=["deviation", "cliff"])
@pytest.mark.parametrize("bounds", [None, [(None, 8.0)]], ids=["free", "bounds"])
def test_best_point_and_its_gradient_are_finite(bounds, function, method):
    method = l2o.load("universal") if method == "universal" else method
    result = l2o.minimize(function, [5.0], jac=True, method=method, bounds=bounds)
    assert np.isfinite(result.x).all()
    assert np.isfinite(result.jac).all()
    assert result.fun == function(result.x)[0] <= function(np.array([5.0]))[0]


def test_no_policy_of_any_weights_leaves_the_numbers_in_one_sided_bounds():
    network = MLP(history=1, width=1, inputs="raw", activation="relu", max_step=np.inf)
    weights = {"W1": np.zeros((1, 2)), "b1": np.ones(1), "W2": np.full((1, 1), -1e200), "b2": np.zeros(1),
               "deviation": np.ones(2)}
    result = l2o.minimize(lambda x: (max(0.0, x[0]), np.array([float(x[0] > 0)])), [5.0], jac=True,
                          method=Policy(network, weights), bounds=[(None, 8.0)])
    assert np.isfinite(result.x).all()
    assert result.fun == max(0.0, result.x[0])


def test_own_arithmetic_warns_of_nothing():
    """With warnings as errors a warning would lose the result, and of a batch all of it."""
    def steep(x):
        return 1e200 * abs(float(x[0]) - 0.3), np.array([1e200 if x[0] >= 0.3 else -1e200])

    @l2o.objective
    def far(x, data, grad):
        grad[0] = data[0, 0]
        return data[0, 0] * x[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            assert np.isfinite(l2o.minimize(steep, [1.0], jac=True, method=method).fun)
        problems = Custom(far, dim=1).from_data([[[1e308]], [[-1e308]], [[1.0]]], [[1e300], [1e300], [1.0]])
        batch = l2o.minimize_many(problems, method="lbfgs", bounds=[(0.0, None)])
    assert batch.x[2] == 0.0


@pytest.mark.parametrize("which", [None, [[0, 1], [2, 3]], np.array(1)], ids=repr)
def test_index_of_another_dimension_is_an_error_that_names_it(which, problems):
    with pytest.raises(IndexError, match=r"index is .*expected an integer, a slice, or integers or bools in one"):
        problems[which]


@pytest.mark.parametrize("family", [l2o.families.Logistic(), l2o.families.RobustRegression(), l2o.families.NeuralNet()],
                         ids=lambda family: type(family).__name__)
def test_problems_made_by_hand_that_do_not_fit_are_an_error_and_no_crash(family):
    p = family.sample(6, rng=0)
    index, many = np.array([10**7]), np.zeros((6, 400))
    with pytest.raises(IndexError, match="index holds 10000000 at 0; there are 6 blocks"):
        l2o.minimize_many(l2o.Problems(p.kernel, p.blocks, index, p.x0[:1]), method="lbfgs")
    for x0 in (many, p.x0[:3], p.x0[:, :1].copy()):
        with pytest.raises(ValueError, match=r"x0 has shape .*expected a row for each of 6 problems"):
            l2o.minimize_many(l2o.Problems(p.kernel, p.blocks, p.index, x0), method="lbfgs")


# -- files ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def robust():
    """Return arrays and card of a shipped policy."""
    policy = l2o.load("robust")
    return policy.weights, json.dumps(policy.card)


def rewritten(path, arrays, card, write=np.savez):
    write(path, **arrays, card=np.frombuffer(card.encode(), np.uint8))
    return path


CARDS = {
    "deep": lambda card: card[:-1] + ', "deep": ' + "[" * 600 + "]" * 600 + "}",
    "deep enough for a copy to fail": lambda card: card[:-1] + ', "deep": ' + "[" * 300 + "]" * 300 + "}",
    "many parts": lambda card: card[:-1] + ', "many": [' + ",".join(["[]"] * 200_000) + "]}",
    "infinite horizon": lambda card: card.replace('"horizon": 40', '"horizon": Infinity'),
    "horizon below zero": lambda card: card.replace('"horizon": 40', '"horizon": -1'),
    "horizon as text": lambda card: card.replace('"horizon": 40', '"horizon": "4"'),
    "horizon of 400 digits": lambda card: card.replace('"horizon": 40', '"horizon": 1' + "0" * 400),
    "step of 400 digits": lambda card: card.replace('"max_step": 2.0', '"max_step": 1' + "0" * 400),
    "step as text": lambda card: card.replace('"max_step": 2.0', '"max_step": "2.0"'),
    "format true": lambda card: card.replace('"format": 2', '"format": true'),
    "limits reversed": lambda card: card.replace('"gradient": [', '"gradient": [1e9, 0], "gradients": ['),
    "limits NaN": lambda card: card.replace('"gradient": [', '"gradient": [NaN, 1], "gradients": ['),
    "limits a number": lambda card: card.replace('"gradient": [', '"gradient": 3, "gradients": ['),
}


@pytest.mark.parametrize("name", CARDS)
def test_card_that_is_none_is_a_policy_file_error(name, robust, tmp_path):
    arrays, card = robust
    changed = CARDS[name](card)
    assert changed != card
    with pytest.raises(PolicyFileError, match=r"bad\.npz"):
        l2o.load(rewritten(tmp_path / "bad.npz", arrays, changed))


LEARNED = {
    "prior a number": lambda arrays, card: card["network"].update(prior=3),
    "data of a prior text": lambda arrays, card: card["network"].update(
        prior={**(card["network"]["prior"] or {}), "data": "x"}),
    "scale beyond exp": lambda arrays, card: arrays.update(scale=np.array([1e3])),
}


@pytest.mark.parametrize("name", LEARNED)
def test_prior_that_is_none_is_a_policy_file_error(name, tmp_path):
    policy = l2o.train(l2o.families.Logistic(n_features=1, n_points=20), n_functions=12, n_validation=4, rng=0)
    arrays, card = policy.weights, policy.card
    LEARNED[name](arrays, card)
    with pytest.raises(PolicyFileError, match=r"bad\.npz"):
        l2o.load(rewritten(tmp_path / "bad.npz", arrays, json.dumps(card)))


@pytest.mark.parametrize("large", [{"W1": 1e308, "deviation": 1e-3}, {"b1": 1.7e308}], ids=["inputs", "bias"])
def test_network_that_the_kernel_cannot_hold_is_an_error_without_a_warning(large, robust, tmp_path):
    arrays, card = robust
    arrays = {**arrays, **{name: np.full_like(arrays[name], value) for name, value in large.items()}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PolicyFileError, match="not finite times"):
            l2o.load(rewritten(tmp_path / "large.npz", arrays, card))


def test_policy_of_no_dimension_is_a_policy_file_error(robust, tmp_path):
    arrays, card = robust
    none = {**arrays, "W2": arrays["W2"][:0], "b2": arrays["b2"][:0], "W1": arrays["W1"][:, :25],
            "deviation": arrays["deviation"][:25]}
    with pytest.raises(PolicyFileError, match="dimension of weights is 0; expected at least 1"):
        l2o.load(rewritten(tmp_path / "none.npz", none, card))


def test_weight_that_its_precision_does_not_hold_is_an_error_without_a_warning(robust, tmp_path):
    arrays, card = robust
    large = {**arrays, "W2": np.full_like(arrays["W2"], 1e200)}
    card = card[:-1] + ', "precision": "float32"}'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PolicyFileError, match=r"W2.*1e\+200; expected numbers that float32 holds"):
            l2o.load(rewritten(tmp_path / "large.npz", large, card))


def overlapping(path, content, n):
    """Write a file whose directory names one entry n times."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", content)
        entry = file.infolist()[0]
        for i in range(n):
            again = zipfile.ZipInfo(f"{i}.npy")
            again.header_offset, again.file_size, again.compress_size, again.CRC = (
                entry.header_offset, entry.file_size, entry.compress_size, entry.CRC)
            file.filelist.append(again)
            file.NameToInfo[again.filename] = again
        file._didModify = True


@pytest.mark.parametrize("bomb", ["compressed", "overlapping"])
def test_file_takes_no_more_memory_and_time_than_its_size(bomb, robust, tmp_path):
    path = tmp_path / "bomb.npz"
    if bomb == "compressed":
        rewritten(path, {**robust[0], "extra": np.zeros(1 << 26, np.uint8)}, robust[1], np.savez_compressed)
    else:
        overlapping(path, bytes(1 << 20), 500)
    size = path.stat().st_size
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(PolicyFileError, match=r"bomb\.npz"):
            l2o.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * size + (1 << 20)
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 1.0


def test_info_shows_a_card_of_any_entries(random_policy, tmp_path, capsys):
    from l2o.commands.cli import main

    random_policy(card={"training": None, "family": 3}).save(tmp_path / "p.npz")
    assert main(["info", str(tmp_path / "p.npz")]) == 0
    assert "training: None" in capsys.readouterr().out
