"""Where runs begin, by what the data of a problem say: a regression of the minimiser on features of the data.

    z = (features - mean) / deviation, within +-4,    p = A'z,
    x = B'z + c + sum_i w_i exp(-|p - p_i|^2).

A problem whose features are not finite, or 3 deviations from the mean in their root mean square, begins at its own
start.
Features are the entries of the data blocks that varied in training, or what a function of the user's makes of a block.
l2o.learning.data_start finds the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["DataShape", "Features", "maps", "name_of", "predicted"]

Features = Callable[[np.ndarray], Any]  # data of one problem -> k numbers
FAR = 4.0  # deviations within which features are taken
STRANGE = 3.0  # deviations, in the root mean square of all features, beyond which the data are none of the family's
AT_ONCE = 2**15  # features at a time, which stay in the cache


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
        for name, least in (("n_features", 1), ("n_components", 0), ("n_centres", 0)):
            object.__setattr__(self, name, arguments.count(name, getattr(self, name), least))
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

    def features(self, problems: Problems, entries: np.ndarray | None) -> np.ndarray:
        """Return the features (m, k) of problems; NaN for one whose data are laid out in another way.

        Raises
        ------
        ValueError
            If the function is not found, or does not return k numbers.
        """
        if self.function is not None:
            of = found(self.function)
            return np.array([_numbers(self.function, of(data), self.n_features) for data in problems.data()])
        columns = np.asarray(entries, np.intp)
        if columns.max() >= problems.blocks.shape[1]:
            return np.full((len(problems), self.n_features), np.nan)
        first, last = problems.index[0], problems.index[-1] + 1
        one_after_another = last - first == len(problems) and (np.diff(problems.index) == 1).all()
        blocks = problems.blocks[first:last] if one_after_another else problems.blocks[problems.index]
        result = blocks.take(columns, axis=1)
        result[(blocks[:, :2] != self.layout).any(axis=1)] = np.nan
        return result

    def starts(self, weights: Weights, problems: Problems) -> np.ndarray:
        """Return where runs begin, (m, d): problems with features unlike those learned from at their own starts."""
        result = problems.x0.copy()
        at_once, both = max(1, AT_ONCE // self.n_features), maps(weights)
        for i in range(0, len(problems), at_once):
            part, here = problems[i : i + at_once], slice(i, i + at_once)
            z = self.features(part, weights.get("data_entries"))
            with np.errstate(invalid="ignore", over="ignore"):
                z -= weights["data_scale"][0]
                z *= weights["data_scale"][1]
                known = np.einsum("mk,mk->m", z, z) <= STRANGE**2 * self.n_features  # NaN is none
            if known.all():
                result[here] = predicted(weights, z, both)
            else:
                result[here][known] = predicted(weights, z[known], both)
        return result

    def check(self, weights: Weights) -> None:
        """Raise ValueError if an entry is none of a block's."""
        entries = weights.get("data_entries", np.zeros(1))
        if not (entries >= 0).all() or (entries != np.floor(entries)).any():
            raise ValueError(f"weights['data_entries'] holds {entries.min():g}; expected numbers of entries of a data "
                             "block, from 0 on")


def _restored(*given: Any) -> DataShape:
    return DataShape(*given[:-1])


def maps(weights: Weights) -> np.ndarray:
    """Return B' and A' of the linear maps, one below the other, (d + r, k)."""
    return np.ascontiguousarray(np.hstack([weights["data_linear"][:-1], weights["data_axes"]]).T)


def predicted(weights: Weights, z: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return x (m, d) for standardised features (m, k), which are clipped in place, with the `maps` of the weights.

    Each product is one row's alone, so that a row does not depend on others.
    """
    linear, centres, (low, high) = weights["data_linear"], weights["data_centres"], weights["data_range"]
    dim = linear.shape[1]
    np.clip(z, -FAR, FAR, out=z)
    both = np.matmul(rows, z[:, :, None])[:, None, :, 0]  # one pass over the features
    p = both[:, :, dim:]
    square = 2.0 * np.matmul(p, centres.T)  # less |p|^2 and |p_i|^2: a sum over differences takes three times as long
    square -= (p * p).sum(axis=2)[:, :, None]
    square -= (centres * centres).sum(axis=1)
    made = both[:, :, :dim] + np.matmul(np.exp(square, out=square), weights["data_weights"])
    return np.clip(made[:, 0] + linear[-1], low, high)


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
