"""What compiling costs: seconds of processor for the objective and the model of the pages, in fresh processes.

    python -m benchmarks.speed.compile_times

The first function of a process pays for loading Numba, too. The least of three processes counts; a processor that does
other work takes longer by the clock.
"""

import subprocess
import sys

RUNS = 3
TIMED = """
import sys, time
import numpy as np
import l2o

def objective(x, data, grad):
    amplitude, rate = np.exp(x[0]), np.exp(x[1])
    f = 0.0
    grad[:] = 0.0
    for t, y in data:
        part = amplitude * np.exp(-rate * t)
        residual = part + x[2] - y
        f += 0.5 * residual**2 / len(data)
        grad[0] += residual * part / len(data)
        grad[1] -= residual * part * rate * t / len(data)
        grad[2] += residual / len(data)
    return f

def model(t, p):
    amplitude, rate, offset = p
    return amplitude * np.exp(-rate * t) + offset

compiled = {"objective": lambda: l2o.objective(objective).kernel, "model": lambda: l2o.model(model).address(3)}
for _ in range(2):
    start = time.process_time()
    compiled[sys.argv[1]]()
    print(time.process_time() - start)
"""


def seconds(kind):
    """Return the seconds of the first and of the second function of a kind in a process."""
    command = [sys.executable, "-c", TIMED, kind]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(RUNS)]
    return [min(map(float, column)) for column in zip(*runs)]


def main():
    """Print the times."""
    for kind in ("objective", "model"):
        first, second = seconds(kind)
        print(f"{kind:10} {first:.1f} s, a further one {second:.2f} s")


if __name__ == "__main__":
    main()
