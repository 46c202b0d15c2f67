"""What results say of themselves: in a terminal, in a notebook, as a table of pandas."""

import pickle
from html.parser import HTMLParser

import numpy as np
import pytest
from exponentials import decay

import l2o

TIMES = np.linspace(0.0, 4.0, 30)


class Cells(HTMLParser):
    """The texts of a table's cells, row by row; tags that do not match are an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("th", "td"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def batch():
    return l2o.minimize_many(l2o.families.Logistic().sample(300, rng=0))


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    Y = np.exp(-rng.uniform(0.5, 2.0, (4, 5, 1)) * TIMES) + 0.02 * rng.standard_normal((4, 5, 30))
    Y[0, 0] = np.nan
    return l2o.curve_fit_many(lambda t, p: p[0] * np.exp(-p[1] * t) + p[2], TIMES, Y, [1.0, 1.0, 0.0])


def test_batch_shows_a_short_table(batch):
    title, heads, *rows = repr(batch).splitlines()
    assert title == "BatchResult: 300 of 300 problems of dimension 4 converged"
    assert heads.split() == ["median", "5", "%", "95", "%"]
    assert [row.split()[0] for row in rows[:3]] == ["fun", "nfev", "nit"]
    assert float(rows[0].split()[1]) == pytest.approx(np.median(batch.fun), rel=1e-5)
    assert rows[3] == repr(batch.learned)


def test_batch_says_what_failed():
    batch = l2o.minimize_many(l2o.families.Logistic().sample(3, rng=0), method="lbfgs", options={"maxfun": 2})
    assert repr(batch).splitlines()[-1].startswith("3 of status 1: ")
    none = l2o.minimize_many(l2o.families.Logistic().sample(3, rng=0)[:0], method="lbfgs")
    assert repr(none) == "BatchResult: 0 of 0 problems of dimension 4 converged"


def test_fit_shows_a_short_table(fit):
    title, _, *rows = repr(fit).splitlines()
    assert title.startswith("CurveFit of ")
    assert title.endswith(": 19 of 20 curves converged")
    assert rows[1].split()[:2] == ["p[1]", f"{np.median(fit.x[fit.success][:, 1]):.6g}"]
    assert rows[3].startswith("1 of status 5: ")


def test_notebook_has_the_same_cells(batch, fit):
    for each in (batch, fit):
        cells = Cells(each._repr_html_()).rows
        assert [row[0] for row in cells[1:]] == [row.split()[0] for row in repr(each).splitlines()[2:5]]
        assert len({len(row) for row in cells[1:]}) == 1


def test_results_become_tables_of_pandas(batch, fit):
    pandas = pytest.importorskip("pandas")
    frame = batch.to_dataframe(["a", "b", "c", "bias"])
    assert list(frame) == ["a", "b", "c", "bias", "fun", "nit", "nfev", "status", "success"]
    np.testing.assert_array_equal(frame[["a", "b", "c", "bias"]].to_numpy(), batch.x)
    frame = fit.to_dataframe()
    assert isinstance(frame.index, pandas.MultiIndex)
    assert frame.loc[(2, 3), "p1_stderr"] == fit.stderr[2, 3, 1]
    assert frame["success"].tolist() == fit.success.ravel().tolist()
    one = l2o.curve_fit(lambda t, p: p[0] + p[1] * t, TIMES, 1.0 + TIMES, [0.0, 0.0]).to_dataframe(["a", "b"])
    assert one.shape == (1, 9)
    with pytest.raises(ValueError, match=r"names has 2 entries; expected 4, one for each variable"):
        batch.to_dataframe(["a", "b"])
    with pytest.raises(ValueError, match=r"names has 2 entries; expected 3, one for each parameter"):
        fit.to_dataframe(["a", "b"])


@pytest.mark.parametrize("bounds", [None, [(-0.2, 0.2)] * 4])
def test_errors_of_a_batch_are_those_of_single_runs(bounds):
    problems = l2o.families.Logistic().sample(6, rng=0)
    batch = l2o.minimize_many(problems, method="lbfgs", bounds=bounds)
    for i in range(6):
        single = l2o.minimize(problems[i], method="lbfgs", bounds=bounds)
        np.testing.assert_array_equal(batch.hess_inv[i], single.hess_inv)
        np.testing.assert_array_equal(batch.stderr[i], single.stderr)
    assert (batch.stderr == 0).any() == (bounds is not None)
    lost = pickle.loads(pickle.dumps(l2o.minimize_many(problems, method="lbfgs")))
    with pytest.raises(AttributeError, match="before the result was pickled"):
        _ = lost.stderr
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(batch)).stderr, batch.stderr)


def test_errors_of_a_batch_without_hessians_are_by_differences():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 3.0, 40)
    problems = l2o.families.Custom(decay, dim=3).from_data(
        np.stack([np.broadcast_to(t, (5, 40)), np.exp(-t) + 0.05 * rng.standard_normal((5, 40))], axis=2),
        x0=np.zeros((5, 3)))
    batch = l2o.minimize_many(problems)
    numerical = [l2o.minimize(problems[i]).stderr for i in range(5)]
    np.testing.assert_allclose(batch.stderr, numerical, rtol=1e-3)
