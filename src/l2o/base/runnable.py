"""What the kernels can run, and problems with something between them and the kernels.

`Problems` and a Python callable are what is at the bottom; a watch for Ctrl-C or a count of evaluations lies on top.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from l2o.base.typing import Card

__all__ = ["Evaluable", "Runnable", "Wrapped"]


class Evaluable(Protocol):
    """One objective, for methods that are Python."""

    def evaluate(self, x: np.ndarray, /) -> tuple[float, np.ndarray, int | None]:
        """Return the value, the gradient (d,) and the status at x (d,), -1 where all is finite."""


class Runnable(Protocol):
    """m objectives of dimension d, with a starting point each."""

    @property
    def x0(self) -> np.ndarray:
        """Starting points, (m, d)."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: int, /) -> Evaluable: ...

    @property
    def dim(self) -> int:
        """Number of variables."""

    @property
    def function(self) -> int:
        """Address of the compiled function."""

    @property
    def hessian_function(self) -> int | None:
        """Address of the compiled Hessian, if there is one."""

    @property
    def expansion_function(self) -> int | None:
        """Address of what computes value, gradient and Hessian in one call, if there is such a function."""

    @property
    def normal_function(self) -> int | None:
        """Address of the compiled normal equations, if the objective is half a sum of squares that offers them."""

    @property
    def mean_size(self) -> float:
        """Numbers that one evaluation reads, in the mean."""

    @property
    def damping(self) -> str:
        """Name of the rule of damping that takes the fewest evaluations by these."""

    @property
    def objective_card(self) -> Card | None:
        """What a policy's card says of the objective, if that is known."""

    def addresses(self) -> np.ndarray:
        """Return the address of each one's data, (m,)."""


class Wrapped(ABC):
    """Problems that the kernels call by way of functions of another layer.

    Parameters
    ----------
    problems : Runnable
        What these functions call in their turn.
    """

    function: int  # address of the layer's objective
    over_hessian: int  # address of the layer's Hessian
    over_normal: int  # address of the layer's normal equations
    over_expansion: int = 0  # address of the layer's expansion; 0 if it has none

    def __init__(self, problems: Runnable) -> None:
        self._problems, self.x0 = problems, problems.x0

    def __len__(self) -> int:
        return len(self._problems)

    def __getitem__(self, which: int, /) -> Evaluable:
        return self._problems[which]

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self._problems.dim

    @property
    def hessian_function(self) -> int | None:
        """Address of the layer's Hessian, if the problems have one."""
        return self._problems.hessian_function and self.over_hessian

    @property
    def expansion_function(self) -> int | None:
        """Address of the layer's expansion, if it has one, and the problems."""
        return self._problems.expansion_function and self.over_expansion

    @property
    def normal_function(self) -> int | None:
        """Address of the layer's normal equations, if the problems have them."""
        return self._problems.normal_function and self.over_normal

    @property
    def mean_size(self) -> float:
        """Numbers that one evaluation reads, in the mean."""
        return self._problems.mean_size

    @property
    def damping(self) -> str:
        """Name of the rule of damping that takes the fewest evaluations."""
        return self._problems.damping

    @property
    def objective_card(self) -> Card | None:
        """What a policy's card says of the objective, if that is known."""
        return self._problems.objective_card

    @abstractmethod
    def addresses(self) -> np.ndarray:
        """Return the address of what the layer knows of each, (m,)."""
