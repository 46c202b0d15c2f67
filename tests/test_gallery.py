"""The examples with pictures that have no other test: what they print is true, and they draw."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import l2o

ROOT = Path(__file__).parents[1]


def example(name):
    """Return what a program of examples/ defines."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "examples" / f"{name}.py")))


@pytest.mark.parametrize(("name", "arguments"), [
    ("decay_image", ["--side", "40"]),
    ("learned_paths", []),
    ("many_outcomes", ["--genes", "500"]),
    ("papers_figure", ["--functions", "10"]),
])
def test_example_draws(name, arguments, tmp_path):
    example(name).main([*arguments, "--out", str(tmp_path / "picture.png")])
    assert (tmp_path / "picture.png").stat().st_size > 20_000


def test_errors_of_rates_hold_the_truth():
    decays = example("decay_image")
    rates, images = decays.drawn(60, np.random.default_rng(2))
    fit = l2o.curve_fit_many(decays.decay, decays.TIMES, images, decays.start)
    assert fit.success.all()
    assert 0.92 < np.mean(np.abs(fit.x[..., 1] - rates) < 1.96 * fit.stderr[..., 1]) < 0.97


def test_paths_begin_at_the_start_and_fall_to_the_minimum():
    paths = example("learned_paths")
    for function, _, start in paths.CASES:
        for method, *_ in paths.METHODS.values():
            points, result = paths.path(function, start, method)
            np.testing.assert_array_equal(points[0], start)
            assert function(points[-1])[0] <= function(points[0])[0]
            assert result.success
            assert result.fun < 1e-10


def test_effects_of_a_treatment_are_found_at_the_rate_that_is_said():
    genes = example("many_outcomes")
    X, effect, active = genes.drawn(1000, np.random.default_rng(3))
    x = l2o.minimize_many(l2o.families.Logistic(n_features=3, n_points=genes.CELLS).from_data(X, active)).x
    stderr = genes.standard_errors(X, x)
    one = l2o.minimize(l2o.families.Logistic(n_features=3, n_points=genes.CELLS, l2=0.0).from_data(X, active[:1])[0])
    chance, Z = genes.expit(X @ one.x[:3] + one.x[3]), np.column_stack([X, np.ones(len(X))])
    information = Z.T @ (Z * (chance * (1 - chance))[:, None])
    np.testing.assert_allclose(stderr[0], np.sqrt(np.diag(np.linalg.inv(information))), rtol=0.02)
    found = genes.discovered(2 * genes.norm.sf(np.abs(x[:, 0] / stderr[:, 0])))
    assert np.mean(effect[found] == 0) < 0.10
    assert np.mean(found[effect != 0]) > 0.8
    assert 0.93 < np.mean(np.abs(x[:, 0] - effect) < 1.96 * stderr[:, 0]) < 0.97


def test_discoveries_are_those_of_the_definition():
    genes = example("many_outcomes")
    np.testing.assert_array_equal(genes.discovered(np.array([0.04, 0.001, 0.6, 0.012])), [False, True, False, True])
    assert not genes.discovered(np.array([0.2, 0.9])).any()


def test_each_page_of_the_gallery_has_a_title_and_a_picture():
    """A program shows its figure when the site is built; one that is not run there names a picture that is kept."""
    kept = {"many_fits", "tensor_maps"}
    programs = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")
                if path.stem not in {"decay_numba", "large_image"}}
    assert len(programs) >= 8
    for name, text in programs.items():
        title, line = text.splitlines()[1:3]
        assert line == "=" * len(title), name
        pictures = re.findall(r"^# sphinx_gallery_thumbnail_path = '(.+)'$", text, re.M)
        assert len(pictures) == (name in kept), name
        assert pictures or "plt.show()" in text, name
        assert all((ROOT / "docs" / path).is_file() for path in pictures), name
