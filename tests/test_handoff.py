"""The safeguard of a policy: when L-BFGS takes over, what it takes over, and what is promised outside of the family.

The functions outside are all of standard_functions.py, each in dimensions 4 and 12: a list that was fixed before the
rule was chosen, and the rule was chosen on validation functions of the families alone.
"""

import warnings

import numpy as np
import pytest
import scipy.optimize
from benchmarks import native_parts
from compiled import Compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from standard_functions import FUNCTIONS

import l2o
from l2o import _kernels
from l2o.baselines import Momentum
from l2o.methods import Stopping
from l2o.policies import Policy

GTOL = 1e-5
STANDARD = [(name, dim) for name in FUNCTIONS for dim in (4, 12)]
FIELDS = ("x", "fun", "jac", "nit", "nfev", "status", "success")
MOST_LEARNED, FLAT = 10, 0.5  # of the rule
ALONE = {"safeguard": False}


@pytest.fixture(scope="module", params=[0, 1])
def trained(request):
    """Return policies for 4 and 12 variables from short trainings, on two families."""
    short = l2o.GuidedPolicySearch(n_iterations=3, n_samples=4, horizon=15, epochs=4)
    families = l2o.families.Logistic(n_points=30), l2o.families.NeuralNet(n_points=30)
    return {family.dim: l2o.train(family, n_functions=20, n_validation=20, rng=request.param, trainer=short)
            for family in families}


@pytest.fixture(scope="module")
def on_standard_functions():
    """Return the results of L-BFGS from the start, by name and dimension."""
    return {(name, dim): quietly(FUNCTIONS[name].value_and_grad, FUNCTIONS[name].start(dim), method="lbfgs",
                                 options={"gtol": GTOL, "maxiter": 200 * dim})
            for name, dim in STANDARD}


