"""Checkpoint: a training on file, so that one that was cut short goes on where it was.

The file says what the training is, in all that decides its result, and how far it has come: the generator, the best
weights so far, what the search hands from round to round. It is replaced in one piece after each round. What follows
from the arguments alone (functions, their lowest values, tuned momentum) is not in it, but computed again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from l2o.base import archive, arguments
from l2o.base.typing import File, Seed
from l2o.policies import Architecture, Policy
from l2o.training._functions import Functions, objective
from l2o.version import __version__

__all__ = ["Checkpoint", "identity"]

FORMAT = 1  # one version of l2o reads the files of no other: a state is what its code hands from round to round


class Checkpoint:
    """The file of a training.

    Parameters
    ----------
    path : path-like or None
        The file; with None nothing is kept.

    Attributes
    ----------
    state : dict
        How far the training has come, by parts; empty at first.

    Raises
    ------
    TypeError
        If `path` is none.
    OSError
        If there is a file that cannot be read.
    ValueError
        If it is no checkpoint, or damaged, or of another format.
    """

    def __init__(self, path: File | None) -> None:
        try:
            self.path = None if path is None else os.fsdecode(path)
        except TypeError:
            raise TypeError(f"checkpoint is {path!r}; expected a path, or None") from None
        self.state: dict[str, Any] = {}
        self._read_state: dict[str, Any] = {}  # with records as dicts: which ones there are, the training says
        self._training: dict[str, Any] | None = None
        self._entropy: Any = None
        self._rng: np.random.Generator
        if self.path is not None and os.path.exists(self.path):
            self._read(self.path)

    def _read(self, path: str) -> None:
        arrays, record = archive.read(path, "checkpoint", "checkpoint")
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            found = record.get("format") if isinstance(record, dict) else None
            raise ValueError(f"checkpoint {path} has format {found}; this version of l2o reads format {FORMAT}")
        sealed = record.pop("sha256", None)
        if sealed != _seal(record, arrays):
            raise ValueError(f"checkpoint {path} is damaged: it is not as it was written")
        try:
            for name, array in arrays.items():
                *parents, last = name.split("/")
                place = record
                for parent in parents:
                    place = place[parent]
                place[last] = array
            self._read_state = record["state"]
            self._training, self._entropy = record["training"], record["entropy"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"checkpoint {path} is damaged: {error!r}") from None

    def seed(self, rng: Seed) -> Seed:
        """Return `rng`, or for None a seed that is drawn once a training: that of the file, if there is one."""
        if rng is not None:
            return rng
        if self._entropy is None:
            self._entropy = np.random.SeedSequence().entropy
        return np.random.SeedSequence(self._entropy)

    def claim(self, training: Callable[[], dict[str, Any]], rng: np.random.Generator,
              records: Iterable[type] = ()) -> None:
        """See that the file is of this training, or of none yet, and put its generator where it was.

        Parameters
        ----------
        training : callable
            Returns what decides the result, as `identity` gives it; it is asked where there is a file.
        rng : Generator
            The branch of it that the search draws from.
        records : iterable of type
            The dataclasses that its states are made of.

        Raises
        ------
        ValueError
            If it is of another training, and the message says in what they differ; or if it is damaged.
        OSError
            If no file can be written there.
        """
        self._rng = rng
        if self.path is None:
            return
        claimed = json.loads(json.dumps(training()))
        apart = None if self._training is None else _difference(self._training, claimed)
        if apart is not None:
            raise ValueError(f"checkpoint {self.path} belongs to another training: {apart}; expected the arguments "
                             "that it was begun with, or the name of another file")
        arguments.writable(self.path)
        self._training = claimed
        try:
            self.state = _unpacked(self._read_state, {each.__name__: each for each in records})
            if "rng" in self.state:
                self._rng.bit_generator.state = self.state["rng"]  # where it was when the state was kept
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"checkpoint {self.path} is damaged: {error!r}") from None
        archive.discard_unfinished(self.path)

    def keep(self, **parts: Any) -> None:
        """Replace parts of the state, and the file: numbers, arrays, records, and dicts of them.

        Raises
        ------
        OSError
            If the file cannot be written; the one before is then still there.
        """
        if self.path is None:
            return
        self.state = {**self.state, **parts, "rng": self._rng.bit_generator.state}
        arrays: dict[str, np.ndarray] = {}
        content = _packed({"format": FORMAT, "training": self._training, "entropy": self._entropy,
                           "state": self.state}, (), arrays)
        archive.write(self.path, arrays, checkpoint={**content, "sha256": _seal(content, arrays)})


def _seal(content: Any, arrays: dict[str, np.ndarray]) -> str:
    """Return a hash of all that a file says: a state that was changed trains on to another policy without a word."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _packed(value: Any, at: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """Return what JSON holds of a value, and put its arrays aside under the names of the places they are missing at."""
    if is_dataclass(value):
        value = {"record": type(value).__name__, **{each.name: getattr(value, each.name) for each in fields(value)}}
    if isinstance(value, dict):
        return {name: _packed(each, (*at, name), arrays) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        arrays["/".join(at)] = value
        return None
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, records: dict[str, type]) -> Any:
    """Return the value with the records that it was made of."""
    if not isinstance(value, dict):
        return value
    inner = {name: _unpacked(each, records) for name, each in value.items()}
    return records[inner.pop("record")](**inner) if "record" in inner else inner


def identity(family: dict[str, Any], training: Functions, validation: Functions, network: Architecture,
             trainers: list[dict[str, Any]], rng: Seed, stream: np.random.Generator,
             init: Policy | None) -> dict[str, Any]:
    """Return all that decides the result of a training, what a message had best name first.

    Parameters
    ----------
    family : dict
        Name and settings.
    training, validation : tuple of Problems
        The functions.
    network : Architecture
        Kind of policy.
    trainers : list of dict
        The cards of the trainers.
    rng : None, int, SeedSequence or Generator
        The seed as it was given.
    stream : Generator
        The branch of it that the search draws from.
    init : Policy or None
        Policy to start from.
    """
    start = None if init is None else _digest(init.card["network"], init.card.get("training"), *init.weights.values())
    return {
        "l2o": __version__, "family": family, "objective": objective(training),
        "n_functions": sum(map(len, training)), "n_validation": sum(map(len, validation)),
        "policy": network.card(), "trainer": trainers,
        "rng": int(rng) if isinstance(rng, (int, np.integer)) else None if rng is None else type(rng).__name__,
        "init": start,
        "training functions": _digest(*_contents(training)),
        "validation functions": _digest(*_contents(validation)),
        "state of rng": _digest(type(stream.bit_generator).__name__, stream.bit_generator.seed_seq.generate_state(4)),
    }


def _contents(functions: Functions) -> Iterator[np.ndarray]:
    """Yield starting points and data, each block of these once."""
    for problems in functions:
        _, first, index = np.unique(problems.index, return_index=True, return_inverse=True)
        yield from (problems.x0, index, *(problems.block(i) for i in first))
        if problems.shared is not None:
            yield problems.shared


def _digest(*parts: Any) -> str:
    """Return a hash of arrays and of records that JSON holds."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _difference(there: Any, here: Any, at: str = "") -> str | None:
    """Say where two records differ first, and how; None if they do not."""
    if isinstance(there, dict) and isinstance(here, dict):
        pairs = [(f"{at}.{name}".lstrip("."), there.get(name), here.get(name)) for name in here | there]
    elif isinstance(there, list) and isinstance(here, list):
        pairs = [(f"{at}[{i}]", *pair) for i, pair in enumerate(itertools.zip_longest(there, here))]
    else:
        return None if there == here else f"{at} was {reprlib.repr(there)} and is {reprlib.repr(here)}"
    return next(filter(None, (_difference(one, other, where) for where, one, other in pairs)), None)
