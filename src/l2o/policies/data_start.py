"""Where runs begin, by what the data of a problem say: a regression of the minimiser on features of the data.

    z = (features - mean) / deviation, within +-4,    p = A'z,
    x = B'z + c + sum_i w_i exp(-|p - p_i|^2).

A problem whose features are not finite, or 3 deviations from the mean in their root mean square, begins at its own
start.
Features are the entries of the data blocks that varied in training, or what a function of the user's makes of a block.
l2o.learning.data_start finds the numbers; the kernel is _kernels/policies/_data_start.pyx.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.policies.weights import Weights
from l2o.problems import Problems
from l2o.problems.layout import HEADER

__all__ = ["FAR", "MOST_FEATURES", "DataBeginning", "DataShape", "Features", "name_of"]

Features = Callable[[np.ndarray], Any]  # data of one problem -> k numbers
FAR = 4.0  # deviations within which features are taken
STRANGE = 3.0  # deviations, in the root mean square of all features, beyond which the data are none of the family's
# beyond, the data are a cloud of points that no hundred problems can tell anything about
MOST_FEATURES, MOST_COMPONENTS = _kernels.data_start.MOST_FEATURES, _kernels.data_start.MOST_COMPONENTS


@dataclass(frozen=True)
class DataShape:
    """What a start by the data consists of.

    Parameters
    ----------
    n_features : int
        Features k.
    n_components : int
        Entries of p; 0 where the map is linear.
    n_centres : int
        Points p_i; 0 where the map is linear.
    layout : tuple of int, optional
        The two sizes that a data block begins with: a problem with others begins at its own start. None with a
        function.
    function : str, optional
        Name of the user's function of a problem's data, "module:name".
    """

    n_features: int
    n_components: int = 0
    n_centres: int = 0
    layout: tuple[int, int] | None = None
    function: str | None = None

    def __post_init__(self) -> None:
        most = {"n_features": MOST_FEATURES, "n_components": MOST_COMPONENTS}
        for name, least in (("n_features", 1), ("n_components", 0), ("n_centres", 0)):
            number = arguments.count(name, getattr(self, name), least)
            if number > most.get(name, number):
                raise ValueError(f"{name} is {number}; expected at most {most[name]}")
            object.__setattr__(self, name, number)
        if (self.layout is None) == (self.function is None):
            raise ValueError(f"layout is {self.layout} and function {self.function!r}; expected one of them")
        if self.layout is not None:
            object.__setattr__(self, "layout", tuple(int(size) for size in self.layout))  # a card has a list

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the function, by reference, so that its module is there on arrival."""
        given = None if self.function is None else found(self.function)
        return _restored, (*(getattr(self, each.name) for each in fields(self)), given)

    def shapes(self, dim: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        k, r, c = self.n_features, self.n_components, self.n_centres
        entries: dict[str, tuple[int, ...]] = {} if self.layout is None else {"data_entries": (k,)}
        return {**entries, "data_scale": (2, k), "data_linear": (k + 1, dim), "data_axes": (k, r),
                "data_centres": (c, r), "data_weights": (c, dim), "data_range": (2, dim)}

    def features(self, problems: Problems) -> np.ndarray:
        """Return what the user's function makes of the data of each problem, (m, k).

        Raises
        ------
        ValueError
            If the function is not found, or does not return k numbers.
        """
        name = str(self.function)
        of = found(name)
        result = _kernels.aligned((len(problems), self.n_features))
        for row, data in zip(result, problems.data()):
            row[:] = _numbers(name, of(data), self.n_features)
        return result

    def beginning(self, weights: Weights) -> DataBeginning:
        """Return what tells where runs of problems begin."""
        entries = weights.get("data_entries", np.arange(float(self.n_features)))
        linear, (low, high) = weights["data_linear"], weights["data_range"]
        layout = (-1.0, -1.0) if self.layout is None else self.layout
        columns = np.vstack([entries, weights["data_scale"], weights["data_axes"].T, linear[:-1].T])
        centres = np.vstack([weights["data_centres"].T, weights["data_weights"].T])
        wide, near = _filled(columns), _filled(centres)
        head = [self.n_features, wide.shape[1], self.n_components, near.shape[1], *layout,
                STRANGE**2 * self.n_features, FAR]
        numbers = np.concatenate([head, wide.ravel(), linear[-1], low, high, near.ravel()])
        block = _kernels.aligned(numbers.shape)
        block[:] = numbers
        return DataBeginning(self, block, int(entries.max()) + 1)

    def time(self, dim: int) -> float:
        """Return the microseconds of a start, about."""
        return self.n_features * (0.0012 + 0.00005 * (dim + self.n_components)) + 0.002 * self.n_centres

    def check(self, weights: Weights) -> None:
        """Raise ValueError if an entry is none of a block's."""
        entries = weights.get("data_entries", np.zeros(1))
        if not (entries >= 0).all() or (entries != np.floor(entries)).any():
            raise ValueError(f"weights['data_entries'] holds {entries.min():g}; expected numbers of entries of a data "
                             "block, from 0 on")


def _restored(*given: Any) -> DataShape:
    return DataShape(*given[:-1])


@dataclass(frozen=True, eq=False)
class DataBeginning:
    """Where runs begin, as the kernel reads it.

    Attributes
    ----------
    shape : DataShape
        Where the features come from.
    block : ndarray
        The numbers of the kernel.
    least : int
        Numbers in a data block that has all entries.
    """

    shape: DataShape
    block: np.ndarray
    least: int

    def __call__(self, problems: Problems) -> np.ndarray:
        """Return where runs begin, (m, d): problems with data unlike those learned from at their own starts."""
        result = problems.x0.copy()
        if self.shape.layout is None:
            features = self.shape.features(problems)
            size, data = features.shape[1], _kernels.addresses(features, np.arange(len(problems)))
        else:  # of problems of different sizes those of the layout have its size
            size = problems.blocks.shape[1] if problems.offsets is None else HEADER + math.prod(self.shape.layout)
            data = problems.block_addresses()
        if size >= self.least:  # else none is laid out in the way of the family
            _kernels.data_start.starts(self.block, data, result)
        return result


def _filled(rows: np.ndarray) -> np.ndarray:
    """Return rows with zeros at their ends, as the kernel multiplies them."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % _kernels.data_start.MULTIPLE)))


def name_of(function: Features) -> str:
    """Return the name by which a policy finds the function again.

    Raises
    ------
    TypeError, ValueError
        If it is no function, or none of a module's own.
    """
    if not callable(function):
        raise TypeError(f"features is {function!r}; expected a function of a problem's data")
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<none>")
    if module is None or "<" in name:
        raise ValueError(f"features is {function!r}; expected a function of a module, which a policy finds again by "
                         "its name")
    if found(f"{module}:{name}") is not function:
        raise ValueError(f"features is {function!r}; expected the function that module {module} has under that name")
    return f"{module}:{name}"


def found(name: str) -> Features:
    """Return the function of a name "module:name", whose module must have been imported: a file imports nothing.

    Raises
    ------
    ValueError
        If it is not there.
    """
    module, _, attribute = name.partition(":")
    try:
        function: Features = attrgetter(attribute)(sys.modules[module])
    except (KeyError, AttributeError):
        raise ValueError(f"the policy begins where features={name!r} says, which is not found; expected module "
                         f"{module}, imported, with that function") from None
    return function


def _numbers(name: str, returned: Any, k: int) -> np.ndarray:
    result = np.asarray(returned, np.float64)
    if result.shape != (k,):
        raise ValueError(f"features={name!r} returned an array of shape {result.shape}; expected ({k},)")
    return result
