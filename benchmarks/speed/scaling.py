"""Draw what a learned step costs against dimension, points, history, width and batch size.

    python -m benchmarks.speed.scaling [--rounds N] [--json FILE] [--docs]

All sizes are timed in turn. To each curve the line a + b size is fitted (for the batch a + b / size, a step and the
call's share of it), with relative errors; what it says is how far times are from the line.
"""

import os

import numpy as np

import l2o
from benchmarks.report import DOCS, arguments, machine, publish, sentence, table
from benchmarks.suite.common import policy, problems
from benchmarks.timing import best_of, one_core

FIGURE = DOCS / "figures" / "scaling.png"
USUAL = {"dim": 4, "n_points": 100, "history": 25, "width": 50, "runs": 64}
SIZES = {
    "dim": (2, 3, 4, 6, 8, 12, 16, 24, 32),
    "n_points": (8, 16, 32, 64, 100, 200, 400, 800, 1600),
    "history": (1, 2, 4, 8, 16, 25, 50, 100),
    "width": (8, 16, 24, 32, 50, 100, 200, 400),
    "runs": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800),
}
NAMES = {"dim": "variables d", "n_points": "points n", "history": "history H", "width": "hidden units u",
         "runs": "runs a call"}
STYLES = {("raw", "float64"): ("#0072B2", "o", "raw inputs, float64"), ("raw", "float32"): ("#D55E00", "s",
          "raw inputs, float32"), ("scaled", "float64"): ("#009E73", "^", "scaled inputs, float64")}


def steps(what):
    """Return the steps of a run: enough to fill every history that is compared with others."""
    return 400 if what == "history" else 40


def rollout(what, size, inputs, precision):
    """Return a call at one size, all others as usual."""
    sizes = USUAL | {what: size}
    method = policy(sizes["dim"], precision, inputs=inputs, history=sizes["history"], width=sizes["width"])
    runs = 8 if what == "history" else sizes["runs"]
    given, n_steps = problems(runs, sizes["dim"], sizes["n_points"]), steps(what)
    return lambda: l2o.rollout(given, method=method, n_steps=n_steps), runs * n_steps


def measured(rounds):
    """Return microseconds a step: what -> style -> a number a size."""
    cases = {(what, style, size): rollout(what, size, *style)
             for what, sizes in SIZES.items() for style in STYLES for size in sizes}
    best = best_of({key: call for key, (call, _) in cases.items()}, rounds)
    return {what: {style: [1e6 * best[what, style, size] / cases[what, style, size][1] for size in sizes]
                   for style in STYLES} for what, sizes in SIZES.items()}


def fit(what, times):
    """Return a and b, the line at the sizes, and its largest relative distance from the times."""
    size = np.array(SIZES[what], float)
    by = 1.0 / size if what == "runs" else size
    columns = np.column_stack([np.ones(len(by)), by])
    (a, b), *_ = np.linalg.lstsq(columns / np.array(times)[:, None], np.ones(len(by)), rcond=None)
    line = columns @ (a, b)
    return a, b, line, float(np.abs(line / times - 1.0).max())


def draw(times, path):
    """Draw a panel for each size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    panels = figure.subplots(2, 3, sharey=True).ravel()
    for panel, (what, curves) in zip(panels, times.items()):
        for style, curve in curves.items():
            colour, marker, label = STYLES[style]
            panel.plot(SIZES[what], fit(what, curve)[2], color=colour, linewidth=0.8)
            panel.plot(SIZES[what], curve, marker, color=colour, markersize=4, label=label)
        panel.set(xscale="log", yscale="log", xlabel=NAMES[what])
        ticks = SIZES[what][::2]
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    every = [time for curves in times.values() for curve in curves.values() for time in curve]
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if min(every) / 1.3 < tick < 1.3 * max(every)]
    panels[0].set_yticks(ticks, [str(tick) for tick in ticks])
    for panel in panels[::3]:
        panel.set_ylabel("microseconds a step")
    panels[-1].axis("off")
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False,
                      title="points: measured; lines: a + b size\n(runs a call: a + b / size)")
    os.makedirs(path.parent, exist_ok=True)
    figure.savefig(path, dpi=150)


def as_text(times, machine, rounds):
    """Return the lines of the figure."""
    rows = [[NAMES[what], *(formula(what, curve) for curve in curves.values())] for what, curves in times.items()]
    usual = f"d = {USUAL['dim']}, n = {USUAL['n_points']}, H = {USUAL['history']}, {USUAL['width']} units"
    return "\n\n".join([
        table(["microseconds a step", *(label for _, _, label in STYLES.values())], rows),
        f"The line through each curve, and how far times are from it at most. {usual}, {USUAL['runs']} runs of "
        f"{steps('dim')} steps but for what is varied (against H: 8 runs of {steps('history')}). Best of {rounds} "
        f"rounds. {sentence(machine)}"])


def formula(what, times):
    """Return a line in words."""
    a, b, _, distance = fit(what, times)
    slope = f"{b:.2f} / runs" if what == "runs" else f"{b:.4f} {NAMES[what].split()[-1]}"
    return f"{a:.2f} + {slope} ({100 * distance:.0f} %)"


def main():
    """Measure, draw, print."""
    given = arguments(__doc__.splitlines()[0], rounds=10).parse_args()
    one_core()
    times = measured(given.rounds)
    if given.docs:
        draw(times, FIGURE)
    record = {"machine": machine("l2o", "numpy"), "rounds": given.rounds, "sizes": SIZES,
              "microseconds_a_step": {what: {", ".join(style): curve for style, curve in curves.items()}
                                      for what, curves in times.items()}}
    publish("scaling", as_text(times, record["machine"], given.rounds), record, given)


if __name__ == "__main__":
    main()
