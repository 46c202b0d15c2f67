"""Types of what users give: seeds, workers, files, callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["ArrayLike", "Card", "Executor", "File", "Pairs", "Seed", "Workers"]


class Executor(Protocol):
    """Anything that maps: a pool of threads or of processes, a client of Dask."""

    def map(self, function: Callable[..., Any], /, *iterables: Iterable[Any]) -> Iterable[Any]:
        """Call the function on each item; results come in order."""


Card: TypeAlias = dict[str, Any]  # what a policy file says of something, in types of JSON
File: TypeAlias = str | PathLike[str]
Pairs: TypeAlias = Iterable[Iterable[float | None]]  # bounds, None for no bound
Seed: TypeAlias = int | np.integer | np.random.SeedSequence | np.random.Generator | None
Workers: TypeAlias = int | np.integer | Executor | Callable[..., Iterable[Any]]
