"""The unrolled rollout, forwards and backwards: what lies between the matrix products of a block of 32 runs.

The runs are innermost, so that every loop over them has the same, known length. What a step sees
is ordered by lag, newest first: the objective change f_t - f_{t-1-j}, then the gradient g_{t-first-j}. What does not
exist yet thus stands at the end and is left out of every product. A name that ends in _bar holds the derivative of the
loss with respect to what it is named after.
"""

import numpy as np

from l2o._kernels.base.compiled import compiled

__all__ = ["ACTIVATE", "BLOCK", "move", "observe", "pull_action", "pull_observation"]

BLOCK = 32

# 'contract' allows fused multiply-adds. Without NumPy's error model a division asks for a zero, and nothing vectorises.
_compile = compiled(nogil=True, fastmath={"contract"}, error_model="numpy")


@_compile
def observe(t, fun, jac, first, newest, floor, least, ratio, scale, largest):
    """Write what step t sees.

    Parameters
    ----------
    t : int
    fun : (T + 1, 32)
        Objective values, up to the t-th.
    jac : (T + 1, d, 32)
        Gradients.
    first : int
        Newest gradient seen, 0 or 1.
    newest : int
        Gradients among which the largest norm is r, by which gradients are divided, and by its square changes; 0 for 1.
    floor, least : float
        r is sqrt(floor^2 + norm^2), and at least `least`.
    ratio : (lags, 1 + d, 32)
        Written: changes / r^2 and gradients / r.
    scale : (32,)
        Written: r.
    largest : (32,)
        Written: index in time of the gradient that r is the norm of, or -1.
    """
    lags, dim = ratio.shape[0], ratio.shape[1] - 1
    for lane in range(BLOCK):
        largest[lane], scale[lane] = -1, 1.0
    if newest > 0:
        for lane in range(BLOCK):
            most = -1.0
            for j in range(min(newest, lags, t + 1 - first)):
                norm2 = 0.0
                for a in range(dim):
                    norm2 += jac[t - first - j, a, lane] ** 2
                if norm2 > most:
                    most, largest[lane] = norm2, t - first - j
            scale[lane] = max(np.sqrt(floor * floor + max(most, 0.0)), least)
    for j in range(lags):
        for a in range(dim + 1):
            for lane in range(BLOCK):
                ratio[j, a, lane] = 0
        if j < t:
            for lane in range(BLOCK):
                ratio[j, 0, lane] = (fun[t, lane] - fun[t - 1 - j, lane]) / (scale[lane] * scale[lane])
        if j + first <= t:
            for a in range(dim):
                for lane in range(BLOCK):
                    ratio[j, 1 + a, lane] = jac[t - first - j, a, lane] / scale[lane]


@_compile
def move(net, scale, max_step, turn, x, after):
    """Take a step: after = x + turn' a, with a = scale net, shortened to max_step.

    Parameters
    ----------
    net : (d, 32)
    scale : (32,)
    max_step : float
    turn : (d, d)
        Axes that the policy sees.
    x, after : (32, d)
    """
    dim = net.shape[0]
    for lane in range(BLOCK):
        length2 = 0.0
        for a in range(dim):
            length2 += (scale[lane] * net[a, lane]) ** 2
        length = np.sqrt(length2)
        factor = scale[lane] * (max_step / length if length > max_step else 1.0)
        for b in range(dim):
            step = 0.0
            for a in range(dim):
                step += turn[a, b] * net[a, lane]
            after[lane, b] = x[lane, b] + factor * step


@_compile
def pull_action(x_bar, net, scale, max_step, turn, net_bar, scale_bar):
    """Go back through `move`: from x_bar (32, d) to net_bar (d, 32) and scale_bar (32,)."""
    dim = net.shape[0]
    action_bar = np.empty(dim)
    for lane in range(BLOCK):
        length2, along = 0.0, 0.0
        for a in range(dim):
            total = 0.0
            for b in range(dim):
                total += turn[a, b] * x_bar[lane, b]
            action_bar[a] = total
            length2 += (scale[lane] * net[a, lane]) ** 2
            along += scale[lane] * net[a, lane] * total
        length = np.sqrt(length2)
        if length > max_step:  # the part along the action is lost
            for a in range(dim):
                action_bar[a] -= along / length2 * scale[lane] * net[a, lane]
                action_bar[a] *= max_step / length
        scale_bar[lane] = 0.0
        for a in range(dim):
            scale_bar[lane] += action_bar[a] * net[a, lane]
            net_bar[a, lane] = scale[lane] * action_bar[a]


@_compile
def pull_observation(t, ratio_bar, ratio, logarithm, scale, largest, scale_bar, jac, first, fun_bar, jac_bar):
    """Go back through `observe` and the logarithm: add to fun_bar (T + 1, 32) and jac_bar (T + 1, d, 32).

    Parameters
    ----------
    t : int
    ratio_bar : (lags, 1 + d, 32)
        With respect to what the network is given. Overwritten.
    ratio : (lags, 1 + d, 32)
    logarithm : bool
        Whether the network is given sign(v) log(1 + abs(v)) of the ratios v.
    scale, largest, scale_bar : (32,)
        scale_bar is overwritten.
    jac : (T + 1, d, 32)
    first : int
    """
    lags, dim = ratio.shape[0], ratio.shape[1] - 1
    if logarithm:
        for j in range(lags):
            for a in range(dim + 1):
                for lane in range(BLOCK):
                    ratio_bar[j, a, lane] /= 1 + abs(ratio[j, a, lane])
    for j in range(lags):
        if j < t:
            for lane in range(BLOCK):
                bar = ratio_bar[j, 0, lane] / (scale[lane] * scale[lane])
                fun_bar[t, lane] += bar
                fun_bar[t - 1 - j, lane] -= bar
                scale_bar[lane] -= 2 * ratio_bar[j, 0, lane] * ratio[j, 0, lane] / scale[lane]
        if j + first <= t:
            for a in range(dim):
                for lane in range(BLOCK):
                    jac_bar[t - first - j, a, lane] += ratio_bar[j, 1 + a, lane] / scale[lane]
                    scale_bar[lane] -= ratio_bar[j, 1 + a, lane] * ratio[j, 1 + a, lane] / scale[lane]
    for lane in range(BLOCK):
        if largest[lane] >= 0:
            for a in range(dim):
                jac_bar[largest[lane], a, lane] += scale_bar[lane] * jac[largest[lane], a, lane] / scale[lane]


def softplus(pre, space, hidden, rest):
    """Write softplus(x) - rest to `hidden` and its derivative to `pre`, in place.

    Parameters
    ----------
    pre : (units, 32)
        What the units are given, x. Overwritten.
    space, hidden : (units, 32)
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
    for unit in range(pre.shape[0]):
        for lane in range(BLOCK):
            x, e = pre[unit, lane], decayed[unit, lane]
            hidden[unit, lane] = max(x, zero) + (hidden[unit, lane] - rest[unit])
            pre[unit, lane] = (one if x > zero else e) / (one + e)


def relu(pre, space, hidden, rest):
    """Write max(x, 0) - rest to `hidden` and its derivative, 0 at 0, to `pre`; otherwise as `softplus`."""
    np.subtract(np.maximum(pre, 0, out=hidden), rest[:, None], out=hidden)
    np.heaviside(pre, 0, out=pre)


ACTIVATE = {"softplus": softplus, "relu": relu}  # by the names of policies/activations.py
