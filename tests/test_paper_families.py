"""The families of the paper: their laws and formulas, and data that a user brings to them."""

import dataclasses

import numpy as np
import oracles
import pytest
from test_families import points, same

import l2o
from l2o.families import PAPER, Logistic, NeuralNet, RobustRegression


@pytest.fixture(params=PAPER)
def family(request):
    """Return a family of default settings."""
    return PAPER[request.param]()


def data(family, m=2, n=10):
    """Return features, labels 0/1 and starting points that fit a family; its first setting counts the features."""
    rng = np.random.default_rng(5)
    p = getattr(family, dataclasses.fields(family)[0].name)
    X, y = rng.standard_normal((m, n, p)), rng.integers(0, 2, (m, n)).astype(float)
    return X, y, rng.standard_normal((m, family.dim))


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "n_training"), [("logistic", 90), ("robust", 120), ("neural-net", 80)])
def test_numbers_of_functions_are_those_of_the_paper(name, n_training):
    assert (PAPER[name].n_training, PAPER[name].n_test) == (n_training, 100)


@pytest.mark.parametrize(("name", "field"), [(name, field.name) for name, each in PAPER.items()
                                             for field in dataclasses.fields(each)])
def test_setting_out_of_range_is_an_error(name, field):
    """Counts are at least 1, numbers at least 0."""
    for value in (0, -1) if isinstance(getattr(PAPER[name](), field), int) else (-1.0, -1e-300):
        with pytest.raises(ValueError, match=f"{field} is {value}"):
            PAPER[name](**{field: value})


# -- from_data -----------------------------------------------------------------------------------------


def test_data_of_any_number_of_points_is_taken(family):
    for n in (1, 3, 8, 77):
        problems = family.from_data(*data(family, n=n))
        f, g = problems.value_and_grad(points(problems))
        assert np.isfinite(f).all()
        assert np.isfinite(g).all()


def test_inputs_are_read_only_and_stay_as_they_are(family):
    given = data(family)
    copies = [part.copy() for part in given]
    for part in given:
        part.flags.writeable = False
    problems = family.from_data(*given)
    x = points(problems)
    x.flags.writeable = False
    problems.value_and_grad(x)
    l2o.rollout(problems, given[2], method="momentum", n_steps=3)
    l2o.minimize_many(problems, given[2], method="momentum", options={"maxiter": 3})
    assert all(np.array_equal(one, other) for one, other in zip(given, copies))


def test_problems_keep_their_data_when_the_arrays_change(family):
    given = data(family)
    problems = family.from_data(*given)
    before = problems.value_and_grad(points(problems))
    given[0][...], given[1][...] = 9.0, 1.0
    for one, other in zip(before, problems.value_and_grad(points(problems))):
        np.testing.assert_array_equal(one, other)


def test_inputs_of_any_layout_mean_the_same(family):
    X, y, x0 = (np.round(4 * part) / 4 for part in data(family))
    plain = family.from_data(X, y, x0)
    assert same(plain, family.from_data(X.tolist(), y.astype(bool), x0.tolist()))
    assert same(plain, family.from_data(np.asfortranarray(X), y.astype(int), np.asfortranarray(x0)))
    assert same(plain, family.from_data(X.astype(np.float32), y.astype(">f8"), np.repeat(x0, 2, axis=0)[::2]))


