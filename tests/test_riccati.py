"""The structured Riccati pass: against the dense oracle, against the cost it claims to minimise, and its edges."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from oracle_riccati import dynamics, riccati_backward

from l2o._kernels.training.riccati import backward, backward_many

FLOOR = 1e-10
SIZES = [  # dim, history, horizon, references, kept
    (4, 25, 40, 1, 25),
    (2, 5, 12, 1, 6),
    (3, 6, 4, 2, 6),
    (3, 7, 3, 1, 8),
    (1, 3, 7, 2, 4),
    (1, 1, 1, 1, 2),
    (2, 1, 5, 1, 1),
    (5, 4, 9, 3, 5),
    (2, 4, 6, 0, 4),
]


def problem(dim, history, horizon, references, kept, seed=0):
    """Draw the arguments of `backward` up to `precisions`; one reference's precision is singular if dim > 1."""
    rng = np.random.default_rng(seed)
    size = dim + history + kept * dim

    def semidefinite(*shape, rank=dim):
        root = rng.standard_normal((*shape, dim, rank))
        return root @ np.swapaxes(root, -1, -2)

    precisions = semidefinite(references, horizon) + np.eye(dim)
    if references > 1 and dim > 1:
        precisions[-1] = semidefinite(horizon, rank=dim - 1)
    return (
        0.3 * semidefinite(horizon + 1) + 0.1 * np.eye(dim),
        rng.standard_normal((horizon + 1, dim)),
        0.3 * rng.standard_normal((horizon + 1, dim, dim)),  # not symmetric: a fitted model need not be
        rng.standard_normal((horizon + 1, dim)),
        history,
        0.3 * rng.standard_normal((references, horizon, dim, size)),
        rng.standard_normal((references, horizon, dim)),
        precisions,
    )


def outputs(arguments, *lead):
    """Allocate K, k, Q filled with a number that no result contains."""
    *_, horizon, dim, size = arguments[5].shape
    return tuple(np.full((*lead, horizon, *tail), 1e300) for tail in ((dim, size), (dim,), (dim, dim)))


def solve(arguments):
    result = outputs(arguments)
    assert backward(*arguments, FLOOR, *result)
    return result


def existing(horizon, dim, history, kept):
    """Tell for each time which state entries exist: (T, S)."""
    t = np.arange(horizon)[:, None]
    changes = np.arange(1, history + 1) <= t
    gradients = np.repeat(np.arange(kept) <= t, dim, axis=1)
    return np.hstack([np.ones((horizon, dim), bool), changes, gradients])


def advance(state, action, t, model, slopes, history):
    """Return the next state, written without matrices, from the statement in the docstring of `backward`."""
    dim = len(action)
    x, changes, gradients = np.split(state, [dim, dim + history])
    x_next = x + action
    delta = slopes[t + 1] @ x_next - slopes[t] @ x
    changes = np.concatenate([[delta], changes[:-1] + delta])
    changes[t + 1 :] = 0
    return np.concatenate([x_next, changes, model[t + 1] @ x_next, gradients[:-dim]])


def simulate(arguments, gain, offset, state):
    """Return the cost of the feedback from one initial state, and the states it meets."""
    quadratic, linear, model, slopes, history, gains, offsets, precisions = arguments
    horizon, dim = offset.shape
    states, cost = [state], 0.0
    for t in range(horizon + 1):
        state, x = states[-1], states[-1][:dim]
        cost += linear[t] @ x + x @ quadratic[t] @ x / 2
        if t < horizon:
            action = gain[t] @ state + offset[t]
            for K, k, P in zip(gains[:, t], offsets[:, t], precisions[:, t]):
                residual = action - K @ state - k
                cost += residual @ P @ residual / 2
            states.append(advance(state, action, t, model, slopes, history))
    return cost, states


