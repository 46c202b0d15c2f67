"""The examples on dose-response curves and on localisation: what their pages claim holds, and they draw."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import l2o

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def doses():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / "dose_response.py")))


@pytest.fixture(scope="module")
def places():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / "localisation.py")))


def test_outliers_of_a_screen_hardly_move_the_robust_fits(doses):
    truth, wrong, Y = doses.drawn(1000, np.random.default_rng(1))
    found = doses.fits(Y)
    far = {name: np.abs(fit.x[:, 3] - truth[:, 3]) for name, fit in found.items()}
    assert np.mean(far["Cauchy, four starts"] > 0.5) < 0.5 * np.mean(far["least squares in bounds"] > 0.5)
    robust = found["Cauchy, four starts"]
    free = robust.success & ~robust.on_bound.any(axis=1)
    within = (far["Cauchy, four starts"] < 1.96 * robust.stderr[:, 3])[free].mean()
    assert 0.90 < within < 0.97
    assert robust.weights[wrong].mean() < 0.4 * robust.weights[~wrong].mean()
    assert ((robust.x >= doses.LOW) & (robust.x <= doses.HIGH)).all()


def test_more_starts_are_never_worse(doses):
    found = doses.fits(doses.drawn(200, np.random.default_rng(2))[2])
    assert (found["Cauchy, four starts"].chi2 <= found["Cauchy in bounds"].chi2 * (1 + 1e-9)).all()


@pytest.mark.slow
def test_screen_runs(doses, tmp_path, capsys):
    doses.main(["--compounds", "60", "--out", str(tmp_path / "screen.png")])
    assert "nowhere lower in 100%" in capsys.readouterr().out
    assert (tmp_path / "screen.png").stat().st_size > 20_000


@pytest.fixture(scope="module")
def spots(places):
    """Return molecules, where spots are, and their pixels, of six frames."""
    molecules, counts = places.drawn(6, np.random.default_rng(1))
    found = places.found(counts)
    return molecules, found, places.windows(counts, found)


def test_places_reach_the_bound_by_the_likelihood_of_counts(places, spots):
    molecules, found, Y = spots
    assert 0.95 * molecules[..., 0].size < len(found) < 1.01 * molecules[..., 0].size
    told = {}
    for loss in ("linear", "poisson"):
        fit = l2o.curve_fit_many(places.spot, places.WINDOW, Y, places.start, loss=loss)
        nearest, off = places.matched(molecules, found, fit.x)
        right = fit.success & (np.hypot(*off.T) < 1.0)
        bound = places.bounds(molecules[found[:, 0], nearest, 0])[:, None]
        assert right.mean() > 0.99
        told[loss] = (np.sqrt(np.mean((off / bound)[right] ** 2)),
                      np.mean((np.abs(off) < 1.96 * fit.stderr[:, 1:3])[right]))
    assert 0.95 < told["poisson"][0] < 1.07 < told["linear"][0]
    assert told["linear"][1] < 0.87 < 0.93 < told["poisson"][1] < 0.97


def test_bound_is_that_of_photons_alone_without_a_background(places):
    """A Gaussian that is wide for its pixels: the standard error of the mean of its photons."""
    t = np.mgrid[-12:13, -12:13].reshape(2, -1).T.astype(float)
    p = (1000.0, 0.0, 0.0, 2.5, 1e-9)
    jacobian, expected = places.spot.jacobian(t, p), places.spot(t, p)
    assert expected.sum() == pytest.approx(1000.0, rel=1e-4)
    error = np.sqrt(np.linalg.inv(jacobian[:, :4].T @ (jacobian[:, :4] / expected[:, None]))[1, 1])
    assert error == pytest.approx(np.sqrt((2.5**2 + 1 / 12) / 1000.0), rel=0.01)


@pytest.mark.slow
def test_localisation_runs(places, tmp_path, capsys):
    places.main(["--frames", "2", "--out", str(tmp_path / "places.png")])
    assert "of 200 molecules" in capsys.readouterr().out
    assert (tmp_path / "places.png").stat().st_size > 20_000
