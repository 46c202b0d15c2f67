"""Families of objective functions: one file each, named here."""

from l2o.families.custom import Custom
from l2o.families.family import Family
from l2o.families.least_squares import LeastSquares
from l2o.families.logistic import Logistic
from l2o.families.neural_net import NeuralNet
from l2o.families.robust_regression import RobustRegression

# those of Li and Malik (2016): each ships a policy, and has its figures in the documents
PAPER: dict[str, type[Family]] = {"logistic": Logistic, "robust": RobustRegression, "neural-net": NeuralNet}
# all that the command line knows and the contract suite runs over
FAMILIES: dict[str, type[Family]] = {**PAPER}

__all__ = ["FAMILIES", "PAPER", "Custom", "Family", "LeastSquares", "Logistic", "NeuralNet", "RobustRegression",
           "named"]


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
