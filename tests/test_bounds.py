"""Kernels stay inside their arrays: canaries round everything that they are given; sanitizers in `make debug`."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import l2o
from l2o import _kernels
from l2o.baselines import LBFGS, Momentum
from l2o.families import PAPER
from l2o.policies import MLP
from l2o.policies.mlp_regression import Batches, Trained
from l2o.training.examples import Examples

CANARY, FENCE = 0xA5, 512  # bytes
# the addresses of a copy would outlive it
KERNELS = [(module, name) for module in (_kernels.evaluate, _kernels.levenberg, _kernels.minimize, _kernels.rollout,
                                              _kernels.runs)
           for name, function in vars(module).items() if inspect.isroutine(function) and name != "addresses"]


class Fence:
    """Lets kernels work on copies of their arrays that have canaries on both sides."""

    def __init__(self):
        self.seen = set()

    def around(self, name, function):
        """Return a kernel function that works on such copies."""

        def call(*arguments):
            copies = []  # given, copy, its memory

            def copied(value):
                if isinstance(value, tuple) and not hasattr(value, "_fields"):  # of what is to be filled
                    return tuple(map(copied, value))
                if not isinstance(value, np.ndarray):
                    return value
                copies.append((value, *self._copy(value)))
                return copies[-1][1]

            result = function(*map(copied, arguments))
            for given, view, memory in copies:
                self.seen.add(name)
                assert (memory[:FENCE] == CANARY).all(), f"{name} wrote before an array of shape {view.shape}"
                assert (memory[-FENCE:] == CANARY).all(), f"{name} wrote behind an array of shape {view.shape}"
                if given.flags.writeable:
                    given[...] = view
            return result

        return call

    @staticmethod
    def _copy(array):
        memory = np.full(array.nbytes + 2 * FENCE, CANARY, np.uint8)
        view = memory[FENCE : FENCE + array.nbytes].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view, memory


@pytest.fixture
def fence(monkeypatch):
    """Return the fence round all that the kernels are given."""
    fence = Fence()
    for module, name in KERNELS:
        monkeypatch.setattr(module, name, fence.around(name, getattr(module, name)))
    return fence


@pytest.mark.parametrize("m", [1, 2, 9])
@pytest.mark.parametrize(("history", "width"), [(1, 1), (3, 5), (25, 50), (70, 257)])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_rollout_and_minimize_write_inside_their_arrays(m, history, width, precision, fence, random_policy):
    for dim, n_steps in ((2, 0), (2, 1), (4, 3), (8, 9), (13, 30)):
        problems = l2o.families.Logistic(dim - 1, n_points=9).sample(m, rng=0)
        for method in (random_policy(dim, history=history, width=width).astype(precision), Momentum(0.1), LBFGS(2)):
            l2o.rollout(problems, method=method, n_steps=n_steps)
            for safeguard in (method.safeguarded, False):
                options = {"maxiter": n_steps, "safeguard": safeguard}
                l2o.minimize_many(problems, method=method, options=options)
                l2o.minimize(problems[0], method=method, options=options)
    assert fence.seen >= {"rollout", "minimize", "record"}


@pytest.mark.parametrize("damping", ["more", "nielsen"])
def test_curve_fits_write_inside_their_arrays(damping, fence):
    @l2o.model
    def polynomial(t, p):
        return p[0] + t * (p[1] + t * (p[2] + t * p[3]))

    rng = np.random.default_rng(0)
    for n in (0, 1, 4, 7, 8, 9, 65):
        t, Y = np.linspace(0.0, 1.0, n), np.where(rng.random((9, n)) < 0.1, np.nan, rng.standard_normal((9, n)))
        for bounds in (None, (-1.0, 1.0)):
            fit = l2o.curve_fit_many(polynomial, t, Y, np.zeros(4), sigma=np.full(Y.shape, 0.5), bounds=bounds,
                                     options={"damping": damping})
            fit.band()
            fit.predict(t[:1])
    ragged = [np.ones(i) for i in range(9)]
    l2o.curve_fit_many(polynomial, ragged, ragged, np.zeros(4), options={"damping": damping}).residuals()
    assert fence.seen == {"fit_many", "curves_of"}


@pytest.mark.parametrize("family", PAPER)
@pytest.mark.parametrize("n", [4, 7, 8, 9, 63, 513])
def test_objective_writes_inside_its_arrays(n, family, fence):
    problems = PAPER[family](n_points=n).sample(3, rng=0)
    problems.value_and_grad(problems.x0)
    problems.hessian(problems.x0)
    assert fence.seen == {"evaluate_many", "hessian_many"}


@pytest.mark.parametrize(("number", "wrong"), [
    (6, np.empty((2, 4, 3))), (6, np.empty((2, 4, 4), np.float32)), (6, np.empty((4, 4, 2)).T), (7, np.empty((2, 3))),
    (2, np.zeros(1, np.uintp)), (4, np.zeros(2)), (9, np.empty(2)), (10, np.empty((2, 4))), (11, np.empty((1, 4)))])
def test_kernel_refuses_an_array_of_another_size_or_kind(number, wrong, random_policy):
    problems, step = l2o.families.Logistic(3).sample(2, rng=0), random_policy(4).step(4)
    x, f, g, nfev, status, evaluations = _kernels.rollout.empty_record(2, 3, 4)
    x[:, 0] = problems.x0
    given = [problems.function, 0, problems.addresses(), step.native, step.addresses(2), None, x, f, g, status, nfev,
             evaluations, _kernels.watch.Watch()]
    _kernels.rollout.rollout(*given)
    given[number] = wrong
    with pytest.raises(ValueError, match="an array has shape"):
        _kernels.rollout.rollout(*given)


@pytest.mark.parametrize("precision", [np.float32, float])
@pytest.mark.parametrize(("dim", "history", "width", "n"),
                         [(1, 1, 1, 1), (2, 3, 7, 31), (4, 25, 50, 33), (9, 2, 16, 9)])
def test_regression_writes_inside_its_arrays(dim, history, width, n, precision):
    rng, network = np.random.default_rng(0), MLP(history=history, width=width)
    rows = Examples(rng.standard_normal((n, network.n_observations(dim))), np.ones(n), np.ones((n, dim)),
                    np.broadcast_to(np.eye(dim), (n, dim, dim)))
    trained = Trained.of(network.initial(dim, rng), precision)
    batches, fence = Batches(rows, trained, "softplus"), Fence()
    given = [batches.features, batches.targets, np.arange(n), trained.first, trained.second, trained.n_inputs, False,
             batches.by_trained.first, batches.by_trained.second]
    assert fence.around("differentiate", _kernels.regression.differentiate)(*given) > 0
    assert batches.gradient.any()
    for number, wrong in ((0, given[0][:-1]), (1, given[1][:, 1:]), (3, given[3].astype(np.float16)),
                          (4, given[4][:, :-1]), (5, len(given[3])), (7, given[7][1:]), (2, np.arange(0))):
        with pytest.raises(ValueError, match=r"an array has shape|inputs is"):
            _kernels.regression.differentiate(*given[:number], wrong, *given[number + 1 :])
    for order in ([0, n], [-1]):
        with pytest.raises(IndexError, match=f"there are {n} examples"):
            _kernels.regression.differentiate(*given[:2], np.array(order), *given[3:])


def test_fence_notices_a_write_outside():
    def careless(array):
        whole = array.base
        whole[len(whole) - FENCE] = 0

    with pytest.raises(AssertionError, match="careless wrote behind an array of shape"):
        Fence().around("careless", careless)(np.zeros((3, 2)))


# -- sanitizers: make debug ------------------------------------------------------------------------------

debug = pytest.mark.skipif("L2O_DEBUG" not in os.environ, reason="sanitizers are in the kernels of make debug only")

PRELUDE = """
import numpy as np, l2o
from l2o import _kernels
from l2o.base.watch import Watch
from l2o.methods import Step, StepMethod

