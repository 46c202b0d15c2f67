"""The bank: functions of eight kinds in ten dimensions, on which a rule for any function is trained.

Nothing in it is to be minimised for its own sake. Starts, units of x, units and offsets of f differ from function to
function, so that a rule learns to lean on none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Seed
from l2o.problems import Problems, from_blocks
from l2o.problems.layout import blocks
from l2o.problems.objectives import CompiledObjective
from l2o.training import bank_objectives as of

__all__ = ["DIMENSIONS", "KINDS", "bank"]

DIMENSIONS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
L2 = 5e-4  # of logistic losses, as in the paper

Drawn = tuple[CompiledObjective, np.ndarray, np.ndarray]  # the objective, its table, a starting point


def bank(n: int, rng: Seed, dimensions: Sequence[int] = DIMENSIONS) -> tuple[Problems, ...]:
    """Draw a bank.

    Parameters
    ----------
    n : int
        Functions of each kind and dimension.
    rng : None, int, SeedSequence or Generator
        Source of randomness.
    dimensions : sequence of int
        Numbers of variables, each at least 2.

    Returns
    -------
    tuple of Problems
        One for each objective and dimension.
    """
    n, rng = arguments.count("n", n), arguments.generator(rng)
    result = []
    for dim in dimensions:
        groups: dict[CompiledObjective, list[tuple[np.ndarray, np.ndarray]]] = {}
        for draw in KINDS.values():
            for _ in range(n):
                objective, table, x0 = draw(rng, arguments.count("dimensions", dim, 2))
                table[0, :2] = _scale_and_offset(rng)
                groups.setdefault(objective, []).append((table, x0))
        for objective, group in groups.items():
            made, offsets = blocks([table for table, _ in group])
            result.append(from_blocks(objective.kernel, made, np.array([x for _, x in group]), offsets))
    return tuple(result)


def _scale_and_offset(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the unit of f and what is added to it."""
    scale = _power(rng, -3, 4) if rng.random() < 0.6 else 1.0
    return scale, rng.choice([-1, 1]) * scale * _power(rng, -1, 1.5) if rng.random() < 0.3 else 0.0


def _unit_and_start(rng: np.random.Generator, dim: int) -> tuple[float, np.ndarray]:
    """Draw the unit of x, and a start in that unit."""
    unit = _power(rng, -0.5, 1) if rng.random() < 0.5 else 1.0
    return unit, rng.choice([1.0, 3.0], p=[0.6, 0.4]) * rng.standard_normal(dim)


def _power(rng: np.random.Generator, low: float, high: float, size: Any = None) -> Any:
    return 10.0 ** rng.uniform(low, high, size)


