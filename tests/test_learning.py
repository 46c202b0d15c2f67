"""What solved problems teach: labels, means of curvature, ridge, priors, and the choice among them."""

import ctypes

import numpy as np
import pytest
from compiled import DOUBLES, OBJECTIVE
from oracle_prior import begin, triangles
from oracle_prior import lowest_values as in_numpy
from scipy import LowLevelCallable

import l2o
from l2o.baselines import LBFGS
from l2o.learning.choice import MOST, choose, lowest, score
from l2o.learning.engine import lowest_values
from l2o.learning.labels import Labels, hessians, positive
from l2o.learning.means import MEANS, inverse_of_mean, log_euclidean
from l2o.learning.price import Cost, Price
from l2o.learning.prior import LEAN, Base, Look, Prior, Seen, priors, targets
from l2o.learning.ridge import Ridge
from l2o.problems.objectives import SIGNATURE


def outcomes(m, seed, n_features=3, side=0):
    """Return logistic regressions of one design: outcomes are where one of ten other features is above a quantile."""
    law, rng = np.random.default_rng(5), np.random.default_rng(seed)
    table = law.standard_normal((200, n_features + 20)) @ (np.eye(n_features + 20) + 0.3 * law.standard_normal(
        (n_features + 20, n_features + 20)))
    X, others = table[:, :n_features] / table[:, :n_features].std(axis=0), table[:, n_features + side :: 2]
    y = [others[:, j] > np.quantile(others[:, j], share)
         for j, share in zip(rng.integers(others.shape[1], size=m), rng.uniform(0.3, 0.7, m))]
    return l2o.families.Logistic(n_features, l2=1e-3).from_data(np.repeat(X[None], m, axis=0), np.array(y, float))


@pytest.fixture(scope="module")
def labels():
    return Labels.of(outcomes(40, 0), 2, np.random.default_rng(0))


def spd(rng, m, dim):
    """Return positive definite matrices (m, dim, dim)."""
    factors = rng.standard_normal((m, dim, dim))
    return factors @ factors.transpose(0, 2, 1) + 0.1 * np.eye(dim)


# -- labels ------------------------------------------------------------------------------------------------


def test_labels_are_minima_with_their_hessians(labels):
    fun, jac = labels.problems.value_and_grad(labels.x)
    assert len(labels) == 40
    assert not labels.left_out
    assert np.abs(jac).max() <= 1e-8
    np.testing.assert_allclose(fun, labels.fun)
    np.testing.assert_allclose(labels.hessian, labels.problems.hessian(labels.x), rtol=1e-10, atol=1e-12)
    assert (labels.nfev > 10).all()


def test_hessians_by_differences_are_those_of_the_family():
    problems = outcomes(5, 1)
    x = np.random.default_rng(0).standard_normal((5, 4))

    class WithoutHessian:
        hessian_function = None
        dim = 4
        value_and_grad = staticmethod(problems.value_and_grad)

    found, taken = hessians(WithoutHessian(), x)
    np.testing.assert_allclose(found, problems.hessian(x), atol=1e-8)
    assert taken == 8


def test_problems_that_fail_are_left_out_counted_and_named():
    @OBJECTIVE
    def bowl(x, f, g, n, user):
        factor = ctypes.cast(user, DOUBLES)[2]
        f[0] = factor * sum(x[j] ** 2 for j in range(n))
        for j in range(n):
            g[j] = 2 * factor * x[j]
        return 0

    tables = [[[1.0]]] * 12 + [[[np.nan]], [[-1.0]]]  # a value that is not finite; a function without a minimum
    family = l2o.families.Custom(LowLevelCallable(bowl, signature=SIGNATURE), dim=2)
    found = Labels.of(family.from_data(tables, np.ones((14, 2))), 1, np.random.default_rng(0))
    assert found.rows.tolist() == list(range(12))
    assert sum(found.left_out.values()) == 2
    assert found.left_out["not finite"] >= 1
    assert len(found.nfev) == 14


def test_positive_keeps_what_is_positive_and_turns_the_rest():
    rng = np.random.default_rng(0)
    matrices = spd(rng, 3, 4)
    np.testing.assert_allclose(positive(matrices), matrices, atol=1e-12)
    turned = positive(np.diag([2.0, -1.0, 0.0])[None])[0]
    np.testing.assert_allclose(turned, np.diag([2.0, 1.0, 2e-4]), atol=1e-15)


# -- means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEANS)
def test_mean_of_equal_hessians_is_their_inverse(name):
    hessian = spd(np.random.default_rng(0), 1, 3)
    np.testing.assert_allclose(MEANS[name](np.repeat(hessian, 7, axis=0)), np.linalg.inv(hessian[0]), rtol=1e-10)


def test_means_of_numbers_are_geometric_arithmetic_and_harmonic():
    sizes = np.array([1.0, 2.0, 4.0])
    hessians_ = sizes[:, None, None] * np.eye(2)
    for name, mean in (("log", 2.0), ("inverse", 7 / 3), ("harmonic", 3 / 1.75)):
        np.testing.assert_allclose(MEANS[name](hessians_), np.eye(2) / mean, rtol=1e-12)


