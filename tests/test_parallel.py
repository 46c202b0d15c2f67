"""Workers of the caller: pools that are closed or broken, and map-likes that are careless."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

import l2o


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
