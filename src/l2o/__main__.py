"""``python -m l2o`` is the command line."""

import sys

from l2o.commands.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
