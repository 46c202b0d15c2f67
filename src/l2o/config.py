"""show_config: what was built and what was chosen on this machine."""

from __future__ import annotations

import platform

import numpy as np

from l2o import _kernels
from l2o.version import __version__

__all__ = ["show_config"]


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
