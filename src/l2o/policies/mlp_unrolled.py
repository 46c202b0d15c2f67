"""The derivative of the cost of rollouts with respect to the weights of the policy, by hand.

A policy and a function make a run x_{t+1} = x_t + a(o_t), whose cost is a function of the weights like any other.
Its gradient is found by one pass backwards over the steps. With a bar for the derivative of the cost,

    x_bar_t = x_bar_{t+1} + f_bar_t g_t + H_t g_bar_t,

where f_bar_t and g_bar_t gather what later steps saw of f_t and g_t, through the network, and the weight of f_t in the
cost; H_t is the Hessian.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from l2o import _kernels
from l2o._kernels.training import unrolled
from l2o._kernels.training.unrolled import BLOCK
from l2o.base.parallel import map_rows
from l2o.base.typing import Workers
from l2o.policies.activations import ACTIVATIONS
from l2o.policies.mlp_regression import Trained
from l2o.problems import Problems

__all__ = ["Unrolled", "differentiate"]

DIFFERENCE = 6e-6  # relative length of a difference of gradients: the cube root of the rounding
TINY = 1e-300
NEWEST, LEAST_SCALE = (_kernels.mlp.CONSTANTS[name] for name in ("NEWEST", "LEAST_SCALE"))


class Network(Protocol):
    """The settings of `MLP`, which see."""

    @property
    def history(self) -> int:
        """Entries of the history that it sees."""

    @property
    def activation(self) -> str:
        """Name of the activation."""

    @property
    def inputs(self) -> str:
        """What the network sees: "raw", "linear" or "scaled"."""

    @property
    def newest_gradient(self) -> bool:
        """Whether the newest gradient is among the inputs."""

    @property
    def max_step(self) -> float:
        """Longest step."""

    @property
    def scale_floor(self) -> float:
        """Least scale of the gradients."""


@dataclass(frozen=True, eq=False)
class Unrolled:
    """The cost of rollouts as a function of the weights.

    Attributes
    ----------
    network : Network
        Shape of the network.
    trained : Trained
        Its weights.
    deviation : ndarray, shape (n,)
        Standard deviation of its features.
    problems : Problems
        A function and a starting point for each rollout.
    cost_weights : ndarray, shape (T + 1,)
        Weights of f(x_t) in the cost.
    turns : ndarray, shape (blocks, d, d)
        Axes that the policy sees, for each 32 rollouts.
    """

    network: Network
    trained: Trained
    deviation: np.ndarray
    problems: Problems
    cost_weights: np.ndarray
    turns: np.ndarray

    def __getitem__(self, blocks: slice) -> Unrolled:
        """Return some blocks of 32 rollouts."""
        problems = self.problems[blocks.start * BLOCK : blocks.stop * BLOCK]
        return replace(self, problems=problems, turns=self.turns[blocks])

    def __call__(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the costs and which are usable (blocks, 32), and the gradient (blocks, weights) of their sum."""
        results = []
        for block, turn in enumerate(self.turns):
            rows = np.arange(block * BLOCK, (block + 1) * BLOCK)
            real = rows < len(self.problems)
            one = _Block(self, self.problems[np.where(real, rows, 0)], turn, real)
            with np.errstate(all="ignore"):  # a run that leaves the finite numbers is an outcome
                one.forwards()
                one.backwards()
            results.append((one.costs(), one.usable, one.gradient()))
        costs, usable, gradients = zip(*results)
        return np.stack(costs), np.stack(usable), np.stack(gradients)


