"""Newton's method in adaptive batches: it is tried where there are Hessians, and taken where it is the quickest."""

from dataclasses import replace

import numpy as np
import pytest
from test_adaptive import Elsewhere

import l2o
from l2o.baselines import Newton
from l2o.families import Logistic, RobustRegression
from l2o.learning.newton_from import NewtonFrom, NewtonInOrder
from l2o.learning.price import Price
from l2o.learning.prior import Base
from l2o.methods import Box, Stopping
from l2o.policies.chained import PIECE, Link
from l2o.policies.expecting import LEAN
from l2o.problems.problems import from_blocks

STOPPING = Stopping(gtol=1e-6, maxiter=100, maxfun=100)


def windows(m, seed=0):
    """Return robust regressions on 40 points in a row, each one point on from the one before."""
    rng = np.random.default_rng(seed)
    X, noise = rng.standard_normal((m + 40, 2)), rng.standard_normal(m + 40)
    rows = np.arange(m)[:, None] + np.arange(40)
    return RobustRegression(2).from_data(X[rows], (X @ [1.0, -1.0] + noise)[rows], x0=np.zeros((m, 3)))


@pytest.fixture(scope="module")
def batch():
    return l2o.minimize_many(Logistic().sample(1500, rng=0))


def test_cheap_hessians_are_taken_and_counted(batch):
    classical = l2o.minimize_many(Logistic().sample(1500, rng=0), method="lbfgs")
    learned = batch.learned
    assert learned.chosen.endswith("Newton")
    np.testing.assert_allclose(batch.fun, classical.fun, rtol=1e-6)
    assert learned.taken == batch.nfev.sum() < 0.6 * classical.nfev.sum()
    np.testing.assert_allclose(learned.expected, classical.nfev.sum(), rtol=0.1)
    assert f" beside {learned.hessians:,} Hessians" in repr(learned)
    assert 0.8 * batch.nit[100:].sum() < learned.hessians <= batch.nit.sum()


def test_objective_without_a_hessian_is_left_to_gradients():
    problems = Logistic().sample(1500, rng=0)
    without = from_blocks(replace(problems.kernel, hessian=None), problems.blocks, problems.x0)
    assert "Newton" not in "".join(l2o.minimize_many(without).learned.scores)


def test_hessian_has_a_price():
    problems = Logistic().sample(10, rng=0)
    price = Price.modelled(LEAN, problems)
    without, with_three = price.by_newton(np.array([4.0, 4.0]), np.array([0.0, 3.0]))
    assert without < 4.0
    assert with_three - without == pytest.approx(3 * (price.hessian * price.evaluation + 0.14) / 0.44, rel=0.1)


def test_newton_begins_at_the_base_point():
    problems, base = Logistic().sample(20, rng=0), Base(np.full(4, 0.1), False)
    found = NewtonFrom(base).solve(problems.with_starts(NewtonFrom(base).starts(problems)), STOPPING)
    alone = Newton().solve(problems.with_starts(np.full((20, 4), 0.1)), STOPPING)
    for name in ("x", "nfev", "nit"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


@pytest.mark.parametrize("origin", ["solution", "offset"])
@pytest.mark.parametrize("limit", [np.inf, 0.9])
def test_newton_in_order_begins_where_the_run_before_ended(origin, limit):
    problems = windows(PIECE + 20)
    problems = problems.with_starts(0.1 * np.random.default_rng(1).standard_normal(problems.x0.shape))
    box = Box(np.full(problems.x0.shape, -limit), np.full(problems.x0.shape, limit))
    found = NewtonInOrder(Link(origin, carries=False, far=4.0)).solve(problems, STOPPING, None, box)
    assert (np.abs(found.x) <= limit).all()
    same = 0
    for i in range(PIECE - 20, PIECE + 20):
        start = problems.x0[i]
        if i != PIECE:
            start = found.x[i - 1] + (start - problems.x0[i - 1] if origin == "offset" else 0.0)
        alone = Newton().solve(problems[[i]].with_starts(start[None]), STOPPING, None, box[[i]])
        looked = found.nfev[i] > alone.nfev[0]
        assert found.fun[i] == alone.fun[0] or (looked and found.fun[i] < alone.fun[0])
        assert found.nfev[i] >= alone.nfev[0]
        same += not looked
    assert same >= 20


@pytest.mark.parametrize("stopping", [STOPPING, Stopping(gtol=0.0, ftol=1e-30, xtol=1e-6, maxiter=100, maxfun=100)])
def test_newton_in_order_looks_at_its_own_start_after_a_jump(stopping):
    near, far = windows(40), windows(40, seed=1)
    far.blocks[:, 8 : 8 + 40] += 40.0  # targets far away, where the loss is flat for who comes from near
    both = from_blocks(near.kernel, np.concatenate([near.blocks, far.blocks]), np.zeros((80, 3)))
    both.x0[40:] = np.array([1.0, -1.0, 40.0])
    found = NewtonInOrder(Link("solution", carries=False, far=4.0)).solve(both, stopping)
    alone = Newton().solve(both[40:], stopping)
    blind = Newton().solve(both[[40]].with_starts(found.x[[39]]), stopping)
    assert found.nfev[40] == blind.nfev[0] + alone.nfev[0]
    assert found.fun[40] == min(blind.fun[0], alone.fun[0])


@pytest.mark.parametrize("ordered", [False, True])
def test_bits_do_not_depend_on_workers(ordered):
    problems = windows(1500) if ordered else Logistic().sample(1500, rng=0)
    one = l2o.minimize_many(problems, ordered=ordered)
    assert one.learned.chosen.endswith("Newton"), one.learned
    for workers in (2, Elsewhere()):
        other = l2o.minimize_many(problems, ordered=ordered, workers=workers)
        for name in ("x", "fun", "nfev", "nit", "status"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))


def test_no_run_begins_where_another_went_to_infinity():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 40, 3))
    y = X @ [2.0, -1.0, 0.5] + rng.logistic(size=(1500, 40)) > 0
    y[::3] = X[::3, :, 0] > 0
    problems = Logistic(3, l2=0.0).from_data(X, y)
    own, classical = l2o.minimize_many(problems, ordered=True), l2o.minimize_many(problems, method="lbfgs")
    assert own.success.all()
    assert own.nfev.sum() < 0.7 * classical.nfev.sum()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ordered", [False, True])
def test_numbers_at_the_ends_of_their_range_are_no_warning(ordered):
    X = 1e160 * np.random.default_rng(0).standard_normal((1500, 20, 3))
    problems = RobustRegression(3).from_data(X, X[:, :, 0])
    batch = l2o.minimize_many(problems, ordered=ordered)
    assert (batch.fun <= problems.value_and_grad(problems.x0)[0]).all()
