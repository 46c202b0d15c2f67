"""Instruction sets against each other: what one computes in a rollout, the others compute from the same history."""

import importlib.util
import itertools
import os
import pickle
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from test_kernels import scripted

import l2o
from l2o import _kernels
from l2o.families import PAPER
from l2o.policies import MLP, Policy

OTHERS = [level for level in _kernels.CPU_LEVELS if level != _kernels.CPU_LEVEL]
INPUTS = ("raw", "linear", "scaled")
ACTIVATIONS = ("softplus", "relu")
TOLERANCES = {"float64": 1e-12, "float32": 2e-6}
STEPS = 12
AVX2 = {"avx2", "fma", "movbe", "f16c", "abm", "bmi1", "bmi2"}  # as Linux names them
AVX512 = {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}


def again(policy, problems, x, f, g):
    """Return values, gradients and Hessians at the points of a rollout, and the locations that the policy comes to.

    It is shown the values and gradients of the rollout, so what it does at a step does not depend on the step before.
    """
    points = problems[np.repeat(np.arange(len(x)), x.shape[1])]
    locations = []
    for start, values, gradients in zip(x[:, :1], f, g):
        objective = scripted(values, gradients)
        objective.x0 = start
        locations.append(policy.simulate(objective, x.shape[1] - 1)[0][0])
    return (*points.value_and_grad(x.reshape(len(points), -1)), points.hessian(x.reshape(len(points), -1)),
            np.array(locations))


@pytest.fixture(scope="module")
def rollouts():
    """Return policies, problems of each family and their rollouts at the level of this process."""
    cases = {}
    for family, inputs, precision, activation in itertools.product(PAPER, INPUTS, TOLERANCES, ACTIVATIONS):
        problems = PAPER[family](n_points=101).sample(3, rng=0)
        network = MLP(history=5, width=21, inputs=inputs, activation=activation)
        weights = network.at_rest(network.initial(problems.dim, np.random.default_rng(0)))
        policy = Policy(network, {**weights, "W2": 10 * weights["W2"]}).astype(precision)
        runs = l2o.rollout(problems, method=policy, n_steps=STEPS)
        cases[family, inputs, precision, activation] = policy, problems, runs.x, runs.fun, runs.jac
    return cases


@pytest.mark.parametrize("level", OTHERS)
def test_step_is_the_same_from_level_to_level(level, rollouts):
    done = subprocess.run([sys.executable, __file__], env={**os.environ, "L2O_CPU": level}, check=True,
                          input=pickle.dumps(rollouts), stdout=subprocess.PIPE)
    used, results = pickle.loads(done.stdout)
    assert used == level
    for case, (policy, problems, x, f, g) in rollouts.items():
        values, gradients, hessians, locations = results[case]
        points = problems[np.repeat(np.arange(len(x)), x.shape[1])]
        np.testing.assert_allclose(values, f.ravel(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(gradients, g.reshape(gradients.shape), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(hessians, points.hessian(x.reshape(len(points), -1)), rtol=1e-12, atol=1e-12)
        rounding = 4 * np.finfo(float).eps * np.abs(x).max()  # a step is seen as the difference of two locations
        length = np.linalg.norm(np.diff(x, axis=1), axis=2, keepdims=True)
        off = np.abs(np.diff(locations, axis=1) - np.diff(x, axis=1))
        assert (off <= TOLERANCES[policy.card["precision"]] * length + rounding).all(), case
        assert length.max() > 0.01


@pytest.mark.skipif(not sysconfig.get_platform().endswith(("x86_64", "amd64")), reason="the baseline alone is built")
def test_build_has_every_level():
    assert all(importlib.util.find_spec(f"l2o._kernels.policies._mlp_{level}") for level in _kernels.LEVELS)


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="/proc/cpuinfo tells, of x86-64")
def test_levels_are_those_of_this_cpu():
    flags = set(re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)[1].split())
    expected = 1 + (flags >= AVX2) + (flags >= AVX2 | AVX512)
    assert _kernels.LEVELS[:expected] == _kernels.CPU_LEVELS


def test_level_that_the_cpu_lacks_is_an_import_error_that_lists_the_levels():
    code = ("import sys, types; sys.modules['l2o._kernels.base._cpu'] = types.SimpleNamespace(LEVEL=0, BUILT=3); "
            "import l2o")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "L2O_CPU": "avx2"}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: L2O_CPU is 'avx2'; this CPU and build have baseline"


if __name__ == "__main__":  # at another level
    repeated = {name: again(*case) for name, case in pickle.load(sys.stdin.buffer).items()}
    sys.stdout.buffer.write(pickle.dumps((_kernels.CPU_LEVEL, repeated)))