def quietly(function, x0, options=None, **settings):
    """Return the result of `minimize`, whatever the function warns of."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return l2o.minimize(function, x0, **settings,
                            options={"gtol": GTOL, "maxiter": 200 * len(x0)} | (options or {}))


def same(one, other, fields=FIELDS):
    """Whether two results are equal to the bit."""
    return all(np.array_equal(getattr(one, key), getattr(other, key)) for key in fields)


class Recorded:
    """A function that keeps the points and values it is asked for; it can fail at a call of choice."""

    def __init__(self, value_and_grad, at=None, error=None):
        self.value_and_grad, self.at, self.error, self.points, self.values = value_and_grad, at, error, [], []

    def __call__(self, x):
        self.points.append(x.copy())
        if len(self.points) == self.at:
            raise self.error
        with np.errstate(all="ignore"):
            f, g = self.value_and_grad(x)
        self.values.append(float(f))
        return f, g


def learned_steps(runs, i):
    """Say by the rule how many learned steps of a rollout a safeguarded run takes."""
    fun, slope = runs.fun[i], np.abs(runs.jac[i]).max(axis=1)
    for k in range(1, MOST_LEARNED + 1):
        lower = fun[k] + 8 * np.finfo(float).eps * abs(fun[k]) < fun[:k].min()
        if not lower or slope[k] <= FLAT * slope[0]:
            return k
    return MOST_LEARNED


def taken_over(problems, i, runs, gtol, k=None):
    """Return x, f, nit, nfev, status of L-BFGS from the best of k learned points with the pairs of all k steps."""
    k, dim = k or learned_steps(runs, i), problems.dim
    best = int(np.argmin(runs.fun[i, : k + 1]))
    S, Y = np.diff(runs.x[i, : k + 1], axis=0), np.diff(runs.jac[i, : k + 1], axis=0)
    S, Y = (S, Y) if best else (S[:0], Y[:0])
    one = problems[i : i + 1]
    ended = native_parts.resume(
        one.function, int(one.addresses()[0]), _kernels.lbfgs.method(10), (S, Y), Stopping(gtol, 200 * dim, 15000),
        (runs.x[i, best], runs.fun[i, best], runs.jac[i, best]), first=runs.fun[i, 0],
        lowest=runs.fun[i, : k + 1].min(), nit=k, nfev=k + 1)
    return *ended, ended[-1] == 0


# -- when, and what ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [l2o.families.Logistic(n_points=30), l2o.families.RobustRegression(n_points=32)],
                         ids=lambda family: type(family).__name__)
def test_lbfgs_takes_over_by_the_rule_with_the_pairs_of_all_learned_steps(family, trained, random_policy):
    problems, counts = family.sample(60, rng=3), set()
    without_limits = Policy(trained[4].network, trained[4].weights)
    for policy in (without_limits, random_policy(seed=1), random_policy(seed=2)):
        runs = l2o.rollout(problems, method=policy, n_steps=MOST_LEARNED)
        batch = l2o.minimize_many(problems, method=policy, tol=1e-7)
        for i in range(60):
            for key, value in zip(FIELDS, taken_over(problems, i, runs, 1e-7)):
                np.testing.assert_array_equal(getattr(batch, key)[i], value)
        counts |= {learned_steps(runs, i) for i in range(60)}
    assert {1, 2, 3} <= counts


def test_learned_steps_end_after_ten(descent_policy):
    """On a slope without end each step lowers f, and the gradient stays what it is."""
    for maxiter in (3, 10, 11):
        function = Recorded(lambda x: (-x.sum(), -np.ones(4)))
        result = l2o.minimize(function, np.zeros(4), method=descent_policy(4, 0.25), options={"maxiter": maxiter})
        assert result.nit == maxiter
        moves = np.abs(np.diff([x[0] for x in function.points]))
        np.testing.assert_allclose(moves[: min(maxiter, 10)], 0.25)
        assert (moves[10:] > 0.3).all()
        assert (len(moves) > 10) == (maxiter > 10)


def test_step_that_lowers_f_where_the_gradient_is_flat_is_the_last(descent_policy):
    for curvature, learned in ((0.4, 2), (0.51, 1), (1.0, 1)):  # a step leaves 1 - curvature of the gradient
        function = Recorded(lambda x, c=curvature: (c * (x @ x) / 2, c * x))
        l2o.minimize(function, [2.0, -3.0], method=descent_policy(2, 1.0), options={"maxfun": 1 + learned})
        np.testing.assert_allclose(function.points[-1], np.array([2.0, -3.0]) * (1 - curvature) ** learned, atol=1e-15)
        result = l2o.minimize(function, [2.0, -3.0], method=descent_policy(2, 1.0), tol=GTOL)
        assert result.success
        assert (curvature == 1.0) == (result.nit == 1)


def test_step_outside_of_the_training_is_the_last(trained):
    """The best point and the pairs are handed over as after any other step."""
    problems, trained = l2o.families.RobustRegression(n_points=32).sample(60, rng=4), trained[4]
    limits = {**trained.card["limits"], "change": [-0.02, 0.02], "gradient": [1e-9, 1e9], "curvature": [-1e9, 1e9]}
    narrow, wide = trained.with_card(limits=limits), Policy(trained.network, trained.weights)
    runs, counts = l2o.rollout(problems, method=wide, n_steps=MOST_LEARNED), set()
    batch = l2o.minimize_many(problems, method=narrow, tol=1e-7)
    for i in range(60):
        beyond = np.flatnonzero(np.abs(np.diff(runs.fun[i])) > 0.025)  # a quarter more than the limit
        k = int(min([learned_steps(runs, i), *(beyond[:1] + 1)]))
        counts.add(k < learned_steps(runs, i))
        for key, value in zip(FIELDS, taken_over(problems, i, runs, 1e-7, k)):
            np.testing.assert_array_equal(getattr(batch, key)[i], value)
    assert counts == {True, False}


def test_curvature_paid_for_is_not_paid_for_again(trained):
    """With the pairs L-BFGS needs fewer evaluations than from the same points without them."""
    problems = l2o.families.Logistic(n_points=30).sample(300, rng=8)
    warm = l2o.minimize_many(problems, method=trained[4], tol=1e-6)
    runs = l2o.rollout(problems, method=trained[4], n_steps=MOST_LEARNED)
    steps = np.array([learned_steps(runs, i) for i in range(300)])
    best = np.array([runs.x[i, np.argmin(runs.fun[i, : k + 1])] for i, k in enumerate(steps)])
    cold = l2o.minimize_many(problems, best, method="lbfgs", tol=1e-6)
    assert warm.success.all()
    assert warm.nfev.mean() < (cold.nfev + steps).mean() - 0.2


# -- outside of the family -----------------------------------------------------------------------------


def uphill(policy):
    """Return the policy that goes the other way."""
    return Policy(policy.network, {**policy.weights, "W2": -policy.weights["W2"]})


def test_there_are_enough_functions_outside():
    assert len(FUNCTIONS) >= 30


@pytest.mark.parametrize(("name", "dim"), STANDARD)
def test_run_without_a_step_that_helps_is_a_cold_run_and_one_evaluation(name, dim, on_standard_functions,
                                                                       descent_policy):
    cold, function = on_standard_functions[name, dim], Recorded(FUNCTIONS[name].value_and_grad)
    result = quietly(function, FUNCTIONS[name].start(dim), method=uphill(descent_policy(dim, 1e-3, max_step=0.1)),
                     options={"maxiter": 200 * dim + 1, "maxfun": 15001})
    assert function.values[1] >= function.values[0]
    assert same(cold, result, ("x", "fun", "jac", "status", "success"))
    assert (result.nit, result.nfev) == (cold.nit + 1, cold.nfev + 1)
    path = Recorded(FUNCTIONS[name].value_and_grad)
    quietly(path, FUNCTIONS[name].start(dim), method="lbfgs")
    np.testing.assert_array_equal(function.points[2:], path.points[1:])


@pytest.mark.parametrize(("first", "second", "evaluations"), [
    (1.0, 0.0, 0), (1.0, 1e-40, 0), (1e6, 1e308, 0), (1.0, 1e200, 1),
], ids=["rests", "too short to move", "not finite", "overflows"])
@pytest.mark.parametrize("name", ["rosenbrock", "geman-mcclure", "log-sum-exp"])
def test_step_that_leads_nowhere_ends_the_learned_steps(name, first, second, evaluations, on_standard_functions,
                                                        descent_policy):
    weights, network = descent_policy(4, 1.0).weights, descent_policy(4, 1.0).network
    policy = Policy(network, {**weights, "W1": first * weights["W1"], "W2": second * weights["W2"]})
    cold, function = on_standard_functions[name, 4], Recorded(FUNCTIONS[name].value_and_grad)
    result = quietly(function, FUNCTIONS[name].start(4), method=policy)
    assert np.isfinite(function.points).all()
    assert same(cold, result, ("x", "fun", "jac", "status", "success"))
    assert cold.nfev + evaluations == result.nfev == len(function.values)


def test_standard_functions_are_solved_as_often_with_few_evaluations_more(trained, on_standard_functions):
    solved, nfev = np.zeros(2, int), np.zeros(2, int)
    for (name, dim), cold in on_standard_functions.items():
        function = FUNCTIONS[name]
        result = quietly(function.value_and_grad, function.start(dim), method=trained[dim])
        assert result.fun <= function.value_and_grad(function.start(dim))[0]
        best = min(result.fun, cold.fun)
        solved += [each.success or each.fun <= best + 1e-8 for each in (result, cold)]
        nfev += [result.nfev, cold.nfev]
    assert solved[0] >= solved[1] >= 84
    assert nfev[0] <= 1.1 * nfev[1] + 10 * len(STANDARD)


@pytest.mark.parametrize("small", ["logistic", "robust"])
def test_shipped_policies_keep_the_promise_outside_of_their_families(small, on_standard_functions):
    shipped = {4: l2o.load(small), 12: l2o.load("neural-net")}
    solved, nfev, n_cold = np.zeros(2, int), np.zeros(2, int), 0
    for (name, dim), cold in on_standard_functions.items():
        function = Recorded(FUNCTIONS[name].value_and_grad)
        result = quietly(function, FUNCTIONS[name].start(dim), method=shipped[dim],
                         options={"gtol": GTOL, "maxiter": 200 * dim + 1, "maxfun": 15001})
        assert result.fun <= function.values[0]
        if result.success:
            assert np.isfinite(result.fun)
            assert np.abs(result.jac).max() <= GTOL
        if len(function.values) > 1 and not function.values[1] < function.values[0]:  # no learned step improved
            n_cold += 1
            assert same(cold, result, ("x", "fun", "jac", "status", "success"))
            assert result.nfev <= cold.nfev + 10
        best = min(result.fun, cold.fun)
        solved += [each.success or each.fun <= best + 1e-8 for each in (result, cold)]
        nfev += [result.nfev, cold.nfev]
    assert solved[0] >= solved[1]
    assert nfev[0] <= 1.1 * nfev[1] + 10 * len(STANDARD)
    assert n_cold >= 10


def drawn(seed, dim):
    """Return a random function of one of four kinds, x -> (f, g), and a start; most are far from a training."""
    rng = np.random.default_rng([seed, dim])
    if seed % 4 == 0:  # quartics over a quadratic of either sign
        rows, shift, half = (rng.standard_normal(shape) for shape in ((2 * dim, dim), 2 * dim, (dim, dim)))
        scale = 10.0 ** rng.uniform(-2, 2)
        return lambda x: (scale * ((rows @ x - shift) ** 4).sum() / 4 + x @ (half + half.T) @ x / 2,
                          scale * rows.T @ (rows @ x - shift) ** 3 + (half + half.T) @ x), rng.standard_normal(dim)
    if seed % 4 == 1:  # quadratics of condition up to a million
        axes, centre = np.linalg.qr(rng.standard_normal((dim, dim)))[0], rng.standard_normal(dim)
        matrix = axes @ np.diag(10.0 ** rng.uniform(-3, 3, dim)) @ axes.T
        return (lambda x: ((x - centre) @ matrix @ (x - centre) / 2, matrix @ (x - centre)),
                centre + rng.standard_normal(dim) * 10.0 ** rng.uniform(-2, 2))
    if seed % 4 == 2:  # logistic regressions of features of any size
        rows, labels = rng.standard_normal((30, dim)) * 10.0 ** rng.uniform(-2, 2), rng.integers(0, 2, 30)
        return lambda x: (np.logaddexp(0, rows @ x).sum() - labels @ (rows @ x) + 1e-3 * x @ x,
                          rows.T @ (1 / (1 + np.exp(-rows @ x)) - labels) + 2e-3 * x), 3 * rng.standard_normal(dim)
    function = FUNCTIONS[sorted(FUNCTIONS)[seed // 4 % len(FUNCTIONS)]]
    start = function.start(dim)
    return function.value_and_grad, start + 0.3 * np.abs(start) * rng.standard_normal(dim)


@pytest.mark.parametrize("name", ["logistic", "robust", "robust-short", "neural-net"])
def test_shipped_policies_cost_few_evaluations_more_over_many_functions(name):
    """It is a promise of the sum: another path may lead a single run to another basin, or longer through a valley."""
    policy, nfev, solved = l2o.load(name), np.zeros((172, 2), int), np.zeros((172, 2), bool)
    for seed in range(len(nfev)):
        fun, x0 = drawn(seed, policy.dim)
        result, cold = (quietly(fun, x0, method=method, tol=GTOL, jac=True) for method in (policy, "lbfgs"))
        with np.errstate(all="ignore"):
            assert result.fun <= fun(x0)[0]
        nfev[seed], solved[seed] = (result.nfev, cold.nfev), (result.success, cold.success)
    most = 10 + 1.1 * nfev[:, 1]
    assert nfev[:, 0].sum() <= most.sum()
    assert (nfev[:, 0] > most).mean() <= 0.12
    assert abs(np.subtract(*solved.sum(axis=0))) <= 2


def test_policies_without_training_cost_few_evaluations_more(random_policy, on_standard_functions):
    for seed in range(4):
        nfev = np.zeros(2, int)
        for (name, dim), cold in on_standard_functions.items():
            function = FUNCTIONS[name]
            result = quietly(function.value_and_grad, function.start(dim), method=random_policy(dim, seed))
            assert result.fun <= function.value_and_grad(function.start(dim))[0]
            nfev += [result.nfev, cold.nfev]
        assert nfev[0] <= 1.1 * nfev[1] + 10 * len(STANDARD)


# -- always --------------------------------------------------------------------------------------------


@st.composite
def functions(draw):
    """Return f = a quadratic of either sign, quartics, perhaps a wall or a region without values; and a start."""
    dim = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, shift, scale = rng.standard_normal((2 * dim, dim)), rng.standard_normal(2 * dim), 10.0 ** rng.uniform(-2, 2)
    half = rng.standard_normal((dim, dim))
    outside, far = draw(st.sampled_from([None, np.nan, np.inf, -np.inf])), 10.0 ** rng.uniform(-1, 1)
    x0 = rng.standard_normal(dim) * 10.0 ** draw(st.integers(-3, 3))

    def value_and_grad(x):
        if outside is not None and np.abs(x - x0).max() > far:
            return outside, np.zeros(dim)
        away = rows @ x - shift
        return scale * (away**4).sum() / 4 + x @ (half + half.T) @ x / 2, \
            scale * rows.T @ away**3 + (half + half.T) @ x

    return value_and_grad, x0


@settings(max_examples=150, deadline=None)
@given(functions(), st.integers(0, 50), st.sampled_from([0.1, 2.0, 1e6]), st.integers(1, 40))
def test_run_never_ends_above_its_start_and_counts_its_evaluations(random_policy, drawn, seed, max_step, maxfun):
    value_and_grad, x0 = drawn
    policy, function = random_policy(len(x0), seed, max_step=max_step), Recorded(value_and_grad)
    result = l2o.minimize(function, x0, method=policy, tol=GTOL)
    assert result.fun <= function.values[0]
    assert result.fun == function.values[[np.array_equal(x, result.x) for x in function.points].index(True)]
    finite = np.array(function.values)[np.isfinite(function.values)]
    assert result.fun <= finite.min() + 16 * np.finfo(float).eps * np.abs(finite).max()
    assert result.nfev == len(function.values)
    np.testing.assert_array_equal(result.jac, value_and_grad(result.x)[1])
    assert result.success == (result.status == 0)
    if result.success:
        assert np.isfinite(result.fun)
        assert np.abs(result.jac).max() <= GTOL
    limited = Recorded(value_and_grad)
    part = l2o.minimize(limited, x0, method=policy, options={"gtol": GTOL, "maxfun": maxfun})
    assert part.nfev == len(limited.values) == min(maxfun, result.nfev)
    np.testing.assert_array_equal(limited.points, function.points[:maxfun])
    if maxfun < result.nfev:
        assert part.status == 1


@settings(max_examples=60, deadline=None)
@given(functions(), st.integers(0, 50))
def test_run_whose_learned_steps_do_not_help_is_that_of_lbfgs(random_policy, drawn, seed):
    value_and_grad, x0 = drawn
    function, cold = Recorded(value_and_grad), Recorded(value_and_grad)
    result = l2o.minimize(function, x0, method=random_policy(len(x0), seed), tol=GTOL, options={"maxiter": 1201})
    expected = l2o.minimize(cold, x0, method="lbfgs", tol=GTOL, options={"maxiter": 1200})  # ftol looks at long runs
    if len(function.values) > 1 and not function.values[1] < function.values[0]:
        assert same(result, expected, ("x", "fun", "jac", "status"))
        assert result.nfev <= expected.nfev + 10


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 20), st.integers(1, 30))
def test_batch_row_is_the_single_run_for_any_workers(random_policy, seed, m, which, maxfun):
    problems = l2o.families.RobustRegression(n_points=8).sample(m, rng=seed)
    policy, options = random_policy(seed=which), {"maxfun": maxfun}
    batch = l2o.minimize_many(problems, method=policy, options=options)
    assert same(batch, l2o.minimize_many(problems, method=policy, options=options, workers=2))
    i = seed % m
    single = l2o.minimize(problems[i], method=policy, options=options)
    python = l2o.minimize(problems[i].value_and_grad, problems.x0[i], method=policy, options=options)
    for key in FIELDS:
        np.testing.assert_array_equal(getattr(batch, key)[i], single[key])
        np.testing.assert_array_equal(python[key], single[key])


def test_bad_neighbour_changes_nothing(random_policy):
    problems = l2o.families.Logistic(n_points=20).sample(20, rng=1)
    x0 = problems.x0.copy()
    x0[[2, 11]] = 1e300
    whole, bad = (l2o.minimize_many(problems, x, method=random_policy()) for x in (None, x0))
    assert bad.status[[2, 11]].tolist() == [3, 3]
    kept = np.delete(np.arange(20), [2, 11])
    for key in FIELDS:
        np.testing.assert_array_equal(getattr(whole, key)[kept], getattr(bad, key)[kept])


# -- both phases ---------------------------------------------------------------------------------------


def valley(x):
    """Return a quartic of two variables on which learned steps and steps of L-BFGS are made."""
    return 0.1 * (x**4).sum() + x @ [[2.0, 0.5], [0.5, 0.3]] @ x / 2, 0.4 * x**3 + x @ [[2.0, 0.5], [0.5, 0.3]]


X0 = np.array([2.0, -1.5])


@pytest.fixture
def creeping(descent_policy):
    """Return a policy that takes several learned steps down the valley."""
    return descent_policy(2, 0.03)


def test_both_phases_are_in_the_run(creeping):
    function = Recorded(valley)
    result = l2o.minimize(function, X0, method=creeping)
    gradients = np.array([valley(x)[1] for x in function.points])
    learned = np.abs(np.diff(function.points, axis=0) + 0.03 * gradients[:-1]).max(axis=1) < 1e-12
    assert 3 <= learned.sum() == int(np.argmin(learned)) < len(learned) - 3
    assert result.success


@pytest.mark.parametrize("at", range(1, 16))
def test_callback_sees_and_stops_both_phases(at, creeping):
    points = []

    def watch(intermediate_result):
        points.append(intermediate_result)
        if len(points) == at:
            raise StopIteration

    plain = l2o.minimize(valley, X0, method=creeping, options={"maxiter": at})
    result = l2o.minimize(valley, X0, method=creeping, callback=watch)
    assert len(points) == result.nit == min(at, plain.nit)
    assert all(each.fun == valley(each.x)[0] for each in points)
    assert result.status == (99 if len(points) == at else 0)
    assert same(plain, result, ("x", "fun", "jac", "nit"))


@pytest.mark.parametrize("at", range(1, 13))
def test_exceptions_come_through_from_both_phases(at, creeping):
    error = RuntimeError("mine")
    function = Recorded(valley, at, error)
    with pytest.raises(RuntimeError) as caught:
        l2o.minimize(function, X0, method=creeping)
    assert caught.value is error
    assert len(function.points) == at
    seen = []

    def watch(x):
        seen.append(x)
        if len(seen) == at:
            raise error

    if at <= l2o.minimize(valley, X0, method=creeping).nit:
        with pytest.raises(RuntimeError) as caught:
            l2o.minimize(valley, X0, method=creeping, callback=watch)
        assert caught.value is error
        assert len(seen) == at


@pytest.mark.parametrize("at", range(1, 13))
def test_error_code_ends_both_phases_with_status_4_and_the_best_point(at, creeping):
    target = Compiled(lambda x: valley(x) if len(target.values) + 1 < at else -1, X0)
    x, f, _, _, nfev, status = (part[0] for part in creeping.solve(target, Stopping(1e-12, 400, 15000))[:6])
    assert (status, nfev, len(target.values)) == (4, at, at)
    if at > 1:
        assert f == min(target.values)
        np.testing.assert_array_equal(x, target.points[int(np.argmin(target.values))])


@pytest.mark.parametrize("at", range(2, 8))
@pytest.mark.parametrize("bad", [(np.nan, np.zeros(2)), (-np.inf, np.zeros(2)), (0.0, np.array([np.nan, 0])), 1],
                         ids=["nan", "-inf", "slope", "code"])
def test_value_that_is_not_finite_ends_the_learned_steps_and_not_the_run(at, bad, creeping):
    target = Compiled(lambda x: bad if len(target.values) + 1 == at else valley(x), X0)
    x, f, _, _, nfev, status = (part[0] for part in creeping.solve(target, Stopping(GTOL, 400, 15000))[:6])
    assert status == 0
    assert np.abs(valley(x)[1]).max() <= GTOL
    assert f == valley(x)[0]
    assert nfev == len(target.values)


# -- the option ----------------------------------------------------------------------------------------


def test_policy_without_safeguard_is_its_rollout(problems, random_policy):
    for seed in range(4):
        policy = random_policy(seed=seed)
        runs = l2o.rollout(problems, method=policy, n_steps=25)
        batch = l2o.minimize_many(problems, method=policy, options={**ALONE, "maxiter": 25, "gtol": 0.0})
        np.testing.assert_array_equal(batch.fun, runs.fun.min(axis=1))
        assert (batch.nit == 25).all()


def test_safeguard_is_the_default_and_can_be_asked_for(creeping, problems, random_policy):
    for safeguard in (True, np.True_):
        assert same(l2o.minimize(valley, X0, method=creeping),
                    l2o.minimize(valley, X0, method=creeping, options={"safeguard": safeguard}))
    by_scipy, ours = (minimize(valley, X0, jac=True, method=creeping, options=ALONE)
                      for minimize in (scipy.optimize.minimize, l2o.minimize))
    assert same(by_scipy, ours)
    assert ours.nfev > l2o.minimize(valley, X0, method=creeping).nfev
    ours = l2o.minimize(valley, X0, method=creeping)
    assert same(scipy.optimize.minimize(valley, X0, jac=True, method=creeping), ours)


def test_safeguard_that_is_no_bool_is_an_error_that_names_it(creeping):
    for bad in ("no", 0, None):
        with pytest.raises(TypeError, match="safeguard is"):
            l2o.minimize(valley, X0, method=creeping, options={"safeguard": bad})


def test_method_without_safeguard_says_so_only_if_one_is_asked_for():
    for method in ("lbfgs", Momentum(0.1, 0.5)):
        plain = l2o.minimize(valley, X0, method=method)
        assert same(plain, l2o.minimize(valley, X0, method=method, options=ALONE))
        with pytest.warns(scipy.optimize.OptimizeWarning, match="safeguard"):
            l2o.minimize(valley, X0, method=method, options={"safeguard": True})
