"""Import time of a fresh interpreter, and what it drags in."""

import subprocess
import sys


def timeraw_import():
    return "import l2o"


def track_heavy_modules():
    """Count the heavy libraries that importing l2o loads: none."""
    code = "import sys, l2o; print(sum(m in sys.modules for m in ('numba', 'matplotlib', 'scipy.optimize', 'sklearn')))"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
