"""How benchmarks outside asv take times: on one core, in turn, the best of many rounds.

Time is the CPU's for all threads of this process. On one core that does nothing else it is the time on the wall; on a
busy one it leaves out the turns of others.
"""

import os
from time import process_time

__all__ = ["best_of", "one_core"]

SAMPLE, SHARE = 0.0005, 0.01  # seconds: short calls are repeated in a sample, and samples in a round


def one_core():
    """Keep this process to the last core that it may use, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def best_of(calls, rounds):
    """Return the least seconds of each of the calls, which take turns: a slow phase of the machine hits all of them.

    Parameters
    ----------
    calls : dict
        name -> callable without arguments.
    rounds : int
        Rounds, at least 1; in each, a call is repeated for a hundredth of a second, or made once if it takes longer.

    Returns
    -------
    dict
        name -> seconds.
    """
    best = {name: seconds(call, 1) for name, call in calls.items()}  # warm-up: counts only if nothing is faster
    for _ in range(rounds):
        for name, call in calls.items():
            number = max(1, int(SAMPLE / max(best[name], 1e-7)))
            for _ in range(max(1, int(SHARE / max(number * best[name], 1e-7)))):
                best[name] = min(best[name], seconds(call, number))
    return best


def seconds(call, number):
    """Return the mean time of some calls."""
    start = process_time()
    for _ in range(number):
        call()
    return (process_time() - start) / number
