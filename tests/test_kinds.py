"""Contract of the kinds of policies: what `ARCHITECTURES` names keeps it, as a new file must, and as two toys do."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
import toys
from compiled import Compiled
from toys import Evolution

import l2o
from l2o.errors import PolicyFileError
from l2o.methods import Stopping
from l2o.policies import ARCHITECTURES, Policy, QuasiNewton
from l2o.policies.weights import flat, like
from l2o.training import TRAINERS, trainers
from l2o.training.checkpoint import Checkpoint
from l2o.training.trainers import fitting

DIMS = (2, 3, 5)


@pytest.fixture(params=sorted({**ARCHITECTURES, **{each.kind: each for each in toys.KINDS}}))
def kind(request, toy_kinds):
    """Return a kind with its default settings."""
    return ARCHITECTURES[request.param]()


@pytest.fixture
def toy_kinds(monkeypatch):
    """Put the toys into the table, as a file of the package would."""
    for each in toys.KINDS:
        monkeypatch.setitem(ARCHITECTURES, each.kind, each)
    return toys.KINDS


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
        with pytest.raises(PolicyFileError, match=r"p\.npz.*kind is .*expected one of .*'mlp'"):
            l2o.load(rewritten(policy, tmp_path / "p.npz", card=card))


def test_file_is_of_format_2_and_3_is_not_read(kind, tmp_path):
    policy = drawn(kind, 3)
    assert policy.card["format"] == 2
    with pytest.raises(PolicyFileError, match="has policy format 3; this version of l2o reads formats 1 and 2"):
        l2o.load(rewritten(policy, tmp_path / "p.npz", card={**policy.card, "format": 3}))


# -- training ------------------------------------------------------------------------------------------


def learn(family=None, **settings):
    family = l2o.families.Logistic(n_features=2, n_points=20) if family is None else family
    return l2o.train(family, **{"n_functions": 6, "n_validation": 5, "rng": 0, "trainer": Evolution(), **settings})


def test_kind_is_trained_by_a_trainer_that_knows_its_weights_as_a_vector(kind, tmp_path):
    policy = learn(policy=kind)
    assert policy.network == kind
    assert policy.card["training"]["dimensions"] == [3]
    assert ("limits" in policy.card) == kind.knows_limits
    assert len(policy.card["training"]["course"]) == 4
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
    monkeypatch.setattr(trainers, "TRAINERS", (l2o.GuidedPolicySearch, Evolution))
    with pytest.raises(ValueError, match=r"asks for Imitable, steps that are a function of past objective changes and "
                       r"gradients, .*policy is QuasiNewton, which is none: expected Evolution\(\)$"):
        learn(policy=kind, trainer=l2o.GuidedPolicySearch())
    with pytest.raises(ValueError, match=r"trains on functions of one objective and dimension; family has several: "
                       r"expected Evolution\(\)$"):
        learn([functions(3), functions(3)], policy=l2o.policies.MLP(), trainer=l2o.GuidedPolicySearch())
    assert [each["kind"] for each in learn(policy=kind, trainer=None).card["training"]["trainers"]] == ["Evolution"]
    monkeypatch.setattr(trainers, "TRAINERS", (l2o.GuidedPolicySearch,))
    with pytest.raises(ValueError, match=r"policy is QuasiNewton\(.*\), which no trainer of l2o fits"):
        learn(policy=kind, trainer=None)


def test_trainer_brings_its_own_kind():
    class Curved(Evolution):
        policy = QuasiNewton

    assert learn(trainer=Curved()).network == QuasiNewton()
    assert learn(trainer=Evolution(n_generations=0)).network == l2o.policies.MLP()


def test_training_without_kind_and_trainer_is_curvature_regression_of_the_rule():
    policy = learn(n_functions=12, trainer=None)
    assert [each["kind"] for each in policy.card["training"]["trainers"]] == ["CurvatureRegression"]
    assert isinstance(policy.network, QuasiNewton)
    assert learn(policy=None, trainer=None, init=policy, n_functions=12).network.kind == policy.network.kind


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


# -- kinds and a trainer that are not in the package ---------------------------------------------------


@pytest.fixture(params=toys.KINDS, ids=lambda each: each.kind)
def toy(request, toy_kinds):
    return request.param()


@pytest.mark.parametrize("dim", [2, 10, 20])
def test_toy_goes_the_whole_way(dim, toy, tmp_path):
    """Trained by the evolution strategy, saved, loaded; minimize, minimize_many, rollout, compare; for any d."""
    trained = learn([functions(2), functions(4)], policy=toy, trainer=Evolution(n_generations=2))
    trained.save(tmp_path / "p.npz")
    policy, problems = l2o.load(tmp_path / "p.npz"), functions(dim)
    runs = l2o.rollout(problems, method=policy, n_steps=30)
    assert (np.diff(runs.fun) <= 1e-14).all()  # a trial that leads higher is rejected: the run stays where it was
    assert (runs.nfev[:, -1] == 31).all()
    report = l2o.compare(problems, {"toy": policy, "momentum": l2o.baselines.Momentum(1.0, 0.5)}, n_steps=10,
                         n_bootstrap=10)
    assert report.curves()["toy"].mean[10] < report.curves()["toy"].mean[0]
    best = l2o.minimize_many(problems, method="newton", tol=1e-9).fun
    for safeguard in (True, False):
        batch = l2o.minimize_many(problems, method=policy, tol=1e-6, options={"safeguard": safeguard, "maxiter": 500})
        alone = l2o.minimize(problems[0], method=policy, tol=1e-6, options={"safeguard": safeguard, "maxiter": 500})
        assert batch.success.all()
        np.testing.assert_allclose(batch.fun, best, rtol=0, atol=1e-9 * dim)  # |g|^2 / 2 l2, with l2 = 5e-4
        assert batch.x[0].tobytes() == alone.x.tobytes()


def test_toy_training_goes_on_from_its_checkpoint(toy, tmp_path, monkeypatch):
    """What a trainer outside the package leaves from round to round is kept, too."""
    class Stop(Exception):
        pass

    keep, whole = Checkpoint.keep, learn(policy=toy)

    def keep_and_stop(self, **parts):
        keep(self, **parts)
        raise Stop

    stops = 0
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep_and_stop)
        while stops < 5:
            with pytest.raises(Stop):
                learn(policy=toy, checkpoint=tmp_path / "c.npz")
            stops += 1
    policy = learn(policy=toy, checkpoint=tmp_path / "c.npz")
    assert policy.card["run"]["sittings"] == stops + 1
    assert flat(policy.weights).tobytes() == flat(whole.weights).tobytes()
    assert policy.card["training"] == whole.card["training"]


def test_evolution_of_a_toy_gets_better():
    """From a first step that is a thousandth: seeds 0 to 4 end at .14 to .21 of the cost that they start at."""
    policy = learn(policy=toys.Toy(first=1e-3), trainer=Evolution(n_generations=30, sigma=0.3, rate=1.0))
    course = [entry["validation"] for entry in policy.card["training"]["course"]]
    assert min(course) < 0.5 * course[0]


def test_toy_bequeaths_its_matrix(toy_kinds):
    """Where it hands over after a gain, the heir tries first what the toy would have tried: a step of its matrix."""
    tried = {}
    for most in (3, None):
        policy = drawn(toys.Toy(), 3)
        policy = policy.with_card(handoff={**policy.card["handoff"], "most_trials": most, "flat": 0.0})
        bowl = Compiled(lambda x: (0.5 * x @ np.diag([1.0, 2.0, 3.0]) @ x, np.array([1.0, 2.0, 3.0]) * x), np.ones(3))
        policy.solve(bowl, Stopping(1e-8, 100, 100))
        tried[most] = np.array(bowl.points)
        assert (np.diff(bowl.values[:4]) < 0).all()
    np.testing.assert_allclose(tried[3][:5], tried[None][:5], rtol=1e-12)
    assert (tried[3][5] != tried[None][5]).any()


def test_kind_that_asks_for_hessians_is_told_of_an_objective_without_one(toy_kinds):
    policy = drawn(toys.Damped(), 2)
    with pytest.raises(ValueError, match="the policy asks for a Hessian; this objective has none"):
        l2o.minimize(lambda x: (x @ x, 2 * x), np.ones(2), method=policy)


def test_card_of_a_toy_is_unknown_without_its_file(tmp_path):
    drawn(toys.Toy(), 2).save(tmp_path / "p.npz")
    with pytest.raises(PolicyFileError, match=r"kind is 'toy'; expected one of .*'mlp'"):
        l2o.load(tmp_path / "p.npz")
