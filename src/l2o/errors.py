"""Every exception and warning that l2o defines; all other errors are ValueError, TypeError or OSError."""

__all__ = ["CompilationError", "PolicyFileError", "SlowModelWarning"]


class PolicyFileError(ValueError):
    """A file is not a policy that this version of l2o can read."""


class CompilationError(ValueError):
    """Numba cannot compile an objective, or a model."""


class SlowModelWarning(UserWarning):
    """Numba cannot compile a model: Python calls it at each point, and its derivatives are differences."""
