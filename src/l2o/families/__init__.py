"""Families of objective functions: one file each, named here."""

from l2o.families.custom import Custom
from l2o.families.family import Family
from l2o.families.logistic import Logistic
from l2o.families.neural_net import NeuralNet
from l2o.families.robust_regression import RobustRegression

FAMILIES: dict[str, type[Family]] = {"logistic": Logistic, "robust": RobustRegression, "neural-net": NeuralNet}

__all__ = ["FAMILIES", "Custom", "Family", "Logistic", "NeuralNet", "RobustRegression", "named"]


def named(name: str) -> Family:
    """Return the family of that name, with its default settings.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name not in FAMILIES:
        raise ValueError(f"family is {name!r}; expected one of {', '.join(map(repr, FAMILIES))}")
    return FAMILIES[name]()
