"""What a chunk costs that is sent to other processes: time of the calling process, and bytes.

    python -m benchmarks.speed.chunks [--rounds 20]

A call with as many problems as chunks, so small that sending them is all there is to do. CPU time of the calling
process, in which Dask's scheduler runs, too; on a cluster it runs elsewhere. Best of the rounds.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
import pickle
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import l2o
from benchmarks.report import table
from benchmarks.suite.common import policy
from l2o.base.parallel import CHUNKS


def cost(workers, problems, method, rounds):
    """Return milliseconds of CPU time a chunk."""
    times = []
    for _ in range(rounds + 1):  # the first starts the processes
        start = time.process_time()
        l2o.minimize_many(problems, method=method, workers=workers, options={"maxiter": 1})
        times.append(time.process_time() - start)
    return 1e3 * min(times[1:]) / len(problems)


def sent(problems, method):
    """Return kilobytes a chunk."""
    sizes = []

    def counting(function, items):
        sizes.extend(len(pickle.dumps((function, item))) for item in items)
        return map(function, items)

    l2o.minimize_many(problems, method=method, workers=counting, options={"maxiter": 1})
    return max(sizes) / 1000


def main():
    """Print the table."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    problems = l2o.families.Logistic().sample(CHUNKS, rng=0)
    methods, rows = {"L-BFGS": "lbfgs", "a policy": policy()}, []
    with (ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, get_context("spawn")) as processes,
          LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
          Client(cluster) as client):
        pools = {"threads": threads, "processes": processes, "Dask": client.get_executor()}
        for name, method in methods.items():
            times = [f"{cost(pool, problems, method, rounds):.2f}" for pool in pools.values()]
            rows.append([name, *times, f"{sent(problems, method):.0f}"])
    print(table(["a chunk of one problem", *(f"{name}, ms" for name in pools), "kB"], rows))


if __name__ == "__main__":
    main()
