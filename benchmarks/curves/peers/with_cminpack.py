"""MINPACK's lmder in C, with derivatives by hand."""

from benchmarks.curves.peers import native

__all__ = ["LIBRARY", "engines"]

LIBRARY = None  # it is no package of Python
TOLERANCE = 1e-6  # of the sum of squares, relative: ends within about 1e-3 standard errors of the minimum


def engines(curves):
    """Return what fits the curves, by name."""
    native.require("cminpack-1/cminpack.h", "cminpack (libcminpack-dev)")
    calls = {}
    for flagged, flags in native.FLAGS.items():
        library = native.compiled("with_cminpack.cpp", flags, ("-lcminpack",), MODEL=curves.name.capitalize())
        calls[f"lmder of cminpack, by hand [{flagged}]"] = native.batch(library, curves, True, TOLERANCE)
    return calls
