"""The learned damping: its kernel beside NumPy, and that no numbers can do harm."""

import numpy as np
import oracle_damping
import pytest

import l2o
from l2o import _kernels
from l2o.base import archive
from l2o.baselines import LevenbergMarquardt
from l2o.baselines._native import NativeMethod
from l2o.baselines.damping import SHAPES, SHIPPED, load_numbers
from l2o.errors import PolicyFileError
from l2o.policies.policy import PRETRAINED

TIMES, SIGMA = np.linspace(0.0, 4.0, 30), 0.05


@l2o.model
def decay(t, p):
    return p[0] * np.exp(-p[1] * t) + p[2]


class Learned(NativeMethod):
    """Levenberg and Marquardt's method with some numbers of the learned rule."""

    def __init__(self, numbers):
        self.numbers = numbers

    def kernel(self, problems):
        return _kernels.marquardt.method(problems.normal_function, _kernels.levenberg.LEARNED, self.numbers)


def drawn(m, seed=0):
    """Return values (m, 30) with outliers, and starts (m, 3)."""
    rng = np.random.default_rng(seed)
    p = np.exp([0.4, 0.5, 0.3] * rng.standard_normal((m, 3)))
    y = p[:, :1] * np.exp(-p[:, 1:2] * TIMES) + p[:, 2:] + SIGMA * rng.standard_normal((m, 30))
    start = np.column_stack([y[:, 0] - y[:, -1], np.ones(m), y[:, -1]])
    off = rng.random(y.shape) < 0.08
    y[off] += 15 * SIGMA * rng.standard_normal(off.sum())
    return y, start


def some_numbers(seed, size=0.3):
    """Return first (4,), accepted (2, 9) and rejected (2, 9), near a rule that works."""
    rng = np.random.default_rng(seed)
    first, accepted, rejected = np.log([1e-2, 1.0, 1.0, 1.0]), np.zeros((2, 9)), np.zeros((2, 9))
    accepted[0, 0], rejected[0, 0] = -1.0, 2.0
    return [each + size * rng.standard_normal(each.shape) for each in (first, accepted, rejected)]


def problems_of(y, start, loss="cauchy"):
    family = l2o.families.LeastSquares(decay, TIMES, lambda rng: (y[0], start[0]), sigma=SIGMA, loss=loss)
    return family.from_data(y, start)


@pytest.mark.parametrize("seed", range(4))
def test_run_is_that_of_numpy(seed):
    y, start = drawn(12, seed)
    parts = some_numbers(seed)
    method, problems = Learned(np.concatenate([part.ravel() for part in parts])), problems_of(y, start)
    expected = np.array([oracle_damping.run(decay, TIMES, *row, oracle_damping.Rule(*parts), 9)
                         for row in zip(y, [SIGMA] * 12, start)])
    for k in (2, 3, 5, 9):
        found = l2o.minimize_many(problems, method=method, options={"maxfun": k, "gtol": 1e-300})
        np.testing.assert_allclose(found.x, expected[:, k - 1], rtol=1e-7, atol=1e-9)
    assert (np.diff(expected, axis=1) == 0.0).all(axis=2).any()  # some trials led up


@pytest.mark.parametrize("size", [3.0, 1e3])
def test_no_numbers_lead_above_the_start_or_hang(size):
    """Where the numbers are no good, More's rule takes over, and finds what it finds alone."""
    y, start = drawn(60)
    problems = problems_of(y, start)
    alone = l2o.minimize_many(problems, method=LevenbergMarquardt("more"))
    for seed in range(10):
        method = Learned(np.concatenate([part.ravel() for part in some_numbers(seed, size)]))
        batch = l2o.minimize_many(problems, method=method)
        assert (batch.fun <= problems.value_and_grad(start)[0]).all()
        assert batch.nfev.max() < 300
        assert (batch.fun <= alone.fun * (1 + 1e-6)).mean() > 0.8


def test_row_is_the_single_run():
    y, start = drawn(30)
    method = Learned(np.concatenate([part.ravel() for part in some_numbers(1)]))
    problems = problems_of(y, start)
    batch = l2o.minimize_many(problems, method=method)
    for i in range(30):
        alone = l2o.minimize_many(problems[i : i + 1], method=method)
        assert (alone.x[0].tobytes(), alone.nfev[0]) == (batch.x[i].tobytes(), batch.nfev[i])


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_do_not_matter(unit):
    y, start = drawn(30)
    method = Learned(np.concatenate([part.ravel() for part in some_numbers(2)]))
    other = l2o.families.LeastSquares(decay, TIMES * unit, lambda rng: (y[0], start[0]), sigma=SIGMA, loss="cauchy")
    here, there = (l2o.minimize_many(each, method=method, options={"maxfun": 12})
                   for each in (problems_of(y, start), other.from_data(y, start / [1.0, unit, 1.0])))
    np.testing.assert_allclose(there.x * [1.0, unit, 1.0], here.x, rtol=1e-6, atol=1e-9)


# -- what is shipped -----------------------------------------------------------------------------------


@l2o.model
def growth(t, p):
    return p[0] / (1.0 + np.exp(-p[1] * (t - p[2])))


