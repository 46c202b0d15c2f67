# Which instruction sets this CPU runs, and for how many the kernels were built.
cdef extern from "cpu.h":
    int l2o_cpu_level()

cdef extern from *:
    const int BUILT_LEVELS "L2O_BUILT"                         # by setup.py

LEVEL = l2o_cpu_level()
BUILT = BUILT_LEVELS
