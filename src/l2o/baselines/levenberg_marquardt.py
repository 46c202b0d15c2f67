"""Levenberg's and Marquardt's method: for half sums of squares that offer their residuals."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from l2o import _kernels
from l2o._kernels.solvers._descent_method import DescentMethod
from l2o.base.runnable import Runnable
from l2o.baselines._native import NativeMethod
from l2o.baselines.damping import chosen

__all__ = ["LevenbergMarquardt"]


@dataclass(frozen=True)
class LevenbergMarquardt(NativeMethod):
    """The method of Levenberg and Marquardt, for problems of `families.LeastSquares`.

    It takes the products of the derivatives of the residuals for the Hessian. A run ends by the tests of all methods;
    `curve_fit_many` is the same method with a stop in standard errors, and it returns the errors.

    Parameters
    ----------
    damping : {"more", "nielsen", "learned"}, optional
        How the length of a step is found: by a trust region, by a damping that follows the gain of the last steps, or
        by one that was learned on robust losses. By default it is the last for the losses "cauchy" and "geman-mcclure",
        and the first for all others.
    factor : float, optional
        Radius of the first step in units of the start, or the first damping; 100 and 0.01 by default. The learned
        damping has none; with a factor the trust region is the default.

    References
    ----------
    More, *The Levenberg-Marquardt algorithm: implementation and theory*, 1978.
    Nielsen, *Damping parameter in Marquardt's method*, 1999.
    """

    damping: str | None = None
    factor: float | None = None

    scipy_options = MappingProxyType({"damping": "damping", "factor": "factor"})

    def __post_init__(self) -> None:
        chosen("more" if self.damping is None else self.damping, self.factor)

    def check_problems(self, problems: Runnable) -> None:
        """Raise ValueError if the objective is no half sum of squares that is known as one."""
        self.kernel(problems)

    def kernel(self, problems: Runnable) -> DescentMethod:
        """Return the method of the kernels with the normal equations of the problems."""
        if problems.normal_function is None:
            card = problems.objective_card
            name = "a function of Python" if card is None else repr(card["name"])
            raise ValueError(f"method is 'lm', which needs residuals, and the objective, {name}, has none; expected "
                             "problems of families.LeastSquares, or another method, such as 'lbfgs'")
        usual = problems.damping if self.factor is None else "more"
        damping = chosen(usual if self.damping is None else self.damping, self.factor)
        return _kernels.marquardt.method(problems.normal_function, damping.rule, damping.numbers)
