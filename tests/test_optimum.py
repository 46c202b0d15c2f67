"""The lowest value known of each problem."""

import numpy as np
import pytest

import l2o
from l2o.solving.optimum import best_known

FAMILY = l2o.families.Logistic()


@pytest.fixture(scope="module")
def problems():
    return FAMILY.sample(12, rng=3)


def test_best_known_is_the_minimum_of_a_convex_problem(problems):
    lowest = best_known(problems, problems.x0[:, None])
    solved = l2o.minimize_many(problems, method="lbfgs", tol=1e-10)
    np.testing.assert_allclose(lowest, solved.fun, rtol=0, atol=1e-14)  # one minimum, found twice


def test_best_known_does_not_depend_on_the_start_of_a_convex_problem(problems):
    near, far = (best_known(problems, problems.x0[:, None] + shift) for shift in (0.0, 3.0))
    np.testing.assert_allclose(near, far, rtol=0, atol=1e-14)


def test_best_known_is_not_above_any_candidate(problems):
    solved = l2o.minimize_many(problems, method="lbfgs", tol=1e-12).x
    candidates = np.stack([problems.x0, solved, solved + 1e-3], axis=1)
    values = np.stack([problems.value_and_grad(candidates[:, j].copy())[0] for j in range(3)], axis=1)
    assert np.all(best_known(problems, candidates) <= values.min(axis=1))


def test_best_known_without_hessian_agrees(problems):
    from l2o.problems import Kernel, Problems

    bare = Problems(Kernel("logistic", problems.kernel.function), problems.blocks, problems.index, problems.x0)
    expected = best_known(problems, problems.x0[:, None])
    np.testing.assert_allclose(best_known(bare, problems.x0[:, None]), expected, rtol=0, atol=1e-12)


def test_best_known_ignores_candidates_that_are_not_finite(problems):
    candidates = np.repeat(problems.x0[:, None], 2, axis=1)
    candidates[:, 0] = np.nan
    candidates[4] = np.inf
    lowest = best_known(problems, candidates)
    assert np.flatnonzero(np.isnan(lowest)).tolist() == [4]
    keep = np.arange(12) != 4
    np.testing.assert_array_equal(lowest[keep], best_known(problems, problems.x0[:, None])[keep])


def test_newton_shortens_steps_that_do_not_descend(problems):
    from l2o.solving.optimum import _newton, _newton_step

    far = 3 * problems.x0
    fun, jac = problems.value_and_grad(far)
    overshoots = problems.value_and_grad(far + _newton_step(problems.hessian(far), jac))[0] > fun
    assert overshoots.any()
    assert np.all(_newton(problems, far)[overshoots] < fun[overshoots])


def test_newton_ends_what_lbfgs_began(problems):
    from l2o.solving.optimum import _newton

    expected = best_known(problems, problems.x0[:, None])
    solved = l2o.minimize_many(problems, method="lbfgs", tol=1e-3)
    assert np.abs(solved.fun - expected).max() > 1e-9  # so that the Newton steps have something to do
    np.testing.assert_allclose(_newton(problems, solved.x), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(12, 4), (12, 0, 4), (11, 1, 4), (12, 1, 3)])
def test_best_known_refuses_other_shapes(problems, shape):
    with pytest.raises(ValueError, match="candidates"):
        best_known(problems, np.zeros(shape))
