"""The regression of the policy: what lies between the matrix products of a batch, and a step of Adam.

A batch stands in blocks of 32 rows, and the rows are innermost, (blocks, entries, 32): every loop over them has the
same, known length, and vectorises without a remainder. A last block that is not full ends in rows of zeros, whose
error and gradient are zero.
"""

import numpy as np
from numba import njit, uintp

__all__ = ["ACTIVATE", "BLOCK", "adam", "gather", "weigh_errors"]

BLOCK = 32
FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.999  # decays of Adam
TINY = 1e-8  # added to its denominator

# 'contract' allows fused multiply-adds. Without NumPy's error model a division asks for a zero, and nothing vectorises.
_compile = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compile
def gather(features, targets, order, seen, wanted):
    """Copy the rows `order` of features (rows, n) and targets (rows, w) to a batch.

    Written: seen (blocks, 32, n), as the matrix products want it, and wanted (blocks, w, 32).
    """
    for i in range(uintp(order.shape[0])):
        row, block, lane = order[i], i // uintp(BLOCK), i % uintp(BLOCK)
        for j in range(uintp(features.shape[1])):
            seen[block, lane, j] = features[row, j]
        for j in range(uintp(targets.shape[1])):
            wanted[block, j, lane] = targets[row, j]


def softplus(pre, space, hidden, rest):
    """Write softplus(x) - rest to `hidden` and its derivative to `pre`, in place.

    Parameters
    ----------
    pre : (blocks, units, 32)
        What the units are given, x. Overwritten.
    space, hidden : (blocks, units, 32)
        Space to work in, overwritten, and where the result goes.
    rest : (units,)
    """
    np.exp(np.negative(np.abs(pre, out=space), out=space), out=space)  # NumPy's are vectorised, as log1p is not
    np.log(np.add(space, 1, out=hidden), out=hidden)
    _softplus_of_parts(pre, space, hidden, rest)


@_compile
def _softplus_of_parts(pre, decayed, hidden, rest):
    """The same, given e = exp(-abs(x)) in `decayed` and log(1 + e) in `hidden`."""
    zero, one = pre.dtype.type(0), pre.dtype.type(1)
    for block in range(pre.shape[0]):
        for unit in range(pre.shape[1]):
            for lane in range(BLOCK):
                x, e = pre[block, unit, lane], decayed[block, unit, lane]
                hidden[block, unit, lane] = max(x, zero) + (hidden[block, unit, lane] - rest[unit])
                pre[block, unit, lane] = (one if x > zero else e) / (one + e)


def relu(pre, space, hidden, rest):
    """Write max(x, 0) - rest to `hidden` and its derivative, 0 at 0, to `pre`; otherwise as `softplus`."""
    np.subtract(np.maximum(pre, 0, out=hidden), rest[:, None], out=hidden)
    np.heaviside(pre, 0, out=pre)


ACTIVATE = {"softplus": softplus, "relu": relu}  # by the names of policies/activations.py


@_compile
def weigh_errors(action, wanted, n, error):
    """Replace actions by the derivative of the mean loss with respect to them, and return that loss.

    Parameters
    ----------
    action : (blocks, d, 32)
        Output W2 sigma(...) + b2 of the network, to be multiplied by the scale. Overwritten.
    wanted : (blocks, 1 + d + d d, 32)
        Scale, wanted action and precision of each row.
    n : int
        Number of rows.
    error : (d, 32)
        Space to work in.
    """
    dim, share = action.shape[1], action.dtype.type(1.0 / n)
    loss = 0.0
    for block in range(action.shape[0]):
        for a in range(dim):
            for lane in range(BLOCK):
                error[a, lane] = wanted[block, 0, lane] * action[block, a, lane] - wanted[block, 1 + a, lane]
                action[block, a, lane] = 0
        for a in range(dim):
            for b in range(dim):
                for lane in range(BLOCK):
                    action[block, a, lane] += wanted[block, 1 + dim + a * dim + b, lane] * error[b, lane]
            for lane in range(BLOCK):
                loss += error[a, lane] * action[block, a, lane]
                action[block, a, lane] *= wanted[block, 0, lane] * share
    return 0.5 * loss / n


@_compile
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


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})  # a sum of squares, in any order
def _sum_of_squares(values):
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i]) * np.float64(values[i])
    return total
