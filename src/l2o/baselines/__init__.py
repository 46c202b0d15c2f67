"""Hand-written optimizers to compare with: one file each, named here."""

from l2o.baselines.conjugate_gradient import ConjugateGradient
from l2o.baselines.gradient_descent import GradientDescent
from l2o.baselines.lbfgs import LBFGS
from l2o.baselines.momentum import Momentum
from l2o.baselines.newton import Newton
from l2o.baselines.scipy_lbfgs import ScipyLBFGS
from l2o.methods import Method

BASELINES = {"gradient-descent": GradientDescent, "momentum": Momentum, "cg": ConjugateGradient, "lbfgs": LBFGS,
             "newton": Newton, "scipy-lbfgs": ScipyLBFGS}

__all__ = ["BASELINES", "ConjugateGradient", "GradientDescent", "LBFGS", "Momentum", "Newton", "ScipyLBFGS", "resolve"]


def resolve(method: object) -> Method:
    """Return the method that a name or a method object stands for.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor a method.
    """
    if isinstance(method, str):
        if method not in BASELINES:
            raise ValueError(f"method is {method!r}; expected one of {', '.join(map(repr, BASELINES))}, or a Policy")
        return BASELINES[method]()
    if not isinstance(method, Method):
        raise TypeError(f"method is {method!r}; expected a name, a Policy or a baseline")
    return method