def test_shape_that_does_not_fit_is_an_error_that_names_it(family):
    X, y, x0 = data(family)
    for bad in (X[0, 0], X[..., :-1], X[None]):
        with pytest.raises(ValueError, match="X has shape"):
            family.from_data(bad, y, x0)
    for bad in (y[0], y[:, :-1], y[:1], y[..., None]):
        with pytest.raises(ValueError, match="y has shape"):
            family.from_data(X, bad, x0)
    for bad in (x0[0, :-1], x0[:, :-1], x0[:1]):
        with pytest.raises(ValueError, match="x0 has shape"):
            family.from_data(X, y, bad)
    with pytest.raises(ValueError, match="X has 0 points"):
        family.from_data(X[:, :0], y[:, :0], x0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_not_finite_is_status_3_of_its_row_or_an_error_that_names_it(family, bad):
    good = l2o.minimize_many(family.from_data(*data(family)), method="lbfgs")
    others = np.arange(len(good)) != 1
    for which, name in enumerate(("X", "y", "x0")):
        given = list(data(family))
        given[which] = given[which].copy()
        given[which][1, 0] = bad
        batch = l2o.minimize_many(family.from_data(*given), method="lbfgs")
        assert batch.status[1] == 3
        np.testing.assert_array_equal(batch.x[others], good.x[others])
        with pytest.raises(ValueError, match=rf"{name} holds.*{bad} at \(1, 0"):
            family.from_data(*given, check="raise")
        given[which][:, 0] = bad
        with pytest.raises(ValueError, match=f"{name} holds.*{bad}"):
            family.from_data(*given)


def test_array_of_something_else_is_a_type_error(family):
    X, y, x0 = data(family)
    with pytest.raises(TypeError, match="X cannot be read"):
        family.from_data(np.full(X.shape, "a"), y, x0)
    with pytest.raises(TypeError, match="x0 cannot be read"):
        family.from_data(X, y, [[object()]])


def test_problems_keep_their_starts_when_those_given_change():
    rng = np.random.default_rng(0)
    X, y, x0 = rng.standard_normal((2, 5, 3)), np.zeros((2, 5)), np.ones((2, 4))
    problems = Logistic().from_data(X, y, x0)
    moved = problems.with_starts(x0)
    x0[:] = 9
    assert (problems.x0 == 1).all()
    assert (moved.x0 == 1).all()


# -- logistic ------------------------------------------------------------------------------------------


def test_logistic_equals_its_closed_formula():
    X, y, x0 = data(Logistic(), m=4, n=33)
    problems = Logistic(l2=0.3).from_data(X, y, x0)
    for i in range(4):
        f, g = oracles.logistic(x0[i], X[i], y[i], 0.3)
        np.testing.assert_allclose(problems[i].fun(x0[i]), f, rtol=1e-13)
        np.testing.assert_allclose(problems[i].grad(x0[i]), g, rtol=1e-13, atol=1e-15)


def test_logistic_starts_data_at_zero():
    X, y, _ = data(Logistic())
    problems = Logistic().from_data(X, y)
    assert problems.x0.tolist() == [[0.0] * 4] * 2
    np.testing.assert_allclose(problems.value_and_grad(problems.x0)[0], np.log(2), rtol=1e-15)


@pytest.mark.parametrize("label", [2.0, -2.0, 0.5])
def test_logistic_label_other_than_0_and_1_is_an_error(label):
    X, y, _ = data(Logistic())
    y[1, 3] = label
    with pytest.raises(ValueError, match=f"y holds the label {label}; expected 0 or 1"):
        Logistic().from_data(X, y)


def test_logistic_bias_is_not_regularised():
    X, y, x0 = data(Logistic())
    weak, strong = (Logistic(l2=l2).from_data(X, y, x0) for l2 in (0.0, 2.0))
    difference = strong.value_and_grad(x0)[1] - weak.value_and_grad(x0)[1]
    np.testing.assert_allclose(difference, 2.0 * x0 * [1, 1, 1, 0], rtol=1e-12, atol=1e-14)


def test_logistic_samples_follow_the_stated_law():
    """At 0 the gradient is -(m1 - m2)/4 for class means m of variance 1 + p/50, and 0 for the bias: equal classes."""
    problems = Logistic().sample(3000, rng=0)
    gradient = problems.value_and_grad(np.zeros((3000, 4)))[1]
    np.testing.assert_allclose(gradient[:, 3], 0, atol=1e-15)
    np.testing.assert_allclose(gradient[:, :3].mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(gradient[:, :3].var(axis=0), 2 * (1 + 3 / 50) / 16, rtol=0.1)
    np.testing.assert_allclose(np.cov(problems.x0.T), np.eye(4), atol=0.12)


# -- robust regression ---------------------------------------------------------------------------------


def test_robust_starts_data_at_zero():
    X, y, _ = data(RobustRegression())
    problems = RobustRegression(c=2.0).from_data(X, y)
    assert problems.x0.tolist() == [[0.0] * 4] * 2
    np.testing.assert_allclose(problems.value_and_grad(problems.x0)[0], (y**2 / (4 + y**2)).mean(axis=1), rtol=1e-15)


def test_robust_c_of_zero_is_an_error():
    with pytest.raises(ValueError, match=r"c is 0\.0; expected a finite number above 0"):
        RobustRegression(c=0)


def test_robust_takes_any_real_target():
    X, y, x0 = data(RobustRegression())
    problems = RobustRegression().from_data(X, y - 1e3 / 7, x0)
    np.testing.assert_allclose(problems[0].fun(x0[0]), oracles.robust(x0[0], X[0], y[0] - 1e3 / 7, 1.0)[0], rtol=1e-13)


@pytest.mark.parametrize(("n_clusters", "noise"), [(4, 1.0), (1, 0.0), (10, 3.0)])
def test_robust_samples_follow_the_stated_law(n_clusters, noise):
    """With a huge c it is least squares: c^2 f = mean y^2 and c^2 df/db = -2 mean y at 0; y = v . x + a + noise.

    The mean of y^2 is 2 p + 1 + noise^2. The clusters' means of y are independent; each has variance p + 1 from the
    mean of x and a, and (p + noise^2) / n from the n points.
    """
    family = RobustRegression(c=1e5, n_clusters=n_clusters, noise=noise)
    problems = family.sample(4000, rng=0)
    f, g = problems.value_and_grad(np.zeros((4000, 4)))
    np.testing.assert_allclose(1e10 * f.mean(), 7 + noise**2, rtol=0.05)
    bias = -0.5e10 * g[:, 3]
    np.testing.assert_allclose(bias.mean(), 0, atol=0.1)
    np.testing.assert_allclose(bias.var(), (4 + (3 + noise**2) * n_clusters / 100) / n_clusters, rtol=0.1)
    np.testing.assert_allclose(np.cov(problems.x0.T), np.eye(4), atol=0.12)


@pytest.mark.parametrize("family", [RobustRegression, NeuralNet])
def test_fewer_points_than_clusters_is_an_error(family):
    with pytest.raises(ValueError, match="n_points is 3; expected at least 4"):
        family(n_points=3)
    assert len(family(n_points=5).sample(2, rng=0)) == 2


# -- neural net ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 5, 4)], ids=str)
def test_neural_net_holds_w_b_u_c_row_by_row(sizes):
    family = NeuralNet(*sizes)
    X, _, x0 = data(family)
    y = np.random.default_rng(0).integers(0, sizes[2], X.shape[:2])
    problems = family.from_data(X, y, x0)
    assert family.dim == problems.dim == sizes[1] * (sizes[0] + 1) + sizes[2] * (sizes[1] + 1)
    for i in range(2):
        f, g = oracles.neural_net(x0[i], X[i], y[i], sizes, family.l2)
        np.testing.assert_allclose(problems[i].fun(x0[i]), f, rtol=1e-13)
        np.testing.assert_allclose(problems[i].grad(x0[i]), g, rtol=1e-12, atol=1e-15)


def test_neural_net_of_the_paper_has_twelve_parameters():
    assert NeuralNet().dim == 12


def test_neural_net_without_starting_points_is_an_error():
    X, y, x0 = data(NeuralNet())
    with pytest.raises(ValueError, match=r"x0 is None; expected starting points, for instance family.starts\(m, rng\)"):
        NeuralNet().from_data(X, y)
    gradient = NeuralNet().from_data(X, y, 0 * x0).value_and_grad(0 * x0)[1]
    assert not gradient[:, :10].any()  # why: nothing but the two biases of the scores would ever move


@pytest.mark.parametrize("label", [3.0, -1.0, 0.5])
def test_neural_net_label_that_is_no_class_is_an_error(label):
    family = NeuralNet(n_classes=3)
    X, y, x0 = data(family)
    y[1, 3] = label
    with pytest.raises(ValueError, match=f"y holds the label {label}; expected 0 to 2"):
        family.from_data(X, y, x0)


def test_neural_net_of_one_class_or_cluster_is_an_error():
    with pytest.raises(ValueError, match="n_classes is 1; expected at least 2"):
        NeuralNet(n_classes=1)
    with pytest.raises(ValueError, match="n_clusters is 1; expected at least 2"):
        NeuralNet(n_clusters=1)


def test_neural_net_that_is_too_wide_is_an_error():
    assert NeuralNet(n_hidden=511, n_classes=2).dim == 3 * 511 + 2 * 512
    with pytest.raises(ValueError, match="n_hidden is 512 and n_classes is 2; expected 2 n_hidden"):
        NeuralNet(n_hidden=512, n_classes=2)


def test_neural_net_biases_are_not_regularised():
    X, y, x0 = data(NeuralNet())
    weak, strong = (NeuralNet(l2=l2).from_data(X, y, x0) for l2 in (0.0, 2.0))
    difference = strong.value_and_grad(x0)[1] - weak.value_and_grad(x0)[1]
    np.testing.assert_allclose(difference, 2.0 * x0 * [1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0], rtol=1e-12, atol=1e-14)
    difference = strong.value_and_grad(x0)[0] - weak.value_and_grad(x0)[0]
    np.testing.assert_allclose(difference, (x0[:, [0, 1, 2, 3, 6, 7, 8, 9]] ** 2).sum(axis=1), rtol=1e-13)


def test_neural_net_samples_follow_the_stated_law():
    """W = 0, b = 1, scores 0, U = (1, 1), (-1, -1): the gradient by W is the mean of x for class 1, -x for class 0.

    Its variance is that of the mean of 4 independent cluster means, (1 + p/25) / 4. The gradient by c is 1/2 - share.
    """
    problems = NeuralNet(l2=0.0).sample(3000, rng=0)
    x = np.tile([0.0, 0, 0, 0, 1, 1, 1, 1, -1, -1, -2, 2], (3000, 1))
    f, g = problems.value_and_grad(x)
    np.testing.assert_allclose(f, np.log(2), rtol=1e-14)
    np.testing.assert_allclose(g[:, :4].mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(g[:, :4].var(axis=0), (1 + 2 / 25) / 4, rtol=0.1)
    ones = np.round(4 * (0.5 - g[:, 11]), 9)  # clusters of class 1: 1, 2 or 3 of 4, as of coins that do not all agree
    values, counts = np.unique(ones, return_counts=True)
    assert values.tolist() == [1, 2, 3]
    np.testing.assert_allclose(counts / 3000, np.array([4, 6, 4]) / 14, atol=0.03)
    np.testing.assert_allclose(np.cov(problems.x0.T), np.eye(12), atol=0.12)
