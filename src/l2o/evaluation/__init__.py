"""Evaluation: methods side by side on problems that none of them was fitted to."""

from l2o.evaluation._compare import compare
from l2o.evaluation.comparison import Comparison
from l2o.evaluation.curves import Curve
from l2o.evaluation.figures import figure, paper_figure
from l2o.evaluation.plotting import plot_curves, plot_margins

__all__ = ["Comparison", "Curve", "compare", "figure", "paper_figure", "plot_curves", "plot_margins"]
