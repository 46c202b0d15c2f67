"""A training that is cut short and goes on: nothing lost but time, and no file of something else taken for it."""

import errno
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from test_learning import outcomes

import l2o
from l2o.base import archive
from l2o.training import checkpoint as module
from l2o.training.checkpoint import Checkpoint

FAMILY = l2o.families.Logistic(n_points=20)
SEARCH = l2o.GuidedPolicySearch(n_iterations=3, n_samples=4, horizon=10, epochs=1)
OF_TEACHERS = replace(SEARCH, samples="teacher", trust_region="teacher", dual_rate=0.1, adapt_coupling=True)
UNROLLED = l2o.UnrolledGradient(n_steps=20, n_runs=8, horizon=8, n_rounds=3)
TRAINERS = {"search": SEARCH, "round the teachers": OF_TEACHERS, "the same starts": replace(SEARCH, fresh_starts=False),
            "Hessians": replace(SEARCH, local_model="hessian", fresh_starts=False), "unrolled": UNROLLED,
            "one after the other": [SEARCH, UNROLLED], "no rounds": replace(SEARCH, n_iterations=0)}


class Stop(Exception):
    """What stands for the end of a process."""


def learn(path=None, **changes):
    return l2o.train(**{"family": FAMILY, "n_functions": 8, "n_validation": 6, "rng": 0, "trainer": SEARCH,
                        "checkpoint": path, **changes})


def assert_same(policy, other):
    cards = [each.card for each in (policy, other)]
    for card in cards:
        card.pop("run")
    assert cards[0] == cards[1]
    for name, value in policy.weights.items():
        np.testing.assert_array_equal(value, other.weights[name])


def stopped_after_each_write(monkeypatch, path, **changes):
    """Train with a stop after every write; return the policy and how many there were."""
    keep, stops = Checkpoint.keep, 0

    def keep_and_stop(self, **parts):
        keep(self, **parts)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep_and_stop)
        while True:
            try:
                return learn(path, **changes), stops
            except Stop:
                stops += 1
            assert stops < 30, "it does not get on"


@pytest.mark.parametrize("name", TRAINERS)
def test_training_stopped_after_each_round_is_the_same(name, tmp_path, monkeypatch):
    trainer = TRAINERS[name]
    policy, stops = stopped_after_each_write(monkeypatch, tmp_path / "a.npz", trainer=trainer)
    assert stops == sum(getattr(each, "n_iterations", 3) + 2 for each in np.atleast_1d(trainer))
    assert policy.card["run"]["sittings"] == stops + 1
    assert_same(policy, learn(trainer=trainer))


def test_kind_that_a_trainer_changed_to_is_kept(tmp_path, monkeypatch):
    """The regression gives the rule a prior, and evolution goes on from there."""
    short = l2o.EvolutionStrategy(n_generations=2, n_pairs=1, n_starts=1, batch=4)
    changes = {"family": outcomes(30, 0), "trainer": [l2o.CurvatureRegression(n_starts=1), short]}
    policy, stops = stopped_after_each_write(monkeypatch, tmp_path / "a", **changes)
    assert stops == 5
    assert policy.network.prior is not None
    assert_same(policy, learn(**changes))


