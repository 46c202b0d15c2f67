"""Runs give the results that they gave before, to the bit: stored digests of what shipped policies and baselines find.

The bits are those of the baseline instruction set on x86-64. A change that is meant to change results records the
digests anew and says why:

    L2O_CPU=baseline python tests/test_digests.py --record
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RECORD = Path(__file__).parent / "data" / "digests.json"
FAMILIES = {"logistic": "logistic", "robust": "robust", "neural-net": "neural-net", "robust-short": "robust"}  # trained
BASELINES = ("lbfgs", "newton", "momentum")
X86 = platform.machine() in ("x86_64", "AMD64")


def digest(*arrays):
    """Return the SHA-256 of the bytes of arrays, one after the other."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def runs(problems, method, safeguarded):
    """Yield (name, result) of every way to run a method."""
    import l2o

    yield "rollout", l2o.rollout(problems, method=method, n_steps=30)
    for safeguard in (True, False) if safeguarded else (None,):
        options = {"gtol": 1e-6, "maxiter": 200} | ({} if safeguard is None else {"safeguard": safeguard})
        name = "" if safeguard is None else ", safeguarded" if safeguard else ", bare"
        yield f"minimize_many{name}", l2o.minimize_many(problems, method=method, options=options)
        yield f"minimize{name}", l2o.minimize(problems[0], method=method, options=options)


def digests():
    """Return the digests of all runs, and those of what they start from, by name."""
    import l2o
    from l2o.families import FAMILIES as MAKERS

    drawn = {name: MAKERS[name]().sample(11, rng=17) for name in dict.fromkeys(FAMILIES.values())}
    found = {f"{name}, problems": digest(each.blocks, each.x0) for name, each in drawn.items()}
    cases = [(name, l2o.load(name), family, True) for name, family in FAMILIES.items()]
    cases += [(name, name, "logistic", False) for name in BASELINES]
    for name, method, family, safeguarded in cases:
        for how, result in runs(drawn[family], method, safeguarded):
            counts = [result.nit] if "minimize" in how else []
            found[f"{name}, {how}"] = digest(result.x, result.fun, *(np.asarray(each, np.int64) for each in (
                *counts, result.nfev, result.status)))
    return found


@pytest.mark.skipif(not X86, reason="the digests are those of x86-64")
def test_runs_give_the_bits_that_they_gave():
    done = subprocess.run([sys.executable, __file__], env=os.environ | {"L2O_CPU": "baseline"}, capture_output=True,
                          text=True, check=True)
    found, stored = json.loads(done.stdout), json.loads(RECORD.read_text(encoding="utf-8"))
    assert found.keys() == stored.keys()
    if any(found[name] != stored[name] for name in found if name.endswith("problems")):
        pytest.skip("NumPy draws other problems here, in the last bits")
    assert [name for name in found if found[name] != stored[name]] == []


if __name__ == "__main__":
    text = json.dumps(digests(), indent=1) + "\n"
    if "--record" in sys.argv:
        RECORD.write_text(text, encoding="utf-8")
    else:
        print(text)
