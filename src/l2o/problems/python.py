"""A Python callable as the kernels run it: a batch of one, behind one trampoline."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike

__all__ = ["Limits", "PythonObjective", "Source", "number_of"]

Limits = tuple[np.ndarray, np.ndarray] | None  # bounds (d,), or none
Source = Callable[[np.ndarray, Limits], tuple[ArrayLike, ArrayLike]]  # x -> value, gradient, as the user returned them


class PythonObjective:
    """A Python callable that looks to the kernels like a batch of one.

    Parameters
    ----------
    function : callable
        x (d,), bounds -> (value, gradient (d,)); x is its own, to keep or to change; differences must not leave bounds,
        (low, high) of (d,) or None.
    calls : callable
        () -> number of calls of the user's function so far.
    x0 : ndarray, shape (d,)
        Starting point.
    begin : callable, optional
        x (d,), bounds -> (function, calls that a value with its gradient takes): for what is known only when a run
        begins.
    """

    def __init__(self, function: Source, calls: Callable[[], int], x0: np.ndarray,
                 begin: Callable[[np.ndarray, Limits], tuple[Source, int]] | None = None) -> None:
        self._function = function
        self._calls = calls
        self._begin = begin
        self.x0 = x0[None]
        self.error: BaseException | None = None
        self.calls_per_point = 1
        self._limits: Limits = None

    def begin(self, low: np.ndarray | None = None, high: np.ndarray | None = None) -> None:
        """Begin a run, within bounds (d,) if there are any."""
        x = self.x0[0]
        if low is not None and high is not None:
            self._limits, x = (low, high), np.clip(x, low, high)
        if self._begin is not None:
            self._function, self.calls_per_point = self._begin(x, self._limits)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, which: int | slice) -> PythonObjective:
        return self

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.x0.shape[1]

    @property
    def function(self) -> int:
        """Address of the trampoline."""
        return _kernels.python.FUNCTION

    @property
    def mean_size(self) -> float:
        """Nothing that the library knows of."""
        return 0.0

    @property
    def expansion_function(self) -> None:
        """There is none."""

    @property
    def hessian_function(self) -> None:
        """No Hessian."""

    @property
    def normal_function(self) -> None:
        """No residuals are known."""

    @property
    def damping(self) -> str:
        """That of sums of squares."""
        return "more"

    @property
    def infimum(self) -> float:
        """Not known."""
        return -math.inf

    @property
    def objective_card(self) -> None:
        """Not known: two functions cannot be told apart."""

    def value(self, x: np.ndarray) -> float:
        """Return the value at x (d,), without differences where these are the gradient: bounds leave them no room."""
        return number_of(self._function(x.copy(), (x, x))[0])

    @property
    def n_calls(self) -> int:
        """Calls of the user's function so far."""
        return self._calls()

    def addresses(self) -> np.ndarray:
        """Return the address of this object, (1,)."""
        return np.array([id(self)], np.uintp)

    def value_and_grad(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient at x (d,), checked; the user may keep x, and write to the gradient again."""
        fun, jac = self._function(x, self._limits)
        shape = x.shape
        jac = np.atleast_1d(jac) if shape == (1,) else jac  # SciPy takes a number there, too
        return number_of(fun), arguments.array("the gradient", jac, shape, finite=False)

    def evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray, None]:
        """Return value and gradient at x (d,), and no status: an error is an exception."""
        fun, jac = self.value_and_grad(x.copy())
        return fun, jac.copy(), None


def number_of(value: ArrayLike) -> float:
    """Return a value of fun, a number or an array of one, as a float."""
    if isinstance(value, float):
        return float(value)
    result = arguments.array("the value of fun", value, None, finite=False)
    if result.size != 1:
        raise ValueError(f"fun returned a value of shape {result.shape}; expected a number, or a pair of it and the "
                         "gradient (for residuals of a curve there is scipy.optimize.curve_fit)")
    return float(result.reshape(()))
