"""Diffusion tensors: voxels of two small measurements that come with dipy, and simulated ones.

A voxel's signals follow S0 exp(-b g'D g), with outliers where the head moved; log S0 and six entries of D are fitted
by the Geman-McClure loss. Needs dipy and nibabel.
"""

import importlib.util
from pathlib import Path

import numpy as np

import l2o

__all__ = ["design", "measured", "problems", "simulated", "tensor", "weighted_logs"]

PAIRS = [0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]  # entries of D
LEAST_SIGNAL = 20.0  # mean without a gradient, below which a voxel is background
TRANSITION = 3.0  # of the loss, in standard deviations


@l2o.objective
def tensor(x, data, grad):
    """Mean of r^2 / (c^2 + r^2), r = exp(b'x) - y, rows of data (b (7), y), y in standard deviations of its noise."""
    f = 0.0
    grad[:] = 0.0
    for row in data:
        signal = np.exp(np.sum(row[:7] * x))
        residual = signal - row[7]
        share = 1.0 / (TRANSITION**2 + residual**2)
        f += residual**2 * share / len(data)
        grad += 2.0 * TRANSITION**2 * residual * share**2 * signal / len(data) * row[:7]
    return f


def _folder():
    found = importlib.util.find_spec("dipy")
    if found is None:
        raise ModuleNotFoundError("the tensors need dipy and nibabel", name="dipy")
    return Path(next(iter(found.submodule_search_locations))) / "data" / "files"


def design(name):
    """Return the rows (1, -b (g g')) of a measurement, (n, 7), for diffusivities in 1e-3 mm^2 / s."""
    b, g = (np.loadtxt(_folder() / f"{name}.{kind}") for kind in ("bval", "bvec"))
    g = np.nan_to_num(g if g.shape[-1] == 3 else g.T)
    i, j = PAIRS
    twice = np.where(np.equal(i, j), 1.0, 2.0)
    return np.column_stack([np.ones(b.size), -b.ravel()[:, None] / 1000 * twice * g[:, i] * g[:, j]])


def measured(name):
    """Return the signals (voxels, n) of a measurement, "small_64D" or "small_101D", without the background."""
    import nibabel

    signals = np.asarray(nibabel.load(next(_folder().glob(f"{name}.nii*"))).get_fdata(), float)
    signals = signals.reshape(-1, signals.shape[-1])
    plain = np.loadtxt(_folder() / f"{name}.bval").ravel() < 50
    return signals[(signals.min(axis=1) > 0) & (signals[:, plain].mean(axis=1) > LEAST_SIGNAL)]


def simulated(B, m, rng):
    """Return signals (m, n): three diffusivities in random directions, noise and 8 % of outliers."""
    signals = np.empty((m, len(B)))
    for k in range(m):
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        D = axes * (0.8 * np.exp(0.5 * rng.standard_normal(3))) @ axes.T
        S0 = np.exp(rng.uniform(np.log(8), np.log(40)))
        signal = np.abs(S0 * np.exp(B[:, 1:] @ D[PAIRS]) + rng.standard_normal(len(B)))
        lost = rng.random(len(B)) < 0.08
        signals[k] = np.maximum(np.where(lost, signal * rng.uniform(0.3, 1.7, len(B)), signal), 0.05)
    return signals


def weighted_logs(B, signals):
    """Return least squares of the logarithms (m, 7), weighted by the squares of the signals that a first fit gives."""
    logs = np.log(np.maximum(signals, 1e-3))
    weight = np.exp(2 * (logs @ np.linalg.pinv(B).T) @ B.T)
    right = np.einsum("mn,ni,mn->mi", weight, B, logs)
    return np.linalg.solve(np.einsum("mn,ni,nj->mij", weight, B, B), right[:, :, None])[:, :, 0]


def problems(B, signals):
    """Return the fits of voxels, from weighted least squares; the noise of each is taken from what these leave."""
    left = np.abs(signals - np.exp(weighted_logs(B, signals) @ B.T))
    signals = signals / (1.4826 * np.median(left, axis=1, keepdims=True) + 1e-6)
    data = [np.column_stack([B, signal]) for signal in signals]
    return l2o.families.Custom(tensor, dim=7).from_data(data, x0=weighted_logs(B, signals))
