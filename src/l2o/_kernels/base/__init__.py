"""What all kernels stand on: the C interfaces, arrays, products, transcendental functions, Python and Ctrl-C."""
