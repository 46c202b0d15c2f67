"""What an objective leaves unwritten is seen in any evaluation, and a mask is never lost without a word."""

import numpy as np
import pytest

import l2o


@l2o.objective
def slip(x, data, grad):
    """Return a value; the gradient is a new name for another array."""
    grad = 2.0 * (x - data[0])  # noqa: F841
    return ((x - data[0]) ** 2).sum()


@l2o.objective
def part(x, data, grad):
    """Return a value; the last component is left where the first variable is above 1."""
    grad[0] = 2.0 * (x[0] - data[0, 0])
    if x[0] <= 1.0:
        grad[1] = 2.0 * (x[1] - data[0, 1])
    return ((x - data[0]) ** 2).sum()


def members(objective, m=5):
    return l2o.families.Custom(objective, dim=2).from_data([[[3.0, 4.0]]] * m, x0=np.zeros((m, 2)))


@pytest.mark.parametrize("method", ["lbfgs", "momentum", "scipy-lbfgs", "universal"])
@pytest.mark.parametrize("objective", [slip, part])
def test_unwritten_gradient_is_no_success(objective, method):
    """Before, zeros that memory held passed for a gradient: status 0 at (0, 0)."""
    batch = l2o.minimize_many(members(objective), method=l2o.load(method) if method == "universal" else method)
    assert not batch.success.any()
    assert (batch.status == 3).all()
    np.testing.assert_array_equal(batch.x, batch.x[:1].repeat(5, axis=0))


def test_unwritten_gradient_is_the_same_alone_and_in_a_batch():
    alone = l2o.minimize(slip, np.zeros(2), args=(np.array([[3.0, 4.0]]),))
    assert (alone.status, alone.nfev) == (3, 1)
    _, jac, status = members(part).evaluate(np.full((5, 2), 2.0))
    assert np.isnan(jac[:, 1]).all()
    assert (status == 3).all()


def test_gradient_is_nan_before_the_evaluation_and_not_what_the_last_one_wrote():
    problems = members(part, m=1)
    problems.evaluate(np.zeros((1, 2)))
    assert np.isnan(problems.evaluate(np.full((1, 2), 2.0))[1][0, 1])


MASKED = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, False], [False, True]])


@pytest.mark.parametrize(("call", "where"), [
    (lambda: l2o.families.Custom(slip, dim=2).from_data([MASKED], np.zeros((1, 2))), r"data\[0\] is masked at \(1, 1"),
    (lambda: l2o.families.NeuralNet().from_data(MASKED[None], [[0, 1]], np.ones((1, 12))), "X or y is masked"),
    (lambda: l2o.families.Logistic(n_features=2).from_data([MASKED], [[0, 1]]), r"X is masked at \(1, 1\)"),
    (lambda: members(slip, 2).with_starts(MASKED), r"x0 is masked at \(1, 1\)"),
    (lambda: l2o.minimize(lambda x: x @ x, MASKED[1]), r"x0 is masked at \(1,\)"),
    (lambda: l2o.minimize(lambda x: x @ x, [1.0, np.ma.masked]), r"x0 is masked"),
    (lambda: l2o.minimize(lambda x: x @ x, [0.0, 0.0], bounds=[MASKED[1], (0, 1)]), "is masked"),
    (lambda: l2o.minimize(lambda x: np.ma.masked, [0.0, 0.0]), "the value of fun is masked"),
    (lambda: l2o.minimize(lambda x: (x @ x, MASKED[1]), [0.0, 0.0]), r"the gradient is masked at \(1,\)"),
])
def test_mask_that_would_be_lost_is_an_error(call, where):
    with pytest.raises(ValueError, match=where):
        call()


def test_array_whose_mask_hides_nothing_is_an_array():
    whole = np.ma.array([[3.0, 4.0]], mask=[[False, False]])
    problems = l2o.families.Custom(part, dim=2).from_data([whole], x0=np.ma.array([[0.0, 0.0]]))
    assert problems.x0.tolist() == [[0.0, 0.0]]
