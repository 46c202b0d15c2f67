"""compare: what curves, margins and intervals mean, checked on rollouts written by hand."""

import itertools
import json
import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import l2o
from l2o.evaluation import timing
from l2o.evaluation.bootstrap import interval, resample
from l2o.methods import Method

FAMILY = l2o.families.Logistic()
NAN, INF = math.nan, math.inf


@dataclass(frozen=True, eq=False)
class Scripted(Method):
    """A method whose values are given: fun (m, T+1), and evaluations (m, E) if they are others."""

    fun: list
    evaluations: list | None = None

    def record(self, problems, n_steps):
        fun = np.array(self.fun, float)
        m, dim = problems.x0.shape
        evaluations = np.array(self.evaluations if self.evaluations is not None else fun, float)
        nfev = np.tile(np.arange(1, n_steps + 2), (m, 1))
        x = np.repeat(problems.x0[:, None], n_steps + 1, axis=1)
        return x, fun, np.zeros((m, n_steps + 1, dim)), nfev, np.ones(m, np.intc), evaluations

    def solve(self, problems, stopping, callback=None):
        raise NotImplementedError


def scripted(m, n_steps, f_star=0.0, **settings):
    """Compare scripted methods: name -> fun, or (fun, evaluations)."""
    methods = {name: Scripted(*each) if isinstance(each, tuple) else Scripted(each) for name, each in settings.items()}
    return l2o.compare(FAMILY.sample(m, rng=0), methods, n_steps=n_steps, f_star=np.full(m, f_star), n_bootstrap=200)


@pytest.fixture(scope="module")
def problems():
    return FAMILY.sample(30, rng=11)


MODULE = sys.modules["l2o.evaluation._compare"]
METHODS = {"learned": l2o.baselines.Momentum(1.4, 0.5), "descent": l2o.baselines.GradientDescent(0.2),
           "L-BFGS": "lbfgs"}


@pytest.fixture(scope="module")
def report(problems):
    return l2o.compare(problems, METHODS, n_steps=12, n_bootstrap=400)


# -- curves ------------------------------------------------------------------------------------------


def test_curves_by_iteration_are_f_minus_f_star():
    curves = scripted(2, 2, f_star=1.0, a=[[5, 3, 2], [7, 4, 4]]).curves()
    np.testing.assert_array_equal(curves["a"].k, [0, 1, 2])
    np.testing.assert_array_equal(curves["a"].mean, [5, 2.5, 2])
    assert curves["a"].n_averaged == curves["a"].n_problems == 2
    assert curves["a"].n_nonfinite == 0


def test_curves_by_evaluation_are_the_lowest_so_far_with_trials_counted():
    a = ([[5, 3, 1]], [[5, 9, 3, 8, 1]])  # two trials before they are accepted
    b = ([[5, 4, 6]], [[5, 4, 6]])  # goes up: the lowest stays
    curves = scripted(1, 2, a=a, b=b).curves("evaluation")
    np.testing.assert_array_equal(curves["a"].mean, [5, 5, 3])
    np.testing.assert_array_equal(curves["b"].mean, [5, 4, 4])


def test_curves_by_evaluation_go_on_after_an_early_stop():
    stopped = ([[5, 3, 3, 3], [5, 4, 2, 1]], [[5, 3, NAN], [5, 4, 2]])  # fewer evaluations than the budget
    curves = scripted(2, 3, a=stopped).curves("evaluation")
    np.testing.assert_array_equal(curves["a"].mean, [5, 3.5, 2.5, 2.5])


def test_curves_by_evaluation_pass_over_infinite_trials():
    curves = scripted(1, 2, a=([[5, 2, 1]], [[5, INF, 2, 1]])).curves("evaluation")
    np.testing.assert_array_equal(curves["a"].mean, [5, 5, 2])
    assert curves["a"].n_nonfinite == 0


def test_curves_means_are_over_problems_on_which_all_methods_are_finite():
    curves = scripted(3, 1, a=[[1, 1], [2, NAN], [3, 5]], b=[[10, 10], [20, 20], [30, 30]]).curves()
    np.testing.assert_array_equal(curves["a"].mean, [2, 3])
    np.testing.assert_array_equal(curves["b"].mean, [20, 20])
    assert [curves[name].n_averaged for name in "ab"] == [2, 2]
    assert [curves[name].n_nonfinite for name in "ab"] == [1, 0]
    assert curves["a"].share_nonfinite == pytest.approx(1 / 3)


def test_curves_median_counts_non_finite_as_infinite():
    curves = scripted(3, 2, a=[[1, NAN, INF], [2, 2, NAN], [3, 3, 3]]).curves()
    np.testing.assert_array_equal(curves["a"].median, [2, 3, INF])
    even = scripted(4, 0 + 1, a=[[1, INF], [2, INF], [3, NAN], [4, 4]]).curves()
    np.testing.assert_array_equal(even["a"].median, [2.5, INF])


