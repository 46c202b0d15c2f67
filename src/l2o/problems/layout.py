"""How the data of many problems lie in memory: blocks of one size as a table, others one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike

__all__ = ["HEADER", "addresses", "blocks", "chosen", "entries", "has_columns", "has_design", "has_net", "on_boundary",
           "table"]

HEADER = 2  # numbers of a block before its data: rows, columns
OF_POINTS = 8  # the same of families of points, as in their kernels
Layout = tuple[np.ndarray, np.ndarray | None]  # blocks (k, size), or (size,) with offsets (k + 1,)


def on_boundary(values: np.ndarray) -> np.ndarray:
    """Return an array as the kernels take it: itself if it is of `l2o._kernels.aligned`, else a copy."""
    flags = values.flags
    if values.dtype == np.float64 and values.ctypes.data % 64 == 0 and flags.c_contiguous and flags.writeable:
        return values
    memory = _kernels.aligned(values.shape)
    memory[...] = values
    return memory


def table(name: str, data: ArrayLike) -> np.ndarray:
    """Return data as a table (rows, columns)."""
    return arguments.array(name, data, (None, None), "(rows, columns)", finite=False)


def blocks(data: Iterable[ArrayLike]) -> Layout:
    """Return the blocks of tables of data, each (rows, columns), or of an array (m, rows, columns).

    Raises
    ------
    ValueError, TypeError
        If data is no sequence of tables.
    """
    if isinstance(data, np.ndarray) and data.ndim == 3:
        given = arguments.array("data", data, (None, None, None), finite=False)
        m, rows, columns = given.shape
        result = _kernels.aligned((m, HEADER + rows * columns))
        _kernels.tables.pack_array(given, result)
        return result, None
    is_table = _kernels.tables.is_table
    try:
        tables: list[np.ndarray] = [each if is_table(each) else table(f"data[{i}]", each)  # type: ignore[misc]
                                    for i, each in enumerate(data)]
    except TypeError as error:
        if np.iterable(data):
            raise
        raise TypeError(f"data is {type(data).__name__}; expected a table for each problem") from error
    offsets = np.empty(len(tables) + 1, np.intp)
    alike = _kernels.tables.measure(tables, offsets)
    memory = _kernels.aligned((int(offsets[-1]),))
    _kernels.tables.pack(tables, offsets, memory)
    if alike:
        return memory.reshape(len(tables), int(offsets[1]) if tables else HEADER), None
    return memory, offsets


def addresses(blocks: np.ndarray, offsets: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the address (m,) of each member's block."""
    return (blocks.ctypes.data + blocks.itemsize * offsets[index]).astype(np.uintp)


def chosen(blocks: np.ndarray, offsets: np.ndarray | None, used: np.ndarray) -> Layout:
    """Return some of the blocks, copied."""
    if offsets is None:
        return blocks[used], None
    sizes = np.diff(offsets)[used]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    where = np.arange(ends[-1]) + np.repeat(offsets[used] - ends[:-1], sizes)
    return blocks[where], ends


def entries(blocks: np.ndarray, offsets: np.ndarray | None, index: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return some entries (m, k) of the blocks of m members; NaN beyond the end of one."""
    if offsets is None:
        one_after_another = len(index) > 0 and index[-1] + 1 - index[0] == len(index) and (np.diff(index) == 1).all()
        rows = blocks[index[0] : index[-1] + 1] if one_after_another else blocks[index]
        if columns.max(initial=-1) < blocks.shape[1]:
            return rows.take(columns, axis=1)
        sizes = np.full(len(index), blocks.shape[1])
        first = index * blocks.shape[1]
    else:
        sizes, first = np.diff(offsets)[index], offsets[index]
    inside = columns < sizes[:, None]
    return np.where(inside, blocks.reshape(-1)[np.where(inside, first[:, None] + columns, 0)], np.nan)


def has_columns(blocks: np.ndarray, dim: int) -> bool:
    """Whether blocks of points hold the columns that regressions of so many variables read."""
    return blocks.shape[1] - OF_POINTS == (dim + 1) * blocks.item(0, 1)


def has_design(blocks: np.ndarray, dim: int) -> bool:
    """The same of points with weights."""
    return bool(blocks.item(0, 5) == dim)


def has_net(blocks: np.ndarray, dim: int) -> bool:
    """Whether the network of blocks has so many weights."""
    inputs, hidden, classes = blocks[0, 3:6].tolist()
    return bool(hidden * (inputs + 1) + classes * (hidden + 1) == dim)
