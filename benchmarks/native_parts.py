"""Parts of native methods that the package has no use for alone: a direction, and a run that is taken over.

The tests compare them with oracles, and benchmarks/paper/handoff.py tries rules with them. `_native_parts.pyx` is
compiled at import, into build/native-parts, against the kernels of the source; nothing of it is in the wheel.
"""

import importlib.util
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

__all__ = ["direction", "resume"]

ROOT = Path(__file__).parents[1]


def built():
    """Return the compiled module."""
    folder, source = ROOT / "build" / "native-parts", Path(__file__).with_name("_native_parts.pyx")
    folder.mkdir(parents=True, exist_ok=True)
    c, library = folder / "_native_parts.c", folder / f"_native_parts{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I", ROOT / "src", source, "-o", c], check=True)
    headers = ROOT / "src" / "l2o" / "_kernels" / "base", sysconfig.get_path("include"), np.get_include()
    subprocess.run([*shlex.split(sysconfig.get_config_var("LDSHARED")), "-fPIC", *(f"-I{each}" for each in headers), c,
                    "-o", library], check=True)
    spec = importlib.util.spec_from_file_location("_native_parts", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_PARTS = built()


def _numbers(array):
    array = np.ascontiguousarray(array, float)
    return array, array.ctypes.data


def direction(method, s, y, g):
    """Return the direction (n,) of a method that has learned the pairs s, y (k, n), at the gradient g."""
    (s, s_at), (y, y_at), (g, g_at) = map(_numbers, (s, y, g))
    p = np.empty_like(g)
    _PARTS.direction(method, s_at, y_at, len(s), g_at, p.ctypes.data, len(g))
    return p


def resume(function, data, method, pairs, stopping, best, *, first, lowest, nit, nfev):
    """Take over a run of an objective with the method, and return x, f, g, nit, nfev, status of its end.

    Parameters
    ----------
    function, data : int
        Addresses of the objective and its block.
    method : DescentMethod
    pairs : (ndarray, ndarray), shape (k, n) each
        Steps and changes of the gradient, oldest first.
    stopping : Stopping
    best : (ndarray, float, ndarray)
        The best point so far with its value and gradient.
    first, lowest : float
        The value at the start, and the lowest seen.
    nit, nfev : int
        Iterations and evaluations so far.
    """
    (s, s_at), (_y, y_at) = map(_numbers, pairs)
    x, f, g = np.array(best[0], float), np.array([best[1]], float), np.array(best[2], float)
    ended = _PARTS.resume(function, data, method, s_at, y_at, len(s), stopping, first, lowest, nit, nfev,
                          x.ctypes.data, f.ctypes.data, g.ctypes.data, len(x))
    return x, f[0], g, *ended
