"""Curve fits that begin as a policy has learned of a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.curves.data import Curves
from l2o.policies import LevenbergMarquardt, Policy
from l2o.problems.models import Model

__all__ = ["METHODS", "begun", "read_policy"]

METHODS = ("lm", "adaptive")
P0 = ArrayLike | Callable[..., ArrayLike] | None


def read_policy(method: object) -> Policy | None:
    """Return the policy that a method is, or None for one of the names.

    Raises
    ------
    ValueError, TypeError
        If it is neither, or a policy that is not for curves.
    """
    if not isinstance(method, Policy):
        arguments.choice("method", method, METHODS)
        return None
    if not isinstance(method.network, LevenbergMarquardt):
        raise ValueError(f"method is a policy of kind {method.network.kind!r}; expected 'levenberg-marquardt', which "
                         "l2o.train learns of problems of families.LeastSquares")
    return method


def begun(policy: Policy, model: Model, curves: Curves, p0: P0, options: Mapping[str, object] | None
          ) -> tuple[P0, Mapping[str, object]]:
    """Return where fits begin and their options: what is given stands, the rest is as the policy has learned.

    Raises
    ------
    ValueError
        If the policy was trained on another model.
    """
    learned, source = policy.card.get("objective"), model.card()["source"]
    if learned is not None and None not in (learned.get("source"), source) and learned["source"] != source:
        raise ValueError(f"method is a policy trained on {learned['name']!r}; expected one of the model "
                         f"{model.name!r}")
    kind, weights, given = cast(LevenbergMarquardt, policy.network), policy.weights, dict(options or {})
    if not given.keys() & {"damping", "factor"}:
        method = kind.by_residuals(weights)
        given |= {"damping": method.damping, "factor": method.factor}
    if p0 is None and given.get("starts") is None:
        starts = kind.curve_starts(weights, curves.t, curves.known, curves.offsets)
        p0 = None if starts is None else starts.reshape(*curves.leading, starts.shape[1])
    return p0, given
