"""Examples and imitation: what the policy is shown, what turning the axes leaves alone, and the regression."""

import dataclasses

import numpy as np
import oracles
import pytest

import l2o
from l2o._kernels.training import unrolled
from l2o._kernels.training.adam import adam
from l2o.policies import MLP, Policy
from l2o.policies.mlp_regression import Batches, Trained
from l2o.policies.trainable import Examples
from l2o.problems import PythonObjective
from l2o.training.controllers import Controllers, momentum_controllers
from l2o.training.examples import LABEL_BOUND, label, rotate
from l2o.training.imitation import Regression, imitate, one_cycle
from l2o.training.trajectories import Layout, Trajectories, simulate

M, N, T, DIM, H = 3, 4, 7, 4, 3
NETWORK = MLP(history=H, width=6)
LAYOUTS = [Layout(DIM, H, H, 0), Layout(DIM, H, H + 1, 1)]
LAYOUT = LAYOUTS[0]
ONES = np.ones(NETWORK.n_observations(DIM))


def drawn(layout=LAYOUT, m=M, n=N, seed=0):
    """Return random states (m, n, T, S), actions and precisions."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((m, n, T, layout.dim, layout.dim))
    return (rng.standard_normal((m, n, T, layout.size)), rng.standard_normal((m, n, T, layout.dim)),
            root @ root.swapaxes(-1, -2) + np.eye(layout.dim))


def gradients(states, layout):
    """Return the gradients of states, (m, n, T, kept, d)."""
    return states[..., layout.dim + layout.history :].reshape(*states.shape[:-1], layout.kept, layout.dim)


def sampled(sigma=0.1, seed=0, layout=LAYOUT, step_size=0.8):
    """Return teachers of logistic regressions and noisy runs of them, N a function."""
    problems = l2o.families.Logistic(n_points=30).sample(M, rng=2)
    teachers = momentum_controllers(np.full(M, step_size), np.full(M, 0.5), T, sigma, layout)
    noise = sigma * np.random.default_rng(seed).standard_normal((M * N, T, DIM))
    return teachers, simulate(teachers.repeated(N), problems[np.repeat(np.arange(M), N)], T, noise=noise)


def labelled(samples, teachers, used=(True,) * M, network=NETWORK, deviation=ONES, rotations=0.0, seed=0):
    weights = {"deviation": deviation}
    return label(samples, teachers, np.array(used), network, weights, rotations, np.random.default_rng(seed))


# -- turning the axes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rotation_keeps_lengths_and_inner_products(layout):
    states, actions, precision = drawn(layout)
    turned, moved, weight = rotate(states, actions, precision, 1.0, layout, np.random.default_rng(1))
    before, after = gradients(states, layout), gradients(turned, layout)
    assert abs(after - before).max() > 0.5
    inner = [np.einsum("mntid,mnujd->mntuij", g, g) for g in (before, after)]  # of all times of a trajectory
    np.testing.assert_allclose(*inner, rtol=0, atol=1e-12 * abs(inner[0]).max())
    along = [np.einsum("mntid,mnud->mntui", g, a) for g, a in ((before, actions), (after, moved))]
    np.testing.assert_allclose(*along, rtol=0, atol=1e-12 * abs(along[0]).max())
    size = [np.einsum("mntd,mntde,mnte->mnt", a, P, a) for a, P in ((actions, precision), (moved, weight))]
    np.testing.assert_allclose(*size, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(weight), np.linalg.eigvalsh(precision), rtol=0, atol=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rotation_leaves_location_and_objective_changes(layout):
    states, actions, precision = drawn(layout)
    copies = [part.copy() for part in (states, actions, precision)]
    turned, *_ = rotate(states, actions, precision, 1.0, layout, np.random.default_rng(1))
    head = layout.dim + layout.history
    np.testing.assert_array_equal(turned[..., :head], states[..., :head])
    for part, copy in zip((states, actions, precision), copies):
        np.testing.assert_array_equal(part, copy)


def test_rotation_of_no_share_is_the_identity():
    parts = drawn()
    for part, same in zip(parts, rotate(*parts, 0.0, LAYOUT, np.random.default_rng(1))):
        np.testing.assert_allclose(same, part, rtol=1e-14, atol=1e-14)


def test_rotation_turns_its_share_of_whole_trajectories():
    states, actions, precision = drawn(m=40, n=50)
    _, moved, _ = rotate(states, actions, precision, 0.3, LAYOUT, np.random.default_rng(1))
    differs = abs(moved - actions).max(axis=-1) > 1e-9
    assert (differs.all(axis=-1) == differs.any(axis=-1)).all()
    assert abs(differs[..., 0].mean() - 0.3) < 5 * np.sqrt(0.21 / 2000)
    assert 0 < differs[0, :, 0].sum() < 50  # within a function, too


def test_rotation_has_no_preferred_direction():
    """The mean image of each axis is zero: orthogonal matrices drawn uniformly."""
    states, actions, precision = drawn(m=1, n=4000)
    actions[:] = np.eye(DIM)[np.arange(T) % DIM]
    _, moved, _ = rotate(states, actions, precision, 1.0, LAYOUT, np.random.default_rng(1))
    assert abs(moved[0].mean(axis=0)).max() < 5 * np.sqrt(1 / DIM / 4000)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rotation_is_what_a_turned_problem_shows(layout):
    """f(R'x) run by momentum, which knows no axes: its states and steps are the turned ones."""
    hessian, x0 = np.diag([2.0, 1.0, 0.5, 0.1]), np.random.default_rng(4).standard_normal(DIM)
    teachers = momentum_controllers(np.full(1, 0.4), np.full(1, 0.5), T, 0.1, layout)

    def run(hessian, x0):
        objective = PythonObjective(lambda x, _: (x @ hessian @ x / 2, hessian @ x), lambda: 0, x0)
        return Trajectories(*teachers.simulate(objective, T)[:3])

    plain = run(hessian, x0)
    precision = np.broadcast_to(np.diag([1.0, 2.0, 3.0, 4.0]), (1, 1, T, DIM, DIM))
    shown, wanted, weight = rotate(plain.states(layout)[None], plain.actions[None], precision, 1.0, layout,
                                   np.random.default_rng(1))
    R = np.linalg.lstsq(plain.actions[0], wanted[0, 0], rcond=None)[0].T  # what it was turned by
    turned = run(R @ hessian @ R.T, R @ x0)
    np.testing.assert_allclose(wanted[0], turned.actions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(shown[0, ..., DIM:], turned.states(layout)[..., DIM:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(teachers.means(shown), wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(weight[0, 0, 0], R @ precision[0, 0, 0] @ R.T, rtol=0, atol=1e-9)


# -- labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_are_the_steps_of_the_teacher_of_each_function(layout):
    network = MLP(history=H, width=6, newest_gradient=layout.first == 0)
    teachers, samples = sampled(layout=layout)
    teachers = dataclasses.replace(teachers, k=np.random.default_rng(0).standard_normal(teachers.k.shape) / 10)
    examples = labelled(samples, teachers, network=network)
    states = samples.states(layout).reshape(M, N, T, layout.size)
    expected = np.einsum("mtds,mnts->mntd", teachers.K, states) + teachers.k[:, None]
    np.testing.assert_allclose(examples.actions, expected.reshape(-1, DIM), rtol=0, atol=1e-12)
    features, scale = network.features(samples.observations(layout).reshape(-1, network.n_observations(DIM)))
    np.testing.assert_allclose(examples.features, features, rtol=1e-13)
    np.testing.assert_allclose(examples.scale, scale, rtol=1e-13)
    assert len(examples) == M * N * T


def test_features_are_standardised_by_the_deviation():
    teachers, samples = sampled()
    deviation = np.random.default_rng(0).uniform(0.5, 2, ONES.shape)
    plain, divided = labelled(samples, teachers), labelled(samples, teachers, deviation=deviation)
    np.testing.assert_allclose(divided.features * deviation, plain.features, rtol=1e-12)


def test_labels_are_shortened_to_their_bound():
    teachers, samples = sampled()
    free = labelled(samples, teachers).actions
    length = np.linalg.norm(free, axis=1)
    network = MLP(history=H, width=6, max_step=float(np.median(length)) / LABEL_BOUND)
    bounded = labelled(samples, teachers, network=network).actions
    np.testing.assert_allclose(np.linalg.norm(bounded, axis=1), np.minimum(length, np.median(length)), rtol=1e-12)
    np.testing.assert_allclose(bounded * length[:, None], free * np.linalg.norm(bounded, axis=1)[:, None], atol=1e-12)
    unbounded = labelled(samples, teachers, network=MLP(history=H, width=6, max_step=np.inf)).actions
    np.testing.assert_array_equal(unbounded, free)


def test_functions_that_are_not_used_have_no_examples():
    teachers, samples = sampled()
    whole, some = labelled(samples, teachers), labelled(samples, teachers, used=(True, False, True))
    kept = np.repeat([True, False, True], N * T)
    np.testing.assert_array_equal(some.actions, whole.actions[kept])
    np.testing.assert_array_equal(some.features, whole.features[kept])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e7])
@pytest.mark.parametrize("part", ["x", "fun", "jac"])
def test_rows_of_a_lost_run_are_dropped(part, value):
    """From step 3 on one value is not finite or huge; rows before it stay."""
    teachers, samples = sampled()
    parts = {name: getattr(samples, name).copy() for name in ("x", "fun", "jac")}
    parts[part][5, 3] = value
    examples = labelled(Trajectories(**parts), teachers)
    states = Trajectories(**parts).states(LAYOUT)
    usable = np.array([[np.isfinite(s).all() and abs(s).max() < 1e6 for s in run] for run in states])
    assert usable[5, :3].all()
    assert not usable[5, 3]
    assert len(examples) == usable.sum()
    for field in dataclasses.fields(examples):
        assert np.isfinite(getattr(examples, field.name)).all()
    np.testing.assert_allclose(examples.actions, labelled(samples, teachers).actions[usable.ravel()], atol=1e-12)


@pytest.mark.parametrize("rotations", [0.0, 1.0])
def test_precision_has_the_dimension_as_mean_trace(rotations):
    teachers, samples = sampled()
    factor = np.linspace(1, 50, M)[:, None, None, None] * np.linspace(1, 3, T)[:, None, None]
    shape = np.diag([1.0, 2.0, 4.0, 8.0])
    teachers = dataclasses.replace(teachers, precision=factor * shape)
    for used in ((True, True, True), (False, True, False)):
        precision = labelled(samples, teachers, used=used, rotations=rotations).precision
        traces = np.trace(precision, axis1=1, axis2=2)
        assert traces.mean() == pytest.approx(DIM, rel=1e-12)
        relative = np.broadcast_to(factor[list(used), :, 0, 0][:, None], (sum(used), N, T)).ravel()
        np.testing.assert_allclose(traces / traces[0], relative / relative[0], rtol=1e-12)


def test_labels_of_turned_trajectories_are_the_turned_labels():
    """Momentum knows no axes, so that what it would do at the turned states is known."""
    teachers, samples = sampled()
    network = MLP(history=H, width=6, inputs="linear")
    plain, turned = (labelled(samples, teachers, network=network, rotations=r) for r in (0.0, 1.0))
    assert abs(turned.actions - plain.actions).max() > 0.1
    np.testing.assert_allclose(turned.scale, plain.scale, rtol=1e-12)
    for each in (plain, turned):
        seen = (each.features[:, H:] * each.scale[:, None]).reshape(-1, H, DIM)
        expected = -0.8 * np.einsum("i,nid->nd", 0.5 ** np.arange(H), seen)
        np.testing.assert_allclose(each.actions, expected, rtol=0, atol=1e-12)


def test_labels_in_single_precision_are_those_in_double():
    teachers, samples = sampled()
    args = samples, teachers, np.array([True, False, True]), NETWORK, {"deviation": ONES}, 1.0
    double, single = (label(*args, np.random.default_rng(3), dtype) for dtype in (float, np.float32))
    assert len(double) == len(single) == 2 * N * T
    for field in dataclasses.fields(Examples):
        values, rounded = getattr(double, field.name), getattr(single, field.name)
        assert values.dtype == float
        assert rounded.dtype == np.float32
        np.testing.assert_allclose(rounded, values, rtol=0, atol=1e-6 * abs(values).max())


# -- the regression ------------------------------------------------------------------------------------


ACTIVATIONS = ("softplus", "relu")


def weights_and_rows(n=23, width=6, seed=0, dim=DIM, activation="softplus"):
    rng = np.random.default_rng(seed)
    network = MLP(history=H, width=width, activation=activation)
    weights = network.initial(dim, rng)
    weights["b1"], weights["W2"] = rng.standard_normal(width), rng.standard_normal((dim, width))
    root = rng.standard_normal((n, dim, dim))
    rows = Examples(rng.standard_normal((n, network.n_observations(dim))), rng.uniform(0.1, 2, n),
                    rng.standard_normal((n, dim)), root @ root.swapaxes(1, 2))
    return network, network.at_rest(weights), rows


def loss(network, weights, rows):
    """Return the mean of 1/2 (mu - a)' P (mu - a), mu = r (W2 sigma(W1 z + b1) + b2), b2 at rest."""
    weights = network.at_rest(weights)
    total = 0.0
    for z, r, a, P in zip(rows.features, rows.scale, rows.actions, rows.precision):
        hidden = oracles.activation(network.activation, weights["W1"] @ z + weights["b1"])
        error = r * (weights["W2"] @ hidden + weights["b2"]) - a
        total += error @ P @ error / 2
    return total / len(rows)


def loss_and_gradient(weights, rows, which=None, dtype=float, activation="softplus"):
    """Return what the regression computes of a batch of rows, by default of all."""
    which = np.arange(len(rows)) if which is None else which
    trained = Trained.of(weights, dtype)
    batches = Batches(rows, trained, activation)
    value = batches.loss(which)
    return value, batches.by_trained.weights()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [1, 23, 32, 64, 96, 100])
def test_loss_equals_its_formula(n, activation):
    network, weights, rows = weights_and_rows(n, activation=activation)
    value, _ = loss_and_gradient(weights, rows, activation=activation)
    assert value == pytest.approx(loss(network, weights, rows), rel=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [1, 23, 64])
@pytest.mark.parametrize("name", ["W1", "b1", "W2"])
def test_gradient_equals_differences_of_the_loss(name, n, activation):
    network, weights, rows = weights_and_rows(n, activation=activation)
    _, gradient = loss_and_gradient(weights, rows, activation=activation)
    assert set(gradient) == {"W1", "b1", "W2"}
    assert gradient[name].shape == weights[name].shape
    for position in np.ndindex(weights[name].shape):
        values = []
        for step in (1e-6, -1e-6):
            moved = weights[name].copy()
            moved[position] += step
            values.append(loss(network, {**weights, name: moved}, rows))
        assert gradient[name][position] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_gradient_of_a_batch_is_that_of_its_rows():
    """Blocks are gathered in the order of the batch; a batch after a batch leaves nothing of the first."""
    _, weights, rows = weights_and_rows(90)
    which = np.random.default_rng(1).permutation(90)
    trained = Trained.of(weights, float)
    batches = Batches(rows, trained, "softplus")
    for part in (which[:40], which[40:80]):
        value = batches.loss(part)
        expected, gradient = loss_and_gradient(weights, rows[part])
        assert value == expected
        for name, computed in batches.by_trained.weights().items():
            np.testing.assert_array_equal(computed, gradient[name])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_in_single_precision_is_that_in_double(activation):
    _, weights, rows = weights_and_rows(100, width=50)
    weights["b1"] *= 20  # units that are shut, and units that are open
    value, gradient = loss_and_gradient(weights, rows, activation=activation)
    single, rounded = loss_and_gradient(weights, rows, dtype=np.float32, activation=activation)
    assert single == pytest.approx(value, rel=1e-5)
    for name in gradient:
        np.testing.assert_allclose(rounded[name], gradient[name], rtol=0, atol=1e-5 * abs(gradient[name]).max())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_its_formula_at_all_sizes(name):
    x = np.concatenate([-np.geomspace(1e-30, 1e4, 40), np.geomspace(1e-30, 1e4, 40), [0.0, -0.0, 700.0, -700.0]])
    pre = np.resize(x, (6, unrolled.BLOCK))
    gate, hidden, rest = pre.copy(), np.empty_like(pre), np.resize([0.0, 0.7], 6)
    unrolled.ACTIVATE[name](gate, np.empty_like(pre), hidden, rest)
    np.testing.assert_allclose(hidden, oracles.activation(name, pre) - rest[:, None], rtol=1e-15, atol=3e-16)
    slope = {"softplus": 0.5 * (1 + np.tanh(pre / 2)), "relu": pre > 0}[name]
    np.testing.assert_allclose(gate, slope, rtol=0, atol=3e-16)


@pytest.mark.parametrize("clip", [0.5, 1e3])
def test_adam_equals_its_statement(clip):
    """Algorithm 1 of Kingma and Ba (2015), after the gradient is shortened to the longest allowed."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(37)
    mean, square, expected = np.zeros(37), np.zeros(37), weights.copy()
    m, v = np.zeros(37), np.zeros(37)
    for step in range(1, 6):
        g = rng.standard_normal(37)
        adam(weights, g, mean, square, step, 0.1 / step, clip)
        g = g * min(1.0, clip / np.linalg.norm(g))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        expected -= 0.1 / step * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-12)


def test_rate_rises_and_falls():
    rates = np.array([one_cycle(step, 100, 2.0) for step in range(100)])
    assert rates.argmax() == 30
    assert rates.max() == pytest.approx(2.0)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    assert rates[0] == pytest.approx(0.08)
    assert 0 < rates[-1] < 0.01


@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
def test_imitation_keeps_no_step_where_nothing_is_seen(inputs):
    network, weights, rows = weights_and_rows()
    network = dataclasses.replace(network, inputs=inputs)
    fitted = imitate(network, weights, rows, Regression(epochs=2, batch=8), np.random.default_rng(0))
    policy = Policy(network, fitted)
    bound = 1e-15 * abs(fitted["W2"]).sum() * max(1.0, abs(fitted["b1"]).max())
    assert abs(fitted["W2"] @ np.logaddexp(0, fitted["b1"])).min() > 0.1  # b2 is needed
    np.testing.assert_allclose(policy.actions(np.zeros(network.n_observations(DIM))), np.zeros(DIM), rtol=0, atol=bound)
    flat = PythonObjective(lambda x, _: (1.5, np.zeros(DIM)), lambda: 0, np.zeros(DIM))
    np.testing.assert_allclose(policy.simulate(flat, 6)[0][0], np.zeros((7, DIM)), rtol=0, atol=6 * bound)


def linear_teacher(n=600, seed=0):
    """Return examples of the step -1/2 g, from raw gradients."""
    rng = np.random.default_rng(seed)
    network = MLP(history=1, width=20, inputs="raw", max_step=np.inf)
    seen = rng.standard_normal((n, network.n_observations(DIM)))
    rows = Examples(seen, np.ones(n), -0.5 * seen[:, 1:], np.broadcast_to(np.eye(DIM), (n, DIM, DIM)).copy())
    return network, network.at_rest(network.initial(DIM, rng)), rows


def test_imitation_fits_a_linear_teacher():
    network, weights, rows = linear_teacher()
    fitted = imitate(network, weights, rows, Regression(epochs=60, batch=50, rate=1e-2), np.random.default_rng(0))
    new = linear_teacher(200, seed=1)[2]  # not seen in the regression
    assert loss(network, fitted, new) < 0.01 * loss(network, weights, new)
    np.testing.assert_allclose(Policy(network, fitted).actions(new.features), new.actions, rtol=0, atol=0.35)


def test_imitation_weights_errors_by_the_precision():
    """Two teachers at odds, one trusted a hundred times as much: the policy does what that one does."""
    network, weights, rows = linear_teacher()
    n = len(rows)
    both = Examples(np.concatenate([rows.features, rows.features]), np.ones(2 * n),
                    np.concatenate([rows.actions, -rows.actions]),
                    np.concatenate([1.98 * rows.precision, 0.02 * rows.precision]))
    fitted = imitate(network, weights, both, Regression(epochs=30, batch=50, rate=1e-2), np.random.default_rng(0))
    assert loss(network, fitted, rows) < 0.02 * loss(network, fitted, both[np.arange(n, 2 * n)])


def test_imitation_follows_its_seed():
    network, weights, rows = weights_and_rows(60)
    settings = Regression(epochs=2, batch=16)
    one, two, other = (imitate(network, weights, rows, settings, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    assert any(one[name].tobytes() != other[name].tobytes() for name in one)


def test_imitation_leaves_its_arguments_alone():
    network, weights, rows = weights_and_rows()
    before = {name: value.copy() for name, value in weights.items()}
    fitted = imitate(network, weights, rows, Regression(epochs=1, batch=8), np.random.default_rng(0))
    assert all(np.array_equal(weights[name], before[name]) for name in before)
    np.testing.assert_array_equal(fitted["deviation"], weights["deviation"])
    assert all(value.dtype == np.float64 for value in fitted.values())


def test_imitation_of_fewer_rows_than_a_batch_learns():
    network, weights, rows = linear_teacher(7)
    fitted = imitate(network, weights, rows, Regression(epochs=50, batch=500), np.random.default_rng(0))
    assert loss(network, fitted, rows) < 0.9 * loss(network, weights, rows)


def test_imitation_is_not_thrown_by_one_huge_error():
    """The gradient is clipped: one row that is off by 1e6 does not make the weights useless."""
    network, weights, rows = linear_teacher()
    wild = dataclasses.replace(rows, actions=np.where(np.arange(600)[:, None] == 17, 1e6, rows.actions))
    fitted = imitate(network, weights, wild, Regression(epochs=10, batch=50), np.random.default_rng(0))
    assert loss(network, fitted, rows) < loss(network, weights, rows)


def test_controllers_and_policy_agree_on_what_is_seen(random_policy):
    """The features of a label are those that the policy computes from the state the controller acts on."""
    for layout in LAYOUTS:
        policy = random_policy(dim=DIM, history=H, newest_gradient=layout.first == 0)
        teachers, samples = sampled(layout=layout)
        examples = labelled(samples, teachers, network=policy.network, deviation=policy.weights["deviation"])
        weights = policy.weights
        hidden = oracles.activation(policy.network.activation, examples.features @ weights["W1"].T + weights["b1"])
        acts = examples.scale[:, None] * (hidden @ weights["W2"].T + weights["b2"])
        seen = samples.observations(layout).reshape(-1, policy.network.n_observations(DIM))
        short = np.linalg.norm(acts, axis=1) < policy.network.max_step
        np.testing.assert_allclose(acts[short], policy.actions(seen)[short], rtol=1e-12, atol=1e-13)
        assert isinstance(teachers, Controllers)
