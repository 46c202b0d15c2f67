"""Curves on axes, drawn to be printed.

Everything goes through Figure objects with the Agg canvas: no display, no pyplot, no global state. The
colours are those of Okabe and Ito, apart for the colour-blind; line styles tell the methods apart in
grey, too. The method called "learned", or else the first, is drawn thick and on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base import arguments
from l2o.evaluation.curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["AXIS_LABELS", "finish", "new_figure", "plot_curves", "plot_margins", "styles"]

EMPHASIS = "#D55E00"
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F7F7F")
DASHES = ((), (5, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5), (3, 1), (6, 1.5, 1.2, 1.5, 1.2, 1.5))
FLOOR = 1e-8  # of f - f_star: what lies below differs in rounding, and would squeeze what does not

AXIS_LABELS = {"iteration": "iteration k", "evaluation": "function evaluations after the first",
               "seconds": "seconds a problem, one core"}


def plot_curves(curves: Mapping[str, Curve], ax: Axes | None = None, by: str = "iteration",
                statistic: str = "mean") -> Axes:
    """Draw f - f_star of each method, from k = 1, on a logarithmic axis that ends at 1e-8.

    Parameters
    ----------
    curves : dict of Curve
        The curve of each method, from `Comparison.curves`.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure, ``ax.figure`` of what is returned.
    by : {"iteration", "evaluation", "seconds"}
        What the curves are over.
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
    arguments.choice("by", by, tuple(AXIS_LABELS))
    arguments.choice("statistic", statistic, ("mean", "median"))
    ax = _new_axes() if ax is None else ax
    for name, style in styles(curves).items():
        curve = curves[name]
        ax.plot(curve.k[1:], _above_floor(getattr(curve, statistic)[1:]), label=name, **style)
        if statistic == "mean":
            ax.fill_between(curve.k[1:], _above_floor(curve.low[1:]), _above_floor(curve.high[1:]),
                            color=style["color"], alpha=0.18, linewidth=0, zorder=style["zorder"] - 0.5)
    ax.set_yscale("log")
    ax.set_ylim(*_log_limits([getattr(curve, statistic)[1:] for curve in curves.values()]))
    ax.minorticks_off()
    finish(ax, AXIS_LABELS[by], rf"{statistic} of $f - f^\star$")
    _horizontal(ax, curves, by)
    _note_nonfinite(ax, curves, mean=statistic == "mean")
    return ax


def plot_margins(margins: Mapping[str, Curve], ax: Axes | None = None, by: str = "iteration") -> Axes:
    """Draw the mean margin of victory of each method (the paper's figure): above zero wins.

    Parameters
    ----------
    margins : dict of Curve
        The margin of each method, from `Comparison.margin_of_victory`.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure, ``ax.figure`` of what is returned.
    by : {"iteration", "evaluation"}
        What the margins are over.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If by is neither of these.
    ImportError
        If matplotlib is not installed.
    """
    arguments.choice("by", by, ("iteration", "evaluation"))
    ax = _new_axes() if ax is None else ax
    ax.axhline(0.0, color="0.35", linewidth=0.8, zorder=1)
    for name, style in styles(margins).items():
        curve = margins[name]
        ax.plot(curve.k[1:], curve.mean[1:], label=name, **style)
        ax.fill_between(curve.k[1:], curve.low[1:], curve.high[1:], color=style["color"], alpha=0.18, linewidth=0,
                        zorder=style["zorder"] - 0.5)
    ax.set_yscale("symlog", linthresh=1e-3, linscale=0.6)
    finish(ax, AXIS_LABELS[by], "mean margin of victory")
    _horizontal(ax, margins, by)
    return ax


def new_figure(size: tuple[float, float], w_pad: float = 3 / 72, h_pad: float = 3 / 72) -> Figure:
    """Return a figure of that size in inches, with these pads round its axes, without a display.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise ImportError("plots need matplotlib; install it with: pip install 'l2o[plot]'") from None
    canvas = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=w_pad, h_pad=h_pad))
    FigureCanvasAgg(canvas)
    return canvas


def _new_axes() -> Axes:
    return new_figure((5.6, 4.0)).subplots()


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
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


def _horizontal(ax: Axes, curves: Mapping[str, Curve], by: str) -> None:
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


def finish(ax: Axes, xlabel: str, ylabel: str) -> None:
    """Label the axes, and give them a grid and a legend."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(True, which="major", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, handlelength=3)


def _note_nonfinite(ax: Axes, curves: Mapping[str, Curve], mean: bool) -> None:
    """Say above the axes how many problems a mean leaves out, and which methods failed."""
    failed = [f"{name} {100 * curve.share_nonfinite:.3g} %" for name, curve in curves.items() if curve.n_nonfinite]
    if failed:
        some = next(iter(curves.values()))
        over = f"over {some.n_averaged} of {some.n_problems} problems; " if mean else ""
        ax.set_title(f"{over}non-finite: {', '.join(failed)}", fontsize=8, loc="left", color="0.3")
