"""Plain NumPy statement of each kernel, written for reading: one short function a formula."""

import numpy as np


def logistic(x, X, y, l2):
    """Return f = mean log(1 + exp(-m)) + l2/2 |w|^2 and its gradient; m = y (X w + b), y = -1, 1 for labels 0, 1."""
    w, b, sign = x[:-1], x[-1], 2 * y - 1
    margin = sign * (X @ w + b)
    slope = -sign * np.exp(-np.logaddexp(0, margin)) / len(y)  # d mean loss / d (X w + b)
    return np.logaddexp(0, -margin).mean() + l2 / 2 * w @ w, np.append(X.T @ slope + l2 * w, slope.sum())


def logistic_hessian(x, X, y, l2):
    """Return X' diag(s (1 - s)) X / n + l2 I; the bias is a column of ones in X and is not regularised."""
    score = X @ x[:-1] + x[-1]
    weight = np.exp(-np.logaddexp(0, score) - np.logaddexp(0, -score)) / len(y)
    columns = np.column_stack([X, np.ones(len(y))])
    return columns.T @ (weight[:, None] * columns) + l2 * np.diag(np.append(np.ones(X.shape[1]), 0))


def robust(x, X, y, c):
    """Return f = mean r^2 / (c^2 + r^2) and its gradient; r = y - X w - b."""
    r = y - X @ x[:-1] - x[-1]
    slope = -2 * c**2 * r / (c**2 + r**2) ** 2 / len(y)  # d mean loss / d (X w + b)
    return (r**2 / (c**2 + r**2)).mean(), np.append(X.T @ slope, slope.sum())


def robust_hessian(x, X, y, c):
    """Return X' diag(2 c^2 (c^2 - 3 r^2) / (c^2 + r^2)^3) X / n; the bias is a column of ones in X."""
    r = y - X @ x[:-1] - x[-1]
    weight = 2 * c**2 * (c**2 - 3 * r**2) / (c**2 + r**2) ** 3 / len(y)
    columns = np.column_stack([X, np.ones(len(y))])
    return columns.T @ (weight[:, None] * columns)


def layers(x, n_inputs, n_hidden, n_classes):
    """Return W (h, p), b (h,), U (K, h), c (K,), which x holds in this order, row by row."""
    sizes = np.cumsum([n_hidden * n_inputs, n_hidden, n_classes * n_hidden])
    W, b, U, c = np.split(x, sizes)
    return W.reshape(n_hidden, n_inputs), b, U.reshape(n_classes, n_hidden), c


