"""Figures of a comparison: all its views on one page, and the paper's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from l2o.base import arguments
from l2o.base.typing import File
from l2o.evaluation import plotting
from l2o.evaluation.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure", "paper_figure"]


def figure(comparison: Comparison, path: File, title: str = "", *, seconds: bool = False) -> None:
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
        Whether to add panels on the cost, by evaluation and by second. This measures time.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If matplotlib is not installed.
    """
    columns = 3 if seconds else 2
    canvas = plotting.new_figure((4.3 * columns, 7.2), w_pad=0.12, h_pad=0.1)
    axes = canvas.subplots(2, columns)
    plotting.plot_curves(comparison.curves(), axes[0, 0])
    plotting.plot_curves(comparison.curves(), axes[1, 0], statistic="median")
    plotting.plot_curves(comparison.curves("evaluation"), axes[0, 1], by="evaluation")
    plotting.plot_margins(comparison.margin_of_victory(), axes[1, 1])
    if seconds:
        plotting.plot_curves(comparison.curves("seconds"), axes[0, 2], by="seconds")
        plotting.plot_margins(comparison.margin_of_victory("evaluation"), axes[1, 2], by="evaluation")
    save(canvas, axes[0, 0], path, title)


def paper_figure(comparison: Comparison, path: File, title: str = "") -> None:
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
    canvas = plotting.new_figure((12.9, 4.0))
    examples = range(min(2, len(comparison.problems)))
    ax, *others = canvas.subplots(1, 1 + len(examples))
    margins, runs = comparison.margin_of_victory(), comparison.runs
    start = next(iter(runs.values())).fun[:, 0]
    ax.axhline(0.0, color="0.35", linewidth=0.8, zorder=1)
    for name, style in plotting.styles(margins).items():
        ax.plot(margins[name].k[1:], margins[name].mean[1:], label=name, **style)
        for i, other in enumerate(others):
            other.plot(runs[name].fun[i], label=name, **style)
    ax.set_ylim(bottom=max(ax.get_ylim()[0], -2.0 * (start - comparison.f_star).mean()))
    plotting.finish(ax, plotting.AXIS_LABELS["iteration"], "mean margin of victory")
    for i, other in enumerate(others):
        lowest = min(np.nanmin(each.fun[i]) for each in runs.values())
        if start[i] > lowest:
            other.set_ylim(top=min(other.get_ylim()[1], lowest + 2.0 * (start[i] - lowest)))
        plotting.finish(other, plotting.AXIS_LABELS["iteration"], f"objective value, function {i + 1}")
    save(canvas, ax, path, title)


def save(canvas: Figure, ax: Axes, path: File, title: str) -> None:
    """Write a figure with one legend for all of its axes, that of ax."""
    handles, labels = ax.get_legend_handles_labels()
    for each in canvas.axes:
        legend = each.get_legend()
        if legend is not None:
            legend.remove()
    canvas.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False, fontsize=9)
    if title:
        canvas.suptitle(title, fontsize=11)
    with arguments.written(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=160)
