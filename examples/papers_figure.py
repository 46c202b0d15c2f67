"""
The paper's figure
==================

*Learning to Optimize* (Li and Malik, 2016) compares a learned optimizer with gradient descent, momentum, conjugate
gradients and L-BFGS on logistic regressions that no method has seen. The measure is the margin of victory: the lowest
value of all others minus one's own. It is positive only for the best. ::

    pip install 'l2o[plot]'
    python papers_figure.py [--functions 100] [--out papers-figure.png]
"""

import argparse

import matplotlib.pyplot as plt

import l2o
from l2o.evaluation import plot_curves, plot_margins

STEPS = 40


# %%
# The baselines are tuned on 90 functions of the family, as many as the paper trains on. The policy is the one that
# comes with l2o. All methods then run on other functions.
def compared(functions):
    """Return the comparison of five methods on new functions."""
    family = l2o.families.Logistic()
    past, new = family.sample(90, rng=1), family.sample(functions, rng=2)
    return l2o.compare(new, {
        "learned": l2o.load("logistic"),
        "gradient descent": l2o.tune(l2o.baselines.GradientDescent, past),
        "momentum": l2o.tune(l2o.baselines.Momentum, past),
        "CG": "cg",
        "L-BFGS": "lbfgs",
    }, n_steps=STEPS)


def main(arguments=None):
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    report = compared(given.functions)
    print(report.table(at=(1, 2, 3, 5, 10, 20, 40), by="evaluation"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    plot_margins(report.margin_of_victory(), left)
    plot_curves(report.curves("evaluation"), right, by="evaluation")
    if given.out:
        figure.savefig(given.out, dpi=100)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# By iteration a step of CG or L-BFGS may cost several evaluations, for which the left panel does not charge. The
# table and the right panel count every evaluation. :doc:`/paper` goes through all findings, on three families.
