"""Derivatives of a model by dual numbers: a type of Numba, what may be done with it, and the loop over the points."""

__all__ = ["NotANumber"]


class NotANumber(TypeError):
    """A model returns something else, said in words."""
