"""Instructions per learned step, counted by callgrind: a slower step is noticed without a clock.

    python benchmarks/instructions.py            # the table
    python benchmarks/instructions.py --check    # exit 1 if a count is more than 5 % above instructions.json
    python benchmarks/instructions.py --record   # write instructions.json

Only what happens inside the kernels is counted (memmove and whatever else they call included), of the baseline build,
so that neither Python nor the CPU has a say. A count is the difference of a long and a short call, divided by the
steps between: 40 steps from the start, so the history fills up as it does in use. Two runs agree to 0.1 %;
another compiler makes other code, so a record holds for the one that it names.
"""

import argparse
import ctypes
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD = Path(__file__).with_suffix(".json")
TOLERANCE = 0.05
STEPS = 40
RECORDING = "`make instructions ARGS=--record`"
# every function of the kernels that Python calls; what runs inside is counted, and nothing else
ENTRIES = "__pyx_pw_*_kernels_*"
CLIENT = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void zero(void) { CALLGRIND_ZERO_STATS; }
void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
"""


def cases():
    """Yield (name, call of a number of steps, runs that take them)."""
    from suite.common import policy, problems

    import l2o

    one, batch = problems(1), problems(24)
    networks = {"raw": {"inputs": "raw"}, "scaled": {"inputs": "scaled"},
                "raw, history 8, width 24": {"inputs": "raw", "history": 8, "width": 24}}
    for (name, settings), precision, runs in itertools.product(networks.items(), ("float64", "float32"), (one, batch)):
        method = policy(**settings).astype(precision)
        yield (f"{name}, {precision}, {len(runs)} run{'s' * (len(runs) > 1)}",
               lambda n, method=method, runs=runs: l2o.rollout(runs, method=method, n_steps=n), len(runs))
    learned, universal = policy(inputs="raw"), l2o.load("universal")
    yield ("raw, float64, 1 run of minimize",
           lambda n: l2o.minimize_many(one, method=learned, options={"gtol": 0.0, "maxiter": n, "safeguard": False}), 1)
    for dim in (2, 4, 10, 20):
        small = problems(1, dim, 2)
        yield (f"quasi-newton, d = {dim}, with its objective",
               lambda n, small=small: l2o.rollout(small, method=universal, n_steps=n), 1)
    many = problems(STEPS + 1)
    yield "logistic objective", lambda n: many[: n + 1].value_and_grad(many.x0[: n + 1]), 1


def run_cases(library):
    """Run every case, short and long, under callgrind; each call ends in a dump of its name."""
    client = ctypes.CDLL(library)
    client.start()
    for name, call, runs in cases():
        for n in (0, STEPS):
            call(n)  # what only the first call does
            client.zero()
            call(n)
            client.dump(f"{name}/{n * runs}".encode())


def counts():
    """Return instructions per step by name of the case."""
    with tempfile.TemporaryDirectory() as folder:
        library, out = Path(folder, "client.so"), Path(folder, "out")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=CLIENT, text=True,
                       check=True)
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--toggle-collect={ENTRIES}",
                   f"--callgrind-out-file={out}", sys.executable, __file__, "--under-callgrind", library]
        env = {**os.environ, "L2O_CPU": "baseline", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        dumps = [path.read_text(encoding="utf-8") for path in Path(folder).glob("out.*")]
    totals = {}
    for dump in sorted(dumps, key=lambda text: int(re.search(r"^part: (\d+)", text, re.M)[1])):
        name, _, steps = re.search(r"^desc: Trigger: Client Request: (.*)$", dump, re.M)[1].rpartition("/")
        totals.setdefault(name, []).append((int(steps), int(re.search(r"^totals: (\d+)", dump, re.M)[1])))
    result = {name: round((long - short) / (steps - none)) for name, ((none, short), (steps, long)) in totals.items()}
    if min(result.values()) <= 0:
        sys.exit(f"callgrind saw no function {ENTRIES}: are the kernels stripped of their symbols?")
    return result


def compiler():
    """Return what built the kernels, as the compiler itself wrote it into them."""
    import l2o._kernels

    stamps = set()
    for path in Path(l2o._kernels.__file__).parent.glob("*/*_baseline.*"):
        stamps |= set(re.findall(rb"GCC: \([^\0]*|[\w ]*clang version [^\0(]*", path.read_bytes()))
    names = sorted(stamp.decode().strip() for stamp in stamps)
    return f"{', '.join(names) or 'an unknown compiler'} for {platform.machine()}"


def check(measured, built_by):
    """Print how the counts compare with the record; return the exit status."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if record["compiler"] != built_by:
        print(f"The record is of kernels built by {record['compiler']}, these are by {built_by}: their counts do not "
              f"compare, so nothing is checked. To hold this compiler's from now on, run {RECORDING} on a commit "
              "whose step is known to be good.")
        return 0
    known = record["instructions_per_step"]
    worse = [name for name, count in measured.items() if count > (1 + TOLERANCE) * known.get(name, 0)]
    if not worse:
        print(f"No count is more than {TOLERANCE:.0%} above its record.")
        if any(measured.get(name, 0) < (1 - TOLERANCE) * count for name, count in known.items()):
            print(f"Some have come down: {RECORDING} keeps them there.")
        return 0
    for name in worse:
        print(f"{name}: {measured[name]} instructions a step, more than {TOLERANCE:.0%} above "
              f"{known.get(name, 'nothing')} on record")
    print(f"Make the step cheaper again; or, where it does more on purpose or takes less time all the same, run "
          f"{RECORDING} and commit {RECORD.name} with the reason and the times that show it.")
    return 1


def main():
    """Count, then print, record or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    parser.add_argument("--check", action="store_true", help=f"exit 1 if a count is above {RECORD.name} by over 5 %%")
    parser.add_argument("--under-callgrind", metavar="LIBRARY", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.under_callgrind:
        return run_cases(given.under_callgrind)
    if not (shutil.which("valgrind") and shutil.which("cc")):
        print("Instructions are not counted: that takes valgrind with its headers, and a C compiler as cc.")
        return 1 if given.record else 0
    measured, built_by = counts(), compiler()
    print(f"Instructions per step, baseline kernels by {built_by}")
    for name, count in measured.items():
        print(f"{count:9d}  {name}")
    if given.record:
        RECORD.write_text(json.dumps({"compiler": built_by, "instructions_per_step": measured}, indent=2) + "\n",
                          encoding="utf-8")
    return check(measured, built_by) if given.check else 0


if __name__ == "__main__":
    sys.exit(main())
