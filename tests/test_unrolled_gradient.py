"""UnrolledGradient: its gradient against differences, its rollouts against the kernels', and what it does with them."""

import dataclasses

import numpy as np
import pytest

import l2o
from l2o.policies import MLP, Policy, mlp_unrolled
from l2o.policies.mlp_regression import Trained
from l2o.policies.mlp_unrolled import Unrolled, differentiate
from l2o.problems import LOGISTIC, Kernel
from l2o.training import GuidedPolicySearch, UnrolledGradient, streams, train
from l2o.training.unrolled_gradient import Descent

FAMILY = l2o.families.Logistic(n_points=20)
NETWORK = MLP(history=5, width=8)
SHORT = {"n_steps": 6, "n_runs": 8, "horizon": 10, "n_rounds": 2}


def learn(**settings):
    """Train on very little."""
    return train(FAMILY, **{"n_functions": 8, "n_validation": 6, "rng": 0, "policy": NETWORK,
                            "trainer": UnrolledGradient(**SHORT), **settings})


def bits(policy):
    """Return the weights to the bit."""
    return {name: value.tobytes() for name, value in policy.weights.items()}


def random_weights(network, dim, seed=0):
    """Return weights of usual size, tied so that the policy rests where it sees nothing."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal(shape) / np.sqrt(shape[-1]) for name, shape in network.shapes(dim).items()}
    return network.at_rest({**weights, "deviation": rng.uniform(0.5, 2.0, network.n_observations(dim))})


def unrolled(network, problems, n_steps, turns=None, weights=None):
    """Return rollouts with random weights and costs."""
    weights = random_weights(network, problems.dim) if weights is None else weights
    n_blocks = -(-len(problems) // 32)
    turns = np.tile(np.eye(problems.dim), (n_blocks, 1, 1)) if turns is None else turns
    cost_weights = np.random.default_rng(5).uniform(0.5, 1.5, n_steps + 1)
    return Unrolled(network, Trained.of(weights, float), weights["deviation"], problems, cost_weights, turns)


def orthogonal(n, dim, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, dim, dim)))[0]


def slope(runs, direction, h):
    """Return the derivative of the mean cost along a direction of the weights, by central differences."""
    costs = []
    for sign in (1, -1):
        moved = Trained(runs.trained.n_inputs, runs.trained.first.shape[1], len(runs.trained.second), float)
        moved.vector[:] = runs.trained.vector + sign * h * direction
        costs.append(differentiate(dataclasses.replace(runs, trained=moved))[0].mean())
    return (costs[0] - costs[1]) / (2 * h)


def directions(trained, n=4):
    """Return directions of length 1 in the weights that count, not the rows that fill up."""
    counts = Trained(trained.n_inputs, trained.first.shape[1], len(trained.second), float)
    counts.first[: trained.n_inputs + 1], counts.second[:] = 1, 1
    vectors = np.random.default_rng(1).standard_normal((n, len(trained.vector))) * counts.vector
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def check_gradient(runs, tolerance=1e-6):
    """Compare with differences, relative to what a derivative along a random direction usually is.

    Those of rectified units are so short that none passes its kink.
    """
    h = {"softplus": 1e-5, "relu": 1e-7}[runs.network.activation]
    gradient = differentiate(runs)[2]
    usual = np.linalg.norm(gradient) / np.sqrt(len(gradient))
    assert usual > 0
    for direction in directions(runs.trained):
        assert gradient @ direction == pytest.approx(slope(runs, direction, h), rel=0, abs=tolerance * usual)


# -- the gradient --------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["softplus", "relu"])
@pytest.mark.parametrize("n_steps", [2, 9])
@pytest.mark.parametrize("max_step", [np.inf, 0.3])
@pytest.mark.parametrize("newest_gradient", [True, False])
@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
def test_gradient_is_that_of_the_whole_rollout(inputs, newest_gradient, max_step, n_steps, activation):
    """H = 4: shorter and longer runs; two blocks with axes of their own, the second not full. Measured 2e-9."""
    network = MLP(history=4, width=8, inputs=inputs, newest_gradient=newest_gradient, max_step=max_step,
                  activation=activation)
    problems = FAMILY.sample(40, rng=3)
    runs = unrolled(network, problems, n_steps, orthogonal(2, 4))
    if np.isfinite(max_step):
        policy = Policy(network, random_weights(network, 4))
        lengths = np.linalg.norm(np.diff(l2o.rollout(problems, method=policy, n_steps=n_steps).x, axis=1), axis=-1)
        bounded = np.isclose(lengths, max_step)
        assert 0 < bounded.mean() < 1
    check_gradient(runs)


@pytest.mark.parametrize("inputs", ["raw", "scaled"])
@pytest.mark.parametrize("name", l2o.families.PAPER)
def test_gradient_is_exact_for_every_family(name, inputs):
    problems = l2o.families.PAPER[name](n_points=20).sample(6, rng=0)
    check_gradient(unrolled(MLP(history=3, width=6, inputs=inputs), problems, 5))


@pytest.mark.parametrize("dim", [1, 2])
def test_gradient_is_exact_in_few_dimensions(dim):
    problems = l2o.families.Logistic(n_features=max(dim - 1, 1), n_points=20).sample(5, rng=0)
    check_gradient(unrolled(MLP(history=1, width=3), problems, 6))


def test_gradient_without_a_hessian_is_by_differences():
    problems = FAMILY.sample(8, rng=1)
    bare = dataclasses.replace(problems, kernel=Kernel("bare", LOGISTIC.function))
    exact, by_differences = (differentiate(unrolled(NETWORK, each, 9)) for each in (problems, bare))
    assert exact[0].tobytes() == by_differences[0].tobytes()
    assert exact[2].tobytes() != by_differences[2].tobytes()
    np.testing.assert_allclose(by_differences[2], exact[2], rtol=0, atol=1e-7 * abs(exact[2]).max())


@pytest.mark.parametrize("activation", ["softplus", "relu"])
@pytest.mark.parametrize("newest_gradient", [True, False])
@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
@pytest.mark.parametrize("name", l2o.families.PAPER)
def test_cost_is_that_of_the_kernels_rollouts(name, inputs, newest_gradient, activation):
    problems = l2o.families.PAPER[name](n_points=20).sample(5, rng=2)
    network = MLP(history=4, width=8, inputs=inputs, newest_gradient=newest_gradient, activation=activation)
    runs = unrolled(network, problems, 9)
    policy = Policy(runs.network, random_weights(runs.network, problems.dim))
    expected = l2o.rollout(problems, method=policy, n_steps=9).fun @ runs.cost_weights
    np.testing.assert_allclose(differentiate(runs)[0], expected, rtol=1e-11)


def test_turned_axes_are_another_function():
    """f(Q'x) from Q x0: in logistic regression, with turned features."""
    rng = np.random.default_rng(0)
    X, y, x0 = rng.standard_normal((3, 20, 3)), rng.integers(0, 2, (3, 20)), rng.standard_normal((3, 4))
    turn = np.eye(4)
    turn[:3, :3] = orthogonal(1, 3)[0]
    turned = unrolled(NETWORK, FAMILY.from_data(X, y, x0), 9, turn[None])
    same = unrolled(NETWORK, FAMILY.from_data(X @ turn[:3, :3].T, y, x0 @ turn.T), 9)
    other = unrolled(NETWORK, FAMILY.from_data(X, y, x0), 9)
    np.testing.assert_allclose(differentiate(turned)[0], differentiate(same)[0], rtol=1e-11)
    np.testing.assert_allclose(differentiate(turned)[2], differentiate(same)[2], rtol=0, atol=1e-11)
    assert abs(differentiate(turned)[0] - differentiate(other)[0]).max() > 1e-6


def test_gradient_of_runs_is_the_mean_of_theirs():
    """Runs that share a block, or fill it up, do not meet."""
    problems = FAMILY.sample(35, rng=0)
    costs, usable, gradient = differentiate(unrolled(NETWORK, problems, 7))
    assert usable.all()
    each = [differentiate(unrolled(NETWORK, problems[i : i + 1], 7)) for i in range(35)]
    np.testing.assert_allclose(costs, [one[0][0] for one in each], rtol=1e-12)
    np.testing.assert_allclose(gradient, np.mean([one[2] for one in each], axis=0), rtol=0,
                               atol=1e-12 * abs(gradient).max())


@pytest.mark.parametrize("workers", [2, 3, -1, map])
def test_gradient_has_the_same_bits_for_any_workers(workers):
    runs = unrolled(NETWORK, FAMILY.sample(100, rng=0), 6, orthogonal(4, 4))
    for one, several in zip(differentiate(runs), differentiate(runs, workers)):
        assert one.tobytes() == several.tobytes()


@pytest.mark.parametrize("start", [1e200, -1e307])
def test_run_that_leaves_the_finite_numbers_is_left_out(start):
    problems = FAMILY.sample(6, rng=0)
    x0 = problems.x0.copy()
    x0[2] = start
    costs, usable, gradient = differentiate(unrolled(NETWORK, problems.with_starts(x0), 7))
    assert usable.tolist() == [True, True, False, True, True, True]
    others = differentiate(unrolled(NETWORK, problems[np.array([0, 1, 3, 4, 5])], 7))
    np.testing.assert_array_equal(costs[usable], others[0])
    np.testing.assert_allclose(gradient, others[2], rtol=0, atol=1e-13 * abs(gradient).max())


def test_run_that_is_lost_on_its_way_is_left_out():
    """Steps of 1e160: the second value is infinite."""
    network = MLP(history=2, width=4, inputs="raw", max_step=np.inf)
    weights = random_weights(network, 4)
    far = {**weights, "W2": 1e160 * weights["W2"]}
    _, usable, gradient = differentiate(unrolled(network, FAMILY.sample(3, rng=0), 5, weights=far))
    assert not usable.any()
    assert not gradient.any()


# -- the descent ---------------------------------------------------------------------------------------


@pytest.fixture
def descent(monkeypatch):
    """Return a maker of descents on a task of eight functions, each with its state, and what they differentiate."""
    calls, original = [], mlp_unrolled.differentiate

    def spy(runs, workers):
        calls.append(runs)
        return original(runs, workers)

    monkeypatch.setattr(mlp_unrolled, "differentiate", spy)

    def make(weights=None, **settings):
        made = []

        class Making(UnrolledGradient):
            def run(self, progress, given, rng):
                descent = Descent(self, progress.task, rng)
                made.extend([descent, descent.begin(weights)])
                progress.offer(descent.weights(made[1]))

        learn(trainer=Making(**{**SHORT, **settings}))
        return *made, calls

    return make


def test_rollouts_grow_from_random_weights(descent):
    trainer = UnrolledGradient(n_steps=100, growth=0.5)
    lengths = [trainer.horizon_at(step, 4) for step in range(100)]
    assert lengths[0] == 4
    assert lengths[25] == 13  # sqrt(4 * 40)
    assert set(lengths[50:]) == {40}
    assert lengths == sorted(lengths)
    assert UnrolledGradient(n_steps=100, growth=0.0).horizon_at(0, 4) == 40
    *_, calls = descent()
    learn(trainer=UnrolledGradient(**SHORT))
    assert [len(runs.cost_weights) - 1 for runs in calls] == [4, 5, 7, 10, 10, 10]


def test_rollouts_from_a_policy_are_of_full_length(descent):
    *_, calls = descent()
    init = learn()
    calls.clear()
    learn(policy=None, init=init, trainer=UnrolledGradient(**SHORT))
    assert [len(runs.cost_weights) - 1 for runs in calls] == [10] * 6


def test_rate_falls_to_zero_as_a_cosine():
    trainer = UnrolledGradient(n_steps=100, rate=0.2)
    assert trainer.rate_at(0) == 0.2
    assert trainer.rate_at(50) == pytest.approx(0.1)
    assert 0 < trainer.rate_at(99) < 1e-3


def test_cost_is_in_units_of_momentum(descent):
    made, state, calls = descent(near=0.0, rotations=0.0, n_runs=5)
    _, cost, lost = made.step(state, 0, 10)
    functions, weights = made.functions, calls[0].cost_weights
    momentum = weights @ functions.gaps(functions.momentum, 10, 1).mean(axis=0)
    assert momentum == pytest.approx(1.0, rel=1e-12)
    values = l2o.rollout(calls[0].problems, method=Policy(NETWORK, made.weights(state)), n_steps=10).fun
    f_star = dict(zip(functions.problems.index, functions.f_star))
    gaps = values - np.array([f_star[i] for i in calls[0].problems.index])[:, None]
    assert cost == pytest.approx((gaps @ weights).mean(), rel=1e-9)
    assert lost == 0


def test_every_function_and_every_start_is_taken_once_a_pass(descent):
    made, state, calls = descent(n_runs=5, near=0.0)
    for step in range(8):  # 40 runs are five passes over 8 functions
        state, *_ = made.step(state, step, 4)
    training = made.functions.problems
    functions = np.concatenate([runs.problems.index for runs in calls]).reshape(5, 8)
    starts = np.concatenate([runs.problems.x0 for runs in calls]).reshape(5, 8, 4)
    for function, start in zip(functions, starts):
        assert sorted(function) == sorted(training.index)
        assert {x.tobytes() for x in start} == {x.tobytes() for x in training.x0}
    assert len({tuple(function) for function in functions}) == 5


def test_share_of_the_runs_starts_near_where_momentum_ends(descent):
    made, state, calls = descent(n_runs=400, near=0.25)
    made.step(state, 0, 4)
    runs, training = calls[0], made.functions.problems
    own = {x.tobytes() for x in training.x0}
    near = np.array([x.tobytes() not in own for x in runs.problems.x0])
    assert 0.15 < near.mean() < 0.35
    ends = l2o.rollout(training, method=made.functions.momentum, n_steps=100).x[:, -1]
    where = [list(training.index).index(i) for i in runs.problems.index[near]]
    distance = np.linalg.norm(runs.problems.x0[near] - ends[where], axis=1)
    largest = np.linalg.norm(ends[:, None] - training.x0, axis=-1).max()
    assert (distance < 0.1 * largest).all()
    assert (distance > 0).all()


def test_share_of_the_blocks_is_turned(descent):
    made, state, calls = descent(n_runs=32 * 40, rotations=0.5)
    made.step(state, 0, 4)
    turns = calls[0].turns
    np.testing.assert_allclose(turns @ turns.swapaxes(1, 2), np.tile(np.eye(4), (40, 1, 1)), atol=1e-12)
    plain = (turns == np.eye(4)).all(axis=(1, 2))
    assert 0.25 < plain.mean() < 0.75
    assert len({each.tobytes() for each in turns[~plain]}) == (~plain).sum()


def test_step_without_a_usable_run_changes_nothing(descent, monkeypatch):
    made, state, _ = descent(n_runs=5)
    monkeypatch.setattr(mlp_unrolled, "differentiate", lambda runs, workers: (
        np.full(5, np.inf), np.zeros(5, bool), np.zeros_like(state.vector)))
    after, *told = made.step(state, 0, 4)
    assert told == [np.inf, 5]
    assert after.vector.tobytes() == state.vector.tobytes()


def test_step_leaves_the_state_before_it_as_it_was(descent):
    made, state, _ = descent(n_runs=5)
    before = {name: np.copy(getattr(state, name)) for name in ("vector", "mean", "square", "coming")}
    after, *_ = made.step(state, 0, 4)
    assert all((getattr(state, name) == value).all() for name, value in before.items())
    assert (after.vector != state.vector).any()


def test_lost_runs_are_counted_in_the_course(monkeypatch):
    differentiate = mlp_unrolled.differentiate

    def losing(runs, workers):
        losses, kept, gradient = differentiate(runs, workers)
        losses[:1], kept[:1] = np.inf, False
        return losses, kept, gradient

    monkeypatch.setattr(mlp_unrolled, "differentiate", losing)
    policy = train(FAMILY.sample(10, rng=0), validation=FAMILY.sample(4, rng=1), rng=0, policy=NETWORK,
                   trainer=UnrolledGradient(**{**SHORT, "n_runs": 10, "near": 0.0, "n_rounds": 3}))
    assert [entry["lost"] for entry in policy.card["training"]["course"][1:]] == [2, 2, 2]


# -- the trainer ---------------------------------------------------------------------------------------


SETTINGS = [{"n_steps": 5}, {"n_runs": 9}, {"horizon": 11}, {"first_horizon": 3}, {"growth": 0.9},
            {"near": 0.9}, {"relative": 1.0}, {"first_step": 0.5}, {"rotations": 0.0},
            {"rate": 1e-2}, {"clip": 1e-3}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_shapes_the_training(settings):
    one, other = (learn(trainer=UnrolledGradient(**{**SHORT, "rotations": 1.0, **each})).card["training"]["course"][-1]
                  for each in ({}, settings))
    assert one["validation"] != other["validation"]


@pytest.mark.parametrize("n_rounds", [1, 3, 9])
def test_course_has_an_entry_for_each_round(n_rounds):
    course = learn(trainer=UnrolledGradient(**{**SHORT, "n_rounds": n_rounds})).card["training"]["course"]
    taken = [i for i in range(n_rounds) if (i + 1) * 6 // n_rounds > i * 6 // n_rounds]  # with 6 steps
    assert [entry["round"] for entry in course] == [0, *(i + 1 for i in taken)]
    assert course[-1]["horizon"] == 10


def test_guided_policy_search_is_fine_tuned():
    """The second trainer starts from the best weights of the first; the card records both."""
    first = GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=2, batch=32)
    second = UnrolledGradient(**SHORT)
    alone, both = learn(trainer=first), learn(trainer=[first, second])
    assert both.card["training"]["trainers"] == [first.card(), second.card()]
    course, count = both.card["training"]["course"], len(alone.card["training"]["course"])
    assert course[:count] == alone.card["training"]["course"]
    assert [entry["round"] for entry in course[count:]] == [0, 1, 2]
    best = min(entry["validation"] for entry in course[:count])
    assert course[count]["validation"] == pytest.approx(best, rel=1e-9)
    assert both.card["quality"]["policy"] <= best


def test_init_without_a_step_is_the_policy_at_rest():
    init = learn()
    policy = learn(policy=None, init=init, trainer=UnrolledGradient(**{**SHORT, "n_steps": 0}))
    assert policy.card["training"]["init"] == init.card["training"]
    assert bits(policy) == bits(init)


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"n_steps": -1}, ValueError, "n_steps is -1; expected at least 0"),
    ({"n_runs": 0}, ValueError, "n_runs is 0"), ({"n_runs": 1.5}, TypeError, "n_runs is 1.5; expected an integer"),
    ({"horizon": 0}, ValueError, "horizon is 0"), ({"first_horizon": 0}, ValueError, "first_horizon is 0"),
    ({"first_horizon": 41}, ValueError, "first_horizon is 41; expected at most horizon, 40"),
    ({"growth": 1.5}, ValueError, r"growth is 1.5; expected a number in \[0, 1\]"),
    ({"growth": -1}, ValueError, "growth is -1"),
    ({"near": 1.1}, ValueError, "near is 1.1"), ({"relative": 1.5}, ValueError, "relative is 1.5"),
    ({"rotations": np.nan}, ValueError, "rotations is nan"), ({"first_step": -1}, ValueError, "first_step is -1"),
    ({"rate": 0}, ValueError, "rate is 0"), ({"rate": "fast"}, TypeError, "rate is 'fast'"),
    ({"clip": np.inf}, ValueError, "clip is inf"), ({"n_rounds": 0}, ValueError, "n_rounds is 0"),
], ids=str)
def test_setting_that_does_not_fit_is_an_error_that_names_it(settings, error, message):
    with pytest.raises(error, match=message):
        UnrolledGradient(**settings)


