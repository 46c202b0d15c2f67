"""Contract of every family in l2o.families.FAMILIES (a new one joins by its name), and what is special to each."""

import dataclasses
import pickle

import numpy as np
import oracles
import pytest

import l2o
from l2o.families import FAMILIES, Logistic, NeuralNet, RobustRegression

SETTINGS = [(name, field.name, field.default) for name, family in FAMILIES.items()
            for field in dataclasses.fields(family)]
COUNTS = [(name, field) for name, field, default in SETTINGS if isinstance(default, int)]
NUMBERS = [(name, field) for name, field, default in SETTINGS if isinstance(default, float)]


@pytest.fixture(params=FAMILIES)
def family(request):
    """Return a family of default settings."""
    return FAMILIES[request.param]()


@pytest.fixture
def members(family):
    """Return five members of it."""
    return family.sample(5, rng=3)


def points(problems, seed=0):
    """Return a random point for each problem."""
    return np.random.default_rng(seed).standard_normal(problems.x0.shape)


def data(family, m=2, n=10):
    """Return features, labels 0/1 and starting points that fit a family; its first setting counts the features."""
    rng = np.random.default_rng(5)
    p = getattr(family, dataclasses.fields(family)[0].name)
    X, y = rng.standard_normal((m, n, p)), rng.integers(0, 2, (m, n)).astype(float)
    return X, y, rng.standard_normal((m, family.dim))


def same(a, b):
    """Whether two batches of problems are equal to the bit."""
    x = points(a)
    return len(a) == len(b) and a.x0.tobytes() == b.x0.tobytes() and all(
        one.tobytes() == other.tobytes() for one, other in zip(a.value_and_grad(x), b.value_and_grad(x)))


# -- derivatives ---------------------------------------------------------------------------------------


def test_gradient_equals_differences_of_the_value(members):
    for i, x in enumerate(points(members)):
        np.testing.assert_allclose(members[i].grad(x), oracles.slope(members[i].fun, x), rtol=1e-7, atol=1e-8)


def test_hessian_equals_differences_of_the_gradient(members):
    for i, x in enumerate(points(members)):
        if members.kernel.hessian is None:
            with pytest.raises(NotImplementedError, match=members.kernel.name):
                members[i].hessian(x)
        else:
            np.testing.assert_allclose(members[i].hessian(x), oracles.slope(members[i].grad, x), rtol=1e-7, atol=1e-8)


def test_batch_equals_its_members(members):
    x = points(members)
    f, g = members.value_and_grad(x)
    assert f.shape == (5,)
    assert g.shape == x.shape == (len(members), members.dim)
    for i in range(5):
        assert members[i].value_and_grad(x[i])[0] == f[i]
        np.testing.assert_array_equal(members[i].value_and_grad(x[i])[1], g[i])


# -- sample --------------------------------------------------------------------------------------------


def test_sample_has_the_familys_dimension(family, members):
    assert members.dim == family.dim == members.x0.shape[1]
    assert len(members) == 5
    assert repr(members)


def test_sample_begins_with_the_smaller_sample(family):
    assert same(family.sample(7, rng=11)[:3], family.sample(3, rng=11))


def test_sample_follows_its_seed(family):
    assert same(family.sample(3, rng=1), family.sample(3, rng=1))
    assert same(family.sample(3, rng=1), family.sample(3, rng=np.random.default_rng(1)))
    assert same(family.sample(3, rng=1), family.sample(3, rng=np.random.SeedSequence(1)))
    for other in (2, None):
        first, second = family.sample(1, rng=1), family.sample(1, rng=other)
        x = points(first)
        assert not np.array_equal(first.x0, second.x0)
        assert first.value_and_grad(x)[0] != second.value_and_grad(x)[0]


def test_sample_moves_a_generator_on(family):
    rng = np.random.default_rng(0)
    assert not np.array_equal(family.sample(2, rng=rng).x0, family.sample(2, rng=rng).x0)


def test_sample_members_differ(family):
    members = family.sample(50, rng=0)
    values = members.value_and_grad(np.tile(members.x0[0], (50, 1)))[0]
    assert len(set(values)) == len(set(members.x0[:, 0])) == 50


@pytest.mark.parametrize("rng", ["abc", 1.5, object()])
def test_rng_of_another_type_is_an_error(family, rng):
    with pytest.raises(TypeError, match="rng is"):
        family.sample(2, rng=rng)
    with pytest.raises(TypeError, match="rng is"):
        family.starts(2, rng=rng)


@pytest.mark.parametrize("m", [0, -1])
def test_count_below_one_is_an_error(family, m):
    for draw in (family.sample, family.starts):
        with pytest.raises(ValueError, match=f"m is {m}; expected at least 1"):
            draw(m, rng=0)
        with pytest.raises(TypeError, match=r"m is 1\.5"):
            draw(1.5, rng=0)
        with pytest.raises(ValueError, match="rng is -1"):
            draw(1, rng=-1)


def test_starts_are_standard_normal(family):
    starts = family.starts(4000, rng=0)
    assert starts.shape == (4000, family.dim)
    np.testing.assert_allclose(starts.mean(axis=0), 0, atol=0.08)
    np.testing.assert_allclose(np.cov(starts.T), np.eye(family.dim), atol=0.12)
    np.testing.assert_array_equal(family.starts(3, rng=0), starts[:3])
    assert not np.array_equal(family.starts(3, rng=1), starts[:3])


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "field"), COUNTS)
def test_setting_that_counts_is_at_least_one(name, field):
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"{field} is {value}"):
            FAMILIES[name](**{field: value})
    with pytest.raises(TypeError, match=field):
        FAMILIES[name](**{field: 2.5})


