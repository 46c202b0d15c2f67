"""The result of a single run: SciPy's, with the curvature at the minimum, which is made when it is read."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from l2o.learning.labels import as_it_is, by_differences, hessians
from l2o.methods import Box
from l2o.problems import Problems, PythonObjective
from l2o.solving.errors import held, inverses, standard_errors

__all__ = ["SingleResult"]

MADE = ("hess_inv", "stderr")
STEP, COARSE = 6e-6, 1e-3  # relative, of differences of a gradient; where that is of differences itself


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
        made: np.ndarray = inverses(_hessian(problem, x, box)[None], held(x[None], jac[None], box))[0]
        return made

    @property
    def stderr(self) -> np.ndarray:
        """Standard errors (d,), where f is a negative logarithm of a likelihood."""
        return standard_errors(self.hess_inv)

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
