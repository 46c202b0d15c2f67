"""
Localisation microscopy
=======================

A glowing molecule is seen as a spot two or three pixels wide, yet its photons tell where the middle of the spot is to
within some nanometres. A measurement has thousands of frames with a hundred spots each. Two things are wanted: where
the molecules are, and how well that is known. The second is where fits often fail, because counts have Poisson
errors, which least squares ignores.

The frames are simulated: 128 x 128 pixels of 100 nm, 100 molecules each, Poisson counts over a background. Spots are
found as maxima of the smoothed frame. The 81 pixels round each are fitted twice, by least squares and by the
likelihood of the counts. ::

    pip install 'l2o[plot]'
    python localisation.py [--frames 20] [--out localisation.png]
"""

import argparse
import math
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

import l2o

SIDE, CELL, REACH = 128, 12, 4  # pixels of a frame; of the cells that hold a molecule each; from a spot's middle
PIXEL, BACKGROUND, WIDTH = 100.0, 8.0, 1.3  # nm; photons a pixel; pixels
WINDOW = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1).T.astype(float)  # (81, 2)


# %%
# The model is the light in one pixel: a Gaussian, integrated over the pixel. A model may use ``if``, loops and the
# functions of ``math``; l2o makes its derivatives.
@l2o.model
def spot(t, p):
    photons, x, y, width, background = p
    s = math.sqrt(0.5) / width
    across = math.erf((t[0] - x + 0.5) * s) - math.erf((t[0] - x - 0.5) * s)
    along = math.erf((t[1] - y + 0.5) * s) - math.erf((t[1] - y - 0.5) * s)
    return photons * 0.25 * across * along + background


