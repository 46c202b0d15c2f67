"""Inverse Hessians at the ends of runs, from which standard errors come."""

from __future__ import annotations

import numpy as np

from l2o.learning.labels import as_it_is, hessians
from l2o.methods import Box
from l2o.problems import Problems

__all__ = ["held", "inverses", "inverses_at", "standard_errors"]

FLAT = 1e-9  # of the largest curvature, in units of each variable's own: below it is what differences leave


def inverses_at(problems: Problems, x: np.ndarray, jac: np.ndarray, box: Box | None) -> np.ndarray:
    """Return the inverse Hessians (m, d, d) of problems at x (m, d), by differences within bounds if need be."""
    return inverses(hessians(problems, x, as_it_is if box is None else box.nearest)[0], held(x, jac, box))


def held(x: np.ndarray, jac: np.ndarray, box: Box | None) -> np.ndarray:
    """Return which variables (m, d) are fixed, or on a bound with the way down pointing out."""
    if box is None:
        return np.zeros(x.shape, np.bool_)
    result: np.ndarray = (box.low == box.high) | box.holds(x, jac)
    return result


def inverses(hessian: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """Return the inverses (m, d, d) for the variables that are not held (m, d); zero for the others."""
    result = np.zeros(hessian.shape)
    for one, matrix, free in zip(result, hessian, ~is_held):
        one[np.ix_(free, free)] = _inverse(matrix[np.ix_(free, free)])
    return result


def standard_errors(hess_inv: np.ndarray) -> np.ndarray:
    """Return the roots of the diagonals of inverse Hessians, (..., d)."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.diagonal(hess_inv, axis1=-2, axis2=-1))


def _inverse(hessian: np.ndarray) -> np.ndarray:
    """Return the inverse; inf in rows and columns of variables that are not determined, NaN if it is not known."""
    if not np.isfinite(hessian).all():
        return np.full(hessian.shape, np.nan)
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scale[scale == 0.0] = 1.0
    values, axes = np.linalg.eigh(hessian / scale / scale[:, None])
    flat = values <= FLAT * np.abs(values).max(initial=0.0)
    result = (axes[:, ~flat] / values[~flat]) @ axes[:, ~flat].T / scale / scale[:, None]
    unknown = (np.abs(axes[:, flat]) > 1e-5).any(axis=1)
    result[unknown] = result[:, unknown] = np.inf
    return result
