"""FromPrior: what kinds of policies have in common whose runs can begin with a prior of a family."""

from __future__ import annotations

import numpy as np

from l2o.policies.architecture import Architecture
from l2o.policies.prior import PriorShape
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["FromPrior"]


class FromPrior(Architecture):
    """A kind with a setting `prior`: with one, its weights hold that of a family, and serve the dimension of it."""

    prior: PriorShape | None

    def __post_init__(self) -> None:
        if isinstance(self.prior, dict):  # from a card
            object.__setattr__(self, "prior", PriorShape(**self.prior))

    @property
    def one_dimension(self) -> bool:
        """Whether weights serve one number of variables: those with a prior do."""
        return self.prior is not None

    def dim(self, weights: Weights) -> int | None:
        return None if self.prior is None else len(weights["base"])

    def check(self, weights: Weights) -> None:
        if self.prior is not None:
            self.prior.check(weights)

    def starts(self, weights: Weights, problems: Problems) -> np.ndarray:
        """Return the points (m, d) that runs of problems begin with."""
        return problems.x0 if self.prior is None else self.prior.starts(weights, problems)