def test_training_beats_tuned_momentum():
    """A small training from random weights (5 s), on the functions it chose on and on 300 that nobody saw.

    Measured over seeds 0-2, learned / momentum in the mean over k = 1..40: validation .85 .79 .95, unseen .87 .89 1.02.
    """
    family = l2o.families.Logistic()
    policy = train(family, n_functions=60, rng=0, policy=MLP(history=10, width=30),
                   trainer=UnrolledGradient(n_steps=400, n_runs=64, rate=5e-3, near=0.25))
    quality = policy.card["quality"]
    assert quality["policy"] < 0.95 * quality["momentum"]
    momentum = l2o.baselines.Momentum(**quality["momentum_settings"])
    report = l2o.compare(family.sample(300, streams(0)["fresh"]), {"learned": policy, "momentum": momentum},
                         n_steps=40, n_bootstrap=10)
    learned, tuned = (report.curves()[name].mean for name in ("learned", "momentum"))
    assert learned[1:].mean() < 0.95 * tuned[1:].mean()
    assert np.isfinite(report.runs["learned"].fun).all()


def test_defaults_are_the_documented_ones():
    """docs/method.md: 96 runs, from 4 to 40 steps over half of the training, a quarter near starts, half turned."""
    trainer = UnrolledGradient()
    assert (trainer.n_runs, trainer.first_horizon, trainer.horizon) == (96, 4, 40)
    assert (trainer.growth, trainer.near, trainer.rotations) == (0.5, 0.25, 0.5)
