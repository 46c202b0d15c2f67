"""Family: a law from which objective functions are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import Seed
from l2o.problems import Problems

__all__ = ["Family"]


class Family(ABC):
    """A family of objective functions: all members have one dimension and one compiled objective.

    A subclass is a frozen dataclass of its settings; its fields are what a policy's card records.

    Attributes
    ----------
    n_training : int
        Number of functions that `l2o.train` draws to train on by default.
    n_test : int
        Number of functions that ``l2o reproduce`` draws for the paper's comparison.
    """

    n_training: ClassVar[int] = 90
    n_test: ClassVar[int] = 100

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of variables."""

    @abstractmethod
    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw m members with starting points."""

    def settings(self) -> dict[str, Any]:
        """Return the settings as a record that JSON holds, for the card of a policy."""
        return asdict(self)  # type: ignore[call-overload]

    def starts(self, m: int, rng: Seed = None) -> np.ndarray:
        """Draw starting points of the family's law, standard normal.

        Parameters
        ----------
        m : int
            How many.
        rng : None, int, SeedSequence or Generator, optional
            Source of randomness.

        Returns
        -------
        ndarray, shape (m, d)
        """
        return arguments.generator(rng).standard_normal((arguments.count("m", m), self.dim))
