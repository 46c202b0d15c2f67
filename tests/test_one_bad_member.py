"""One bad member at the door: its row ends with status 3, and the others are what they are without it."""

import tracemalloc

import numpy as np
import pytest
from exponentials import decayed

import l2o
from l2o.problems.layout import blocks

T = np.linspace(0.1, 2.0, 8)
FAMILY = l2o.families.Custom(decayed, dim=2)


def pixels(m):
    rng = np.random.default_rng(0)
    true = rng.uniform([1.0, 0.5], [2.0, 1.5], (m, 2))
    return [np.column_stack([T, a * np.exp(-k * T)]) for a, k in true], true


METHODS = {"L-BFGS": "lbfgs", "adaptive": None, "CG": "cg", "rule": l2o.load("universal"), "SciPy": "scipy-lbfgs"}


@pytest.mark.parametrize(("m", "method"), [(5, each) for each in METHODS.values()] + [
    (300, METHODS[name]) for name in ("L-BFGS", "adaptive", "rule")])  # the others are a loop in Python
def test_bad_pixel_is_status_3_and_the_others_are_fitted(m, method):
    tables, true = pixels(m)
    tables[1] = np.column_stack([T, np.where(T < 1, T, np.nan)])
    x0 = np.array([[table[0, 1], 1.0] for table in tables])
    x0[3] = np.nan, 1.0
    batch = l2o.minimize_many(FAMILY.from_data(tables, x0), method=method, workers=2)
    good = np.delete(np.arange(m), [1, 3])
    assert batch.status[[1, 3]].tolist() == [3, 3]
    assert not batch.success[[1, 3]].any()
    assert batch.success[good].all()
    np.testing.assert_allclose(batch.x[good], true[good], rtol=2e-3)


def test_ordered_batch_goes_on_after_a_bad_pixel():
    tables, true = pixels(300)
    tables[100] = tables[100] * np.nan
    batch = l2o.minimize_many(FAMILY.from_data(tables, x0=[1.5, 1.0]), ordered=True)
    good = np.arange(300) != 100
    assert batch.status[100] == 3
    np.testing.assert_allclose(batch.x[good], true[good], rtol=2e-3)


def test_bad_start_may_be_replaced():
    tables, true = pixels(3)
    problems = FAMILY.from_data(tables, x0=[[1.0, 1.0], [np.nan, 1.0], [1.0, 1.0]])
    assert l2o.minimize_many(problems, method="lbfgs").status.tolist() == [0, 3, 0]
    batch = l2o.minimize_many(problems, [1.0, 1.0], method="lbfgs")
    np.testing.assert_allclose(batch.x, true, rtol=1e-3)
    batch = l2o.minimize_many(problems, [[np.inf, 1.0], [1.0, 1.0], [1.0, 1.0]], method="lbfgs")
    assert batch.status.tolist() == [3, 0, 0]


def test_no_usable_row_at_all_is_an_error_and_so_is_any_where_it_is_asked():
    tables, _ = pixels(2)
    with pytest.raises(ValueError, match=r"x0 holds nan at \(0, 0\)"):
        FAMILY.from_data(tables, x0=[[np.nan, 1.0], [1.0, np.inf]])
    with pytest.raises(ValueError, match=r"x0 holds inf at \(1, 1\)"):
        FAMILY.from_data(tables, x0=[[1.0, 1.0], [1.0, np.inf]], check="raise")
    with pytest.raises(ValueError, match=r"data\[1\] holds nan at \(0, 1\)"):
        FAMILY.from_data([tables[0], tables[0] * [1.0, np.nan]], x0=[1.0, 1.0], check="raise")
    with pytest.raises(ValueError, match=r"data\[1\] holds nan at \(0, 1\)"):
        FAMILY.from_data([tables[0], tables[0][:3] * [1.0, np.nan]], x0=[1.0, 1.0], check="raise")
    with pytest.raises(ValueError, match="check is 'no'; expected one of 'row', 'raise'"):
        FAMILY.from_data(tables, x0=[1.0, 1.0], check="no")


def test_one_start_for_all_is_spread():
    tables, _ = pixels(3)
    problems = FAMILY.from_data(tables, x0=[1.5, 1.0])
    assert problems.x0.tolist() == [[1.5, 1.0]] * 3
    regressions = l2o.families.Logistic().from_data(np.zeros((2, 5, 3)), np.eye(2, 5), x0=np.ones(4))
    assert regressions.x0.tolist() == [[1.0] * 4] * 2


# -- tables of different sizes ---------------------------------------------------------------------------


def test_ragged_tables_are_each_their_own_problem():
    tables, true = pixels(6)
    tables = [np.vstack([table] * (1 + i % 3)) for i, table in enumerate(tables)]
    problems = FAMILY.from_data([tables[0], tables[1].tolist(), *tables[2:]], x0=[1.5, 1.0])
    np.testing.assert_allclose(l2o.minimize_many(problems, method="lbfgs").x, true, rtol=1e-3)
    for which in (problems[::-1], problems[[4, 4, 1]]):
        rows = which.index
        assert [data.tolist() for data in which.data()] == [tables[i].tolist() for i in rows]
        fun, _ = which.value_and_grad(which.x0)
        expected = [((1.5 * np.exp(-tables[i][:, 0]) - tables[i][:, 1]) ** 2).sum() for i in rows]
        np.testing.assert_allclose(fun, expected, rtol=1e-13)


def test_ragged_tables_take_the_memory_of_their_data():
    tables = [np.zeros((50_000, 2)), *[np.zeros((3, 2))] * 200]
    size = sum(table.nbytes for table in tables)
    tracemalloc.start()
    problems = FAMILY.from_data(tables, x0=[1.0, 1.0])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.2 * size
    assert problems.blocks.nbytes < 1.02 * size


def test_array_of_tables_and_a_list_of_them_are_the_same():
    data = np.random.default_rng(0).standard_normal((7, 3, 2))
    made, offsets = blocks(data)
    assert offsets is None
    assert made.tolist() == [[3, 2, *table.ravel()] for table in data]
    for other in (list(data), data.tolist(), [np.asfortranarray(table) for table in data], list(data.astype(">f8"))):
        np.testing.assert_array_equal(blocks(other)[0], made)
    np.testing.assert_array_equal(blocks(np.asfortranarray(data))[0], made)
    np.testing.assert_array_equal(blocks(data.astype(np.float32))[0], made.astype(np.float32))