def test_curves_without_any_finite_problem_are_nan_and_quiet():
    curve = scripted(1, 1, a=[[1, NAN]]).curves()["a"]
    assert curve.n_averaged == 0
    assert np.isnan([curve.mean, curve.low, curve.high]).all()


def test_curves_of_enormous_values_are_quiet():
    curve = scripted(3, 1, a=[[1, 1e308], [1, 1e308], [1, 1e308]]).curves()["a"]
    assert curve.n_nonfinite == 0
    assert curve.mean[0] == 1


# -- uncertainty -------------------------------------------------------------------------------------


def test_interval_is_that_of_resampled_means():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(40, 3))
    counts = resample(40, 3000, np.random.default_rng(1))
    np.testing.assert_array_equal(counts.sum(axis=1), 40)
    means = np.stack([np.repeat(values, row, axis=0).mean(axis=0) for row in counts[:5].astype(int)])
    low, high = interval(values, counts[:5])
    np.testing.assert_allclose([low, high], np.quantile(means, [0.025, 0.975], axis=0))
    low, high = interval(values, counts)
    half = 1.96 * values.std(axis=0) / np.sqrt(40)  # the central limit theorem says what to expect
    np.testing.assert_allclose(high - low, 2 * half, rtol=0.15)


def test_interval_passes_over_resamples_without_a_function():
    low, high = interval(np.array([[3.0]]), np.array([[0], [2], [0]]))
    assert (low, high) == (3, 3)
    assert np.isnan(interval(np.array([[3.0]]), np.array([[0]]))).all()


def test_curves_bands_contain_the_mean_and_are_no_points(report):
    for by in ("iteration", "evaluation"):
        for curve in report.curves(by).values():
            assert np.all((curve.low < curve.mean) & (curve.mean < curve.high))


def test_paired_interval_is_much_narrower_than_the_difference_of_bands():
    hard = 100 * np.arange(1.0, 31)[:, None]  # problems differ much, methods by 1 on every one
    noise = 0.1 * np.sin(np.arange(30.0))[:, None]
    compared = scripted(30, 1, a=np.repeat(hard, 2, axis=1), b=hard + 1 + noise * [[0, 1]])
    paired = compared.paired("a", "b")
    assert paired.low[1] > 0.9
    assert paired.high[1] < 1.1
    curves = compared.curves()
    assert curves["b"].low[1] < curves["a"].high[1]  # the unpaired bands overlap
    opposite = compared.paired("b", "a")
    np.testing.assert_allclose(opposite.mean, -paired.mean)
    np.testing.assert_allclose(opposite.low, -paired.high)


def test_paired_difference_is_that_of_the_means():
    compared = scripted(3, 1, a=[[1, 1], [2, NAN], [3, 5]], b=[[1, 2], [2, 3], [3, 9]])
    paired, curves = compared.paired("a", "b"), compared.curves()
    np.testing.assert_array_equal(paired.mean, curves["b"].mean - curves["a"].mean)
    assert (paired.n_averaged, paired.n_nonfinite) == (2, 1)


def test_compare_gives_the_same_bits_for_the_same_seed(problems, report):
    again = l2o.compare(problems, METHODS, n_steps=12, n_bootstrap=400, workers=2)
    other = l2o.compare(problems, METHODS, n_steps=12, n_bootstrap=400, rng=1)
    assert json.dumps(again.to_dict()) == json.dumps(report.to_dict())
    np.testing.assert_array_equal(other.curves()["descent"].mean, report.curves()["descent"].mean)
    assert np.any(other.curves()["descent"].low != report.curves()["descent"].low)


# -- margin of victory -------------------------------------------------------------------------------


def test_margin_of_victory_is_against_the_best_rival_of_each_function():
    compared = scripted(2, 1, a=[[9, 1], [9, 5]], b=[[9, 4], [9, 2]], c=[[9, 3], [9, 4]])
    margins = compared.margin_of_victory()
    np.testing.assert_array_equal([margins[name].mean[1] for name in "abc"], [(2 - 3) / 2, (-3 + 2) / 2, (-2 - 2) / 2])
    np.testing.assert_array_equal([margins[name].mean[0] for name in "abc"], [0, 0, 0])


