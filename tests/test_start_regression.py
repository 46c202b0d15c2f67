"""Starts and dampings that `train` learns of families of curves, and fits that begin with them."""

import numpy as np
import pytest

import l2o
from l2o.policies import LevenbergMarquardt

TIMES = np.linspace(0.0, 4.0, 30)


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


@l2o.model
def line(t, p):
    return p[0] + p[1] * t + 0.0 * p[2]


def draw(rng):
    """Return a decay, and a start that is the same for all."""
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal(3))
    return p[0] * np.exp(-p[1] * TIMES) + p[2] + 0.05 * rng.standard_normal(30), np.ones(3)


@pytest.fixture(scope="module")
def family():
    return l2o.families.LeastSquares(decay, TIMES, draw, sigma=0.05)


@pytest.fixture(scope="module")
def policy(family):
    return l2o.train(family, n_functions=600, rng=0)


@pytest.fixture(scope="module")
def Y():
    rng = np.random.default_rng(99)
    return np.array([draw(rng)[0] for _ in range(500)])


def same(left, right):
    for name in ("x", "cov", "chi2", "status", "nfev"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


def test_learned_start_saves_evaluations_and_ends_as_low(policy, Y):
    plain = l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), sigma=0.05)
    fit = l2o.curve_fit_many(decay, TIMES, Y, sigma=0.05, method=policy)
    assert fit.success.mean() >= plain.success.mean()
    assert fit.nfev.mean() < 0.78 * plain.nfev.mean()
    assert (fit.chi2 <= plain.chi2 * (1.0 + 1e-6)).mean() >= 0.998
    same(fit, l2o.curve_fit_many(decay, TIMES, Y, sigma=0.05, method=policy, workers=2))
    one = l2o.curve_fit(decay, TIMES, Y[3], sigma=0.05, method=policy)
    np.testing.assert_allclose(one.x, fit.x[3], rtol=1e-6)


def test_card_says_what_competed_and_what_it_was_worth(policy):
    told = policy.card["training"]["course"][-1]
    assert told["n_labels"] + told["left_out"] == 600
    assert told["choice"] in told["scores"]
    assert told["scores"]["as it was"][0] == 1.0
    assert told["scores"]["values 5 5"] < told["scores"]["values"] < told["scores"]["constant"]
    assert all(0.0 <= share <= 1.0 for _, share in told["scores"].values())
    assert policy.card["quality"]["policy"] < np.log(0.85)


def test_file_begins_alike(policy, Y, tmp_path):
    policy.save(tmp_path / "decay.npz")
    loaded = l2o.load(tmp_path / "decay.npz")
    assert loaded.network == policy.network
    same(*(l2o.curve_fit_many(decay, TIMES, Y, sigma=0.05, method=each) for each in (policy, loaded)))


def test_same_seed_gives_the_same_policy(family, policy):
    again = l2o.train(family, n_functions=600, rng=0)
    assert {name: value.tobytes() for name, value in again.weights.items()} == {
        name: value.tobytes() for name, value in policy.weights.items()}


def test_given_start_and_options_stand(policy, Y):
    way = policy.network.by_residuals(policy.weights)
    damping = {"damping": way.damping, "factor": way.factor}
    same(l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), method=policy),
         l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), options=damping))
    starts = [np.ones(3), 2.0 * np.ones(3)]
    fit = l2o.curve_fit_many(decay, TIMES, Y, method=policy, options={"starts": starts, "damping": "nielsen"})
    same(fit, l2o.curve_fit_many(decay, TIMES, Y, options={"starts": starts, "damping": "nielsen"}))


