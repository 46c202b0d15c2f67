"""Native kernels against their plain statement in oracles.py, for every instruction set that this CPU has."""

import ctypes
import itertools
import os
import subprocess
import sys

import numpy as np
import oracles
import pytest

import l2o
from l2o import _kernels
from l2o.baselines import GradientDescent, Momentum
from l2o.families import Logistic
from l2o.methods import Step, StepMethod
from l2o.problems import Kernel, Problems, PythonObjective

EXACT = {"rtol": 1e-12, "atol": 1e-12}


class Fixed(StepMethod):
    """A method of a given step."""

    def __init__(self, step):
        self._step = step

    def step(self, dim):
        return self._step


def scripted(f, g):
    """Return an objective that returns f[t], g[t] at its call number t, wherever it is asked."""
    script = zip(f.tolist(), g)
    return PythonObjective(lambda x, _: next(script), lambda: 0, np.zeros(g.shape[1]))


def steps(method, f, g):
    """Return the steps that a method takes when it sees f (T+1,) and g (T+1, d), and the rounding of locations."""
    x = method.simulate(scripted(f, g), len(f) - 1)[0][0]
    return np.diff(x, axis=0), 1e-15 * np.abs(x).max()


def seen(n, dim, size=1.0, seed=0):
    """Return values f (n,) and gradients g (n, dim) of very different sizes."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n), size * 10 ** rng.uniform(-3, 1, (n, 1)) * rng.standard_normal((n, dim))


def data(n, p, seed=0, m=3):
    """Return features (m, n, p), labels (m, n) and points (m, p + 1)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n, p)), rng.integers(0, 2, (m, n)).astype(float), rng.standard_normal((m, p + 1))


def test_kernels_are_of_the_level_asked_for():
    assert os.environ.get("L2O_CPU", _kernels.CPU_LEVELS[-1]) == _kernels.CPU_LEVEL
    assert _kernels.mlp.__name__.endswith(_kernels.CPU_LEVEL)
    for kernel in (_kernels.logistic, _kernels.robust, _kernels.neural_net):
        assert kernel.__name__.endswith(_kernels.CPU_LEVEL)


# -- logistic ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 128, 129, 513])
@pytest.mark.parametrize("p", [1, 2, 3, 7, 12])
def test_logistic_equals_its_formula(n, p):
    X, y, x = data(n, p)
    problems = Logistic(p, l2=0.01).from_data(X, y)
    f, g = problems.value_and_grad(x)
    for i in range(len(x)):
        value, gradient = oracles.logistic(x[i], X[i], y[i], 0.01)
        np.testing.assert_allclose(f[i], value, **EXACT)
        np.testing.assert_allclose(g[i], gradient, **EXACT)
        np.testing.assert_allclose(problems.hessian(x)[i], oracles.logistic_hessian(x[i], X[i], y[i], 0.01), **EXACT)


@pytest.mark.parametrize("size", [1e-300, 1e-8, 40.0, 1e3, 1e6, 1e150])
def test_logistic_holds_at_extreme_margins(size):
    X, y, x = data(200, 3)
    problems = Logistic(3, l2=0.0).from_data(X, y)
    f, g = problems.value_and_grad(size * x)
    hessian = problems.hessian(size * x)
    for i in range(len(x)):
        value, gradient = oracles.logistic(size * x[i], X[i], y[i], 0.0)
        np.testing.assert_allclose(f[i], value, **EXACT)
        np.testing.assert_allclose(g[i], gradient, **EXACT)
        np.testing.assert_allclose(hessian[i], oracles.logistic_hessian(size * x[i], X[i], y[i], 0.0), **EXACT)


