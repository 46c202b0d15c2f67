"""Figures: written without a display, axes as promised."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import l2o
from l2o.evaluation import figures

pytest.importorskip("matplotlib")

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def report():
    problems = l2o.families.Logistic().sample(10, rng=2)
    methods = {"descent": l2o.baselines.GradientDescent(0.5), "learned": l2o.baselines.Momentum(1.4, 0.5),
               "L-BFGS": "lbfgs"}
    return l2o.compare(problems, methods, n_steps=30, n_bootstrap=50)


def line(ax, name):
    return next(each for each in ax.get_lines() if each.get_label() == name)


@pytest.mark.parametrize("seconds", [False, True])
def test_figure_writes_a_png(report, tmp_path, seconds):
    figures.figure(report, tmp_path / "f.png", "Title", seconds=seconds)
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]
    data = (tmp_path / "f.png").read_bytes()
    assert data.startswith(PNG)
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert height > 800
    assert width > (1900 if seconds else 1200)  # three columns, or two


@pytest.fixture
def drawn(monkeypatch):
    """Return the figures that are saved."""
    saved, save = [], figures.save
    monkeypatch.setattr(figures, "save", lambda canvas, *rest: saved.append(canvas) or save(canvas, *rest))
    return saved


def test_paper_figure_has_margins_and_two_functions(report, tmp_path, drawn):
    figures.paper_figure(report, tmp_path / "f.png", "Title")
    assert (tmp_path / "f.png").read_bytes().startswith(PNG)
    margins, first, second = drawn[0].axes
    np.testing.assert_array_equal(line(margins, "descent").get_ydata(), report.margin_of_victory()["descent"].mean[1:])
    for i, ax in enumerate((first, second)):
        np.testing.assert_array_equal(line(ax, "L-BFGS").get_ydata(), report.runs["L-BFGS"].fun[i])
        assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
        shown = report.runs["L-BFGS"].fun[i]
        assert ax.get_ylim()[0] < shown.min() < shown.max() < ax.get_ylim()[1]


def test_paper_figure_is_not_squeezed_by_a_method_that_diverges(tmp_path, drawn):
    problems = l2o.families.NeuralNet().sample(10, rng=4)
    methods = {"learned": l2o.baselines.Momentum(1.0, 0.5), "descent": l2o.baselines.GradientDescent(30.0)}
    report = l2o.compare(problems, methods, n_steps=100, n_bootstrap=50)
    assert (report.runs["descent"].fun[:2].max(axis=1) > 1e3).all()
    figures.paper_figure(report, tmp_path / "f.png")
    margins, *others = drawn[0].axes
    start = report.runs["learned"].fun[:, 0]
    assert -2.01 * (start - report.f_star).mean() < margins.get_ylim()[0] < 0 < margins.get_ylim()[1]
    for i, ax in enumerate(others):
        assert start[i] < ax.get_ylim()[1] < 2.01 * start[i]


def test_plot_draws_the_curves_from_the_first_step(report):
    ax = report.plot()
    curve = report.curves()["descent"]
    np.testing.assert_array_equal(line(ax, "descent").get_xdata(), curve.k[1:])
    np.testing.assert_array_equal(line(ax, "descent").get_ydata(), curve.mean[1:])
    assert ax.get_yscale() == "log"
    assert ax.get_xlim() == (1, 30)


def test_plot_does_not_follow_a_converged_method_below_the_floor(report):
    report = replace(report, f_star=report.f_star + 1e-12)
    assert report.curves()["L-BFGS"].mean[-1] < 0
    ax = report.plot()
    assert ax.get_ylim()[0] == 1e-8
    ends = line(ax, "L-BFGS").get_ydata()[-1]
    assert 0 < ends < 1e-8  # the line leaves through the bottom instead of ending


def test_plot_statistic_and_axis_are_those_asked_for(report):
    ax = report.plot(by="evaluation", statistic="median")
    np.testing.assert_array_equal(line(ax, "descent").get_ydata(), report.curves("evaluation")["descent"].median[1:])
    assert "median" in ax.get_ylabel()
    assert "evaluation" in ax.get_xlabel()
    assert not ax.collections  # the band is the mean's


def test_plot_emphasises_the_learned_method(report):
    ax = report.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["learned", "descent", "L-BFGS"]
    widths = {name: line(ax, name).get_linewidth() for name in report.methods}
    assert widths["learned"] > max(widths["descent"], widths["L-BFGS"])


def test_plot_draws_where_it_is_told(report):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert report.plot(ax) is ax
    assert l2o.evaluation.plot_margins(report.margin_of_victory(), ax) is ax


def test_plot_margins_shows_both_signs(report):
    ax = l2o.evaluation.plot_margins(report.margin_of_victory())
    np.testing.assert_array_equal(line(ax, "learned").get_ydata(), report.margin_of_victory()["learned"].mean[1:])
    low, high = ax.get_ylim()
    assert low < 0 < high


def test_plot_says_how_many_runs_failed(report):
    runs = dict(report.runs)
    fun = runs["descent"].fun.copy()
    fun[:3, 5:] = np.nan
    runs["descent"] = replace(runs["descent"], fun=fun)
    ax = replace(report, runs=runs).plot()
    assert ax.get_title(loc="left") == "over 7 of 10 problems; non-finite: descent 30 %"
    assert report.plot().get_title(loc="left") == ""


def test_plot_refuses_what_it_cannot_draw(report, tmp_path):
    with pytest.raises(ValueError, match="statistic is 'mode'"):
        report.plot(statistic="mode")
    with pytest.raises(ValueError, match="by is 'time'"):
        report.plot(by="time")
    with pytest.raises(FileNotFoundError):
        figures.figure(report, tmp_path / "none" / "f.png")


def test_plot_without_matplotlib_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'l2o\[plot\]'"):
        report.plot()


def test_plot_leaves_pyplot_alone():
    code = ("import sys, l2o; p = l2o.families.Logistic().sample(2, rng=0)\n"
            "r = l2o.compare(p, {'a': 'momentum', 'b': 'gradient-descent'}, n_steps=3, n_bootstrap=5)\n"
            "import l2o.evaluation; print('matplotlib' in sys.modules)\n"
            "r.plot(); print('matplotlib.pyplot' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
