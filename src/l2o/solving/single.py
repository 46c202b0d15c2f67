"""The result of a single run: SciPy's, with the curvature at the minimum, which is made when it is read."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from l2o.learning.labels import as_it_is, by_differences, hessians
from l2o.methods import Box
from l2o.problems import Problems, PythonObjective

__all__ = ["SingleResult"]

MADE = ("hess_inv", "stderr")
STEP, COARSE = 6e-6, 1e-3  # relative, of differences of a gradient; where that is of differences itself
FLAT = 1e-9  # of the largest curvature, in units of each variable's own: below it is what differences leave


class SingleResult(OptimizeResult):
    """A result that knows its function. As a pickle or a copy it does not, but keeps what was read."""

    _source: tuple[Problems | PythonObjective, Box | None] | None = None

    def of(self, problem: Problems | PythonObjective, box: Box | None) -> SingleResult:
        """Return itself, of a problem within bounds."""
        self.__dict__["_source"] = problem, box  # an attribute would be an entry
        return self

    @cached_property
    def hess_inv(self) -> np.ndarray:
        """Inverse Hessian (d, d) at x."""
        if self._source is None:
            raise AttributeError("hess_inv")
        problem, box = self._source
        x, jac = np.asarray(self["x"], np.float64), np.asarray(self["jac"], np.float64)
        hessian, held = _hessian(problem, x, box), np.zeros(len(x), bool)
        if box is not None:
            held = (box.low == box.high)[0] | box.holds(x, jac)[0]
        free = np.flatnonzero(~held)
        result = np.zeros(hessian.shape)
        result[free[:, None], free] = _inverse(hessian[free[:, None], free])
        return result

    @property
    def stderr(self) -> np.ndarray:
        """Standard errors (d,), where f is a negative logarithm of a likelihood."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diag(self.hess_inv))

    def __missing__(self, name: str) -> np.ndarray:
        if name not in MADE:
            raise KeyError(name)
        made: np.ndarray = getattr(self, name)
        return made

    def __getattr__(self, name: str) -> object:
        if name in MADE:  # and could not be made
            raise AttributeError(f"{name} was not read before the result was pickled or copied; its function is lost")
        return super().__getattr__(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *MADE]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (dict(self), self.__dict__.get("hess_inv"))


def _restored(parts: dict[str, Any], hess_inv: np.ndarray | None) -> SingleResult:
    result = SingleResult(parts)
    if hess_inv is not None:
        result.__dict__["hess_inv"] = hess_inv
    return result


def _hessian(problem: Problems | PythonObjective, x: np.ndarray, box: Box | None) -> np.ndarray:
    """Return the Hessian (d, d) at x, by differences within the bounds if need be."""
    within = as_it_is if box is None else box.nearest
    if isinstance(problem, Problems):
        return hessians(problem, x[None], within)[0][0]
    step = STEP if problem.calls_per_point == 1 else COARSE
    return by_differences(lambda points: problem.evaluate(points[0])[1][None], x[None], within, step)[0]


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
