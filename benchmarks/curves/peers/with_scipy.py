"""SciPy: curve_fit in a loop, by MINPACK (lm) or trust regions (trf), given the Jacobian or making it itself."""

import warnings

import numpy as np
from scipy.optimize import curve_fit

__all__ = ["LIBRARY", "engines"]

LIBRARY = "scipy"


def engines(curves):
    """Return what fits the curves, by name."""
    return {f"curve_fit {method}{', Jacobian' if jacobian else ''}": _loop(curves, jacobian, method)
            for method in ("lm", "trf") for jacobian in (True, False)}


def _loop(curves, jacobian, method):
    model, points = curves.model, curves.points

    def value(t, *p):
        return model(points, p)

    def slope(t, *p):
        return model.jacobian(points, p)

    def call():
        x, nfev = curves.p0.copy(), np.zeros(len(curves.Y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of covariances that it cannot estimate
            for i, (y, p0) in enumerate(zip(curves.Y, curves.p0)):
                try:
                    x[i], _, told, *_ = curve_fit(value, points, y, p0=p0, jac=slope if jacobian else None,
                                                  method=method, full_output=True)
                    nfev[i] = told["nfev"]
                except RuntimeError:  # its limit of evaluations
                    nfev[i] = np.nan
        return x, nfev

    return call
