"""The example on diffusion tensors: its maps and their errors are right, and it runs where dipy is installed."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import l2o

EXAMPLE = Path(__file__).parents[1] / "examples" / "tensor_maps.py"


@pytest.fixture(scope="module")
def example():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


@pytest.fixture(scope="module")
def voxels(example):
    """Return points (n, 4), signals (2, 10, n) without noise, and eigenvalues (2, 10, 3), drawn."""
    rng = np.random.default_rng(0)
    g = rng.standard_normal((40, 3))
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    g[0] = 0.0
    axes = np.linalg.qr(rng.standard_normal((2, 10, 3, 3)))[0]
    eigenvalues = 0.8 * np.exp(0.5 * rng.standard_normal((2, 10, 3)))
    D = (axes * eigenvalues[..., None, :]) @ axes.swapaxes(-2, -1)
    signals = 300.0 * np.exp(-np.einsum("ni,...ij,nj->...n", g, D, g))
    return np.column_stack([np.ones(40), g]), signals, eigenvalues


def test_start_is_exact_without_noise(example, voxels):
    t, signals, _ = voxels
    fit = l2o.curve_fit_many(example.signal, t, signals, example.start)
    np.testing.assert_allclose(example.start(t, signals), fit.x, atol=1e-12)
    np.testing.assert_allclose(fit.predict(), signals, rtol=1e-12)


def test_maps_are_those_of_the_eigenvalues(example, voxels):
    t, signals, eigenvalues = voxels
    FA, MD = example.maps(example.start(t, signals))
    np.testing.assert_allclose(MD, eigenvalues.mean(axis=-1), rtol=1e-12)
    first, second, third = np.moveaxis(eigenvalues, -1, 0)
    apart = (first - second) ** 2 + (second - third) ** 2 + (third - first) ** 2
    np.testing.assert_allclose(FA, np.sqrt(apart / (2 * (eigenvalues**2).sum(axis=-1))), rtol=1e-12)


def test_errors_of_the_maps_are_those_of_their_slopes(example, voxels):
    t, signals, _ = voxels
    fit = l2o.curve_fit_many(example.signal, t, signals + np.random.default_rng(1).standard_normal(signals.shape),
                             example.start)
    *_, FA_error, MD_error = example.maps(fit.x, fit.cov)
    step = 1e-6 * np.eye(7)
    above, below = (np.array([example.maps(fit.x + sign * each) for each in step]) for sign in (1, -1))
    slopes = (above - below) / 2e-6  # (7, FA or MD, ...)
    expected = np.sqrt(np.einsum("if...,...ij,jf...->f...", slopes, fit.cov, slopes))
    np.testing.assert_allclose([FA_error, MD_error], expected, rtol=1e-6)


def test_bootstrap_finds_the_errors_of_the_fit(example, voxels):
    t, signals, _ = voxels
    rng = np.random.default_rng(2)
    fit = l2o.curve_fit_many(example.signal, t, signals + rng.standard_normal(signals.shape), example.start)
    *_, FA_error, MD_error = example.maps(fit.x, fit.cov)
    spread = example.bootstrap(t, fit, 100, rng)
    assert np.median(FA_error / spread[0]) == pytest.approx(1.0, abs=0.15)
    assert np.median(MD_error / spread[1]) == pytest.approx(1.0, abs=0.15)


def test_loop_has_the_same_fits(example, voxels):
    t, signals, _ = voxels
    noisy = signals[0, :3] + np.random.default_rng(3).standard_normal((3, len(t)))
    fit = l2o.curve_fit_many(example.signal, t, noisy, example.start)
    assert (abs(example.in_a_loop(t, noisy) - fit.x) < 1e-2 * fit.stderr).all()


@pytest.mark.slow
def test_example_runs(example, tmp_path, capsys):
    pytest.importorskip("dipy")
    example.main(["--out", str(tmp_path), "--replicates", "3"])
    assert "1000 of 1000 fits converged" in capsys.readouterr().out
    for name in ("tensor-maps.png", "tensor-errors.png"):
        assert 20_000 < (tmp_path / name).stat().st_size < 150_000
