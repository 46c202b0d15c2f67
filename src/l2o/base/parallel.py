"""Spread the rows of a batch over workers: threads here, or processes that may be on other machines.

A task can be sliced; the slices never change what a row computes, so the result is the same to the bit for any number
of workers.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from l2o import _kernels
from l2o.base.typing import Workers
from l2o.base.watch import Watch, heard
from l2o.version import __version__

__all__ = ["Task", "check_progress", "map_rows", "resolve_workers", "shown", "threads_of"]

Item = TypeVar("Item")
Mapper = Callable[..., Iterable[Any]]

CHUNKS = 64  # for workers that do not say how many they are
FIRST_PIECE, PIECE_SECONDS = 32, 0.03  # Ctrl-C is heard between pieces, where the task does not hear it by itself


class Task(Protocol):
    """What is done for each row of a batch. It goes to other processes by pickle; slices hold only what they need."""

    def __getitem__(self, rows: slice) -> Task:
        """Return the same for some of the rows."""

    def __call__(self, *out: Any) -> tuple[np.ndarray, ...]:
        """Do it: return arrays with as many rows, which are those of `out` if it is given."""


def resolve_workers(workers: Workers) -> int | Mapper:
    """Return a thread count, or a map-like callable."""
    if type(workers) is int and workers > 0:  # the usual case first: it is part of what a call costs
        return workers
    mapper = getattr(workers, "map", workers)
    if isinstance(workers, bool) or not (isinstance(workers, (int, np.integer)) or callable(mapper)):
        raise TypeError(f"workers is {workers!r}; expected an integer, a map-like callable or an executor")
    if isinstance(workers, (int, np.integer)):
        if workers == -1:
            return os.cpu_count() or 1
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1, or -1 for all CPUs")
        return int(workers)
    return cast(Mapper, mapper)


def threads_of(workers: Workers) -> int:
    """Return the threads for what is not worth sending to other processes: too much data for too little work."""
    return int(workers) if isinstance(workers, (int, np.integer)) else 1


def map_rows(task: Task, m: int, workers: Workers, progress: bool = False, *, pieces: bool = False,
             empty: Callable[[int], tuple[np.ndarray, ...] | None] | None = None) -> tuple[np.ndarray, ...]:
    """Run slices of a task of m rows and join what they return along the first axis.

    Along later axes, parts of different length are filled up with NaN. Workers that break down, or that do
    not return one part for each slice in order, are an error.

    Threads spend as long on memory that is new and on joining it as on a short run. Where `empty(m)` returns arrays
    of m rows, and not None, threads are given their rows of them to fill, task[rows](out). With `pieces` threads, this
    one too, do their rows piece by piece, so that Ctrl-C is heard. Threads work for the call that is heard here.
    """
    mapper = resolve_workers(workers)
    if m <= 1 or (mapper == 1 and not progress and (m <= FIRST_PIECE or not pieces)):
        return task()
    if progress:
        n_chunks = min(m, 100)
    elif mapper == 1:
        n_chunks = 1
    else:
        n_chunks = min(m, 4 * mapper if isinstance(mapper, int) else CHUNKS)  # several a worker even out slow rows
    slices = [slice(m * i // n_chunks, m * (i + 1) // n_chunks) for i in range(n_chunks)]
    if isinstance(mapper, int):
        whole = empty(m) if empty is not None else None
        size = FIRST_PIECE if pieces else m

        def run(rows: slice, watch: Watch) -> tuple[np.ndarray, ...]:
            return _in_pieces(task, rows, whole, size, watch)

        parts = heard(lambda watch: _in_threads(mapper, run, slices, progress, watch))
        if whole is not None:
            return whole
    else:
        parts = _gathered(task, slices, workers, mapper, progress)
    return tuple(_join(columns) for columns in zip(*parts))


def _in_threads(n: int, run: Callable[[slice, Watch], tuple[np.ndarray, ...]], slices: list[slice], progress: bool,
                watch: Watch) -> list[tuple[np.ndarray, ...]]:
    """Return the parts from n threads; one is this one. An exception, Ctrl-C too, ends them after an evaluation."""
    if n == 1:
        return [run(rows, watch) for rows in shown(slices, progress, len(slices))]
    with ThreadPoolExecutor(n) as pool:
        try:
            parts = pool.map(lambda rows: watch.during(run, rows, watch), slices)
            return list(shown(parts, progress, len(slices)))
        except BaseException:
            watch.set()
            pool.shutdown(cancel_futures=True)
            raise


def _in_pieces(task: Task, rows: slice, whole: tuple[np.ndarray, ...] | None, size: int,
               watch: Watch) -> tuple[np.ndarray, ...]:
    """Do some rows of a task, first `size` of them, then as many at a time as the time of the last piece suggests."""
    parts, first = [], rows.start
    while first < rows.stop:
        piece, begun = slice(first, min(first + size, rows.stop)), time.perf_counter()
        parts.append(task[piece](*([] if whole is None else [[column[piece] for column in whole]])))
        watch.check()
        done, seconds = piece.stop - first, max(time.perf_counter() - begun, 1e-9)
        size, first = max(1, min(8 * size, int(done * PIECE_SECONDS / seconds))), piece.stop
    if whole is not None:
        return tuple(column[rows] for column in whole)  # the parts are rows of it: joining them would copy it all
    return parts[0] if len(parts) == 1 else tuple(_join(columns) for columns in zip(*parts))


def _build() -> str:
    """Return what the last bits of a result depend on; it is read where a task is done."""
    return f"l2o {__version__}, {_kernels.CPU_LEVEL}"


def _labelled(item: tuple[int, Task]) -> tuple[int, str, tuple[np.ndarray, ...] | Exception]:
    """Do a task; say which, and by what build. Its error is a result, too: what is raised is the workers' own."""
    start, task = item
    try:
        return start, _build(), task()
    except Exception as error:
        return start, _build(), error