class Fixed(StepMethod):
    def __init__(self, *step):
        self.given = step

    def step(self, dim):
        return Step(*self.given)

problems = l2o.families.Logistic(500).sample(1, rng=0)
"""


@debug
@pytest.mark.parametrize(("mistake", "report"), [
    # room for one number of the Hessian's 501 by 501
    ("_kernels.evaluate.hessian_many(problems.kernel.hessian, problems.addresses(), problems.x0, np.empty((1, 1, 1)),"
     " Watch())",
     ("heap-buffer-overflow", "WRITE of size", "logistic_hessian")),
    # a controller has a K of 501 by 1002, and no k; state of a run cannot be tried: it lies among that of seven others
    ("block = np.append([1.0, 0.0, 1.0], np.ones(501 * 1002))[None]\n"
     "Fixed(_kernels.linear.CONTROLLER, block, 1, 0).simulate(problems, 3)",
     ("heap-buffer-overflow", "READ of size", "control")),
    # the data end before the last point
    ("blocks = problems.blocks[:, :-64].copy()\n"
     "_kernels.evaluate.evaluate_many(problems.function, _kernels.addresses(blocks, problems.index), problems.x0,"
     " np.empty(1), problems.x0.copy(), np.empty(1, np.intc), Watch())",
     ("heap-buffer-overflow", "READ of size", "logistic")),
    ("Fixed(_kernels.linear.CONTROLLER, np.full((1, 9), 1e300), 1, 0).simulate(problems, 3)",
     ("runtime error: 1e+300 is outside the range", "controller")),
    ("_kernels.evaluate.evaluate_many(problems.function, problems.addresses(), problems.x0, np.empty(0),"
     " problems.x0.copy(), np.empty(1, np.intc), Watch())", ("IndexError: Out of bounds on buffer access",)),
], ids=["write", "weights", "read", "cast", "index"])
def test_debug_build_reports(mistake, report):
    done = subprocess.run([sys.executable, "-c", PRELUDE + mistake], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert all(word in done.stderr for word in report), done.stderr
