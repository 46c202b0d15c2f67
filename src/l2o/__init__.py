"""l2o learns optimizers for families of small problems, and runs them at native speed.

>>> import l2o
>>> problems = l2o.families.Logistic().sample(3, rng=0)
>>> len(problems), problems.dim
(3, 4)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from l2o import baselines, errors, families, policies
from l2o.curves.curve_fit import curve_fit, curve_fit_many
from l2o.curves.result import CurveFit
from l2o.policies import Policy, load
from l2o.problems import Objective, Problems
from l2o.problems.models import model
from l2o.problems.objectives import objective
from l2o.solving.batch import BatchResult
from l2o.solving.minimize import minimize, minimize_many
from l2o.solving.rollout import Rollouts, rollout
from l2o.version import __version__

if TYPE_CHECKING:
    from l2o import evaluation, testing, training
    from l2o.base.config import get_include, show_config
    from l2o.evaluation import Comparison, Curve, compare
    from l2o.solving.tuning import tune
    from l2o.training import (
        CurvatureRegression,
        EvolutionStrategy,
        GuidedPolicySearch,
        StartRegression,
        UnrolledGradient,
        train,
    )

_ON_DEMAND = {  # name -> module; what training and evaluation need is imported when it is used
    "Comparison": "l2o.evaluation",
    "Curve": "l2o.evaluation",
    "compare": "l2o.evaluation",
    "tune": "l2o.solving.tuning",
    "CurvatureRegression": "l2o.training",
    "EvolutionStrategy": "l2o.training",
    "GuidedPolicySearch": "l2o.training",
    "StartRegression": "l2o.training",
    "UnrolledGradient": "l2o.training",
    "train": "l2o.training",
    "get_include": "l2o.base.config",
    "show_config": "l2o.base.config",
}
_SUBMODULES = ("evaluation", "testing", "training")

__all__ = ["BatchResult", "Comparison", "Curve", "CurveFit", "CurvatureRegression", "EvolutionStrategy",
           "GuidedPolicySearch", "Objective", "Policy", "Problems", "Rollouts", "StartRegression", "UnrolledGradient",
           "baselines", "compare", "curve_fit", "curve_fit_many", "errors", "evaluation", "families", "get_include",
           "load", "minimize", "minimize_many", "model", "objective", "__version__", "policies", "rollout",
           "show_config", "testing", "train", "training", "tune"]


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return getattr(importlib.import_module(_ON_DEMAND[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"l2o.{name}")
    raise AttributeError(f"module 'l2o' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
