"""Plain NumPy statement of the Riccati pass: dense A_t and B_t, textbook recursion. Written for reading."""

import numpy as np


def dynamics(model, slopes, history, kept, t):
    """Return A (S, S) and B (S, d) of step t -> t + 1; state [x | objective changes | gradients, newest first]."""
    dim = slopes.shape[1]
    size = dim + history + kept * dim
    newest = dim + history
    location = np.hstack([np.eye(dim, size), np.eye(dim)])                 # x' = x + a, over [s a]
    change = slopes[t + 1] @ location - slopes[t] @ np.eye(dim, size + dim)
    step = np.zeros((size, size + dim))
    step[:dim] = location
    for i in range(1, min(t + 1, history) + 1):                            # later changes do not exist yet
        step[dim + i - 1] = change
        if i > 1:
            step[dim + i - 1, dim + i - 2] += 1
    step[newest : newest + dim] = model[t + 1] @ location
    step[newest + dim :, newest : size - dim] = np.eye((kept - 1) * dim)
    return step[:, :size], step[:, size:]


def riccati_backward(quadratic, linear, model, slopes, history, gains, offsets, precisions, prices=None):
    """Return the optimal K (T, d, S), k (T, d) and Q_aa (T, d, d); arguments as in `riccati.backward`.

    Prices (T, d) add the cost -prices_t' a_t.
    """
    _, horizon, dim, size = gains.shape
    kept = (size - dim - history) // dim
    K, k, Q = np.zeros((horizon, dim, size)), np.zeros((horizon, dim)), np.zeros((horizon, dim, dim))
    V, v = np.zeros((size, size)), np.zeros(size)
    V[:dim, :dim], v[:dim] = quadratic[horizon], linear[horizon]
    for t in reversed(range(horizon)):
        A, B = dynamics(model, slopes, history, kept, t)
        Q_ss, Q_as, Q_aa, q_s, q_a = A.T @ V @ A, B.T @ V @ A, B.T @ V @ B, A.T @ v, B.T @ v
        q_a -= 0.0 if prices is None else prices[t]
        Q_ss[:dim, :dim] += quadratic[t]
        q_s[:dim] += linear[t]
        for gain, offset, precision in zip(gains[:, t], offsets[:, t], precisions[:, t]):
            Q_aa += precision
            Q_as -= precision @ gain
            Q_ss += gain.T @ precision @ gain
            q_a -= precision @ offset
            q_s += gain.T @ precision @ offset
        K[t], k[t], Q[t] = -np.linalg.solve(Q_aa, Q_as), -np.linalg.solve(Q_aa, q_a), Q_aa
        V, v = Q_ss + Q_as.T @ K[t], q_s + Q_as.T @ k[t]
        V = (V + V.T) / 2
    return K, k, Q
