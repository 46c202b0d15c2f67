"""Families of objective functions: one file each, named here."""

from l2o.families.family import Family
from l2o.families.logistic import Logistic

FAMILIES = {"logistic": Logistic}

__all__ = ["FAMILIES", "Family", "Logistic"]
