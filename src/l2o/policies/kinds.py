"""The kinds of policies, by the word in their cards. A new kind is one file more, named here."""

from __future__ import annotations

from l2o.base.typing import Card
from l2o.policies.architecture import Architecture
from l2o.policies.levenberg_marquardt import LevenbergMarquardt
from l2o.policies.mlp import MLP
from l2o.policies.newton import Newton
from l2o.policies.quasi_newton import QuasiNewton

__all__ = ["ARCHITECTURES", "architecture"]

ARCHITECTURES: dict[str, type[Architecture]] = {
    each.kind: each for each in (MLP, QuasiNewton, Newton, LevenbergMarquardt)}


def architecture(card: Card) -> Architecture:
    """Return the kind of policy and its settings that a card's record describes.

    Raises
    ------
    ValueError, TypeError
        If the kind is unknown, or the settings are none of it.
    """
    kind = card.get("kind") if isinstance(card, dict) else None
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(map(repr, ARCHITECTURES))}")
    return ARCHITECTURES[kind].from_card(card)
