"""Hand-written optimizers to compare with: one file each, named here."""

from l2o.baselines.conjugate_gradient import ConjugateGradient
from l2o.baselines.gradient_descent import GradientDescent
from l2o.baselines.lbfgs import LBFGS
from l2o.baselines.levenberg_marquardt import LevenbergMarquardt
from l2o.baselines.momentum import Momentum
from l2o.baselines.newton import Newton
from l2o.baselines.scipy_lbfgs import ScipyLBFGS

BASELINES = {"gradient-descent": GradientDescent, "momentum": Momentum, "cg": ConjugateGradient, "lbfgs": LBFGS,
             "newton": Newton, "lm": LevenbergMarquardt, "scipy-lbfgs": ScipyLBFGS}

__all__ = ["BASELINES", "ConjugateGradient", "GradientDescent", "LBFGS", "LevenbergMarquardt", "Momentum", "Newton",
           "ScipyLBFGS"]
