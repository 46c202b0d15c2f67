"""
A screen of dose-response curves
================================

A screen measures how each of some hundreds or thousands of compounds acts on cells: ten concentrations, each twice.
What is wanted of each curve is the IC50, the concentration half way between its two levels, with an error bar. Three
things make such fits run away. The curves are short, some wells went wrong, and some compounds act beyond the range,
so that their curves never reach the lower level. The screen of this example is simulated: the truth is known, and 6 %
of the wells are wrong. ::

    pip install 'l2o[plot]'
    python dose_response.py [--compounds 384] [--out dose-response.png]
"""

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import curve_fit

import l2o

NOISE, WRONG = 0.06, 0.06  # standard error of a good well, share of bad ones
DOSES = np.repeat(np.linspace(-9.0, -4.5, 10), 2)  # log10 of mol / l
LOW, HIGH = np.array([-0.1, 0.7, 0.3, -10.0]), np.array([1.0, 1.3, 4.0, -3.5])  # bounds of what can be


# %%
# The model is one point of a curve, in log10 of the concentration. Nobody writes its derivatives.
@l2o.model
def response(t, p):
    bottom, top, slope, log_ic50 = p
    return bottom + (top - bottom) / (1.0 + 10.0 ** (slope * (t - log_ic50)))


def drawn(m, rng):
    """Return the truth (m, 4), which wells went wrong (m, 20), and the measured fractions (m, 20)."""
    truth = np.column_stack([rng.uniform(0.0, 0.5, m), 1.0 + 0.04 * rng.standard_normal(m),
                             np.clip(1.2 * np.exp(0.3 * rng.standard_normal(m)), 0.5, 3.0),
                             np.clip(-6.5 + rng.standard_normal(m), -9.0, -4.0)])
    Y = np.array([response(DOSES, p) for p in truth]) + NOISE * rng.standard_normal((m, len(DOSES)))
    wrong = rng.random(Y.shape) < WRONG
    return truth, wrong, np.where(wrong, rng.uniform(0.0, 1.4, Y.shape), Y)


def start(t, Y):
    """Return levels from the medians of the outer doses, a slope of 1, and the dose that is nearest to half way."""
    top, bottom = np.median(Y[..., :4], axis=-1), np.median(Y[..., -4:], axis=-1)
    middle = t[np.abs(Y - 0.5 * (top + bottom)[..., None]).argmin(axis=-1)]
    return np.stack([bottom, top, np.ones(top.shape), middle], axis=-1)


# %%
# The screen is fitted in four ways, one call each.
def fits(Y):
    """Return by name the fits of the screen: free, in bounds, by a loss that outliers hardly move, from four starts."""
    known = {"sigma": NOISE, "absolute_sigma": True}
    robust = {"bounds": (LOW, HIGH), "loss": "cauchy", "sigma": NOISE}
    more = np.array([[0.2, 1.0, 1.0, middle] for middle in (-8.0, -6.5, -5.0)])
    return {"least squares, free": l2o.curve_fit_many(response, DOSES, Y, start, **known),
            "least squares in bounds": l2o.curve_fit_many(response, DOSES, Y, start, bounds=(LOW, HIGH), **known),
            "Cauchy in bounds": l2o.curve_fit_many(response, DOSES, Y, start, **robust),
            "Cauchy, four starts": l2o.curve_fit_many(response, DOSES, Y, start, options={"starts": more}, **robust)}


# %%
# The rest of the program checks the fits against the truth, times them beside a loop, and draws.
def in_a_loop(Y):
    """Return the parameters (m, 4) of curve_fit for each compound, in bounds, by least squares."""
    def model(t, bottom, top, slope, log_ic50):
        return bottom + (top - bottom) / (1.0 + 10.0 ** (slope * (t - log_ic50)))

    starts = np.clip(start(DOSES, Y), LOW, HIGH)
    return np.array([curve_fit(model, DOSES, y, p0=p0, bounds=(LOW, HIGH))[0] for y, p0 in zip(Y, starts)])


def line(name, fit, truth):
    """Return what is told of fits: how far the IC50 are from the truth, and whether the error bars know."""
    far, error = np.abs(fit.x[:, 3] - truth[:, 3]), fit.stderr[:, 3]
    bound = fit.on_bound.any(axis=1)
    within = (far < 1.96 * error)[fit.success & ~bound].mean()
    return (f"{name:24}{fit.success.mean():10.1%}{bound.mean():12.1%}{np.median(far):14.3f}{np.mean(far > 0.5):8.1%}"
            f"{within:17.1%}")


