"""Starts by the data: ridge regression of the minimiser on all features, and on a Gaussian kernel of leading ones.

With standardised features Z (m, k), their leading components P (m, r) and minimisers X, in units of a metric,

    K = Z Z' / k + w exp(-|p_i - p_j|^2 / (2 s^2 D)),    X - mean = K a + errors,   a = (K + l I)^-1 (X - mean),

D the median squared distance. Of s, w and l those are taken with the least squared error of problems left out. They are
left out in groups of neighbours: a hundred problems may be ten with small changes, and those to come are others. A
decomposition of K tells these errors, too: those of the whole fit, solved by one minus the group's weights in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from l2o.learning.labels import Labels
from l2o.learning.means import log_euclidean
from l2o.learning.ridge import BEYOND
from l2o.policies.data_start import FAR, MOST_FEATURES, DataShape, Features, name_of
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["DataStart", "Source"]

COMPONENTS = 6  # at most; no more than there are variables
WIDTHS = np.array([1.0, 2.0, 4.0])  # s
WEIGHTS = (1.0, 10.0, 100.0)  # w, or 0
PENALTIES = 10.0 ** np.arange(-7.0, 1.0)  # l, in units of the largest eigenvalue of K
TOGETHER = 3  # problems in a group of neighbours, in the mean
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
        """Return the source for problems that have labels, or None and why there is none.

        Raises
        ------
        ValueError
            If features of the function are not finite, or differ in number.
        """
        if function is not None:
            return cls._of_function(problems, function), ""
        distinct = problems[np.unique(problems.index, return_index=True)[1]]
        heads, size = distinct.entries(np.arange(2)), len(distinct.block(0))
        if (heads != heads[:1]).any():
            return None, "data blocks of different shapes"
        blocks = distinct.entries(np.arange(size))
        entries = 2 + np.flatnonzero(np.isfinite(blocks[:, 2:]).all(axis=0))
        with np.errstate(over="ignore"):
            varies = blocks[:, entries].std(axis=0) > REST * (1.0 + np.abs(blocks[:, entries].mean(axis=0)))
        entries = entries[varies]
        entries = entries[_apart(blocks[:, entries])]
        if not 0 < len(entries) <= MOST_FEATURES:
            return None, f"{len(entries)} entries of the data vary; from 1 to {MOST_FEATURES} are used"
        layout = int(blocks[0, 0]), int(blocks[0, 1])
        return cls(DataShape(len(entries), layout=layout), entries.astype(float)), ""

    @classmethod
    def _of_function(cls, problems: Problems, function: Features) -> Source:
        name = name_of(function)
        first = np.atleast_1d(np.asarray(function(next(iter(problems.data()))), np.float64))
        if first.ndim != 1 or not 0 < first.size <= MOST_FEATURES:
            raise ValueError(f"features={name!r} returned an array of shape {first.shape}; expected (k,), k from 1 to "
                             f"{MOST_FEATURES}")
        source = cls(DataShape(first.size, function=name), None)
        bad = int((~np.isfinite(source.values(problems)).all(axis=1)).sum())
        if bad:
            raise ValueError(f"features={name!r} are not finite for {bad} of {len(problems)} training functions; "
                             f"expected {first.size} finite numbers")
        return source

    def values(self, problems: Problems) -> np.ndarray:
        """Return the features (m, k)."""
        if self.entries is None:
            return self.shape.features(problems)
        return problems.entries(self.entries.astype(np.intp))


def _apart(values: np.ndarray) -> np.ndarray:
    """Return which columns of values (m, k) are not those of an earlier one in another unit, or with another sign.

    A table whose rows are turned by labels, as the logistic loss keeps it, has each label as often as columns.
    """
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    turned = np.sign(standard[np.abs(standard).argmax(axis=0), np.arange(standard.shape[1])])
    return np.sort(np.unique(np.round(standard * turned, 6) + 0.0, axis=1, return_index=True)[1])


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
        z, k = np.clip((features - scale[0]) * scale[1], -FAR, FAR), features.shape[1]
        group = _neighbours(z)
        metric = np.linalg.cholesky(log_euclidean(labels.hessian))
        middle, (low, high) = labels.x.mean(axis=0), (labels.x.min(axis=0), labels.x.max(axis=0))
        axes = _axes(z, min(labels.problems.dim, COMPONENTS))
        best = _best(z, z @ axes, (labels.x - middle) @ np.linalg.inv(metric).T, group)
        solution, rows = best.solution @ metric.T, len(z) if best.weight else 0
        free = middle - best.mean @ metric.T
        axes = axes[:, : axes.shape[1] if best.weight else 0] / best.width
        entries = {} if source.entries is None else {"data_entries": source.entries}
        margin = BEYOND * (high - low)
        weights = {**entries, "data_scale": scale, "data_linear": np.vstack([z.T @ solution / k, free]),
                   "data_axes": axes, "data_centres": (z @ axes)[:rows], "data_weights": best.weight * solution[:rows],
                   "data_range": np.stack([low - margin, high + margin])}
        shape = replace(source.shape, n_components=axes.shape[1], n_centres=rows)
        crossed = np.clip(middle + best.crossed @ metric.T, low - margin, high + margin)
        return cls(shape, weights, crossed)

    def starts(self, problems: Problems) -> np.ndarray:
        """Return where problems begin, (m, d)."""
        return self.shape.beginning(self.weights)(problems)


def _axes(z: np.ndarray, r: int) -> np.ndarray:
    """Return the leading directions of z, (k, r), such that the leading component has a deviation of 1."""
    _, sizes, right = np.linalg.svd(z, full_matrices=False)
    return right[:r].T * np.sqrt(len(z)) / max(sizes[0], np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A solution a (m, d), its error, the mean of K a (d,), what a fit without them predicts of groups (m, d), s, w."""

    error: float
    solution: np.ndarray
    mean: np.ndarray
    crossed: np.ndarray
    width: float = 1.0
    weight: float = 0.0


