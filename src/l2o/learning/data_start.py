"""Starts by the data: ridge regression of the minimiser on all features, and on a Gaussian kernel of leading ones.

With standardised features Z (m, k), their leading components P (m, r) and minimisers X, in units of a metric,

    K = Z Z' / k + w exp(-|p_i - p_j|^2 / (2 s^2 D)),    X - mean = K a + errors,   a = (K + l I)^-1 (X - mean),

D the median squared distance. Of s, w and l those are taken with the least squared error of each problem without itself,
which the same decomposition tells: the error of the fit over one minus its own weight in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o.learning.labels import Labels
from l2o.learning.means import log_euclidean
from l2o.learning.ridge import BEYOND
from l2o.policies.data_start import DataShape, Features, name_of, standardised
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["DataStart", "Source"]

MOST = 1000  # features: beyond, the data are a cloud of points that no hundred problems can tell anything about
COMPONENTS = 6  # at most; no more than there are variables
WIDTHS = (1.0, 2.0, 4.0)  # s
WEIGHTS = (0.0, 1.0, 10.0, 100.0)  # w
PENALTIES = 10.0 ** np.arange(-7.0, 1.0)  # l, in units of the largest eigenvalue of K
REST = 1e-9  # of a deviation: below it an entry is constant


@dataclass(frozen=True, eq=False)
class Source:
    """Where features come from.

    Attributes
    ----------
    shape : DataShape
        Without components and centres.
    entries : ndarray, shape (k,), or None
        The entries of a data block; None for a function.
    """

    shape: DataShape
    entries: np.ndarray | None

    @classmethod
    def of(cls, problems: Problems, function: Features | None) -> tuple[Source | None, str]:
        """Return the source, or None and why there is none.

        Raises
        ------
        ValueError
            If features of the function are not finite, or differ in number.
        """
        if function is not None:
            return cls._of_function(problems, function), ""
        blocks = problems.blocks[problems.index]
        if (blocks[:, :2] != blocks[:1, :2]).any():
            return None, "data blocks of different shapes"
        with np.errstate(over="ignore", invalid="ignore"):
            varies = blocks.std(axis=0) > REST * (1.0 + np.abs(blocks.mean(axis=0)))
        varies[:2] = False
        entries = np.flatnonzero(varies & np.isfinite(blocks).all(axis=0))
        if not 0 < len(entries) <= MOST:
            return None, f"{len(entries)} entries of the data vary; from 1 to {MOST} are used"
        layout = int(blocks[0, 0]), int(blocks[0, 1])
        return cls(DataShape(len(entries), layout=layout), entries.astype(float)), ""

    @classmethod
    def _of_function(cls, problems: Problems, function: Features) -> Source:
        name = name_of(function)
        first = np.atleast_1d(np.asarray(function(next(iter(problems.data()))), np.float64))
        if first.ndim != 1 or not 0 < first.size <= MOST:
            raise ValueError(f"features={name!r} returned an array of shape {first.shape}; expected (k,), k from 1 to "
                             f"{MOST}")
        source = cls(DataShape(first.size, function=name), None)
        bad = np.flatnonzero(~np.isfinite(source.values(problems)).all(axis=1))
        if len(bad):
            raise ValueError(f"features={name!r} are not finite for training function {bad[0]}; expected {first.size} "
                             "finite numbers")
        return source

    def values(self, problems: Problems) -> np.ndarray:
        """Return the features (m, k)."""
        return self.shape.features(problems, self.entries)


@dataclass(frozen=True, eq=False)
class DataStart:
    """A start that is predicted from the data.

    Attributes
    ----------
    shape : DataShape
        What it consists of.
    weights : dict of ndarray
        Its numbers.
    crossed : ndarray, shape (m, d)
        Where each of the problems that it was learned from would begin, had it been learned without that problem.
    """

    shape: DataShape
    weights: Weights
    crossed: np.ndarray

    @classmethod
    def fit(cls, labels: Labels, source: Source) -> DataStart:
        """Learn starts from labels."""
        features = source.values(labels.problems)
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        tiny = REST * (1.0 + np.abs(mean))
        scale = np.stack([mean, np.where(deviation > tiny, 1.0 / np.maximum(deviation, tiny), 0.0)])
        z, k = standardised(features, scale), features.shape[1]
        metric = np.linalg.cholesky(log_euclidean(labels.hessian))
        middle, (low, high) = labels.x.mean(axis=0), (labels.x.min(axis=0), labels.x.max(axis=0))
        axes = _axes(z, min(labels.problems.dim, COMPONENTS))
        best = _best(z, z @ axes, (labels.x - middle) @ np.linalg.inv(metric).T)
        solution = best.solution @ metric.T
        used = axes if best.weight else np.zeros((k, 0))
        used = used / best.width
        linear = np.vstack([z.T @ solution / k, middle])
        margin = BEYOND * (high - low)
        entries = {} if source.entries is None else {"data_entries": source.entries}
        weights = {**entries, "data_scale": scale, "data_linear": linear, "data_axes": used,
                   "data_centres": z @ used if best.weight else np.zeros((0, 0)),
                   "data_weights": best.weight * solution if best.weight else np.zeros((0, len(middle))),
                   "data_range": np.stack([low - margin, high + margin])}
        shape = replace(source.shape, n_components=used.shape[1], n_centres=len(weights["data_centres"]))
        crossed = np.clip(middle + best.crossed @ metric.T, low - margin, high + margin)
        return cls(shape, weights, crossed)

    def starts(self, problems: Problems) -> np.ndarray:
        """Return where problems begin, (m, d)."""
        return self.shape.starts(self.weights, problems)


def _axes(z: np.ndarray, r: int) -> np.ndarray:
    """Return the leading directions of z, (k, r), such that the leading component has a deviation of 1."""
    _, sizes, right = np.linalg.svd(z, full_matrices=False)
    return right[:r].T * np.sqrt(len(z)) / max(sizes[0], np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A solution a (m, d) with its settings, its error and what it predicts of each row without that row, (m, d)."""

    error: float
    width: float
    weight: float
    solution: np.ndarray
    crossed: np.ndarray


