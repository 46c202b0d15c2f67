"""Instructions per step of the baseline kernels, counted by callgrind: exact, whatever else the machine does."""

import runpy
import shutil
from pathlib import Path


class Instructions:
    """Some of the cases of benchmarks/instructions.py; skipped where there is no valgrind."""

    params = ("raw, float64, 1 run", "raw, float32, 1 run", "scaled, float64, 1 run", "scaled, float32, 1 run",
              "logistic objective")
    param_names = ("case",)
    timeout = 300

    def setup_cache(self):
        if not (shutil.which("valgrind") and shutil.which("cc")):
            return {}
        return runpy.run_path(str(Path(__file__).parents[1] / "instructions.py"))["counts"]()

    def setup(self, counts, case):
        if not counts:
            raise NotImplementedError

    def track_instructions(self, counts, case):
        return counts[case]

    track_instructions.unit = "instructions"
