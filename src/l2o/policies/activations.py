"""Activations: what a hidden unit makes of its input. One entry a function: its value and its derivative.

Each is stated again where speed counts: in _kernels/policies/_mlp.pyx, for minimising, and for the two ways to train in
_kernels/training/_regression.pyx and _kernels/training/unrolled.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["ACTIVATIONS", "Activation"]


@dataclass(frozen=True)
class Activation:
    """An activation, as functions of an array of any shape, in its precision.

    Attributes
    ----------
    value : callable
        sigma(x).
    pull : callable
        bar sigma'(x): the derivative of something with respect to x, from that with respect to sigma(x), bar.
    """

    value: Callable[[np.ndarray], np.ndarray]
    pull: Callable[[np.ndarray, np.ndarray | float], np.ndarray]


ACTIVATIONS = {
    "softplus": Activation(lambda x: np.logaddexp(0.0, x), lambda x, bar: bar / (1.0 + np.exp(-x))),
    "relu": Activation(lambda x: np.maximum(x, 0.0), lambda x, bar: bar * np.heaviside(x, 0.0)),
}
