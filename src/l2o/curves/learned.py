"""Curve fits that begin as a policy has learned of a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.curves.data import Curves
from l2o.policies import LevenbergMarquardt, Policy
from l2o.problems.models import Model

__all__ = ["METHODS", "Start", "begun", "read_policy", "read_start"]

METHODS = ("lm", "adaptive")
Start = ArrayLike | Callable[..., ArrayLike] | Policy | None


def read_policy(method: object) -> Policy | None:
    """Return the policy that a method is, or None for one of the names.

    Raises
    ------
    ValueError, TypeError
        If it is neither, or a policy that is not for curves.
    """
    if isinstance(method, Policy):
        return _of_curves("method", method)
    arguments.choice("method", method, METHODS)
    return None


def begun(policy: Policy, model: Model, curves: Curves, p0: Start, options: Mapping[str, object] | None
          ) -> tuple[Start, Mapping[str, object]]:
    """Return where fits begin and their options: what is given stands, the rest is as the policy has learned.

    Raises
    ------
    ValueError
        If the policy was trained on another model.
    """
    _check_model("method", policy, model)
    given = dict(options or {})
    if not given.keys() & {"damping", "factor"}:
        method = cast(LevenbergMarquardt, policy.network).by_residuals(policy.weights)
        given |= {"damping": method.damping, "factor": method.factor}
    if p0 is None and given.get("starts") is None:
        p0 = _starts(policy, curves)
    return p0, given


def read_start(p0: Start, model: Model, curves: Curves) -> ArrayLike | Callable[..., ArrayLike] | None:
    """Return p0; of a policy where it has learned that the curves begin.

    Raises
    ------
    ValueError
        If it is a policy that is not for curves of the model, or has not learned of a start.
    """
    if not isinstance(p0, Policy):
        return p0
    _check_model("p0", _of_curves("p0", p0), model)
    starts = _starts(p0, curves)
    if starts is None:
        raise ValueError("p0 is a policy that begins where the curves' own starts are; expected starting parameters, "
                         "or a policy that has learned of a start")
    return starts


def _of_curves(name: str, policy: Policy) -> Policy:
    """Return a policy, if it is for curves."""
    if not isinstance(policy.network, LevenbergMarquardt):
        raise ValueError(f"{name} is a policy of kind {policy.network.kind!r}; expected 'levenberg-marquardt', which "
                         "l2o.train learns of problems of families.LeastSquares")
    return policy


def _check_model(name: str, policy: Policy, model: Model) -> None:
    """Raise ValueError if a policy was trained on another model."""
    learned, source = policy.card.get("objective"), model.card()["source"]
    if learned is not None and None not in (learned.get("source"), source) and learned["source"] != source:
        raise ValueError(f"{name} is a policy trained on {learned['name']!r}; expected one of the model "
                         f"{model.name!r}")


def _starts(policy: Policy, curves: Curves) -> np.ndarray | None:
    """Return where curves begin, (..., d), or None if the policy has not learned of it."""
    kind = cast(LevenbergMarquardt, policy.network)
    starts = kind.curve_starts(policy.weights, curves.t, curves.known, curves.offsets)
    return None if starts is None else starts.reshape(*curves.leading, starts.shape[1])
