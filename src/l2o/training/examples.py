"""Examples: what the teachers would have done at the sampled states, for the policy to imitate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o.policies import MLP
from l2o.training.controllers import Controllers
from l2o.training.trajectories import Layout, Trajectories

__all__ = ["Examples", "label", "rotate"]

LABEL_BOUND = 1.5  # a wanted step is shortened to this multiple of the longest step
LARGEST_STATE = 1e6  # a row with entries so many times the usual belongs to a run that left the region of interest


@dataclass(frozen=True, eq=False)
class Examples:
    """What the policy is to do.

    Attributes
    ----------
    features : ndarray, shape (rows, n)
        Network inputs, standardised.
    scale : ndarray, shape (rows,)
        Gradient scale r of each row: the network's output is multiplied by it.
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

    def single(self) -> Examples:
        """Return the same in single precision."""
        return Examples(*(np.ascontiguousarray(part, np.float32)
                          for part in (self.features, self.scale, self.actions, self.precision)))


def rotate(states: np.ndarray, actions: np.ndarray, precision: np.ndarray, share: float, layout: Layout,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn the axes of a share of the trajectories by random orthogonal matrices.

    A function of rotated variables is a function, and its teacher is the rotated teacher: the policy
    learns not to rely on where the axes of its few training functions happen to point. Locations are
    left as they are, because the policy does not see them.

    Parameters
    ----------
    states : ndarray, shape (m, n, T, S)
        States of n trajectories of each of m functions.
    actions : ndarray, shape (m, n, T, d)
        Wanted steps.
    precision : ndarray, shape (m, n, T, d, d)
        Weights.
    share : float
        Share of the trajectories, in [0, 1].
    layout : Layout
        Layout of the states.
    rng : Generator
        Source of the rotations.
    """
    m, n, T, dim = actions.shape
    turn, upper = np.linalg.qr(rng.standard_normal((m, n, dim, dim)))
    turn *= np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[..., None, :]  # uniform: Stewart (1980)
    turn[rng.random((m, n)) >= share] = np.eye(dim)
    first = dim + layout.history
    gradients = states[..., first:].reshape(m, n, T, layout.kept, dim)
    turned = states.copy()
    turned[..., first:] = (gradients @ turn.swapaxes(-1, -2)[:, :, None]).reshape(m, n, T, -1)
    actions = actions @ turn.swapaxes(-1, -2)
    return turned, actions, turn[:, :, None] @ precision @ turn.swapaxes(-1, -2)[:, :, None]


def label(samples: Trajectories, teachers: Controllers, used: np.ndarray, network: MLP, deviation: np.ndarray,
          rotations: float, rng: np.random.Generator) -> Examples:
    """Return the mean steps of the teachers at the sampled states.

    Parameters
    ----------
    samples : Trajectories
        n trajectories of each of m functions.
    teachers : Controllers
        One of each function.
    used : ndarray of bool, shape (m,)
        Functions whose teacher is to be imitated.
    network : MLP
        The policy's network.
    deviation : ndarray, shape (n,)
        Standard deviation of its features.
    rotations : float
        Share of the trajectories whose axes are turned.
    rng : Generator
        Source of the rotations.
    """
    layout, (m, T, dim) = teachers.layout, teachers.k.shape
    states = samples.states(layout).reshape(m, -1, T, layout.size)
    largest = np.abs(states).max(axis=-1, keepdims=True)
    usual = np.median(largest[np.isfinite(largest)]) if np.isfinite(largest).any() else 0.0
    states = np.where(largest <= LARGEST_STATE * usual, states, np.nan)
    actions = teachers.means(states)
    length = np.linalg.norm(actions, axis=-1, keepdims=True)
    actions *= np.minimum(1.0, LABEL_BOUND * network.max_step / np.maximum(length, 1e-300))
    precision = np.broadcast_to(teachers.precision[:, None], (*actions.shape, dim))
    if rotations > 0:
        states, actions, precision = rotate(states, actions, precision, rotations, layout, rng)
    usable = np.isfinite(actions).all(axis=-1) & used[:, None, None]
    features, scale = network.features(states[usable][:, layout.observed])
    precision = precision[usable]
    if len(precision):
        precision = precision * (dim / np.trace(precision, axis1=1, axis2=2).mean())
    return Examples(features / deviation, scale, actions[usable], precision)