def _best(z: np.ndarray, p: np.ndarray, wanted: np.ndarray) -> _Fit:
    """Return the fit of wanted (m, d), of mean zero, with the least error of rows left out."""
    linear = z @ z.T / z.shape[1]
    square = ((p[:, None] - p) ** 2).sum(axis=2)
    typical = max(float(np.median(square)), np.finfo(float).tiny)
    kernels = [(1.0, 0.0, linear)] + [
        (s * np.sqrt(2.0 * typical), w, linear + w * np.exp(-square / (2.0 * s * s * typical)))
        for s in WIDTHS for w in WEIGHTS[1:]]
    fits = [_without_rows(kernel, wanted, width, weight) for width, weight, kernel in kernels]
    return min(fits, key=lambda fit: fit.error)


def _without_rows(kernel: np.ndarray, wanted: np.ndarray, width: float, weight: float) -> _Fit:
    """Return the fit with the best penalty; the mean that was taken off counts as fitted, too."""
    values, vectors = np.linalg.eigh(kernel)
    along, best = vectors.T @ wanted, None
    for penalty in PENALTIES * max(values[-1], np.finfo(float).tiny):
        inverse = 1.0 / (np.maximum(values, 0.0) + penalty)
        solution = vectors @ (inverse[:, None] * along)
        free = penalty * (vectors**2 @ inverse) - 1.0 / len(wanted)  # one minus each row's weight in its own fit
        errors = penalty * solution / np.maximum(free, 1e-6)[:, None]
        error = float((errors**2).sum())
        if best is None or error < best.error:
            best = _Fit(error, width, weight, solution, wanted - errors)
    assert best is not None
    return best
