"""Peers in C++: compiled when they are asked for, into a temporary folder where later runs find them.

The compiler finds headers and libraries that lie elsewhere by CPATH and LIBRARY_PATH, the program by LD_LIBRARY_PATH.
"""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.report import machine

__all__ = ["FLAGS", "batch", "compiled", "require"]

HERE = Path(__file__).parent
FLAGS = {"as written": ["-O3", "-march=native"],
         "fast math": ["-O3", "-march=native", "-ffast-math"]}  # with vectors of exp and cos in loops
ALWAYS = ["-std=c++17", "-DNDEBUG", "-fPIC", "-I/usr/include/eigen3"]


def require(header, name):
    """Raise ModuleNotFoundError, which names what is missing, if there is no compiler or no such header."""
    if shutil.which("g++") is None:
        raise ModuleNotFoundError("no C++ compiler", name=f"g++, which {name} needs,")
    found = subprocess.run(["g++", *ALWAYS, "-fsyntax-only", "-x", "c++", "-"], input=f"#include <{header}>\n",
                           text=True, capture_output=True)
    if found.returncode:
        raise ModuleNotFoundError(f"no header {header}", name=name)


def compiled(source, flags, libraries=(), **defined):
    """Return the library of a source beside this module, compiled for this machine with some macros defined."""
    texts = [(HERE / name).read_text(encoding="utf-8") for name in (source, "models.h")]
    settings = [*flags, *ALWAYS, *(f"-D{name}={value}" for name, value in defined.items())]
    key = hashlib.sha256(repr((texts, settings, libraries, machine()["cpu"])).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / "l2o-curve-fits"
    target = folder / f"{source.removesuffix('.cpp')}-{key}.so"
    if not target.exists():
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unit, made = Path(scratch) / "unit.o", Path(scratch) / "made.so"
            subprocess.run(["g++", *settings, "-c", str(HERE / source), "-o", str(unit)], check=True)
            # linked without the flags: -ffast-math there takes small numbers for zero in the whole process
            subprocess.run(["g++", "-shared", str(unit), "-o", str(made), *libraries], check=True)
            made.replace(target)
    return ctypes.CDLL(str(target))


def batch(library, curves, by_hand, tolerance, most=500):
    """Return a call that fits all curves by a library's `fit`."""
    t, Y = np.ascontiguousarray(curves.t.T), np.ascontiguousarray(curves.Y)
    (m, n), pointer = Y.shape, ctypes.c_void_p

    def call():
        x, evaluations = np.array(curves.p0, order="C"), np.empty(m, np.int64)
        library.fit(ctypes.c_int(by_hand), ctypes.c_int64(m), ctypes.c_int(n), pointer(t.ctypes.data),
                    pointer(Y.ctypes.data), ctypes.c_double(curves.sigma), pointer(x.ctypes.data),
                    pointer(evaluations.ctypes.data), ctypes.c_double(tolerance), ctypes.c_int(most))
        return x, evaluations

    return call
