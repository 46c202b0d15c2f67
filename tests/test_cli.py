"""The command line: train, evaluate, info; one line and exit code 2 for a mistake, and nothing left behind."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import l2o
from l2o.base import archive
from l2o.commands import cli, reproduce
from l2o.policies import MLP
from l2o.training import GuidedPolicySearch, streams

DATA = Path(__file__).parent / "data"
TINY = {"n_functions": 8, "n_validation": 6, "policy": MLP(history=5, width=8),
        "trainer": GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=1, batch=32)}


@pytest.fixture
def quick(monkeypatch):
    """Make --quick quicker still."""
    monkeypatch.setattr("l2o.commands.reproduce.QUICK", TINY)


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    """Return policy files: two equal trainings a and b, another seed c, one of given problems d."""
    folder, family = tmp_path_factory.mktemp("policies"), l2o.families.Logistic()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        l2o.train(family, rng=seed, **TINY).save(folder / f"{name}.npz")
    l2o.train(family.sample(8, rng=0), rng=0, **TINY).save(folder / "d.npz")
    return folder


def run(capsys, *argv):
    """Return exit code, standard output and standard error."""
    code = cli.main([str(each) for each in argv])
    return code, *capsys.readouterr()


def mistake(capsys, *argv):
    """Return the one line that is printed for a mistake."""
    code, out, error = run(capsys, *argv)
    assert code == 2
    assert out == ""
    assert error.startswith("l2o: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    return error


def working(*args, **kwargs):
    raise AssertionError("work was begun")


# -- train ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_train_writes_the_policy_and_says_what_it_reached(capsys, tmp_path):
    path = tmp_path / "p.npz"
    code, out, error = run(capsys, "train", "logistic", "--out", path, "--quick", "--policy", "mlp", "--workers", 1)
    assert (code, error) == (0, "")
    card = l2o.load(path).card
    assert str(path) in out
    assert f"{card['quality']['policy']:.4g}" in out
    assert f"{card['quality']['momentum']:.4g}" in out
    assert [each.name for each in tmp_path.iterdir()] == ["p.npz"]


@pytest.mark.usefixtures("quick")
def test_train_is_train_of_the_library(capsys, tmp_path):
    """The seed arrives, all CPUs make the same policy as one, and --json is the card of the file."""
    path = tmp_path / "p.npz"
    code, out, _ = run(capsys, "train", "logistic", "--out", path, "--quick", "--policy", "mlp", "--seed", 5, "--json")
    assert code == 0
    assert json.loads(out) == {"path": str(path), "card": l2o.load(path).card}
    expected = l2o.train(l2o.families.Logistic(), rng=5, **reproduce.training_settings("logistic", quick=True))
    assert {name: value.tobytes() for name, value in l2o.load(path).weights.items()} == {
        name: value.tobytes() for name, value in expected.weights.items()}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", l2o.families.FAMILIES)
def test_every_family_is_trained_and_evaluated(name, capsys, tmp_path):
    family, path = l2o.families.named(name), tmp_path / "p.npz"
    assert run(capsys, "train", name, "--out", path, "--quick", "--policy", "mlp", "--workers", 1)[0] == 0
    card = l2o.load(path).card
    assert card["family"] == {"name": f"l2o.families.{type(family).__name__}", "settings": asdict(family)}
    code, out, _ = run(capsys, "evaluate", path, "--functions", 3, "--workers", 1, "--json")
    assert (code, json.loads(out)["dim"]) == (0, family.dim)
    training = family.sample(family.n_training, streams(0)["training"])
    tuned = l2o.tune(l2o.baselines.Momentum, training, n_steps=40)
    assert json.loads(out)["methods"]["momentum"]["settings"] == repr(tuned)


def test_train_learns_a_prior_by_default_and_evaluate_runs_it(capsys, tmp_path):
    path = tmp_path / "p.npz"
    code, out, _ = run(capsys, "train", "robust", "--out", path, "--quick", "--workers", 1)
    card = l2o.load(path).card
    assert code == 0
    assert [each["kind"] for each in card["training"]["trainers"]] == ["CurvatureRegression"]
    assert f"{card['quality']['policy']:.4g} (L-BFGS 0)" in out
    code, out, _ = run(capsys, "evaluate", path, "--functions", 3, "--workers", 1)
    assert code == 0
    assert "learned" in out
    assert card["network"]["prior"]["newton"]
    assert "learned: runs of Newton()" in out


@pytest.mark.parametrize("name", list(l2o.families.FAMILIES))
def test_train_without_quick_uses_the_trainer_of_the_family(name, capsys, tmp_path, monkeypatch, policies):
    calls = []

    def train(*args, **kwargs):
        calls.append((args, kwargs))
        return l2o.load(policies / "a.npz")

    monkeypatch.setattr(l2o, "train", train)
    assert run(capsys, "train", name, "--out", tmp_path / "p.npz", "--policy", "mlp")[0] == 0
    settings = {"rng": 0, "workers": -1, "checkpoint": None, "progress": False, **reproduce.training_settings(name)}
    assert calls == [((l2o.families.named(name),), settings)]


@pytest.mark.parametrize(("argv", "message"), [
    (["nonsense", "--out", "p.npz"], "family is 'nonsense'; expected one of 'logistic'"),
    (["logistic", "--out", "missing/p.npz"], "cannot write missing/p.npz: the folder missing does not exist"),
    (["logistic", "--out", "."], r"cannot write .: it is a folder"),
    (["logistic", "--out", "p.npz", "--workers", "0"], "workers is 0; expected at least 1"),
    (["logistic", "--out", "p.npz", "--workers", "-3"], "workers is -3"),
    (["logistic", "--out", "p.npz", "--seed", "-1"], "-1; expected None, a non-negative integer"),
])
def test_train_mistake_is_one_line_before_any_work(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("l2o.training.task.tune", working)
    assert message in mistake(capsys, "train", *argv)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is unwritable for root")
def test_train_into_an_unwritable_folder_is_one_line(capsys, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "p.npz" in mistake(capsys, "train", "logistic", "--out", tmp_path / "p.npz")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.slow
def test_train_that_is_interrupted_goes_on_from_its_checkpoint(capsys, tmp_path, monkeypatch):
    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    command = ("train", "logistic", "--out", tmp_path / "p.npz", "--quick", "--policy", "mlp", "--checkpoint",
               tmp_path / "c.npz")
    with monkeypatch.context() as patch:
        patch.setattr("l2o.training.search.Search._accept", interrupted)
        code, out, error = run(capsys, *command)
    assert (code, out) == (130, "")
    assert error == f"l2o: interrupted; the same command goes on from {tmp_path / 'c.npz'}\n"
    assert [each.name for each in tmp_path.iterdir()] == ["c.npz"]
    with monkeypatch.context() as patch:
        patch.setattr("l2o.training.task.tune", interrupted)  # before there is anything to go on from
        assert run(capsys, *command[:-1], tmp_path / "none.npz") == (130, "", "l2o: interrupted\n")
    assert run(capsys, *command)[0] == 0
    assert l2o.load(tmp_path / "p.npz").card["run"]["sittings"] == 2
    assert "rng was 0 and is 1" in mistake(capsys, *command, "--seed", 1)


def test_train_leaves_nothing_beside_its_file_if_it_is_killed(capsys, tmp_path, monkeypatch, policies):
    """What is there while it trains would stay."""
    seen = []
    monkeypatch.setattr(l2o, "train", lambda *args, **settings: seen.append(list(tmp_path.iterdir()))
                        or l2o.load(policies / "a.npz"))
    assert run(capsys, "train", "logistic", "--out", tmp_path / "p.npz")[0] == 0
    assert seen == [[]]


def test_train_onto_a_full_disk_names_its_file(capsys, tmp_path, monkeypatch, policies):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(l2o, "train", lambda *args, **settings: l2o.load(policies / "a.npz"))
    monkeypatch.setattr(archive.os, "fsync", full)
    error = mistake(capsys, "train", "logistic", "--out", tmp_path / "p.npz")
    assert f"cannot write: No space left on device: '{tmp_path / 'p.npz'}'" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("error", "code", "line"), [
    (KeyboardInterrupt(), 130, "l2o: interrupted\n"), (OSError("disk full"), 2, "l2o: disk full\n")])
def test_train_that_is_cut_short_keeps_the_old_file(error, code, line, capsys, tmp_path, monkeypatch):
    (tmp_path / "p.npz").write_text("old")

    def train(*args, **kwargs):
        raise error

    monkeypatch.setattr(l2o, "train", train)
    assert run(capsys, "train", "logistic", "--out", tmp_path / "p.npz") == (code, "", line)
    assert [each.name for each in tmp_path.iterdir()] == ["p.npz"]
    assert (tmp_path / "p.npz").read_text() == "old"


# -- evaluate ------------------------------------------------------------------------------------------


def test_evaluate_compares_on_unseen_functions(capsys, policies):
    """The fresh branch of the seed; baselines tuned on the training branch; the numbers are those of rollouts."""
    code, out, error = run(capsys, "evaluate", policies / "a.npz", "--functions", 7, "--seed", 3, "--workers", 1,
                           "--json")
    assert (code, error) == (0, "")
    record = json.loads(out)
    assert (record["n_problems"], record["n_steps"]) == (7, 100)
    assert set(record["methods"]) == {"learned", "gradient descent", "momentum", "CG", "L-BFGS"}
    family, branches = l2o.families.Logistic(), streams(3)
    tuned = l2o.tune(l2o.baselines.Momentum, family.sample(90, branches["training"]), n_steps=40)
    assert record["methods"]["momentum"]["settings"] == repr(tuned)
    fresh = family.sample(7, branches["fresh"])
    for name, method in (("learned", l2o.load(policies / "a.npz")), ("momentum", tuned)):
        expected = l2o.rollout(fresh, method=method, n_steps=100).fun - np.array(record["f_star"])[:, None]
        np.testing.assert_allclose(record["curves"]["iteration"][name]["mean"], expected.mean(axis=0), rtol=1e-9,
                                   atol=1e-15)


def test_evaluate_prints_two_tables(capsys, policies):
    code, out, _ = run(capsys, "evaluate", policies / "a.npz", "--functions", 3, "--workers", 1)
    assert code == 0
    assert "by iteration, over 3 of 3 problems" in out
    assert "by evaluation, over 3 of 3 problems" in out
    assert all(name in out for name in ("learned", "gradient descent", "momentum", "CG", "L-BFGS"))


@pytest.mark.parametrize(("options", "message"), [
    (["--workers", "0"], "workers is 0"), (["--seed", "-1"], "-1; expected None, a non-negative integer"),
    *((["--functions", value], f"functions is {value}; expected at least 1") for value in ("0", "-4"))])
def test_evaluate_mistake_is_one_line_before_any_work(options, message, capsys, policies, monkeypatch):
    monkeypatch.setattr(sys.modules["l2o.solving.rollout"]._RecordTask, "__call__", working)
    assert message in mistake(capsys, "evaluate", policies / "a.npz", *options)


def test_evaluate_of_other_problems_is_one_line(capsys, policies):
    assert "given problems" in mistake(capsys, "evaluate", policies / "d.npz")
    assert "logistic" in mistake(capsys, "evaluate", DATA / "policy_format_1.npz")


@pytest.mark.parametrize("family", [
    {"name": "l2o.families.Logistic", "settings": {"n_features": 0}},
    {"name": "l2o.families.Logistic", "settings": {"n_classes": 3}},
    None, "none", {"name": "l2o.families.Logistic"}], ids=str)
def test_evaluate_of_a_policy_with_another_card_is_one_line(family, capsys, policies, tmp_path):
    l2o.load(policies / "a.npz").with_card(family=family).save(tmp_path / "p.npz")
    mistake(capsys, "evaluate", tmp_path / "p.npz", "--functions", 3)


# -- info ----------------------------------------------------------------------------------------------


def test_info_shows_the_card(capsys, policies):
    card = l2o.load(policies / "a.npz").card
    code, out, _ = run(capsys, "info", policies / "a.npz", "--json")
    assert code == 0
    assert json.loads(out) == card
    code, out, _ = run(capsys, "info", policies / "a.npz")
    assert code == 0
    for part in ("name: l2o.families.Logistic", "seed: 0", "history: 5", "n_functions: 8",
                 f"policy: {card['quality']['policy']}"):
        assert part in out


def test_hash_is_that_of_what_lasts(capsys, policies, tmp_path):
    hashes = {}
    for name in "abc":
        code, out, _ = run(capsys, "info", policies / f"{name}.npz", "--hash")
        assert code == 0
        hashes[name] = out.strip()
    assert len(hashes["a"]) == 64
    assert hashes["a"] == hashes["b"]
    assert hashes["a"] != hashes["c"]
    assert json.loads(run(capsys, "info", policies / "a.npz", "--hash", "--json")[1]) == {"sha256": hashes["a"]}
    policy = l2o.load(policies / "a.npz")
    for change, same in ((policy.with_card(run={"date": "another"}), True), (policy.with_card(note=1), False),
                         (l2o.Policy(policy.network, {**policy.weights, "b2": policy.weights["b2"] + 1e-12},
                                     policy.card), False)):
        change.save(tmp_path / "p.npz")
        assert (run(capsys, "info", tmp_path / "p.npz", "--hash")[1].strip() == hashes["a"]) is same


@pytest.mark.parametrize("command", ["info", "evaluate"])
def test_file_that_is_no_policy_is_one_line_that_names_it(command, capsys, policies, tmp_path):
    whole = (policies / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "tail.npz").write_bytes(whole[len(whole) // 2 :])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("hello\nworld\n")
    np.savez(tmp_path / "foreign.npz", X=np.zeros(3))
    (tmp_path / "folder.npz").mkdir()
    for name in ("missing", "cut", "tail", "empty", "text", "foreign", "folder"):
        assert f"{name}.npz" in mistake(capsys, command, tmp_path / f"{name}.npz")


# -- the program ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [
    [], ["nonsense"], ["train", "logistic"], ["train"], ["evaluate"], ["info"], ["reproduce", "logistic"],
    ["train", "logistic", "--out", "p.npz", "--seed", "x"], ["evaluate", "p.npz", "--functions", "1.5"],
    ["info", "p.npz", "--wrong"]], ids=" ".join)
def test_usage_mistake_ends_with_code_2(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert "usage: l2o" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["reproduce", "train", "evaluate", "info"])
def test_every_command_has_json_and_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"l2o {l2o.__version__}\n"


def test_program_prints_no_traceback(policies, tmp_path):
    """In a process of its own, as a user meets it."""
    for argv, code in ((["info", str(policies / "a.npz"), "--hash"], 0), (["info", str(tmp_path / "none.npz")], 2)):
        command = [sys.executable, "-m", "l2o.commands.cli", *argv]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert (done.stderr.count("\n"), len(done.stdout.split())) == ((0, 1) if code == 0 else (1, 0))


def test_program_is_installed_under_its_name():
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="l2o")
    assert entry.load() is cli.main


def test_info_leaves_heavy_libraries_out(policies):
    code = f"import sys; from l2o.commands.cli import main; main(['info', {str(policies / 'a.npz')!r}, '--json'])"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(*sys.modules, file=sys.stderr)"], capture_output=True,
                          text=True, check=True)
    assert not {"numba", "matplotlib", "scipy.optimize"} & set(done.stderr.split())


def test_module_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "l2o", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"l2o {l2o.__version__}\n"


def test_examples_of_the_help_are_commands():
    examples = cli.EPILOG.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 4
    for line in examples:
        command, _, told = line.strip().partition("  ")
        assert told
        assert cli._parser().parse_args(command.split()[1:]).run
