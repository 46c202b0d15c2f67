"""What was built and what was chosen on this machine, and where the header for objectives in C lies."""

from __future__ import annotations

import os
import platform

import numpy as np

from l2o import _kernels
from l2o.version import __version__

__all__ = ["get_include", "show_config"]


def get_include() -> str:
    """Return the folder of ``objective.h``, ``policy.h`` and ``model.h``: the C interfaces of what a user compiles.

    Returns
    -------
    str
        What a compiler takes as ``-I``, an extension as ``include_dirs``.

    Examples
    --------
    >>> import l2o, os
    >>> os.path.isfile(os.path.join(l2o.get_include(), "objective.h"))
    True
    """
    return os.path.join(os.path.dirname(_kernels.__file__), "base")


def show_config() -> None:
    """Print versions, and the instruction sets that the kernels have and use.

    Examples
    --------
    >>> import l2o
    >>> l2o.show_config()  # doctest: +ELLIPSIS
    l2o ...
    """
    print(f"l2o {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {platform.platform()}")
    levels = ", ".join(_kernels.CPU_LEVELS)
    print(f"kernels: {_kernels.CPU_LEVEL} (this CPU and build have {levels}; L2O_CPU overrides)")
