"""Newton's method with a learned start: for families with a Hessian.

The kernel _kernels/policies/_learned_newton.pyx runs it; its directions are those of `l2o.baselines.Newton`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o import _kernels
from l2o.methods import Handoff, Step
from l2o.policies.from_prior import FromPrior
from l2o.policies.prior import PriorShape
from l2o.policies.weights import Weights

__all__ = ["Newton"]

HEADER, NUMBERS = 8, 10  # as in _kernels/policies/_learned_newton.pyx
MOST_VARIABLES = 200


@dataclass(frozen=True)
class Newton(FromPrior):
    """Settings of Newton's method with a learned start, for objectives with a Hessian and 1 to 200 variables.

    `l2o.CurvatureRegression` learns a family's base point and first step. From there runs use the Hessian to expect in
    the middle of a step, as `l2o.baselines.Newton` does, with a soft cap instead of a line search. The extrapolation of
    the Hessian and the two caps are weights, which other trainers adapt.

    Parameters
    ----------
    prior : PriorShape, optional
        What runs of a family begin with; its matrix, a mean, is for points whose Hessian is not finite. A policy with a
        prior serves the dimension of that family.

    Raises
    ------
    ValueError
        If a matrix is to be predicted: the Hessian is known.
    """

    kind: ClassVar[str] = "newton"
    handoff: ClassVar[Handoff] = Handoff(most_trials=None, rejections=8, flat=0.0, heir="bfgs")
    expects_curvature: ClassVar[bool] = False

    prior: PriorShape | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior is not None and self.prior.curvature != "mean":
            raise ValueError(f"prior predicts {self.prior.curvature!r} of the inverse Hessian; expected 'mean', which "
                             "predicts nothing of it")

    def shapes(self, dim: int | None = None) -> dict[str, tuple[int, ...]]:
        steps: dict[str, tuple[int, ...]] = {"steps": (3,)}
        return steps if self.prior is None or dim is None else {**steps, **self.prior.shapes(dim)}

    def initial(self, dim: int | None = None, rng: np.random.Generator | None = None,
                observed: np.ndarray | None = None) -> Weights:
        """Return the constants by hand: nothing is drawn.

        They are the part of the coming step at which the Hessian counts, and how many times as long, as a logarithm, a
        step may be as the last one, or as the minimiser of a cubic after a rejection.
        """
        steps = {"steps": np.array([0.5, 2.0, 0.1])}
        return steps if self.prior is None else {**steps, **self.prior.initial(1 if dim is None else dim)}

    def with_prior(self, prior: PriorShape | None) -> Newton:
        """Return the kind that begins with such a prior, or without any."""
        return Newton(prior)

    def check_dim(self, dim: int) -> None:
        """Raise ValueError if problems of that dimension are too large for a d x d matrix in every step."""
        if dim > MOST_VARIABLES:
            raise ValueError(f"the problem has dimension {dim}; the learned Newton's method serves up to "
                             f"{MOST_VARIABLES}. Beyond, use L-BFGS: method='lbfgs'")

    def step_time(self, dim: int) -> float:
        """Return the microseconds of a step, beside its evaluation and the Hessian, about."""
        return 0.3 + 0.02 * dim + 0.003 * dim**2

    def step(self, weights: Weights, dim: int) -> Step:
        """Pack the weights for the kernel."""
        self.check_dim(dim)
        prior = np.empty(0) if self.prior is None else self.prior.packed(weights)
        block = _kernels.aligned((1, HEADER + len(prior)))
        block[0, :3], block[0, 3], block[0, HEADER:] = weights["steps"], HEADER * (self.prior is not None), prior
        return Step(_kernels.learned_newton.POLICY, block, length=1, state_size=self.state_size(dim),
                    curvature="hessian", together=False)

    def state_size(self, dim: int) -> int:
        """Return the doubles that a run needs: numbers, vectors, matrices."""
        return NUMBERS + dim * (6 * dim + 8)
