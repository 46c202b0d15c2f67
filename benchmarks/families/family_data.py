"""Families of real and simulated problems whose training and test members have different sources.

Each entry of `FAMILIES` is a function of a number of training problems and a seed: (training, test). The test problems
are the same for every seed.
"""

from itertools import combinations

import numpy as np

import l2o
from benchmarks.families import tensor_data
from l2o.families import Logistic, RobustRegression

__all__ = ["FAMILIES", "cancer", "curve", "decay", "logistic_outcomes"]


@l2o.objective
def decay(x, data, grad):
    """Mean squared residuals of exp(x0) exp(-exp(x1) t) + x2, rows of data (t, y, sigma)."""
    amplitude, rate = np.exp(x[0]), np.exp(x[1])
    f = 0.0
    grad[:] = 0.0
    for t, y, sigma in data:
        part = amplitude * np.exp(-rate * t)
        residual = (part + x[2] - y) / sigma
        weight = residual / sigma / len(data)
        f += 0.5 * residual**2 / len(data)
        grad[0] += weight * part
        grad[1] -= weight * part * rate * t
        grad[2] += weight
    return f


def curve(rng, t, amplitude, rate, offset, sigma=0.05):
    """Return a noisy decay, rows (t, y, sigma)."""
    y = amplitude * np.exp(-rate * t) + offset + sigma * rng.standard_normal(len(t))
    return np.column_stack([t, y, np.full(len(t), sigma)])


def _decays(m, seed, grid):
    """Train on curves of a broad law; test on an image of 30 x 30 pixels whose rates follow another one."""
    rng, image = np.random.default_rng(1000 + seed), np.random.default_rng(1)
    law = rng.standard_normal((m, 3)) * [0.4, 0.5, 0.3]
    drawn = [curve(rng, grid(rng), np.exp(a), np.exp(k), c) for a, k, c in law]
    row, column = np.mgrid[:30, :30].reshape(2, -1) / 29
    rates = np.exp(0.8 * np.sin(2 * np.pi * row) * np.cos(np.pi * column))
    pixels = [curve(image, grid(image), 1.0 + 0.5 * c, k, 0.1) for c, k in zip(column, rates)]
    family = l2o.families.Custom(decay, dim=3)
    return tuple(family.from_data(each, x0=[[np.log(max(v[0, 1] - v[-1, 1], 0.1)), 0.0, v[-1, 1]] for v in each])
                 for each in (drawn, pixels))


def _ragged(rng):
    """Draw 10 to 40 times."""
    return np.sort(np.append(0.0, rng.uniform(0.0, rng.uniform(2.0, 6.0), rng.integers(9, 40))))


def cancer():
    """Return the standardised features (569, 30) and labels of scikit-learn's breast-cancer table."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    return (table.data - table.data.mean(axis=0)) / table.data.std(axis=0), table.target


def _one_design(m, seed, n_test, chosen, others):
    """Some features explain others, above random quantiles: half of the others to train on, half to test on."""
    Z, _ = cancer()
    X = Z[:, chosen]

    return (logistic_outcomes(X, Z[:, others[::2]], m, np.random.default_rng(seed)),
            logistic_outcomes(X, Z[:, others[1::2]], n_test, np.random.default_rng(77)))


def logistic_outcomes(X, others, n, rng, low=0.1, high=0.9):
    """Return n regressions on X of whether one of the others, at random, is above its quantile between low and high."""
    which, share = rng.choice(others.shape[1], n), rng.uniform(low, high, n)
    y = [others[:, column] > np.quantile(others[:, column], q) for column, q in zip(which, share)]
    return Logistic(X.shape[1]).from_data(np.repeat(X[None], n, axis=0), np.array(y, float))


def _bootstrap(m, seed):
    """Resamples of one regression."""
    Z, target = cancer()

    def resamples(n, rng):
        rows = rng.integers(len(Z), size=(n, len(Z)))
        return Logistic().from_data(Z[:, [0, 1, 4]][rows], target[rows])

    return resamples(m, np.random.default_rng(seed)), resamples(1000, np.random.default_rng(77))


def _triples(m, seed):
    """Regressions on triples of 15 features; test on triples of the other 15. Coordinates have no common meaning."""
    Z, target = cancer()
    order = np.random.default_rng(100).permutation(30)

    def regressions(features, n, rng):
        chosen = np.array(list(combinations(features, 3)))
        chosen = chosen[rng.permutation(len(chosen))[:n]]
        return Logistic().from_data(Z.T[chosen].transpose(0, 2, 1), np.repeat(target[None], len(chosen), axis=0))

    return (regressions(order[:15], m, np.random.default_rng(seed)),
            regressions(order[15:], 455, np.random.default_rng(7)))


def _windows(m, seed):
    """Rolling robust regressions on real returns: industries before 1990; 18 sorted portfolios from 1990 on."""
    from l2o.commands.real_data import factor_regressions

    windows = factor_regressions()
    names, first = np.unique(windows.portfolio, return_index=True)
    industry = np.isin(windows.portfolio, names[np.argsort(first)][:12])
    split = np.datetime64("1990-01")
    past = np.flatnonzero(industry & (windows.last < split))
    chosen = np.sort(np.random.default_rng(seed).permutation(past)[:m])
    future = np.flatnonzero(~industry & (windows.first >= split))[::3]
    return windows[chosen].residual_problems(), windows[future].residual_problems()


def _tensors_simulated(m, seed):
    """Simulated voxels; test on measured ones of the same gradients."""
    B = tensor_data.design("small_64D")
    return (tensor_data.problems(B, tensor_data.simulated(B, m, np.random.default_rng(seed))),
            tensor_data.problems(B, tensor_data.measured("small_64D")))


def _tensors_own(m, seed):
    """Voxels of one half of a measurement; test on those of the other half."""
    voxels = tensor_data.problems(tensor_data.design("small_101D"), tensor_data.measured("small_101D"))
    half = len(voxels) // 2
    return voxels[np.random.default_rng(seed).permutation(half)[:m]], voxels[np.arange(half, len(voxels))]


def _drawn(family, m, seed):
    """The paper's families, from zero."""
    training, test = family.sample(m, rng=100 + seed), family.sample(500, rng=2)
    return tuple(each.with_starts(np.zeros(each.x0.shape)) for each in (training, test))


ORDER = np.random.default_rng(11).permutation(30)  # of the features of the cancer table
TEXTURE = [1, 4, 8]  # with smoothness and symmetry
FAMILIES = {
    "decays": lambda m, seed: _decays(m, seed, lambda rng: np.linspace(0.0, 4.0, 30)),
    "decays, ragged": lambda m, seed: _decays(m, seed, _ragged),
    "one design, d = 4": lambda m, seed: _one_design(m, seed, 1000, ORDER[:3], ORDER[3:]),
    "another design, d = 4": lambda m, seed: _one_design(m, seed, 1000, TEXTURE, np.setdiff1d(ORDER, TEXTURE)),
    "one design, d = 10": lambda m, seed: _one_design(m, seed, 400, ORDER[:9], ORDER[9:]),
    "one design, d = 20": lambda m, seed: _one_design(m, seed, 400, ORDER[:19], ORDER[19:]),
    "bootstrap": _bootstrap,
    "tensors, simulated": _tensors_simulated,
    "tensors, own voxels": _tensors_own,
    "triples": _triples,
    "rolling windows": _windows,
    "logistic": lambda m, seed: _drawn(Logistic(), m, seed),
    "robust": lambda m, seed: _drawn(RobustRegression(), m, seed),
}
