"""Curves as records that JSON holds, and as a table to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.evaluation.curves import Curve
from l2o.solving.usable import listed

__all__ = ["as_json", "as_table", "records"]


def records(curves: Mapping[str, Curve]) -> dict[str, Any]:
    """Return the record of each curve."""
    return {name: asdict(curve) for name, curve in curves.items()}


def as_json(value: object) -> Any:
    """Return the value in JSON's own types: arrays as lists, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {name: as_json(entry) for name, entry in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return as_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_table(curves: Mapping[str, Curve], at: Iterable[int], by: str, statistic: str,
             left_out: np.ndarray) -> str:
    """Return the curves at some k as text, one row a k, one column a method; a mean names the problems left out."""
    some = next(iter(curves.values()))
    at = [k for k in (arguments.count("at", k, 0) for k in at) if k < len(some.k)]
    widths = {name: max(len(name), 8) for name in curves}
    over = some.n_averaged if statistic == "mean" else some.n_problems
    without = f", without {listed(left_out)}" if statistic == "mean" and len(left_out) else ""
    lines = [f"{statistic} of f - f_star by {by}, over {over} of {some.n_problems} problems{without}",
             _row("k", {name: name for name in curves}, widths)]
    lines += [_row(str(k), {n: f"{getattr(c, statistic)[k]:.2e}" for n, c in curves.items()}, widths) for k in at]
    lines.append(_row("non-finite", {n: f"{100 * c.share_nonfinite:.3g} %" for n, c in curves.items()}, widths))
    return "\n".join(lines)


def _row(head: str, cells: dict[str, str], widths: dict[str, int]) -> str:
    return "  ".join([f"{head:>10}", *(f"{cell:>{widths[name]}}" for name, cell in cells.items())])
