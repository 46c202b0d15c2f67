"""Kernels of the non-convex families against oracles.py, at kinks and far out; test_kernels runs it at every level."""

import numpy as np
import oracles
import pytest

from l2o.families import NeuralNet, RobustRegression

EXACT = {"rtol": 1e-12, "atol": 1e-12}
NUMBERS_OF_POINTS = [1, 7, 8, 9, 100, 128, 129, 513]  # round a lane of 8 and a chunk of 128


def same(problems, x, formula, hessian):
    """Compare value, gradient and Hessian at x (m, d) with formulas of the member's number."""
    f, g = problems.value_and_grad(x)
    H = problems.hessian(x)
    for i in range(len(x)):
        value, gradient = formula(i, x[i])
        np.testing.assert_allclose(f[i], value, **EXACT)
        np.testing.assert_allclose(g[i], gradient, **EXACT)
        np.testing.assert_allclose(H[i], hessian(i, x[i]), **EXACT)
        np.testing.assert_array_equal(H[i], H[i].T)


# -- robust regression ---------------------------------------------------------------------------------


def robust_data(n, p, seed=0, m=3):
    """Return features (m, n, p), targets (m, n) and points (m, p + 1)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n, p)), 2 * rng.standard_normal((m, n)), rng.standard_normal((m, p + 1))


@pytest.mark.parametrize("n", NUMBERS_OF_POINTS)
@pytest.mark.parametrize("p", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("c", [1.0, 0.3, 7.0])
def test_robust_equals_its_formula(n, p, c):
    X, y, x = robust_data(n, p)
    same(RobustRegression(p, c=c).from_data(X, y), x, lambda i, at: oracles.robust(at, X[i], y[i], c),
         lambda i, at: oracles.robust_hessian(at, X[i], y[i], c))


def test_robust_of_residuals_and_c_of_one_scale_is_the_same():
    X, y, x = robust_data(50, 3)
    f, g = RobustRegression(c=1.0).from_data(X, y).value_and_grad(x)
    scaled, slope = RobustRegression(c=40.0).from_data(X, 40 * y).value_and_grad(40 * x)
    np.testing.assert_allclose(scaled, f, **EXACT)
    np.testing.assert_allclose(slope, g / 40, **EXACT)


@pytest.mark.parametrize("residual", [1e-160, 1e-9, 1e-3, 1.0, 1e3, 1e9, 1e120, 1e200])
def test_robust_is_exact_for_a_residual_of_any_size(residual):
    problems = RobustRegression(1).from_data(np.zeros((1, 1, 1)), [[residual]])
    f, g = problems.value_and_grad(np.zeros((1, 2)))
    expected = residual**2 / (1 + residual**2) if residual < 1e100 else 1.0
    slope = -2 * residual / (1 + residual**2) ** 2 if residual < 1e70 else 0.0
    np.testing.assert_allclose(f, [expected], rtol=1e-15, atol=1e-310)
    np.testing.assert_allclose(g, [[0.0, slope]], rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("size", [1e8, 1e155, 1e200, 1.7e308])
def test_robust_far_out_is_one_and_flat(size):
    """With such parameters each residual is huge, or an overflow of either sign, or the difference of two."""
    X = np.array([[[3.0, 4.0], [-3.0, 2.0], [30.0, -20.0]]])
    problems = RobustRegression(2).from_data(X, [[1.0, 2.0, 3.0]])
    f, g = problems.value_and_grad([[size, size, -size / 2]])
    np.testing.assert_allclose(f, [1.0], rtol=1e-12)
    np.testing.assert_allclose(g, np.zeros((1, 3)), atol=1e-20)
    np.testing.assert_allclose(problems.hessian([[size, size, -size / 2]]), np.zeros((1, 3, 3)), atol=1e-20)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_robust_of_a_nonfinite_point_is_not_finite(bad):
    X, y, x = robust_data(9, 3)
    x[1, 2] = bad
    problems = RobustRegression(3).from_data(X, y)
    f, g = problems.value_and_grad(x)
    assert np.isfinite(f).tolist() == [True, False, True]
    assert np.isfinite(g).all(axis=1).tolist() == [True, False, True]
    assert np.isfinite(problems.hessian(x)).all(axis=(1, 2)).tolist() == [True, False, True]


def test_robust_of_duplicated_points_is_the_same():
    X, y, x = robust_data(37, 3)
    once = RobustRegression(3).from_data(X, y)
    many = RobustRegression(3).from_data(np.tile(X, (1, 31, 1)), np.tile(y, (1, 31)))
    for one, other in zip((*once.value_and_grad(x), once.hessian(x)), (*many.value_and_grad(x), many.hessian(x))):
        np.testing.assert_allclose(other, one, **EXACT)


# -- neural net ----------------------------------------------------------------------------------------

# inputs, hidden units, classes: small, odd, more columns than a pass has, chunks shortened by rows and by classes
SIZES = [(2, 2, 2), (1, 1, 2), (3, 5, 4), (9, 8, 2), (4, 3, 10), (2, 100, 3), (2, 2, 300), (1, 511, 2)]


def net_data(n, sizes, seed=0, m=3, l2=0.01):
    """Return features (m, n, p), labels (m, n) and the problems of them with random starts."""
    rng = np.random.default_rng(seed)
    family = NeuralNet(*sizes, l2=l2)
    X, y = rng.standard_normal((m, n, sizes[0])), rng.integers(0, sizes[2], (m, n))
    return X, y, family.from_data(X, y, rng.standard_normal((m, family.dim)))


@pytest.mark.parametrize("n", NUMBERS_OF_POINTS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_neural_net_equals_its_formula(n, sizes):
    X, y, problems = net_data(n, sizes)
    f, g = problems.value_and_grad(problems.x0)
    for i in range(3):
        value, gradient = oracles.neural_net(problems.x0[i], X[i], y[i], sizes, 0.01)
        np.testing.assert_allclose(f[i], value, **EXACT)
        np.testing.assert_allclose(g[i], gradient, **EXACT)


@pytest.mark.parametrize("n", [1, 9, 100, 513])
@pytest.mark.parametrize("sizes", SIZES[:5], ids=str)
def test_neural_net_hessian_equals_its_formula(n, sizes):
    X, y, problems = net_data(n, sizes, m=2)
    same(problems, problems.x0, lambda i, x: oracles.neural_net(x, X[i], y[i], sizes, 0.01),
         lambda i, x: oracles.neural_net_hessian(x, X[i], y[i], sizes, 0.01))


def test_neural_net_hessian_in_more_than_one_chunk_equals_differences():
    """150 hidden units leave 24 points at a time."""
    _, _, problems = net_data(70, (1, 150, 3), m=1)
    x, direction = problems.x0[0], np.random.default_rng(1).standard_normal(problems.dim)
    along = oracles.slope(lambda t: problems[0].grad(x + t * direction), np.zeros(1))[:, 0]
    np.testing.assert_allclose(problems[0].hessian(x) @ direction, along, rtol=1e-6, atol=1e-6)


def test_neural_net_two_classes_are_a_logistic_regression_of_the_hidden_units():
    """Written by the difference of the scores: log(1 + exp(-margin))."""
    X, y, problems = net_data(40, (2, 2, 2), l2=0.0)
    for i in range(3):
        W, b, U, c = oracles.layers(problems.x0[i], 2, 2, 2)
        hidden = np.maximum(X[i] @ W.T + b, 0)
        expected, _ = oracles.logistic(np.append(U[1] - U[0], c[1] - c[0]), hidden, y[i], 0.0)
        np.testing.assert_allclose(problems[i].fun(problems.x0[i]), expected, **EXACT)


@pytest.mark.parametrize("size", [30.0, 800.0, 1e6, 1e150])
@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 3, 5)], ids=str)
def test_neural_net_holds_for_huge_scores(size, sizes):
    X, y, problems = net_data(100, sizes, l2=0.0)
    x = problems.x0.copy()
    x[:, sizes[1] * (sizes[0] + 1) :] *= size
    f, g = problems.value_and_grad(x)
    for i in range(3):
        value, gradient = oracles.neural_net(x[i], X[i], y[i], sizes, 0.0)
        np.testing.assert_allclose(f[i], value, rtol=1e-12)
        np.testing.assert_allclose(g[i], gradient, rtol=1e-12, atol=1e-12 * np.abs(gradient).max())


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("gap", [1.0, 1e3, 1e17])
def test_neural_net_sees_the_largest_score_wherever_it_stands(order, gap):
    """Scores c alone, W and U zero: the loss of the best class is that of a softmax, whatever came before it."""
    family = NeuralNet(1, 1, 3, l2=0.0)
    scores = np.array([-gap, 1.0, 2.0])[list(order)]
    for label in range(3):
        x = np.concatenate([np.zeros(5), scores])
        f, g = family.from_data(np.zeros((1, 2, 1)), [[label] * 2], x[None]).value_and_grad(x[None])
        np.testing.assert_allclose(f, [np.logaddexp.reduce(scores) - scores[label]], rtol=1e-14)
        np.testing.assert_allclose(g[0, 5:], oracles.softmax(scores) - np.eye(3)[label], rtol=1e-14, atol=1e-15)


def test_neural_net_that_is_sure_and_right_has_no_loss():
    family = NeuralNet(1, 1, 2, l2=0.0)  # hidden = max(x, 0), scores +-50 (hidden - 1/2): 0 for x = -1 and 1 for x = 1
    x = np.array([[1e3, 0.0, 1.0, -1.0, -500.0, 500.0]])
    f, g = family.from_data([[[1.0], [-1.0]]], [[0, 1]], x).value_and_grad(x)
    assert f.tolist() == [0.0]
    assert not g.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(12))
def test_neural_net_of_a_nonfinite_point_is_not_finite(bad, where):
    _, _, problems = net_data(9, (2, 2, 2), l2=0.0)
    x = problems.x0.copy()
    x[1, where] = bad
    f, g = problems.value_and_grad(x)
    assert np.isfinite(f).tolist() == [True, False, True]
    assert np.isfinite(g[[0, 2]]).all()


def test_neural_net_of_duplicated_points_is_the_same():
    X, y, once = net_data(37, (2, 3, 4))
    many = NeuralNet(2, 3, 4, l2=0.01).from_data(np.tile(X, (1, 31, 1)), np.tile(y, (1, 31)), once.x0)
    x = once.x0
    for one, other in zip((*once.value_and_grad(x), once.hessian(x)), (*many.value_and_grad(x), many.hessian(x))):
        np.testing.assert_allclose(other, one, **EXACT)


# -- the kink of max(., 0) -----------------------------------------------------------------------------


def at_the_kink():
    """Return one problem of point (3, 5), label 1, and parameters at which unit 0 is at 0 exactly and unit 1 at 13."""
    family = NeuralNet(l2=0.0)
    x = np.array([2.0, -3.0, 1.0, 1.0, 9.0, 5.0, 0.7, -0.01, -0.2, 0.02, 0.1, 0.3])
    return family.from_data([[[3.0, 5.0]]], [[1]], x[None])[0], x


def test_derivative_at_the_kink_is_that_of_a_dead_unit():
    objective, x = at_the_kink()
    value, gradient = objective.value_and_grad(x)
    expected, slope = oracles.neural_net(x, np.array([[3.0, 5.0]]), np.array([1]), (2, 2, 2), 0.0)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient, slope, rtol=1e-13, atol=1e-16)
    own = [0, 1, 4, 6, 8]  # what enters unit 0 and what leaves it
    assert not gradient[own].any()
    assert gradient[[2, 3, 5, 7, 9, 10, 11]].all()
    assert not objective.hessian(x)[own].any()


@pytest.mark.parametrize("h", [2**-10, 2**-30, 2**-49], ids=["2^-10", "2^-30", "2^-49"])
def test_gradient_is_right_on_either_side_of_the_kink(h):
    """The one-sided slopes along the bias of unit 0 are 0 and U' (softmax - own); the value has no jump."""
    objective, x = at_the_kink()
    bias, (_, _, U, c) = np.eye(12)[4], oracles.layers(x, 2, 2, 2)
    below, above = objective.grad(x - h * bias), objective.grad(x + h * bias)
    hidden = np.array([x[4] + h - 9.0, 13.0])
    assert below[4] == 0.0
    np.testing.assert_allclose(above[4], U[:, 0] @ (oracles.softmax(U @ hidden + c) - [0, 1]), rtol=1e-12)
    np.testing.assert_allclose(above[:2], above[4] * np.array([3.0, 5.0]), rtol=1e-12)
    assert objective.fun(x - h * bias) == objective.fun(x)
    np.testing.assert_allclose(objective.fun(x + h * bias) - objective.fun(x), h * above[4], rtol=1e-2, atol=3e-16)


def test_smallest_activation_counts_as_active():
    family = NeuralNet(1, 1, 2, l2=0.0)
    x = np.array([[5e-324, 0.0, 1.0, -1.0, 0.0, 0.0]])
    problems = family.from_data([[[1.0]]], [[1]], x)
    np.testing.assert_allclose(problems.value_and_grad(x)[1][0, :2], [1.0, 1.0])  # (1 (1/2) - 1 (1/2 - 1))


def test_hessian_is_that_of_the_smooth_piece_next_to_a_kink():
    objective, x = at_the_kink()
    for side in (-1e-3, 1e-3):
        at = x + side * np.eye(12)[4]
        np.testing.assert_allclose(objective.hessian(at), oracles.slope(objective.grad, at), rtol=1e-6, atol=1e-8)
