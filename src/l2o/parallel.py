"""Spread the rows of a batch over workers.

A task is one function of a slice of rows that returns a tuple of arrays; the slices never change what
a row computes, so the result is the same to the bit for any number of workers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["check_progress", "map_rows", "resolve_workers", "shown"]

Task = Callable[..., tuple[np.ndarray, ...]]


def resolve_workers(workers: Any) -> int | Callable[..., Any]:
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
    return mapper


def map_rows(task: Task, m: int, workers: Any, progress: bool = False, *,
             room: Callable[[int], tuple[np.ndarray, ...] | None] | None = None) -> tuple[np.ndarray, ...]:
    """Run task on slices that cover 0..m-1 and join what it returns along the first axis.

    Along later axes, parts of different length are filled up with NaN. Workers that break down, or that do
    not return one part for each slice in order, are an error.

    Threads spend as long on memory that is new and on joining it as on a short run. Where `room(m)` returns arrays
    of m rows, and not None, threads are given their rows of them to fill, task(rows, out).
    """
    mapper = resolve_workers(workers)
    if m <= 1 or (mapper == 1 and not progress):
        return task(slice(0, m))
    n_chunks = min(m, 4 * mapper if isinstance(mapper, int) else 64)  # several a worker even out slow rows
    edges = np.linspace(0, m, (min(m, 100) if progress else n_chunks) + 1).astype(int)
    slices = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    if isinstance(mapper, int):
        whole = room(m) if room is not None else None
        outs = [] if whole is None else [[[column[rows] for column in whole] for rows in slices]]
        with ThreadPoolExecutor(mapper) as pool:
            parts = list(shown(pool.map(task, slices, *outs), progress, len(slices)))
        if whole is not None:
            return whole
    else:
        parts = _gathered(task, slices, workers, mapper, progress)
    return tuple(_join(columns) for columns in zip(*parts))


@dataclass(frozen=True)
class _Labelled:
    """A task that says which slice its result is of; at module level, as it is sent to other processes."""

    task: Task

    def __call__(self, rows: slice) -> tuple[int, tuple[np.ndarray, ...]]:
        return rows.start, self.task(rows)


def _gathered(task: Task, slices: list[slice], workers: Any, mapper: Callable[..., Any],
              progress: bool) -> list[tuple[np.ndarray, ...]]:
    """Return the parts from workers of the caller, who may have closed, broken or misunderstood them."""
    try:
        results = mapper(_Labelled(task), slices)
    except RuntimeError as error:
        if not isinstance(workers, Executor):
            raise
        # an executor only takes the tasks here and waits for none, so the error is its own: shut down, or broken
        raise type(error)(f"workers is {workers!r}, which takes no tasks: {error}") from error
    try:
        parts = list(shown(results, progress, len(slices)))
    except BrokenExecutor as error:
        raise type(error)(f"workers is {workers!r}, which broke down: {error}") from error
    if [part[:1] for part in parts if isinstance(part, tuple)] != [(rows.start,) for rows in slices]:
        raise ValueError(f"workers is {workers!r}; it did not give the results of its {len(slices)} tasks, one for "
                         f"each and in order, but {len(parts)} of another kind or order")
    return [part for _, part in parts]


def _join(columns: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(column.shape[1:] for column in columns)
    if any(column.shape[1:] != longest for column in columns):
        columns = [np.pad(c, ((0, 0), (0, longest[0] - c.shape[1])), constant_values=np.nan) for c in columns]
    return np.concatenate(columns)


def shown(items: Iterable[Any], progress: bool, total: int, label: str = "") -> Iterable[Any]:
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
