"""Kernel: a compiled objective, and those of the library."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2o import _kernels
from l2o.base.typing import Card
from l2o.problems import layout
from l2o.problems.separation import LOW, Endless, endless_network, endless_regression, endless_weighted

__all__ = ["KERNELS", "LOGISTIC", "NEURAL_NET", "ROBUST", "WEIGHTED_LOGISTIC", "WEIGHTED_ROBUST", "Kernel"]


@dataclass(frozen=True)
class Kernel:
    """A compiled objective: its name and the addresses of its functions.

    It pickles as its name, or as what it was made of: an address holds in one process only.

    Attributes
    ----------
    name : str
        What it is called in messages and cards.
    function, hessian : int
        Addresses of an l2o_objective_fn and an l2o_hessian_fn; there may be no Hessian.
    source : object, optional
        What a user's function was made of, kept alive here; its attribute ``kernel`` is this kernel.
    over : callable, optional
        What the function is called with, where that is not the data: addresses (m,) of data, address of the shared part
        or 0 -> addresses (m,).
    normal : int, optional
        Address of an l2o_normal_fn, if the objective is half a sum of squares that offers its normal equations.
    damping : str
        Name of the rule of damping that takes the fewest evaluations by these.
    fits : callable, optional
        (blocks (k, size), number of variables) -> whether the blocks are for so many.
    raised : callable, optional
        (x (d,), data (rows, columns)) -> what the function raises there in Python, as text, "" for nothing.
    infimum : float
        Of an objective that may have no minimum a value that it is never below, and comes close to then.
    suspect : float
        Only a solution with a value below it may show that the minimum lies at infinity: none, if it is -inf.
    endless : callable, optional
        (problems, x (m, d), fun (m,), jac (m, d)) -> which of these solutions show it.
    expansion : int, optional
        Address of an l2o_expansion_fn, if value, gradient and Hessian together take less time than one by one.
    """

    name: str
    function: int
    hessian: int | None = None
    source: Any = None
    over: Callable[[np.ndarray, int], np.ndarray] | None = None
    normal: int | None = None
    damping: str = "more"
    fits: Callable[[np.ndarray, int], bool] | None = None
    raised: Callable[[np.ndarray, np.ndarray], str] | None = None
    infimum: float = -math.inf
    suspect: float = -math.inf
    endless: Callable[..., Endless] | None = None
    expansion: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.source is None:
            return _kernel, (self.name, self.suspect)
        return operator.attrgetter("kernel"), (self.source,)

    def card(self) -> Card:
        """Return what a policy's card says of the objective: its name, and of a user's one the hash of its source."""
        return {"name": self.name} if self.source is None else {"name": self.name, "source": self.source.source_hash}

    def suspecting(self, suspect: float) -> Kernel:
        """Return the same objective with another value below which solutions are suspect."""
        return self if suspect == self.suspect else replace(self, suspect=suspect)


def _kernel(name: str, suspect: float) -> Kernel:
    return KERNELS[name].suspecting(suspect)


LOGISTIC = Kernel("logistic", _kernels.logistic.FUNCTION, _kernels.logistic.HESSIAN, fits=layout.has_columns,
                  infimum=0.0, suspect=LOW, endless=endless_regression, expansion=_kernels.logistic.EXPANSION)
ROBUST = Kernel("robust", _kernels.robust.FUNCTION, _kernels.robust.HESSIAN, fits=layout.has_columns,
                expansion=_kernels.robust.EXPANSION)
NEURAL_NET = Kernel("neural-net", _kernels.neural_net.FUNCTION, _kernels.neural_net.HESSIAN,
                    fits=layout.has_net, infimum=0.0, suspect=math.inf, endless=endless_network)
# with a weight for each point, and a design that problems may share
WEIGHTED_LOGISTIC = Kernel("weighted-logistic", _kernels.weighted_logistic.FUNCTION,
                           _kernels.weighted_logistic.HESSIAN, over=_kernels.weighted.over, fits=layout.has_design,
                           infimum=0.0, suspect=LOW, endless=endless_weighted,
                           expansion=_kernels.weighted_logistic.EXPANSION)
WEIGHTED_ROBUST = Kernel("weighted-robust", _kernels.weighted_robust.FUNCTION, _kernels.weighted_robust.HESSIAN,
                         over=_kernels.weighted.over, fits=layout.has_design,
                         expansion=_kernels.weighted_robust.EXPANSION)
KERNELS = {kernel.name: kernel for kernel in (LOGISTIC, ROBUST, NEURAL_NET, WEIGHTED_LOGISTIC, WEIGHTED_ROBUST)}