@pytest.mark.parametrize(("name", "field"), NUMBERS)
def test_setting_that_is_a_number_is_finite_and_not_negative(name, field):
    for value in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"{field} is {value}"):
            FAMILIES[name](**{field: value})
    with pytest.raises(TypeError, match=field):
        FAMILIES[name](**{field: "much"})


def test_family_is_a_frozen_value_that_pickles(family):
    assert pickle.loads(pickle.dumps(family)) == family == type(family)()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(family, dataclasses.fields(family)[0].name, 5)


@pytest.mark.parametrize(("name", "n_training"), [("logistic", 90), ("robust", 120), ("neural-net", 80)])
def test_numbers_of_functions_are_those_of_the_paper(name, n_training):
    assert (FAMILIES[name].n_training, FAMILIES[name].n_test) == (n_training, 100)


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
    for bad in (X[0], X[..., :-1], X[None]):
        with pytest.raises(ValueError, match="X has shape"):
            family.from_data(bad, y, x0)
    for bad in (y[0], y[:, :-1], y[:1], y[..., None]):
        with pytest.raises(ValueError, match="y has shape"):
            family.from_data(X, bad, x0)
    for bad in (x0[0], x0[:, :-1], x0[:1]):
        with pytest.raises(ValueError, match="x0 has shape"):
            family.from_data(X, y, bad)
    with pytest.raises(ValueError, match="X has 0 points"):
        family.from_data(X[:, :0], y[:, :0], x0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_not_finite_is_an_error_that_names_it(family, bad):
    for which, name in enumerate(("X", "y", "x0")):
        given = list(data(family))
        given[which] = given[which].copy()
        given[which][1, 0] = bad
        with pytest.raises(ValueError, match=f"{name} holds.*{bad}"):
            family.from_data(*given)


def test_array_of_something_else_is_a_type_error(family):
    X, y, x0 = data(family)
    with pytest.raises(TypeError, match="X cannot be read"):
        family.from_data(np.full(X.shape, "a"), y, x0)
    with pytest.raises(TypeError, match="x0 cannot be read"):
        family.from_data(X, y, [[object()]])


# -- Problems ------------------------------------------------------------------------------------------


def test_indexing_shares_data_and_keeps_values(members):
    x, (f, g) = points(members), members.value_and_grad(points(members))
    mask = np.array([True, False, True, False, True])
    for rows in (slice(1, 4), slice(None, None, -2), slice(2, 2), [4, 0, 0], mask):
        part = members[rows]
        assert np.shares_memory(part.blocks, members.blocks)
        np.testing.assert_array_equal(part.x0, members.x0[rows])
        np.testing.assert_array_equal(part.value_and_grad(x[rows])[0], f[rows])
        np.testing.assert_array_equal(part.value_and_grad(x[rows])[1], g[rows])
        assert same(part[::-1][::-1], part)


def test_index_out_of_range_is_an_error(members):
    for i in (5, -6):
        with pytest.raises(IndexError, match=f"index is {i}; there are 5 problems"):
            members[i]
    assert members[-1].fun(members.x0[4]) == members[4].fun(members.x0[4])
    assert members[np.int64(2)].dim == members.dim
    assert len(list(members)) == 5


def test_problems_pickle_to_the_bit(members):
    assert same(pickle.loads(pickle.dumps(members)), members)
    part = members[[3, 1, 3]]
    assert same(pickle.loads(pickle.dumps(part)), part)
    assert len(pickle.dumps(members[:1])) < 0.5 * len(pickle.dumps(members))


def test_starts_can_be_replaced(family, members):
    x0 = family.starts(5, rng=8)
    moved = members.with_starts(x0)
    np.testing.assert_array_equal(moved.x0, x0)
    assert np.shares_memory(moved.blocks, members.blocks)
    assert members.with_starts(None) is members
    assert not np.array_equal(members.x0, x0)
    for bad in (x0[0], x0[:4], x0[:, 1:], x0 * np.nan):
        with pytest.raises(ValueError, match="x0 h"):
            members.with_starts(bad)


def test_point_of_another_shape_is_an_error(members):
    x = points(members)
    for bad in (x[0], x[:4], x[:, 1:]):
        with pytest.raises(ValueError, match="x has shape"):
            members.value_and_grad(bad)
        with pytest.raises(ValueError, match="x has shape"):
            members[0].fun(x[0, 1:])


def test_objective_offers_its_function_in_each_form(members):
    objective, x = members[2], points(members)[2]
    f, g = objective.value_and_grad(x)
    assert objective(x) == objective.fun(x) == f
    assert isinstance(f, float)
    np.testing.assert_array_equal(objective.grad(x), g)
    np.testing.assert_array_equal(objective.x0, members.x0[2])
    assert g.shape == (objective.dim,)
    assert objective.fun(x.tolist()) == f
    objective.x0[:] = 7
    np.testing.assert_array_equal(objective.x0, members.x0[2])


def test_point_that_is_nan_gives_a_value_that_is_not_finite(members):
    x = points(members)
    x[2, 0] = np.nan
    assert np.isfinite(members.value_and_grad(x)[0]).tolist() == [True, True, False, True, True]


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


@pytest.mark.parametrize("label", [2.0, -1.0, 0.5])
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


# -- Problems ------------------------------------------------------------------------------------------


def test_problems_keep_their_starts_when_those_given_change():
    rng = np.random.default_rng(0)
    X, y, x0 = rng.standard_normal((2, 5, 3)), np.zeros((2, 5)), np.ones((2, 4))
    problems = Logistic().from_data(X, y, x0)
    moved = problems.with_starts(x0)
    x0[:] = 9
    assert (problems.x0 == 1).all()
    assert (moved.x0 == 1).all()
