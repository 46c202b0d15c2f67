"""Examples: what the teachers would have done at the sampled states, for the policy to imitate."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from l2o.policies.trainable import Examples, Imitable
from l2o.policies.weights import Weights
from l2o.training.controllers import Controllers
from l2o.training.trajectories import Layout, Trajectories

__all__ = ["Examples", "label", "rotate"]

LABEL_BOUND = 1.5  # a wanted step is shortened to this multiple of the longest step
LARGEST_STATE = 1e6  # a row with entries so many times the usual belongs to a run that left the region of interest


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
    m, n, _, dim = actions.shape
    return _turned(states, actions, precision, _turns(m, n, dim, share, rng), layout)


def _turns(m: int, n: int, dim: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw an orthogonal matrix for a share of the trajectories, and the unit matrix for the others, (m, n, d, d)."""
    turn, upper = np.linalg.qr(rng.standard_normal((m, n, dim, dim)))
    turn *= np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[..., None, :]  # uniform: Stewart (1980)
    turn[rng.random((m, n)) >= share] = np.eye(dim)
    return turn


def _turned(states: np.ndarray, actions: np.ndarray, precision: np.ndarray, turn: np.ndarray,
            layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, n, T, dim = actions.shape
    first, back = dim + layout.history, turn.swapaxes(-1, -2)
    turned = states.copy()
    turned[..., first:] = (states[..., first:].reshape(m, n, -1, dim) @ back).reshape(m, n, T, -1)
    return turned, actions @ back, turn[:, :, None] @ precision @ back[:, :, None]


def label(samples: Trajectories, teachers: Controllers, used: np.ndarray, network: Imitable, weights: Weights,
          rotations: float, rng: np.random.Generator, dtype: DTypeLike = float) -> Examples:
    """Return the mean steps of the teachers at the sampled states.

    Parameters
    ----------
    samples : Trajectories
        n trajectories of each of m functions.
    teachers : Controllers
        One of each function.
    used : ndarray of bool, shape (m,)
        Functions whose teacher is to be imitated.
    network : Imitable
        The policy's kind.
    weights : dict of ndarray
        Its weights.
    rotations : float
        Share of the trajectories whose axes are turned.
    rng : Generator
        Source of the rotations.
    dtype : type
        Precision of the examples.
    """
    m, dim = len(used), teachers.layout.dim
    n = len(samples.x) // m
    runs = [samples[i * n : (i + 1) * n] for i in range(m)]  # one function at a time: its states fit the cache
    largest = np.concatenate([np.abs(each.states(teachers.layout)).max(axis=-1) for each in runs])
    bound = LARGEST_STATE * np.median(largest[np.isfinite(largest)]) if np.isfinite(largest).any() else 0.0
    turn = _turns(m, n, dim, rotations, rng) if rotations > 0 else np.broadcast_to(np.eye(dim), (m, n, dim, dim))
    parts = []
    for i in range(m):
        teacher = teachers.for_runs(slice(i, i + 1))
        taught = _taught(runs[i], teacher, bound, network)
        states, actions, precision = _turned(*taught, turn[i : i + 1], teacher.layout)
        usable = np.isfinite(actions).all(axis=-1) & used[i]
        observed = states[usable][:, teacher.layout.observed].astype(dtype)
        parts.append((*network.standard_features(weights, observed), actions[usable].astype(dtype),
                      precision[usable].astype(dtype)))
    features, scale, actions, precision = (np.concatenate(part) for part in zip(*parts))
    if len(precision):
        precision *= dim / np.trace(precision, axis1=1, axis2=2).mean(dtype=float)
    return Examples(features, scale, actions, precision)


def _taught(runs: Trajectories, teacher: Controllers, bound: float,
            network: Imitable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the states of one function's runs (1, n, T, S), NaN where out of bounds, and what its teacher does."""
    states = runs.states(teacher.layout)[None]
    states[~(np.abs(states).max(axis=-1) <= bound)] = np.nan
    actions = teacher.means(states)
    length = np.linalg.norm(actions, axis=-1, keepdims=True)
    actions *= np.minimum(1.0, LABEL_BOUND * network.max_step / np.maximum(length, 1e-300))
    return states, actions, np.broadcast_to(teacher.precision[:, None], (*actions.shape, actions.shape[-1]))