def drawn(frames, rng):
    """Return the molecules (frames, k, 3), photons, x and y, and the counts (frames, SIDE, SIDE)."""
    cells = np.mgrid[: SIDE // CELL, : SIDE // CELL].reshape(2, -1).T * CELL + 0.5 * (CELL - 1)
    places = cells + rng.uniform(-2.5, 2.5, (frames, len(cells), 2))
    photons = 600.0 * np.exp(0.5 * rng.standard_normal((frames, len(cells), 1)))
    pixels = np.mgrid[:SIDE, :SIDE].reshape(2, -1).T.astype(float)
    molecules = np.concatenate([photons, places], axis=-1)
    light = [sum(spot(pixels, (*molecule, WIDTH, 0.0)) for molecule in frame) for frame in molecules]
    return molecules, rng.poisson(np.reshape(light, (frames, SIDE, SIDE)) + BACKGROUND)


def found(counts):
    """Return frame, row and column (m, 3) of the maxima of smoothed frames that stand out of the background."""
    smooth = gaussian_filter(counts.astype(float), (0, 1.0, 1.0))
    level = BACKGROUND + 5.0 * np.sqrt(BACKGROUND / (4.0 * np.pi))  # five standard errors of a smoothed pixel
    spots = np.argwhere((smooth == maximum_filter(smooth, (1, 7, 7))) & (smooth > level))
    return spots[((spots[:, 1:] >= REACH) & (spots[:, 1:] < SIDE - REACH)).all(axis=1)]


def windows(counts, spots):
    """Return the pixels (m, 81) round each spot."""
    frame, row, column = spots.T[:, :, None]
    return counts[frame, row + WINDOW[:, 0].astype(int), column + WINDOW[:, 1].astype(int)]


def start(t, Y):
    """Return the photons above the darkest pixels, their centre of mass, a width, the level of the darkest pixels."""
    ground = np.sort(Y, axis=-1)[..., : len(t) // 4].mean(axis=-1)
    light = np.maximum(Y - ground[..., None], 0.0)
    photons = light.sum(axis=-1)
    x, y = light @ t[:, 0] / photons, light @ t[:, 1] / photons
    return np.stack([photons, x, y, np.full(photons.shape, 1.3), ground], axis=-1)


def matched(molecules, spots, x):
    """Return the index of each spot's nearest molecule in its frame, and how far off it is in x and y, in pixels."""
    places = spots[:, 1:] + x[:, 1:3]
    apart = molecules[spots[:, 0], :, 1:] - places[:, None]
    nearest = np.hypot(*np.moveaxis(apart, -1, 0)).argmin(axis=1)
    return nearest, -apart[np.arange(len(spots)), nearest]


# %%
# The truth is known, and with it the Cramér-Rao bound: no unbiased estimate has smaller errors.
def bounds(photons):
    """Return the Cramér-Rao bounds (k,) of x in pixels: no unbiased estimate of five parameters has smaller errors."""
    limits = []
    for each in photons:
        p = (each, 0.0, 0.0, WIDTH, BACKGROUND)
        jacobian, expected = spot.jacobian(WINDOW, p), spot(WINDOW, p)
        limits.append(np.sqrt(np.linalg.inv(jacobian.T @ (jacobian / expected[:, None]))[1, 1]))
    return np.array(limits)


def draw(counts, molecules, places, photons, off, stderr):
    """Draw a frame with what was found in it, errors against photons, and errors in units of their standard errors.

    places (k, 2) are those of the first frame; off and stderr (m, 2) are in pixels, photons (m,) the true ones.
    """
    figure, (frame, errors, law) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained",
                                                width_ratios=[1.2, 1, 1])
    shown = frame.imshow(counts[0], cmap="gray", vmax=np.quantile(counts[0], 0.998))
    figure.colorbar(shown, ax=frame, label="photons a pixel", extend="max", pad=0.01)
    frame.plot(molecules[0, :, 2], molecules[0, :, 1], "+", color="tab:orange", markersize=5, label="molecule")
    frame.plot(places[:, 1], places[:, 0], "o", mfc="none", color="tab:cyan", markersize=9, label="found")
    ticks = np.arange(0, SIDE // 2, 10)
    frame.set_xticks(ticks, ticks * PIXEL / 1000)
    frame.set_yticks(ticks, ticks * PIXEL / 1000)
    frame.set(title="a quarter of a frame", xlabel="µm", ylabel="µm", xlim=(-0.5, SIDE // 2), ylim=(SIDE // 2, -0.5))
    frame.legend(loc="upper left", bbox_to_anchor=(0.0, -0.13), ncols=2, fontsize="small", frameon=False)

    grid = np.geomspace(150, 2500, 30)
    edges = np.geomspace(150, 2500, 9)
    between = np.digitize(photons, edges)
    middle = np.sqrt(edges[1:] * edges[:-1])
    spread = [np.sqrt(np.mean(off[between == k] ** 2)) if np.sum(between == k) >= 20 else np.nan
              for k in range(1, len(edges))]
    errors.loglog(photons, PIXEL * stderr[:, 0], ".", color="tab:blue", alpha=0.2, markersize=3,
                  label="standard error of a fit")
    errors.loglog(grid, PIXEL * bounds(grid), color="0.2", label="Cramér-Rao bound")
    errors.loglog(middle, PIXEL * np.array(spread), "o", color="tab:red", markersize=5, label="r.m.s. true error")
    errors.set(title="error of a place, each of x and y", xlabel="photons of the molecule", ylabel="nm",
               xlim=(150, 2500), ylim=(2.5, 40))
    for axis, ticks in ((errors.xaxis, [200, 500, 1000, 2000]), (errors.yaxis, [3, 5, 10, 20, 40])):
        axis.set_ticks(ticks, ticks)
        axis.set_ticks([], minor=True)
    errors.legend(fontsize="small", frameon=False)

    ratios, z = (off / stderr).ravel(), np.linspace(-4, 4, 100)
    law.hist(ratios, bins=40, range=(-4, 4), density=True, color="tab:blue", alpha=0.5, label="spots")
    law.plot(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="0.2", label="normal law")
    law.set(title="true error in standard errors", xlabel="(fitted - true place) / standard error", ylabel="density",
            xlim=(-4, 4))
    law.legend(fontsize="small", frameon=False)
    return figure


def main(arguments=None):
    """Draw frames, find spots, fit them, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    molecules, counts = drawn(given.frames, np.random.default_rng(0))
    spots = found(counts)
    Y = windows(counts, spots)
    print(f"{len(spots)} spots of {molecules[..., 0].size} molecules")
    print(f"{'loss':8}{'converged':>10}{'within a pixel':>16}{'r.m.s. error':>15}{'in bounds':>12}{'in 95 %':>12}"
          f"{'us a fit':>11}")
    for loss in ("linear", "poisson"):
        l2o.curve_fit_many(spot, WINDOW, Y[:1], start, loss=loss)  # the model is compiled at its first call
        clock = time.process_time()
        fit = l2o.curve_fit_many(spot, WINDOW, Y, start, loss=loss)
        seconds = time.process_time() - clock
        nearest, off = matched(molecules, spots, fit.x)
        photons = molecules[spots[:, 0], nearest, 0]
        right = fit.success & (np.hypot(*off.T) < 1.0)
        photons, off, stderr = photons[right], off[right], fit.stderr[right, 1:3]
        in_bounds = np.sqrt(np.mean((off / bounds(photons)[:, None]) ** 2))
        print(f"{loss:8}{fit.success.mean():10.1%}{right.mean():16.1%}{PIXEL * np.sqrt(np.mean(off**2)):15.1f}"
              f"{in_bounds:12.2f}{np.mean(np.abs(off) < 1.96 * stderr):12.1%}{1e6 * seconds / len(Y):11.1f}")
    first = spots[:, 0] == 0
    figure = draw(counts, molecules, spots[first, 1:] + fit.x[first, 1:3], photons, off, stderr)
    if given.out:
        figure.savefig(given.out, dpi=95)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# Errors are in nm. The column "in bounds" is the root mean square of the errors, each in units of its own bound; "in
# 95 %" is the share of true places that lie in the interval of the fit. Times are those of the machine that made this
# page.
#
# - The likelihood (``loss="poisson"``) reaches the bound, for dim and bright spots alike, and its intervals keep
#   their promise: the histogram is the normal law. Its standard errors come from the Fisher information.
# - Least squares loses a tenth of that, as if a fifth of the photons had not arrived, and its standard errors are too
#   small by a third.
# - Molecules are drawn apart, so no two spots overlap here. In a dense frame ``fit.chi2``, the deviance, finds the
#   spots that are more than one molecule.
# - The four error functions of a pixel take most of the time. With the Gaussian at the middle of a pixel in their
#   place, a fit takes a quarter of it.
