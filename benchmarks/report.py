"""What is said about times: the machine, Markdown tables, and the files from which pages include them."""

import argparse
import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

from l2o import _kernels

__all__ = ["arguments", "machine", "publish", "sentence", "table", "write"]

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results"  # one file a table; no page writes there, and no program anywhere else
TOLD = re.compile(r"(sse4_2|fma|avx2|avx512(f|dq|bw|vl)|asimd|sve\d?)")  # flags of the CPU that kernels are built for


def machine(*libraries):
    """Return what times depend on: CPU, its flags, the level of the kernels, versions."""
    known = {}
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        known = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in reversed(lines) if ":" in line)
    flags = known.get("flags", known.get("Features", "")).split()
    name = known.get("model name") or platform.processor() or platform.machine()
    model = f" (family {known['cpu family']}, model {known['model']})" if "cpu family" in known else ""
    return {
        "cpu": name + model,
        "flags": " ".join(flag for flag in flags if TOLD.fullmatch(flag)),
        "kernels": _kernels.CPU_LEVEL,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"Python": platform.python_version(), **{each: version(each) for each in libraries}},
    }


def sentence(machine):
    """Return the machine in words."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (f"{machine['cpu']}, one core, {machine['system']}; flags {machine['flags'] or 'not known'}; "
            f"kernels built for {machine['kernels']}; {versions}.")


def table(head, rows):
    """Return a Markdown table; the first column to the left, numbers to the right."""
    widths = [max(len(str(row[i])) for row in (head, *rows)) for i in range(len(head))]

    def line(cells):
        padded = (str(cell).rjust(width) for cell, width in zip(cells[1:], widths[1:]))
        return "| " + " | ".join([str(cells[0]).ljust(widths[0]), *padded]) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if i else "-") for i, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def arguments(description, rounds):
    """Return the arguments that all of these programs take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds, of which the best counts (%(default)s)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there, too")
    parser.add_argument("--docs", action="store_true", help="write the result for the documents")
    return parser


def publish(name, text, record, given):
    """Print a text; write it for the documents, and the record to a file, if asked for."""
    print(text)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if given.docs:
        write(name, text)


def write(name, text):
    """Write a text into the file from which a page of the documents includes it."""
    path = RESULTS / f"{name}.md"
    if not path.exists():
        raise ValueError(f"name is {name!r}; expected a file in docs/results, which a page includes")
    path.write_text(text + "\n", encoding="utf-8")
