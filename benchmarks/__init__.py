"""Benchmarks, in rooms by what they measure. What is imported after this package keeps to one thread.

`rules`, `families`, `curves`: what is learned, and curve fits. `paper`: the paper's method. `ground`: what has to hold.
`speed`: times. `suite`: the short benchmarks of asv. Each program says at its head what it measures and how it is run.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