def differentiate(runs: Unrolled, workers: Workers = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return costs (runs,), which are usable (runs,), and the gradient (weights,) of the mean over these.

    The gradient is summed by blocks of 32 runs, in their order, so it is the same for any number of workers.
    """
    costs, usable, gradients = map_rows(runs, len(runs.turns), workers)
    n = len(runs.problems)
    costs, usable = costs.reshape(-1)[:n], usable.reshape(-1)[:n]
    return costs, usable, gradients.sum(axis=0) / max(usable.sum(), 1)


class _Block:
    """32 rollouts. The runs are innermost in all arrays but those of locations and untouched gradients."""

    def __init__(self, runs: Unrolled, problems: Problems, turn: np.ndarray, real: np.ndarray) -> None:
        network, trained = runs.network, runs.trained
        T, dim, units = len(runs.cost_weights) - 1, problems.dim, trained.first.shape[1]
        history, self.entries = min(network.history, T), 1 + dim
        lag = np.arange(history)[:, None]
        self.columns = np.r_[trained.n_inputs,  # the bias, then a change and a gradient for each lag
                             np.hstack([lag, network.history + lag * dim + np.arange(dim)]).ravel()]
        self.standard = np.append(runs.deviation, 1.0)[self.columns, None]
        self.first, self.second = trained.first[self.columns] / self.standard, trained.second
        self.sigma = ACTIVATIONS[network.activation]
        self.rest = self.sigma.value(trained.bias)
        self.runs, self.problems, self.turn, self.usable = runs, problems, turn, real.copy()
        self.logarithm = network.inputs == "scaled"
        self.newest = 0 if network.newest_gradient else 1
        self.x, self.jac = np.empty((T + 1, BLOCK, dim)), np.empty((T + 1, BLOCK, dim))
        self.fun, self.turned = np.empty((T + 1, BLOCK)), np.empty((T + 1, dim, BLOCK))
        self.scale, self.largest = np.empty((T, BLOCK)), np.empty((T, BLOCK), np.intp)
        self.ratio = np.empty((T, history, self.entries, BLOCK))
        self.seen = np.empty((T, len(self.columns), BLOCK))
        self.gate, self.hidden = np.empty((T, units, BLOCK)), np.empty((T, units, BLOCK))
        self.net, self.net_bar = np.empty((T, dim, BLOCK)), np.empty((T, dim, BLOCK))

    def lags(self, t: int) -> int:
        """Return how far back step t sees."""
        return min(t + 1, self.ratio.shape[1])

    def forwards(self) -> None:
        """Run the policy."""
        network, space = self.runs.network, np.empty_like(self.hidden[0])
        activate = unrolled.ACTIVATE[network.activation]
        among = 0 if network.inputs == "raw" else NEWEST
        self.x[0] = self.problems.x0
        self._evaluate(0)
        for t in range(len(self.net)):
            ratio, n = self.ratio[t, : self.lags(t)], 1 + self.lags(t) * self.entries
            unrolled.observe(t, self.fun, self.turned, self.newest, among, network.scale_floor, LEAST_SCALE, ratio,
                             self.scale[t], self.largest[t])
            seen = self.seen[t, :n]
            seen[0] = 1
            given = seen[1:].reshape(ratio.shape)
            if self.logarithm:
                np.add(np.abs(ratio, out=given), 1, out=given)
                np.copysign(np.log(given, out=given), ratio, out=given)  # unlike log1p, log is vectorised
            else:
                given[:] = ratio
            pre, hidden = np.matmul(self.first[:n].T, seen, out=self.gate[t]), self.hidden[t]
            activate(pre, space, hidden, self.rest)
            np.matmul(self.second, hidden, out=self.net[t])
            unrolled.move(self.net[t], self.scale[t], network.max_step, self.turn, self.x[t], self.x[t + 1])
            self._evaluate(t + 1)

    def _evaluate(self, t: int) -> None:
        """Evaluate the objectives at the t-th points; a run that left the finite numbers stays where it began."""
        self.fun[t], self.jac[t] = self.problems.value_and_grad(self.x[t])
        lost = ~(np.isfinite(self.fun[t]) & np.isfinite(self.jac[t]).all(axis=1) & np.isfinite(self.x[t]).all(axis=1))
        if lost.any():
            self.usable &= ~lost
            self.x[t, lost], self.fun[t, lost], self.jac[t, lost] = self.x[0, lost], 0, 0
        np.matmul(self.turn, self.jac[t].T, out=self.turned[t])

    def backwards(self) -> None:
        """Carry the derivatives of the cost back to the network of every step."""
        network, T = self.runs.network, len(self.net)
        fun_bar = self.runs.cost_weights[:, None] * self.usable
        turned_bar, scale_bar = np.zeros_like(self.turned), np.empty(BLOCK)
        ratio_bar = np.empty_like(self.seen[0])
        times_hessian = _hessian_products(self.problems, self.x)
        x_bar = fun_bar[T][:, None] * self.jac[T]
        for t in range(T - 1, -1, -1):
            unrolled.pull_action(x_bar, self.net[t], self.scale[t], network.max_step, self.turn, self.net_bar[t],
                                 scale_bar)
            inner = np.matmul(self.second.T, self.net_bar[t])
            self.gate[t] *= inner  # from here on the derivative with respect to what the units are given
            lags, n = self.lags(t), 1 + self.lags(t) * self.entries
            bar = np.matmul(self.first[:n], self.gate[t], out=ratio_bar[:n])[1:].reshape(lags, self.entries, BLOCK)
            unrolled.pull_observation(t, bar, self.ratio[t, :lags], self.logarithm, self.scale[t], self.largest[t],
                                      scale_bar, self.turned, self.newest, fun_bar, turned_bar)
            x_bar += fun_bar[t][:, None] * self.jac[t] + times_hessian(t, turned_bar[t].T @ self.turn)
        self.usable &= np.isfinite(x_bar).all(axis=1)
        if not self.usable.all():
            for each in (self.seen, self.gate, self.hidden, self.net_bar):
                each[..., ~self.usable] = 0

    def costs(self) -> np.ndarray:
        """Return the cost of each run, (32,)."""
        return self.runs.cost_weights @ self.fun

    def gradient(self) -> np.ndarray:
        """Return the derivative of the sum of the costs of the usable runs with respect to the weights."""
        trained = self.runs.trained
        result = Trained(trained.n_inputs, trained.first.shape[1], len(trained.second), float)
        first = np.zeros_like(self.first)
        for t in range(len(self.net)):
            n = 1 + self.lags(t) * self.entries
            first[:n] += self.seen[t, :n] @ self.gate[t].T
            result.second[:] += self.net_bar[t] @ self.hidden[t].T
        result.first[self.columns] = first / self.standard
        at_rest = self.net_bar.sum(axis=(0, 2)) @ self.second
        result.bias[:] -= self.sigma.pull(trained.bias, at_rest)  # the output bias follows from the rest
        return result.vector


def _hessian_products(problems: Problems, x: np.ndarray) -> Any:
    """Return a function (t, v (m, d)) -> H v (m, d) at the points x[t] (m, d) of each problem."""
    if problems.hessian_function is None:
        return partial(_differences, problems, x)
    T, m, dim = x.shape
    hessian = problems[np.tile(np.arange(m), T)].hessian(x.reshape(-1, dim)).reshape(T, m, dim, dim)
    return lambda t, v: np.matmul(hessian[t], v[:, :, None])[:, :, 0]


def _differences(problems: Problems, x: np.ndarray, t: int, v: np.ndarray) -> np.ndarray:
    """Return H v by central differences of the gradient."""
    length = np.linalg.norm(v, axis=1, keepdims=True)
    h = DIFFERENCE * (1 + np.linalg.norm(x[t], axis=1, keepdims=True))
    unit = v / np.maximum(length, TINY)
    (_, above), (_, below) = (problems.value_and_grad(x[t] + sign * h * unit) for sign in (1, -1))
    return length * (above - below) / (2 * h)
