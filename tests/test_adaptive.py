"""The adaptive method: what a batch learns from some of its problems, what that costs, and that it hurts nobody."""

import pickle
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor

import numba
import numpy as np
import pytest
from numba import types
from scipy.optimize import Bounds

import l2o
from l2o.families import Custom, Logistic, RobustRegression
from l2o.methods import Stopping
from l2o.policies.chained import PIECE, Chained, Link
from l2o.policies.expecting import Expecting
from l2o.problems.problems import from_blocks
from l2o.solving.lesson import labelled_rows

SMALL, LARGE = 199, 1500
doubles = types.CPointer(types.float64)


def outcomes(m, seed=0):
    """Many outcomes of one design, whose columns are alike."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 5)) + rng.standard_normal((80, 1))
    slopes = np.array([1.0, -0.5, 0.3, 0.0, 0.6]) + 0.3 * rng.standard_normal((m, 5))
    y = rng.random((m, 80)) < 1.0 / (1.0 + np.exp(-slopes @ X.T))
    return Logistic(n_features=5).from_data(np.repeat(X[None], m, axis=0), y.astype(float), x0=np.zeros((m, 6)))


class Elsewhere(Executor):
    """Workers that get all by pickle."""

    def map(self, function, items):
        return [function(pickle.loads(pickle.dumps(item))) for item in items]


@pytest.fixture(scope="module")
def problems():
    return outcomes(LARGE)


@pytest.fixture(scope="module")
def batch(problems):
    return l2o.minimize_many(problems)


@pytest.fixture(scope="module")
def classical(problems):
    return l2o.minimize_many(problems, method="lbfgs")


@pytest.mark.parametrize("m", [0, 1, 31, SMALL])
def test_small_batch_is_solved_by_lbfgs_to_the_bit(m, problems):
    few = problems[:m]
    own, named = l2o.minimize_many(few), l2o.minimize_many(few, method="lbfgs")
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(own, name), getattr(named, name))
    assert own.learned.chosen == "L-BFGS"
    assert "fewer than 200" in repr(own.learned)
    assert named.learned is None


def test_large_batch_saves_evaluations_and_finds_the_same_minima(problems, batch, classical):
    assert batch.success.all()
    np.testing.assert_allclose(batch.fun, classical.fun, rtol=1e-6)
    assert (batch.fun <= problems.value_and_grad(problems.x0)[0]).all()
    assert batch.nfev.sum() <= 0.7 * classical.nfev.sum()


def test_learned_says_what_was_chosen_and_what_it_saved(problems, batch, classical):
    learned = batch.learned
    assert learned.chosen in learned.scores
    assert learned.scores[learned.chosen] < 0.95
    assert 10 <= learned.n_labels <= 30
    assert learned.taken == batch.nfev.sum()
    np.testing.assert_allclose(learned.expected, classical.nfev.sum(), rtol=0.1)
    assert learned.probe_ratio < 1
    assert repr(learned).startswith(f"Learned({learned.chosen!r} for 1,500 problems: about ")


def test_predictions_are_learned_where_they_may_pay_for_it(problems, batch):
    assert not any(name.endswith("full") or "step" in name for name in batch.learned.scores)
    many = l2o.minimize_many(walk(6000))  # of a user's objective nobody knows the price
    assert "constant, log" in many.learned.scores
    assert any(name.endswith("full") or "step" in name for name in many.learned.scores)


@numba.cfunc(types.intc(doubles, doubles, doubles, types.intp, doubles))
def bowl(x, f, g, n, user):
    """A sum of quadratics and quartics; counts its evaluations in the first number of its data."""
    user[2] += 1.0
    f[0] = 0.0
    for j in range(n):
        scale, miss = 10.0**j * np.exp(0.1 * user[3 + j]), x[j] - user[3 + n + j]
        f[0] += 0.5 * scale * miss**2 + 0.25 * miss**4
        g[j] = scale * miss + miss**3
    return 0


def walk(m):
    """Bowls of which each is like the one before it."""
    rng = np.random.default_rng(0)
    data = np.zeros((m, 1, 7))
    data[:, 0, 1:] = rng.standard_normal(6) + 0.05 * rng.standard_normal((m, 6)).cumsum(axis=0)
    return Custom(bowl, dim=3).from_data(data, x0=np.zeros((m, 3)))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("m", [SMALL, 1000])
def test_every_evaluation_is_counted(m, ordered):
    problems = walk(m)
    batch = l2o.minimize_many(problems, ordered=ordered)
    assert (batch.learned.chosen == "L-BFGS") == (m == SMALL)
    assert batch.learned.chosen.startswith("neighbour's") == (ordered and m > SMALL)
    np.testing.assert_array_equal(problems.blocks[:, 2], batch.nfev)


@pytest.mark.parametrize("workers", [2, ThreadPoolExecutor(2), Elsewhere()])
def test_bits_do_not_depend_on_workers(problems, batch, workers):
    other = l2o.minimize_many(problems, workers=workers)
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(other, name), getattr(batch, name))
    assert repr(other.learned) == repr(batch.learned)


def test_start_given_in_the_call_is_not_replaced(problems):
    given = l2o.minimize_many(problems, np.full(problems.x0.shape, 0.1))
    assert all(name.startswith("x0") for name in given.learned.scores)
    assert given.success.all()


@pytest.mark.parametrize("reach", [2.0, 0.3])
def test_bounds_and_fixed_variables_hold(problems, reach):
    box = Bounds(np.full(6, -reach), np.full(6, reach))
    own = l2o.minimize_many(problems, bounds=box, fixed=np.arange(6) == 2)
    named = l2o.minimize_many(problems, bounds=box, fixed=np.arange(6) == 2, method="lbfgs")
    assert own.learned.chosen != "L-BFGS", own.learned
    assert own.nfev.sum() < 0.75 * named.nfev.sum()
    assert (np.abs(own.x) <= reach).all()
    assert (own.x[:, 2] == 0).all()
    np.testing.assert_allclose(own.fun, named.fun, rtol=1e-6)


def test_member_that_is_not_finite_teaches_nothing_and_hurts_nobody(problems, batch):
    blocks = problems.blocks.copy()
    labelled = np.flatnonzero(batch.nfev > 25)[:4]
    blocks[labelled, -3:] = np.nan
    sick = from_blocks(problems.kernel, blocks, problems.x0)
    other = l2o.minimize_many(sick)
    assert (other.status[labelled] == 3).all()
    well = np.delete(np.arange(LARGE), labelled)
    assert other.success[well].all()
    assert other.learned.chosen != "L-BFGS"


def test_problems_that_are_all_equal_are_solved(problems):
    same = l2o.minimize_many(problems[np.zeros(1000, int)])
    assert same.success.all()
    assert np.ptp(same.fun) < 1e-8


@pytest.mark.parametrize("m", [200, 210, 230])
def test_batch_just_large_enough_is_solved(m, problems):
    few = l2o.minimize_many(problems[:m])
    assert few.success.all()
    assert few.learned.taken == few.nfev.sum()
    np.testing.assert_allclose(few.fun, l2o.minimize_many(problems[:m], method="lbfgs").fun, rtol=1e-6)


def test_problems_that_do_not_arrive_teach_nothing():
    batch = l2o.minimize_many(walk(1000), options={"maxiter": 1})
    assert batch.learned.chosen == "L-BFGS"
    assert "have a minimum to learn from" in batch.learned.why
    assert repr(batch.learned) == f"Learned(L-BFGS for 1,000 problems: {batch.learned.why})"


def test_executor_that_dies_is_an_error(problems):
    class Dying(Executor):
        def map(self, function, items):
            yield function(items[0])
            raise BrokenExecutor("it is gone")

    with pytest.raises(BrokenExecutor, match="which broke down: it is gone"):
        l2o.minimize_many(problems, workers=Dying())


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")
def test_interrupt_is_heard_while_labels_are_made():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1, 100_000, 3)), rng.integers(0, 2, (1, 100_000))
    slow = Logistic().from_data(X, y)[np.zeros(1000, int)]
    timer = threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        l2o.minimize_many(slow)
    timer.join()


def test_problems_that_do_not_converge_leave_lbfgs(problems):
    short = l2o.minimize_many(problems, options={"maxfun": 3, "gtol": 1e-12})
    assert (short.nfev <= 3).all()
    assert short.learned.chosen == "L-BFGS"
    assert "maxfun" in short.learned.why


@pytest.mark.parametrize("ordered", [False, True])
def test_labels_obey_maxfun(problems, ordered):
    rows = labelled_rows(LARGE)
    assert len(np.unique(rows)) == 30
    for most in (12, 20, 30, 40, 60):
        assert l2o.minimize_many(problems, ordered=ordered, options={"maxfun": most}).nfev[rows].max() <= most


def test_named_method_has_rows_as_single_runs(problems):
    rows = l2o.minimize_many(problems[:300], method="lbfgs")
    for i in (0, 17, 299):
        np.testing.assert_array_equal(l2o.minimize(problems[i], method="lbfgs").x, rows.x[i])


# -- ordered -----------------------------------------------------------------------------------------------


def test_order_saves_evaluations():
    problems = walk(1500)
    own, alone = l2o.minimize_many(problems, ordered=True), l2o.minimize_many(problems, method="lbfgs")
    assert own.success.all()
    np.testing.assert_allclose(own.x, alone.x, atol=1e-4)
    assert own.nfev.sum() < 0.7 * alone.nfev.sum()


@pytest.mark.parametrize("workers", [2, ThreadPoolExecutor(2), Elsewhere()])
def test_bits_of_an_ordered_batch_do_not_depend_on_workers(workers):
    rng = np.random.default_rng(0)
    X, noise = rng.standard_normal((1559, 3)), rng.standard_normal(1559)
    windows = np.arange(1500)[:, None] + np.arange(60)
    problems = RobustRegression(3).from_data(X[windows], (X.sum(axis=1) + noise)[windows], x0=np.ones((1500, 4)))
    one, other = (l2o.minimize_many(problems, ordered=True, workers=each) for each in (1, workers))
    assert one.learned.chosen.startswith("neighbour's"), one.learned
    for name in ("x", "fun", "nfev", "status"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))


def test_order_with_a_named_method_is_an_error(problems):
    with pytest.raises(ValueError, match="ordered is True and method is 'lbfgs'; expected"):
        l2o.minimize_many(problems, method="lbfgs", ordered=True)


def test_order_with_starts_given_in_the_call_hands_on_the_matrix_alone():
    problems = walk(6000)
    own = l2o.minimize_many(problems, problems.x0, ordered=True)
    assert own.success.all()
    assert "neighbour's own start, carried" in own.learned.scores
    assert not any("solution" in name or "offset" in name or "constant" in name for name in own.learned.scores)


@pytest.mark.parametrize("origin", ["solution", "offset"])
def test_chain_begins_where_the_run_before_ended(origin):
    problems, matrix = walk(PIECE + 20), np.diag([1.0, 0.1, 0.01])
    problems = problems.with_starts(0.1 * np.random.default_rng(0).standard_normal(problems.x0.shape))
    stopping = Stopping(gtol=1e-6, maxiter=100, maxfun=100)
    found = Chained(matrix, Link(origin, carries=False)).solve(problems, stopping)
    for i in range(PIECE - 20, PIECE + 20):
        start = problems.x0[i]
        if i != PIECE:
            start = found.x[i - 1] + (start - problems.x0[i - 1] if origin == "offset" else 0.0)
        alone = Expecting(matrix[None]).solve(problems[[i]].with_starts(start[None]), stopping)
        np.testing.assert_array_equal(found.x[i], alone.x[0])
        assert found.nfev[i] == alone.nfev[0]


def test_chain_hands_on_the_matrix_within_a_piece():
    problems, stopping = walk(2 * PIECE), Stopping(gtol=1e-6, maxiter=100, maxfun=100)
    alone, carried = (Chained(np.eye(3), Link("solution", carries)).solve(problems, stopping)
                      for carries in (False, True))
    assert carried.nfev[1:].sum() < 0.6 * alone.nfev[1:].sum()
    second = Chained(np.eye(3), Link("solution", True)).solve(problems[PIECE:], stopping)
    np.testing.assert_array_equal(second.x, carried.x[PIECE:])


def test_chain_looks_at_its_own_start_after_a_jump():
    near, far = walk(40), walk(40)
    far.blocks[:, -3:] += 20.0
    both = from_blocks(near.kernel, np.concatenate([near.blocks, far.blocks]), np.zeros((80, 3)))
    both.x0[40:] = far.blocks[:, -3:] + 0.01
    stopping = Stopping(gtol=1e-6, maxiter=100, maxfun=100)
    blind, looking = (Chained(np.eye(3), Link("solution", True, far)).solve(both, stopping) for far in (np.inf, 10.0))
    assert looking.nfev[40] < blind.nfev[40]
    assert (looking.nfev[5:40] - blind.nfev[5:40]).sum() <= 3
