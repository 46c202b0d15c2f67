"""Probes: which rows of a batch L-BFGS solves, too, what a verdict is, and that nothing else depends on it."""

import numpy as np
import pytest
from test_learning import outcomes

import l2o
from l2o.methods import Solution
from l2o.policies import QuasiNewton
from l2o.policies.prior import PriorShape
from l2o.solving.probes import Tally, schedule, solved_in_order, solved_with_probes

COLUMNS = ("x", "fun", "jac", "nit", "nfev", "status")


@pytest.fixture(scope="module")
def problems():
    return outcomes(400, 1, side=1)


def policy_with(matrix):
    """Return the lean rule that expects an inverse Hessian."""
    network = QuasiNewton().with_prior(PriorShape())
    return l2o.Policy(network, {**network.initial(len(matrix)), "matrix": matrix})


@pytest.fixture(scope="module")
def good(problems):
    return policy_with(np.linalg.inv(problems.hessian(l2o.minimize_many(problems, method="lbfgs").x).mean(axis=0)))


@pytest.fixture(scope="module")
def bad():
    return policy_with(1e-6 * np.eye(4))


def rows_of(m):
    return [(end, rows.tolist()) for end, rows in schedule(m)]


def test_schedule_is_that_of_the_contract():
    """Rows counted from 1: every 32nd up to 1,024, every 128th after; verdicts after 192, 384, 768, 1,024, 2,048 ..."""
    verdicts = schedule(5000)
    assert [end for end, _ in verdicts] == [192, 384, 768, 1024, 2048, 3072, 4096]
    probed = 1 + np.concatenate([rows for _, rows in verdicts])
    np.testing.assert_array_equal(probed, [*range(32, 1025, 32), *range(1152, 4097, 128)])
    assert all((rows < end).all() for end, rows in verdicts)
    assert len(verdicts[0][1]) == 6


@pytest.mark.parametrize(("m", "end"), [(192, 0), (193, 192), (384, 192), (1024, 768), (1025, 1024), (2048, 1024)])
def test_rows_that_no_verdict_can_follow_hold_no_probe(m, end):
    verdicts = rows_of(m)
    assert (verdicts[-1][0] if verdicts else 0) == end < m
    assert verdicts == [each for each in rows_of(10**4) if each[0] <= end]


def test_verdict_is_one_standard_error_of_the_mean():
    """Differences with mean 1 and standard deviation sqrt(6): a standard error of exactly 1 for six probes."""
    more = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 6.0])
    assert more.std(ddof=1) / np.sqrt(6) == pytest.approx(more.mean())
    assert Tally().turns(more + 0.1)
    assert not Tally().turns(more - 0.1)
    assert Tally().turns([1] * 6)
    assert not Tally().turns([0] * 6)
    tally = Tally()
    assert [tally.turns(each) for each in ([], [-3], [1, 1, 1], [2, 4])] == [False, False, False, True]


def solver(nfev, asked, offset=0.0):
    """Return a solver of one variable that takes `nfev` (m,) evaluations; it notes the rows that it is asked for."""
    def solve(rows):
        asked.extend(rows.tolist())
        x = rows[:, None] + offset
        return Solution(x, x[:, 0], x, np.ones(len(rows), np.intp), nfev[rows], np.zeros(len(rows), np.intc),
                        np.zeros(len(rows), np.intc))

    return solve


def test_verdict_ends_the_methods_part_and_later_rows_hold_no_probe():
    m, own, classical = 3000, [], []
    costs = np.where(np.arange(m) < 500, 5, 50)  # it becomes bad, which is seen after row 768
    found, probes = solved_with_probes(m, solver(costs, own), solver(np.full(m, 10), classical, 0.5))
    assert probes.until == 768
    ahead = list(range(799, 1024, 32))  # of verdicts that do not fall
    assert sorted(own) == [*range(768), *ahead]
    assert sorted(classical) == [*range(31, 768, 32), *range(768, m)]
    np.testing.assert_array_equal(found.x[:, 0], np.arange(m) + 0.5 * (np.arange(m) >= 768))
    expected = np.where(np.arange(m) < 768, costs, 10)
    expected[31:768:32] += 10
    expected[ahead] += 50
    np.testing.assert_array_equal(found.nfev, expected)
    assert probes.beyond == 50 * len(ahead)
    assert probes.ratio == pytest.approx(costs[31:768:32].sum() / 240)