def test_one_outlying_hessian_does_not_rule_the_inverse_of_the_mean():
    hessians_ = np.repeat(np.eye(2)[None], 50, axis=0)
    hessians_[0] *= 1e9
    assert 0.3 < inverse_of_mean(hessians_)[0, 0] <= 1.0
    assert log_euclidean(hessians_)[0, 0] == pytest.approx(1e9 ** (-1 / 50))


# -- ridge -------------------------------------------------------------------------------------------------


def test_ridge_finds_a_linear_map_and_ignores_what_is_constant():
    rng = np.random.default_rng(0)
    inputs = np.hstack([rng.standard_normal((200, 3)), np.full((200, 1), 7.0)])
    wanted = inputs[:, :3] @ rng.standard_normal((3, 2)) + [1.0, -2.0]
    model = Ridge.fit(inputs, wanted, (slice(0, 1), slice(1, 2)))
    np.testing.assert_allclose(model.predict(inputs), wanted, atol=0.05)
    moved = inputs.copy()
    moved[:, 3] = 1e6
    np.testing.assert_array_equal(model.predict(moved), model.predict(inputs))


def test_ridge_predicts_rows_of_a_fold_as_a_fit_without_them_does():
    rng = np.random.default_rng(0)
    inputs, wanted, fold = rng.standard_normal((30, 6)), rng.standard_normal((30, 2)), np.arange(30) % 5
    inputs -= inputs.mean(axis=0)
    inputs /= inputs.std(axis=0)
    model, out = Ridge.crossed(inputs, wanted, (slice(0, 2),), fold)
    size = model.coefficients[:-1]
    weight = (inputs.T @ (wanted - wanted.mean(axis=0)) - inputs.T @ inputs @ size) / size  # the penalty is told by it
    for k in range(5):
        kept, held = fold != k, fold == k
        X = np.column_stack([inputs[kept], np.ones(kept.sum())])
        fit = np.linalg.solve(X.T @ X + np.diag([weight.mean()] * 6 + [0.0]), X.T @ wanted[kept])
        np.testing.assert_allclose(out[held], np.clip(inputs[held] @ fit[:-1] + fit[-1], model.low, model.high),
                                   rtol=1e-6)


def test_ridge_predicts_the_mean_from_noise():
    rng = np.random.default_rng(0)
    inputs, wanted = rng.standard_normal((100, 10)), rng.standard_normal((100, 1))
    assert Ridge.fit(inputs, wanted, (slice(0, 1),)).predict(inputs).std() < 0.35 * wanted.std()


def test_ridge_stays_near_what_it_was_shown():
    inputs = np.linspace(-1, 1, 50)[:, None]
    model = Ridge.fit(inputs, 3 * inputs, (slice(0, 1),))
    assert np.abs(model.predict(np.array([[1e9], [-1e9]]))).max() <= 3 + 0.1 * 6 + 1e-12


# -- priors ------------------------------------------------------------------------------------------------


def test_targets_say_where_the_minimum_is_and_what_curvature_it_has():
    full = Labels.of(outcomes(40, 0), 1, np.random.default_rng(0))
    metric, base = np.linalg.cholesky(log_euclidean(full.hessian)), Base(np.zeros(4), True)
    wanted = targets(full, metric, base)
    middle = np.abs(wanted - np.median(wanted, axis=0)).max(axis=1).argsort()[:10]  # not cut as outliers
    np.testing.assert_allclose(wanted[middle, :4] @ metric.T, (full.x - full.problems.x0)[middle], atol=1e-9)
    factor = metric @ triangles(wanted[middle, 4:], 4, "full")
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), np.linalg.inv(full.hessian[middle]), rtol=1e-6)


def test_base_constant_is_near_minimisers_that_lie_together(labels):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((300, 3)), rng.integers(0, 2, 300)
    rows = rng.integers(300, size=(30, 300))  # resamples of one regression
    same = Labels.of(l2o.families.Logistic(3).from_data(X[rows], y[rows] | (X[rows, 0] > 0)), 1, rng)
    for each, most in ((same, 0.1), (labels, 1.0)):  # own starts are candidates: never worse in the mean
        fun = each.problems.value_and_grad(Base.constant(each).of(each.problems.x0))[0]
        gap = np.log(np.maximum(fun - each.fun, 0) / each.fall + 1e-3)
        assert np.exp(gap.mean()) <= 1.001 * most


@pytest.mark.parametrize("quadratic", [False, True])
def test_priors_begin_with_finite_points_and_positive_matrices(labels, quadratic):
    names = [name for name, _ in priors(labels, quadratic)]
    assert len(names) == len(set(names)) == 26
    assert names[:2] == ["x0, Newton", "constant, Newton"]
    for name, prior in priors(labels, quadratic):
        points, matrices = begin(prior, labels.problems)
        assert points.shape == (40, 2 if "step" in name else 1, 4), name
        assert len(matrices) == (1 if prior.curvature == "mean" else 40), name
        assert np.isfinite(points).all(), name
        assert (np.linalg.eigvalsh(matrices) > 0).all(), name
    assert sum("full" in name for name in names) == 4


