"""A Dask cluster of two processes: the bits of one thread, for all that takes workers, and what can go wrong."""

import os
import pickle
import runpy
import signal
import threading
import time

import numpy as np
import pytest
from exponentials import decay, fading

import l2o
from l2o.baselines import LBFGS

distributed = pytest.importorskip("distributed")

FAMILY = l2o.families.Logistic(n_points=20)
SHORT = [l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=5, epochs=1),
         l2o.UnrolledGradient(n_steps=1, n_runs=64, horizon=4, n_rounds=1)]


class Fatal(LBFGS):
    """A method that ends the process it runs in."""

    def solve(self, problems, stopping, callback=None, box=None):
        os._exit(1)


class Slow(LBFGS):
    """A method that takes its time."""

    def solve(self, problems, stopping, callback=None, box=None):
        time.sleep(0.1)
        return super().solve(problems, stopping, callback, box)


@pytest.fixture(scope="module")
def cluster():
    """Return two processes with a thread each."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
                                  memory_limit=0) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


def same(one, other):
    """Whether all arrays of two records are equal to the bit."""
    pairs = [(a, b) for a, b in zip(vars(one).values(), vars(other).values()) if isinstance(a, np.ndarray)]
    return len(pairs) > 2 and all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_everything_that_takes_workers_gives_the_bits_of_one_thread(client, random_policy, problems):
    pool, policy = client.get_executor(), random_policy(card={"objective": {"name": "logistic"}})
    for call in (l2o.minimize_many, l2o.rollout):
        for method in ("lbfgs", policy):
            assert same(call(problems, method=method), call(problems, method=method, workers=pool))
    one, two = (l2o.compare(problems, {"policy": policy, "CG": "cg"}, n_steps=4, workers=workers)
                for workers in (1, pool))
    assert one.f_star.tobytes() == two.f_star.tobytes()
    assert all(same(one.runs[name], two.runs[name]) for name in one.runs)


@pytest.mark.slow
def test_training_gives_the_bits_of_one_thread(client):
    one, two = (l2o.train(FAMILY, n_functions=3, n_validation=2, rng=0, trainer=SHORT, workers=workers)
                for workers in (1, client.get_executor()))
    assert {key: value for key, value in one.card.items() if key != "run"} == {
        key: value for key, value in two.card.items() if key != "run"}
    assert all(one.weights[name].tobytes() == two.weights[name].tobytes() for name in one.weights)


def test_robust_curve_fits_are_those_of_one_thread(client):
    """Kernels of losses and of the learned damping have other addresses there."""
    rng, times = np.random.default_rng(0), np.linspace(0.0, 4.0, 30)
    Y = np.exp(-rng.uniform(0.5, 2.0, (60, 1)) * times) + 0.05 * rng.standard_normal((60, 30))
    here, there = (l2o.curve_fit_many(fading, times, Y, [1.0, 1.0], sigma=0.05, loss="cauchy", workers=workers)
                   for workers in (1, client.get_executor()))
    assert here.success.all()
    assert all(np.array_equal(getattr(here, name), getattr(there, name)) for name in ("x", "cov", "chi2", "nfev"))


def test_client_itself_is_a_map_of_futures(client, problems):
    assert same(l2o.minimize_many(problems, method="momentum"),
                l2o.minimize_many(problems, method="momentum", workers=client))


@pytest.mark.slow
def test_objective_of_ones_own_is_compiled_where_it_arrives(client):
    """One of a module goes by name, one of the program itself, which the workers do not have, by value."""
    first = client.get_executor(workers=[min(client.scheduler_info()["workers"])])
    program = runpy.run_path(decay.function.__code__.co_filename, run_name="__main__")["decay"]
    assert program.name == "__main__.decay"
    data = np.random.default_rng(0).uniform(size=(4, 6, 2))
    for objective in (decay, program):
        problems = l2o.families.Custom(objective, dim=3).from_data(data, np.zeros((4, 3)))
        assert same(l2o.minimize_many(problems, method="lbfgs"),
                    l2o.minimize_many(problems, method="lbfgs", workers=first))
    address = l2o.families.Custom(decay._compiled[0], dim=3).from_data(data, np.zeros((4, 3)))
    with pytest.raises(pickle.PicklingError, match="where its address means nothing"):
        l2o.minimize_many(address, method="lbfgs", workers=first)


def test_process_that_dies_is_replaced_and_its_tasks_are_done_again(cluster, client, problems):
    process = next(iter(cluster.workers.values())).pid
    threading.Timer(0.2, os.kill, (process, signal.SIGKILL)).start()
    batch = l2o.minimize_many(problems, method=Slow(), workers=client.get_executor())
    assert same(l2o.minimize_many(problems, method="lbfgs"), batch)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_task_that_ends_its_process_is_an_error_that_names_the_pool(cluster, client, problems, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(RuntimeError, match=r"workers is <.*ClientExecutor.*which broke down: Attempted to run task"):
        l2o.minimize_many(problems[:2], method=Fatal(), workers=client.get_executor())


def test_client_that_is_closed_is_an_error_that_names_the_pool(cluster, problems):
    client = distributed.Client(cluster)
    pool = client.get_executor()
    threading.Timer(0.2, client.close).start()
    with pytest.raises(RuntimeError, match=r"workers is <.*ClientExecutor.*which broke down: "):
        l2o.minimize_many(problems, method=Slow(), workers=pool)
    with pytest.raises(RuntimeError, match=r"workers is <.*ClientExecutor.*which takes no tasks: Client is closed"):
        l2o.minimize_many(problems, method="momentum", workers=pool)
