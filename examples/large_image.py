"""An image of curves that is larger than memory: read, fitted and written chunk by chunk.

    pip install 'l2o[dask]'
    python large_image.py [--pixels 4000000] [--processes 2] [--folder FOLDER] [--alone]

Draws a decay in each pixel and writes the image to a file; then a Dask cluster on this machine fits it. Each chunk is
read by the process that fits it, and its maps are written there: parameters, standard errors, status. Nothing else
travels, and nothing is ever whole in memory. A run that broke off is continued by the same call: chunks that have a
status are done. `--alone` fits the chunks in this process, one after the other, to compare.
"""

import argparse
import ctypes
import platform
import resource
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, progress

import l2o

TIMES = np.linspace(0.0, 4.0, 30)
SIDE = 200  # pixels of a chunk: 10 MB of curves
UNDONE = -1.0
TRIM_THRESHOLD, MMAP_THRESHOLD, KEPT = -1, -3, 2**25  # as malloc.h has them; bytes


@l2o.model
def decay(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset


def guess(t, Y):
    """Return a start for each curve: the range of its values, a rate of 1, the least value; NaN is left out."""
    low, high = np.fmin.reduce(Y, axis=-1), np.fmax.reduce(Y, axis=-1)
    return np.stack([high - low, np.ones(Y.shape[:-1]), low], axis=-1)


class OnDisk:
    """An array in a file of NumPy's, of which only what is asked for is read or written; it travels as its path.

    Zarr, HDF5 and xarray have such arrays of their own.
    """

    def __init__(self, path):
        array = np.load(path, mmap_mode="r")
        self.path, self.shape, self.dtype, self.ndim = path, array.shape, array.dtype, array.ndim

    def __getitem__(self, part):
        return np.array(np.load(self.path, mmap_mode="r")[part])

    def __setitem__(self, part, values):
        array = np.load(self.path, mmap_mode="r+")
        array[part] = values  # the system keeps it if this process dies; to wait for the disk would hold up the others


def draw(path, rows, columns):
    """Write an image (rows, columns, 30) of noisy decays, some rows at a time."""
    image = on_disk(path, (rows, columns, len(TIMES)))
    for some in strips(rows, columns):
        row, column = np.mgrid[some, :columns] / max(rows, columns)
        rate = np.exp(0.8 * np.sin(2 * np.pi * row) * np.cos(np.pi * column))
        noise = np.random.default_rng(some.start).standard_normal((*rate.shape, len(TIMES)))
        image[some] = np.exp(-rate[..., None] * TIMES) + 0.1 + 0.05 * noise


def empty_maps(path, shape, d=3):
    """Write maps (..., 2 d + 1) without results, some rows at a time."""
    maps = on_disk(path, (*shape, 2 * d + 1))
    for some in strips(*shape):
        maps[some] = UNDONE


def made_whole(make, path, *shape):
    """Make a file under another name first, so that one of this name is whole even if a run is broken off."""
    part = path.with_suffix(".part")
    make(part, *shape)
    part.replace(path)


def strips(rows, columns):
    """Return slices of rows, each of about as many pixels as a chunk."""
    high = max(SIDE * SIDE // columns, 1)
    return [slice(first, min(first + high, rows)) for first in range(0, rows, high)]


def on_disk(path, shape):
    """Return a new array of zeros on disk."""
    np.lib.format.open_memmap(path, "w+", np.float64, shape)
    return OnDisk(path)


def fitted(block, done):
    """Return the maps of a chunk: parameters, standard errors, status; as they are, if they are done."""
    if (done[..., -1] != UNDONE).all():
        return done
    fit = l2o.curve_fit_many(decay, TIMES, block, guess)
    return np.concatenate([fit.x, fit.stderr, fit.status[..., None]], axis=-1)


def undone(maps):
    """Return how many pixels have no status yet."""
    return np.count_nonzero(np.load(maps, mmap_mode="r")[..., -1] == UNDONE)


def warm_up():
    """Compile the model, which takes a second in each process, and keep memory from chunk to chunk.

    By default malloc returns the memory of each chunk to the system, which fills it with zeros for the next: a tenth of
    the time, and with Dask's settings 15 %. Other systems than Linux do as they like.
    """
    if platform.libc_ver()[0] == "glibc":
        for threshold in TRIM_THRESHOLD, MMAP_THRESHOLD:
            ctypes.CDLL(None).mallopt(threshold, KEPT)
    fitted(np.ones((1, 1, len(TIMES))), np.full((1, 1, 7), UNDONE))


def fit_image(image, maps, side=SIDE):
    """Return the task that fits an image in a file, in chunks of side x side pixels, and writes its maps to another."""
    curves = da.from_array(OnDisk(image), chunks=(side, side, -1), name=False)
    done = da.from_array(OnDisk(maps), chunks=(side, side, -1), name=False)
    found = da.map_blocks(fitted, curves, done, dtype=np.float64, chunks=done.chunks)
    return da.store(found, OnDisk(maps), lock=False, compute=False)


def alone(image, maps):
    """Fit in this process; return the seconds, and the most memory of a process in KiB."""
    warm_up()
    begun = time.perf_counter()
    with dask.config.set(scheduler="synchronous"):
        fit_image(image, maps).compute()
    return time.perf_counter() - begun, most_memory()


def shared(image, maps, processes):
    """Fit in a cluster of processes; return the same."""
    with LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=":0") as cluster, \
            Client(cluster) as client:
        client.run(warm_up)
        begun = time.perf_counter()
        future = client.compute(fit_image(image, maps))
        progress(future, notebook=False)
        future.result()
        return time.perf_counter() - begun, max(client.run(most_memory).values())


def most_memory():
    """Return the most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    """Draw, fit, say how long it took and how much memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=4_000_000, help="of an image that is not in the folder yet")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", help="where the image and the maps are kept; a temporary one by default")
    parser.add_argument("--alone", action="store_true", help="no cluster")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(options.folder or folder)
        image, maps, side = folder / "image.npy", folder / "maps.npy", round(options.pixels**0.5)
        if not image.exists():
            made_whole(draw, image, side, side)
        if not maps.exists():
            made_whole(empty_maps, maps, OnDisk(image).shape[:2])
        before = undone(maps)
        seconds, kept = alone(image, maps) if options.alone else shared(image, maps, options.processes)
        status, fits = np.load(maps, mmap_mode="r")[..., -1], before - undone(maps)
        print(f"\n{fits:,} of {status.size:,} pixels in {seconds:.1f} s, "
              f"{1e-3 * fits / seconds:,.0f} thousand a second; "
              f"{100 * np.mean(status == 0):.2f} % converged; at most {kept / 1024:.0f} MB in a process")


if __name__ == "__main__":
    main()
