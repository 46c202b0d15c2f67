"""A step of Adam, of Kingma and Ba (2015), along a gradient that is clipped."""

import numpy as np
from numba import uintp

from l2o._kernels.base.compiled import compiled

__all__ = ["adam"]

FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.999  # decays
TINY = 1e-8  # added to the denominator


# 'contract' allows fused multiply-adds. Without NumPy's error model a division asks for a zero, and nothing vectorises.
@compiled(nogil=True, fastmath={"contract"}, error_model="numpy")
def adam(weights, gradient, mean, square, step, rate, clip):
    """Take a step of Adam, of Kingma and Ba (2015), algorithm 1, along the clipped gradient.

    Parameters
    ----------
    weights, mean, square : (n,)
        The weights and the running moments of their gradient. Overwritten.
    gradient : (n,)
    step : int
        Number of this step, from 1.
    rate : float
        Learning rate.
    clip : float
        Longest gradient; a longer one is shortened to it.
    """
    real = weights.dtype.type
    norm = np.sqrt(_sum_of_squares(gradient))
    shrink = real(clip / norm if norm > clip else 1.0)
    keep_mean, keep_square = real(1.0 - FIRST_MOMENT), real(1.0 - SECOND_MOMENT)
    rate, unbias = real(rate / (1.0 - FIRST_MOMENT**step)), real(1.0 / (1.0 - SECOND_MOMENT**step))
    tiny = real(TINY)
    for i in range(uintp(weights.shape[0])):
        g = shrink * gradient[i]
        mean[i] += keep_mean * (g - mean[i])
        square[i] += keep_square * (g * g - square[i])
        weights[i] -= rate * mean[i] / (np.sqrt(square[i] * unbias) + tiny)


@compiled(nogil=True, fastmath={"contract", "reassoc"})  # a sum of squares, in any order
def _sum_of_squares(values):
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i]) * np.float64(values[i])
    return total
