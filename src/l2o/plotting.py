"""Figures of a comparison, drawn to be printed.

Everything goes through Figure objects with the Agg canvas: no display, no pyplot, no global state. The
colours are those of Okabe and Ito, apart for the colour-blind; line styles tell the methods apart in
grey, too. The method called "learned", or else the first, is drawn thick and on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base import arguments

if TYPE_CHECKING:
    from l2o.evaluation import Comparison, Curve

__all__ = ["figure", "paper_figure", "plot_curves", "plot_margins"]

EMPHASIS = "#D55E00"
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F7F7F")
DASHES = ((), (5, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5), (3, 1), (6, 1.5, 1.2, 1.5, 1.2, 1.5))
FLOOR = 1e-8  # of f - f_star: what lies below differs in rounding, and would squeeze what does not

AXIS_LABELS = {"iteration": "iteration k", "evaluation": "function evaluations after the first",
               "seconds": "seconds a problem, one core"}


def plot_curves(comparison: Comparison, ax: Any = None, by: str = "iteration", statistic: str = "mean") -> Any:
    """Draw f - f_star of each method, from k = 1, on a logarithmic axis that ends at 1e-8.

    Parameters
    ----------
    comparison : Comparison
        What `l2o.compare` returned.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure, ``ax.figure`` of what is returned.
    by : {"iteration", "evaluation", "seconds"}
        The horizontal axis; the last measures time.
    statistic : {"mean", "median"}
        What is drawn; the mean with its 95 % bootstrap band.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If by or statistic is none of these.
    ImportError
        If matplotlib is not installed.
    """
    if statistic not in ("mean", "median"):
        raise ValueError(f"statistic is {statistic!r}; expected one of 'mean', 'median'")
    curves = comparison.curves(by)
    ax = _new_axes() if ax is None else ax
    for name, style in _styles(curves).items():
        curve = curves[name]
        ax.plot(curve.k[1:], _above_floor(getattr(curve, statistic)[1:]), label=name, **style)
        if statistic == "mean":
            ax.fill_between(curve.k[1:], _above_floor(curve.low[1:]), _above_floor(curve.high[1:]),
                            color=style["color"], alpha=0.18, linewidth=0, zorder=style["zorder"] - 0.5)
    ax.set_yscale("log")
    ax.set_ylim(*_log_limits([getattr(curve, statistic)[1:] for curve in curves.values()]))
    ax.minorticks_off()
    _finish(ax, AXIS_LABELS[by], rf"{statistic} of $f - f^\star$")
    _horizontal(ax, curves, by)
    _note_nonfinite(ax, curves, mean=statistic == "mean")
    return ax


def plot_margins(comparison: Comparison, ax: Any = None, by: str = "iteration") -> Any:
    """Draw the mean margin of victory of each method (the paper's figure): above zero wins.

    Parameters
    ----------
    comparison : Comparison
        What `l2o.compare` returned, of at least two methods.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure, ``ax.figure`` of what is returned.
    by : {"iteration", "evaluation"}
        The horizontal axis.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If by is neither of these, or there is one method only.
    ImportError
        If matplotlib is not installed.
    """
    curves = comparison.margin_of_victory(by)
    ax = _new_axes() if ax is None else ax
    ax.axhline(0.0, color="0.35", linewidth=0.8, zorder=1)
    for name, style in _styles(curves).items():
        curve = curves[name]
        ax.plot(curve.k[1:], curve.mean[1:], label=name, **style)
        ax.fill_between(curve.k[1:], curve.low[1:], curve.high[1:], color=style["color"], alpha=0.18, linewidth=0,
                        zorder=style["zorder"] - 0.5)
    ax.set_yscale("symlog", linthresh=1e-3, linscale=0.6)
    _finish(ax, AXIS_LABELS[by], "mean margin of victory")
    _horizontal(ax, curves, by)
    return ax


def figure(comparison: Comparison, path: Any, title: str = "", *, seconds: bool = False) -> None:
    """Write one PNG with all views of a comparison.

    Mean and median by iteration, mean by evaluation, and margin of victory; with seconds also the margin
    by evaluation and the mean by seconds.

    Parameters
    ----------
    comparison : Comparison
        What `l2o.compare` returned, of at least two methods.
    path : path-like
        Where to; the file is replaced in one piece.
    title : str
        Title of the figure.
    seconds : bool
        Add the panels of a second question: what it costs. Measures time.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If matplotlib is not installed.
    """
    columns = 3 if seconds else 2
    canvas = _new_figure((4.3 * columns, 7.2))
    canvas.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    axes = canvas.subplots(2, columns)
    plot_curves(comparison, axes[0, 0])
    plot_curves(comparison, axes[1, 0], statistic="median")
    plot_curves(comparison, axes[0, 1], by="evaluation")
    plot_margins(comparison, axes[1, 1])
    if seconds:
        plot_curves(comparison, axes[0, 2], by="seconds")
        plot_margins(comparison, axes[1, 2], by="evaluation")
    _save(canvas, axes[0, 0], path, title)


def paper_figure(comparison: Comparison, path: Any, title: str = "") -> None:
    """Write one PNG in the paper's form.

    The mean margin of victory, and the objective values on the first two functions, all by iteration and on
    linear axes. A method that diverges leaves them: values end as far above the start as it is above the rest.

    Parameters
    ----------
    comparison : Comparison
        What `l2o.compare` returned, of at least two methods.
    path : path-like
        Where to; the file is replaced in one piece.
    title : str
        Title of the figure.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If matplotlib is not installed.
    """
    canvas = _new_figure((12.9, 4.0))
    examples = range(min(2, len(comparison.problems)))
    ax, *others = canvas.subplots(1, 1 + len(examples))
    margins, runs = comparison.margin_of_victory(), comparison.runs
    start = next(iter(runs.values())).fun[:, 0]
    ax.axhline(0.0, color="0.35", linewidth=0.8, zorder=1)
    for name, style in _styles(margins).items():
        ax.plot(margins[name].k[1:], margins[name].mean[1:], label=name, **style)
        for i, other in enumerate(others):
            other.plot(runs[name].fun[i], label=name, **style)
    ax.set_ylim(bottom=max(ax.get_ylim()[0], -2.0 * (start - comparison.f_star).mean()))
    _finish(ax, AXIS_LABELS["iteration"], "mean margin of victory")
    for i, other in enumerate(others):
        lowest = min(np.nanmin(each.fun[i]) for each in runs.values())
        if start[i] > lowest:
            other.set_ylim(top=min(other.get_ylim()[1], lowest + 2.0 * (start[i] - lowest)))
        _finish(other, AXIS_LABELS["iteration"], f"objective value, function {i + 1}")
    _save(canvas, ax, path, title)


def _save(canvas: Any, ax: Any, path: Any, title: str) -> None:
    """Write a figure with one legend for all of its axes, that of ax."""
    handles, labels = ax.get_legend_handles_labels()
    for each in canvas.axes:
        if each.get_legend() is not None:
            each.get_legend().remove()
    canvas.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False, fontsize=9)
    if title:
        canvas.suptitle(title, fontsize=11)
    with arguments.written(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=160)


def _new_figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib; install it with: pip install 'l2o[plot]'") from None
    canvas = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas


def _new_axes() -> Any:
    return _new_figure((5.6, 4.0)).subplots()


def _styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return how each method is drawn; the emphasised one comes first and lies on top."""
    names = list(names)
    emphasised = "learned" if "learned" in names else names[0]
    styles = {emphasised: {"color": EMPHASIS, "linewidth": 2.2, "zorder": 5.0}}
    for i, name in enumerate(name for name in names if name != emphasised):
        styles[name] = {"color": COLOURS[i % len(COLOURS)], "linewidth": 1.3, "zorder": 4.0 - 0.01 * i,
                        "dashes": DASHES[(i + 1) % len(DASHES)]}
    return styles


def _above_floor(values: np.ndarray) -> np.ndarray:
    """Return values that a logarithmic axis can draw: a line that reaches zero leaves through the bottom."""
    return np.where(np.isfinite(values), np.maximum(values, FLOOR * 1e-2), np.nan)


def _log_limits(lines: list[np.ndarray]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis that shows all lines, down to FLOOR."""
    values = np.concatenate(lines)
    values = values[np.isfinite(values) & (values > FLOOR)]
    if len(values) == 0:
        return FLOOR, 1.0
    top = min(values.max(), 1e6)  # a method that diverges must not squeeze the others
    return 10.0 ** np.floor(np.log10(values.min())), 2.0 * top


def _horizontal(ax: Any, curves: dict[str, Curve], by: str) -> None:
    """Make the horizontal axis logarithmic: the first ten steps matter as much as the last fifty."""
    shown = np.concatenate([curve.k[1:].astype(float) for curve in curves.values()])
    first, last = float(shown[shown > 0].min(initial=np.inf)), float(shown.max())
    if last <= 0:  # seconds of methods that all stopped at x0
        return
    ax.set_xscale("log")
    ax.set_xlim(first, max(last, 1.001 * first))
    if by != "seconds" and last < 1e4:
        ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if k <= last / 1.4]
        ticks.append(int(last))
        ax.set_xticks(ticks, list(map(str, ticks)))
        ax.set_xticks([], minor=True)


def _finish(ax: Any, xlabel: str, ylabel: str) -> None:
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(True, which="major", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, handlelength=3)


def _note_nonfinite(ax: Any, curves: dict[str, Curve], mean: bool) -> None:
    """Say above the axes how many problems a mean leaves out, and which methods failed."""
    failed = [f"{name} {100 * curve.share_nonfinite:.3g} %" for name, curve in curves.items() if curve.n_nonfinite]
    if failed:
        some = next(iter(curves.values()))
        over = f"over {some.n_averaged} of {some.n_problems} problems; " if mean else ""
        ax.set_title(f"{over}non-finite: {', '.join(failed)}", fontsize=8, loc="left", color="0.3")