def _neighbours(z: np.ndarray) -> np.ndarray:
    """Return the group (m,) of each row of z (m, k): that of the nearest of some rows that are far from each other."""
    centres = [int((z**2).sum(axis=1).argmin())]
    away = np.empty((len(z), max(3, len(z) // TOGETHER)))
    for i in range(away.shape[1]):
        away[:, i] = ((z - z[centres[i]]) ** 2).sum(axis=1)
        centres.append(int(away[:, : i + 1].min(axis=1).argmax()))
    return away.argmin(axis=1)


def _best(z: np.ndarray, p: np.ndarray, wanted: np.ndarray, group: np.ndarray) -> _Fit:
    """Return the fit of wanted (m, d), of mean zero, with the least error of groups (m,) left out."""
    linear = z @ z.T / z.shape[1]
    square = ((p[:, None] - p) ** 2).sum(axis=2)
    typical = max(float(np.median(square)), np.finfo(float).tiny)
    members = [np.flatnonzero(group == each) for each in np.unique(group)]
    fits = [_without_groups(linear, wanted, members)]
    for width in WIDTHS * np.sqrt(2.0 * typical):
        near = np.exp(-square / width**2)
        fits += [replace(_without_groups(linear + w * near, wanted, members), width=width, weight=w) for w in WEIGHTS]
    return min(fits, key=lambda fit: fit.error)


def _without_groups(kernel: np.ndarray, wanted: np.ndarray, members: list[np.ndarray]) -> _Fit:
    """Return the fit of wanted (m, d), of mean zero, with the best penalty; there is none on the mean.

    The errors of a fit without some rows are (1 - H)^-1 e, with the errors e of the whole fit and the rows and columns
    of H, its map from what is wanted to what is fitted: 1 - H = l V (E + l)^-1 V' - 1/m, V E V' the centred kernel.
    """
    centre = kernel.mean(axis=0)
    values, vectors = np.linalg.eigh(kernel - centre - centre[:, None] + centre.mean())
    penalties = PENALTIES * max(values[-1], np.finfo(float).tiny)
    kept = penalties[:, None] / (np.maximum(values, 0.0) + penalties[:, None])
    missed = (vectors * kept[:, None, :]) @ (vectors.T @ wanted)
    errors = np.empty_like(missed)
    for rows in members:
        free = (vectors[rows] * kept[:, None, :]) @ vectors[rows].T - 1.0 / len(wanted) + REST * np.eye(len(rows))
        errors[:, rows] = np.linalg.solve(free, missed[:, rows])
    total = (errors**2).sum(axis=(1, 2))
    best = int(total.argmin())
    solution = missed[best] / penalties[best]
    return _Fit(float(total[best]), solution, centre @ solution, wanted - errors[best])
