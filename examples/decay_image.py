"""
An image of decays
==================

A camera takes 30 images of something that glows and fades. Each pixel is a small non-linear fit, and the result is a
map of rates and a map of their standard errors. The images are simulated here with a known map of rates, and one call
fits all pixels. ::

    pip install 'l2o[plot]'
    python decay_image.py [--side 200] [--out decay-image.png]
"""

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np

import l2o

TIMES, NOISE = np.linspace(0.0, 4.0, 30), 0.05


# %%
# The model, the simulated images, and a start for each pixel from its own data.
@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


def drawn(side, rng):
    """Return the true rates (side, side), between 0.45 and 2.2, and the images (side, side, 30)."""
    row, column = np.mgrid[:side, :side] / (side - 1)
    rates = np.exp(0.8 * np.sin(2 * np.pi * row) * np.cos(np.pi * column))
    light = (1.0 + 0.5 * column)[..., None] * np.exp(-rates[..., None] * TIMES) + 0.1
    return rates, light + NOISE * rng.standard_normal(light.shape)


def start(t, Y):
    """Return for each curve what its first value has above the last, a rate of 1, and the last value."""
    return np.stack([Y[..., 0] - Y[..., -1], np.ones(Y.shape[:-1]), Y[..., -1]], axis=-1)


def draw(images, fit, pixels):
    """Draw an image, the map of rates, that of their standard errors, and the curves of three pixels with bands."""
    figure, grid = plt.subplots(1, 4, figsize=(13, 3.4), layout="constrained", width_ratios=[1, 1, 1, 1.15])
    of = (np.abs(TIMES - 1.0)).argmin()
    for axes, values, title, colours, (low, high) in (
            (grid[0], fit.x[..., 1], "rate of the decay", "viridis", (0.4, 2.3)),
            (grid[1], fit.stderr[..., 1], "standard error of the rate", "magma", (0.0, 0.3)),
            (grid[2], images[..., of], f"the image at t = {TIMES[of]:.1f}", "gray", (0.0, 1.2))):
        shown = axes.imshow(values, cmap=colours, vmin=low, vmax=high)
        figure.colorbar(shown, ax=axes, pad=0.01, shrink=0.85, extend="both")
        axes.set(title=title, xticks=[], yticks=[])
    dense, curves = np.linspace(TIMES[0], TIMES[-1], 200), grid[3]
    low, high = fit.band(dense)
    for (i, j), colour in zip(pixels, ("tab:blue", "tab:orange", "tab:green")):
        curves.fill_between(dense, low[i, j], high[i, j], color=colour, alpha=0.3, linewidth=0)
        curves.plot(dense, decay(dense, fit.x[i, j]), color=colour, linewidth=1,
                    label=f"rate {fit.x[i, j, 1]:.2f} ± {1.96 * fit.stderr[i, j, 1]:.2f}")
        curves.plot(TIMES, images[i, j], ".", color=colour, markersize=4)
        for axes in grid[:3]:
            axes.plot(j, i, "s", markersize=6, markerfacecolor=colour, markeredgecolor="white")
    curves.set(title="three pixels, with bands of 95 %", xlabel="t")
    curves.legend(frameon=False, fontsize="small")
    return figure


# %%
# The image goes in as it is, and ``fit.x`` and ``fit.stderr`` come out in its shape.
def main(arguments=None):
    """Draw images, fit them, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=200, help="pixels of a side of the image")
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    rates, images = drawn(given.side, np.random.default_rng(1))
    l2o.curve_fit_many(decay, TIMES, images[0], start)  # the model is compiled at its first call
    clock = time.process_time()
    fit = l2o.curve_fit_many(decay, TIMES, images, start)
    seconds = time.process_time() - clock
    off = np.abs(fit.x[..., 1] - rates)
    print(f"{fit.success.mean():.1%} of {rates.size:,} fits converged, {1e6 * seconds / rates.size:.1f} us each")
    print(f"rates are off by {np.median(off / rates):.1%} in the median; the truth is within 1.96 standard errors in "
          f"{np.mean(off < 1.96 * fit.stderr[..., 1]):.1%}")
    side = given.side
    figure = draw(images, fit, [(side // 4, side // 8), (side // 2, side // 2), (3 * side // 4, side // 8)])
    if given.out:
        figure.savefig(given.out, dpi=100)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# :doc:`/decay-maps` does the same step by step, beside a loop over SciPy's ``curve_fit`` and beside a general
# minimiser. Times are those of the machine that made this page.
