"""Architecture: a kind of policy with its settings. Weights are what is learned, and stand apart from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Card
from l2o.methods import Handoff, Method, Runnable, Step
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["Architecture", "Beginning", "own_starts"]

Beginning = Callable[[Problems], np.ndarray]  # m problems -> where their runs are evaluated first, (m, d)


def own_starts(problems: Problems) -> np.ndarray:
    """Return the problems' own starts, (m, d)."""
    return problems.x0


class Architecture(ABC):
    """A kind of policy. A subclass is a frozen dataclass of its settings, final, in a file of its own.

    Attributes
    ----------
    kind : str
        The word for it in a policy's card, by which `l2o.load` finds the class.
    shipped : str or None
        Name of the shipped policy of this kind that serves any function: trainings start from it.
    precisions : tuple of str
        The precisions of its kernel; the first is the default.
    knows_limits : bool
        Whether its steps depend on the absolute size of gradients and objective changes. It is then good only within
        the range that it met in training; a rule without a scale of its own works anywhere.
    handoff : Handoff
        When another method takes over in a minimisation, and which, unless the card says so.
    """

    kind: ClassVar[str]
    shipped: ClassVar[str | None] = None
    precisions: ClassVar[tuple[str, ...]] = ("float64",)
    knows_limits: ClassVar[bool] = False
    handoff: ClassVar[Handoff] = Handoff()

    @abstractmethod
    def shapes(self, dim: int | None) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight; a kind for any dimension does not look at `dim`."""

    @abstractmethod
    def initial(self, dim: int | None, rng: np.random.Generator, observed: np.ndarray | None = None) -> Weights:
        """Return starting weights.

        Parameters
        ----------
        dim : int or None
            Number of variables.
        rng : Generator
            Source of what is drawn.
        observed : ndarray, shape (rows, n), optional
            What runs like those of the training have shown, for a kind whose weights depend on it.
        """

    @abstractmethod
    def step(self, weights: Weights, dim: int) -> Step:
        """Return the policy as the kernels see it, for problems of that dimension."""

    @property
    def one_dimension(self) -> bool:
        """Whether weights serve one number of variables, which `dim` tells."""
        return False

    def serving(self, weights: Weights, problems: Runnable) -> Method | None:
        """Return the method that makes the runs of such problems; None if steps make them."""
        return None

    def beginning(self, weights: Weights) -> Beginning:
        """Return what tells where runs of problems begin: at their own starts, unless the weights know better."""
        return own_starts

    def gate(self, weights: Weights) -> np.ndarray | None:
        """Return which starts it was trained for, as the loop reads it; None if it takes any."""
        return None

    def dim(self, weights: Weights) -> int | None:
        """Return the number of variables that the weights are for; None if they serve any."""
        return None

    def moved(self, weights: Weights) -> dict[str, np.ndarray]:
        """Return which numbers of weights a training by trying moves, as masks of their shapes: all of them."""
        return {name: np.ones(value.shape, bool) for name, value in weights.items()}

    def check_dim(self, dim: int) -> None:  # noqa: B027 (most kinds without a dimension take any)
        """Raise ValueError if problems of that dimension are not for this kind."""

    def check(self, weights: Weights) -> None:  # noqa: B027 (most weights of the right shape are a policy)
        """Raise ValueError if weights of the right shapes make no policy of this kind."""

    def checked(self, weights: Weights, precision: str = "float64") -> Weights:
        """Return a copy of the weights in that precision, in the order of `shapes`.

        Raises
        ------
        ValueError, TypeError
            If one is missing, or too many, or has another shape, or holds what is no finite number.
        """
        shapes = self.shapes(self.dim(weights))
        if weights.keys() != shapes.keys():
            raise ValueError(f"weights are {', '.join(map(repr, weights))}; expected {', '.join(map(repr, shapes))}")
        with np.errstate(over="ignore"):  # an error below
            result = {name: arguments.array(f"weights[{name!r}]", weights[name], shape).astype(precision)
                      for name, shape in shapes.items()}
        for name, value in result.items():
            if not np.isfinite(value).all():
                raise ValueError(f"weights[{name!r}] holds {np.abs(weights[name]).max()}; expected numbers that "
                                 f"{precision} holds")
        self.check(result)
        return result

    def card(self) -> Card:
        """Return the kind and the settings as a record that JSON holds."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def from_card(cls, card: Card) -> Architecture:
        """Return what `card` describes."""
        return cls(**{name: value for name, value in card.items() if name != "kind"})