def test_curves_with_holes_or_other_points_begin_by_their_components(policy, Y):
    way, base = policy.network.by_residuals(policy.weights), policy.weights["base"]
    settings = {"options": {"damping": way.damping, "factor": way.factor}}
    some = Y[:80].copy()
    some[::2, 7] = np.nan
    sigma = np.where(np.arange(30) == 7, np.inf, 0.05)
    fit, whole, hidden = (l2o.curve_fit_many(decay, TIMES, y, sigma=each, method=policy)
                          for y, each in ((some, 0.05), (Y[:80], 0.05), (Y[:80], sigma)))
    np.testing.assert_array_equal(fit.x[1::2], whole.x[1::2])
    np.testing.assert_allclose(hidden.x[::2], fit.x[::2], rtol=1e-9)
    lists = [TIMES[i % 5 :] for i in range(80)], [row[i % 5 :] for i, row in enumerate(Y[:80])]
    for given in ((TIMES, some), lists):
        from_base = l2o.curve_fit_many(decay, *given, base[None].repeat(80, axis=0), sigma=0.05, **settings)
        fit = l2o.curve_fit_many(decay, *given, sigma=0.05, method=policy)
        assert fit.nfev.mean() < 0.85 * from_base.nfev.mean()
        np.testing.assert_allclose(fit.chi2, from_base.chi2, rtol=1e-5)


def test_image_stays_an_image(policy, Y):
    fit = l2o.curve_fit_many(decay, TIMES, Y.reshape(20, 25, 30), method=policy)
    np.testing.assert_array_equal(fit.x.reshape(-1, 3), l2o.curve_fit_many(decay, TIMES, Y, method=policy).x)


def test_minimize_many_begins_there_too_and_is_not_probed(family, policy):
    problems = family.sample(300, rng=7)
    learned, plain = (l2o.minimize_many(problems, method=method) for method in (policy, "lm"))
    assert learned.success.all()
    assert learned.nfev.mean() < 0.95 * plain.nfev.mean()
    np.testing.assert_allclose(learned.fun, plain.fun, rtol=1e-5)
    one = l2o.minimize(problems[5], method=policy)
    assert one.x.tobytes() == learned.x[5].tobytes()
    runs = l2o.rollout(problems[:4], method=policy, n_steps=3)
    np.testing.assert_allclose(runs.x[:, 0], policy.starts(problems[:4]))
    holes = np.array([draw(np.random.default_rng(i))[0] for i in range(3)])
    holes[1, 4] = np.nan
    whole, starts = (policy.starts(family.from_data(Y, np.ones(3))) for Y in (np.nan_to_num(holes), holes))
    np.testing.assert_array_equal(starts[[0, 2]], whole[[0, 2]])
    assert np.abs(starts[1] - whole[1]).max() > 0.01


def with_holes(m, seed, share):
    rng = np.random.default_rng(seed)
    Y = np.array([draw(rng)[0] for _ in range(m)])
    Y[rng.random(Y.shape) < share] = np.nan
    return Y


def test_curves_that_differ_in_their_points_teach_a_start_for_any_points(family, tmp_path):
    policy = l2o.train(family.from_data(with_holes(600, 5, 0.3), np.ones(3)), rng=0)
    assert policy.network.values is None
    assert policy.network.points.n_nodes == 30
    scores = policy.card["training"]["course"][-1]["scores"]
    assert scores["points 5 5"] < scores["points"] < scores["constant"]
    fresh = with_holes(300, 6, 0.3)
    at = np.random.default_rng(7).uniform(0.0, 4.0, (300, 20))
    own = decay(at.reshape(-1), [1.5, 1.2, 0.7]).reshape(300, 20) + 0.05 * np.random.default_rng(8).standard_normal(
        (300, 20))
    policy.save(tmp_path / "holes.npz")
    for t, Y in ((TIMES, fresh), (at, own)):
        plain = l2o.curve_fit_many(decay, t, Y, np.ones(3), sigma=0.05)
        fit = l2o.curve_fit_many(decay, t, Y, sigma=0.05, method=policy)
        assert fit.nfev.mean() < 0.82 * plain.nfev.mean()
        assert (fit.chi2 <= plain.chi2 * (1.0 + 1e-6)).mean() >= 0.99
        same(fit, l2o.curve_fit_many(decay, t, Y, sigma=0.05, method=l2o.load(tmp_path / "holes.npz"), workers=2))
    problems = family.from_data(fresh, np.ones(3))
    learned, plain = (l2o.minimize_many(problems, method=method) for method in (policy, "lm"))
    assert learned.nfev.mean() < 0.95 * plain.nfev.mean()
    lists = [TIMES[each] for each in np.isfinite(fresh)], [row[np.isfinite(row)] for row in fresh]
    fit = l2o.curve_fit_many(decay, *lists, sigma=0.05, method=policy)
    np.testing.assert_allclose(fit.x, l2o.curve_fit_many(decay, TIMES, fresh, sigma=0.05, method=policy).x, rtol=1e-9)


