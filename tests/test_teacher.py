"""Controllers and teachers: what they do in the kernel, what improving them promises, and what it costs."""

import dataclasses

import numpy as np
import oracles
import pytest
from oracle_riccati import riccati_backward

import l2o
from l2o.baselines import Momentum
from l2o.policies import MLP
from l2o.training.controllers import Controllers, momentum_controllers
from l2o.training.coupling import Coupling
from l2o.training.local_model import LocalModel, from_hessians
from l2o.training.teacher import Reference, TrustRegion, improve
from l2o.training.trajectories import Layout, simulate

H, T, DIM, M = 5, 12, 4, 6
LAYOUTS = [Layout(DIM, H, H, 0), Layout(DIM, H, H + 1, 1)]
LAYOUT = LAYOUTS[0]
SIGMA = 0.1


@pytest.fixture(scope="module")
def problems():
    return l2o.families.Logistic(n_points=30).sample(M, rng=3)


def momentum(layout=LAYOUT, horizon=T, sigma=SIGMA, step_size=0.5):
    return momentum_controllers(np.full(M, step_size), np.linspace(0, 0.6, M), horizon, sigma, layout)


def random_controllers(layout, m=M, horizon=T, seed=0):
    """Return controllers with small gains on everything in the state."""
    rng = np.random.default_rng(seed)
    return Controllers(0.05 * rng.standard_normal((m, horizon, layout.dim, layout.size)),
                       0.1 * rng.standard_normal((m, horizon, layout.dim)),
                       np.broadcast_to(np.eye(layout.dim), (m, horizon, layout.dim, layout.dim)), layout, np.arange(m))


def states_by_hand(runs, i, t, layout):
    """Return the state of run i at time t, entry by entry."""
    seen = oracles.observation(runs.fun[i], runs.jac[i], t, layout.kept)
    return np.concatenate([runs.x[i, t], seen[: layout.history], seen[layout.kept :]])


def kl(mean, precision, other_mean, other_precision):
    """Return KL(N(mean, precision^-1) || N(other_mean, other_precision^-1)), the textbook formula."""
    covariance, apart = np.linalg.inv(precision), mean - other_mean
    logs = np.log(np.linalg.det(np.linalg.inv(other_precision)) / np.linalg.det(covariance))
    return 0.5 * (np.trace(other_precision @ covariance) + apart @ other_precision @ apart - len(mean) + logs)


def trajectory_kl(region, psi, other, runs):
    """Return the sum over time of the KL of psi (controllers) from `other` (in deviations), at states of runs."""
    total = np.zeros(len(runs.fun))
    for i in range(len(total)):
        for t in range(runs.fun.shape[1] - 1):
            state, nominal = (states_by_hand(r, i, t, region.layout) for r in (runs, region.nominal))
            centre = region.nominal.actions[i, t] + other.K[i, t] @ (state - nominal) + other.k[i, t]
            total[i] += kl(psi.K[i, t] @ state + psi.k[i, t], psi.precision[i, t], centre, other.precision[i, t])
    return total


def trust_region(problems, teachers=None, floor=1e-3, **parts):
    """Return a trust region round teachers (by default momentum), with the Hessians as the model."""
    teachers = momentum() if teachers is None else teachers
    nominal = simulate(teachers, problems, teachers.k.shape[1])
    reference = Reference(teachers.K, np.zeros_like(teachers.k), teachers.precision)
    weights = np.ones(teachers.k.shape[1] + 1)
    weights[0] = 0
    region = TrustRegion(problems, nominal, from_hessians(problems, nominal, floor), weights, reference, None, None,
                         teachers.layout)
    return dataclasses.replace(region, **parts)


def other_policy(region, seed=1):
    """Return a policy in deviations that differs from the reference in all respects."""
    rng = np.random.default_rng(seed)
    reference = region.reference
    return Reference(0.5 * reference.K, 0.02 * rng.standard_normal(reference.k.shape), 2 * reference.precision)


def uniform(nu):
    """Return a coupling of the same weight at all steps, without multipliers."""
    return Coupling.uniform(nu, M, T, DIM)


def uneven(prices=True, seed=4):
    """Return a coupling with other weights at every step, and multipliers."""
    rng = np.random.default_rng(seed)
    return Coupling(rng.uniform(0.1, 1.0, (M, T)), prices * 0.05 * rng.standard_normal((M, T, DIM)))


