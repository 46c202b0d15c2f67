# Which instruction sets this CPU runs.
cdef extern from "cpu.h":
    int l2o_cpu_level()

LEVEL = l2o_cpu_level()