def test_margin_of_a_non_finite_method_is_minus_its_start():
    compared = scripted(2, 2, f_star=1.0, a=[[9, NAN, INF], [9, 2, 2]], b=[[9, 4, 3], [9, 3, 3]])
    margins = compared.margin_of_victory()
    np.testing.assert_array_equal(margins["a"].mean, [0, (-8 + 1) / 2, (-8 + 1) / 2])
    np.testing.assert_array_equal(margins["b"].mean, [0, (5 - 1) / 2, (6 - 1) / 2])  # the lone survivor beats f(x0)
    assert (margins["a"].n_nonfinite, margins["a"].n_averaged) == (1, 2)


def test_margin_passes_over_non_finite_rivals():
    compared = scripted(1, 1, a=[[9, 3]], b=[[9, NAN]], c=[[9, 5]])
    assert compared.margin_of_victory()["a"].mean[1] == 2


def test_margin_of_victory_by_evaluation_uses_the_lowest_so_far():
    compared = scripted(1, 1, a=([[9, 3]], [[9, 12, 3]]), b=([[9, 5]], [[9, 5]]))
    assert compared.margin_of_victory("iteration")["a"].mean[1] == 2
    assert compared.margin_of_victory("evaluation")["a"].mean[1] == 5 - 9


# -- f_star ------------------------------------------------------------------------------------------


def test_compare_measures_from_the_lowest_value_known(report):
    lowest = l2o.minimize_many(report.problems, method="lbfgs", tol=1e-12).fun
    np.testing.assert_allclose(report.f_star, lowest, rtol=0, atol=1e-14)
    for runs in report.runs.values():
        assert np.all(report.f_star <= np.nanmin(runs.evaluations, axis=1))


def test_compare_takes_a_value_seen_only_between_steps_into_f_star():
    a = Scripted([[9, 3], [9, NAN]], [[9, -7, 3], [9, INF, NAN]])
    compared = l2o.compare(FAMILY.sample(2, rng=0), {"a": a}, n_steps=1)
    assert compared.f_star[0] == -7
    assert 0 < compared.f_star[1] < 1  # from the polish


def test_compare_starts_where_it_is_told(problems):
    moved = l2o.compare(problems, {"a": "momentum"}, problems.x0 + 1, n_steps=2)
    np.testing.assert_array_equal(moved.runs["a"].x[:, 0], problems.x0 + 1)


# -- seconds -----------------------------------------------------------------------------------------


def test_seconds_are_the_median_of_five_runs_for_each_problem(problems, monkeypatch):
    ticks = itertools.accumulate(itertools.cycle([0, 1, 0, 9, 0, 2, 0, 3, 0, 4]))
    monkeypatch.setattr(timing, "SLOW", 100)
    monkeypatch.setattr(timing, "perf_counter", lambda: next(ticks))
    assert timing.seconds_per_problem(problems, l2o.baselines.Momentum(), 2) == 3 / 30


def test_seconds_of_a_slow_method_are_measured_once(problems, monkeypatch):
    ticks = iter([0.0, 1.5])
    monkeypatch.setattr(timing, "perf_counter", lambda: next(ticks))
    assert timing.seconds_per_problem(problems, l2o.baselines.Momentum(), 2) == 1.5 / 30


def test_curves_by_seconds_spread_the_time_over_evaluations(report):
    by_time, by_step = report.curves("seconds"), report.curves("iteration")
    for name, curve in by_time.items():
        np.testing.assert_array_equal(curve.mean, by_step[name].mean)
        assert curve.k[0] == 0
        assert np.all(np.diff(curve.k) > 0)
        assert curve.k[-1] <= report.seconds[name] * 1.0000001
    np.testing.assert_allclose(by_time["descent"].k, np.arange(13) / 12 * report.seconds["descent"])
    runs = report.runs["L-BFGS"]
    made = np.sum(~np.isnan(runs.evaluations)) - len(runs.nfev)
    np.testing.assert_allclose(by_time["L-BFGS"].k, (runs.nfev - 1).sum(axis=0) / made * report.seconds["L-BFGS"])


def test_compare_times_nothing_until_it_is_asked(problems, monkeypatch):
    monkeypatch.setattr("l2o.evaluation.comparison.seconds_per_problem", lambda *_: pytest.fail("timed"))
    compared = l2o.compare(problems, {"a": "momentum", "b": "cg"}, n_steps=2, n_bootstrap=10)
    compared.curves("evaluation")
    compared.to_dict()


# -- records -----------------------------------------------------------------------------------------


def test_json_round_trip(report, tmp_path):
    path = tmp_path / "report.json"
    report.to_json(path, timing=True)
    read = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    curves = report.curves("evaluation")
    for name in METHODS:
        np.testing.assert_array_equal(read["curves"]["evaluation"][name]["mean"], curves[name].mean)
        assert read["methods"][name]["seconds_per_problem"] > 0
    assert read["methods"]["learned"]["settings"] == "Momentum(step_size=1.4, decay=0.5)"
    np.testing.assert_array_equal(read["f_star"], report.f_star)
    paired = report.paired("learned", "L-BFGS")
    assert read["paired"]["reference"] == "learned"
    np.testing.assert_array_equal(read["paired"]["iteration"]["L-BFGS"]["low"], paired.low)
    assert set(read["curves"]) == {"iteration", "evaluation", "seconds"}
    assert "seconds" not in report.to_dict()["curves"]


