"""
Paths of the learned rule
=========================

The rule that ``l2o.minimize`` takes by default, beside L-BFGS, on four functions of two variables. Each dot is a
point that the method kept. ::

    pip install 'l2o[plot]'
    python learned_paths.py [--out learned-paths.png]
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import l2o


def ravine(p):
    """A quadratic function of condition 20."""
    return 0.5 * (p[0] ** 2 + 20 * p[1] ** 2), np.array([p[0], 20 * p[1]])


def rosenbrock(p):
    """A curved valley; the minimum is at (1, 1)."""
    x, y = p
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2, np.array([-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)])


def himmelblau(p):
    """Four minima, all of value 0."""
    x, y = p
    a, b = x**2 + y - 11, x + y**2 - 7
    return a**2 + b**2, np.array([4 * x * a + 2 * b, 2 * a + 4 * y * b])


def beale(p):
    """A flat valley between steep walls; the minimum is at (3, 0.5)."""
    x, y = p
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return a**2 + b**2 + c**2, 2 * np.array([a * (y - 1) + b * (y**2 - 1) + c * (y**3 - 1),
                                             a * x + 2 * b * x * y + 3 * c * x * y**2])


# function, its area (x from, to, y from, to), start
CASES = ((ravine, (-3, 3, -2, 2), (-2.4, 1.2)), (rosenbrock, (-2, 2, -1, 3), (-1.2, 1.0)),
         (himmelblau, (-5, 5, -5, 5), (0.5, 0.5)), (beale, (-0.5, 4, -1.5, 1.5), (1.0, 1.0)))
METHODS = {"learned rule": ("universal", "tab:blue", "o-"), "L-BFGS": ("lbfgs", "tab:red", "s--")}


def path(function, start, method):
    """Return the points that a run kept (k, 2), the start first, and its result, to a gradient of 1e-6."""
    points = [np.array(start)]
    method = l2o.load("universal") if method == "universal" else method
    result = l2o.minimize(function, start, jac=True, method=method, options={"gtol": 1e-6},
                          callback=lambda x: points.append(np.array(x)))
    return np.array(points), result


def draw(runs):
    """Draw contours of each function and the paths (by name, points and result) on them."""
    figure, grid = plt.subplots(1, len(CASES), figsize=(14, 3.7), layout="constrained")
    for axes, (function, (left, right, low, high), start), paths in zip(grid, CASES, runs):
        x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
        values = np.log10(function((x, y))[0] + 1e-2)
        axes.contourf(x, y, values, levels=18, cmap="Greys", alpha=0.55)
        axes.contour(x, y, values, levels=18, colors="white", linewidths=0.5)
        for name, (points, result) in paths.items():
            _, colour, style = METHODS[name]
            axes.plot(*points.T, style, color=colour, markersize=3.5, linewidth=1.2,
                      label=f"{name}: {result.nfev} evaluations")
        axes.plot(*start, "*", color="black", markersize=9)
        axes.plot(*paths["learned rule"][1].x, "x", color="black", markersize=7)
        axes.set(title=function.__name__, xlim=(left, right), ylim=(low, high), xticks=[], yticks=[])
        axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, -0.24), frameon=False)
    return figure


def main(arguments=None):
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    runs = []
    for function, _, start in CASES:
        runs.append({name: path(function, start, method) for name, (method, *_) in METHODS.items()})
        print(f"{function.__name__:12}" + ", ".join(f"{name} {result.nfev} evaluations to {result.fun:.0e}"
                                                    for name, (_, result) in runs[-1].items()))
    figure = draw(runs)
    if given.out:
        figure.savefig(given.out, dpi=100)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# :doc:`/learned-rule` says what the rule is and where it helps; on the page to :doc:`play with </play>` you choose
# the start.
