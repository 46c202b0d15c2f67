"""
Diffusion tensors
=================

Each voxel of a diffusion measurement has 65 signals, S0 exp(-b g'D g) with noise. S0 and the six entries of the
diffusion tensor D are fitted; the result is maps of anisotropy and mean diffusivity, and of their standard errors.
The data, 10 x 10 x 10 voxels, come with dipy. The program times other ways to the same maps, and compares the errors
from the covariance of the fit with those of a bootstrap. :doc:`/tensor-maps` says what comes out.

The program needs dipy, so this page does not run it. ::

    pip install 'l2o[plot]' dipy
    python tensor_maps.py [--out figures] [--replicates 200]

.. image:: /figures/tensor-maps.png
   :alt: Maps of anisotropy and mean diffusivity with their standard errors, ten slices each
"""

# sphinx_gallery_thumbnail_path = 'figures/tensor-maps.png'
import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import curve_fit

import l2o

ROW, COLUMN = [0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]  # entries of D: xx, xy, yy, xz, yz, zz
UNIT = 1e-3  # mm^2 / s, of diffusivities


@l2o.model
def signal(t, p):
    b, x, y, z = t
    log_s0, xx, xy, yy, xz, yz, zz = p
    return np.exp(log_s0 - b * (xx * x * x + yy * y * y + zz * z * z + 2.0 * (xy * x * y + xz * x * z + yz * y * z)))


def measured():
    """Return points (n, 4), b in 1 / UNIT and the direction; signals (10, 10, 10, n); the points as dipy takes them."""
    import nibabel
    from dipy.core.gradients import gradient_table
    from dipy.data import get_fnames
    from dipy.io import read_bvals_bvecs

    image, b_file, g_file = get_fnames(name="small_64D")
    b, g = read_bvals_bvecs(b_file, g_file)
    table = gradient_table(b, bvecs=g)
    return np.column_stack([b * UNIT, table.bvecs]), nibabel.load(image).get_fdata(), table


def start(t, Y):
    """Return the least squares of the logarithms, (..., 7): linear in log S0 and D."""
    twice = np.where(np.equal(ROW, COLUMN), 1.0, 2.0)
    design = np.column_stack([np.ones(len(t)), -t[:, :1] * twice * t[:, 1:][:, ROW] * t[:, 1:][:, COLUMN]])
    return np.log(np.maximum(Y, 1.0)) @ np.linalg.pinv(design).T


def maps(x, cov=None):
    """Return FA and MD (...) of parameters (..., 7), each with its standard error if there is a covariance.

    MD = trace(D) / 3; FA^2 = 3/2 |D - MD 1|^2 / |D|^2. An error is that of the derivative by the entries of D.
    """
    D = np.empty((*x.shape[:-1], 3, 3))
    D[..., ROW, COLUMN] = D[..., COLUMN, ROW] = x[..., 1:]
    size = np.sum(D**2, axis=(-2, -1))
    MD = np.trace(D, axis1=-2, axis2=-1) / 3
    left = D - MD[..., None, None] * np.eye(3)
    FA = np.sqrt(1.5 * np.sum(left**2, axis=(-2, -1)) / size)
    if cov is None:
        return FA, MD
    by_D = (1.5 * left - FA[..., None, None] ** 2 * D) / (FA * size)[..., None, None]
    slopes = by_D + by_D.swapaxes(-2, -1) - by_D * np.eye(3)  # an entry off the diagonal stands for two
    FA_error = np.sqrt(np.einsum("...i,...ij,...j->...", slopes[..., ROW, COLUMN], cov[..., 1:, 1:],
                                 slopes[..., ROW, COLUMN]))
    trace = np.equal(ROW, COLUMN) / 3
    return FA, MD, FA_error, np.sqrt(np.einsum("i,...ij,j->...", trace, cov[..., 1:, 1:], trace))


def bootstrap(t, fit, replicates, rng):
    """Return the standard deviations (...) of FA and MD when the residuals of each voxel are drawn anew.

    Fits of all voxels, once for each replicate; residuals are inflated for the seven parameters that were fitted.
    """
    curves, left = fit.predict(), fit.residuals()
    left = left * np.sqrt(left.shape[-1] / fit.dof[..., None])
    found = []
    for _ in range(replicates):
        drawn = np.take_along_axis(left, rng.integers(0, left.shape[-1], left.shape), axis=-1)
        found.append(maps(l2o.curve_fit_many(signal, t, curves + drawn, fit.x).x))
    return np.std(found, axis=0)


def in_a_loop(t, Y):
    """Return the fits (m, 7) of voxels (m, n) as they are often written: curve_fit for each, a NumPy model."""
    def model(t, *p):
        log_s0, xx, xy, yy, xz, yz, zz = p
        b, x, y, z = t.T
        return np.exp(log_s0 - b * (xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)))

    return np.array([curve_fit(model, t, y, p0=p0)[0] for y, p0 in zip(Y, start(t, Y))])


def by_dipy(table, image):
    """Return MD (...) of dipy's non-linear least squares, and where no eigenvalue is below zero."""
    from dipy.reconst.dti import TensorModel

    fit = TensorModel(table, fit_method="NLLS").fit(image)
    return fit.md / UNIT, fit.evals.min(axis=-1) > 2e-6 * UNIT


