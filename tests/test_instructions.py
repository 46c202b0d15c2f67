"""The check of instructions per step: what passes, what fails, and what it says."""

import json
import platform
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import instructions


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Put a record of two cases by the compiler "cc 1" in the place of the real one."""
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"compiler": "cc 1", "instructions_per_step": {"long": 1000, "short": 100}}))
    monkeypatch.setattr(instructions, "RECORD", path)


@pytest.mark.parametrize(("measured", "status", "words"), [
    ({"long": 1000, "short": 100}, 0, "No count is more than 5% above"),
    ({"long": 1049, "short": 105}, 0, "No count is more than 5% above"),
    ({"long": 900, "short": 100}, 0, "ARGS=--record` keeps them there"),
    ({"long": 1051, "short": 100}, 1, "long: 1051 instructions a step, more than 5% above 1000 on record\nMake"),
    ({"long": 1000, "short": 100, "new": 1}, 1, "new: 1 instructions a step, more than 5% above nothing on record"),
], ids=["equal", "within", "fewer", "more", "new"])
def test_check_fails_above_the_tolerance(measured, status, words, record, capsys):
    assert instructions.check(measured, "cc 1") == status
    out = capsys.readouterr().out
    assert words in out
    assert ("run `make instructions ARGS=--record` and commit record.json" in out) == bool(status)


def test_check_of_another_compiler_says_so_and_passes(record, capsys):
    assert instructions.check({"long": 9000}, "cc 2") == 0
    assert "built by cc 1, these are by cc 2: their counts do not compare" in capsys.readouterr().out


def test_record_names_its_compiler_and_every_case():
    record = json.loads(instructions.RECORD.read_text(encoding="utf-8"))
    assert set(record["instructions_per_step"]) == {name for name, _, _ in instructions.cases()}
    assert "GCC: (" in record["compiler"]
    assert instructions.compiler().endswith(f" for {platform.machine()}")