def test_oracle_dynamics_are_those_of_a_rollout():
    """Central differences of a quadratic objective are exact, so A s + B a must equal them."""
    dim, history, kept, horizon = 2, 25, 26, 32
    rng = np.random.default_rng(3)
    hessian = np.array([[2.0, 0.3], [0.3, 0.5]])
    x = 0.2 * rng.standard_normal((horizon + 1, dim)).cumsum(axis=0)
    deviation = 0.1 * rng.standard_normal((horizon + 1, dim)).cumsum(axis=0)

    def states(x):
        f, g = np.einsum("ti,ij,tj->t", x, hessian, x) / 2, x @ hessian
        table = np.zeros((horizon + 1, dim + history + kept * dim))
        table[:, :dim] = x
        for t in range(horizon + 1):
            for i in range(1, min(t, history) + 1):
                table[t, dim + i - 1] = f[t] - f[t - i]
            for j in range(min(t + 1, kept)):
                table[t, dim + history + j * dim :][:dim] = g[t - j]
        return table

    s = (states(x + deviation) - states(x - deviation)) / 2
    model, slopes = np.broadcast_to(hessian, (horizon + 1, dim, dim)), x @ hessian
    for t in range(horizon):
        A, B = dynamics(model, slopes, history, kept, t)
        action = deviation[t + 1] - deviation[t]
        np.testing.assert_allclose(A @ s[t] + B @ action, s[t + 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_backward_equals_dense_oracle(sizes):
    arguments = problem(*sizes)
    before = [np.copy(argument) for argument in arguments]
    for ours, theirs in zip(solve(arguments), riccati_backward(*arguments)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * abs(theirs).max())
    for argument, copy in zip(arguments, before):
        np.testing.assert_array_equal(argument, copy)


@pytest.mark.parametrize("sizes", SIZES[1:])
def test_any_other_feedback_costs_what_q_says(sizes):
    """cost(other) - cost(optimal) = sum_t 1/2 (a - a*)' Q_aa (a - a*) > 0, a* the optimal action where the other is."""
    arguments = problem(*sizes, seed=1)
    K, k, Q = solve(arguments)
    rng = np.random.default_rng(2)
    for scale in (1e-2, 0.3):
        for _ in range(4):
            start = rng.standard_normal(K.shape[2])
            K_other = K + scale * rng.standard_normal(K.shape)
            k_other = k + scale * rng.standard_normal(k.shape)
            best, _ = simulate(arguments, K, k, start)
            cost, states = simulate(arguments, K_other, k_other, start)
            gaps = [(K_other[t] - K[t]) @ states[t] + k_other[t] - k[t] for t in range(len(k))]
            excess = sum(gap @ Q[t] @ gap / 2 for t, gap in enumerate(gaps))
            assert cost > best
            assert cost - best == pytest.approx(excess, rel=1e-7, abs=1e-11 * (abs(cost) + abs(best)))


@pytest.mark.parametrize("sizes", [(2, 5, 12, 1, 6), (3, 6, 4, 2, 6), (1, 4, 9, 1, 4)])
def test_entries_that_do_not_exist_yet_have_no_influence(sizes):
    dim, history, horizon, _, kept = sizes
    arguments = problem(*sizes)
    K, k, Q = solve(arguments)
    exists = np.broadcast_to(existing(horizon, dim, history, kept)[:, None, :], K.shape)
    gains = np.where(exists, arguments[5], 1e3 * arguments[5] + 7)
    K_other, k_other, Q_other = solve((*arguments[:5], gains, *arguments[6:]))
    np.testing.assert_array_equal(K_other[exists], K[exists])
    np.testing.assert_array_equal(k_other, k)
    np.testing.assert_array_equal(Q_other, Q)
    assert np.all(K_other[~exists] != K[~exists])  # the change did arrive, where it belongs


def test_indefinite_cost_is_refused_where_it_shows():
    arguments = problem(2, 4, 8, 1, 4)
    arguments[0][5, 1, 1] = -1e3
    result = outputs(arguments)
    assert not backward(*arguments, FLOOR, *result)
    K, k, _ = result
    assert np.all(K[5:] != 1e300)  # times after the trouble are done, earlier ones untouched
    assert np.all(k[5:] != 1e300)
    assert np.all(K[:5] == 1e300)
    assert np.all(k[:5] == 1e300)


@pytest.mark.parametrize(
    ("curvature", "accepted"), [(1.1e-10, True), (0.9e-10, False), (0.0, False), (-1.0, False), (np.inf, False)]
)
def test_floor_bounds_the_last_pivot(curvature, accepted):
    """T = 1 without references, model or slopes: Q_aa is quadratic[1], whose diagonal alone shows no trouble."""
    arguments = problem(2, 1, 1, 0, 1)
    arguments[2][:] = 0
    arguments[3][:] = 0
    arguments[0][1] = [[1.0, 1.0], [1.0, 1.0 + curvature]]
    result = outputs(arguments)
    assert backward(*arguments, FLOOR, *result) is accepted
    assert np.all(result[0] != 1e300) == accepted


@pytest.mark.parametrize("position", [0, 1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_input_is_refused(position, value):
    arguments = problem(2, 4, 6, 1, 4)
    entry = (0, 0) if position in (5, 6, 7) else (1,)  # what the first action, the last to be computed, depends on
    arguments[position][(*entry, ...)] = value
    result = outputs(arguments)
    assert not backward(*arguments, FLOOR, *result)
    if position in (0, 2, 3, 7):  # these enter Q_aa, and no gain is computed from a broken one
        assert np.all(result[0][0] == 1e300)


def test_backward_many_equals_backward_to_the_bit_in_any_number_of_threads():
    count, sizes = 7, (3, 5, 9, 2, 6)
    singles = [problem(*sizes, seed=seed) for seed in range(count)]
    singles[4][0][3] -= 1e3 * np.eye(3)
    stacked = [np.stack(arrays) if np.ndim(arrays[0]) else arrays[0] for arrays in zip(*singles)]
    expected = [outputs(arguments) for arguments in singles]
    expected_ok = [backward(*arguments, FLOOR, *result) for arguments, result in zip(singles, expected)]
    assert expected_ok == [True, True, True, True, False, True, True]

    def run(rows):
        part = [array[rows] if np.ndim(array) else array for array in stacked]
        results, ok = outputs(singles[0], rows.stop - rows.start), np.empty(rows.stop - rows.start, bool)
        backward_many(*part, FLOOR, *results, ok)
        return *results, ok

    for slices in ([slice(0, count)], [slice(0, 3), slice(3, count)]):
        with ThreadPoolExecutor(len(slices)) as pool:
            *results, ok = (np.concatenate(parts) for parts in zip(*pool.map(run, slices)))
        np.testing.assert_array_equal(ok, expected_ok)
        for many, ones in zip(results, zip(*expected)):
            np.testing.assert_array_equal(many, np.stack(ones))