def test_logistic_of_separable_data_goes_to_zero():
    X = np.array([[[-1.0], [1.0]]])
    problems = Logistic(1, l2=0.0).from_data(X, [[0, 1]])
    f, g = zip(*(problems.value_and_grad([[w, 0.0]]) for w in (1.0, 30.0, 700.0, 1e3, 1e150)))
    assert np.all(np.diff(np.ravel(f)) <= 0)
    assert np.ravel(f)[-1] == 0.0
    assert np.isfinite(g).all()
    assert not np.any(g[-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logistic_of_a_nonfinite_point_is_not_finite(bad):
    X, y, x = data(9, 3)
    x[1, 2] = bad
    problems = Logistic(3).from_data(X, y)
    f, g = problems.value_and_grad(x)
    assert np.isfinite(f).tolist() == [True, False, True]
    assert np.isfinite(g[[0, 2]]).all()


def test_logistic_of_duplicated_points_is_the_same():
    X, y, x = data(37, 3)
    once, many = Logistic(3).from_data(X, y), Logistic(3).from_data(np.tile(X, (1, 31, 1)), np.tile(y, (1, 31)))
    np.testing.assert_allclose(many.value_and_grad(x)[0], once.value_and_grad(x)[0], **EXACT)
    np.testing.assert_allclose(many.value_and_grad(x)[1], once.value_and_grad(x)[1], **EXACT)


# -- the network ---------------------------------------------------------------------------------------

# history, dimension, width: odd sizes, hidden units over the kernel's 256 and history entries over its 64 at a time
SIZES = [(3, 1, 1), (3, 2, 5), (25, 4, 50), (25, 7, 50), (3, 2, 300), (70, 2, 8), (3, 40, 257)]
NETWORKS = [dict(zip(("history", "dim", "width", "inputs", "newest_gradient", "activation"), (*size, *kind)))
            for size in SIZES
            for kind in itertools.product(("raw", "linear", "scaled"), (True, False), ("softplus", "relu"))]
NETWORKS += [{"history": 1, "dim": dim, "width": 5, "inputs": "raw", "newest_gradient": True} for dim in (1, 7)]
NETWORKS += [{"history": h, "dim": 2, "width": 5, "inputs": "scaled", "newest_gradient": False} for h in (1, 2)]


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("max_step", [np.inf, 0.3])
def test_mlp_steps_equal_the_formula(settings, max_step, random_policy):
    policy = random_policy(**settings, max_step=max_step)
    H, newest = settings["history"], settings["newest_gradient"]
    f, g = seen(H + 8, settings["dim"])
    taken, rounding = steps(policy, f, g)
    for t in range(len(taken)):
        observation = oracles.observation(f, g, t, H, newest)
        expected = oracles.mlp(policy.weights, policy.network, observation)
        np.testing.assert_allclose(taken[t], expected, rtol=1e-12, atol=1e-12 + rounding)


@pytest.mark.parametrize("activation", ["softplus", "relu"])
@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
@pytest.mark.parametrize(("history", "dim", "width"), [(3, 2, 5), (25, 4, 50), (3, 2, 300)])
def test_mlp_steps_in_single_precision_equal_the_formula(history, dim, width, inputs, activation, random_policy):
    """To the rounding of single precision of what the units add up to without signs. Measured: 7e-8 of it."""
    policy = random_policy(dim, history=history, width=width, inputs=inputs, activation=activation,
                           max_step=np.inf).astype("float32")
    weights = {name: value.astype(float) for name, value in policy.weights.items()}
    sizes = {**{name: abs(value) for name, value in weights.items()}, "deviation": weights["deviation"]}
    f, g = seen(history + 8, dim)
    taken, rounding = steps(policy, f, g)
    for t in range(len(taken)):
        observation = oracles.observation(f, g, t, history)
        expected = oracles.mlp(weights, policy.network, observation)
        size = oracles.mlp(sizes, policy.network, abs(observation))
        assert (abs(taken[t] - expected) <= 2e-7 * size + rounding).all()


@pytest.mark.parametrize("activation", ["softplus", "relu"])
@pytest.mark.parametrize("inputs", ["raw", "linear", "scaled"])
@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e6])
def test_mlp_steps_equal_the_formula_at_any_gradient_size(inputs, size, activation, random_policy):
    policy = random_policy(dim=3, inputs=inputs, activation=activation, max_step=np.inf)
    f, g = seen(12, 3, size)
    taken, rounding = steps(policy, f * size, g)
    for t in range(len(taken)):
        expected = oracles.mlp(policy.weights, policy.network, oracles.observation(f * size, g, t, 3))
        np.testing.assert_allclose(taken[t], expected, rtol=1e-11, atol=rounding)


