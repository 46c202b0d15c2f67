"""What a user's function is made of: a Python function, which other processes find by its name, or an address."""

from __future__ import annotations

import ast
import ctypes
import hashlib
import importlib
import inspect
import pickle
import re
import sys
import textwrap
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, ClassVar

__all__ = ["Address", "UserFunction", "is_address"]


class UserFunction:
    """A Python function that Numba compiles, and that pickles as functions do.

    Attributes
    ----------
    function : callable
        The Python function.
    name : str
        Its qualified name, which cards and messages show.
    """

    noun: ClassVar[str]  # what it is called, and the name of the decorator

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.__module__, self.__doc__ = function.__module__, function.__doc__
        self.__name__, self._path = function.__name__, function.__qualname__

    def portable(self, owner: object, make: Callable[..., Any]) -> tuple[Any, ...]:
        """Return what an object of this function pickles as: its name, as functions do; others compile it again.

        A program or notebook is not what another process has under ``__main__``; from there the function itself goes.

        Parameters
        ----------
        owner : object
            The object that stands where the function stood. This function is its attribute ``source``.
        make : callable
            Make the object of what is `carried`, in the other process.
        """
        if self.__module__ == "__main__" and self._by_value is not None:
            return _arrived, (make, self._by_value, self.name, self.source_hash)
        if _found(self.__module__, self._path) is not owner:
            raise pickle.PicklingError(
                f"the {self.noun} {self.name} cannot be sent to another process: it is not what {self.__module__} has "
                f"under the name {self._path}; define it at the top level of a module, with @l2o.{self.noun}")
        return _named, (self.__module__, self._path)

    @property
    def carried(self) -> object:
        """What another process makes it of."""
        return self.function

    @cached_property
    def _by_value(self) -> bytes | None:
        """The function, for processes that do not have it; None without cloudpickle, which comes with Dask."""
        try:
            import cloudpickle
        except ImportError:
            return None
        return cloudpickle.dumps(self.carried)

    @cached_property
    def source_hash(self) -> str | None:
        """SHA-256 of the source without comments and layout; None where there is no source to read.

        Functions that it calls are not in it.
        """
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.function)))
        except (OSError, TypeError, SyntaxError):
            return None
        return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _found(module: str, path: str) -> Any:
    """Return what an imported module has under a dotted name."""
    found = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _named(module: str, path: str) -> Any:
    """Return what a module has under a dotted name."""
    importlib.import_module(module)
    return _found(module, path)


@lru_cache(maxsize=64)  # the tasks of one call all bring it; it is compiled for the first of them
def _arrived(make: Callable[..., Any], function: bytes, name: str, source_hash: str | None) -> Any:
    """Return an object of a function that another process sent by value."""
    made, known = make(pickle.loads(function)), _found("__main__", name.removeprefix("__main__."))
    if isinstance(known, type(made)) and known.source._by_value == function:
        return known
    made.source.source_hash = source_hash  # there is no source to read here
    return made


class Address:
    """A function compiled elsewhere; `given` keeps it alive.

    Attributes
    ----------
    function : int
        Its address.
    user_data : int or None
        Address of data that it is called with.
    """

    signature: ClassVar[str]  # of the C interface
    noun: ClassVar[str]
    source_hash = None

    def __init__(self, given: Any, name: str, signature: str, function: int, user_data: int | None) -> None:
        if _spelled(signature) != _spelled(self.signature):
            raise TypeError(f"the {self.noun} has the signature {signature!r}; expected {self.signature!r}")
        self.given, self.name, self.function, self.user_data = given, name, function, user_data

    def __reduce__(self) -> tuple[Any, ...]:
        return self.portable(self, type(self))

    def portable(self, owner: object, make: Callable[..., Any]) -> tuple[Any, ...]:
        """Raise PicklingError: an address holds in one process only."""
        raise pickle.PicklingError(f"{self.given!r} cannot be sent to another process, where its address means "
                                   f"nothing; {_article(self.noun)} {self.noun} of @l2o.{self.noun} can")

    @classmethod
    def of(cls, given: Any) -> Any:
        """Return the function that a cfunc or LowLevelCallable stands for; None if it is neither."""
        if isinstance(given, _types("numba.core.ccallback", "CFunc")):
            return cls(given, given.__name__, str(given._sig), given.address, None)
        if isinstance(given, _types("scipy._lib._ccallback", "LowLevelCallable")):
            # where SciPy's own routines look: item 0 is a capsule of the function, its context the user's data
            capsule, name = tuple.__getitem__(given, 0), given.signature.encode()
            return cls(given, "LowLevelCallable", given.signature, _in_capsule("Pointer", capsule, name),
                       _in_capsule("Context", capsule))
        return None


def is_address(given: object) -> bool:
    """Return whether something is a Numba cfunc or a LowLevelCallable."""
    return isinstance(given, (*_types("numba.core.ccallback", "CFunc"),
                              *_types("scipy._lib._ccallback", "LowLevelCallable")))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _types(module: str, name: str) -> tuple[Any, ...]:
    """Return a class of a library, for isinstance; no class while the library is not imported."""
    return (getattr(sys.modules[module], name),) if module in sys.modules else ()


def _in_capsule(what: str, capsule: Any, *name: bytes) -> Any:
    get = getattr(ctypes.pythonapi, f"PyCapsule_Get{what}")
    get.argtypes, get.restype = [ctypes.py_object] + [ctypes.c_char_p] * len(name), ctypes.c_void_p
    return get(capsule, *name)


def _spelled(signature: str) -> tuple[str, ...]:
    """Return the types of a signature, result first, in one spelling for C, Cython, ctypes, cffi and Numba."""
    arguments_first = re.fullmatch(r"\((.*)\) -> (\w+)", signature)  # Numba's order
    parts = arguments_first or re.fullmatch(r"([\w ]+?)\s*\((.*)\)", signature)
    if parts is None:
        return ()
    result, given = parts.groups() if arguments_first is None else parts.groups()[::-1]
    names = [re.sub(r"\bconst\b|\s", "", part) for part in (result, *given.split(","))]
    words = {"int32": "int", "int32_t": "int", "float64*": "double*"}
    words |= dict.fromkeys(["intptr_t", "ssize_t", "Py_ssize_t", "ptrdiff_t"], "intptr_t")
    for integer, kind in (("long", ctypes.c_long), ("longlong", ctypes.c_longlong),
                          ("int64_t", ctypes.c_int64), ("int64", ctypes.c_int64)):
        if ctypes.sizeof(kind) == ctypes.sizeof(ctypes.c_void_p):
            words[integer] = "intptr_t"
    types = [words.get(name, name) for name in names]
    if types[-1].endswith("*"):  # the data may be a pointer to anything
        types[-1] = "void*"
    return tuple(types)
