"""Plain NumPy statement of the learned quasi-Newton rule, written for reading; letters as in docs/learned-rule.md."""

import numpy as np


def by_hand():
    """Return the constants by hand: W (5, 14), rows drift, cap, floor, psi, hermite; and w (5,)."""
    W = np.zeros((5, 14))
    W[0, [0, 2, 3]] = 0.3, 1.3, 0.7
    W[1, :2] = 1.2, -0.9
    W[2, 0] = -1.5
    W[3, 0] = 3.0
    return W, np.array([0.0, 0.25, 0.0, 1.0, -0.7])


def sigmoid(a):
    """Return 1 / (1 + exp(-a))."""
    return 1 / (1 + np.exp(-a))


def absorbed(H, s, y, psi):
    """Return the matrix of the inverse Broyden class with H y = s: BFGS for psi = 0, DFP for psi = 1."""
    sy, Hy = s @ y, H @ y
    if not (sy > 1e-12 * np.sqrt((s @ s) * (y @ y)) and y @ Hy > 0):
        return H
    mixed = (1 - psi) / sy
    return (H + (1 + mixed * (y @ Hy)) / sy * np.outer(s, s) - mixed * (np.outer(s, Hy) + np.outer(Hy, s))
            - psi / (y @ Hy) * np.outer(Hy, Hy))


def units(x, g):
    """Return the units of x: |x| at the start, where these differ by more than 1000; else ones.

    A component that is nearly zero, so that |x_i g_i| < 3e-4 of the largest, takes the largest unit.
    """
    size, pull = np.abs(x), np.abs(x * g)
    unit = np.where(pull > 3e-4 * pull.max(), size, size.max())
    return unit if unit.max() > 1000 * unit.min() else np.ones(len(x))


