"""Numba's njit, with a cache on disk where there is a place for one."""

from numba import njit

__all__ = ["compiled"]


def compiled(**options):
    """Return a decorator that compiles a function with these options of njit.

    Where packages and home can only be read, as in a container, there is no cache, and each process compiles anew.
    """
    def decorate(function):
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # Numba finds no folder that it may write to
            return njit(**options)(function)

    return decorate
