"""What only training runs: Numba, and the regression in Cython."""