def draw(truth, wrong, Y, fit):
    """Draw six compounds with their bands, and all IC50 against the truth with their error bars."""
    figure = plt.figure(figsize=(11, 5.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1])
    grid = left.subplots(2, 3, sharex=True, sharey=True)
    dense = np.linspace(DOSES[0], DOSES[-1], 200)
    shown = np.flatnonzero(wrong.sum(axis=1) == 2)[: grid.size]
    low, high = fit.band(dense)
    for axes, i in zip(grid.flat, shown):
        axes.fill_between(dense, low[i], high[i], color="tab:blue", alpha=0.25, linewidth=0, label="95 % band")
        axes.plot(dense, response(dense, fit.x[i]), color="tab:blue", label="fit")
        axes.plot(dense, response(dense, truth[i]), "--", color="0.4", linewidth=1, label="truth")
        points = axes.scatter(DOSES, Y[i], c=fit.weights[i], cmap="autumn", vmin=0, vmax=1, s=18, edgecolor="0.3",
                              linewidth=0.5, zorder=3)
        axes.set_title(f"compound {i}", fontsize="small")
        axes.set_ylim(-0.1, 1.5)
    grid[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
    left.supxlabel("log₁₀ of the concentration in mol/l", fontsize="medium")
    left.supylabel("fraction of cells that live", fontsize="medium")
    left.colorbar(points, ax=grid, label="weight of a well in the fit", pad=0.02)
    axes, known = right.subplots(), np.isfinite(fit.stderr[:, 3]) & (fit.stderr[:, 3] < 1.0)
    axes.errorbar(truth[known, 3], fit.x[known, 3], 1.96 * fit.stderr[known, 3], fmt=".", markersize=3, linewidth=0.5,
                  color="tab:blue", label=f"{known.sum()} with an error below a decade")
    axes.plot(truth[~known, 3], fit.x[~known, 3], "x", markersize=4, color="tab:orange",
              label=f"{(~known).sum()} others")
    axes.plot([-9.5, -3.5], [-9.5, -3.5], color="0.4", linewidth=1)
    axes.set(xlabel="true log₁₀ IC50", ylabel="fitted log₁₀ IC50, with 95 %", xlim=(-9.2, -3.8), ylim=(-10.2, -3.3))
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    return figure


def main(arguments=None):
    """Draw a screen, fit it in several ways, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compounds", type=int, default=384)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    truth, wrong, Y = drawn(given.compounds, np.random.default_rng(0))
    fits(Y[:1])  # the model is compiled at its first call
    found = fits(Y)
    print(f"{'log10 IC50':24}{'converged':>10}{'on a bound':>12}{'median error':>14}{'> 0.5':>8}{'in its 95 %':>17}")
    for name, fit in found.items():
        print(line(name, fit, truth))
    clock, rounds = time.process_time(), 20
    for _ in range(rounds):
        l2o.curve_fit_many(response, DOSES, Y, start, bounds=(LOW, HIGH), sigma=NOISE)
    ours = (time.process_time() - clock) / rounds
    sample = slice(0, min(60, given.compounds))
    clock = time.process_time()
    loop = in_a_loop(Y[sample])
    theirs = time.process_time() - clock
    chi2 = found["least squares in bounds"].chi2[sample]
    same = [np.sum(((response(DOSES, x) - y) / NOISE) ** 2) > each * (1 - 1e-6) for x, y, each in zip(loop, Y, chi2)]
    print(f"least squares in bounds: {1e6 * ours / given.compounds:.1f} us a fit; curve_fit in a loop "
          f"{1e6 * theirs / len(loop):.0f} us, {theirs / len(loop) / (ours / given.compounds):.0f} times as long, and "
          f"nowhere lower in {np.mean(same):.0%}")
    figure = draw(truth, wrong, Y, found["Cauchy, four starts"])
    if given.out:
        figure.savefig(given.out, dpi=100)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# Errors are in log10 of the concentration. The column "> 0.5" is the share of compounds that are off by more than a
# factor of three. The last column is the share whose 95 % interval holds the truth, among the fits that converged
# with no parameter on a bound. Times are those of the machine that made this page.
#
# - *Without bounds* a sixth of the fits do not converge. Their minimum is at infinity, and the status says so early
#   (see :doc:`/curve-fitting`).
# - *In bounds* nearly all converge. The bounds say which levels and slopes an assay can have. A bound is reached
#   exactly, and ``fit.on_bound`` names the parameters about which the data said nothing.
# - *The Cauchy loss* gives a well less weight the further it is off; ``fit.weights``, the colour of the points, has
#   these weights. A third as many IC50 are off by a factor of three as by least squares, and the intervals nearly
#   keep their promise. Least squares takes the stated noise for all of the noise.
# - *Four starts* keep the best of four fits. That mends some of the curves that ended in a wrong minimum, of which
#   robust losses have more.
# - Where a parameter ends on a bound, its error is NaN, and the errors of the others are computed as if it were
#   known. They are then too small: among the fits with a parameter on a bound, only half of the intervals hold the
#   truth.
#
# Concentrations that differ from compound to compound go in as a ``t`` of the shape of Y. A missing replicate is NaN.
