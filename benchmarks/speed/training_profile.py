"""Where the seconds of a training go: a table of its parts, for logistic regression at full setting.

    python -m benchmarks.speed.training_profile [--workers 1 2] [--seed N] [--rounds N] [--cold] [--docs]

The parts are timed from outside, each without what it calls of the others; compiling is a part of its own, wherever it
happens. With --cold Numba's cache starts empty, as in the first training after an installation. Beside the seconds on
the clock stand those of the processor, which a busy machine changes less; with workers they may be more.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: the threads are those of workers

import argparse
import functools
import tempfile
from time import perf_counter, process_time

import numpy as np

import l2o
from benchmarks.report import machine, publish, sentence, table

OTHER = "all else"


class Stopwatch:
    """Seconds of each part, (clock, processor). Those of a part stand while a part inside it runs."""

    def __init__(self):
        self.seconds, self._running, self._since = {}, [OTHER], self._now()

    @staticmethod
    def _now():
        return np.array([perf_counter(), process_time()])

    def start(self, part):
        """Stop the clock of what is running, and start that of a part."""
        self._charge()
        self._running.append(part)

    def stop(self):
        """Go on with what was running before."""
        self._charge()
        self._running.pop()

    def _charge(self):
        now = self._now()
        part = self._running[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now


def timed(watch, part, function):
    """Return the function with its seconds charged to a part."""
    @functools.wraps(function)
    def call(*args, **kwargs):
        watch.start(part)
        try:
            return function(*args, **kwargs)
        finally:
            watch.stop()
    return call


def parts():
    """Yield (part, where it is looked up, name) in the order of the method."""
    from l2o.training import progress, search, task, teacher

    yield "tuning momentum", task, "tune"
    yield "lowest values", task, "best_known"
    yield "first teachers", search, "best_momentum"
    yield "sampling", search.Search, "_draw"
    yield "fitting", search, "from_samples"
    yield "linearising the policy", search.Search, "_linearise"
    yield "Riccati passes", teacher.TrustRegion, "solve"
    yield "teachers' runs", search, "improve"
    yield "labels", search, "label"
    yield "regression", search, "imitate"
    yield "backtracking", search.Search, "_accept"
    yield "validation", progress.Progress, "offer"


def profile(family, **arguments):
    """Train, and return the seconds of each part and the policy."""
    watch = Stopwatch()
    watch.start("importing Numba")
    from numba.core import event

    changed = [(where, name, getattr(where, name), part) for part, where, name in parts()]
    watch.stop()

    class Compiling(event.Listener):
        def on_start(self, _):
            watch.start("compiling")

        def on_end(self, _):
            watch.stop()

    for where, name, function, part in changed:
        setattr(where, name, timed(watch, part, function))
    try:
        with event.install_listener("numba:compile", Compiling()):
            watch.start(OTHER)
            policy = l2o.train(family, **arguments)
            watch.stop()
    finally:
        for where, name, function, _ in changed:
            setattr(where, name, function)
    return watch.seconds, policy


def by_part(columns):
    """Return head and rows of a table; columns maps a heading to the seconds (clock, processor) of each part."""
    names = dict.fromkeys(name for seconds in columns.values() for name in seconds)
    head, rows = ["part", *(f"{heading}: {what}" for heading in columns for what in ("seconds", "processor"))], []
    for name in [*(name for name in names if name != OTHER), OTHER, "total"]:
        row = [name]
        for seconds in columns.values():
            total = sum(seconds.values())
            value = total if name == "total" else seconds.get(name, np.zeros(2))
            row += [f"{v:.2f} ({100 * v / t:.0f} %)" for v, t in zip(value, total)]
        rows.append(row)
    return head, rows


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="a column for each number of threads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, help="rounds of guided policy search; by default the full setting")
    parser.add_argument("--cold", action="store_true", help="start with an empty cache of compiled functions")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results")
    given = parser.parse_args()
    trainer = None if given.rounds is None else l2o.GuidedPolicySearch(n_iterations=given.rounds)
    with tempfile.TemporaryDirectory() as empty:
        if given.cold:
            os.environ["NUMBA_CACHE_DIR"] = empty  # before Numba is imported
        columns = {}
        for workers in given.workers:
            seconds, policy = profile(l2o.families.Logistic(), rng=given.seed, trainer=trainer, workers=workers)
            columns[f"workers={workers}"] = seconds
            print(f"workers={workers}: validation mean {policy.card['quality']['policy']:.6f}")
    text = f"{table(*by_part(columns))}\n\n{sentence(machine('l2o', 'numpy', 'numba'))}"
    publish("training-profile", text, {}, argparse.Namespace(json=None, docs=given.docs))


if __name__ == "__main__":
    main()
