"""Functions of scipy.special in a model, of dual numbers and of plain ones; loaded where SciPy's module is."""

from __future__ import annotations

import math
from collections.abc import Callable

import scipy.special
from numba.extending import overload

from l2o._kernels.duals.branchfree import exponential
from l2o._kernels.duals.dual import Real, differentiated
from l2o._kernels.duals.functions import RULES

__all__: list[str] = []


def _expit(x: Real) -> tuple[Real, Real]:
    z = 1.0 / (1.0 + exponential(-x))
    return z, z * (1.0 - z)


def _plain(function: Callable[..., float], program: Callable[[float], float]) -> None:
    overload(function)(lambda x: program)


differentiated([scipy.special.erf], 1, RULES["erf"])
differentiated([scipy.special.erfc], 1, RULES["erfc"])
differentiated([scipy.special.gamma], 1, RULES["gamma"])
differentiated([scipy.special.gammaln], 1, RULES["lgamma"])
differentiated([scipy.special.expit], 1, _expit)

_plain(scipy.special.erf, lambda x: math.erf(x))
_plain(scipy.special.erfc, lambda x: math.erfc(x))
_plain(scipy.special.gamma, lambda x: math.gamma(x))
_plain(scipy.special.gammaln, lambda x: math.lgamma(x))
_plain(scipy.special.expit, lambda x: 1.0 / (1.0 + math.exp(-x)))
