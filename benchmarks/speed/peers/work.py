"""The work: runs of a learned optimizer on logistic regressions, as arrays that any library can take.

    margin = points x,  f = mean log(1 + exp(-margin)) + l2/2 |w|^2,  x = (w, bias)
    seen = [f_t - f_{t-i}, i = 1, 2, ...; g_t, g_{t-1}, ...], up to `history` of each, as many as there are
    step = softplus(seen W1 + b1) W2 + b2

Scaled inputs: seen is [changes / r^2, gradients / r] through sign(v) log(1 + |v|) (linear inputs: as it is), the step
is times r and at most max_step long; r^2 = scale_floor^2 + the largest of the three newest |g|^2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import l2o
from benchmarks.suite.common import descending
from l2o.policies import MLP, Policy

__all__ = ["Peer", "Work", "draw"]

Answer = tuple[np.ndarray, np.ndarray]  # x at the end (..., d), f of the whole run (..., T+1)


@dataclass(frozen=True, eq=False)
class Work:
    """What all peers compute.

    Attributes
    ----------
    points : ndarray, shape (m, n, d)
        Points of m functions, a last column of ones included, times their labels -1 or 1.
    ridge : ndarray, shape (d,)
        Weight of the regulariser by variable: l2, and 0 for the bias.
    x0 : ndarray, shape (m, s, d)
        Starting points of s runs of each function.
    weights : tuple of ndarray
        W1 (H + H d, width), b1 (width,), W2 (width, d), b2 (d,), in the precision of the policy.
    network : MLP
        history, inputs, scale_floor, max_step.
    n_steps : int
        Steps T of a run.
    problems, policy : Problems, Policy
        The same for l2o: one problem a run, those of a function one after the other.
    """

    points: np.ndarray
    ridge: np.ndarray
    x0: np.ndarray
    weights: tuple[np.ndarray, ...]
    network: MLP
    n_steps: int
    problems: l2o.Problems
    policy: Policy

    @property
    def scaled(self) -> bool:
        """Whether observations and steps are scaled, with a bound on the step; raw ones are neither."""
        return self.network.inputs != "raw"


@dataclass(frozen=True)
class Peer:
    """One way to do the work. Each entry prepares a workload: Work -> call, call() -> Answer.

    Attributes
    ----------
    single : callable
        The first run of the first function, called from Python.
    runs : callable or None
        All runs of the first function in one call; None where that call would be a loop in Python.
    batch : callable
        All runs, in whatever order is fastest.
    """

    single: Callable[[Work], Callable[[], Answer]]
    runs: Callable[[Work], Callable[[], Answer]] | None
    batch: Callable[[Work], Callable[[], Answer]]


def draw(inputs="raw", precision="float64", n_functions=90, n_starts=20, n_steps=40, **network):
    """Return drawn work: four variables, a hundred points; `network` are settings of MLP."""
    rng, family = np.random.default_rng(0), l2o.families.Logistic()
    label = np.arange(family.n_points) % 2
    X = np.empty((n_functions, family.n_points, family.n_features))
    for points in X:
        means, factors = rng.standard_normal((2, X.shape[2])), rng.standard_normal((2, X.shape[2], X.shape[2]))
        points[:] = means[label] + np.einsum("nij,nj->ni", factors[label], rng.standard_normal(points.shape))
    x0 = rng.standard_normal((n_functions, n_starts, family.dim))
    problems = family.from_data(X, np.tile(label, (n_functions, 1)))[np.repeat(np.arange(n_functions), n_starts)]
    shape = MLP(inputs=inputs, max_step=np.inf if inputs == "raw" else 2.0, **network)  # raw as in the paper: no bound
    policy = Policy(shape, descending(shape, family.dim)).astype(precision)
    weights = policy.weights
    arrays = weights["W1"].T / weights["deviation"][:, None], weights["b1"], weights["W2"].T, weights["b2"]
    return Work(
        points=np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2) * (2 * label - 1)[:, None],
        ridge=np.append(np.full(family.n_features, family.l2), 0.0),
        x0=x0,
        weights=tuple(np.ascontiguousarray(array) for array in arrays),
        network=shape,
        n_steps=n_steps,
        problems=problems.with_starts(x0.reshape(-1, family.dim)),
        policy=policy,
    )
