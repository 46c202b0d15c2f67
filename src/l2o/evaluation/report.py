"""A comparison as a record that JSON holds, and as a table to read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base import arguments
from l2o.evaluation.bootstrap import CONFIDENCE

if TYPE_CHECKING:
    from l2o.evaluation.comparison import Comparison

__all__ = ["as_record", "as_table", "plain"]


def as_record(comparison: Comparison, timing: bool) -> dict[str, Any]:
    """Return settings, curves, margins and paired differences; numbers that are not finite are None."""
    first, *rest = comparison.methods
    axes = ("iteration", "evaluation")
    record: dict[str, Any] = {
        "n_problems": len(comparison.problems), "dim": comparison.problems.dim, "n_steps": comparison.n_steps,
        "n_bootstrap": len(comparison.resamples), "confidence": CONFIDENCE, "f_star": comparison.f_star,
        "methods": {name: {"settings": repr(method)} for name, method in comparison.methods.items()},
        "curves": {by: _records(comparison.curves(by)) for by in axes},
        "margin_of_victory": {}, "paired": {"reference": first},
    }
    if rest:
        record["margin_of_victory"] = {by: _records(comparison.margin_of_victory(by)) for by in axes}
        record["paired"] |= {by: _records({b: comparison.paired(first, b, by) for b in rest}) for by in axes}
    if timing:
        record["curves"]["seconds"] = _records(comparison.curves("seconds"))
        for name, seconds in comparison.seconds.items():
            record["methods"][name]["seconds_per_problem"] = seconds
    return plain(record)


def _records(curves: dict[str, Any]) -> dict[str, Any]:
    return {name: asdict(curve) for name, curve in curves.items()}


def plain(value: Any) -> Any:
    """Return the value in JSON's own types: arrays as lists, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_table(comparison: Comparison, at: Iterable[int], by: str, statistic: str) -> str:
    """Return the curves at some k as text, one row a k, one column a method."""
    curves = comparison.curves(by)
    at = [k for k in (arguments.count("at", k, 0) for k in at) if k <= comparison.n_steps]
    widths = {name: max(len(name), 8) for name in curves}
    some = next(iter(curves.values()))
    over = some.n_averaged if statistic == "mean" else some.n_problems
    lines = [f"{statistic} of f - f_star by {by}, over {over} of {some.n_problems} problems",
             _row("k", {name: name for name in curves}, widths)]
    lines += [_row(str(k), {n: f"{getattr(c, statistic)[k]:.2e}" for n, c in curves.items()}, widths) for k in at]
    lines.append(_row("non-finite", {n: f"{100 * c.share_nonfinite:.3g} %" for n, c in curves.items()}, widths))
    return "\n".join(lines)


def _row(head: str, cells: dict[str, str], widths: dict[str, int]) -> str:
    return "  ".join([f"{head:>10}", *(f"{cell:>{widths[name]}}" for name, cell in cells.items())])
