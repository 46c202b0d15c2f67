"""Check and convert what comes in at the public edge; below it the kernels trust.

Every message names the argument, what came and what was expected.
"""

from __future__ import annotations

import math
import operator
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from l2o.base.typing import ArrayLike, File, Seed

__all__ = ["array", "bad_rows", "choice", "count", "flag", "generator", "number", "starts", "writable", "written"]


LARGEST = 2**63 - 1  # what a count may be in C


def count(name: str, value: SupportsIndex, least: int = 1, most: int = LARGEST) -> int:
    """Return `value` as an int that is at least `least` and at most `most`."""
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected an integer, at least {least}") from None
    if result < least:
        raise ValueError(f"{name} is {result}; expected at least {least}")
    if result > most:
        shown = result if result <= LARGEST else f"an integer of {result.bit_length()} bits"
        raise ValueError(f"{name} is {shown}; expected at most {most}")
    return result


def number(name: str, value: SupportsFloat, low: float = 0.0, *, exclusive: bool = False, finite: bool = True) -> float:
    """Return `value` as a float that is at least (or above) `low`, and finite unless infinity stands for no bound."""
    try:
        if isinstance(value, (str, bytes)):  # which float reads
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}; expected a number") from None
    except OverflowError:
        raise ValueError(f"{name} is too large for a floating-point number; expected a finite one") from None
    if not (result > low if exclusive else result >= low) or (finite and math.isinf(result)):
        bound = f"{'above' if exclusive else 'of at least'} {low}"
        expected = f"a finite number {bound}" if finite else f"a number {bound} (inf for no bound)"
        raise ValueError(f"{name} is {result}; expected {expected}")
    return result


def choice(name: str, value: object, known: Iterable[str]) -> str:
    """Return `value` if it is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, known))}")
    return value


def flag(name: str, value: object) -> bool:
    """Return `value` as a bool, if it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def array(name: str, value: ArrayLike, shape: tuple[int | None, ...] | None, what: str = "", *,
          finite: bool = True) -> np.ndarray:
    """Return `value` as a C-contiguous float64 array of that shape; None stands for any length, or any shape."""
    if type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous:
        result = value
    else:
        result = _converted(name, value)
    if shape is not None and result.shape != shape and (
            result.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, result.shape))):
        expected = str(shape).replace("None", "any")
        raise ValueError(f"{name} has shape {result.shape}; expected {expected}{what and ': ' + what}")
    if finite:
        _finite(name, result)
    return result


def _converted(name: str, value: ArrayLike) -> np.ndarray:
    """Return `value` as a C-contiguous float64 array."""
    unmasked(name, value)
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub" and not _holds_numbers(given):
            raise TypeError
        result = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        ragged = ", of parts of different shapes" if "inhomogeneous" in str(error) else ""
        raise TypeError(f"{name} cannot be read as an array of real numbers: {type(value).__name__}{ragged}") from None
    return result.reshape(given.shape)  # ascontiguousarray turns a scalar into one dimension


def _finite(name: str, values: np.ndarray) -> None:
    """Raise ValueError if one of the values is not finite."""
    if not np.isfinite(values).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{name} holds {values[where]} at {where}; expected finite numbers")


def bad_rows(check: str, **given: np.ndarray) -> np.ndarray | None:
    """Return which of m members hold a number that is not finite, (m,); None if none does.

    Parameters
    ----------
    check : {"row", "raise"}
        Whether one that does is a row with status 3, or an error.
    given : ndarray, shape (m, ...)
        What there is of each member.

    Raises
    ------
    ValueError
        If there is one and check is "raise", or if there is no other.
    """
    choice("check", check, ("row", "raise"))
    if all(np.isfinite(values).all() for values in given.values()):
        return None
    bad = np.logical_or.reduce([~np.isfinite(values.reshape(len(values), -1)).all(axis=1) for values in given.values()])
    if check == "raise" or bad.all():
        for name, values in given.items():
            _finite(name, values)
    return bad


def unmasked(name: str, value: object) -> None:
    """Raise ValueError if `value` is an array with masked entries, or a list that holds one: the mask would be lost."""
    if isinstance(value, (list, tuple)):
        for each in value:
            unmasked(name, each)
    elif isinstance(value, np.ndarray) and type(value) is not np.ndarray and np.ma.is_masked(value):
        where = tuple(int(i) for i in np.argwhere(np.ma.getmaskarray(value))[0])
        raise ValueError(f"{name} is masked at {where}; expected an array without a mask: leave these entries out, or "
                         "give them the weight zero")


def pair(name: str, returned: object, what: str) -> tuple[ArrayLike, ArrayLike]:
    """Return the two that a user's function returned as a tuple or list; `what` they are."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise ValueError(f"{name} returned {type(returned).__name__}; expected a pair of {what}")
    return returned[0], returned[1]


def _holds_numbers(given: np.ndarray) -> bool:
    """Say whether an array of objects holds what is meant as numbers; NumPy reads None as NaN, and text, too."""
    return given.dtype.kind == "O" and not any(isinstance(each, (str, bytes, type(None))) for each in given.flat)


def starts(x0: ArrayLike, m: int, dim: int) -> np.ndarray:
    """Return starting points (m, dim), a copy; one point (dim,) is that of all. They need not be finite."""
    if not (isinstance(x0, np.ndarray) and x0.ndim == 2):
        x0 = array("x0", x0, None, finite=False)
        if x0.shape == (dim,):
            return np.tile(x0, (m, 1))
    what = f"one starting point of dimension {dim} for each of {m} problems"
    return array("x0", x0, (m, dim), what, finite=False).copy()


def generator(rng: Seed) -> np.random.Generator:
    """Return the generator that `rng` stands for (SPEC 7: None, a seed, a SeedSequence or a Generator)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"rng is {rng!r}; expected None, a non-negative integer, a SeedSequence or a numpy.random.Generator"
        ) from None


def writable(path: File) -> None:
    """Raise an OSError that names `path` if no file can be put there; nothing is left of the attempt."""
    _beside(path, tempfile.TemporaryFile).close()


def _beside(path: File, make: Callable[..., Any]) -> Any:
    """Return what `make` of tempfile makes in the folder of `path`, under a name that begins and ends alike."""
    folder, name = os.path.split(path)
    folder = folder or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"cannot write {path}: the folder {folder} does not exist")
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    try:
        return make(dir=folder, prefix=f".{name}.", suffix=os.path.splitext(name)[1])
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def written(path: File) -> Iterator[str]:
    """Give a temporary name beside `path` that takes its place when the block ends well: nothing half written."""
    path = os.fspath(path)
    handle, temporary = _beside(path, tempfile.mkstemp)
    os.close(handle)
    try:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        yield temporary
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
