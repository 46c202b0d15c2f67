"""Write what was computed into the documents: tables, figures and the output of the examples.

    make demo && .venv/bin/python docs/results.py out
    .venv/bin/l2o reproduce logistic --out out && .venv/bin/python docs/results.py out

Tables and figures come from what the demo or `l2o reproduce` wrote to out. The pages include the tables from
docs/results; the README holds its own between markers. Neither is edited by hand. The output of an example, a text
block after a python block, comes from running it.
"""

import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = {"microseconds a fit": "microseconds a fit", "curve_fit lm": "SciPy's `curve_fit`",
        "JAX, jit and vmap": "JAX, `jit` and `vmap`", "L-BFGS of l2o": "L-BFGS, compiled"}
AT, AT_REAL = (1, 2, 3, 5, 10, 20, 40, 100), (1, 2, 3, 5, 10, 40)


def number(value):
    """Return two significant digits."""
    if value < 1e-15:
        return "< 1e-15"
    text = f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}"
    return text.replace("e-0", "e-")


def table(rows, at, head="k"):
    """Return a Markdown table; the lowest value of each column in bold."""
    lowest = [min(values[k] for values in rows.values()) for k in at]
    lines = [f"| {head} | " + " | ".join(map(str, at)) + " |", "|---|" + "---|" * len(at)]
    for name, values in rows.items():
        cells = [f"**{number(values[k])}**" if values[k] == low else number(values[k]) for k, low in zip(at, lowest)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ranges(ks):
    """Return sorted integers as 1-3, 7."""
    parts = []
    for k in ks:
        if parts and k == parts[-1][1] + 1:
            parts[-1][1] = k
        else:
            parts.append([k, k])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def curves(comparison, by, statistic):
    """Return the curve of each method."""
    return {name: curve[statistic] for name, curve in comparison["curves"][by].items()}


def fresh_table(record):
    """Return the main table: the mean over unseen functions."""
    fresh = record["fresh"]
    iteration, evaluation = (curves(fresh, by, "mean") for by in ("iteration", "evaluation"))
    rows = {
        "learned": iteration["learned"],
        "gradient descent, tuned": iteration["gradient descent"],
        "momentum, tuned": iteration["momentum"],
        "best of the momentum grid at each k": record["best_of_momentum_grid"]["mean"],
        "CG, by evaluation": evaluation["CG"],
        "L-BFGS, by evaluation": evaluation["L-BFGS"],
    }
    return table(rows, AT)


def real_table(record):
    """Return the table of the real data, by evaluation."""
    return table(curves(record["real_data"]["comparison"], "evaluation", "mean"), AT_REAL)


def medians(record):
    """Return the medians over unseen functions."""
    iteration, evaluation = (curves(record["fresh"], by, "median") for by in ("iteration", "evaluation"))
    return table({**{name: iteration[name] for name in ("learned", "gradient descent", "momentum")},
                  "CG, by evaluation": evaluation["CG"], "L-BFGS, by evaluation": evaluation["L-BFGS"]}, AT)


def margins(record):
    """Return the mean margin of victory by iteration."""
    rows = {name: curve["mean"] for name, curve in record["fresh"]["margin_of_victory"]["iteration"].items()}
    lines = ["| k | " + " | ".join(map(str, AT)) + " |", "|---|" + "---|" * len(AT)]
    lines += [f"| {name} | " + " | ".join(f"{values[k]:+.1e}".replace("e-0", "e-") for k in AT) + " |"
              for name, values in rows.items()]
    return "\n".join(lines)


def paired(record):
    """Return momentum - learned with its interval."""
    each = record["fresh"]["paired"]["iteration"]["momentum"]
    lines = ["| k | " + " | ".join(map(str, AT)) + " |", "|---|" + "---|" * len(AT)]
    for name, key in (("momentum - learned", "mean"), ("95 % interval, from", "low"), ("to", "high")):
        lines.append(f"| {name} | " + " | ".join(f"{each[key][k]:+.4f}" for k in AT) + " |")
    return "\n".join(lines)


def ahead(comparison, rival, by, last):
    """Return at which k the learned optimizer is ahead of a rival in the mean, and where for sure."""
    each = comparison["paired"][by][rival]
    mean = [k for k in range(1, last + 1) if each["mean"][k] > 0]
    sure = [k for k in mean if each["low"][k] > 0]
    if not mean:
        return "at no k"
    return f"at k = {ranges(mean)}" + ("" if sure == mean else f" (with 95 % confidence at k = {ranges(sure)})")


def short(settings):
    """Return the settings of a method with three digits."""
    return "`" + re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.3g}", settings) + "`"


def by_the_clock(fresh, seconds):
    """Return how far momentum gets in the time of some learned steps."""
    learned, momentum = (curves(fresh, "iteration", "mean")[name] for name in ("learned", "momentum"))
    parts = []
    for k in (1, 3, 10, 20):
        steps = min(int(k * seconds["learned"] / seconds["momentum"]), 100)
        parts.append(f"{k} learned: {number(learned[k])}, {steps} of momentum: {number(momentum[steps])}")
    return "Steps in the same time, and the mean of f - f* that they reach: " + "; ".join(parts) + "."


def facts(record):
    """Return sentences that are read off the record."""
    fresh, card = record["fresh"], record["policy"]
    seconds = {name: 1e6 * method["seconds_per_problem"] for name, method in fresh["methods"].items()}
    failed = fresh["curves"]["iteration"]["learned"]["n_nonfinite"]
    settings = {name: short(method["settings"]) for name, method in fresh["methods"].items()}
    lines = [
        f"Trained on {card['training']['n_functions']} functions in {card['run']['seconds']:.0f} s. Tuned on the same "
        f"functions: {settings['gradient descent']}, {settings['momentum']}.",
        f"Below tuned gradient descent {ahead(fresh, 'gradient descent', 'iteration', 100)}.",
        f"Below tuned momentum {ahead(fresh, 'momentum', 'iteration', 100)}.",
        f"By evaluation below CG {ahead(fresh, 'CG', 'evaluation', 100)}; "
        f"below L-BFGS {ahead(fresh, 'L-BFGS', 'evaluation', 100)}.",
        f"Runs that left the finite numbers: {failed} of {fresh['n_problems']}.",
        "Time of 100 steps, microseconds a problem, one core: "
        + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
        + ". CG and L-BFGS are SciPy's; that time is mostly the interpreter's.",
        by_the_clock(fresh, seconds),
    ]
    if record["real_data"]:
        real, many = record["real_data"]["comparison"], record["real_data"]["minimize_many"]
        lines += [
            f"On the real data below tuned momentum {ahead(real, 'momentum', 'evaluation', 40)}; "
            f"below L-BFGS {ahead(real, 'L-BFGS', 'evaluation', 40)}.",
            f"`minimize_many` did {real['n_problems']:,} real problems, 40 steps each, in {many['seconds']:.2f} s; "
            f"after these {100 * many['converged']:.2g} % had a gradient below 1e-5.",
        ]
    return lines


def brief(value):
    """Return two digits or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def jobs_table(record):
    """Return the table of the demo: what a fit takes each method, and how often it is right."""
    methods = {method: None for job in record["jobs"].values() for method in job["rows"]}
    heads = ["evaluations, microseconds a fit, right", *methods]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, job in record["jobs"].items():
        cells = [f"{row['evaluations']:.1f}, {brief(row['microseconds'])}, {100 * row['lowest basin']:.1f} %"
                 if (row := job["rows"].get(method)) else "" for method in methods]
        lines.append(f"| {name}, {job['problems']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_list(lines):
    """Return a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


REPRODUCED = {"fresh": fresh_table, "real": real_table, "medians": medians, "margins": margins, "paired": paired,
              "facts": lambda record: as_list(facts(record))}


def curves_table():
    """Return the rows of the README of what `python -m benchmarks.curves.least_squares` has measured."""
    lines = (ROOT / "docs" / "results" / "curve-fits.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")[:-1]] for line in lines if line.startswith("|")]
    known = {row[0]: row[1:] for row in rows}
    head = f"| | {' | '.join(known[''])} |\n|---{'|---:' * len(known[''])}|"
    return "\n".join([head, *(f"| {told} | {' | '.join(known[name])} |" for name, told in ROWS.items())])


def rewrite(path, name, made):
    """Replace what is between the markers of a name in the README, which cannot include a file."""
    text = re.sub(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}\n{made}\n\n{found[2]}",
                  path.read_text(encoding="utf-8"), flags=re.S)
    path.write_text(text, encoding="utf-8")


def rerun(path):
    """Run the examples of a document, one after the other, and replace what they print."""
    namespace, printed = {}, ""

    def new(found):
        nonlocal printed
        if found[1] == "text":
            return f"```text\n{printed}```"
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(found[2], str(path), "exec"), namespace)
        printed = output.getvalue()
        return found[0]

    text = re.sub(r"^```(python|text)\n(.*?)^```$", new, path.read_text(encoding="utf-8"), flags=re.M | re.S)
    path.write_text(text, encoding="utf-8")


def main(folder):
    """Rewrite the documents and copy the figures."""
    folder = Path(folder).absolute()
    record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    figures = ROOT / "docs" / "figures"
    if "jobs" in record:
        rewrite(ROOT / "README.md", "jobs", jobs_table(record))
        shutil.copyfile(folder / "many-fits.png", figures / "many-fits.png")
    else:
        for name, make in REPRODUCED.items():
            path = ROOT / "docs" / "results" / f"reproduce-{name}.md"
            path.write_text(make(record) + "\n", encoding="utf-8")
        for part in ("fresh", "real-data"):
            name = f"{record['family']}{'' if part == 'fresh' else '-real-data'}.png"
            shutil.copyfile(folder / f"{record['family']}-{part}.png", figures / name)
    rewrite(ROOT / "README.md", "curves", curves_table())
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        for path in (ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs" / "quickstart.md"):
            rerun(path)


if __name__ == "__main__":
    main(sys.argv[1])
