"""
Three jobs beside SciPy
=======================

Rolling robust betas of 30 portfolios; resamples of one logistic regression; an image whose pixels are decays. Each is
solved by SciPy in a loop with a vectorised NumPy objective (a sample of it), by the compiled L-BFGS, by Newton where
there is a Hessian, and by ``l2o.minimize_many`` as it is: it learns from some thirty of the problems where the others
begin, and with what curvature. All end at max|g| <= 1e-6. Evaluations include those of labels and probes.

The program measures times and takes a quiet machine, so this page does not run it; ``make demo`` does. ::

    pip install 'l2o[plot,examples]'
    python many_fits.py [--quick] [--out out]

.. image:: /figures/many-fits.png
   :alt: Evaluations and microseconds a fit of three jobs by SciPy, compiled methods and one call that learns
"""

# sphinx_gallery_thumbnail_path = 'figures/many-fits.png'
import argparse
import json
import os
import platform
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer

import l2o
from l2o.commands.real_data import factor_regressions

GTOL = 1e-6
BASIN = 1e-3  # of the fall, within which a run has found the lowest minimum known
ROUNDS = 3  # of each method; the fastest counts
SHORT = {"SciPy in a loop": "SciPy, a loop", "L-BFGS, compiled": "L-BFGS", "Newton, compiled": "Newton",
         "adaptive": "l2o, learning"}
COLOURS = {"SciPy in a loop": "0.75", "L-BFGS, compiled": "0.55", "Newton, compiled": "0.55", "adaptive": "tab:blue"}


def windows(quick):
    """Return robust regressions of 60 months in a row, each like the one before it, and SciPy's objective of one."""
    table = factor_regressions()
    table = table[:2280] if quick else table
    X = np.concatenate([table.X, np.ones((*table.X.shape[:2], 1))], axis=2)

    def value_and_grad(x, i):
        residual = table.y[i] - X[i] @ x
        weight = 1.0 / (1.0 + residual**2)
        return (residual**2 * weight).mean(), -2.0 / len(residual) * (residual * weight**2) @ X[i]

    return table.problems(), value_and_grad, True


def resamples(quick):
    """Return one logistic regression on resamples of its rows, and SciPy's objective of one."""
    table, rng = load_breast_cancer(), np.random.default_rng(0)
    Z = ((table.data - table.data.mean(axis=0)) / table.data.std(axis=0))[:, [0, 1, 4]]
    rows = rng.integers(len(Z), size=(500 if quick else 5000, len(Z)))
    X, sign = np.hstack([Z, np.ones((len(Z), 1))]), 1.0 - 2.0 * table.target
    problems = l2o.families.Logistic().from_data(Z[rows], table.target[rows], x0=np.zeros((len(rows), 4)))

    def value_and_grad(x, i):
        own, slope = X[rows[i]], sign[rows[i]]
        margin = slope * (own @ x)
        part = 5e-4 * np.append(x[:3], x[3])
        return (np.logaddexp(0.0, margin).mean() + 0.5 * part @ x,
                (slope / (1.0 + np.exp(-margin))) @ own / len(own) + part)

    return problems, value_and_grad, False


@l2o.objective
def decay(x, data, grad):
    """Mean squared residuals of exp(x0) exp(-exp(x1) t) + x2, rows of data (t, y)."""
    amplitude, rate, f = np.exp(x[0]), np.exp(x[1]), 0.0
    grad[:] = 0.0
    for t, y in data:
        part = amplitude * np.exp(-rate * t)
        residual = 20.0 * (part + x[2] - y)
        weight = 20.0 * residual / len(data)
        f += 0.5 * residual**2 / len(data)
        grad[0] += weight * part
        grad[1] -= weight * part * rate * t
        grad[2] += weight
    return f


def image(quick):
    """Return a decay in each pixel of an image, row by row, and SciPy's objective of one."""
    rng, size, t = np.random.default_rng(1), 30 if quick else 100, np.linspace(0.0, 4.0, 30)
    row, column = np.mgrid[:size, :size].reshape(2, -1) / (size - 1)
    rate = np.exp(0.8 * np.sin(2 * np.pi * row) * np.cos(np.pi * column))
    curves = (1.0 + 0.5 * column)[:, None] * np.exp(-rate[:, None] * t) + 0.1
    curves += 0.05 * rng.standard_normal(curves.shape)
    x0 = np.column_stack([np.log(np.maximum(curves[:, 0] - curves[:, -1], 0.1)), 0.0 * rate, curves[:, -1]])
    data = np.stack([np.broadcast_to(t, curves.shape), curves], axis=2)
    problems = l2o.families.Custom(decay, dim=3).from_data(data, x0=x0)

    def value_and_grad(x, i):
        part = np.exp(x[0]) * np.exp(-np.exp(x[1]) * t)
        residual = 20.0 * (part + x[2] - curves[i])
        weight = 20.0 * residual / len(t)
        return 0.5 * (residual**2).mean(), np.array([weight @ part, -np.exp(x[1]) * weight @ (part * t), weight.sum()])

    return problems, value_and_grad, True


JOBS = {"rolling robust betas": windows, "bootstrap of a logistic regression": resamples, "decay in each pixel": image}


