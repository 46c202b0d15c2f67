"""FromPrior: what kinds of policies have in common whose runs can begin with a prior of a family."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from l2o.baselines import Newton
from l2o.methods import Method, Runnable
from l2o.policies.architecture import Architecture, Beginning, own_starts
from l2o.policies.prior import PriorShape
from l2o.policies.weights import Weights

__all__ = ["FromPrior"]


class FromPrior(Architecture):
    """A kind with a setting `prior`: with one, its weights hold that of a family, and serve the dimension of it."""

    prior: PriorShape | None

    def __post_init__(self) -> None:
        if isinstance(self.prior, dict):  # from a card
            object.__setattr__(self, "prior", PriorShape(**self.prior))
        if not isinstance(self.prior, (PriorShape, type(None))):
            raise TypeError(f"prior is {self.prior!r}; expected a PriorShape")

    @property
    def one_dimension(self) -> bool:
        """Whether weights serve one number of variables: those with a prior do."""
        return self.prior is not None

    def dim(self, weights: Weights) -> int | None:
        return None if self.prior is None else len(weights["base"])

    def check(self, weights: Weights) -> None:
        if self.prior is not None:
            self.prior.check(weights)

    def gate(self, weights: Weights) -> np.ndarray | None:
        return None if self.prior is None else self.prior.limits(weights)

    def beginning(self, weights: Weights) -> Beginning:
        return own_starts if self.prior is None else self.prior.beginning(weights)

    def serving(self, weights: Weights, problems: Runnable) -> Method | None:
        by_newton = self.prior is not None and self.prior.newton and problems.hessian_function
        return Newton() if by_newton else None

    def expecting(self, prior: PriorShape) -> Self:
        """Return the same kind with another prior."""
        return replace(self, prior=prior)  # type: ignore[type-var]

    def whole(self, weights: Weights) -> tuple[Architecture, Weights]:
        """Return the kind with all that can be trained of it from a prior, and weights that do the same: itself."""
        return self, weights

    def moved(self, weights: Weights) -> dict[str, np.ndarray]:
        """Return what a training by trying moves: all but the prior."""
        return {name: np.full(value.shape, name in self.shapes(None)) for name, value in weights.items()}
