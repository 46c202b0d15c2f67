"""Ceres' TinySolver, with Jets for derivatives or with derivatives by hand, the number of points known or not."""

from benchmarks.curves.peers import native

__all__ = ["LIBRARY", "engines"]

LIBRARY = None  # it is no package of Python
TOLERANCE = 3e-5  # of the sum of squares, absolute: ends within about 1e-3 standard errors of the minimum
HEADER = "ceres/tiny_solver.h"


def engines(curves):
    """Return what fits the curves, by name."""
    native.require(HEADER, "Ceres (libceres-dev, libeigen3-dev)")
    calls = {}
    for flagged, flags in native.FLAGS.items():
        for sized, points in (("n known", len(curves.t)), ("any n", "Eigen::Dynamic")):
            library = native.compiled("with_ceres.cpp", flags, MODEL=curves.name.capitalize(), POINTS=points)
            for by_hand, name in ((False, "Jets"), (True, "by hand")):
                calls[f"TinySolver, {name} [{sized}, {flagged}]"] = native.batch(library, curves, by_hand, TOLERANCE)
    return calls