def looped(problems, value_and_grad, rows):
    """Return SciPy's minima, evaluations and seconds for some of the problems, one after the other."""
    for i in (0, len(problems) - 1):  # the same function as the compiled one
        ours = problems[i].value_and_grad(problems.x0[i])
        np.testing.assert_allclose(value_and_grad(problems.x0[i], i)[0], ours[0], rtol=1e-9)
        np.testing.assert_allclose(value_and_grad(problems.x0[i], i)[1], ours[1], rtol=1e-6, atol=1e-9)
    begun = time.process_time()
    found = [minimize(value_and_grad, problems.x0[i], (i,), jac=True, method="L-BFGS-B",
                      options={"gtol": GTOL, "ftol": 0.0}) for i in rows]
    return np.array([each.fun for each in found]), np.array([each.nfev for each in found]), time.process_time() - begun


def measured(name, quick):
    """Return a row for each method of a job: evaluations and microseconds a fit, share in the lowest basin."""
    problems, value_and_grad, ordered = JOBS[name](quick)
    m, calls = len(problems), {"L-BFGS, compiled": {"method": "lbfgs"}, "Newton, compiled": {"method": "newton"},
                               "adaptive": {"ordered": ordered}}
    if problems.hessian_function is None:
        del calls["Newton, compiled"]
    batches, seconds = {}, dict.fromkeys(calls, np.inf)
    for _ in range(ROUNDS):
        for method, settings in calls.items():
            begun = time.process_time()
            batches[method] = l2o.minimize_many(problems, tol=GTOL, **settings)
            seconds[method] = min(seconds[method], time.process_time() - begun)
    sample = np.random.default_rng(0).permutation(m)[: 50 if quick else 300]
    fun, nfev, loop = looped(problems, value_and_grad, np.sort(sample))
    start = problems.value_and_grad(problems.x0)[0]
    lowest = np.min([batch.fun for batch in batches.values()], axis=0)
    lowest[np.sort(sample)] = np.minimum(lowest[np.sort(sample)], fun)
    near = lowest + BASIN * (start - lowest)
    rows = {"SciPy in a loop": {"fits": len(fun), "evaluations": float(nfev.mean()),
                                "microseconds": 1e6 * loop / len(fun),
                                "lowest basin": float((fun <= near[np.sort(sample)]).mean())}}
    rows |= {method: {"fits": m, "evaluations": float(batch.nfev.mean()), "microseconds": 1e6 * seconds[method] / m,
                      "lowest basin": float((batch.fun <= near).mean())} for method, batch in batches.items()}
    return {"problems": m, "dimension": problems.dim, "rows": rows, "learned": repr(batches["adaptive"].learned)}


def table(name, job):
    """Return the figures of a job as lines."""
    fastest = job["rows"]["adaptive"]["microseconds"]
    lines = [f"{name}: {job['problems']:,} fits of {job['dimension']} parameters",
             f"  {'':18s}{'evaluations':>13s}{'us a fit':>11s}{'adaptive is':>13s}{'lowest basin':>14s}"]
    for method, row in job["rows"].items():
        note = f"  ({row['fits']} of the fits)" if row["fits"] < job["problems"] else ""
        lines.append(f"  {method:18s}{row['evaluations']:13.1f}{row['microseconds']:11.2f}"
                     f"{row['microseconds'] / fastest:11.1f} x{row['lowest basin']:14.3f}{note}")
    return "\n".join([*lines, f"  {job['learned']}"])


def draw(jobs, path):
    """Draw for each job how many evaluations a fit takes, and how long."""
    figure, grid = plt.subplots(2, len(jobs), figsize=(3.8 * len(jobs), 4.2), layout="constrained", sharey="col")
    for (above, below), (name, job) in zip(grid.T, jobs.items()):
        above.set_title(f"{name}\n{job['problems']:,} fits of {job['dimension']} parameters")
        rows = job["rows"]
        bars(above, {method: row["evaluations"] for method, row in rows.items()}, "evaluations a fit")
        bars(below, {method: row["microseconds"] for method, row in rows.items()}, "microseconds a fit")
        below.set(xscale="log", xlim=(0.5, 3e4))
        above.set_xlim(0.0, 1.2 * max(row["evaluations"] for row in rows.values()))
        above.invert_yaxis()  # the other shares it
    figure.savefig(path, dpi=150)


def bars(axes, lengths, label):
    """Draw a bar for each method, with its length as text."""
    drawn = axes.barh([SHORT[method] for method in lengths], list(lengths.values()),
                      color=[COLOURS[method] for method in lengths])
    texts = [f"{length:.1f}" if length < 100 else f"{length:,.0f}" for length in lengths.values()]
    axes.bar_label(drawn, texts, padding=3, fontsize=9)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def main():
    """Measure, print, write results.json and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the problems")
    parser.add_argument("--out", default="out", help="folder to write to")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    jobs = {}
    for name in JOBS:
        jobs[name] = measured(name, options.quick)
        print(table(name, jobs[name]) + "\n", flush=True)
    record = {"l2o": l2o.__version__, "quick": options.quick, "machine": platform.processor() or platform.machine(),
              "cpus": os.cpu_count(), "gtol": GTOL, "jobs": jobs}
    (out / "results.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    draw(jobs, out / "many-fits.png")
    print(f"written: {out / 'results.json'}, {out / 'many-fits.png'}")
    print("Times are of the CPU, on one core of this machine; evaluations are the same everywhere.")


if __name__ == "__main__":
    main()
