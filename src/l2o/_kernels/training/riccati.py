"""The linear-quadratic teacher: one backward Riccati pass over the history of a learned optimizer.

The state is [x | objective changes | gradients, newest first], the action is the step. With V the value function and
[A B] the dynamics, all rows of A but 1 + d only move an old entry by one place, so
- A'VA on the history is an index shift, done in place;
- B'V is a sum of d + H + d rows of V, and A'VB and A'VA on x follow from those rows;
- what remains is one symmetric update of rank d (1 + R) of the upper triangle:
O(S^2 d (1 + R)) work a step instead of O(S^3). Linear terms are one more column, that of a state entry that is always
1; gains and offsets, Hessian and gradient of V, then share their loops.

Loops over columns run over unsigned integers: with signed ones Numba asks at every entry whether the index counts from
the end, and LLVM does not vectorise. Inner functions take row numbers, not slices: a slice costs two atomic operations.
"""

import numpy as np
from numba import uintp

from l2o._kernels.base.compiled import compiled

__all__ = ["backward", "backward_many"]

# 'contract' allows fused multiply-adds; no loop here is a long sum, so 'reassoc' would add nothing. NaN stays NaN.
_compile = compiled(nogil=True, fastmath={"contract"})


@_compile
def backward(quadratic, linear, model, slopes, history, gains, offsets, precisions, floor, K_out, k_out, Q_out):
    r"""Minimise a quadratic cost over time-varying affine feedback, by one backward pass.

    In deviations from a nominal trajectory, with :math:`\delta = f_{t+1}' x_{t+1} - f_t' x_t` (``slopes``),

    .. math:: x_{t+1} = x_t + a_t, \quad F_1 \leftarrow \delta, \quad F_i \leftarrow F_{i-1} + \delta
        \;(2 \le i \le \min(t+1, H)), \quad F_i \leftarrow 0 \;(i > \min(t+1, H)),

    the newest gradient is ``model[t+1] @ x_{t+1}``, the others move one place. The cost is

    .. math:: \sum_{t \le T} \left(l_t'x_t + \tfrac12 x_t'C_tx_t\right)
        + \sum_r \sum_{t<T} \tfrac12 (a_t - K_{rt}s_t - k_{rt})' P_{rt} (a_t - K_{rt}s_t - k_{rt}).

    All arrays are float64 and, for speed, C-contiguous; inputs are only read.

    Parameters
    ----------
    quadratic, linear : (T+1, d, d) symmetric, (T+1, d)
        Cost of the location, C and l.
    model : (T+1, d, d)
        Derivative of the gradient by the location; ``model[0]`` is not read.
    slopes : (T+1, d)
        Gradients of the objective at the nominal locations.
    history : int >= 1
        Number H of objective changes; S = d + H + (number of gradients) d.
    gains, offsets, precisions : (R, T, d, S), (R, T, d), (R, T, d, d) symmetric positive semidefinite
        Reference controllers K and k, and P with its multiplier in it; R >= 0.
    floor : float > 0
        Smallest pivot of Q_aa that counts as curvature, about 1e-10.
    K_out, k_out, Q_out : (T, d, S), (T, d), (T, d, d)
        Written: the feedback a_t = K_t s_t + k_t, and Q_aa,t, the Hessian of the cost to go in the action. Gains of
        entries that do not exist yet (they are zero) are those of the formal problem: what the references ask for.

    Returns
    -------
    bool
        False as soon as a squared Cholesky pivot of some Q_aa,t is below `floor` or not finite (earlier times are
        then not written), or when an output is not finite. A pivot is never below the smallest eigenvalue, so no
        matrix with all eigenvalues above `floor` is refused.

    References
    ----------
    S. Levine and P. Abbeel, Learning Neural Network Policies with Guided Policy Search under Unknown Dynamics (2014);
    K. Li and J. Malik, Learning to Optimize (2017): the linear-Gaussian controllers of guided policy search.
    """
    horizon, dim, size = K_out.shape
    references, newest = gains.shape[0], dim + history
    value, left, right, rows, pulled = _workspace(size, dim, references)
    hessian, lower = np.empty((dim + 1, dim)), np.empty((dim, dim))   # the last row of the first is not used
    _add_location_cost(value, quadratic[horizon], linear[horizon], size)
    for t in range(horizon - 1, -1, -1):
        stop = dim + min(t + 1, history)                  # end of the objective changes that exist at t + 1
        _complete_rows(value, newest + dim)
        _gather(value, model[t + 1], slopes[t + 1], newest, stop, rows)
        _pull_back(rows, model[t + 1], slopes[t + 1], slopes[t], newest, stop, hessian, pulled)
        _shift_history(value, size, dim, newest, stop)
        _set_location_rows(value, pulled, slopes[t])
        _add_location_cost(value, quadratic[t], linear[t], size)
        for r in range(references):
            _add_reference(gains[r, t], offsets[r, t], precisions[r, t], r * dim, left, right, hessian, pulled)
        if not _factor(hessian, floor, lower, Q_out[t]):
            return False
        _minimise_action(lower, pulled, references * dim, left, right, K_out[t], k_out[t])
        _add_products(value, left, right)
    return _all_finite(K_out) and _all_finite(k_out)


