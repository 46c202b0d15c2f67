"""Time one learned step in l2o, NumPy, Numba, JAX and PyTorch, in turn, in one process, on one core.

    python -m benchmarks.speed.peers.compare [--rounds N] [--json FILE] [--docs]

The answers of all are compared before any time is printed. A library that is not installed is left out.
"""

import importlib
import itertools

import numpy as np

from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.speed.peers.work import draw
from benchmarks.timing import best_of, one_core

MODULES = ("with_l2o", "with_numpy", "with_numba", "with_jax", "with_torch")
WORKLOADS = ("single", "runs", "batch")
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}  # of 40 steps: a step in single precision differs by 1e-6


def installed():
    """Return the peers by name and the names of their libraries; say which are missing."""
    peers, libraries = {}, []
    for name in MODULES:
        try:
            module = importlib.import_module(f"benchmarks.speed.peers.{name}")
        except ModuleNotFoundError as error:
            if error.name.startswith("benchmarks"):
                raise
            print(f"{error.name} is not installed and is left out (pip install 'l2o[peers]')\n")
            continue
        peers.update(module.PEERS)
        libraries.append(module.LIBRARY)
    return peers, libraries


def prepared(peers, work):
    """Return the calls (workload, peer) -> call of one piece of work."""
    return {(workload, name): getattr(peer, workload)(work)
            for workload in WORKLOADS for name, peer in peers.items() if getattr(peer, workload)}


def check(calls, tolerance):
    """Raise SystemExit if the answers to a workload differ."""
    first = {}
    for (workload, name), call in calls.items():
        answer = [np.asarray(part) for part in call()]
        known, expected = first.setdefault(workload, (name, answer))
        for what, ours, theirs in zip(("x", "f"), expected, answer):
            if ours.shape != theirs.shape or not np.allclose(theirs, ours, rtol=tolerance, atol=tolerance):
                raise SystemExit(f"{workload}: {what} of {name} is not that of {known}: shapes {theirs.shape} and "
                                 f"{ours.shape}, {np.ravel(theirs)[:4]} and {np.ravel(ours)[:4]}; no times")


def steps(work):
    """Return how many steps a call of each workload makes."""
    m, s, _ = work.x0.shape
    return {"single": work.n_steps, "runs": s * work.n_steps, "batch": m * s * work.n_steps}


def timed(peers, work, rounds, tolerance):
    """Return microseconds a step, peer -> workload -> number."""
    calls = prepared(peers, work)
    check(calls, tolerance)
    per_call, times = steps(work), {name: {} for name in peers}
    for (workload, name), best in best_of(calls, rounds).items():
        times[name][workload] = 1e6 * best / per_call[workload]
    for each in times.values():
        each.setdefault("runs", each["single"])  # a loop over single runs costs as much a step as one of them
    return times


def as_text(record):
    """Return the tables."""
    parts = []
    for entry in record["works"]:
        rows = [[name, *(cell(times, entry["times"]["l2o"], workload) for workload in WORKLOADS)]
                for name, times in entry["times"].items()]
        head = [f"{entry['inputs']}, {entry['precision']}", "one run a call", f"{entry['starts']} runs, one problem",
                f"{entry['runs']:,} runs"]
        parts.append(table(head, rows))
    parts.append(f"Microseconds a step, and how many times those of l2o; best of {record['rounds']} rounds. "
                 + sentence(record["machine"]))
    return "\n\n".join(parts)


def cell(times, ours, workload):
    """Return a time and its ratio."""
    return f"{times[workload]:.2f} ({times[workload] / ours[workload]:.1f})" if workload in times else "-"


def main():
    """Compare, time, print."""
    given = arguments(__doc__.splitlines()[0], rounds=15).parse_args()
    one_core()
    peers, libraries = installed()
    record = {"machine": machine(*libraries), "rounds": given.rounds, "works": []}
    for precision, inputs in itertools.product(TOLERANCE, ("raw", "scaled")):
        work = draw(inputs, precision)
        record["works"].append({
            "inputs": inputs, "precision": precision, "starts": work.x0.shape[1], "runs": len(work.problems),
            "times": timed(peers, work, given.rounds, TOLERANCE[precision]),
        })
    publish("peers", as_text(record), record, given)


if __name__ == "__main__":
    main()