def _maybe(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _rotation(rng: np.random.Generator, dim: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((dim, dim)))[0]


# -- ridge sums: sum of w rho(a . x - b) -------------------------------------------------------------------


def _ridges(rng: np.random.Generator, weight: Any, kind: Any, shift: np.ndarray, vectors: np.ndarray,
            l2: float = 0.0) -> Drawn:
    n, dim = vectors.shape
    unit, x0 = _unit_and_start(rng, dim)
    table = np.zeros((1 + n, 3 + dim))
    table[0, 2] = l2
    table[1:, 0], table[1:, 1], table[1:, 2], table[1:, 3:] = weight, kind, shift, vectors / unit
    return of.ridge_sum, table, x0 * unit


def _two_clusters(rng: np.random.Generator, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw points of two Gaussians with a constant feature, and which of the two each is of."""
    n = max(48, 4 * dim)
    label = np.arange(n) % 2
    means, factors = rng.standard_normal((2, dim)), rng.standard_normal((2, dim, dim))
    points = means[label] + np.einsum("nij,nj->ni", factors[label], rng.standard_normal((n, dim)))
    points[:, -1] = 1.0
    return points, label


def _logistic(rng: np.random.Generator, dim: int) -> Drawn:
    """Logistic regression: the sign of a point is that of its label."""
    points, label = _two_clusters(rng, dim)
    n = len(points)
    return _ridges(rng, 1 / n, of.SOFTPLUS, np.zeros(n), points * (1 - 2 * label)[:, None], L2)


def _geman_mcclure(rng: np.random.Generator, dim: int) -> Drawn:
    """Robust regression on four linear laws."""
    points, _ = _two_clusters(rng, dim)
    n = len(points)
    targets = (points * rng.standard_normal((4, dim))[np.arange(n) % 4]).sum(axis=1) + rng.standard_normal(n)
    return _ridges(rng, 1 / n, of.GEMAN_MCCLURE, targets, points)


def _quadratic(rng: np.random.Generator, dim: int) -> Drawn:
    """A quadratic, rotated, with scaled variables or along the axes; some with quartic terms."""
    scale = 10.0 ** -(rng.uniform(0, rng.choice([1.0, 2.0, 4.0])) * rng.random(dim))
    vectors = np.diag(scale) if _maybe(rng, 0.25) else _rotation(rng, dim) * scale[:, None]
    minimum = rng.standard_normal(dim)
    weight, kind, shift = np.ones(dim), np.full(dim, of.SQUARE), vectors @ minimum
    if _maybe(rng, 0.4):
        n = int(rng.integers(1, dim + 1))
        more = rng.standard_normal((n, dim)) / np.sqrt(dim) * _power(rng, -1, 0.3)
        shift = np.append(shift, more @ minimum + _maybe(rng, 0.5) * rng.standard_normal(n))
        weight, kind = np.append(weight, _power(rng, -2, 1, n)), np.append(kind, np.full(n, of.QUARTIC))
        vectors = np.vstack([vectors, more])
    return _ridges(rng, weight, kind, shift, vectors)


def _mixed_ridges(rng: np.random.Generator, dim: int) -> Drawn:
    """Ridge functions of two kinds, dense or sparse, with or without flat directions."""
    n = int(rng.integers(dim, min(3 * dim, max(48, 4 * dim)) + 1))
    kinds = rng.choice([of.GEMAN_MCCLURE, of.SQUARE, of.QUARTIC, of.LOG_COSH, of.EXPONENTIAL, of.COSINE], 2, False)
    vectors = rng.standard_normal((n, dim)) / np.sqrt(dim) * _power(rng, -0.5, 0.5, (n, 1))
    if _maybe(rng, 0.4):
        vectors *= rng.random((n, dim)) < 2.5 / dim
    shift = vectors @ rng.standard_normal(dim) + _maybe(rng, 0.6) * rng.standard_normal(n)
    return _ridges(rng, _power(rng, -1, 1, n), rng.choice(kinds, n), shift, vectors,
                   0.0 if _maybe(rng, 0.6) else 1e-3)


# -- nonlinear least squares: 1/2 |C phi(V x + c) + L x - y|^2 ---------------------------------------------


def _residuals(kind: Any, shift: np.ndarray, inner: np.ndarray, outer: np.ndarray, linear: np.ndarray,
               target: np.ndarray, unit: float = 1.0) -> np.ndarray:
    """Return the table of `least_squares`; rows that are zero are left out."""
    used = (outer != 0).any(axis=1) | (linear != 0).any(axis=1)
    (h, dim), n = inner.shape, int(used.sum())
    table = np.zeros((1 + h + n, 1 + dim + h))
    table[0, 2] = h
    table[1 : 1 + h, 0], table[1 : 1 + h, 1], table[1 : 1 + h, 2 : 2 + dim] = kind, shift, inner / unit
    rest = table[1 + h :]
    rest[:, 0], rest[:, 1 : 1 + dim], rest[:, 1 + dim :] = target[used], linear[used] / unit, outer[used]
    return table


def _valley(rng: np.random.Generator, dim: int) -> Drawn:
    """Rosenbrock's valley, in a chain or in pairs: z_v - z_u^2 and z, z a rotated and scaled x."""
    z = _rotation(rng, dim) if _maybe(rng, 0.5) else np.eye(dim)
    z = z * _power(rng, -0.5, 0.5, dim) if _maybe(rng, 0.5) else z
    first = np.arange(dim - 1) if _maybe(rng, 0.6) else np.arange(0, dim - 1, 2)
    h, steep = len(first), _power(rng, -0.5, 1)
    shift = 0.5 * rng.standard_normal(h) * _maybe(rng, 0.5)
    weight = steep * _power(rng, -0.3, 0.3, h)
    inner, outer = z[first], np.vstack([np.diag(-weight), np.zeros((dim, h))])
    linear = np.vstack([weight[:, None] * z[first + 1], _power(rng, -0.3, 0.2, dim)[:, None] * z])
    centre = np.ones(dim)
    centre[first] -= shift
    minimum = np.linalg.solve(z, centre)
    target = outer @ (inner @ minimum + shift) ** 2 + linear @ minimum
    target += 0.3 * _maybe(rng, 0.3) * rng.standard_normal(len(target))
    unit = _unit_and_start(rng, dim)[0]
    x0 = minimum + np.linalg.solve(z, rng.standard_normal(dim) * rng.choice([0.7, 1.5, 2.5]))
    return of.least_squares, _residuals(of.SQUARED, shift, inner, outer, linear, target, unit), x0 * unit


def _network(rng: np.random.Generator, dim: int) -> Drawn:
    """Random units of two kinds, dense or sparse, with a zero or another residual at a known point."""
    h, n = int(rng.integers(2, max(16, dim) + 1)), int(rng.integers(dim, min(3 * dim, max(24, 2 * dim)) + 1))
    inner = rng.standard_normal((h, dim)) * (rng.random((h, dim)) < rng.choice([1.0, 2 / dim, 1 / dim]))
    inner /= rng.choice([1.0, np.sqrt(dim)])
    shift = rng.standard_normal(h) * _maybe(rng, 0.5)
    outer = rng.standard_normal((n, h)) * (rng.random((n, h)) < rng.choice([1.0, 2 / h]))
    outer *= _power(rng, -0.7, 0.5) / np.sqrt(h)
    linear = rng.standard_normal((n, dim)) * (rng.random((n, dim)) < rng.choice([1.0, 2 / dim]))
    if _maybe(rng, 0.4):
        linear /= _power(rng, 0, 2, dim)
    kind = rng.choice(rng.choice(6, 2, replace=False), h)
    known = rng.standard_normal(dim)
    target = outer @ _units(kind, inner @ known + shift) + linear @ known
    target += _maybe(rng, 0.5) * _power(rng, -2, 0) * rng.standard_normal(n)
    unit = _unit_and_start(rng, dim)[0]
    x0 = known + rng.standard_normal(dim) * _power(rng, -0.5, 0.4)
    return of.least_squares, _residuals(kind, shift, inner, outer, linear, target, unit), x0 * unit


def _units(kind: np.ndarray, given: np.ndarray) -> np.ndarray:
    values = [np.exp(np.clip(given, -of.LARGEST, of.LARGEST)), np.tanh(given),
              np.sin(given), given**2, given**3 / 3, given * np.roll(given, 1)]
    return np.choose(kind, values)


# -- curves and log-sum-exp --------------------------------------------------------------------------------


def _curves(rng: np.random.Generator, dim: int) -> Drawn:
    """A fit of sums of curves to 30 points, started near the law; parameters have units of their own."""
    m, n = dim // 2, 30
    t = np.sort(rng.random(n)) * _power(rng, -0.3, 1)
    kind = np.full(m, rng.integers(4)) if _maybe(rng, 0.7) else rng.integers(0, 4, m)
    shift = 2 * rng.standard_normal(m)
    unit = np.ones(dim) if _maybe(rng, 0.3) else _power(rng, -1, 1, dim)
    amplitude, rate = 1 + 2 * rng.standard_normal(m), 0.1 + 2 * np.abs(rng.standard_normal(m)) / t.max() ** 0.7
    u = rate[:, None] * t
    shapes = [np.exp(-u), 1 / (1 + np.exp(shift[:, None] - u)), 1 / (1 + u**2), np.sin(u)]
    odd = dim - 2 * m
    y = amplitude @ np.choose(kind[:, None], shapes) + odd * rng.standard_normal()
    y += rng.choice([0, 0.02, 0.2]) * rng.standard_normal(n)
    x0 = np.concatenate([amplitude * np.exp(0.5 * rng.standard_normal(m)) + 0.5 * rng.standard_normal(m),
                         rate * np.exp(0.5 * rng.standard_normal(m)), np.zeros(odd)])
    if _maybe(rng, 0.3):
        x0[:m] = rng.choice([0.0, 1.0])
    table = np.zeros((2 + m + n, max(3, dim)))
    table[0, 2], table[1, :dim] = m, unit
    table[2 : 2 + m, 0], table[2 : 2 + m, 1] = kind, shift
    table[2 + m :, 0], table[2 + m :, 1] = t, y
    return of.curve_fit, table, x0 / unit


def _log_sum_exp(rng: np.random.Generator, dim: int) -> Drawn:
    """A smooth maximum of linear functions."""
    n = 3 * dim + 6
    unit, x0 = _unit_and_start(rng, dim)
    table = np.zeros((1 + n, max(4, 1 + dim)))
    table[0, 2:4] = _power(rng, -1, 0.7), rng.choice([1e-3, 1e-2, 1e-1])
    table[1:, 0] = rng.standard_normal(n)
    table[1:, 1 : 1 + dim] = rng.standard_normal((n, dim)) / rng.choice([1.0, np.sqrt(dim)]) / unit
    return of.log_sum_exp, table, x0 * unit


KINDS: dict[str, Callable[[np.random.Generator, int], Drawn]] = {
    "logistic": _logistic, "geman-mcclure": _geman_mcclure, "quadratic": _quadratic, "ridges": _mixed_ridges,
    "valley": _valley, "least squares": _network, "curves": _curves, "log-sum-exp": _log_sum_exp,
}
