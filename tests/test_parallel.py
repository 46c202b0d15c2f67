"""Workers of the caller: pools that are closed or broken, and map-likes that are careless."""

import _thread
import multiprocessing
import os
import pickle
import threading
import time
import tracemalloc
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import l2o
from l2o.base import parallel
from l2o.baselines import LBFGS


@pytest.fixture
def dying():
    """Return processes that end before they do anything."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=os._exit, initargs=(1,)) as pool:
        yield pool


def test_process_that_dies_is_an_error_that_names_its_pool(dying, problems):
    with pytest.raises(BrokenProcessPool, match=r"workers is <.*ProcessPoolExecutor.*which broke down: A process"):
        l2o.rollout(problems, method="momentum", workers=dying)
    with pytest.raises(BrokenProcessPool, match=r"workers is <.*ProcessPoolExecutor.*which takes no tasks: A child"):
        l2o.minimize_many(problems, method="momentum", workers=dying)


def test_executor_that_is_shut_down_is_an_error_that_names_it(problems):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    for call in (l2o.minimize_many, l2o.rollout):
        with pytest.raises(RuntimeError, match=r"workers is <.*ThreadPoolExecutor.*which takes no tasks: .*shutdown"):
            call(problems, method="momentum", workers=pool)


def test_error_inside_a_map_like_comes_through_unchanged(problems):
    def fail(task, slices):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        l2o.rollout(problems, method="momentum", workers=fail)


@pytest.mark.parametrize("spoil", [
    lambda parts: parts[:-1], lambda parts: [], lambda parts: parts + parts[:1], lambda parts: parts[::-1],
    lambda parts: [None for _ in parts],
], ids=["too few", "none", "too many", "another order", "not theirs"])
def test_map_like_that_loses_or_mixes_results_is_an_error(spoil, problems):
    def careless(task, slices):
        return spoil(list(map(task, slices)))

    for call in (l2o.minimize_many, l2o.rollout):
        with pytest.raises(ValueError, match=r"workers is <function.*did not give the results of its 12 tasks"):
            call(problems, method="momentum", workers=careless)


# -- pools of other kinds ------------------------------------------------------------------------------


class Minimal(Executor):
    """What PEP 3148 asks for and no more, as MPI's pools of other nodes have it; everything goes by pickle."""

    def __init__(self):
        self.sent = []

    def submit(self, function, *args):
        self.sent.append(pickle.dumps((function, args)))
        function, args = pickle.loads(self.sent[-1])
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(function(*args))))
        return future


class Failing(LBFGS):
    """A method with a mistake."""

    def solve(self, problems, stopping, callback=None, box=None):
        raise KeyError("mine")


def futures(function, items):
    with ThreadPoolExecutor(2) as pool:
        return [pool.submit(function, item) for item in items]


def same(one, other):
    """Whether all arrays of two records are equal to the bit."""
    pairs = [(a, b) for a, b in zip(vars(one).values(), vars(other).values()) if isinstance(a, np.ndarray)]
    return len(pairs) > 2 and all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_processes_of_any_pool_give_the_bits_of_one_thread(problems, random_policy):
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(1) as pool, ProcessPoolExecutor(1, spawn) as executor:
        for workers in (pool, pool.map, pool.imap, executor, Minimal(), futures):
            for call in (l2o.minimize_many, l2o.rollout):
                policy = random_policy()
                assert same(call(problems, method=policy), call(problems, method=policy, workers=workers))
        with pytest.raises(KeyError, match=r"^'mine'$"):
            l2o.minimize_many(problems, method=Failing(), workers=executor)


def test_process_is_sent_its_own_rows_only():
    pool = Minimal()
    problems = l2o.families.Logistic().sample(64, rng=0)
    l2o.minimize_many(problems, method="lbfgs", workers=pool)
    l2o.rollout(problems, method="momentum", workers=pool)
    assert len(pool.sent) == 128
    assert max(map(len, pool.sent)) < 2000 + problems.blocks[0].nbytes


def test_training_sends_what_evaluates_functions_and_keeps_its_matrices_here():
    pool = Minimal()
    trainer = l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=1)
    l2o.train(l2o.families.Logistic(n_points=20), n_functions=4, n_validation=2, rng=0, trainer=trainer, workers=pool)
    assert any(b"_Simulation" in each for each in pool.sent)
    assert not any(b"_Backward" in each for each in pool.sent)


def test_workers_of_another_build_are_a_warning(problems, monkeypatch):
    def elsewhere(function, items):
        with monkeypatch.context() as patch:
            patch.setattr(parallel, "_build", lambda: "l2o 9.9, avx1024")
            return list(map(function, items))

    with pytest.warns(RuntimeWarning, match=r"which ran l2o 9\.9, avx1024; here is l2o 0.*L2O_CPU") as caught:
        l2o.minimize_many(problems, method="momentum", workers=elsewhere)
    assert caught[0].filename == __file__


def test_what_cannot_be_sent_says_so_whatever_the_executor_makes_of_it(problems):
    class Vague(Executor):
        def map(self, function, items):
            raise RuntimeError("no hash")

    class Local(LBFGS):
        pass

    with pytest.raises(RuntimeError, match=r"Vague object.*which takes no tasks: no hash"):
        l2o.minimize_many(problems, method="lbfgs", workers=Vague())
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local object.*Local"):
        l2o.minimize_many(problems, method=Local(), workers=Vague())


class Sleeper:
    """Rows of a hundredth of a second each; it counts those that are done."""

    def __init__(self, rows=range(1000), done=None):
        self.rows, self.done = rows, [] if done is None else done

    def __getitem__(self, rows):
        return Sleeper(self.rows[rows], self.done)

    def __call__(self):
        for row in self.rows:
            time.sleep(0.01)
            self.done.append(row)
        return (np.array(self.rows),)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_interrupt_ends_all_threads_after_their_piece(workers):
    task = Sleeper()
    threading.Timer(0.5, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        parallel.map_rows(task, 1000, workers, pieces=True)
    done = len(task.done)
    assert 0 < done < 800
    time.sleep(0.1)
    assert len(task.done) == done


@pytest.mark.parametrize("workers", [1, 2])
def test_pieces_are_the_whole(workers):
    rows = range(150)
    whole, = parallel.map_rows(Sleeper(rows), 150, workers, pieces=True)
    np.testing.assert_array_equal(whole, rows)


@pytest.mark.parametrize("workers", [1, 2])
def test_record_of_a_batch_is_made_once(workers):
    problems = l2o.families.Logistic(n_points=2).sample(100, rng=0)[np.arange(1000) % 100]
    tracemalloc.start()
    try:
        runs = l2o.rollout(problems, method="momentum", n_steps=20, workers=workers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * sum(part.nbytes for part in vars(runs).values() if isinstance(part, np.ndarray))