def fitted(loss="cauchy", **more):
    y, start = drawn(120, seed=5)
    return l2o.curve_fit_many(decay, TIMES, y, start, sigma=SIGMA, loss=loss, **more)


def equal(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
               for name in ("x", "cov", "chi2", "status", "nfev"))


def test_shipped_file_has_forty_numbers_and_says_how_they_were_made():
    _, card = archive.read(SHIPPED, "card", "policy")
    assert load_numbers(SHIPPED).shape == (_kernels.levenberg.N_LEARNED,)
    assert card["network"] == {"kind": "damping"}
    assert card["pretrained"]["command"] == "python -m benchmarks.curves.damping --ship"
    assert str(card["training"]["seed"]) == min(card["pretrained"]["validation"],
                                                key=card["pretrained"]["validation"].get)
    assert SHIPPED.stat().st_size < 10_000


def test_file_that_holds_no_damping_is_an_error_that_names_it(tmp_path):
    with pytest.raises(PolicyFileError, match=r"has a policy of kind 'quasi-newton'; expected 'damping'"):
        load_numbers(PRETRAINED["universal"])
    card = {"format": 2, "network": {"kind": "damping"}}
    for weights in ({}, {name: np.full(shape, np.nan) for name, shape in SHAPES.items()},
                    {name: np.zeros(shape[:-1]) for name, shape in SHAPES.items()}):
        archive.write(tmp_path / "some.npz", weights, card=card)
        with pytest.raises(PolicyFileError, match=r"some\.npz holds no complete policy"):
            load_numbers(tmp_path / "some.npz")
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(PolicyFileError, match=r"other\.npz is not a policy file"):
        load_numbers(tmp_path / "other.npz")
    with pytest.raises(PolicyFileError, match="kind is 'damping'; expected one of 'mlp'"):
        l2o.load(SHIPPED)


@pytest.mark.parametrize(("loss", "damping"), [("linear", "more"), ("huber", "more"), ("soft_l1", "more"),
                                               ("cauchy", "learned"), ("geman-mcclure", "learned")])
def test_losses_that_forget_outliers_are_fitted_by_it_and_others_are_not(loss, damping):
    assert equal(fitted(loss), fitted(loss, options={"damping": damping}))
    assert not equal(fitted(loss), fitted(loss, options={"damping": {"more": "learned"}.get(damping, "more")}))
    assert equal(fitted(loss, options={"factor": 100.0}), fitted(loss, options={"damping": "more"}))

    y, start = drawn(40, seed=5)
    runs, named, more = (l2o.minimize_many(problems_of(y, start, loss), method=method)
                         for method in (None, LevenbergMarquardt(damping), LevenbergMarquardt(factor=100.0)))
    assert (runs.x.tobytes(), runs.nfev.tobytes()) == (named.x.tobytes(), named.nfev.tobytes())
    assert (more.x.tobytes() == runs.x.tobytes()) == (damping == "more")
    alone = l2o.minimize(problems_of(y, start, loss)[3])
    assert (alone.x.tobytes(), alone.nfev) == (runs.x[3].tobytes(), runs.nfev[3])


def test_bits_do_not_depend_on_workers():
    assert equal(fitted(), fitted(workers=2))


def test_learned_damping_has_no_factor():
    told = "factor is 2.0; expected none: the learned damping tells where it begins"
    with pytest.raises(ValueError, match=told):
        fitted(options={"damping": "learned", "factor": 2.0})
    with pytest.raises(ValueError, match=told):
        LevenbergMarquardt("learned", 2.0)


@pytest.mark.parametrize("loss", ["cauchy", "geman-mcclure"])
def test_family_that_it_never_saw_takes_fewer_evaluations_and_ends_as_low(loss):
    m, rng, t = 1200, np.random.default_rng(8), np.linspace(0.0, 10.0, 20)
    p = np.column_stack([np.exp(0.3 * rng.standard_normal(m)), np.exp(0.2 + 0.4 * rng.standard_normal(m)),
                         rng.uniform(3.0, 7.0, m)])
    Y = p[:, :1] / (1.0 + np.exp(-p[:, 1:2] * (t - p[:, 2:]))) + 0.03 * rng.standard_normal((m, 20))
    start = np.column_stack([Y.max(axis=1), np.ones(m), np.full(m, 5.0)])
    off = rng.random(Y.shape) < 0.08
    Y[off] += 0.45 * rng.standard_normal(off.sum())
    ours, theirs = (l2o.curve_fit_many(growth, t, Y, start, sigma=0.03, loss=loss, options={"damping": damping})
                    for damping in ("learned", "more"))
    first = l2o.curve_fit_many(growth, t, Y, start, sigma=0.03, loss=loss, options={"maxfev": 1}).chi2
    best = np.fmin(ours.chi2, theirs.chi2) * (1.0 + 1e-6)
    assert (ours.chi2 <= first).all()
    assert ours.nfev.mean() < 0.95 * theirs.nfev.mean()
    # where there are several minima, one rule ends here, the other there: the shares are equal within 0.01 of draws
    assert (ours.chi2 <= best).mean() >= (theirs.chi2 <= best).mean() - 0.025
    assert ours.success.mean() >= theirs.success.mean() - 0.01