@_compile
def backward_many(
    quadratic, linear, model, slopes, history, gains, offsets, precisions, floor, K_out, k_out, Q_out, ok
):
    """Run `backward` for m functions, one after the other: row i equals the single call to the bit.

    Holds no GIL and shares nothing between rows, so threads may each take a slice of them.

    Parameters
    ----------
    quadratic, linear, model, slopes : (m, T+1, d, d), (m, T+1, d), (m, T+1, d, d), (m, T+1, d)
    history : int
    gains, offsets, precisions : (m, R, T, d, S), (m, R, T, d), (m, R, T, d, d)
    floor : float
    K_out, k_out, Q_out : (m, T, d, S), (m, T, d), (m, T, d, d)
        Written; as in `backward`, and so are all arguments above but for the leading axis.
    ok : (m,) bool
        Written: what `backward` returns.
    """
    for i in range(ok.shape[0]):
        ok[i] = backward(
            quadratic[i], linear[i], model[i], slopes[i], history, gains[i], offsets[i], precisions[i], floor,
            K_out[i], k_out[i], Q_out[i],
        )


@_compile
def _workspace(size, dim, references):
    """Zeros for [V v] (upper triangle), the two factors of its update, and 1 + d rows over the state and 1, twice."""
    width = (size + 8) // 8 * 8                           # S + 1 and more, in the multiples _add_products asks for
    rank = ((references + 1) * dim + 3) // 4 * 4
    value = np.zeros(((size + 3) // 4 * 4, width))
    left, right = np.zeros((rank, width)), np.zeros((rank, width))
    return value, left, right, np.zeros((dim + 1, size + 1)), np.zeros((dim + 1, size + 1))


@_compile
def _complete_rows(value, count):
    """Mirror the upper triangle of the leading block, so that its rows can be read from end to end."""
    for i in range(1, count):
        for j in range(i):
            value[i, j] = value[j, i]


@_compile
def _gather(value, model, slope, newest, stop, rows):
    """Write B'V to rows[:d] and the sum of V over the objective changes to rows[d]."""
    dim, width = model.shape[0], rows.shape[1]
    for j in range(width):
        rows[dim, j] = 0.0
    for i in range(dim, stop):
        for j in range(width):
            rows[dim, j] += value[i, j]
    for a in range(dim):
        for j in range(width):
            rows[a, j] = value[a, j] + slope[a] * rows[dim, j]
        for b in range(dim):
            weight = model[b, a]
            for j in range(width):
                rows[a, j] += weight * value[newest + b, j]


@_compile
def _pull_back(rows, model, slope_next, slope, newest, stop, through_action, through_state):
    """Multiply row vectors over the next state (and 1) by B, to (n, d), and by A, to (n, S + 1)."""
    dim, size = model.shape[0], rows.shape[1] - 1
    for r in range(rows.shape[0]):
        change = 0.0
        for i in range(dim, stop):
            change += rows[r, i]
        for b in range(dim):
            total = rows[r, b] + slope_next[b] * change
            for e in range(dim):
                total += rows[r, newest + e] * model[e, b]
            through_action[r, b] = total
            through_state[r, b] = total - slope[b] * change
        for j in range(dim, size + 1):
            through_state[r, j] = 0.0
        for j in range(dim, stop - 1):
            through_state[r, j] = rows[r, j + 1]
        for j in range(newest, size - dim):
            through_state[r, j] = rows[r, j + dim]
        through_state[r, size] = rows[r, size]


@_compile
def _shift_history(value, size, dim, newest, stop):
    """Replace the history rows of V by those of A'VA, in place: each takes from a row further down, to the right."""
    for i in range(dim, stop - 1):
        for j in range(uintp(i), uintp(stop - 1)):
            value[i, j] = value[i + 1, j + uintp(1)]
        for j in range(uintp(newest), uintp(size - dim)):
            value[i, j] = value[i + 1, j + uintp(dim)]
        value[i, size] = value[i + 1, size]
    for i in range(newest, size - dim):
        for j in range(uintp(i), uintp(size - dim)):
            value[i, j] = value[i + dim, j + uintp(dim)]
        value[i, size] = value[i + dim, size]
    _clear(value, size, dim, stop - 1, newest)            # the oldest change, and those that do not exist yet
    _clear(value, size, dim, size - dim, size)            # the oldest gradient


@_compile
def _clear(value, size, dim, first, stop):
    """Set history rows and columns first..stop of the upper triangle to zero: nothing at the next time reads them."""
    for i in range(dim, first):
        for j in range(first, stop):
            value[i, j] = 0.0
    for i in range(first, stop):
        for j in range(i, size + 1):
            value[i, j] = 0.0


@_compile
def _set_location_rows(value, pulled, slope):
    """Write the rows A_x'VA of the location: A_x is B but for the old slope in the objective changes."""
    dim = slope.shape[0]
    for a in range(dim):
        for j in range(pulled.shape[1]):
            value[a, j] = pulled[a, j] - slope[a] * pulled[dim, j]


@_compile
def _add_location_cost(value, quadratic, linear, size):
    """Add l'x + 1/2 x'Cx."""
    dim = linear.shape[0]
    for a in range(dim):
        for b in range(dim):
            value[a, b] += quadratic[a, b]
        value[a, size] += linear[a]


@_compile
def _add_reference(gain, offset, precision, first, left, right, hessian, action_rows):
    """Add 1/2 (a - Ks - k)' P (a - Ks - k): P and -P [K k] for the action; V gets left'right of [K k] and P [K k]."""
    dim, size = gain.shape
    for a in range(dim):
        for j in range(size):
            left[first + a, j] = gain[a, j]
        left[first + a, size] = offset[a]
        for j in range(size + 1):
            right[first + a, j] = 0.0
    for a in range(dim):
        for b in range(dim):
            weight = precision[a, b]
            hessian[a, b] += weight
            for j in range(size + 1):
                right[first + a, j] += weight * left[first + b, j]
        for j in range(size + 1):
            action_rows[a, j] -= right[first + a, j]


@_compile
def _factor(matrix, floor, lower, symmetric):
    """Factor the symmetric `matrix` as L L' and copy it; False if a squared pivot is below the floor or not finite."""
    dim = lower.shape[0]
    for i in range(dim):
        for j in range(i + 1):
            symmetric[i, j] = matrix[i, j]
            symmetric[j, i] = matrix[i, j]
    for i in range(dim):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = total / lower[j, j]
            elif floor <= total < np.inf:                 # false for NaN
                lower[i, i] = np.sqrt(total)
            else:
                return False
    return True


@_compile
def _minimise_action(lower, action_rows, first, left, right, gain, offset):
    """Solve for a = Ks + k; V gets left'right of R and -R, R = L^-1 [Q_as q_a], which stays symmetric in rounding."""
    dim, size = gain.shape
    for a in range(dim):
        for j in range(size + 1):
            left[first + a, j] = action_rows[a, j]
        for b in range(a):
            weight = lower[a, b]
            for j in range(size + 1):
                left[first + a, j] -= weight * left[first + b, j]
        scale = 1.0 / lower[a, a]
        for j in range(size + 1):
            left[first + a, j] *= scale
            right[first + a, j] = -left[first + a, j]
    for a in range(dim - 1, -1, -1):
        for j in range(size):
            gain[a, j] = right[first + a, j]
        offset[a] = right[first + a, size]
        for b in range(a + 1, dim):
            weight = lower[b, a]
            for j in range(size):
                gain[a, j] -= weight * gain[b, j]
            offset[a] -= weight * offset[b]
        scale = 1.0 / lower[a, a]
        for j in range(size):
            gain[a, j] *= scale
        offset[a] *= scale


@_compile
def _add_products(value, left, right):
    """Add left'right to the upper triangle, four rows by four terms at a time (0.8 of the time of two rows).

    Columns start at a multiple of 8, which leaves no scalar remainder; what that adds below the diagonal is not read.
    """
    rows, width = value.shape
    for i in range(0, rows, 4):
        for a in range(0, left.shape[0], 4):
            p0, p1, p2, p3 = left[a, i], left[a + 1, i], left[a + 2, i], left[a + 3, i]
            q0, q1, q2, q3 = left[a, i + 1], left[a + 1, i + 1], left[a + 2, i + 1], left[a + 3, i + 1]
            s0, s1, s2, s3 = left[a, i + 2], left[a + 1, i + 2], left[a + 2, i + 2], left[a + 3, i + 2]
            u0, u1, u2, u3 = left[a, i + 3], left[a + 1, i + 3], left[a + 2, i + 3], left[a + 3, i + 3]
            for j in range(uintp(i - i % 8), uintp(width)):
                r0, r1, r2, r3 = right[a, j], right[a + 1, j], right[a + 2, j], right[a + 3, j]
                value[i, j] += p0 * r0 + p1 * r1 + p2 * r2 + p3 * r3
                value[i + 1, j] += q0 * r0 + q1 * r1 + q2 * r2 + q3 * r3
                value[i + 2, j] += s0 * r0 + s1 * r1 + s2 * r2 + s3 * r3
                value[i + 3, j] += u0 * r0 + u1 * r1 + u2 * r2 + u3 * r3


@_compile
def _all_finite(array):
    """Tell whether no entry is NaN or infinite."""
    bad = 0
    for entry in array.flat:
        bad += not np.isfinite(entry)
    return bad == 0
