"""Weights of a policy, by name or as one vector: what a trainer moves without knowing what they are of."""

from __future__ import annotations

import numpy as np

__all__ = ["Weights", "flat", "like"]

Weights = dict[str, np.ndarray]


def flat(weights: Weights) -> np.ndarray:
    """Return all weights one after the other, in the order of their names in the dict, float64, (n,)."""
    return np.concatenate([np.asarray(value, np.float64).ravel() for value in weights.values()])


def like(weights: Weights, vector: np.ndarray) -> Weights:
    """Return the numbers of a vector (n,) as weights with the names, shapes and precisions of these.

    Raises
    ------
    ValueError
        If the vector has not as many numbers as the weights.
    """
    vector = np.asarray(vector)
    ends = np.cumsum([value.size for value in weights.values()])
    if vector.shape != (ends[-1],):
        raise ValueError(f"vector has shape {vector.shape}; expected ({ends[-1]},), one number for each weight")
    parts = np.split(vector, ends[:-1])
    return {name: part.reshape(value.shape).astype(value.dtype)
            for (name, value), part in zip(weights.items(), parts)}
