"""Contract of the kinds of policies: what `ARCHITECTURES` names keeps it, as a new file must."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

import l2o
from l2o.errors import PolicyFileError
from l2o.policies import ARCHITECTURES, Policy, QuasiNewton
from l2o.policies.weights import flat, like
from l2o.training import TRAINERS, Trainer, trainers
from l2o.training.trainers import fitting

DIMS = (2, 3, 5)


@pytest.fixture(params=sorted(ARCHITECTURES))
def kind(request):
    """Return a kind with its default settings."""
    return ARCHITECTURES[request.param]()


def drawn(kind, dim, seed=0, **card):
    """Return a policy with starting weights, moved at random."""
    rng = np.random.default_rng(seed)
    weights = kind.initial(dim, rng)
    vector = flat(weights)
    return Policy(kind, like(weights, vector + 1e-3 * rng.standard_normal(vector.shape)), card)


def functions(dim, m=6):
    return l2o.families.Logistic(n_features=dim - 1, n_points=20).sample(m, rng=dim)


def run(policy, problems):
    """Return all that a few steps give, to the bit."""
    runs = l2o.rollout(problems, method=policy, n_steps=7)
    return runs.x.tobytes(), runs.fun.tobytes(), runs.jac.tobytes()


def rewritten(policy, path, card=None, weights=None):
    """Write a file of a policy with another card or other weights."""
    content = json.dumps(policy.card if card is None else card).encode()
    np.savez(path, card=np.frombuffer(content, np.uint8), **(policy.weights if weights is None else weights))
    return path


# -- settings and weights ------------------------------------------------------------------------------


def test_kind_is_a_frozen_record_that_its_card_rebuilds(kind):
    assert dataclasses.is_dataclass(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind, dataclasses.fields(kind)[0].name, 1)
    card = json.loads(json.dumps(kind.card(), allow_nan=False))
    assert card == kind.card()
    assert card["kind"] == kind.kind
    assert ARCHITECTURES[card["kind"]].from_card(card) == kind


@pytest.mark.parametrize("dim", DIMS)
def test_initial_weights_fit_the_shapes_and_follow_their_seed(dim, kind):
    weights, again = (kind.initial(dim, np.random.default_rng(3)) for _ in range(2))
    assert {name: value.shape for name, value in weights.items()} == kind.shapes(dim)
    assert flat(weights).tobytes() == flat(again).tobytes()
    assert kind.dim(weights) in (None, dim)
    assert flat(kind.checked(weights)).tobytes() == flat(weights).tobytes()


def test_weights_are_one_vector_and_back(kind):
    weights = kind.initial(3, np.random.default_rng(0))
    vector = flat(weights)
    assert vector.shape == (sum(int(np.prod(shape)) for shape in kind.shapes(3).values()),)
    back = like(weights, 2.0 * vector)
    assert all((back[name] == 2.0 * each).all() and back[name].dtype == each.dtype for name, each in weights.items())
    with pytest.raises(ValueError, match=rf"vector has shape \({len(vector) + 1},\); expected \({len(vector)},\)"):
        like(weights, np.append(vector, 0.0))


def test_weights_that_are_missing_too_many_or_of_another_shape_are_named(kind, tmp_path):
    policy = drawn(kind, 3)
    name = list(policy.weights)[-1]
    good = policy.weights[name]
    cases = [({key: value for key, value in policy.weights.items() if key != name}, name),
             ({**policy.weights, "other": good}, "'other'"), ({**policy.weights, name: good[..., :-1]}, name),
             ({**policy.weights, name: np.full_like(good, np.nan)}, name)]
    for weights, named in cases:
        with pytest.raises(ValueError, match=named):
            Policy(kind, weights)
        with pytest.raises(PolicyFileError, match=named):
            l2o.load(rewritten(policy, tmp_path / "p.npz", weights=weights))


# -- runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", DIMS)
def test_row_of_a_batch_is_the_single_run(dim, kind):
    policy, problems = drawn(kind, dim), functions(dim)
    runs = l2o.rollout(problems, method=policy, n_steps=7)
    single = l2o.rollout(problems[2:3], method=policy, n_steps=7)
    assert runs.x[2].tobytes() == single.x[0].tobytes()
    assert np.isfinite(runs.x).all()
    assert (runs.x[:, 7] != runs.x[:, 0]).any()


@pytest.mark.parametrize("dim", DIMS)
def test_minimisation_ends_well_and_alike_in_a_batch(dim, kind):
    policy, problems = drawn(kind, dim), functions(dim)
    batch, alone = l2o.minimize_many(problems, method=policy), l2o.minimize(problems[1], method=policy)
    assert batch.success.all()
    assert batch.x[1].tobytes() == alone.x.tobytes()


def test_weights_change_the_steps(kind):
    problems = functions(3)
    assert run(drawn(kind, 3, seed=0), problems) != run(drawn(kind, 3, seed=1), problems)


def test_policy_serves_its_dimension_or_any(kind):
    policy = drawn(kind, 3)
    assert policy.dim in (3, None)
    assert policy.card["dim"] == policy.dim
    assert ("any dimension" if policy.dim is None else "dimension 3") in repr(policy)
    if policy.dim is None:
        assert all(np.isfinite(l2o.rollout(functions(dim), method=policy, n_steps=3).x).all() for dim in DIMS)
    else:
        with pytest.raises(ValueError, match="dimension 2; the policy was trained for dimension 3"):
            l2o.rollout(functions(2), method=policy, n_steps=3)


# -- copies and files ----------------------------------------------------------------------------------


def test_copies_run_to_the_bit(kind, tmp_path):
    policy, problems = drawn(kind, 3, note="x"), functions(3)
    policy.save(tmp_path / "p.npz")
    for twin in (pickle.loads(pickle.dumps(policy)), l2o.load(tmp_path / "p.npz"), policy.with_card(note="x")):
        assert (twin.card, twin.network) == (policy.card, policy.network)
        assert flat(twin.weights).tobytes() == flat(policy.weights).tobytes()
        assert run(twin, problems) == run(policy, problems)


def test_precision_is_one_that_the_kind_has(kind, tmp_path):
    policy = drawn(kind, 3)
    for precision in ("float64", "float32"):
        if precision in kind.precisions:
            cast = policy.astype(precision)
            cast.save(tmp_path / "p.npz")
            loaded = l2o.load(tmp_path / "p.npz")
            assert {value.dtype.name for value in loaded.weights.values()} == {precision}
            assert run(loaded, functions(3)) == run(cast, functions(3))
        else:
            with pytest.raises(ValueError, match=f"precision is '{precision}'; expected one of '{kind.precisions[0]}'"):
                policy.astype(precision)


def test_file_of_an_unknown_kind_is_a_policy_file_error_that_lists_the_known(kind, tmp_path):
    policy = drawn(kind, 3)
    for other in ("oracle", None, ["mlp"]):
        card = {**policy.card, "network": {**policy.card["network"], "kind": other}}
        with pytest.raises(PolicyFileError, match=r"p\.npz.*kind is .*expected one of 'mlp', 'quasi-newton'"):
            l2o.load(rewritten(policy, tmp_path / "p.npz", card=card))


def test_file_is_of_format_2_and_3_is_not_read(kind, tmp_path):
    policy = drawn(kind, 3)
    assert policy.card["format"] == 2
    with pytest.raises(PolicyFileError, match="has policy format 3; this version of l2o reads formats 1 and 2"):
        l2o.load(rewritten(policy, tmp_path / "p.npz", card={**policy.card, "format": 3}))


# -- training ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Wandering(Trainer):
    """Tries weights at random distances: a trainer for every kind, and for mixtures."""

    n_rounds: int = 2
    mixtures = True

    def run(self, progress, weights, rng):
        """Offer the start, then weights moved at random from the best."""
        task = progress.task
        progress.offer(task.network.initial(task.dim, rng) if weights is None else weights, round=0)
        for i in range(self.n_rounds):
            vector = flat(progress.weights)
            progress.offer(like(progress.weights, vector + 1e-2 * rng.standard_normal(vector.shape)), round=i + 1)


def learn(family=None, **settings):
    family = l2o.families.Logistic(n_features=2, n_points=20) if family is None else family
    return l2o.train(family, **{"n_functions": 6, "n_validation": 5, "rng": 0, "trainer": Wandering(), **settings})


def test_kind_is_trained_by_a_trainer_that_knows_its_weights_as_a_vector(kind, tmp_path):
    policy = learn(policy=kind)
    assert policy.network == kind
    assert policy.card["training"]["dimensions"] == [3]
    assert ("limits" in policy.card) == kind.knows_limits
    assert len(policy.card["training"]["course"]) == 3
    policy.save(tmp_path / "p.npz")
    assert run(l2o.load(tmp_path / "p.npz"), functions(3)) == run(policy, functions(3))
    again = learn(policy=None, init=policy)
    assert again.card["quality"]["policy"] <= policy.card["quality"]["policy"]


def test_kind_without_a_dimension_is_trained_on_a_mixture_and_another_says_so(kind):
    mixture = [functions(dim) for dim in DIMS]
    if kind.one_dimension:
        with pytest.raises(ValueError, match="serves one dimension; family has functions of dimension 2, 3, 5"):
            learn(mixture, policy=kind)
        return
    policy = learn(mixture, policy=kind)
    assert policy.card["training"]["dimensions"] == list(DIMS)
    assert policy.card["training"]["n_functions"] == sum(len(each) - 1 for each in mixture)
    assert len(policy.card["quality"]["momentum_settings"]) == len(DIMS)


def test_trainer_is_asked_for_no_more_than_the_kind_gives(kind):
    """A trainer of the table trains the kind, or says what it asks for."""
    for trainer in TRAINERS:
        fits = isinstance(kind, trainer.asks)
        assert (trainer in fitting(kind)) == fits
        if not fits:
            told = f"trainer is {trainer.__name__}, which asks for {trainer.asks.__name__}"
            with pytest.raises(ValueError, match=told):
                learn(policy=kind, trainer=trainer())


def test_trainer_that_does_not_fit_is_told_with_one_that_does(monkeypatch):
    kind = QuasiNewton()
    monkeypatch.setattr(trainers, "TRAINERS", (l2o.GuidedPolicySearch, Wandering))
    with pytest.raises(ValueError, match=r"asks for Imitable, steps that are a function of past objective changes and "
                       r"gradients, .*policy is QuasiNewton, which is none: expected Wandering\(\)$"):
        learn(policy=kind, trainer=l2o.GuidedPolicySearch())
    with pytest.raises(ValueError, match=r"trains on functions of one objective and dimension; family has several: "
                       r"expected Wandering\(\)$"):
        learn([functions(3), functions(3)], policy=l2o.policies.MLP(), trainer=l2o.GuidedPolicySearch())
    assert [each["kind"] for each in learn(policy=kind, trainer=None).card["training"]["trainers"]] == ["Wandering"]
    monkeypatch.setattr(trainers, "TRAINERS", (l2o.GuidedPolicySearch,))
    with pytest.raises(ValueError, match=r"policy is QuasiNewton\(.*\), which no trainer of l2o fits"):
        learn(policy=kind, trainer=None)


def test_trainer_brings_its_own_kind():
    class Curved(Wandering):
        policy = QuasiNewton

    assert learn(trainer=Curved()).network == QuasiNewton()
    assert learn(trainer=Wandering(n_rounds=0)).network == l2o.policies.MLP()


@pytest.mark.parametrize(("family", "validation", "error", "message"), [
    ([], None, TypeError, "family is list; expected a Family or Problems, or a sequence of Problems"),
    ([functions(2), 3], None, TypeError, "family is list; expected"),
    ([functions(2), functions(3, m=2)], None, ValueError, "family holds 2 problems; expected at least 3"),
    ([functions(2), functions(3)], functions(2), ValueError, "expected Problems of dimension 2, 3"),
    ([functions(2), functions(3)], [functions(3), functions(2)], ValueError, "expected Problems of dimension 2, 3"),
])
def test_mixture_that_does_not_fit_is_an_error(family, validation, error, message):
    with pytest.raises(error, match=message):
        learn(family, validation=validation, policy=QuasiNewton())