def cost(region, runs):
    return runs.fun @ region.cost_weights


def runs_of(region, controllers):
    return simulate(controllers, region.problems, controllers.k.shape[1])


# -- controllers ---------------------------------------------------------------------------------------


def test_layout_is_that_of_the_network():
    assert Layout.of(MLP(history=25), 4).size == 129
    assert Layout.of(MLP(history=25), 12).size == 337
    literal = Layout.of(MLP(history=5, newest_gradient=False), 4)
    assert (literal.kept, literal.first, literal.size) == (6, 1, 4 + 5 + 24)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("horizon", [3, 12])
def test_means_equal_the_steps_of_the_kernel(layout, horizon, problems):
    controllers = random_controllers(layout, horizon=horizon)
    noise = 0.1 * np.random.default_rng(1).standard_normal((2 * M, horizon, DIM))
    runs = simulate(controllers.repeated(2), problems[np.repeat(np.arange(M), 2)], horizon, noise=noise)
    means = controllers.means(runs.states(layout).reshape(M, 2, horizon, layout.size))
    np.testing.assert_allclose(means.reshape(noise.shape) + noise, runs.actions, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_means_equal_the_formula(layout, problems):
    controllers, runs = random_controllers(layout), simulate(momentum(layout), problems, T)
    means = controllers.means(runs.states(layout)[:, None])[:, 0]
    for i in range(M):
        for t in range(T):
            expected = oracles.controller(controllers.K[i], controllers.k[i], runs.x[i, t], runs.fun[i], runs.jac[i], t,
                                          layout.history, layout.kept)
            np.testing.assert_allclose(means[i, t], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_momentum_controllers_are_momentum_while_the_history_lasts(layout, problems):
    controllers = momentum(layout, horizon=20)
    runs = simulate(controllers, problems, 20)
    for i, decay in enumerate(np.linspace(0, 0.6, M)):
        method = Momentum(0.5, decay)
        whole = l2o.rollout(problems[i : i + 1], method=method, n_steps=20)
        np.testing.assert_allclose(runs.x[i, : layout.kept + 1], whole.x[0, : layout.kept + 1], rtol=0, atol=1e-13)
        if decay:
            assert (runs.x[i, layout.kept + 1] != whole.x[0, layout.kept + 1]).any()
        for t in range(20):  # then the oldest gradients are forgotten
            newest = runs.jac[i, max(0, t + 1 - layout.kept) : t + 1]
            np.testing.assert_allclose(runs.actions[i, t], oracles.momentum(newest, 0.5, decay)[-1], rtol=0, atol=1e-13)


def test_momentum_controllers_explore_with_sigma():
    controllers = momentum(sigma=0.25)
    covariance = np.linalg.inv(controllers.precision)
    np.testing.assert_allclose(covariance, np.broadcast_to(0.0625 * np.eye(DIM), covariance.shape), rtol=1e-12)
    assert controllers.precision.shape == (M, T, DIM, DIM)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_around_repeats_the_nominal_run(layout, problems):
    """Without an offset, whatever the gains; and far from it without gains."""
    source = random_controllers(layout)
    nominal = simulate(source, problems, T)
    for K in (np.zeros(source.K.shape), source.K, -source.K):
        controllers = Controllers.around(nominal, K, np.zeros(source.k.shape), source.precision, layout)
        np.testing.assert_allclose(simulate(controllers, problems, T).x, nominal.x, rtol=0, atol=1e-11)
    controllers = Controllers.around(nominal, np.zeros(source.K.shape), source.k, source.precision, layout)
    away = simulate(controllers, problems.with_starts(problems.x0 + 1), T)
    np.testing.assert_allclose(away.actions, nominal.actions + source.k, rtol=0, atol=1e-12)


def test_around_acts_on_deviations(problems):
    source, nominal = random_controllers(LAYOUT), simulate(momentum(), problems, T)
    controllers = Controllers.around(nominal, source.K, source.k, source.precision, LAYOUT)
    runs = simulate(controllers, problems.with_starts(problems.x0 + 0.1), T)
    for i in range(M):
        for t in range(T):
            deviation = states_by_hand(runs, i, t, LAYOUT) - states_by_hand(nominal, i, t, LAYOUT)
            expected = nominal.actions[i, t] + source.K[i, t] @ deviation + source.k[i, t]
            np.testing.assert_allclose(runs.actions[i, t], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("workers", [2, 3, -1])
def test_repeated_controllers_run_on_their_own_function(workers, problems):
    controllers = random_controllers(LAYOUT)
    rows = np.repeat(np.arange(M), 3)
    many = simulate(controllers.repeated(3), problems[rows], T)
    np.testing.assert_array_equal(many.x, simulate(controllers, problems, T).x[rows])
    spread = simulate(controllers.repeated(3), problems[rows], T, workers=workers)
    for part in ("x", "fun", "jac"):
        assert getattr(spread, part).tobytes() == getattr(many, part).tobytes()


def test_controllers_for_runs_are_those_of_the_rows():
    controllers = random_controllers(LAYOUT).repeated(3)
    for rows in (slice(0, 3), slice(4, 11), slice(17, 18), slice(0, 18)):
        part = controllers.for_runs(rows)
        np.testing.assert_array_equal(part.K[part.index], controllers.K[controllers.index[rows]])
        np.testing.assert_array_equal(part.k[part.index], controllers.k[controllers.index[rows]])
        assert len(part.K) == len(np.unique(controllers.index[rows]))


def test_replaced_controllers_are_the_new_ones_where_asked():
    old, new = random_controllers(LAYOUT), random_controllers(LAYOUT, seed=5)
    which = np.array([True, False, False, True, True, False])
    mixed = old.replaced(which, dataclasses.replace(new, precision=3 * new.precision))
    for part in ("K", "k", "precision"):
        values = [getattr(each, part) for each in (mixed, new, old)]
        np.testing.assert_array_equal(values[0][which], values[1][which] * (3 if part == "precision" else 1))
        np.testing.assert_array_equal(values[0][~which], values[2][~which])


# -- one pass ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("coupling", [uniform(0.0), uniform(0.7), uneven()], ids=["none", "uniform", "priced"])
def test_solve_equals_the_dense_oracle(layout, coupling, problems):
    """Weighted cost of location from `convex` and the gradient; dynamics from `curvature`; eta and nu on P; lambda."""
    region = trust_region(problems, momentum(layout), floor=0.05, coupling=coupling)
    weights = np.linspace(0, 2, T + 1)
    region = dataclasses.replace(region, cost_weights=weights, linearised=other_policy(region))
    rows = np.array([4, 1])
    K, k, Q, ok = region.solve(0.3, rows)
    assert ok.all()
    for n, i in enumerate(rows):
        references = [(0.3, region.reference), (coupling.weights[i][:, None, None], region.linearised)]
        expected = riccati_backward(
            weights[:, None, None] * region.model.convex[i], weights[:, None] * region.nominal.jac[i],
            region.model.curvature[i], region.nominal.jac[i], H, np.stack([r.K[i] for _, r in references]),
            np.stack([r.k[i] for _, r in references]), np.stack([w * r.precision[i] for w, r in references]),
            coupling.multipliers[i])
        for ours, theirs in zip((K[n], k[n], Q[n]), expected):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * abs(theirs).max())


def test_solve_has_the_same_bits_for_any_workers(problems):
    region = trust_region(problems)
    region = dataclasses.replace(region, linearised=other_policy(region), coupling=uneven())
    one = region.solve(0.3, np.arange(M))
    for workers in (2, 3, -1):
        several = dataclasses.replace(region, workers=workers).solve(0.3, np.arange(M))
        assert [part.tobytes() for part in several] == [part.tobytes() for part in one]


# -- the divergence ------------------------------------------------------------------------------------


def test_divergence_of_the_reference_from_itself_is_zero(problems):
    region = trust_region(problems)
    away = simulate(momentum(), problems.with_starts(problems.x0 + 1), T)
    for runs in (region.nominal, away):
        zero = region.divergence(runs, region.reference, region.reference, np.arange(M))
        np.testing.assert_allclose(zero, np.zeros(M), rtol=0, atol=1e-10)


def test_divergence_equals_the_formula(problems):
    region = trust_region(problems)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((M, T, DIM, DIM))
    source = random_controllers(LAYOUT)
    psi = Reference(region.reference.K + source.K, source.k, 50 * (root @ root.swapaxes(-1, -2) + np.eye(DIM)))
    controllers = Controllers.around(region.nominal, psi.K, psi.k, psi.precision, LAYOUT)
    runs, other = runs_of(region, controllers), other_policy(region)
    for reference in (region.reference, other):
        expected = trajectory_kl(region, controllers, reference, runs)
        np.testing.assert_allclose(region.divergence(runs, psi, reference, np.arange(M)), expected, rtol=1e-9)
    rows = np.array([5, 2])
    some = region.divergence(runs[rows], psi[rows], other, rows)
    np.testing.assert_allclose(some, expected[rows], rtol=1e-9)


def test_divergence_is_the_mean_log_ratio_of_densities(problems):
    """Monte Carlo over the actions at one state, T = 1: E_psi[log psi(a) - log reference(a)]."""
    region = trust_region(problems[:1], momentum_controllers(np.ones(1), np.zeros(1), 1, SIGMA, LAYOUT))
    rng = np.random.default_rng(0)
    root = rng.standard_normal((DIM, DIM))
    covariance = 0.01 * (np.eye(DIM) + root @ root.T)
    k = 0.1 * rng.standard_normal((1, 1, DIM))
    psi = Reference(region.reference.K, k, np.linalg.inv(covariance)[None, None])
    a = k[0, 0] + rng.standard_normal((40_000, DIM)) @ np.linalg.cholesky(covariance).T

    def log_density(a, mean, precision):
        return np.linalg.slogdet(precision)[1] / 2 - np.einsum("nd,de,ne->n", a - mean, precision, a - mean) / 2

    ratio = log_density(a, k[0, 0], psi.precision[0, 0]) - log_density(a, 0, region.reference.precision[0, 0])
    found = region.divergence(region.nominal, psi, region.reference, np.arange(1))
    assert abs(found[0] - ratio.mean()) < 5 * ratio.std() / 200
    assert ratio.mean() > 100 * ratio.std() / 200  # the check can fail


# -- improving the teachers ----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kl_bound", [0.3, 2.0, 10.0])
def test_improved_teachers_are_better_in_real_runs_and_inside_the_bound(layout, kl_bound, problems):
    region = trust_region(problems, momentum(layout))
    teachers = improve(region, kl_bound, 1.0, np.arange(M), n_trials=12)
    runs = runs_of(region, teachers.controllers)
    assert teachers.accepted.all()
    assert (cost(region, runs) < cost(region, region.nominal)).all()
    each = trajectory_kl(region, teachers.controllers, region.reference, runs)
    assert each.mean() == pytest.approx(teachers.kl, rel=1e-6)
    assert 0.6 * kl_bound <= each.mean() <= 1.3 * kl_bound


def test_larger_bound_gives_larger_divergence_and_lower_cost(problems):
    region = trust_region(problems)
    found = [improve(region, bound, 1.0, np.arange(M), n_trials=12) for bound in (0.1, 1.0, 10.0)]
    costs = [cost(region, runs_of(region, teachers.controllers)).sum() for teachers in found]
    assert found[0].kl < found[1].kl < found[2].kl
    assert found[0].eta > found[1].eta > found[2].eta
    assert costs[0] > costs[1] > costs[2]


def test_bound_is_found_from_any_first_multiplier(problems):
    region = trust_region(problems)
    for eta in (1e-4, 1e5):
        assert 0.6 <= improve(region, 1.0, eta, np.arange(M), n_trials=25).kl <= 1.3
    assert not 0.6 <= improve(region, 1.0, 1e5, np.arange(M), n_trials=2).kl <= 1.3  # the search is needed


def test_search_is_made_on_the_given_functions(problems):
    """The bound holds on the mean over them, not on each function: one multiplier serves all."""
    region = trust_region(problems)
    for rows in (np.array([0]), np.array([3, 5])):
        teachers = improve(region, 1.0, 1.0, rows, n_trials=12)
        each = trajectory_kl(region, teachers.controllers, region.reference, runs_of(region, teachers.controllers))
        assert 0.6 <= each[rows].mean() <= 1.3
    assert each.max() > 1.5 * each.min()


def test_teacher_that_is_worse_in_a_real_run_is_not_accepted(problems):
    """The model of two functions has the wrong sign: their teachers climb, so the old ones are returned."""
    region = trust_region(problems)
    sign = np.where(np.isin(np.arange(M), (1, 4)), -1.0, 1.0)[:, None, None]
    region = dataclasses.replace(region, model=LocalModel(sign * region.model.gradient, region.model.curvature,
                                                          region.model.convex))
    teachers = improve(region, 5.0, 1.0, np.array([0, 2, 3, 5]))
    assert teachers.accepted.tolist() == [True, False, True, True, False, True]
    runs = runs_of(region, teachers.controllers)
    np.testing.assert_allclose(runs.x[[1, 4]], region.nominal.x[[1, 4]], rtol=0, atol=1e-11)
    np.testing.assert_allclose(teachers.controllers.K[[1, 4]], region.reference.K[[1, 4]], rtol=0, atol=1e-12)
    each = trajectory_kl(region, teachers.controllers, region.reference, runs)
    assert teachers.kl == pytest.approx(each[teachers.accepted].mean(), rel=1e-6)


def test_function_whose_teacher_is_worse_is_given_a_shorter_step(problems):
    """With far too small a multiplier for it, a function is improved with a larger one."""
    region = trust_region(problems)
    gradient, curvature = region.model.gradient.copy(), region.model.convex.copy()
    gradient[2] *= 30  # this teacher overshoots
    region = dataclasses.replace(region, model=LocalModel(gradient, region.model.curvature, curvature))
    teachers = improve(region, 2.0, 1.0, np.array([0, 1, 3, 4, 5]), n_trials=12)
    assert teachers.accepted.all()
    found, *shorter = (abs(region.solve(factor * teachers.eta, np.array([2]))[0][0] - teachers.controllers.K[2]).max()
                       for factor in (1, 4, 16, 64))
    assert found > 1e-3
    assert min(shorter) < 1e-12


def test_indefinite_cost_raises_the_multiplier(problems):
    """Far too negative a curvature: no teacher exists until the trust region outweighs it."""
    region = trust_region(problems)
    convex = region.model.convex - 5.0 * np.eye(DIM)
    region = dataclasses.replace(region, model=LocalModel(region.model.gradient, region.model.curvature, convex))
    assert not region.solve(1e-3, np.arange(M))[-1].any()
    teachers = improve(region, 1.0, 1e-3, np.arange(M), n_trials=25)
    assert teachers.eta > 1e-3
    assert region.solve(teachers.eta, np.arange(M))[-1].all()
    assert np.isfinite(teachers.kl)


def test_no_teacher_at_all_leaves_the_nominal_run(problems):
    region = trust_region(problems)
    region = dataclasses.replace(region, model=LocalModel(-region.model.gradient, region.model.curvature,
                                                          region.model.convex))
    teachers = improve(region, 1.0, 1.0, np.arange(M))
    assert not teachers.accepted.any()
    assert teachers.kl == 0
    np.testing.assert_allclose(runs_of(region, teachers.controllers).x, region.nominal.x, rtol=0, atol=1e-11)


def test_teachers_have_the_same_bits_for_any_workers(problems):
    region = trust_region(problems)
    one = improve(region, 2.0, 1.0, np.array([0, 3]))
    two = improve(dataclasses.replace(region, workers=2), 2.0, 1.0, np.array([0, 3]))
    assert (one.eta, one.kl, one.accepted.tolist()) == (two.eta, two.kl, two.accepted.tolist())
    for part in ("K", "k", "precision"):
        assert getattr(one.controllers, part).tobytes() == getattr(two.controllers, part).tobytes()


# -- coupling to the policy -----------------------------------------------------------------------------


def test_coupling_pulls_the_teachers_to_the_policy(problems):
    region = trust_region(problems)
    policy = Reference(region.reference.K, np.zeros_like(region.reference.k), region.reference.precision)
    policy.k[:] = -0.03 * region.nominal.jac[:, :-1]  # a step a little longer: better than the reference
    apart = []
    for nu in (1e-3, 1.0, 1e3):
        coupled = dataclasses.replace(region, linearised=policy, coupling=uniform(nu))
        teachers = improve(coupled, 1.0, 1.0, np.arange(M), n_trials=25)
        runs = runs_of(coupled, teachers.controllers)
        apart.append(trajectory_kl(coupled, teachers.controllers, policy, runs)[teachers.accepted].mean())
    assert apart[0] > apart[1] > apart[2]


def test_coupled_teacher_minimises_cost_and_both_divergences(problems):
    """nu = eta and the policy equal to the reference: the same teacher as with twice eta and no policy."""
    region = trust_region(problems)
    coupled = dataclasses.replace(region, linearised=region.reference, coupling=uniform(0.5))
    K, k, Q, ok = coupled.solve(0.5, np.arange(M))
    alone = region.solve(1.0, np.arange(M))
    assert ok.all()
    for ours, theirs in zip((K, k, Q), alone):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * abs(theirs).max())


def test_coupled_covariance_is_that_of_both_weights(problems):
    """G = (eta + nu_t) Q_aa^-1."""
    region = trust_region(problems)
    region = dataclasses.replace(region, linearised=region.reference, coupling=uneven(prices=False))
    teachers = improve(region, 1.0, 1.0, np.arange(M), n_trials=12)
    *_, Q, ok = region.solve(teachers.eta, np.arange(M))
    assert ok.all()
    assert teachers.accepted.all()
    expected = Q / (teachers.eta + uneven().weights[..., None, None])
    np.testing.assert_allclose(teachers.controllers.precision, expected, rtol=0, atol=1e-9 * abs(expected).max())


def test_coupled_teachers_do_not_lose_by_cost_and_coupling(problems):
    region = trust_region(problems)
    region = dataclasses.replace(region, linearised=other_policy(region), coupling=uniform(0.1))
    teachers = improve(region, 2.0, 1.0, np.arange(M), n_trials=12)
    runs, nominal = runs_of(region, teachers.controllers), region.nominal
    old = Controllers.around(nominal, region.reference.K, region.reference.k, region.reference.precision, LAYOUT)
    new_bound = cost(region, runs) + 0.1 * trajectory_kl(region, teachers.controllers, region.linearised, runs)
    old_bound = cost(region, nominal) + 0.1 * trajectory_kl(region, old, region.linearised, nominal)
    assert teachers.accepted.any()
    assert (new_bound <= old_bound + 1e-9)[teachers.accepted].all()


def test_price_of_a_run_is_its_divergences_less_its_multipliers(problems):
    """Step by step, the divergences as in the textbook."""
    coupling, region = uneven(), trust_region(problems)
    region = dataclasses.replace(region, linearised=other_policy(region), coupling=coupling)
    source, rows = random_controllers(LAYOUT), np.array([4, 1])
    psi = Reference(region.reference.K + source.K, source.k, 50 * source.precision)
    controllers = Controllers.around(region.nominal, psi.K, psi.k, psi.precision, LAYOUT)
    runs = runs_of(region, controllers)
    found = region.cost(runs[rows], psi[rows], rows) - cost(region, runs)[rows]
    for i, price in zip(rows, found):
        expected = 0.0
        for t in range(T):
            state, nominal = (states_by_hand(r, i, t, LAYOUT) for r in (runs, region.nominal))
            other = region.linearised
            centre = region.nominal.actions[i, t] + other.K[i, t] @ (state - nominal) + other.k[i, t]
            divergence = kl(runs.actions[i, t], psi.precision[i, t], centre, other.precision[i, t])
            expected += coupling.weights[i, t] * divergence - coupling.multipliers[i, t] @ runs.actions[i, t]
        assert price == pytest.approx(expected, rel=1e-8)


def test_multiplier_moves_the_teachers_along_it(problems):
    """One that is large makes the step long in its direction."""
    region, steps = trust_region(problems), []
    for price in (-1.0, 0.0, 1.0):
        multipliers = np.zeros((M, T, DIM))
        multipliers[:, 2, 1] = price
        coupling = dataclasses.replace(uniform(0.1), multipliers=multipliers)
        coupled = dataclasses.replace(region, linearised=region.reference, coupling=coupling)
        steps.append(coupled.solve(1.0, np.arange(M))[1][:, 2, 1])
    assert (np.diff(steps, axis=0) > 0).all()
