"""The learned damping in NumPy, as _kernels/solvers/_learned_damping.pxd says in words: a run on Cauchy's loss."""

import numpy as np

LEAST, LEVELS, FLOOR = 1e-12, (-27.6, 18.4), 0.3


def evaluated(model, t, y, sigma, x):
    """Return f, the gradient, the matrix of the normal equations."""
    J, r = model.jacobian(t, x) / sigma, (model(t, x) - y) / sigma
    u = r**2
    slope, curvature = 1.0 / (1.0 + u), np.maximum((1.0 - u) / (1.0 + u), FLOOR)
    return 0.5 * np.log1p(u).sum(), J.T @ (slope * r), J.T @ ((slope * curvature)[:, None] * J)


def least_pivot(A, scale):
    L = np.linalg.cholesky(A + LEAST * np.diag(scale))
    return max(min(np.diag(L) ** 2 / scale), LEAST)


class Rule:
    """The state of the rule, with its numbers: first (4,), accepted (2, 9), rejected (2, 9)."""

    def __init__(self, first, accepted, rejected):
        self.first, self.weights = first, {True: accepted, False: rejected}
        self.value, self.stretch, self.last, self.rejections = None, 1.0, None, 0

    def step(self, f, g, A, scale):
        if self.rejections == 0:
            gain = g @ np.linalg.solve(A + LEAST * np.diag(scale), g)
            self.share = min(gain / (2.0 * f), 1.0)
        if self.value is None:
            seen = np.log([np.e, 1.0 - 0.9999 * self.share, self.share + 1e-8, least_pivot(A, scale)])
            self.value = np.exp(np.clip(self.first @ seen, *LEVELS))
        return -self.stretch * np.linalg.solve(A + self.value * np.diag(scale), g)

    def learn(self, s, g, A, scale, fall, there):
        down, size, slope = fall > 0.0, np.sqrt(scale @ s**2), g @ s
        self.rejections = 0 if down else self.rejections + 1
        off = np.clip(fall / (-slope - 0.5 * s @ A @ s), -3.0, 2.0) - 1.0
        cosine = 0.0 if self.last is None else (scale * self.last) @ s / np.sqrt(scale @ self.last**2) / size
        seen = np.array([1.0, off, 0.5 * off**2, np.clip(-(there @ s) / slope, -1.0, 4.0),
                         np.log(self.share + 1e-8) / 5.0, np.clip(-self.value * size**2 / slope, 0.0, 2.0), cosine,
                         np.log(self.value) / 10.0, self.rejections / 2.0])
        change, stretch = self.weights[down] @ seen
        level = np.log(self.value) + np.clip(change, -12.0 if down else 0.3, 12.0)
        self.value, by = np.exp(np.clip(level, *LEVELS)), stretch / (1.0 + abs(stretch))
        self.stretch = (3.0 + by) / (3.0 - by)
        if down:
            self.last = s


def run(model, t, y, sigma, x, rule, n_evaluations):
    """Return the best point after each evaluation, (n_evaluations, d)."""
    f, g, A = evaluated(model, t, y, sigma, x)
    scale, points = np.diag(A), [x]
    while len(points) < n_evaluations:
        s = rule.step(f, g, A, scale)
        there = evaluated(model, t, y, sigma, x + s)
        rule.learn(s, g, A, scale, f - there[0], there[1])
        if there[0] < f:
            x, (f, g, A) = x + s, there
            scale = np.maximum(scale, np.diag(A))
        points.append(x)
    return np.array(points)