class Rule:
    """One run. `proposal` is where to evaluate next; `tell` takes in what came of it."""

    def __init__(self, x, f, g, W, w, m):
        self.unit = units(x, g)
        self.x, self.f, self.g = x / self.unit, f, g * self.unit
        self.W, self.w, self.m = W, w, m
        self.t, self.pairs, self.cap = 0, [], np.inf
        self.ratio, self.log_a = 0.0, 0.0
        self.ell = np.exp(w[0] + w[1] * np.log(1 + np.linalg.norm(self.x))
                          + w[2] * np.clip(np.log(np.linalg.norm(self.g)), -5, 5))
        self.forget()
        self.propose()

    @property
    def proposal(self):
        """Where to evaluate next, in the units of the caller."""
        return (self.x + self.p) * self.unit

    def forget(self):
        """Start from a matrix whose step has the length ell."""
        self.H, self.pairs, self.scaled = self.ell / np.linalg.norm(self.g) * np.eye(len(self.g)), [], False

    def propose(self):
        """Set p = -tau H g."""
        q = self.H @ self.g
        if not (self.g @ q > 0 and np.isfinite(self.g @ q) and np.isfinite(q @ q)):
            self.forget()
            q = self.H @ self.g
        self.tau = (1 + (np.linalg.norm(q) / (self.ell * np.exp(self.cap))) ** 4) ** -0.25
        self.p = -self.tau * q

    def tell(self, f, g):
        """Take in the trial at `proposal`; return whether it becomes the best point."""
        accepted = self.learn(f, g * self.unit)
        self.propose()
        return accepted

    def learn(self, f, g):
        p, length = self.p, np.linalg.norm(self.p)
        self.t += 1
        if not (np.isfinite(f) and np.isfinite(g @ g) and length > 0):
            self.cap = 0.0 if self.cap == np.inf else self.cap
            self.ell = 0.1 * length
            return False
        accepted = bool(f <= self.f)
        F, a = self.features(f, g, accepted)
        drift, cap, floor, psi, hermite = np.clip(self.W @ F, -6, 6)
        self.cap = cap
        y, B = self.pair(f, g, accepted, floor, hermite)
        if self.scaled:
            self.H = self.H * np.exp(np.clip(drift, -1, 1.5))
        else:
            self.H, self.scaled = np.eye(len(p)) / B, True
        for s, older in self.pairs[max(0, len(self.pairs) + 1 - self.m):]:
            self.H = absorbed(self.H, s, older, 0.0)
        self.H = absorbed(self.H, p, y, sigmoid(psi))
        self.pairs = [*self.pairs, (p, y)][-self.m:]
        self.ell = length if accepted else a * length
        if accepted:
            self.x, self.f, self.g = self.x + p, f, g
        return accepted

    def exact(self, f):
        """Whether a difference of f says more than rounding."""
        return max(abs(f - self.f), abs(self.g @ self.p)) > 1e-9 * max(abs(f), abs(self.f))

    def minimiser(self, f, g, accepted):
        """Where the cubic through both ends is least, in steps; the secant's value at rounding level."""
        slope, slope_n, rise = self.g @ self.p, g @ self.p, f - self.f
        e = slope + slope_n - 3 * rise
        a = 10.0
        if self.exact(f) and e * e > slope * slope_n:
            root = np.sqrt(e * e - slope * slope_n)
            a = 1 - (slope_n + root - e) / (slope_n - slope + 2 * root)
        elif slope_n - slope > 0:
            a = -slope / (slope_n - slope)
        if not (a > 0 and np.isfinite(a)):
            a = 10.0
        return np.clip(a, 0.05, 10) if accepted else np.clip(a, 0.02, 0.8)

    def features(self, f, g, accepted):
        """Return the 14 features of the trial, and the minimiser along the step."""
        p, y, d = self.p, g - self.g, len(self.p)
        sy, sBs, slope = p @ y, -self.tau * (self.g @ self.p), self.g @ self.p
        a = self.minimiser(f, g, accepted)
        c = np.clip(0.5 * np.log(sBs / sy), -3, 3) if sy > 0 else 3.0
        ratio = np.arcsinh(np.clip((f - self.f) / -slope, -20, 20)) if self.exact(f) else -0.5
        F = np.array([
            1, not accepted, c, max(c, 0), ratio,
            np.clip(np.log(np.linalg.norm(g) / np.linalg.norm(self.g)), -4, 4),
            sy / (np.linalg.norm(p) * np.linalg.norm(y) + 1e-300), np.log(a),
            np.clip(np.log(np.linalg.norm(p) / self.ell), -4, 2), max(np.log(self.tau), -4),
            1 / self.t, 0.5 * np.log(d), self.ratio, self.log_a])
        self.ratio, self.log_a = ratio, np.log(a)
        return F, a

    def pair(self, f, g, accepted, floor, hermite):
        """Return the y of the pair (p, y), and the first scale b of B, which later ones do not use."""
        p, y, s2 = self.p, g - self.g, self.p @ self.p
        sy, sBs, Bp = p @ y, -self.tau * (self.g @ p), -self.tau * self.g
        b = None
        if not self.scaled:
            u = sigmoid(self.w[3])
            b = (np.exp(self.w[4]) * max(sy / s2, 0.02 * sBs / s2) ** (1 - u) * np.sqrt(y @ y / s2) ** u if sy > 0
                 else 0.3 * sBs / s2)
            sBs, Bp = b * s2, b * p
        if sy > 0 and self.exact(f):  # the cubic's second derivative at the end that is kept
            h = np.tanh(hermite) * (1 if accepted else -1) * (3 * (self.g + g) @ p - 6 * (f - self.f))
            y = y + np.clip(h, -0.8 * sy, 2 * sy) / s2 * p
            sy = p @ y
        least = np.exp(floor) * sBs
        if sy < least:  # Powell's damping
            theta = (sBs - least) / (sBs - sy)
            y = theta * y + (1 - theta) * Bp
        return y, b


def run(objective, x0, n_trials, W, w, m):
    """Return the points evaluated (T+1, d), their values, and the best values so far; fewer once a gradient is zero."""
    f, g = objective(x0)
    rule, points, values, best = Rule(x0, f, g, W, w, m), [x0], [f], [f]
    while len(points) <= n_trials and rule.g.any():
        x = rule.proposal
        f, g = objective(x)
        with np.errstate(all="ignore"):  # a gradient of zero ends the run, but only after its features
            rule.tell(f, g)
        points.append(x)
        values.append(f)
        best.append(rule.f)
    return np.array(points), np.array(values), np.array(best)
