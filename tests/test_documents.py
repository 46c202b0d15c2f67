"""The documents keep their word: examples run and print what they say, names and links and commands exist."""

import contextlib
import importlib
import io
import itertools
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import l2o
from l2o.commands.cli import _parser
from l2o.training import trainers
from l2o.training.progress import Progress

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
WITH_EXAMPLES = [path for path in DOCUMENTS if "```python" in path.read_text(encoding="utf-8")]
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def by_name(path):
    """Return the name under which a test shows a document."""
    return path.relative_to(ROOT).as_posix()


def blocks(path):
    """Return (language, text, number of its first line) of each fenced block."""
    text = path.read_text(encoding="utf-8")
    return [(found[1], found[2], text.count("\n", 0, found.start(2)) + 1) for found in FENCE.finditer(text)]


def agree(printed, expected):
    """Whether texts have the same words, and decimal numbers that differ by a third or by a hair; counts are exact.

    A training ends in other last bits on another CPU or another NumPy, and what it prints differs a little.
    """
    pairs = itertools.zip_longest(re.split(r"\s+", printed.strip()), re.split(r"\s+", expected.strip()))
    return all(a == b or (a is not None and b is not None and close(a, b)) for a, b in pairs)


def close(a, b):
    """Whether two words differ in decimal numbers only, and little."""
    numbers = [(float(x), float(y)) for x, y in zip(NUMBER.findall(a), NUMBER.findall(b))]
    decimal = all("." in word for word in (*NUMBER.findall(a), *NUMBER.findall(b)))
    same_words = NUMBER.sub("#", a) == NUMBER.sub("#", b)
    return same_words and decimal and all(math.isclose(x, y, rel_tol=0.33, abs_tol=2e-4) for x, y in numbers)


def test_readme_has_the_table_of_curves_that_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    results = importlib.import_module("results")
    assert f"<!-- results: curves -->\n\n{results.curves_table()}\n\n<!-- end -->" in DOCUMENTS[0].read_text("utf-8")
    assert results.curves_table().count("\n") == 1 + len(results.ROWS)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=by_name)
def test_examples_run_and_print_what_they_say(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = type(sys)("example")
    monkeypatch.setitem(sys.modules, "example", module)  # a dataclass looks for the module that it is defined in
    needed = {"distributed": "distributed", "scikit-learn": "sklearn"}.get(path.stem)
    if needed:
        pytest.importorskip(needed)
    printed = ""
    for language, text, line in blocks(path):
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * (line - 1) + text, str(path), "exec"), vars(module))
            printed = output.getvalue().replace("example.", "__main__.")  # where a reader's own objectives are
        elif language == "text":
            assert agree(printed, text), f"{by_name(path)}:{line} says\n{text}\nbut the example prints\n{printed}"


@pytest.mark.slow
def test_family_of_the_contributing_page_takes_its_place_in_the_table(tmp_path):
    """It passes the contract of families, and the commands train and evaluate it."""
    text = next(text for language, text, _ in blocks(ROOT / "CONTRIBUTING.md") if language == "python")
    (tmp_path / "rare_events.py").write_text(text, encoding="utf-8")
    (tmp_path / "added.py").write_text(f"""
import l2o.families
l2o.families.__path__.append({str(tmp_path)!r})  # as if the file lay there
from l2o.families.rare_events import RareEvents
l2o.families.FAMILIES["rare-events"] = l2o.families.RareEvents = RareEvents
""", encoding="utf-8")
    files = [Path(__file__).with_name(name) for name in ("test_families.py", "test_checks.py", "test_cli.py")]
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "added", "-p", "no:cacheprovider", "-k", "rare-events",
                           "--confcutdir", ROOT, "--rootdir", ROOT, *files],
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 20


