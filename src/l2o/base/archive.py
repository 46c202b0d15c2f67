"""An archive: arrays, and a record as JSON, in one .npz file, without pickle. It is whole or not there."""

from __future__ import annotations

import glob
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import File

__all__ = ["discard_unfinished", "read", "write"]

MOST_PARTS, DEEPEST = 100_000, 50  # lists and dicts of a record, and how they may be nested


def write(path: File, arrays: dict[str, np.ndarray], **records: Any) -> None:
    """Write arrays, and records that JSON holds, under their names; an OSError names the path."""
    for name, record in records.items():
        arrays = {**arrays, name: np.frombuffer(json.dumps(record, sort_keys=True).encode(), np.uint8)}
    with arguments.written(path) as temporary:
        try:
            content = io.BytesIO()  # not into the file: a zip file that cannot be closed complains for a long time
            np.savez(content, **arrays)  # type: ignore[arg-type]
            with open(temporary, "wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())  # before it gets its name: that may reach the disk first
        except OSError as error:
            raise type(error)(error.errno, f"cannot write: {error.strerror or error}", os.fspath(path)) from None


def read(path: File, name: str, what: str, error: type[ValueError] = ValueError) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays and the record of that name.

    A file that cannot be read is an OSError, and one of another kind, or damaged, is the given error: either names the
    file and says what it should be. What is read takes the memory of the file, and the time of it.
    """
    path = os.fspath(path)
    try:
        content = Path(path).read_bytes()
    except OSError as failure:
        raise type(failure)(failure.errno, f"cannot read the {what}: {failure.strerror}", path) from None
    try:
        arrays = _arrays(content)
        record = _record(arrays.pop(name).tobytes())
    except Exception as failure:  # a file of anything can fail in any of the layers that read it
        raise error(f"{path} is not a {what} file, or is damaged: {failure}") from None
    return arrays, record


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a file, whose entries stand in it as they are, each in a place of its own."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        entries = file.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is compressed")
    if sum(entry.file_size for entry in entries) > len(content):
        raise ValueError("it is smaller than what it holds")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _record(text: bytes) -> Any:
    """Return what JSON text says; a list takes thirty times the memory of its brackets, and deep ones end Python."""
    if text.count(b"[") + text.count(b"{") > MOST_PARTS:
        raise ValueError(f"its record has more than {MOST_PARTS} parts")
    record = json.loads(text)
    if _depth(record) > DEEPEST:
        raise ValueError(f"its record is nested more than {DEEPEST} times")
    return record


def _depth(record: Any) -> int:
    inner = record.values() if isinstance(record, dict) else record if isinstance(record, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def discard_unfinished(path: File) -> None:
    """Remove what a process that was killed while it wrote the file has left beside it."""
    folder, name = os.path.split(os.fspath(path))
    pattern = f".{glob.escape(name)}.????????{glob.escape(os.path.splitext(name)[1])}"
    for unfinished in Path(folder or ".").glob(pattern):
        unfinished.unlink(missing_ok=True)
