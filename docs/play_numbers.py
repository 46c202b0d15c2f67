"""The numbers of the universal rule as JavaScript, for the page to play with."""

import json

import l2o


def script() -> str:
    """Return a statement that defines UNIVERSAL: W (5, 14), start (5,), memory."""
    policy = l2o.load("universal")
    numbers = {name: policy.weights[name].tolist() for name in ("W", "start")} | {"memory": policy.network.memory}
    return f"const UNIVERSAL = {json.dumps(numbers)};\n"
