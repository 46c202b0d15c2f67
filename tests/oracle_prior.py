"""The lean rule from a prior in plain NumPy, written for reading."""

import numpy as np

CONSTANTS = {"slope": 0.6, "cap": 1.2, "cap_rejected": 0.3, "floor": -1.5, "psi": -6.0, "hermite": 0.3}


def begin(prior, problems):
    """Return the points to evaluate (m, 1 or 2, d) and the inverse matrices (1 or m, d, d)."""
    x, dim = prior.base.of(problems.x0), problems.dim
    if not prior.predicts:
        return x[:, None], prior.matrix[None]
    out = prior.ridge.predict(prior.seen.inputs(x, *problems.value_and_grad(x)))
    metric = prior.seen.metric
    points = np.stack([x, x + out[:, :dim] @ metric.T], axis=1) if prior.step else x[:, None]
    if prior.curvature == "mean":
        return points, prior.matrix[None]
    factor = metric @ triangles(out[:, dim:], dim, prior.curvature)
    return points, factor @ factor.transpose(0, 2, 1)


def triangles(entries, dim, curvature):
    """Return R (m, d, d) from its entries (m, d (d + 1) / 2), or what is to be predicted of it."""
    i, j = np.tril_indices(dim)
    logs = np.clip(entries[:, i == j], -6, 6)
    if curvature == "scale":
        logs = np.broadcast_to(logs.mean(axis=1, keepdims=True), logs.shape)
    R = np.zeros((len(entries), dim, dim))
    if curvature == "full":
        R[:, i, j] = entries
    R[:, np.arange(dim), np.arange(dim)] = np.exp(logs)
    return R


def lowest_values(problems, prior, most, constants=CONSTANTS):
    """Return the lowest value after each evaluation, (m, most): points of the prior, then the rule."""
    points, matrices = begin(prior, problems)
    m, dim = problems.x0.shape
    H = np.broadcast_to(matrices, (m, dim, dim)).copy()
    trace = np.full((m, most), np.inf)
    x, f, g = points[:, 0].copy(), *problems.value_and_grad(points[:, 0])
    trace[:, 0] = np.where(np.isfinite(f), f, np.inf)
    first = points.shape[1]
    if first == 2:
        f1, g1 = problems.value_and_grad(points[:, 1])
        lower = np.isfinite(f1) & np.isfinite(g1).all(axis=1) & (f1 < f)
        x[lower], f[lower], g[lower] = points[lower, 1], f1[lower], g1[lower]
        trace[:, 1] = np.fmin(trace[:, 0], f)
    state = [{"ell": None, "cap": np.inf} for _ in range(m)]
    for k in range(first, most):
        p = np.array([propose(H[i], g[i], state[i]) for i in range(m)])
        fn, gn = problems.value_and_grad(x + p)
        for i in range(m):
            if learn(H[i], p[i], f[i], g[i], fn[i], gn[i], state[i], constants):
                x[i], f[i], g[i] = x[i] + p[i], fn[i], gn[i]
        trace[:, k] = np.fmin(trace[:, k - 1], f)
    return trace


def propose(H, g, state):
    """Return p = -tau H g, shortened softly to ell e^cap."""
    q = H @ g
    length = np.linalg.norm(q)
    state["tau"] = 1.0
    if state["ell"] is not None and length > 0:
        state["tau"] = (1 + (length / (state["ell"] * np.exp(state["cap"]))) ** 4) ** -0.25
    return -state["tau"] * q


def learn(H, p, f, g, fn, gn, state, constants):
    """Take in the trial at x + p: change H, return whether the trial is the new point."""
    length, slope, slope_n = np.linalg.norm(p), g @ p, gn @ p
    if not (np.isfinite(fn) and np.isfinite(gn).all() and length > 0):
        state["ell"] = 0.1 * length if length > 0 else 1.0
        return False
    rise, sy, sBs = fn - f, slope_n - slope, -state["tau"] * slope
    accepted = fn <= f
    exact = max(abs(rise), abs(slope)) > 1e-9 * max(abs(f), abs(fn))
    c = np.clip(0.5 * np.log(sBs / sy), -3, 3) if sy > 0 and sBs > 0 else 3.0
    stretch = np.exp(np.clip(constants["slope"] * c, -1, 1.5))
    y, h = gn - g, 0.0
    if exact and sy > 0:
        sign = 1 if accepted else -1
        h = np.clip(sign * np.tanh(constants["hermite"]) * (3 * (slope + slope_n) - 6 * rise), -0.8 * sy, 2 * sy)
        h /= length**2
    y = y + h * p
    floor = np.exp(constants["floor"]) * sBs
    if y @ p < floor:
        theta = (sBs - floor) / (sBs - y @ p)
        y = theta * y - (1 - theta) * state["tau"] * g
    H *= stretch
    if y @ p > 1e-12 * length * np.linalg.norm(y):
        Hy = H @ y
        psi = 1 / (1 + np.exp(-constants["psi"]))
        b, c = (1 - psi) / (y @ p), psi / (y @ Hy)
        H += (1 + b * (y @ Hy)) / (y @ p) * np.outer(p, p) - b * (np.outer(p, Hy) + np.outer(Hy, p))
        H -= c * np.outer(Hy, Hy)
    state["cap"] = constants["cap"] if accepted else constants["cap_rejected"]
    state["ell"] = length if accepted else length * minimiser(slope, slope_n, rise, sy, exact)
    return accepted


def minimiser(slope, slope_n, rise, sy, exact):
    """Return where the cubic through both ends is least, in steps, for a rejected trial."""
    e = slope + slope_n - 3 * rise
    square, a = e * e - slope * slope_n, 10.0
    if exact and square > 0:
        a = 1 - (slope_n + np.sqrt(square) - e) / (sy + 2 * np.sqrt(square))
    elif sy > 0:
        a = -slope / sy
    return np.clip(a if np.isfinite(a) and a > 0 else 10.0, 0.02, 0.8)