def test_seen_has_no_units_of_f(labels):
    metric = np.linalg.cholesky(log_euclidean(labels.hessian))
    look = Look.at(labels.problems, labels.problems.x0)
    seen = Seen.of(labels, metric, look, True)
    other = Seen(metric / np.sqrt(1e6), 1e6 * seen.unit, seen.centre, seen.inverse, True)
    first, second = (each.inputs(look.x, unit * look.fun, unit * look.jac)
                     for each, unit in ((seen, 1.0), (other, 1e6)))
    np.testing.assert_allclose(second[:, :4], first[:, :4], rtol=1e-12)


@pytest.mark.parametrize("quadratic", [False, True])
def test_kernel_runs_from_every_prior_as_the_oracle_does(labels, quadratic):
    few = labels.problems[:6]
    for name, prior in priors(labels, quadratic):
        if prior.newton:
            continue
        np.testing.assert_allclose(lowest_values(few, prior, 6), in_numpy(few, prior, 6), rtol=1e-9, err_msg=name)


# -- choice ------------------------------------------------------------------------------------------------

PRICE = Price(LEAN, 4, 10.0, 1.0)  # evaluations are nearly all that a run costs


def test_choice_pays_on_other_outcomes_of_one_design():
    choice = choose(Labels.of(outcomes(36, 0), 2, np.random.default_rng(0)), lowest_values, PRICE)
    other = Labels.of(outcomes(60, 1, side=1), 2, np.random.default_rng(0))
    runs = lowest_values(other.problems, choice.prior, MOST)
    classical = lowest(other.problems, LBFGS())
    assert choice.scores["L-BFGS"] == 1.0
    assert choice.scores[choice.name] < 0.9
    assert np.exp((score(other, runs) - score(other, classical))[0].mean()) < 0.9
    assert (runs[:, -1] <= other.start).all()


@pytest.mark.parametrize(("hessian", "newton"), [(0.0, True), (1e6, False)])
def test_choice_is_newton_where_hessians_cost_little(labels, hessian, newton):
    choice = choose(labels, lowest_values, Price(LEAN, 4, 10.0, hessian))
    assert choice.name.endswith("Newton") == newton
    assert (choice.prior is not None and choice.prior.newton) == newton


def test_choice_is_l_bfgs_where_nothing_that_was_learned_pays(labels):
    def useless(problems, prior, most):
        return np.full((len(problems), most), np.inf)

    choice = choose(labels, useless, PRICE)
    assert choice.name == "L-BFGS"
    assert choice.prior is None
    assert choose(labels, useless, PRICE, {"the same": LBFGS()}).name == "L-BFGS"  # of equals the first


def test_choice_is_by_time_where_evaluations_cost_little():
    labels = Labels.of(outcomes(36, 0), 2, np.random.default_rng(0))
    dear, cheap = (choose(labels, lowest_values, Price(LEAN, 4, each, 1.0), {"the rule": l2o.load("universal")})
                   for each in (100.0, 0.01))
    assert cheap.scores["the rule"] == dear.scores["the rule"]
    assert cheap.times["the rule"] > 1.2 * dear.times["the rule"]
    slow = choose(labels, lowest_values, Price(Slow(), 4, 0.01, 1e6))
    assert slow.name == "L-BFGS"
    assert min(slow.scores.values()) < 0.8


class Slow(type(LEAN)):
    """The rule, with steps of a millisecond."""

    def step_time(self, dim):
        return 1000.0

    def with_prior(self, prior):
        return self


@l2o.objective
def slow(x, data, grad):
    total = 0.0
    for i in range(5000):
        total += np.exp(-i * abs(x[0]))
    grad[0] = x[0]
    return 0.5 * x[0] ** 2 + 1e-300 * total


def test_cost_is_that_of_the_beginning_of_evaluations_and_of_steps_between_them():
    assert Cost(2.0, 0.5, start=1.0)(np.array([1.0, 4.0])).tolist() == [3.0, 10.5]
    assert Cost(2.0, 0.5, free=2)(np.array([1.0, 4.0])).tolist() == [2.0, 9.0]


def test_price_is_that_of_the_data_unless_an_evaluation_takes_many_times_as_long():
    assert Price.of(LEAN, outcomes(20, 0)).evaluation == Price.of(LEAN, outcomes(30, 1)).evaluation < 1.0
    problems = l2o.families.Custom(slow, dim=1).from_data(np.ones((5, 1, 1)), np.ones((5, 1)))
    assert Price.of(LEAN, problems).evaluation > 5.0


def test_choice_from_few_labels_is_a_clear_error(labels):
    with pytest.raises(ValueError, match="labels are of 7 problems; expected at least 8"):
        choose(labels[np.arange(7)], lowest_values, PRICE)


def test_prior_without_regression_looks_at_nothing():
    base, matrix = Base(np.array([1.0, 2.0]), False), np.eye(2)
    problems = l2o.families.Logistic(1).sample(3, rng=0)
    points, matrices = begin(Prior(base, matrix), problems)
    assert points.tolist() == [[[1.0, 2.0]]] * 3
    assert matrices.tolist() == [np.eye(2).tolist()]
