"""Evaluation: methods side by side on problems that none of them was fitted to."""

from l2o.evaluation._compare import compare
from l2o.evaluation.comparison import Comparison
from l2o.evaluation.curves import Curve

__all__ = ["Comparison", "Curve", "compare"]