def timed(call, rounds=1):
    """Return what a call returns, and its seconds of the CPU, the least of some rounds."""
    seconds = np.inf
    for _ in range(rounds):
        clock = time.process_time()
        answer = call()
        seconds = min(seconds, time.process_time() - clock)
    return answer, seconds


def draw_maps(FA, MD, FA_error, MD_error, path):
    """Draw the ten slices of each map, one map a row."""
    rows = [("fractional\nanisotropy", FA, "magma", (0, 1), ""), ("standard error", FA_error, "viridis", (0, None), ""),
            ("mean\ndiffusivity", MD, "magma", (0, None), "10⁻³ mm²/s"),
            ("standard error", MD_error, "viridis", (0, None), "10⁻³ mm²/s")]
    figure, grid = plt.subplots(len(rows), FA.shape[2], figsize=(11, 5), layout="constrained")
    for axes_row, (label, values, colours, (low, high), unit) in zip(grid, rows):
        high = np.quantile(values, 0.99) if high is None else high
        for k, axes in enumerate(axes_row):
            shown = axes.imshow(values[:, :, k].T, cmap=colours, vmin=low, vmax=high, origin="lower")
            axes.set(xticks=[], yticks=[])
        axes_row[0].set_ylabel(label)
        figure.colorbar(shown, ax=axes_row, label=unit, extend="max" if values.max() > high else "neither", pad=0.01)
    for k, axes in enumerate(grid[0]):
        axes.set_title(f"slice {k}", fontsize="medium")
    figure.suptitle("Diffusion tensors of 1,000 voxels of 2 mm, 65 signals each", fontsize="medium")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_errors(errors, spread, replicates, path):
    """Draw standard errors of FA and MD from the fits against those of the bootstrap."""
    figure, grid = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
    for axes, name, unit, ours, theirs in zip(grid, ("FA", "MD"), ("", ", 10⁻³ mm²/s"), errors, spread):
        high = np.quantile(np.concatenate([ours.ravel(), theirs.ravel()]), 0.995)
        axes.plot(theirs.ravel(), ours.ravel(), ".", markersize=3, alpha=0.5, color="tab:blue")
        axes.plot([0, high], [0, high], color="0.4", linewidth=1, label="equal")
        axes.set(xlim=(0, high), ylim=(0, high), aspect="equal", ylabel=f"from the covariance of the fit{unit}",
                 xlabel=f"bootstrap, {replicates} replicates{unit}", title=f"standard error of {name}")
        axes.legend(loc="upper left", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments=None):
    """Fit, compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the figures")
    parser.add_argument("--replicates", type=int, default=200)
    given = parser.parse_args(arguments)
    t, image, table = measured()
    l2o.curve_fit_many(signal, t, image[:1, :1, :1], start)  # the model is compiled at its first call

    fit, ours = timed(lambda: l2o.curve_fit_many(signal, t, image, start), rounds=10)
    (FA, MD, *errors), after = timed(lambda: maps(fit.x, fit.cov), rounds=10)
    print(f"{fit.success.sum()} of {fit.success.size} fits converged, {fit.nfev.mean():.1f} evaluations each: "
          f"{1e3 * ours:.1f} ms; maps and their errors {1e3 * after:.1f} ms")
    (theirs, proper), seconds = timed(lambda: by_dipy(table, image))
    print(f"NLLS of dipy: {1e3 * seconds:.0f} ms, {seconds / (ours + after):.0f} times as long; MD differs by at most "
          f"{np.max(np.abs(theirs - MD)[proper] / errors[1][proper]):.0e} standard errors where D is positive "
          f"({proper.mean():.0%})")
    sample = slice(None, None, 20)
    x, seconds = timed(lambda: in_a_loop(t, image.reshape(-1, len(t))[sample]))
    apart = np.abs(x - fit.x.reshape(-1, 7)[sample]) / fit.stderr.reshape(-1, 7)[sample]
    print(f"curve_fit in a loop: {1e6 * seconds / len(x):.0f} us a voxel, of {len(x)}, "
          f"{seconds / len(x) / (ours / FA.size):.0f} times as long; differs by at most {apart.max():.0e} standard "
          "errors")

    spread, seconds = timed(lambda: bootstrap(t, fit, given.replicates, np.random.default_rng(0)))
    print(f"bootstrap: {given.replicates * FA.size:,} fits in {seconds:.1f} s")
    for name, error, of in zip(("FA", "MD"), errors, spread):
        low, middle, high = np.quantile(error / of, [0.05, 0.5, 0.95])
        print(f"standard error of {name} over that of the bootstrap: {middle:.2f} in the median, "
              f"{low:.2f} to {high:.2f} in 90 % of the voxels")
    given.out.mkdir(parents=True, exist_ok=True)
    draw_maps(FA, MD, *errors, given.out / "tensor-maps.png")
    draw_errors(errors, spread, given.replicates, given.out / "tensor-errors.png")


if __name__ == "__main__":
    main()
