"""Changed policy files and checkpoints: each is read as what it says, or refused with an error that names it."""

import io
import json
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np

import l2o
from l2o.errors import PolicyFileError
from l2o.policies import MLP, Policy
from l2o.training.checkpoint import Checkpoint

SECONDS, BYTES = 2.0, 1 << 22  # that reading one may take, beside 10 times its size
ODD = [None, True, -1, 0, 1.5, 10**400, 1e400, float("nan"), -1e308, "", "4", [], {}, [[]], [1, 0], {"kind": 3},
       "float32", 2**63, "x" * 1000]


def bow(z):
    """Return half the square of z, and z."""
    with np.errstate(over="ignore"):
        return 0.5 * z @ z, z


def policies(checkpoint):
    """Return some policies; the training of the last leaves a checkpoint."""
    network = MLP(history=2, width=3)
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal(shape) for name, shape in network.shapes(2).items()}
    weights["deviation"] = np.ones(network.n_observations(2))
    limits = {"horizon": 40, "gradient": [0.1, 9.0], "change": [-9.0, 1.0], "curvature": [0.0, 3.0]}
    learned = l2o.train(l2o.families.Logistic(n_features=1, n_points=20), n_functions=30, n_validation=10, rng=0,
                        checkpoint=checkpoint)
    return [Policy(network, weights, {"limits": limits}), l2o.load("universal"), learned]


def archived(arrays, records):
    """Return a file of arrays and records."""
    content = io.BytesIO()
    np.savez(content, **arrays, **{name: np.frombuffer(json.dumps(record).encode(), np.uint8)
                                   for name, record in records.items()})
    return content.getvalue()


def bytes_changed(rng, content):
    """Return the file with bytes flipped, left out, put in, cut off or repeated."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, n = int(rng.integers(len(content))), int(rng.choice([1, 1, 4, 100]))
        change = rng.integers(5)
        if change == 0:
            content[at] ^= 1 << int(rng.integers(8))
        elif change == 1:
            del content[at : at + n]
        elif change == 2:
            content[at:at] = rng.bytes(n)
        elif change == 3:
            content[at : at + n] = content[:n]
        else:
            del content[at + 1 :]
        content = content or bytearray(b"P")
    return bytes(content)


def record_changed(rng, record):
    """Return a record with an entry anywhere replaced, left out, put in or nested."""
    places, record = [], json.loads(json.dumps(record))

    def walk(inner):
        for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], (dict, list)):
                walk(inner[key])

    walk(record)
    inner, key = places[rng.integers(len(places))]
    change = rng.integers(4)
    if change == 0:
        del inner[key]
    elif change == 1 and isinstance(inner, dict):
        inner[str(rng.choice(["elsewhere", "precision", "handoff", "limits", "training", "prior", "odd"]))] = odd(rng)
    elif change == 2:
        for _ in range(rng.integers(1, 900)):
            inner[key] = [inner[key]]
    else:
        inner[key] = odd(rng)
    return record


def odd(rng):
    """Return a value that few entries may have."""
    return ODD[rng.integers(len(ODD))]


def arrays_changed(rng, arrays):
    """Return arrays of which one is another in shape, kind or value, or is missing, or one more."""
    arrays, name = dict(arrays), str(rng.choice(list(arrays)))
    array, change = np.array(arrays[name]), rng.integers(7)
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays["more"] = array
    elif change == 2:
        arrays[name] = array.reshape(-1)[: rng.integers(array.size + 1)]
    elif change == 3:
        arrays[name] = array.astype(rng.choice(["f4", "i8", "?", "c16", "U8", "S3", ">f8"]))
    elif change == 4 and array.size and array.dtype.kind == "f":
        array.reshape(-1)[rng.integers(array.size)] = rng.choice([np.nan, np.inf, 1e308, -1e200, 5e-324])
        arrays[name] = array
    elif change == 5:
        arrays[name] = np.asfortranarray(array[..., None])
    else:
        arrays[name] = array * float(rng.choice([0.0, -1.0, 1e150]))
    return arrays


def packed(rng, content):
    """Return the file with its entries compressed, doubled or renamed."""
    result, change = io.BytesIO(), rng.integers(3)
    with zipfile.ZipFile(io.BytesIO(content)) as given, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED if change == 0 else zipfile.ZIP_STORED) as file:
            for name in given.namelist():
                file.writestr(name, given.read(name))
                if change == 1:
                    file.writestr(name, bytes(100))
            if change == 0:
                file.writestr("zeros.npy", bytes(1 << 24))
            elif change == 2:
                file.writestr("../card", b"{}")
    return result.getvalue()


def changed(rng, arrays, name, record):
    """Return a changed file, and in words how."""
    kind = ["bytes", "record", "arrays", "packed"][rng.integers(4)]
    if kind == "record":
        return archived(arrays, {name: record_changed(rng, record)}), kind
    if kind == "arrays":
        return archived(arrays_changed(rng, arrays), {name: record}), kind
    whole = archived(arrays, {name: record})
    return (bytes_changed if kind == "bytes" else packed)(rng, whole), kind


def read(call, path, refusal):
    """Return what a call reads, or None, and which promises were broken."""
    size, result, broken = path.stat().st_size, None, []
    tracemalloc.start()
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = call()
        except refusal as error:
            if path.name not in str(error):
                broken.append(f"the error names the file: {error!r}")
        except Exception as error:
            broken.append(f"nothing else is raised: {error!r}")
    if time.perf_counter() - begun > SECONDS or tracemalloc.get_traced_memory()[1] > 10 * size + BYTES:
        broken.append("it takes memory and time of its size")
    tracemalloc.stop()
    return result, broken


def used(policy):
    """Return which promises a policy that was read does not keep."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = l2o.minimize(bow, np.ones(policy.dim or 3), jac=True, method=policy, options={"maxfun": 50})
            repr(policy), policy.card
        except Exception as error:
            return [f"a policy that was read runs: {error!r}"]
    sound = np.isfinite(result.x).all() and result.fun <= (policy.dim or 3) / 2
    return [] if sound else ["a policy that was read runs soundly"]


def damaged(n, seed):
    """Yield number, words and broken promises of n changed files, one in four a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.npz")
        made = policies(path)
        checkpoint, state = path.read_bytes(), repr(Checkpoint(path)._read_state)
        for i in range(n):
            rng = np.random.default_rng([seed, 2, i])
            if i % 4 == 0:
                path.write_bytes(bytes_changed(rng, checkpoint))
                result, broken = read(lambda: Checkpoint(path), path, ValueError)
                if result is not None and repr(result._read_state) != state:
                    broken.append("a checkpoint is read as it was written")
                yield i, "checkpoint, bytes", broken
                continue
            policy = made[rng.integers(len(made))]
            content, words = changed(rng, policy.weights, "card", policy.card)
            path.write_bytes(content)
            result, broken = read(lambda: l2o.load(path), path, PolicyFileError)
            yield i, f"{policy}, {words}", broken + ([] if result is None else used(result))