def test_curves_of_which_too_few_points_are_known_begin_at_the_constant(family):
    policy = l2o.train(family.from_data(with_holes(200, 5, 0.3), np.ones(3)), rng=0)
    some = with_holes(4, 6, 0.3)
    some[1, 2:] = np.nan
    some[2] = np.inf
    starts = policy.starts(family.from_data(some, np.ones(3)))
    alike = (starts == policy.weights["base"]).all(axis=1)
    assert alike.tolist() == [False, True, True, False]
    far = l2o.curve_fit_many(decay, TIMES + 10.0, some[[0]], method=policy, options={"maxfev": 1})
    np.testing.assert_array_equal(far.x[0], policy.weights["base"])


def test_good_starts_stay():
    def known(rng):
        p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal(3))
        return decay(TIMES, p) + 1e-4 * rng.standard_normal(30), p

    policy = l2o.train(l2o.families.LeastSquares(decay, TIMES, known, sigma=1e-4), n_functions=100, rng=0)
    assert not policy.network.constant
    assert policy.dim is None
    with pytest.raises(TypeError, match="p0 is missing"):
        l2o.curve_fit_many(decay, TIMES, known(np.random.default_rng(0))[0], method=policy)
    with pytest.raises(ValueError, match="p0 is a policy that begins where the curves' own starts are; expected"):
        l2o.curve_fit_many(decay, TIMES, known(np.random.default_rng(0))[0], policy)


@pytest.mark.parametrize("loss", ["cauchy", "poisson"])
def test_other_losses_are_learned_of(loss):
    def counts(rng):
        p = [30.0, 1.0, 5.0] * np.exp(0.3 * rng.standard_normal(3))
        return rng.poisson(decay(TIMES, p)).astype(float), np.array([30.0, 1.0, 5.0])

    sigma = None if loss == "poisson" else 4.0
    family = l2o.families.LeastSquares(decay, TIMES, counts, sigma=sigma, loss=loss)
    policy = l2o.train(family, n_functions=150, rng=0)
    assert policy.card["training"]["course"][-1]["n_labels"] > 100
    Y = np.array([counts(np.random.default_rng(i))[0] for i in range(20)])
    fit = l2o.curve_fit_many(decay, TIMES, Y, [30.0, 1.0, 5.0], sigma=sigma, loss=loss, method=policy)
    assert fit.success.mean() > 0.9


def test_loss_with_a_damping_of_its_own_keeps_it_where_no_other_is_better(tmp_path):
    def spoiled(rng):
        y = np.exp(-np.exp(0.5 * rng.standard_normal()) * TIMES) + 0.05 * rng.standard_normal(len(TIMES))
        off = rng.random(len(TIMES)) < 0.08
        return y + 0.75 * off * rng.standard_normal(len(TIMES)), [1.0, 1.0, 0.0]

    family = l2o.families.LeastSquares(decay, TIMES, spoiled, sigma=0.05, loss="cauchy")
    policy = l2o.train(family, n_functions=300, rng=0)
    told = policy.card["training"]["course"][-1]
    assert any(name.endswith(", learned") for name in told["scores"])
    assert told["choice"].endswith(", learned")
    policy.save(tmp_path / "spoiled.npz")
    Y = np.array([spoiled(np.random.default_rng(i))[0] for i in range(200)])
    fits = [l2o.curve_fit_many(decay, TIMES, Y, sigma=0.05, loss="cauchy", method=each)
            for each in (policy, l2o.load(tmp_path / "spoiled.npz"))]
    same(*fits)
    plain = l2o.curve_fit_many(decay, TIMES, Y, [1.0, 1.0, 0.0], sigma=0.05, loss="cauchy")
    assert fits[0].nfev.mean() < plain.nfev.mean()
    few = l2o.train(family, n_functions=12, n_validation=5, rng=0)
    assert few.network == LevenbergMarquardt("learned")


