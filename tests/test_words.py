"""What a new user is told: in the words of the argument that does not fit, with what to write instead."""

import numpy as np
import pytest
import scipy.optimize

import l2o
from l2o.families import Custom, Logistic

T = np.linspace(0.0, 1.0, 9)


@l2o.objective
def slope(x, data, grad):
    f = 0.0
    grad[0] = 0.0
    for i in range(data.shape[0]):
        r = x[0] * data[i, 0] - data[i, 2]
        f += r * r
        grad[0] += 2.0 * r * data[i, 0]
    return f


def parabola(t, p):
    a, b, c = p
    return a + b * t + c * t * t


@pytest.mark.parametrize("bounds", [(np.zeros((3, 4)), np.ones((3, 4))), np.zeros((3, 4, 2))])
def test_limits_of_each_problem_are_an_error_that_writes_them(bounds):
    problems = Logistic().sample(3, rng=0)
    with pytest.raises(ValueError, match=r"scipy.optimize.Bounds\(low, high\) with low and high \(3, 4\)"):
        l2o.minimize_many(problems, method="lbfgs", bounds=bounds)
    batch = l2o.minimize_many(problems, method="lbfgs", bounds=scipy.optimize.Bounds(np.zeros((3, 4)), np.ones((3, 4))))
    assert ((batch.x >= 0.0) & (batch.x <= 1.0)).all()


def test_pairs_of_bounds_are_an_error_of_curve_fits_that_turns_them():
    pairs = [(0, 1), (0, 2), (0, 3)]
    with pytest.raises(ValueError, match=r"make tuple\(zip\(\*pairs\)\)"):
        l2o.curve_fit(parabola, T, T, [0, 0, 0], bounds=pairs)
    fit = l2o.curve_fit(parabola, T, 1.5 * T, [0, 0, 0], bounds=tuple(zip(*pairs)))
    np.testing.assert_allclose(fit.x, [0.0, 1.5, 0.0], atol=1e-9)


def test_labels_may_be_bools_or_signs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2, 30, 3))
    y = X @ [1.0, 1.0, 0.0] + rng.standard_normal((2, 30)) > 0.0
    same = [Logistic().from_data(X, labels).blocks for labels in (y, y * 1, np.where(y, 1, -1), np.where(y, 1.0, -1.0))]
    assert all(np.array_equal(blocks, same[0]) for blocks in same)
    weights = np.r_[np.zeros(5), np.ones(25)]
    by_sign = Logistic().from_data(X, np.where(y, 1, -1), weights=weights)
    assert np.array_equal(by_sign.blocks, Logistic().from_data(X, y, weights=weights).blocks)
    with pytest.raises(ValueError, match=r"y holds the label 0.0; expected 0 or 1, or -1 or 1, for all functions"):
        Logistic().from_data(X, np.r_[y[:1] * 1, np.where(y[1:], 1, -1)])


def test_starts_among_options_are_a_warning_that_says_what_to_call():
    with pytest.warns(scipy.optimize.OptimizeWarning, match=r"problems\[np.repeat.* curve_fit_many has starts"):
        l2o.minimize(lambda x: (x @ x, 2 * x), [1.0, 2.0], method="lbfgs", options={"starts": 5})


@pytest.mark.parametrize("d", [2, 4])
def test_start_of_another_length_than_the_model_unpacks_says_both(d):
    with pytest.raises(l2o.errors.CompilationError, match=rf"parabola fails, .* 3 values, and p0 has {d} entries"):
        l2o.curve_fit(parabola, T, T, [0.0] * d)


@pytest.mark.parametrize(("name", "instead"), [("f_scale", "sigma"), ("maxfev", "options"), ("ydata", "Y"),
                                               ("jac", r"f\(t, p, jac\)")])
@pytest.mark.parametrize("call", [l2o.curve_fit, l2o.curve_fit_many])
def test_argument_of_scipy_is_an_error_that_says_what_to_write(call, name, instead):
    with pytest.raises(TypeError, match=rf"^{call.__name__} has no argument {name}, .*; write .*{instead}"):
        call(parabola, T, T, [0, 0, 0], **{name: 1})


def test_what_an_objective_raises_is_in_the_message_with_its_problem():
    problems = Custom(slope, dim=1).from_data([np.ones((4, 3)), np.ones((4, 2)), np.ones((4, 2))], x0=[0.0])
    raised = "IndexError: index 2 is out of bounds for axis 1 with size 2"
    batch = l2o.minimize_many(problems, method="lbfgs")
    assert raised in batch.warnings[0]
    assert batch.warnings[0].rows.tolist() == [1, 2]
    with pytest.raises(ArithmeticError, match=rf"problem 1: .*\({raised}\)"):
        l2o.minimize_many(problems, method="lbfgs", raise_on_error=True)
    result = l2o.minimize(slope, [0.0], args=(np.ones((4, 2)),), method="lbfgs")
    assert result.status == 4
    assert raised in result.message


def test_batch_whose_gradient_is_wrong_says_how_to_find_out():
    @l2o.objective
    def bowl(x, data, grad):
        grad[0] = 3.0 * (x[0] - data[0, 0]) + 1.0
        return (x[0] - data[0, 0]) ** 2

    problems = Custom(bowl, dim=1).from_data([np.full((1, 1), float(i)) for i in range(20)], x0=np.full((20, 1), 0.5))
    assert "check_objective" in "".join(l2o.minimize_many(problems).warnings)


def test_function_in_the_place_of_problems_is_answered_with_the_family_to_take():
    with pytest.raises(TypeError, match=r"families\.Custom\(fun, dim=d\)\.from_data"):
        l2o.minimize_many(lambda x: (x**2).sum(), np.zeros((3, 2)))