def test_json_writes_null_for_what_is_not_finite(tmp_path):
    scripted(1, 1, a=[[1, NAN]]).to_json(tmp_path / "r.json")
    read = json.loads((tmp_path / "r.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read["curves"]["iteration"]["a"]["mean"] == [None, None]
    assert read["curves"]["iteration"]["a"]["median"] == [1, None]
    assert read["margin_of_victory"] == {}  # one method


def test_table_shows_the_steps_asked_for():
    compared = scripted(2, 3, a=[[4, 3, 2, 1], [4, 3, 2, 1]], b=[[8, 6, 4, 2], [8, 6, NAN, NAN]])
    lines = compared.table(at=(1, 3, 100)).splitlines()
    assert "over 1 of 2 problems" in lines[0]
    assert lines[1].split() == ["k", "a", "b"]
    assert lines[2].split() == ["1", "3.00e+00", "6.00e+00"]
    assert lines[3].split() == ["3", "1.00e+00", "2.00e+00"]
    assert lines[4].split() == ["non-finite", "0", "%", "50", "%"]
    assert "inf" in compared.table(at=(3,), statistic="median")


def test_comparison_pickles_and_is_shown_in_a_line(report):
    import pickle

    copy = pickle.loads(pickle.dumps(report))
    np.testing.assert_array_equal(copy.curves()["learned"].high, report.curves()["learned"].high)
    assert repr(report) == "Comparison(learned, descent, L-BFGS: 30 problems, 12 steps)"


# -- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("methods", "error", "message"), [
    ({}, ValueError, "methods is empty"), (["lbfgs"], TypeError, "methods is list"),
    ({1: "lbfgs"}, TypeError, "name 1"), ({"a": "newtonn"}, ValueError, "'newtonn'"),
    ({"a": 3}, TypeError, "method is 3")])
def test_compare_refuses_methods(problems, methods, error, message):
    with pytest.raises(error, match=message):
        l2o.compare(problems, methods)


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"n_bootstrap": 0}, ValueError, "n_bootstrap is 0"), ({"n_steps": 0}, ValueError, "n_steps is 0"),
    ({"n_steps": 2.5}, TypeError, "n_steps"), ({"rng": "x"}, (TypeError, ValueError), "rng is 'x'"),
    ({"f_star": 0.0}, ValueError, "f_star has shape"), ({"f_star": [NAN] * 30}, ValueError, "f_star holds nan"),
    ({"workers": 0}, ValueError, "workers is 0"), ({"x0": [0.0]}, ValueError, "x0 has shape")])
def test_compare_refuses_settings_before_any_work(problems, settings, error, message, monkeypatch):
    monkeypatch.setattr(MODULE, "rollout", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(error, match=message):
        l2o.compare(problems, {"a": "momentum"}, **settings)


def test_compare_refuses_problems():
    with pytest.raises(TypeError, match="problems is list"):
        l2o.compare([], {"a": "momentum"})
    with pytest.raises(ValueError, match="problems is empty"):
        l2o.compare(FAMILY.sample(2, rng=0)[0:0], {"a": "momentum"})


def test_comparison_refuses_names_and_axes(report):
    with pytest.raises(ValueError, match="by is 'time'; expected one of 'iteration', 'evaluation', 'seconds'"):
        report.curves("time")
    for call in (report.margin_of_victory, lambda by: report.paired("learned", "descent", by),
                 lambda by: report.table(by=by)):
        with pytest.raises(ValueError, match="by is 'seconds'"):
            call("seconds")
    with pytest.raises(ValueError, match="b is 'x'"):
        report.paired("learned", "x")
    with pytest.raises(ValueError, match="statistic is 'mode'"):
        report.table(statistic="mode")
    with pytest.raises(ValueError, match="at least two"):
        scripted(1, 1, a=[[1, 1]]).margin_of_victory()
    with pytest.raises(FileNotFoundError):
        report.to_json("/no/such/folder/r.json")


def test_compare_imports_neither_matplotlib_nor_numba():
    code = ("import sys, l2o; p = l2o.families.Logistic().sample(3, rng=0)\n"
            "r = l2o.compare(p, {'a': 'momentum', 'b': 'lbfgs'}, n_steps=3, n_bootstrap=10); r.table(); r.to_dict()\n"
            "print([m for m in ('matplotlib', 'numba') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
