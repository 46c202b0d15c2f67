"""Value and gradient of the families beside the same in NumPy: same data, same points, one process, one core.

    python -m benchmarks.speed.objectives [--rounds N] [--json FILE] [--docs]

Answers are compared before a time is printed. The NumPy side is written to be fast: points last, so that all loops run
along them, no copies, parts of the batch that fit the cache.
"""

import numpy as np

from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.timing import best_of, one_core
from l2o.families import Logistic, NeuralNet, RobustRegression

FUNCTIONS, POINTS = 240, 100
PART = 60  # functions at a time in NumPy: 15, 60 and 240 were tried


def logistic(x, X, sign, l2):
    """Return values (m,) and gradients (m, p + 1) at x (m, p + 1); X (m, p + 1, n) with ones, sign (m, n)."""
    margin = (x[:, None] @ X)[:, 0] * sign
    e = np.exp(-np.abs(margin))
    loss = np.log(1.0 + e) - np.minimum(margin, 0.0)
    slope = np.where(margin > 0, e, 1.0) / (1.0 + e) * (sign / -POINTS)
    g = (X @ slope[..., None])[..., 0]
    g[:, :-1] += l2 * x[:, :-1]
    return loss.mean(axis=1) + 0.5 * l2 * (x[:, :-1] ** 2).sum(axis=1), g


def robust(x, X, y):
    """Return values (m,) and gradients (m, p + 1) at x (m, p + 1), c = 1; X (m, p + 1, n) with ones, y (m, n)."""
    r = y - (x[:, None] @ X)[:, 0]
    u = 1.0 / (1.0 + r * r)
    ratio = r * u
    return (r * ratio).mean(axis=1), (X @ (ratio * u * (-2.0 / POINTS))[..., None])[..., 0]


def neural_net(x, X, own, sizes, l2):
    """Return values (m,) and gradients (m, d) at x (m, d); X (m, p + 1, n) with ones, own (m, K, n) one-hot labels."""
    p, h, K = sizes
    W, b, U, c = (part.reshape(len(x), rows, -1)
                  for part, rows in zip(np.split(x, np.cumsum([h * p, h, K * h]), axis=1), (h, h, K, K)))
    before = np.concatenate([W, b], axis=2) @ X
    hidden = np.maximum(before, 0.0)
    scores = U @ hidden + c
    scores -= scores.max(axis=1, keepdims=True)
    slope = np.exp(scores)
    total = slope.sum(axis=1)
    loss = np.log(total) - (own * scores).sum(axis=1)
    slope /= total[:, None]
    slope -= own
    slope /= POINTS
    first = ((U.swapaxes(1, 2) @ slope) * (before > 0)) @ X.swapaxes(1, 2)
    g = [first[..., :p] + l2 * W, first[..., p], slope @ hidden.swapaxes(1, 2) + l2 * U, slope.sum(axis=2)]
    penalty = 0.5 * l2 * ((W**2).sum(axis=(1, 2)) + (U**2).sum(axis=(1, 2)))
    return loss.mean(axis=1) + penalty, np.concatenate([part.reshape(len(x), -1) for part in g], axis=1)


def in_parts(function, *arrays, **settings):
    """Return values and gradients of all functions, PART at a time."""
    found = [function(*(a[i : i + PART] for a in arrays), **settings) for i in range(0, FUNCTIONS, PART)]
    return [np.concatenate(each) for each in zip(*found)]


def pairs():
    """Return for each family a call of l2o and one of NumPy."""
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((FUNCTIONS, POINTS, 3)), rng.integers(0, 2, (FUNCTIONS, POINTS))
    targets, x, weights = (rng.standard_normal((FUNCTIONS, n)) for n in (POINTS, 4, 12))
    X = np.concatenate([features, np.ones((FUNCTIONS, POINTS, 1))], axis=2).swapaxes(1, 2).copy()
    sign, own = 2.0 * labels - 1.0, np.stack([1.0 - labels, labels], axis=1)
    first, second = Logistic().from_data(features, labels), RobustRegression().from_data(features, targets)
    third = NeuralNet().from_data(features[..., 1:], labels, weights)
    two = X[:, 1:].copy()
    return {
        "logistic": (lambda: first.value_and_grad(x), lambda: in_parts(logistic, x, X, sign, l2=5e-4)),
        "robust": (lambda: second.value_and_grad(x), lambda: in_parts(robust, x, X, targets)),
        "neural-net": (lambda: third.value_and_grad(weights),
                       lambda: in_parts(neural_net, weights, two, own, sizes=(2, 2, 2), l2=5e-4)),
    }


def main():
    """Compare, time, print."""
    given = arguments(__doc__.splitlines()[0], rounds=30).parse_args()
    one_core()
    calls = {(family, name): call for family, pair in pairs().items() for name, call in zip(("l2o", "NumPy"), pair)}
    check(calls)
    times = {key: 1e6 * best / FUNCTIONS for key, best in best_of(calls, given.rounds).items()}
    record = {"machine": machine("l2o", "numpy"), "rounds": given.rounds,
              "microseconds": {family: {name: times[family, name] for name in ("l2o", "NumPy")} for family, _ in times}}
    rows = [[family, f"{each['l2o']:.2f}", f"{each['NumPy']:.2f} ({each['NumPy'] / each['l2o']:.1f})"]
            for family, each in record["microseconds"].items()]
    publish("objectives", f"{table(['microseconds', 'l2o', 'NumPy'], rows)}\n\nA value and a gradient of one of "
            f"{FUNCTIONS} functions; best of {given.rounds} rounds. {sentence(record['machine'])}", record, given)


def check(calls):
    """Raise SystemExit if the answers of l2o and NumPy differ."""
    for family, name in calls:
        ours, theirs = calls[family, "l2o"](), calls[family, name]()
        if not all(np.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(ours, theirs)):
            raise SystemExit(f"{family}: the answer of {name} is not that of l2o; no times")


if __name__ == "__main__":
    main()