@pytest.mark.parametrize(("m", "stages"), [(7000, (32, 24, 16)), (20000, (6, 18, 24, 72, 56))])
def test_probes_of_a_long_batch_are_solved_in_few_calls(m, stages):
    calls = []

    def solve(rows):
        calls.append(len(rows))
        return solver(np.full(m, 10), [])(rows)

    _, probes = solved_with_probes(m, solve, solve)
    assert probes.until == m
    assert calls[:-1] == [n for stage in stages for n in (stage, stage)]
    assert sum(calls) == m + len(probes.rows)


def in_order(m, costs, classical=10):
    """Solve m rows in pieces of 100; return the solution, the probes, and the calls of the method, (first, end)."""
    calls = []

    def own(rows):
        calls.append((rows.start, rows.stop))
        return solver(costs, [])(np.arange(rows.start, rows.stop))

    rival = solver(np.full(m, classical), [], 0.5)
    return *solved_in_order(m, 100, own, lambda rows: rival(np.arange(m)[rows])), calls


def test_verdicts_on_neighbours_fall_at_pieces_and_half_more_rows_each_time():
    m = 20000
    found, probes, calls = in_order(m, np.full(m, 5))
    ends = [end for _, end in calls]
    assert [first for first, _ in calls] == [0, *ends[:-1]]
    assert ends[-1] == m
    assert all(end % 100 == 0 for end in ends)
    assert (np.diff(ends[:-1]) >= 0.5 * np.array(ends[:-2])).all()
    assert probes.until == m
    assert found.nfev.sum() == 5 * m + 10 * len(probes.rows)


def test_rows_after_a_verdict_on_neighbours_are_those_of_lbfgs():
    m = 3000
    found, probes, calls = in_order(m, np.where(np.arange(m) < 500, 5, 50))
    assert calls[-1][1] == probes.until < m
    np.testing.assert_array_equal(found.x[:, 0], np.arange(m) + 0.5 * (np.arange(m) >= probes.until))
    assert (found.nfev[probes.until :] == 10).all()


def test_batch_by_a_policy_returns_its_results_and_counts_the_probes(problems, good):
    batch = l2o.minimize_many(problems, method=good, tol=1e-6)
    alone = [l2o.minimize(problems[i], method=good, tol=1e-6) for i in (30, 31, 300, 350, 399)]
    classical = l2o.minimize_many(problems, method="lbfgs", tol=1e-6)
    for i, run in zip((30, 31, 300, 350, 399), alone):
        np.testing.assert_array_equal(batch.x[i], run.x)
        assert batch.nfev[i] == run.nfev + (classical.nfev[31] if i == 31 else 0)
    assert batch.nfev.sum() < classical.nfev.sum()
    assert batch.success.all()


def test_rows_after_a_verdict_are_those_of_lbfgs(problems, bad):
    batch, classical = (l2o.minimize_many(problems, method=each, tol=1e-6) for each in (bad, "lbfgs"))
    for name in set(COLUMNS) - {"nfev"}:
        np.testing.assert_array_equal(getattr(batch, name)[192:], getattr(classical, name)[192:])
    more = batch.nfev[192:] - classical.nfev[192:]
    np.testing.assert_array_equal(np.flatnonzero(more), np.arange(223, 384, 32) - 192)  # probes of a verdict unspoken
    assert (batch.x[:192] != classical.x[:192]).any(axis=1).all()


@pytest.mark.parametrize("which", ["good", "bad"])
def test_probes_do_not_depend_on_workers(problems, which, request):
    policy = request.getfixturevalue(which)
    one, two = (l2o.minimize_many(problems, method=policy, tol=1e-6, workers=workers) for workers in (1, 2))
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_policy_without_its_safeguard_is_alone(problems, bad):
    options = {"safeguard": False, "maxiter": 3}
    batch = l2o.minimize_many(problems, method=bad, options=options)
    parts = [l2o.minimize_many(problems[rows], method=bad, options=options) for rows in (slice(150), slice(150, 400))]
    np.testing.assert_array_equal(batch.nfev, np.concatenate([part.nfev for part in parts]))
    np.testing.assert_array_equal(batch.x, np.concatenate([part.x for part in parts]))


def test_probes_keep_to_bounds_and_given_starts(problems, good):
    low, high = np.full(4, -0.5), np.full(4, 0.5)
    batch = l2o.minimize_many(problems, problems.x0 + 0.1, method=good, bounds=list(zip(low, high)), tol=1e-6)
    assert ((batch.x >= low) & (batch.x <= high)).all()
    part = l2o.minimize_many(problems[:31], problems.x0[:31] + 0.1, method=good, bounds=list(zip(low, high)), tol=1e-6)
    np.testing.assert_array_equal(batch.x[:31], part.x)
