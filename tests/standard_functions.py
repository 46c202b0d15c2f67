"""Standard test functions with their gradients and standard starting points, brought to any dimension.

Most are sums of squares from Moré, Garbow and Hillstrom, "Testing unconstrained optimization software", ACM
Transactions on Mathematical Software 7 (1981), numbered as there; the others are named after their authors. A
function of 2, 3 or 4 variables is repeated on consecutive blocks of them, each block from its own starting point,
since equal blocks would be one; variables left over stand in a parabola.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["FUNCTIONS", "StandardFunction"]


@dataclass(frozen=True)
class StandardFunction:
    """A function with its gradient, x (d,) -> (f, g), and its starting point, d -> (d,)."""

    name: str
    value_and_grad: Callable
    start: Callable


FUNCTIONS: dict[str, StandardFunction] = {}


def add(name, value_and_grad, start):
    """Enter a function of any dimension."""
    FUNCTIONS[name] = StandardFunction(name, value_and_grad, start)


def squares(residuals):
    """Return x -> (r'r, 2 J'r) of x -> (r (m,), J (m, d))."""

    def value_and_grad(x):
        with np.errstate(over="ignore", invalid="ignore"):  # of a long step
            r, J = residuals(x)
            return r @ r, 2 * J.T @ r

    return value_and_grad


def repeated(value_and_grad, size):
    """Return the sum over consecutive blocks of `size` variables; those left over stand in (x - 1)^2."""

    def total(x):
        whole = len(x) - len(x) % size
        parts = [value_and_grad(block) for block in x[:whole].reshape(-1, size)]
        rest = x[whole:] - 1
        return sum(f for f, _ in parts) + rest @ rest, np.concatenate([*(g for _, g in parts), 2 * rest])

    return total


def blockwise(*point):
    """Return the starts of blocks at a point, each a twentieth further out than the one before; 0 for the rest."""

    def start(d):
        blocks = [np.array(point) * (1 + k / 20) for k in range(d // len(point))]
        return np.concatenate([*blocks, np.zeros(d % len(point))])

    return start


def least_squares(name, start):
    """Enter a sum of squares of any dimension, given by its residuals and their Jacobian."""

    def enter(residuals):
        add(name, squares(residuals), start)
        return residuals

    return enter


def block(name, *point):
    """Enter a sum of squares of a few variables, given by its residuals and their Jacobian."""

    def enter(residuals):
        add(name, repeated(squares(residuals), len(point)), blockwise(*point))
        return residuals

    return enter


def general(name, start):
    """Enter a function of any dimension, given with its gradient."""

    def enter(value_and_grad):
        add(name, value_and_grad, start)
        return value_and_grad

    return enter


def constant(value):
    """Return the start with all variables equal."""
    return lambda d: np.full(d, float(value))


# -- blocks of two -------------------------------------------------------------------------------------


@block("rosenbrock", -1.2, 1.0)
def rosenbrock(x):  # 1
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([[-20 * x[0], 10], [-1, 0]])


@block("freudenstein-roth", 0.5, -2.0)
def freudenstein_roth(x):  # 2
    a, b = x
    return (np.array([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b]),
            np.array([[1, 10 * b - 3 * b**2 - 2], [1, 3 * b**2 + 2 * b - 14]]))


@block("powell-badly-scaled", 0.0, 1.0)
def powell_badly_scaled(x):  # 3
    e = np.exp(-x)
    return np.array([1e4 * x[0] * x[1] - 1, e.sum() - 1.0001]), np.array([[1e4 * x[1], 1e4 * x[0]], -e])


@block("brown-badly-scaled", 1.0, 1.0)
def brown_badly_scaled(x):  # 4
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]), np.array([[1, 0], [0, 1], [x[1], x[0]]])


@block("beale", 1.0, 1.0)
def beale(x):  # 5
    i = np.arange(1, 4)
    return (np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** i),
            np.column_stack([x[1] ** i - 1, x[0] * i * x[1] ** (i - 1)]))


@block("jennrich-sampson", 0.3, 0.4)
def jennrich_sampson(x):  # 6
    i = np.arange(1, 11)[:, None]
    e = np.exp(i * x)
    return 2 + 2 * i[:, 0] - e.sum(axis=1), -i * e


@block("himmelblau", 1.0, 0.5)
def himmelblau(x):
    return (np.array([x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7]), np.array([[2 * x[0], 1], [1, 2 * x[1]]]))


# -- blocks of three -----------------------------------------------------------------------------------


@block("helical-valley", -1.0, 0.0, 0.0)
def helical_valley(x):  # 7
    a, b, c = x
    radius = np.hypot(a, b)
    turn = np.arctan2(b, a) / (2 * np.pi) if a > 0 else np.arctan(b / a) / (2 * np.pi) + 0.5
    slope = 100 / (2 * np.pi * radius**2)
    return (np.array([10 * (c - 10 * turn), 10 * (radius - 1), c]),
            np.array([[slope * b, -slope * a, 10], [10 * a / radius, 10 * b / radius, 0], [0, 0, 1]]))


BARD = np.array([14, 18, 22, 25, 29, 32, 35, 39, 37, 58, 73, 96, 134, 210, 439]) / 100


@block("bard", 1.0, 1.0, 1.0)
def bard(x):  # 8
    u = np.arange(1, 16.0)
    v, w = 16 - u, np.minimum(u, 16 - u)
    below = v * x[1] + w * x[2]
    return BARD - x[0] - u / below, np.column_stack([-np.ones(15), u * v / below**2, u * w / below**2])


GAUSSIAN = np.array([9, 44, 175, 540, 1295, 2420, 3521, 3989, 3521, 2420, 1295, 540, 175, 44, 9]) / 1e4


@block("gaussian", 0.4, 1.0, 0.0)
def gaussian(x):  # 9
    away = (8 - np.arange(1, 16)) / 2 - x[2]
    e = np.exp(-x[1] * away**2 / 2)
    return x[0] * e - GAUSSIAN, np.column_stack([e, -x[0] * e * away**2 / 2, x[0] * e * x[1] * away])


@block("box", 0.0, 10.0, 20.0)
def box(x):  # 12
    t = np.arange(1, 11) / 10
    e = np.exp(-np.outer(t, x[:2]))
    known = np.exp(-t) - np.exp(-10 * t)
    return e[:, 0] - e[:, 1] - x[2] * known, np.column_stack([-t * e[:, 0], t * e[:, 1], -known])


# -- blocks of four ------------------------------------------------------------------------------------


@block("powell-singular", 3.0, -1.0, 0.0, 1.0)
def powell_singular(x):  # 13
    a, b, c, d = x
    five, ten = np.sqrt([5, 10])
    p, q = b - 2 * c, a - d
    return (np.array([a + 10 * b, five * (c - d), p**2, ten * q**2]),
            np.array([[1, 10, 0, 0], [0, 0, five, -five], [0, 2 * p, -4 * p, 0], [2 * ten * q, 0, 0, -2 * ten * q]]))


@block("wood", -3.0, -1.0, -3.0, -1.0)
def wood(x):  # 14
    a, b, c, d = x
    ninety, ten = np.sqrt([90, 10])
    return (np.array([10 * (b - a**2), 1 - a, ninety * (d - c**2), 1 - c, ten * (b + d - 2), (b - d) / ten]),
            np.array([[-20 * a, 10, 0, 0], [-1, 0, 0, 0], [0, 0, -2 * ninety * c, ninety], [0, 0, -1, 0],
                      [0, ten, 0, ten], [0, 1 / ten, 0, -1 / ten]]))


KOWALIK = np.array([1957, 1947, 1735, 1600, 844, 627, 456, 342, 323, 235, 246]) / 1e4
DOSES = 1 / np.array([1 / 4, 1 / 2, 1, 2, 4, 6, 8, 10, 12, 14, 16])


@block("kowalik-osborne", 0.25, 0.39, 0.415, 0.39)
def kowalik_osborne(x):  # 15
    above, below = DOSES**2 + DOSES * x[1], DOSES**2 + DOSES * x[2] + x[3]
    ratio = above / below
    slope = x[0] * ratio / below
    return KOWALIK - x[0] * ratio, np.column_stack([-ratio, -x[0] * DOSES / below, slope * DOSES, slope])


@block("brown-dennis", 25.0, 5.0, -5.0, -1.0)
def brown_dennis(x):  # 16
    t = np.arange(1, 21) / 5
    p, q = x[0] + t * x[1] - np.exp(t), x[2] + np.sin(t) * x[3] - np.cos(t)
    return p**2 + q**2, 2 * np.column_stack([p, t * p, q, np.sin(t) * q])


# -- any dimension: sums of squares --------------------------------------------------------------------


@least_squares("penalty-1", lambda d: np.arange(1.0, d + 1))
def penalty_1(x):  # 23
    small = np.sqrt(1e-5)
    return np.append(small * (x - 1), x @ x - 0.25), np.vstack([small * np.eye(len(x)), 2 * x])


@least_squares("penalty-2", constant(0.5))
def penalty_2(x):  # 24
    d, small = len(x), np.sqrt(1e-5)
    i, e = np.arange(2, d + 1), np.exp(x / 10)
    known, eye, weight = np.exp(i / 10) + np.exp((i - 1) / 10), np.eye(d), np.arange(d, 0, -1)
    r = np.concatenate([[x[0] - 0.2], small * (e[1:] + e[:-1] - known), small * (e[1:] - np.exp(-0.1)),
                        [weight @ x**2 - 1]])
    J = np.vstack([eye[:1], small / 10 * (eye[1:] * e + eye[:-1] * e), small / 10 * eye[1:] * e, 2 * weight * x])
    return r, J


@least_squares("variably-dimensioned", lambda d: 1 - np.arange(1, d + 1) / d)
def variably_dimensioned(x):  # 25
    j = np.arange(1, len(x) + 1)
    total = j @ (x - 1)
    return np.concatenate([x - 1, [total, total**2]]), np.vstack([np.eye(len(x)), j, 2 * total * j])


@least_squares("trigonometric", lambda d: np.full(d, 1 / d))
def trigonometric(x):  # 26
    d = len(x)
    i = np.arange(1, d + 1)
    r = d - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)
    return r, np.tile(np.sin(x), (d, 1)) + np.diag(i * np.sin(x) - np.cos(x))


@least_squares("brown-almost-linear", constant(0.5))
def brown_almost_linear(x):  # 27
    d = len(x)
    others = np.array([np.prod(np.delete(x, j)) for j in range(d)])
    return (np.append(x[:-1] + x.sum() - (d + 1), np.prod(x) - 1),
            np.vstack([np.eye(d)[:-1] + 1, others]))


@least_squares("discrete-boundary", lambda d: (t := np.arange(1, d + 1) / (d + 1)) * (t - 1))
def discrete_boundary(x):  # 28
    d = len(x)
    h, t = 1 / (d + 1), np.arange(1, d + 1) / (d + 1)
    second = 2 * np.eye(d) - np.eye(d, k=1) - np.eye(d, k=-1)
    return second @ x + h**2 * (x + t + 1) ** 3 / 2, second + np.diag(1.5 * h**2 * (x + t + 1) ** 2)


@least_squares("discrete-integral", lambda d: (t := np.arange(1, d + 1) / (d + 1)) * (t - 1))
def discrete_integral(x):  # 29
    d = len(x)
    t = np.arange(1, d + 1) / (d + 1)
    green = np.where(np.tri(d, dtype=bool), np.outer(1 - t, t), np.outer(t, 1 - t)) / (2 * (d + 1))
    return x + green @ (x + t + 1) ** 3, np.eye(d) + 3 * green * (x + t + 1) ** 2


@least_squares("broyden-tridiagonal", constant(-1))
def broyden_tridiagonal(x):  # 30
    d = len(x)
    near = -np.eye(d, k=-1) - 2 * np.eye(d, k=1)
    return (3 - 2 * x) * x + near @ x + 1, np.diag(3 - 4 * x) + near


@least_squares("broyden-banded", constant(-1))
def broyden_banded(x):  # 31
    d = len(x)
    i = np.arange(d)
    near = (i[:, None] != i) & (i >= i[:, None] - 5) & (i <= i[:, None] + 1)
    return x * (2 + 5 * x**2) + 1 - near @ (x * (1 + x)), np.diag(2 + 15 * x**2) - near * (1 + 2 * x)


@least_squares("linear-full-rank", constant(1))
def linear_full_rank(x):  # 32
    d = len(x)
    J = np.vstack([np.eye(d), np.zeros((d, d))]) - 1 / d
    return J @ x - 1, J


@least_squares("linear-rank-1", constant(1))
def linear_rank_1(x):  # 33
    J = np.outer(np.arange(1, 2 * len(x) + 1), np.arange(1, len(x) + 1))
    return J @ x - 1, J


@least_squares("chebyquad", lambda d: np.arange(1, d + 1) / (d + 1))
def chebyquad(x):  # 35
    d, z = len(x), 2 * x - 1
    T, slope = [np.ones(d), z], [np.zeros(d), 2 * np.ones(d)]
    for _ in range(2, d + 1):
        T.append(2 * z * T[-1] - T[-2])
        slope.append(4 * T[-2] + 2 * z * slope[-1] - slope[-2])
    i = np.arange(1, d + 1)
    mean = np.array([0.0 if k % 2 else -1 / (k**2 - 1) for k in i])
    return np.mean(T[1:], axis=1) - mean, np.array(slope[1:]) / d


@least_squares("chained-rosenbrock", lambda d: np.tile([-1.2, 1.0], d)[:d])
def chained_rosenbrock(x):
    d = len(x)
    return (np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]),
            np.vstack([10 * np.eye(d)[1:] - 20 * x[:-1, None] * np.eye(d)[:-1], -np.eye(d)[:-1]]))


@least_squares("dixon-price", lambda d: np.linspace(3, -2, d))
def dixon_price(x):
    d = len(x)
    i = np.sqrt(np.arange(2, d + 1))[:, None]
    bends = 2 * x[1:] ** 2 - x[:-1]
    return (np.append(x[0] - 1, i[:, 0] * bends),
            np.vstack([np.eye(d)[:1], i * (4 * x[1:, None] * np.eye(d)[1:] - np.eye(d)[:-1])]))


# -- any dimension: others -----------------------------------------------------------------------------


@general("styblinski-tang", lambda d: np.linspace(-4, 3.5, d))
def styblinski_tang(x):
    return (x**4 - 16 * x**2 + 5 * x).sum() / 2, 2 * x**3 - 16 * x + 2.5


@general("zakharov", lambda d: np.linspace(2, -1, d))
def zakharov(x):
    weight = np.arange(1, len(x) + 1) / 2
    s = weight @ x
    return x @ x + s**2 + s**4, 2 * x + (2 * s + 4 * s**3) * weight


@general("mild-rastrigin", lambda d: np.linspace(-2.3, 1.7, d))
def mild_rastrigin(x):  # ten times shallower than Rastrigin's
    return (x**2 + 1 - np.cos(2 * np.pi * x)).sum(), 2 * x + 2 * np.pi * np.sin(2 * np.pi * x)


@general("smoothed-ackley", lambda d: np.linspace(-1.5, 2.5, d))
def smoothed_ackley(x):  # the root of Ackley's is smoothed at 0
    root = np.sqrt(0.1 + (x**2).mean())
    far, near = 20 * np.exp(-0.2 * root), np.exp(np.cos(2 * np.pi * x).mean())
    return 20 + np.e - far - near, (0.2 * far * x / root + near * 2 * np.pi * np.sin(2 * np.pi * x)) / len(x)


@general("griewank", lambda d: np.linspace(-6, 5, d))
def griewank(x):
    root = np.sqrt(np.arange(1, len(x) + 1))
    c = np.cos(x / root)
    others = np.array([np.prod(np.delete(c, j)) for j in range(len(x))])
    return 1 + x @ x / 4000 - np.prod(c), x / 2000 + others * np.sin(x / root) / root


@general("levy", lambda d: np.linspace(-3, 4, d))
def levy(x):
    w = 1 + (x - 1) / 4
    inner, last = np.pi * w[:-1] + 1, 2 * np.pi * w[-1]
    f = (np.sin(np.pi * w[0]) ** 2 + ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(inner) ** 2)).sum()
         + (w[-1] - 1) ** 2 * (1 + np.sin(last) ** 2))
    g = np.zeros_like(x)
    g[0] = np.pi * np.sin(2 * np.pi * w[0])
    g[:-1] += (2 * (w[:-1] - 1) * (1 + 10 * np.sin(inner) ** 2)
               + (w[:-1] - 1) ** 2 * 10 * np.pi * np.sin(2 * inner))
    g[-1] += 2 * (w[-1] - 1) * (1 + np.sin(last) ** 2) + (w[-1] - 1) ** 2 * 2 * np.pi * np.sin(2 * last)
    return f, g / 4


@general("sum-of-quartics", constant(1))
def sum_of_quartics(x):
    i = np.arange(1, len(x) + 1)
    return i @ x**4, 4 * i * x**3


@general("arrow-head", constant(1))
def arrow_head(x):
    pairs = x[:-1] ** 2 + x[-1] ** 2
    return ((pairs**2 - 4 * x[:-1] + 3).sum(), np.append(4 * pairs * x[:-1] - 4, 4 * x[-1] * pairs.sum()))


@general("log-sum-exp", lambda d: np.linspace(-2, 3, d))
def log_sum_exp(x):
    d = len(x)
    rows = np.vstack([np.eye(d), -np.eye(d), np.cos(np.outer(np.arange(1, d + 1), np.arange(d)))])
    z = rows @ x - np.linspace(0, 1, 3 * d)
    p = np.exp(z - z.max())
    return z.max() + np.log(p.sum()), rows.T @ (p / p.sum())


@general("pseudo-huber", lambda d: np.linspace(-20, 30, d))
def pseudo_huber(x):
    d = len(x)
    rows = np.sin(np.outer(np.arange(1, 3 * d + 1), np.arange(1, d + 1)))
    root = np.sqrt(1 + (rows @ x - np.linspace(-2, 2, 3 * d)) ** 2)
    return (root - 1).sum(), rows.T @ ((rows @ x - np.linspace(-2, 2, 3 * d)) / root)


@general("geman-mcclure", lambda d: np.linspace(-1, 1, d))
def geman_mcclure(x):
    d = len(x)
    rows = np.sin(np.outer(np.arange(1, 5 * d + 1), np.arange(1, d + 1)))
    r = rows @ x - rows @ np.ones(d) - 0.3 * np.cos(7 * np.arange(5 * d))
    return (r**2 / (1 + r**2)).mean(), rows.T @ (2 * r / (1 + r**2) ** 2) / len(r)


def quadratic(condition):
    """Return a convex quadratic with eigenvalues from 1 to `condition`, its axes turned by a reflection."""

    def value_and_grad(x):
        v = np.cos(np.arange(1, len(x) + 1))
        turn = np.eye(len(x)) - 2 * np.outer(v, v) / (v @ v)
        curvature = np.geomspace(1, condition, len(x))
        away = turn @ (x - 1)
        return curvature @ away**2 / 2, turn.T @ (curvature * away)

    return value_and_grad


for _condition in (10, 1000, 100000):
    add(f"quadratic-{_condition}", quadratic(_condition), lambda d: np.linspace(-2, 3, d))
