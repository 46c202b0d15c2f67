"""reproduce: one quick run, checked from end to end, and what happens where something is missing or fails."""

import contextlib
import importlib.util
import io
import json
import os
import re
import struct
import sys
import zlib
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

import l2o
from l2o.baselines import GradientDescent, Momentum
from l2o.commands import cli, reproduce
from l2o.commands.real_data import breast_cancer_triples
from l2o.evaluation import timing
from l2o.policies import MLP
from l2o.training import GuidedPolicySearch, streams

TINY = {"n_functions": 8, "n_validation": 6, "policy": MLP(history=5, width=8),
        "trainer": GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=1, batch=32)}
FILES = {"logistic.npz", "results.json", "logistic-fresh.png", "logistic-paper.png", "logistic-real-data.png"}
METHODS = {"learned", "gradient descent", "momentum", "CG", "L-BFGS"}
AT = (1, 2, 3, 5, 10, 20, 40, 100)
with_data = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")


def run(*argv):
    """Return exit code, standard output and standard error of a command."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = cli.main([str(each) for each in argv])
    return code, out.getvalue(), error.getvalue()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Run ``l2o reproduce logistic --quick`` once."""
    folder, measured = tmp_path_factory.mktemp("quick") / "made" / "here", timing.seconds_per_problem
    with pytest.MonkeyPatch.context() as patch:  # seconds of 10 problems: CG alone takes 10 s for 100 of them
        patch.setattr("l2o.evaluation.comparison.seconds_per_problem",
                      lambda problems, *rest: measured(problems[:10], *rest))
        code, out, error = run("reproduce", "logistic", "--out", folder, "--quick", "--workers", 1)
    assert (code, error) == (0, "")
    record = json.loads((folder / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    return SimpleNamespace(folder=folder, out=out, record=record, policy=l2o.load(folder / "logistic.npz"))


@pytest.fixture
def tiny(monkeypatch):
    """Make all parts of --quick small: training, evaluation, timing, real data."""
    evaluate, triples = reproduce.evaluate, reproduce.breast_cancer_triples
    monkeypatch.setattr(reproduce, "QUICK", TINY)
    monkeypatch.setattr(reproduce, "evaluate", lambda policy, problems, *rest: evaluate(policy, problems[:4], *rest))
    monkeypatch.setattr(reproduce, "breast_cancer_triples", lambda every: triples(every=400))
    monkeypatch.setattr("l2o.evaluation.comparison.seconds_per_problem", lambda *args: 1e-5)


def without(monkeypatch, *names):
    """Make libraries look as if they were not installed."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in names else found(name, *rest))
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def fresh(seed=0, m=100, name="fresh"):
    return l2o.families.Logistic().sample(m, streams(seed)[name])


def chunks(png):
    """Return the chunks (kind, data) of a PNG file; its checksums are verified."""
    content, position, found = png.read_bytes(), 8, []
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    while position < len(content):
        length, kind = struct.unpack(">I4s", content[position : position + 8])
        data = content[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack(">I", content[position + 8 + length : position + 12 + length])
        assert checksum == zlib.crc32(kind + data)
        found.append((kind, data))
        position += 12 + length
    return found


# -- what is written -----------------------------------------------------------------------------------


@with_data
def test_reproduce_writes_its_files_and_no_others(quick):
    assert {each.name for each in quick.folder.iterdir()} == FILES


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith(".png")))
@with_data
def test_figures_are_whole_and_not_blank(name, quick):
    found = chunks(quick.folder / name)
    width, height, depth, colour = struct.unpack(">IIBB", found[0][1][:10])
    assert found[-1][0] == b"IEND"
    assert (width >= 600, height >= 300, depth) == (True, True, 8)
    pixels = zlib.decompress(b"".join(data for kind, data in found if kind == b"IDAT"))
    rows = np.frombuffer(pixels, np.uint8).reshape(height, -1)
    assert rows.shape[1] == 1 + width * {2: 3, 6: 4}[colour]
    assert (rows[:, 1:] != 255).any(axis=1).mean() > 0.5  # something is drawn in most lines


def test_results_hold_settings_seeds_versions_and_seconds(quick):
    record = quick.record
    assert (record["family"], record["seed"], record["quick"], record["l2o"]) == ("logistic", 0, True, l2o.__version__)
    assert record["policy"] == quick.policy.card
    card = record["policy"]
    assert card["family"]["settings"] == {"n_features": 3, "n_points": 100, "l2": 5e-4}
    assert card["training"]["seed"] == 0
    assert card["training"]["trainers"][0] == reproduce.training_settings("logistic", quick=True)["trainer"].card()
    assert card["run"].keys() >= {"python", "numpy", "scipy", "seconds", "date"}
    parts = card["run"]["parts"]
    assert parts.keys() >= {"sampling", "fitting", "Riccati", "regression"}
    assert 0.8 * card["run"]["seconds"] - 0.2 <= sum(parts.values()) <= card["run"]["seconds"] + 0.2
    assert record["seconds"] > card["run"]["seconds"]


@pytest.mark.parametrize("name", ["test", "fresh"])
def test_results_hold_curves_and_margins(name, quick):
    part = quick.record[name]
    assert (part["n_problems"], part["dim"], part["n_steps"], part["confidence"]) == (100, 4, 100, 0.95)
    assert set(part["methods"]) == METHODS
    for by in ("iteration", "evaluation"):
        for curves in (part["curves"][by], part["margin_of_victory"][by]):
            assert set(curves) == METHODS
            for curve in curves.values():
                assert {"mean", "median", "low", "high", "n_nonfinite"} <= set(curve)
                assert curve["k"] == list(range(101))
                low, mean, high = (np.array(curve[key]) for key in ("low", "mean", "high"))
                assert (low <= mean + 1e-12).all()
                assert (mean <= high + 1e-12).all()
    assert part["paired"]["reference"] == "learned"
    assert set(part["paired"]["iteration"]) == METHODS - {"learned"}
    if name == "fresh":  # by second, too
        assert set(part["curves"]["seconds"]) == METHODS
        assert all(part["methods"][each]["seconds_per_problem"] > 0 for each in METHODS)


@pytest.mark.parametrize("name", ["test", "fresh"])
def test_results_are_those_of_rollouts_on_unseen_functions(name, quick):
    """The functions are the branch of that name; the baselines are tuned on the training functions."""
    training = l2o.families.Logistic().sample(45, streams(0)["training"])
    tuned = {"momentum": l2o.tune(Momentum, training), "gradient descent": l2o.tune(GradientDescent, training)}
    part, problems = quick.record[name], fresh(name=name)
    for label, method in {"learned": quick.policy, **tuned}.items():
        if label != "learned":
            assert part["methods"][label]["settings"] == repr(method)
        gaps = l2o.rollout(problems, method=method, n_steps=100).fun - np.array(part["f_star"])[:, None]
        curve = part["curves"]["iteration"][label]
        np.testing.assert_allclose(curve["mean"], gaps.mean(axis=0), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(curve["median"], np.median(gaps, axis=0), rtol=1e-9, atol=1e-15)
    _, gradients = problems.value_and_grad(l2o.minimize_many(problems, method="lbfgs", tol=1e-9).x)
    assert abs(gradients).max() < 1e-7
    lowest = l2o.minimize_many(problems, method="lbfgs", tol=1e-9).fun
    np.testing.assert_allclose(part["f_star"], lowest, rtol=0, atol=1e-9)


def test_grid_is_at_least_as_good_as_tuned_momentum(quick):
    """At each k: the weakest possible excuse that the baseline was weak."""
    grid = quick.record["best_of_momentum_grid"]
    assert grid["n_settings"] >= 128
    momentum = np.array(quick.record["fresh"]["curves"]["iteration"]["momentum"]["mean"])
    assert len(grid["mean"]) == 101
    assert (np.array(grid["mean"]) <= momentum * (1 + 1e-9)).all()
    assert (np.array(grid["mean"])[2:] < momentum[2:]).any()


def test_learned_optimizer_beats_gradient_descent(quick):
    """Even a quick training, on functions it has not seen (seeds 0-4: .54 to .59 of the mean over k = 1..40)."""
    curves = quick.record["fresh"]["curves"]["iteration"]
    learned, descent = (np.array(curves[name]["mean"]) for name in ("learned", "gradient descent"))
    assert learned[1:41].mean() < 0.8 * descent[1:41].mean()
    assert (learned[3:21] < descent[3:21]).all()
    assert curves["learned"]["n_nonfinite"] == 0


@with_data
def test_real_data_are_what_minimize_many_found(quick):
    real = quick.record["real_data"]
    problems = breast_cancer_triples(every=20)
    assert (real["comparison"]["n_problems"], real["comparison"]["n_steps"]) == (203, 40)
    assert set(real["comparison"]["methods"]) == {"learned", "momentum", "L-BFGS"}
    batch = l2o.minimize_many(problems, method=quick.policy, options={"maxiter": 40, "safeguard": False})
    gap = batch.fun - np.array(real["comparison"]["f_star"])
    found = real["minimize_many"]
    assert found["mean_gap"] == pytest.approx(gap.mean(), rel=1e-9)
    assert found["worst_gap"] == pytest.approx(gap.max(), rel=1e-9)
    assert found["converged"] == pytest.approx(batch.success.mean())
    assert found["seconds"] > 0
    curve = real["comparison"]["curves"]["evaluation"]["learned"]["mean"]
    best = np.minimum.accumulate(l2o.rollout(problems, method=quick.policy, n_steps=40).fun, axis=1)
    expected = best.mean(axis=0) - np.mean(real["comparison"]["f_star"])
    np.testing.assert_allclose(curve, expected, rtol=1e-7, atol=1e-12)
    assert curve[40] < 0.1 * curve[0]


# -- what is said --------------------------------------------------------------------------------------


def numbers(out, label):
    """Return the numbers of the first line that begins with a label."""
    line = next(line for line in out.splitlines() if line.startswith(label))
    return np.array([float(word) for word in line[len(label) :].split()])


def test_table_ends_with_the_paths(quick):
    lines = quick.out.rstrip("\n").splitlines()
    last = lines[lines.index("written:") + 1 :]
    assert {line.strip() for line in last} == {str(each) for each in quick.folder.iterdir()}


def test_table_has_the_numbers_of_the_record(quick):
    curves = quick.record["fresh"]["curves"]
    at = list(AT)
    np.testing.assert_array_equal(numbers(quick.out, "k "), at)
    for label, values in (
        ("learned ", curves["iteration"]["learned"]["mean"]), ("momentum ", curves["iteration"]["momentum"]["mean"]),
        ("gradient descent ", curves["iteration"]["gradient descent"]["mean"]),
        ("best of momentum grid", quick.record["best_of_momentum_grid"]["mean"]),
        ("CG, by evaluation", curves["evaluation"]["CG"]["mean"]),
        ("L-BFGS, by evaluation", curves["evaluation"]["L-BFGS"]["mean"])):
        np.testing.assert_allclose(numbers(quick.out, label), np.array(values)[at], rtol=0.051)
    paired = quick.record["fresh"]["paired"]["iteration"]["momentum"]
    for label, key in (("momentum - learned", "mean"), ("  95 % interval from", "low"), ("  to", "high")):
        np.testing.assert_allclose(numbers(quick.out, label), np.array(paired[key])[at], rtol=0.051)
    difference = np.array(curves["iteration"]["momentum"]["mean"]) - curves["iteration"]["learned"]["mean"]
    np.testing.assert_allclose(paired["mean"], difference, rtol=0, atol=1e-12)


def test_table_says_what_went_wrong_in_runs(quick):
    runs = l2o.rollout(fresh(), method=quick.policy, n_steps=100).fun
    expected = (f"non-finite: {(~np.isfinite(runs)).any(axis=1).sum()}; "
                f"that end above their start: {(~(runs[:, -1] <= runs[:, 0])).sum()}")
    assert expected in quick.out


@with_data
def test_table_of_real_data_says_what_they_are(quick):
    part = quick.out[quick.out.index("real data: ") :]
    assert re.search("breast cancer, 203 logistic regressions.*569 rows", part)
    curves = quick.record["real_data"]["comparison"]["curves"]["evaluation"]
    for name in ("learned", "momentum", "L-BFGS"):
        np.testing.assert_allclose(numbers(part, name + " "), np.array(curves[name]["mean"])[[1, 2, 3, 5, 10, 40]],
                                   rtol=0.051)


@pytest.mark.usefixtures("tiny")
def test_json_is_the_record_and_nothing_else(tmp_path):
    code, out, error = run("reproduce", "logistic", "--out", tmp_path, "--quick", "--json", "--seed", 4, "--workers", 1)
    assert (code, error) == (0, "")
    printed = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    paths = printed.pop("paths")
    assert printed == json.loads((tmp_path / "results.json").read_text())
    assert {os.path.basename(path) for path in paths} == {each.name for each in tmp_path.iterdir()}
    assert printed["seed"] == printed["policy"]["training"]["seed"] == 4
    settings = reproduce.training_settings("logistic", quick=True)
    policy, problems = l2o.train(l2o.families.Logistic(), rng=4, **settings), fresh(4, 4)
    written = l2o.load(tmp_path / "logistic.npz")
    assert {name: value.tobytes() for name, value in policy.weights.items()} == {
        name: value.tobytes() for name, value in written.weights.items()}
    gaps = l2o.rollout(problems, method=written, n_steps=100).fun
    expected = gaps.mean(axis=0) - np.mean(printed["fresh"]["f_star"])
    np.testing.assert_allclose(printed["fresh"]["curves"]["iteration"]["learned"]["mean"], expected, rtol=1e-9)


# -- real data -----------------------------------------------------------------------------------------


@with_data
def test_triples_are_all_triples_standardised():
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    problems = breast_cancer_triples()
    assert (len(problems), problems.dim) == (4060, 4)
    assert not problems.x0.any()
    standard = (table.data - table.data.mean(axis=0)) / table.data.std(axis=0)
    x = np.array([0.3, -0.2, 0.5, 0.1])
    for i, columns in ((0, (0, 1, 2)), (4059, (27, 28, 29)), (1234, list(combinations(range(30), 3))[1234])):
        sign = 2 * table.target - 1
        margin = sign * (standard[:, columns] @ x[:3] + x[3])
        expected = np.logaddexp(0, -margin).mean() + 2.5e-4 * x[:3] @ x[:3]
        assert problems[i].fun(x) == pytest.approx(expected, rel=1e-12)
    some = breast_cancer_triples(every=20)
    assert len(some) == 203
    assert some[1].fun(x) == problems[20].fun(x)


@pytest.mark.usefixtures("tiny")
def test_without_scikit_learn_real_data_are_skipped_and_it_says_so(tmp_path, monkeypatch):
    without(monkeypatch, "sklearn")
    code, out, error = run("reproduce", "logistic", "--out", tmp_path, "--quick", "--workers", 1)
    assert (code, error) == (0, "")
    assert "real data: skipped, scikit-learn is not installed (pip install 'l2o[examples]')" in out
    assert {each.name for each in tmp_path.iterdir()} == FILES - {"logistic-real-data.png"}
    assert json.loads((tmp_path / "results.json").read_text())["real_data"] is None


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["robust", "neural-net"])
def test_family_without_real_data_leaves_that_part_out(name, tmp_path, monkeypatch):
    family, drawn = type(l2o.families.named(name)), []
    sample = family.sample
    monkeypatch.setattr(family, "n_test", 90)
    monkeypatch.setattr(family, "sample", lambda self, m, rng: drawn.append(m) or sample(self, m, rng))
    code, out, error = run("reproduce", name, "--out", tmp_path, "--quick", "--workers", 1)
    assert (code, error) == (0, "")
    assert "real data: none for this family" in out
    assert {each.name for each in tmp_path.iterdir()} == {f"{name}.npz", "results.json", f"{name}-fresh.png",
                                                          f"{name}-paper.png"}
    record = json.loads((tmp_path / "results.json").read_text())
    assert (record["family"], record["real_data"]) == (name, None)
    assert drawn == [8, 6, 8, 90, 100]  # training, validation, training again for the baselines, the paper's, fresh


@pytest.mark.usefixtures("tiny")
@with_data
def test_figures_say_what_they_are_of(tmp_path, monkeypatch):
    """How many problems of what, and that a short training is no result."""
    titles = []
    for name in ("figure", "paper_figure"):
        monkeypatch.setattr(f"l2o.evaluation.{name}", lambda compared, path, title, **rest: titles.append(title))
    reproduce.reproduce("logistic", tmp_path, quick=True, say=lambda line: None)
    short = ", after a short training (--quick)"
    assert titles == [f"logistic: 4 unseen functions{short}",
                      f"logistic: 4 unseen functions, as many as in the paper{short}",
                      f"breast cancer: 11 logistic regressions on triples of features{short}"]


@pytest.mark.usefixtures("tiny")
def test_without_matplotlib_there_are_no_figures(tmp_path, monkeypatch):
    without(monkeypatch, "matplotlib")
    code, out, error = run("reproduce", "logistic", "--out", tmp_path, "--quick", "--workers", 1)
    assert (code, error) == (0, "")
    assert {each.name for each in tmp_path.iterdir()} == {"logistic.npz", "results.json"}
    assert ".png" not in out


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_all_is_each_family_in_a_folder_of_its_own(tmp_path, monkeypatch):
    without(monkeypatch, "sklearn", "matplotlib")
    monkeypatch.setattr(reproduce, "STARTS", 3)
    code, out, error = run("reproduce", "all", "--out", tmp_path, "--quick", "--json", "--workers", 1)
    assert (code, error) == (0, "")
    records = json.loads(out)
    assert list(records) == list(l2o.families.PAPER)
    for name, record in records.items():
        assert {each.name for each in (tmp_path / name).iterdir()} == {f"{name}.npz", "results.json"}
        assert record["family"] == name
        record.pop("paths")
        assert record == json.loads((tmp_path / name / "results.json").read_text())


def test_ends_count_runs_in_the_lowest_basin():
    """From 50 starts L-BFGS finds a value as low as any; of three runs one gets there, one fails, one does not."""
    family = l2o.families.RobustRegression()
    problems = family.sample(3, rng=5)
    lowest = reproduce.lowest_basin(problems, family, 0)
    assert (lowest <= l2o.minimize_many(problems, method="newton").fun + 1e-9).all()
    assert reproduce.lowest_basin(problems, family, 0).tolist() == lowest.tolist()
    fun = np.stack([[1.0, lowest[0] + 1e-4], [1.0, np.nan], [0.1, 0.3 + lowest[2]]])
    ends = reproduce.run_ends(SimpleNamespace(runs={"a": SimpleNamespace(fun=fun)}, f_star=lowest + 1), lowest)
    assert ends == {"a": {"lowest_basin": 1 / 3, "nonfinite": 1, "above_start": 2}}


# -- mistakes and failures -----------------------------------------------------------------------------


def working(*args, **kwargs):
    raise AssertionError("work was begun")


def mistake(monkeypatch, *argv):
    """Return the one line for a mistake that is found before any work."""
    monkeypatch.setattr("l2o.training.task.tune", working)
    code, out, error = run("reproduce", *argv)
    assert (code, out) == (2, "")
    assert error.startswith("l2o: ")
    assert error.count("\n") == 1
    return error


def test_unknown_family_is_one_line(monkeypatch, tmp_path):
    assert "family is 'nonsense'; expected one of 'logistic'" in mistake(monkeypatch, "nonsense", "--out",
                                                                         tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_out_that_is_a_file_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "which is a file; expected a folder" in mistake(monkeypatch, "logistic", "--out", tmp_path / "file")
    assert "file" in mistake(monkeypatch, "logistic", "--out", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is unwritable for root")
def test_out_that_cannot_be_written_is_one_line(monkeypatch, tmp_path):
    tmp_path.chmod(0o500)
    try:
        mistake(monkeypatch, "logistic", "--out", tmp_path)
        mistake(monkeypatch, "logistic", "--out", tmp_path / "below")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("options", [["--workers", "0"], ["--seed", "-1"]], ids=" ".join)
def test_mistake_in_an_option_is_one_line(options, monkeypatch, tmp_path):
    assert options[1] in mistake(monkeypatch, "logistic", "--out", tmp_path / "out", "--quick", *options)


@pytest.mark.parametrize("options", [["--workers", "0"], ["--seed", "-1"]], ids=" ".join)
def test_mistake_in_an_option_leaves_no_folder(options, monkeypatch, tmp_path):
    mistake(monkeypatch, "logistic", "--out", tmp_path / "out", "--quick", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("error", "code"), [(OSError("disk full"), 2), (KeyboardInterrupt(), 130)], ids=["full", "^C"])
def test_failure_in_training_leaves_old_results_alone(error, code, monkeypatch, tmp_path):
    (tmp_path / "results.json").write_text("old")

    def train(*args, **kwargs):
        raise error

    monkeypatch.setattr(reproduce, "train", train)
    assert run("reproduce", "logistic", "--out", tmp_path, "--quick")[0] == code
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "old"


@pytest.mark.usefixtures("tiny")
def test_failure_in_writing_leaves_nothing_half_written(monkeypatch, tmp_path):
    def full(record, file, **options):
        file.write('{"half": ')
        raise OSError("disk full")

    monkeypatch.setattr(json, "dump", full)
    code, _, error = run("reproduce", "logistic", "--out", tmp_path, "--quick", "--workers", 1)
    assert (code, error) == (2, "l2o: disk full\n")
    assert {each.name for each in tmp_path.iterdir()} <= {"logistic.npz"}


def test_trial_of_writing_leaves_files_alone(tmp_path):
    (tmp_path / ".writable").write_text("mine")
    reproduce._writable_folder(tmp_path)
    assert (tmp_path / ".writable").read_text() == "mine"