@pytest.mark.parametrize("rng", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_any_generator_goes_on_where_it_was(rng, tmp_path, monkeypatch):
    def made():
        return np.random.Generator(rng(3))

    kept, keep = [], Checkpoint.keep

    def count(self, **parts):
        keep(self, **parts)
        kept.append(1)
        if len(kept) == 3:
            raise Stop

    monkeypatch.setattr(Checkpoint, "keep", count)
    with pytest.raises(Stop):
        learn(tmp_path / "a", rng=made())
    assert_same(learn(tmp_path / "a", rng=made()), learn(rng=made()))
    with pytest.raises(ValueError, match=r"another training: training functions was .* and is"):
        learn(tmp_path / "a", rng=np.random.Generator(rng(4)))


def test_training_from_a_policy_and_given_problems(tmp_path, monkeypatch):
    changes = {"init": learn(), "family": FAMILY.sample(9, rng=5)}
    policy, _ = stopped_after_each_write(monkeypatch, tmp_path / "a", **changes)
    assert_same(policy, learn(**changes))
    with pytest.raises(ValueError, match=r"another training: init was '\w+' and is None"):
        learn(tmp_path / "a", family=changes["family"])


def test_without_a_seed_the_functions_are_those_that_it_began_with(tmp_path, monkeypatch):
    path = tmp_path / "a"
    policy, stops = stopped_after_each_write(monkeypatch, path, rng=None)
    assert stops > 2
    assert_same(policy, learn(path, rng=None))


def test_finished_training_is_not_done_again(tmp_path, monkeypatch):
    policy = learn(tmp_path / "a")
    monkeypatch.setattr(l2o.GuidedPolicySearch, "run", None)
    assert_same(learn(tmp_path / "a", workers=2), policy)


@pytest.mark.parametrize(("changes", "told"), [
    ({"rng": 1}, "rng was 0 and is 1"),
    ({"rng": None}, "rng was 0 and is None"),
    ({"n_functions": 9}, "n_functions was 8 and is 9"),
    ({"n_validation": 7}, "n_validation was 6 and is 7"),
    ({"family": l2o.families.Logistic(n_points=30)}, r"family.settings.n_points was 20 and is 30"),
    ({"family": l2o.families.RobustRegression()}, r"family.name was 'l2o.families.Logistic' and is 'l2o"),
    ({"policy": l2o.policies.MLP(width=20)}, "policy.width was 50 and is 20"),
    ({"trainer": replace(SEARCH, rate=1e-3)}, r"trainer\[0\].rate was 0.003 and is 0.001"),
    ({"trainer": [SEARCH, UNROLLED]}, r"trainer\[1\] was None and is {"),
    ({"validation": FAMILY.sample(6, rng=9)}, "validation functions was"),
])
def test_checkpoint_of_another_training_says_in_what(changes, told, tmp_path):
    path = tmp_path / "a.npz"
    learn(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=rf"checkpoint .*a\.npz belongs to another training: {told}"):
        learn(path, **changes)
    assert path.read_bytes() == content


def test_checkpoint_of_another_version(tmp_path, monkeypatch):
    learn(tmp_path / "a")
    monkeypatch.setattr(module, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"l2o was '.*' and is '9.9'"):
        learn(tmp_path / "a")
    monkeypatch.setattr(module, "FORMAT", 7)
    with pytest.raises(ValueError, match="has format 1; this version of l2o reads format 7"):
        learn(tmp_path / "a")


@pytest.mark.parametrize("content", ["nothing", "text", "half", "policy"])
def test_file_that_is_no_checkpoint_is_left_alone(content, tmp_path):
    path = tmp_path / "a.npz"
    policy = learn(path)
    if content == "policy":
        policy.save(path)
    else:
        path.write_bytes({"nothing": b"", "text": b"my notes", "half": path.read_bytes()[:9000]}[content])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"a\.npz is not a checkpoint file, or is damaged"):
        learn(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", ["arrays", "record"])
def test_checkpoint_that_was_changed_is_an_error_that_names_it(part, tmp_path):
    """Without a word, a changed weight would train on to another policy, with a right checksum of its own."""
    path = tmp_path / "a.npz"
    learn(path)
    arrays, record = archive.read(path, "checkpoint", "checkpoint")
    if part == "arrays":
        name = next(name for name, array in arrays.items() if array.size)
        arrays[name] = arrays[name] + 1e-9
    else:
        record["state"]["rng"].pop("uinteger")
    archive.write(path, arrays, checkpoint=record)
    with pytest.raises(ValueError, match=r"checkpoint .*a\.npz is damaged: it is not as it was written"):
        learn(path)


def test_state_that_is_none_is_an_error_that_names_the_file(tmp_path):
    """A hash is no signature: what somebody has sealed is still read with care."""
    path = tmp_path / "a.npz"
    learn(path)
    arrays, record = archive.read(path, "checkpoint", "checkpoint")
    record["state"]["rng"].pop("uinteger")
    del record["sha256"]
    archive.write(path, arrays, checkpoint={**record, "sha256": module._seal(record, arrays)})
    with pytest.raises(ValueError, match=r"checkpoint .*a\.npz is damaged: KeyError"):
        learn(path)


def test_checkpoint_that_cannot_be_one(tmp_path, monkeypatch):
    monkeypatch.setattr("l2o.training.task.tune", None)  # known before any work
    with pytest.raises(TypeError, match="checkpoint is 3; expected a path, or None"):
        learn(3)
    with pytest.raises(OSError, match="cannot read the checkpoint"):
        learn(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cannot write .*missing does not exist"):
        learn(tmp_path / "missing" / "a")


def test_interrupt_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path, offers, offer = tmp_path / "a", [], l2o.training.progress.Progress.offer

    def interrupted(self, weights, **facts):
        offers.append(path.exists() and path.read_bytes())
        if len(offers) == 3:
            raise KeyboardInterrupt
        return offer(self, weights, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(l2o.training.progress.Progress, "offer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(path)
    assert path.read_bytes() == offers[-1]
    assert os.listdir(tmp_path) == ["a"]
    assert_same(learn(path), learn())


def test_full_disk_is_told_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path, writes = tmp_path / "a", []

    def full(handle):
        writes.append(path.exists() and path.read_bytes())
        if len(writes) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(archive.os, "fsync", full)
        with pytest.raises(OSError, match=r"cannot write: No space left on device: '.*a'"):
            learn(path)
    assert path.read_bytes() == writes[-1]
    assert os.listdir(tmp_path) == ["a"]
    assert_same(learn(path), learn())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_training_killed_twenty_times_is_the_same(tmp_path):
    """SIGKILL at any moment, the writing of the file included; nothing half written stays.

    The policy is in another folder: whoever is killed while he saves it has its half written file there.
    """
    (tmp_path / "checkpoint").mkdir()
    done = subprocess.run([sys.executable, "-c", textwrap.dedent("""
        import os, random, signal, sys, time
        from test_checkpoint import SEARCH, UNROLLED, assert_same, learn, replace
        import l2o

        trainer, path, result = [replace(SEARCH, n_iterations=8), UNROLLED], *sys.argv[1:]
        learn(trainer=trainer)  # now everything is compiled
        start = time.perf_counter()
        whole = learn(trainer=trainer)
        seconds, kills = time.perf_counter() - start, 0
        delays = random.Random(0)
        while kills < 20 or os.path.exists(path):
            child = os.fork()
            if child == 0:
                learn(path, trainer=trainer).save(result)
                os._exit(0)
            until = time.perf_counter() + (delays.uniform(0, seconds) if kills < 20 else 1000)
            while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.perf_counter() < until:
                time.sleep(1e-4)
            if ended:
                assert_same(l2o.load(result), whole)
                os.remove(path)
            else:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                kills += 1
        print(kills)
    """), str(tmp_path / "checkpoint" / "a.npz"), str(tmp_path / "policy.npz")],
        cwd=os.path.dirname(__file__), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "20\n"
    assert not os.listdir(tmp_path / "checkpoint")
