"""One learned step side by side: l2o, NumPy, Numba, JAX, PyTorch; one file a library, one small interface (work.Peer).

Each is written as someone would who knows that library well and has measured what helps. They use their library's own
exp and log. What was tried and did not help is said in the files.
"""
