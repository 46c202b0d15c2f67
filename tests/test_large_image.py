"""The example of an image that is fitted chunk by chunk, on a cluster of two processes."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import l2o

pytest.importorskip("distributed")
pytest.importorskip("dask.array")
pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[1] / "examples" / "large_image.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("large_image", EXAMPLE)
    module = sys.modules["large_image"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def client(example):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster, \
            Client(cluster) as client:
        client.upload_file(str(EXAMPLE))
        yield client


@pytest.fixture
def files(example, tmp_path):
    """Return an image of 20 x 14 pixels, one of them without values, and maps without results."""
    image, maps = tmp_path / "image.npy", tmp_path / "maps.npy"
    example.draw(image, 20, 14)
    np.load(image, mmap_mode="r+")[3, 4] = np.nan
    example.empty_maps(maps, (20, 14))
    return image, maps


def test_maps_are_those_of_one_call(example, client, files):
    image, maps = files
    client.compute(example.fit_image(image, maps, side=8)).result()
    curves, found = np.load(image), np.load(maps)
    fit = l2o.curve_fit_many(example.decay, example.TIMES, curves, example.guess)
    np.testing.assert_array_equal(found, np.concatenate([fit.x, fit.stderr, fit.status[..., None]], axis=-1))
    assert found[3, 4, -1] == 5
    assert (np.delete(found[..., -1].ravel(), 3 * 14 + 4) == 0).all()


def test_what_was_done_before_a_run_broke_off_is_kept(example, client, files):
    """Chunks with a status are not fitted again: marks that were put there stay."""
    image, maps = files
    target = np.load(maps, mmap_mode="r+")
    target[:8, :8] = 7.0
    target.flush()
    client.compute(example.fit_image(image, maps, side=8)).result()
    found = np.load(maps)
    assert (found[:8, :8] == 7.0).all()
    assert (found[8:, :, -1] == 0).all()


def test_chunks_are_written_as_they_come(example, client, files, monkeypatch):
    """A pixel that stops the whole run, half-way, leaves behind what was fitted."""
    image, maps = files
    mark_last_chunk(image)

    def fitted(block, done, fitted=example.fitted):
        if np.isinf(block).any():
            raise ValueError("a pixel of no use")
        return fitted(block, done)

    monkeypatch.setattr(example, "fitted", fitted)
    with pytest.raises(ValueError, match="a pixel of no use"):
        client.compute(example.fit_image(image, maps, side=8)).result()
    status = np.load(maps)[..., -1]
    assert (status[:16] >= 0).any()
    assert (status[16:, 8:] == example.UNDONE).all()


def test_a_process_that_dies_is_replaced(example, client, files, tmp_path, monkeypatch):
    """The chunk that it died of is fitted again by another."""
    image, maps = files
    mark_last_chunk(image)
    died = tmp_path / "died"

    def fitted(block, done, fitted=example.fitted):
        if np.isinf(block).any() and not died.exists():
            died.touch()
            os._exit(1)
        return fitted(block, done)

    monkeypatch.setattr(example, "fitted", fitted)
    client.compute(example.fit_image(image, maps, side=8)).result()
    status = np.load(maps)[..., -1]
    assert died.exists()
    assert (status[:16] >= 0).all()
    assert (status[16:, 8:] == 3).all()


def test_only_what_this_run_has_fitted_is_counted(example, tmp_path, monkeypatch, capsys):
    """The image that is in the folder says how many pixels there are."""
    for pixels, said in (400, "400 of 400 pixels"), (900, "0 of 400 pixels"):
        monkeypatch.setattr(sys, "argv", ["large_image.py", "--alone", f"--pixels={pixels}", f"--folder={tmp_path}"])
        example.main()
        assert capsys.readouterr().out.strip().startswith(said)


def mark_last_chunk(image):
    """Put infinity into the last chunk of an image of 20 x 14 pixels."""
    np.load(image, mmap_mode="r+")[16:, 8:] = np.inf
