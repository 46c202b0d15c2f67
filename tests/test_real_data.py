"""Real data: windows are what they say, and the example on them runs."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from benchmarks.speed import factor_regressions as benchmark

import l2o
from l2o.commands.real_data import factor_regressions

french = pytest.importorskip("linearmodels.datasets.french")
EXAMPLE = Path(__file__).parents[1] / "examples" / "rolling_betas.py"


@pytest.fixture(scope="module")
def windows():
    return factor_regressions()


def test_windows_are_all_of_all_portfolios(windows):
    assert len(windows) == 22_800
    assert windows.X.shape == (22_800, 60, 3)
    assert len(np.unique(windows.portfolio)) == 30
    assert (windows.last - windows.first == np.timedelta64(59, "M")).all()
    assert windows.first.min() == np.datetime64("1949-01")
    assert windows.last.max() == np.datetime64("2017-03")


@pytest.mark.parametrize("row", [0, 8_000, 22_799])
def test_window_is_least_squares_in_units_of_its_residuals(windows, row):
    table = french.load().set_index("dates").loc[str(windows.first[row]) : str(windows.last[row])]
    factors = np.column_stack([table[["MktRF", "SMB", "HML"]], np.ones(60)])
    returns = (table[windows.portfolio[row]] - table["RF"]).to_numpy()
    coefficients, squares, *_ = np.linalg.lstsq(factors, returns, rcond=None)
    scale = np.sqrt(squares[0] / 56)
    np.testing.assert_allclose(windows.scale[row], scale, rtol=1e-12)
    np.testing.assert_allclose(windows.y[row] * scale, returns, rtol=0, atol=1e-15)
    np.testing.assert_allclose(windows.X[row] * scale, factors[:, :3], rtol=0, atol=1e-15)
    np.testing.assert_allclose(windows.least_squares[row], coefficients / [1, 1, 1, scale], rtol=1e-9)


def test_residual_problems_are_the_same_functions_from_zero(windows):
    some, step = windows[::4_000], np.full(4, 0.3)
    problems, moved = some.problems(), some.residual_problems()
    assert not moved.x0.any()
    for a, b in zip(problems.value_and_grad(problems.x0 + step), moved.value_and_grad(moved.x0 + step)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_parts_of_the_benchmark_share_no_window(windows):
    training, validation, test = benchmark.parts(windows)
    assert (len(training), len(validation), len(test)) == (296, 148, 4_824)
    assert not set(training.portfolio) & (set(validation.portfolio) | set(test.portfolio))
    assert not set(validation.portfolio) & set(test.portfolio)
    assert max(training.last.max(), validation.last.max()) < test.first.min() == np.datetime64("1990-01")


def test_tables_of_the_benchmark_have_their_rows(windows, monkeypatch):
    monkeypatch.setattr(benchmark, "STARTS", 2)
    monkeypatch.setitem(benchmark.SETTINGS, benchmark.CHOSEN,
                        (l2o.policies.MLP(inputs="linear", history=3, width=4),
                         l2o.UnrolledGradient(n_steps=2, n_runs=32, horizon=3, first_horizon=2, n_rounds=1)))
    training, _, test = benchmark.parts(windows[::60], every=1)
    policy = benchmark.trained(benchmark.CHOSEN, training[::2], training[1::2], 0)
    arrival, n, curves = benchmark.tested(test[:6], training[:6], {0: policy}, 1)
    tables = benchmark.speed(test[:4], [policy], 1)
    assert 0 < n <= 6
    assert set(tables) == {"least squares", "zero"}
    for text in (arrival, curves):
        assert all(f"| {name} " in text for name in ("SciPy L-BFGS-B", "L-BFGS", "Newton", "policy alone, seed 0",
                                                    "policy, safeguarded, seed 0"))
    for text in tables.values():
        assert all(f"| {name} " in text for name in ("SciPy L-BFGS-B, NumPy objective", "l2o Newton",
                                                     "SciPy L-BFGS-B, our objective", "l2o policy, safeguarded"))


def test_example_fits_and_draws(tmp_path, capsys):
    path = tmp_path / "betas.png"
    runpy.run_path(str(EXAMPLE))["main"](["--portfolios", "Utils", "S1V5", "--months", "120", "--out", str(path)])
    assert path.stat().st_size > 50_000
    assert "100% converged" in capsys.readouterr().out
