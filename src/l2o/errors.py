"""Every exception and warning that l2o defines; all other errors are ValueError, TypeError or OSError."""

__all__ = ["CompilationError", "PolicyFileError"]


class PolicyFileError(ValueError):
    """A file is not a policy that this version of l2o can read."""


class CompilationError(ValueError):
    """Numba cannot compile an objective."""