def _gathered(task: Task, slices: list[slice], workers: Workers, mapper: Callable[..., Any],
              progress: bool) -> list[tuple[np.ndarray, ...]]:
    """Return the parts from workers of the caller, who may have closed, broken or misunderstood them."""
    items = [(rows.start, task[rows]) for rows in slices]
    with _blaming(workers, "takes no tasks", items):
        results = mapper(_labelled, items)
    parts = []
    for part in shown(_answers(results, workers, items), progress, len(slices)):
        parts.append(part)
        if isinstance(part, tuple) and isinstance(part[-1], Exception):
            raise part[-1]
    if [part[:1] for part in parts if isinstance(part, tuple)] != [(rows.start,) for rows in slices]:
        raise ValueError(f"workers is {workers!r}; it did not give the results of its {len(slices)} tasks, one for "
                         f"each and in order, but {len(parts)} of another kind or order")
    builds = {build for _, build, _ in parts}
    if builds != {_build()}:
        warnings.warn(f"workers is {workers!r}, which ran {' and '.join(sorted(builds))}; here is {_build()}: the last "
                      "bits of a result depend on that. With one version and one L2O_CPU everywhere they do not",
                      RuntimeWarning, stacklevel=_depth())
    return [part for _, _, part in parts]


def _depth() -> int:
    """Return the stack level of the user's call for a warning of the caller."""
    package, depth = __name__.split(".")[0], 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == package:
        frame, depth = frame.f_back, depth + 1
    return depth


def _answers(results: Any, workers: Workers, items: list[Any]) -> Iterator[Any]:
    """Yield the results as they come; a Dask client's map, for one, returns futures."""
    with _blaming(workers, "broke down", items):
        results = iter(results)
    while True:
        with _blaming(workers, "broke down", items):
            try:
                part = next(results)
            except StopIteration:
                return
            wait = getattr(part, "result", None)
            part = part if wait is None else wait()
        yield part


@contextmanager
def _blaming(workers: Workers, fault: str, items: list[Any]) -> Iterator[None]:
    """Name the executor in its errors; a plain map speaks for itself, and so does what cannot be sent."""
    try:
        yield
    except Exception as error:
        if not isinstance(workers, Executor):
            raise
        pickle.dumps(items[0])
        kind = type(error) if isinstance(error, BrokenExecutor) else RuntimeError
        raise kind(f"workers is {workers!r}, which {fault}: {error}") from error


def _join(columns: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(column.shape[1:] for column in columns)
    if any(column.shape[1:] != longest for column in columns):
        columns = [np.pad(c, ((0, 0), (0, longest[0] - c.shape[1])), constant_values=np.nan) for c in columns]
    return np.concatenate(columns)


def shown(items: Iterable[Item], progress: bool, total: int, label: str = "") -> Iterable[Item]:
    """Return the items, behind a progress bar if asked for."""
    return _tqdm()(items, total=total, desc=label or None, leave=False) if progress else items


def check_progress(progress: bool) -> None:
    """Raise ImportError if a progress bar is asked for and cannot be shown."""
    if progress:
        _tqdm()


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm; install it with: pip install 'l2o[plot]'") from None
    return tqdm
