"""What trainers may ask of a kind of policy, beyond its steps; a kind that has these methods is such a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from l2o.base.typing import Workers
from l2o.policies.architecture import Architecture
from l2o.policies.prior import PriorShape
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["Differentiable", "Examples", "Expectant", "Fit", "Imitable", "Parametrised"]


@dataclass(frozen=True, eq=False)
class Examples:
    """What the policy is to do.

    Attributes
    ----------
    features : ndarray, shape (rows, n)
        What the policy computes its steps from, standardised.
    scale : ndarray, shape (rows,)
        Scale of the steps of each row: the policy's output is multiplied by it.
    actions : ndarray, shape (rows, d)
        Wanted steps.
    precision : ndarray, shape (rows, d, d)
        Weight of the error, with a mean trace of d.
    """

    features: np.ndarray
    scale: np.ndarray
    actions: np.ndarray
    precision: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Examples:
        return Examples(self.features[rows], self.scale[rows], self.actions[rows], self.precision[rows])

    def __len__(self) -> int:
        return len(self.scale)


class Fit(Protocol):
    """A regression of the steps.

    Attributes
    ----------
    vector, gradient : ndarray, shape (n,)
        What is trained, which the caller moves, and the derivative of the last loss by it.
    """

    @property
    def vector(self) -> np.ndarray:
        """What is fitted, as one vector."""

    @property
    def gradient(self) -> np.ndarray:
        """Gradient of the loss by that vector."""

    def loss(self, rows: np.ndarray) -> float:
        """Return the mean loss of some rows of the examples at `vector`, and write `gradient`."""


@runtime_checkable
class Parametrised(Protocol):
    """Weights of which some are trained and others follow.

    Attributes
    ----------
    history : int
        Steps of history that it observes.
    kept : int
        Gradients of history that a state must hold for that.
    """

    @property
    def history(self) -> int:
        """Entries of the history that it sees."""

    @property
    def kept(self) -> int:
        """Gradients of the history that it sees."""

    def initial(self, dim: int, rng: np.random.Generator, observed: np.ndarray | None = None) -> Weights:
        """Return starting weights, as `Architecture.initial`."""

    def parameters(self, weights: Weights) -> np.ndarray:
        """Return what is trained of the weights as one vector (n,), float64."""

    def with_parameters(self, weights: Weights, vector: np.ndarray) -> Weights:
        """Return weights with this vector for what is trained, and all that follows from it."""


@runtime_checkable
class Imitable(Parametrised, Protocol):
    """Steps that are a function of past objective changes and gradients, with a Jacobian and a regression.

    Attributes
    ----------
    max_step : float
        Longest step.
    """

    @property
    def max_step(self) -> float:
        """Longest step."""

    def standardised(self, weights: Weights, observed: np.ndarray) -> Weights:
        """Return starting weights for observations like these, (..., n)."""

    def at_rest(self, weights: Weights) -> Weights:
        """Return the weights, changed such that no step is made where all that is seen is zero."""

    def actions(self, weights: Weights, observations: np.ndarray) -> np.ndarray:
        """Return the steps (..., d) at observations (..., n)."""

    def jacobian(self, weights: Weights, observations: np.ndarray) -> np.ndarray:
        """Return the derivative of the steps by the observations (rows, n), (rows, d, n)."""

    def standard_features(self, weights: Weights, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the features (rows, n) and the scale (rows,) of `Examples` at observations, in their precision."""

    def regression(self, weights: Weights, examples: Examples) -> Fit:
        """Return the regression from these weights, in the precision of the examples."""


@runtime_checkable
class Differentiable(Parametrised, Protocol):
    """Steps that can be differentiated through a whole rollout."""

    def cost_gradient(self, weights: Weights, problems: Problems, cost_weights: np.ndarray, turns: np.ndarray,
                      workers: Workers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return costs of rollouts (m,), which are usable (m,), and the gradient (n,) of these costs' mean.

        Parameters
        ----------
        weights : dict of ndarray
            The weights; the gradient is by their `parameters`.
        problems : Problems
            m functions, with starting points.
        cost_weights : ndarray, shape (T + 1,)
            Weights of f(x_t) in the cost.
        turns : ndarray, shape (blocks, d, d)
            Axes that the policy sees, for each 32 rollouts.
        workers : int, map-like callable or executor
            Threads; the result does not depend on them.
        """


@runtime_checkable
class Expectant(Protocol):
    """A kind of policy whose runs can begin with a prior of a family.

    Attributes
    ----------
    prior : PriorShape or None
        What they begin with.
    shipped : str or None
        As of `Architecture`: the policy without a prior.
    expects_curvature : bool
        Whether runs begin with an inverse Hessian; else a prior is a base point and a first step.
    """

    @property
    def prior(self) -> PriorShape | None:
        """What runs begin with; None if with nothing."""

    @property
    def shipped(self) -> str | None:
        """Name of the shipped policy that serves any function."""

    @property
    def expects_curvature(self) -> bool:
        """Whether runs begin with an inverse Hessian."""

    def initial(self, dim: int | None, rng: np.random.Generator, observed: np.ndarray | None = None) -> Weights:
        """Return starting weights, as `Architecture.initial`."""

    def step_time(self, dim: int) -> float:
        """Return the microseconds of a step, beside its evaluation, about."""

    def expecting(self, prior: PriorShape) -> Architecture:
        """Return the same kind with another prior."""

    def whole(self, weights: Weights) -> tuple[Architecture, Weights]:
        """Return the kind with all that can be trained of it from a prior, and weights that do the same."""

    def with_prior(self, prior: PriorShape | None) -> Architecture:
        """Return the kind that begins with such a prior, or without any."""