def softmax(scores):
    """Return exp(s_k) / sum_l exp(s_l) along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def neural_net(x, X, y, sizes, l2):
    """Return f = mean -log softmax(U max(W x + b, 0) + c)_y + l2/2 (|W|^2 + |U|^2) and its gradient."""
    W, b, U, c = layers(x, *sizes)
    before = X @ W.T + b
    hidden = np.maximum(before, 0)
    scores, own = hidden @ U.T + c, np.eye(len(c))[y.astype(int)]
    loss = np.logaddexp.reduce(scores, axis=1) - (own * scores).sum(axis=1)
    slope = (softmax(scores) - own) / len(y)  # d mean loss / d scores
    back = (slope @ U) * (before > 0)
    gradient = [back.T @ X + l2 * W, back.sum(axis=0), slope.T @ hidden + l2 * U, slope.sum(axis=0)]
    value = loss.mean() + l2 / 2 * ((W**2).sum() + (U**2).sum())
    return value, np.concatenate([part.ravel() for part in gradient])


def neural_net_hessian(x, X, y, sizes, l2):
    """Return the mean over the points of J' (diag p - p p') J + sum_k (p_k - own_k) H_k, plus l2 on W and U.

    J (K, d) is the Jacobian of the scores; H_k that of its row k: d^2 s_k / dU_kj dW_jl = x_l if unit j is
    active, d^2 s_k / dU_kj db_j = 1, and 0 otherwise.
    """
    n_hidden, n_classes = sizes[1:]
    W, b, U, c = layers(x, *sizes)
    numbers = layers(np.arange(len(x)), *sizes)  # of the parameters
    hessian = np.zeros((len(x), len(x)))
    for point, label in zip(X, y.astype(int)):
        active = (W @ point + b > 0).astype(float)
        hidden = active * (W @ point + b)
        p = softmax(U @ hidden + c)
        J = np.zeros((n_classes, len(x)))
        J[:, numbers[0].ravel()] = np.einsum("kj,j,l->kjl", U, active, point).reshape(n_classes, -1)
        J[:, numbers[1]] = U * active
        for k in range(n_classes):
            J[k, numbers[2][k]], J[k, numbers[3][k]] = hidden, 1
        hessian += J.T @ (np.diag(p) - np.outer(p, p)) @ J
        for k, j in np.ndindex(n_classes, n_hidden):
            for inner, value in [*zip(numbers[0][j], point), (numbers[1][j], 1)]:
                mixed = (p[k] - (k == label)) * active[j] * value
                hessian[numbers[2][k, j], inner] += mixed
                hessian[inner, numbers[2][k, j]] += mixed
    regularised = np.zeros(len(x))
    regularised[[*numbers[0].ravel(), *numbers[2].ravel()]] = l2
    return hessian / len(y) + np.diag(regularised)


def observation(f, g, t, history, newest_gradient=True):
    """Return [f_t - f_{t-i}, i = 1..H; H gradients, newest first], zero for steps that have not happened."""
    changes, gradients = np.zeros(history), np.zeros((history, g.shape[1]))
    for i in range(1, min(t, history) + 1):
        changes[i - 1] = f[t] - f[t - i]
    newest = t if newest_gradient else t - 1
    for i in range(min(newest + 1, history)):
        gradients[i] = g[newest - i]
    return np.concatenate([changes, gradients.ravel()])


def gradient_scale(observation, history, floor):
    """Return r = sqrt(floor^2 + s^2), s the largest of the three newest gradient norms seen."""
    newest = observation[history:].reshape(history, -1)[:3]
    return np.sqrt(floor**2 + max(g @ g for g in newest))


def activation(name, x):
    """Return log(1 + e^x), or max(x, 0)."""
    return {"softplus": np.logaddexp(0, x), "relu": np.maximum(x, 0)}[name]


def mlp(weights, network, observation):
    """Return r (W2 sigma(W1 z + b1) + b2), z = phi([changes / r^2, gradients / r]) / deviation, at most max_step."""
    H = network.history
    r = 1.0 if network.inputs == "raw" else gradient_scale(observation, H, network.scale_floor)
    z = np.concatenate([observation[:H] / r**2, observation[H:] / r])
    if network.inputs == "scaled":
        z = np.sign(z) * np.log1p(np.abs(z))
    hidden = activation(network.activation, weights["W1"] @ (z / weights["deviation"]) + weights["b1"])
    action = r * (weights["W2"] @ hidden + weights["b2"])
    length = np.linalg.norm(action)
    return action if length <= network.max_step else action * (network.max_step / length)


def momentum(gradients, step_size, decay):
    """Return the steps v_t = decay v_{t-1} - step_size g_t, v_{-1} = 0."""
    steps, v = [], 0.0
    for g in gradients:
        v = decay * v - step_size * g
        steps.append(v)
    return np.array(steps)


def controller(K, k, x, f, g, t, changes, kept):
    """Return K_t s + k_t, s = [x_t, objective changes, gradients], newest first."""
    seen = observation(f, g, t, max(changes, kept))
    rest = [seen[:changes], seen[max(changes, kept) :][: kept * len(x)]]
    return K[t] @ np.concatenate([x, *rest]) + k[t]


def dual_step(multipliers, weights, rate, policy_steps, teacher_steps):
    """Return lambda_t + alpha nu_t (E[pi] - E[psi]) for each t."""
    return np.array([multiplier + rate * weight * (of_policy - of_teacher) for multiplier, weight, of_policy, of_teacher
                     in zip(multipliers, weights, policy_steps, teacher_steps)])


def admm_target(mean, covariance, multiplier, weight):
    """Return argmin over mu of nu/2 (mu - m)' G^-1 (mu - m) + lambda' mu."""
    return mean - covariance @ multiplier / weight


def rollout(value_and_grad, action, x0, n_steps):
    """Return x (T+1, d), f (T+1,), g (T+1, d) of x <- x + action(x, f, g, t)."""
    x, (f, g) = [x0], ([part] for part in value_and_grad(x0))
    for t in range(n_steps):
        x.append(x[t] + action(x[t], np.array(f), np.array(g), t))
        value, gradient = value_and_grad(x[-1])
        f.append(value)
        g.append(gradient)
    return np.array(x), np.array(f), np.array(g)


def slope(function, x, step=1e-6):
    """Return the derivative of function (d,) -> (...) by central differences, (..., d)."""
    moves = step * np.eye(len(x))
    return np.stack([(function(x + h) - function(x - h)) / (2 * step) for h in moves], axis=-1)
