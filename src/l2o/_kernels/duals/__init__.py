"""Derivatives of a model by dual numbers: a type of Numba, what may be done with it, and the loop over the points."""
