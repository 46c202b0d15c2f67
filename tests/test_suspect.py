"""Fits that are suspect: those in wrong minima are, right ones are not, whatever the noise and its units."""

import numpy as np
import pytest
from scipy.stats import chi2 as law

import l2o
from l2o.curves.chance import beyond_chance, common_scale

TIMES = np.linspace(-5.0, 5.0, 60)
START = [1.0, 0.0, 1.0, 0.0]


@l2o.model
def peak(t, p):
    height, place, width, offset = p
    return height / (1.0 + ((t - place) / width) ** 2) + offset


@pytest.fixture(scope="module")
def lines():
    """Return places of peaks, and the curves (600, 60)."""
    rng = np.random.default_rng(0)
    place = rng.uniform(-3.0, 3.0, (600, 1))
    return place[:, 0], 1.0 / (1.0 + (TIMES - place) ** 2) + 0.05 * rng.standard_normal((600, 60))


@pytest.mark.parametrize("settings", [{"sigma": 0.05, "absolute_sigma": True}, {"sigma": 3.0}, {}],
                         ids=["known", "in another unit", "told by the batch"])
def test_suspects_are_the_wrong_ones(settings, lines):
    place, Y = lines
    fit = l2o.curve_fit_many(peak, TIMES, Y, START, **settings)
    wrong = np.abs(fit.x[:, 1] - place) > 1.0
    assert 0.1 < wrong.mean() < 0.6
    assert wrong[fit.suspect].mean() > 0.98
    assert wrong[~fit.suspect].mean() < 0.01
    guessed = l2o.curve_fit_many(peak, TIMES, Y, np.column_stack([np.ones(600), place, np.ones(600), np.zeros(600)]),
                                 **settings)
    assert guessed.suspect.mean() < 0.005


def test_units_of_the_values_do_not_matter(lines):
    Y = lines[1].reshape(20, 30, 60)
    plain = l2o.curve_fit_many(peak, TIMES, Y, START).suspect
    scaled = l2o.curve_fit_many(peak, TIMES, 1e-9 * Y, [1e-9, 0.0, 1.0, 0.0]).suspect
    assert plain.shape == (20, 30)
    assert (plain == scaled).mean() > 0.995


def test_curves_without_noise_are_right():
    place = np.random.default_rng(1).uniform(-1.0, 1.0, (50, 1))
    fit = l2o.curve_fit_many(peak, TIMES, 1.0 / (1.0 + (TIMES - place) ** 2), START)
    np.testing.assert_array_equal(fit.suspect, ~fit.success)
    assert fit.success.all()


def test_law_is_that_of_chi_square():
    rng = np.random.default_rng(2)
    dof = rng.integers(1, 60, 4000)
    chi2 = 7.0 * law.rvs(dof, random_state=rng)
    assert common_scale(chi2, dof) == pytest.approx(7.0, rel=0.05)
    assert beyond_chance(chi2, dof, 7.0).sum() <= 4
    edge = law.isf(1e-4, dof)
    assert beyond_chance(edge * 1.001, dof, 1.0).all()
    assert not beyond_chance(edge * 0.999, dof, 1.0).any()
    assert not beyond_chance(np.array([1e9, np.nan]), np.array([0, 4]), 1.0).any()


def test_nothing_is_said_where_nothing_tells(lines):
    Y = lines[1]
    assert l2o.curve_fit_many(peak, TIMES, Y[:19], START).suspect is None
    assert l2o.curve_fit_many(peak, TIMES, Y, START, sigma=0.05, loss="huber").suspect is None
    assert l2o.curve_fit(peak, TIMES, Y[0], START).suspect is None
    one = l2o.curve_fit(peak, TIMES, Y[0], START, sigma=0.05, absolute_sigma=True)
    assert one.suspect in (True, False)
    empty = l2o.curve_fit_many(peak, TIMES, np.full((30, 60), np.nan), START, sigma=0.05, absolute_sigma=True)
    assert empty.suspect.all()


def test_counts_have_a_law():
    rng = np.random.default_rng(3)
    Y = rng.poisson(40.0 / (1.0 + (TIMES - 0.3) ** 2) + 20.0, (400, 60))
    right = l2o.curve_fit_many(peak, TIMES, Y, [40.0, 0.0, 1.0, 20.0], loss="poisson")
    assert right.suspect.mean() < 0.005
    Y[0, 10:14] += 60
    assert l2o.curve_fit_many(peak, TIMES, Y, [40.0, 0.0, 1.0, 20.0], loss="poisson").suspect[0]
