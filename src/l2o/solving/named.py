"""Methods by name: ours, SciPy's names for them, and what is taken where none is named."""

from functools import cache

from l2o.base.runnable import Runnable
from l2o.baselines import BASELINES, LBFGS, LevenbergMarquardt
from l2o.methods import Method
from l2o.policies import load
from l2o.policies.quasi_newton import MOST_VARIABLES

__all__ = ["default_method", "resolve"]

SCIPY = {"l-bfgs-b": "lbfgs"}  # SciPy's names of what is here under another; its "CG" is "cg" here
NEAREST = {  # and what to take for those that are not here
    **dict.fromkeys(("bfgs", "tnc", "slsqp", "trust-constr"), "'lbfgs', in bounds, too"),
    **dict.fromkeys(("newton-cg", "dogleg", "trust-ncg", "trust-krylov", "trust-exact"),
                    "'newton', where the objective has a Hessian, or 'lbfgs'"),
    **dict.fromkeys(("nelder-mead", "powell", "cobyla", "cobyqa"),
                    "'lbfgs', which takes differences of fun if there is no gradient"),
}


def default_method(problem: Runnable) -> Method:
    """Return the method for one problem where none is named.

    It is the learned rule, which is read once, and that of Levenberg and Marquardt for what offers its residuals:
    L-BFGS where the matrix of either would be too large for a step.
    """
    if problem.dim > MOST_VARIABLES:
        return LBFGS()
    return _rule() if problem.normal_function is None else LevenbergMarquardt()


@cache
def _rule() -> Method:
    return load("universal")


@cache
def _baseline(name: str) -> Method:
    return BASELINES[name]()


def resolve(method: object) -> Method:
    """Return the method that a name, ours or SciPy's, or a method object stands for.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor a method.
    """
    if isinstance(method, str):
        name = method.lower()
        name = SCIPY.get(name, name)
        if name in BASELINES:
            return _baseline(name)
        nearest = f" (nearest to it is {NEAREST[name]})" if name in NEAREST else ""
        known = ", ".join(map(repr, BASELINES))
        raise ValueError(f"method is {method!r}; expected one of {known}{nearest}, or a Policy")
    if not isinstance(method, Method):
        raise TypeError(f"method is {method!r}; expected a name, a Policy or a baseline")
    return method