def test_trainer_of_the_contributing_page_takes_its_place_in_the_table(tmp_path, monkeypatch):
    """It trains each kind of policy, alone and on a mixture, and goes on from a checkpoint to the same weights."""
    text = next(text for language, text, _ in blocks(ROOT / "CONTRIBUTING.md") if "class RandomSearch" in text)
    (tmp_path / "random_search.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(l2o.training, "__path__", [*l2o.training.__path__, str(tmp_path)])  # as if the file lay there
    kind = importlib.import_module("l2o.training.random_search").RandomSearch
    monkeypatch.setattr(trainers, "TRAINERS", (kind,))
    small, settings = l2o.families.Logistic(n_features=2, n_points=20), {"n_functions": 6, "n_validation": 5, "rng": 0}
    mixture = [small.sample(5, rng=0), l2o.families.Logistic(n_features=3, n_points=20).sample(5, rng=1)]
    for network in (l2o.policies.MLP(), l2o.policies.QuasiNewton()):
        policy = l2o.train(small, policy=network, **settings)  # the first trainer that fits
        assert policy.card["training"]["trainers"] == [{"kind": "RandomSearch", "n_trials": 30, "sigma": 0.05}]
        assert policy.card["training"]["course"][-1]["round"] > 0
    assert l2o.train(mixture, policy=network, trainer=kind(n_trials=2), rng=0).dim is None

    whole = l2o.train(small, policy=network, trainer=kind(n_trials=6), **settings)
    offered, offer, file = itertools.count(), Progress.offer, tmp_path / "checkpoint.npz"

    def stopped(*args, **facts):
        if next(offered) == 2:
            raise KeyboardInterrupt
        return offer(*args, **facts)

    monkeypatch.setattr(Progress, "offer", stopped)
    with pytest.raises(KeyboardInterrupt):
        l2o.train(small, policy=network, trainer=kind(n_trials=6), checkpoint=file, **settings)
    monkeypatch.setattr(Progress, "offer", offer)
    again = l2o.train(small, policy=network, trainer=kind(n_trials=6), checkpoint=file, **settings)
    assert again.weights.keys() == whole.weights.keys()
    assert all(np.array_equal(again.weights[name], whole.weights[name]) for name in whole.weights)


@pytest.mark.parametrize(("printed", "expected", "same"), [
    ("a 1.00e-02", "a  1.20e-02\n", True),
    ("a 1.00e-02", "a 2.00e-02", False),
    ("(100, 4)", "(100, 4)", True),
    ("(100, 4)", "(101, 4)", False),
    ("a", "a 1.0", False),
    ("b 1.0", "a 1.0", False),
])
def test_agree_is_strict_about_words_and_counts(printed, expected, same):
    assert agree(printed, expected) == same


@pytest.mark.parametrize("path", DOCUMENTS, ids=by_name)
def test_relative_links_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.split("#")[0]).is_file(), f"{by_name(path)} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=by_name)
def test_make_targets_exist(path):
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([a-z][a-z-]*):", rules, re.M))
    assert offered >= {"demo", "test", "bench", "docs", "wheel", "lint", "clean"}
    text = path.read_text(encoding="utf-8")
    scripts = "".join(block for language, block, _ in blocks(path) if language == "bash")
    assert set(re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make (\S+)", scripts, re.M)) <= offered


@pytest.mark.parametrize("path", DOCUMENTS, ids=by_name)
def test_commands_are_known_to_the_command_line(path):
    for language, block, _ in blocks(path):
        for line in block.splitlines() if language == "bash" else ():
            words = shlex.split(line, comments=True)
            if words[:1] == ["l2o"]:
                assert _parser().parse_args(words[1:]).run


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "Makefile"], ids=by_name)
def test_benchmarks_that_are_named_exist(path):
    for name in re.findall(r"-m\s+(benchmarks[\w.]+)", path.read_text(encoding="utf-8")):
        assert (ROOT / name.replace(".", "/")).with_suffix(".py").is_file(), name


def test_api_page_names_everything_public():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w.]+", text))
    for name in l2o.__all__:
        value = getattr(l2o, name)
        inner = getattr(value, "__all__", ()) if isinstance(value, type(sys)) else ()
        assert name in named or f"l2o.{name}" in named or any(word.startswith(f"{name}.") for word in named), name
        for each in inner:
            assert each in named or f"{name}.{each}" in named or f"l2o.{name}.{each}" in named, f"{name}.{each}"


def test_api_page_names_nothing_that_is_not_there():
    for block in re.findall(r":toctree: generated\n\n(.*?)```", (DOCS / "api.md").read_text(encoding="utf-8"), re.S):
        for name in block.split():
            value = l2o
            for part in name.split("."):
                value = getattr(value, part)


def test_pages_that_print_digits_say_whose_they_are():
    for path in WITH_EXAMPLES:
        printed = [text for language, text, _ in blocks(path) if language == "text" and re.search(r"\d\.\d\d", text)]
        if printed and path.parent == DOCS:
            assert "last digits" in path.read_text(encoding="utf-8"), by_name(path)


def test_every_page_is_in_the_table_of_contents():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    tables = re.findall(r"```\{toctree\}\n(?::[^\n]*\n)*(.*?)```", text, re.S)
    contents = " ".join(tables).split()
    assert sorted(contents) == sorted({path.stem for path in DOCS.glob("*.md")} - {"index"} | {"gallery/index"})


def test_every_result_is_included_in_one_page():
    """A result is a file that a program writes: what a page says by hand stands in the page."""
    included = re.findall(r"^```\{include\} results/(.+)\.md$",
                          "\n".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")), re.M)
    assert sorted(included) == sorted(path.stem for path in (DOCS / "results").glob("*.md"))


def test_page_of_what_happens_names_a_test_in_each_row():
    rows = [line for line in (DOCS / "what-happens.md").read_text(encoding="utf-8").splitlines()
            if line.startswith("| ") and "outcome" not in line and "`minimize` |" not in line]
    defined = set(re.findall(r"^def (test_\w+)", "".join(path.read_text(encoding="utf-8")
                                                        for path in Path(__file__).parent.glob("test_*.py")), re.M))
    named = [re.search(r"`(test_\w+)` \|$", row) for row in rows]
    assert len(rows) > 25
    assert [row for row, test in zip(rows, named) if test is None or test[1] not in defined] == []


def test_page_of_promises_names_tests_that_exist():
    rows = [line for line in (DOCS / "promises.md").read_text(encoding="utf-8").splitlines()
            if line.startswith("| ") and "**" not in line and "| promise" not in line]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for name, test in named:
            assert re.search(rf"^def {test}\(", (Path(__file__).parent / name).read_text(encoding="utf-8"), re.M), test


def test_changelog_has_the_current_version():
    assert f"## [{l2o.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_method_page_names_settings_that_exist():
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    settings = re.findall(r"`([a-z_]+)=", text)
    known = {field for each in (l2o.GuidedPolicySearch, l2o.UnrolledGradient, l2o.policies.MLP)
             for field in each.__dataclass_fields__}
    assert settings
    assert set(settings) <= known | {"method", "by", "trainer", "init"}


def test_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1]
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert cited == newest == l2o.__version__