def test_mlp_rollout_equals_the_loop_in_python(random_policy):
    X, y, x0 = data(30, 3)
    policy = random_policy(dim=4, history=5, width=9)

    def action(x, f, g, t):
        return oracles.mlp(policy.weights, policy.network, oracles.observation(f, g, t, 5))

    runs = l2o.rollout(Logistic(3).from_data(X, y, x0), method=policy, n_steps=20)
    for i in range(len(x0)):
        x, f, g = oracles.rollout(lambda z, i=i: oracles.logistic(z, X[i], y[i], 5e-4), action, x0[i], 20)
        np.testing.assert_allclose(runs.x[i], x, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(runs.fun[i], f, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(runs.jac[i], g, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["softplus", "relu"])
def test_mlp_of_a_nan_gradient_steps_to_nan(activation, precision, random_policy):
    """Of either sign: a unit does not count it as negative."""
    f, g = seen(4, 2)
    policy = random_policy(dim=2, activation=activation).astype(precision)
    x, _, _, status = policy.simulate(scripted(f, np.where(np.arange(4)[:, None] == 2, [np.nan, -np.nan], g)), 3)
    assert status.tolist() == [3]
    assert (x[0, 3] == x[0, 2]).all()


# -- linear policies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_momentum_equals_its_formula(dim):
    f, g = seen(40, dim)
    taken, rounding = steps(Momentum(0.3, 0.8), f, g)
    np.testing.assert_allclose(taken, oracles.momentum(g[:-1], 0.3, 0.8), rtol=1e-12, atol=1e-12 + rounding)
    taken, rounding = steps(GradientDescent(0.3), f, g)
    np.testing.assert_allclose(taken, -0.3 * g[:-1], rtol=1e-12, atol=1e-12 + rounding)


@pytest.mark.parametrize("kept", [1, 3, 4])
@pytest.mark.parametrize("dim", [1, 2, 7])
def test_controller_equals_its_formula(dim, kept):
    changes, horizon = 3, 9
    rng = np.random.default_rng(0)
    size = dim + changes + kept * dim
    K, k = rng.standard_normal((horizon, dim, size)) / size, rng.standard_normal((horizon, dim))
    block = np.concatenate([[horizon, changes, kept], K.ravel(), k.ravel()])[None]
    f, g = seen(horizon + 1, dim)
    method = Fixed(Step(_kernels.linear.CONTROLLER, block, max(changes + 1, kept)))
    x = method.simulate(scripted(f, g), horizon)[0][0]
    for t in range(horizon):
        expected = oracles.controller(K, k, x[t], f, g, t, changes, kept)
        np.testing.assert_allclose(x[t + 1] - x[t], expected, rtol=1e-12, atol=1e-12 * np.abs(x).max())


def test_controller_of_each_run_is_its_own(problems):
    offsets = np.arange(3.0)[:, None] * np.ones(4)
    blocks = np.hstack([np.tile([1.0, 1, 1], (3, 1)), np.zeros((3, 4 * (4 + 1 + 4))), offsets])
    method = Fixed(Step(_kernels.linear.CONTROLLER, blocks, 2, index=np.array([2, 0, 1])))
    x = method.simulate(problems[:3], 1)[0]
    np.testing.assert_allclose(x[:, 1] - x[:, 0], offsets[[2, 0, 1]], **EXACT)


# -- the C ABI of an objective ----------------------------------------------------------------------------


def foreign(function, m=3, dim=2):
    """Return problems behind a C function (x, f, g, n, user) -> code; problem i has the data [i, 10 i]."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.POINTER(ctypes.c_double)] * 3, ctypes.c_ssize_t,
                            ctypes.POINTER(ctypes.c_double))
    pointer = kind(function)
    blocks = np.arange(m)[:, None] * np.array([1.0, 10.0])
    kernel = Kernel("foreign", ctypes.cast(pointer, ctypes.c_void_p).value)
    return Problems(kernel, blocks, np.arange(m), np.ones((m, dim))), pointer


def test_objective_is_given_its_point_and_its_data():
    def square(x, f, g, n, user):
        f[0] = user[1] + sum(x[j] ** 2 for j in range(n)) / 2
        for j in range(n):
            g[j] = x[j]
        return 0

    problems, _kept = foreign(square)
    x = np.arange(6.0).reshape(3, 2)
    f, g = problems.value_and_grad(x)
    np.testing.assert_array_equal(f, [0.5, 10 + 6.5, 20 + 20.5])
    np.testing.assert_array_equal(g, x)
    assert l2o.minimize_many(problems[::-1], method=GradientDescent(0.5)).fun.round(9).tolist() == [20.0, 10.0, 0.0]


@pytest.mark.parametrize(("code", "writes", "status"), [(1, True, 3), (-1, False, 4), (0, False, 3), (0, True, 1)])
def test_code_of_an_objective_ends_the_run_with_its_status(code, writes, status):
    """Problem 1 answers with the code once it has moved twice; 0 without a word is told by the NaN in f."""
    def lower(x, f, g, n, user):
        bad = user[0] == 1 and x[0] < -0.5
        if writes or not bad:
            f[0] = x[0]
        g[0], g[1] = 1.0, 0.0
        return code if bad else 0

    problems, _kept = foreign(lower)
    batch = l2o.minimize_many(problems, method=GradientDescent(1.0), options={"maxiter": 5})
    assert batch.status.tolist() == [1, status, 1]
    assert batch.fun.tolist() == [-4.0, -4.0 if status == 1 else 0.0, -4.0]
    runs = l2o.rollout(problems, method=GradientDescent(1.0), n_steps=5)
    assert runs.status.tolist() == [1, status, 1]
    if status != 1:
        assert runs.nfev[1].tolist() == [1, 2, 3, 3, 3, 3]
        assert not np.isfinite(runs.fun[1, 2:]).any()
        assert runs.evaluations[1, :3].tolist() == [1.0, 0.0, np.inf]
        assert np.isnan(runs.evaluations[1, 3:]).all()


# -- the step loop -------------------------------------------------------------------------------------


def test_simulation_adds_the_noise_to_the_steps(problems):
    noise = np.random.default_rng(0).standard_normal((12, 6, 4))
    method = GradientDescent(0.2)
    x, f, g, status = method.simulate(problems, 6, noise)
    np.testing.assert_allclose(np.diff(x, axis=1), -0.2 * g[:, :-1] + noise, **EXACT)
    np.testing.assert_array_equal(f[:, -1], problems.value_and_grad(x[:, -1])[0])
    assert status.tolist() == [1] * 12


def test_simulation_at_a_nan_point_ends_with_status_3(problems):
    noise = np.zeros((12, 5, 4))
    noise[4, 2, 1] = np.nan
    x, f, _, status = GradientDescent(0.2).simulate(problems, 5, noise)
    assert status.tolist() == [3 if i == 4 else 1 for i in range(12)]
    assert not np.isfinite(f[4, 3:]).any()
    np.testing.assert_array_equal(x[4, 4], x[4, 3])
    np.testing.assert_array_equal(x[5], GradientDescent(0.2).simulate(problems, 5)[0][5])


def test_simulation_does_not_depend_on_its_neighbours(problems, random_policy):
    whole = random_policy().simulate(problems, 9)
    for rows in (slice(0, 1), slice(3, 8), slice(None, None, -2)):
        for all_rows, some_rows in zip(whole, random_policy().simulate(problems[rows], 9)):
            assert all_rows[rows].tobytes() == some_rows.tobytes()


# -- instruction sets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [level for level in _kernels.CPU_LEVELS if level != _kernels.CPU_LEVEL])
def test_kernels_hold_at_every_level(level):
    here = os.path.dirname(os.path.abspath(__file__))
    files = [os.path.join(here, name) for name in ("test_kernels.py", "test_objectives.py", "test_expansions.py")]
    command = [sys.executable, "-m", "pytest", *files, "-x", "-q", "-p", "no:cacheprovider",
               "-k", "not every_level"]
    done = subprocess.run(command, env={**os.environ, "L2O_CPU": level}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_unknown_level_is_an_import_error_that_lists_the_levels():
    command = [sys.executable, "-c", "import l2o"]
    done = subprocess.run(command, env={**os.environ, "L2O_CPU": "mmx"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError" in done.stderr.splitlines()[-1]
    assert all(word in done.stderr.splitlines()[-1] for word in ("mmx", *_kernels.CPU_LEVELS))


@pytest.mark.parametrize("inputs", ["linear", "scaled"])
@pytest.mark.parametrize("history", [1, 2])
def test_mlp_of_a_short_history_equals_the_formula(history, inputs, random_policy):
    policy = random_policy(dim=2, history=history, inputs=inputs)
    f, g = seen(12, 2)
    taken, rounding = steps(policy, f, g)
    for t in range(len(taken)):
        expected = oracles.mlp(policy.weights, policy.network, oracles.observation(f, g, t, history))
        np.testing.assert_allclose(taken[t], expected, rtol=1e-12, atol=1e-12 + rounding)


def test_logistic_without_regulariser_holds_far_out():
    f, g = Logistic(1, l2=0.0).from_data([[[-1.0], [1.0]]], [[0, 1]]).value_and_grad([[1e200, 0.0]])
    assert f.tolist() == [0.0]
    assert not g.any()


def test_objective_that_reports_an_error_gives_no_value():
    def fail(x, f, g, n, user):
        f[0] = g[0] = g[1] = 5.0
        return -1

    problems, _kept = foreign(fail)
    assert not np.isfinite(problems.value_and_grad(problems.x0)[0]).any()
    runs = l2o.rollout(problems, method="momentum", n_steps=2)
    assert runs.status.tolist() == [4] * 3
    assert not np.isfinite(runs.fun).any()