def test_too_few_curves_teach_nothing(family):
    policy = l2o.train(family, n_functions=12, n_validation=5, rng=0)
    assert policy.network == LevenbergMarquardt()
    assert "fewer than 20" in policy.card["training"]["course"][-1]["choice"]


def test_policy_is_a_start_too(policy, Y):
    """With any method; the damping is that of the call."""
    starts = policy.network.curve_starts(policy.weights, TIMES[:, None], Y.reshape(-1), 30 * np.arange(501))
    image = Y.reshape(20, 25, 30)
    for settings in ({}, {"method": "adaptive"}, {"options": {"damping": "nielsen"}}):
        same(l2o.curve_fit_many(decay, TIMES, Y, policy, sigma=0.05, **settings),
             l2o.curve_fit_many(decay, TIMES, Y, starts, sigma=0.05, **settings))
    assert l2o.curve_fit_many(decay, TIMES, image, policy).x.shape == (20, 25, 3)
    np.testing.assert_allclose(l2o.curve_fit(decay, TIMES, Y[3], policy).x,
                               l2o.curve_fit_many(decay, TIMES, Y, policy).x[3], rtol=1e-6)
    with pytest.raises(ValueError, match=r"p0 is a policy trained on 'least squares of .*decay'; expected one of"):
        l2o.curve_fit_many(line, TIMES, Y, policy)
    with pytest.raises(ValueError, match="p0 is a policy of kind 'quasi-newton'; expected 'levenberg-marquardt'"):
        l2o.curve_fit_many(decay, TIMES, Y, l2o.load("universal"))


def test_what_does_not_fit_is_said(policy, Y):
    with pytest.raises(ValueError, match=r"method is a policy trained on 'least squares of .*decay'; expected one of"):
        l2o.curve_fit_many(line, TIMES, Y, method=policy)
    with pytest.raises(ValueError, match="method is a policy of kind 'quasi-newton'; expected 'levenberg-marquardt'"):
        l2o.curve_fit_many(decay, TIMES, Y, np.ones(3), method=l2o.load("universal"))
    with pytest.raises(ValueError, match=r"family has the objective 'logistic'; expected problems of families.LeastS"):
        l2o.train(l2o.families.Logistic(), n_functions=30, trainer=l2o.StartRegression(), rng=0)
    for name in ("values", "points"):
        with pytest.raises(TypeError, match=f"{name} is "):
            LevenbergMarquardt(**{name: 3})
    for orders, error in (((3, 4), "orders is"), ((0,), "orders")):
        with pytest.raises(ValueError, match=error):
            l2o.policies.values_start.ValuesShape(5, 1, orders)


def test_curves_that_are_undefined_at_the_points_of_others_learn_something_simpler():
    @l2o.model
    def half(t, p):
        return p[0] * np.sqrt((t - p[1]) * (p[2] - t))

    rng, t = np.random.default_rng(0), np.linspace(0.0, 10.0, 60)
    low = rng.uniform(0.0, 4.0, 300)
    p = np.column_stack([rng.uniform(0.5, 2.0, 300), low, low + rng.uniform(3.0, 6.0, 300)])
    with np.errstate(invalid="ignore"):
        Y = p[:, :1] * np.sqrt((t - p[:, 1:2]) * (p[:, 2:] - t)) + 0.01 * rng.standard_normal((300, 60))
    family = l2o.families.LeastSquares(half, t, sigma=0.01).from_data(Y, p + np.array([0.1, -0.1, 0.1]))
    policy = l2o.train(family, rng=0)
    assert policy.network.points is None
    assert "constant" in policy.card["training"]["course"][-1]["scores"]
