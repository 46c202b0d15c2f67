"""The learned quasi-Newton rule: an inverse matrix, steered by controls that are linear in features of the last trial.

The kernel _kernels/policies/_quasi_newton.pyx runs it; docs/learned-rule.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.methods import Handoff, Step
from l2o.policies.from_prior import FromPrior
from l2o.policies.prior import HEADER as PRIOR_HEADER
from l2o.policies.prior import PriorShape
from l2o.policies.weights import Weights

__all__ = ["QuasiNewton", "matrix_place"]

HEADER, LANES, NUMBERS, QUAD = 8, 8, 13, 4  # as in _kernels/policies/_quasi_newton.pyx
MOST_VARIABLES, MOST_PAIRS = 200, 20
CONTROLS = ("drift", "cap", "floor", "psi", "hermite")
FEATURES = ("one", "rejected", "curvature", "too short", "ratio", "gradient", "cosine", "minimiser", "length", "capped",
            "age", "dimension", "ratio before", "minimiser before")
CONSTANTS = 4  # features that the constants by hand use


@dataclass(frozen=True)
class QuasiNewton(FromPrior):
    """Settings of the learned quasi-Newton rule. It serves any dimension from 1 to 200.

    Parameters
    ----------
    memory : int
        Newest pairs that the matrix absorbs again in each step, 1 to 20.
    features : bool
        Whether the controls see all 14 features of a trial, or only whether it was rejected and how much too long or
        short the step was.
    prior : PriorShape, optional
        What runs of a family begin with. A policy with a prior serves the dimension of that family.
    """

    kind: ClassVar[str] = "quasi-newton"
    shipped: ClassVar[str] = "universal"
    handoff: ClassVar[Handoff] = Handoff(most_trials=None, rejections=8, flat=0.0, heir="bfgs")
    expects_curvature: ClassVar[bool] = True

    memory: int = 5
    features: bool = True
    prior: PriorShape | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        memory, features = arguments.count("memory", self.memory), arguments.flag("features", self.features)
        if memory > MOST_PAIRS:
            raise ValueError(f"memory is {memory}; expected a number from 1 to {MOST_PAIRS}")
        object.__setattr__(self, "memory", memory)
        object.__setattr__(self, "features", features)

    def shapes(self, dim: int | None = None) -> dict[str, tuple[int, ...]]:
        rule: dict[str, tuple[int, ...]] = {
            "W": (len(CONTROLS), len(FEATURES) if self.features else CONSTANTS), "start": (5,)}
        return rule if self.prior is None or dim is None else {**rule, **self.prior.shapes(dim)}

    def initial(self, dim: int | None = None, rng: np.random.Generator | None = None,
                observed: np.ndarray | None = None) -> Weights:
        """Return the constants by hand, from which a training starts: nothing is drawn."""
        W = np.zeros(self.shapes()["W"])
        if self.prior is not None:
            return {**self._from_prior(W), **self.prior.initial(1 if dim is None else dim)}
        W[0, [0, 2, 3]] = 0.3, 1.3, 0.7  # the stretch follows the curvature
        W[1, :2] = 1.2, -0.9  # a step is at most about e^1.2 of the last, e^0.3 after a rejection
        W[2, 0] = -1.5
        W[3, 0] = 3.0  # the newest pair nearly by DFP
        return {"W": W, "start": np.array([0.0, 0.25, 0.0, 1.0, -0.7])}

    def with_prior(self, prior: PriorShape | None) -> QuasiNewton:
        """Return the lean rule, one pair and no features, that begins with a prior; or without one the whole rule."""
        return QuasiNewton() if prior is None else QuasiNewton(memory=1, features=False, prior=prior)

    def whole(self, weights: Weights) -> tuple[QuasiNewton, Weights]:
        """Return the rule with all its features and pairs, which sees nothing in them yet."""
        network = QuasiNewton(prior=self.prior)
        W = np.zeros(network.shapes()["W"])
        W[:, : weights["W"].shape[1]] = weights["W"]
        return network, {**weights, "W": W}

    def moved(self, weights: Weights) -> dict[str, np.ndarray]:
        """Return what a training by trying moves: all of the rule; from a prior eight constants, or W and the scale."""
        masks = super().moved(weights)
        if self.prior is None:
            return masks
        masks["W"][:], masks["start"][:], masks["scale"][:] = False, False, True
        if self.features:
            masks["W"][:, : FEATURES.index("dimension")] = masks["W"][:, FEATURES.index("dimension") + 1 :] = True
        else:  # stretch, where H is too short, too; cap, after a rejection, too; floor; share of the cubic
            masks["W"][[0, 0, 0, 1, 1, 2, 4], [0, 2, 3, 0, 1, 0, 0]] = True
        return masks

    def _from_prior(self, W: np.ndarray) -> Weights:
        """Return the constants by hand from a prior: where its scale is right, H is left alone; BFGS."""
        W[0, 2], W[1, :2], W[2, 0], W[3, 0], W[4, 0] = 0.6, (1.2, -0.9), -1.5, -6.0, 0.3
        return {"W": W, "start": np.array([0.0, 0.25, 0.0, 1.0, -0.7])}

    def check_dim(self, dim: int) -> None:
        """Raise ValueError if problems of that dimension are too large for a d x d matrix in every step."""
        if dim > MOST_VARIABLES:
            raise ValueError(f"the problem has dimension {dim}; the learned quasi-Newton rule serves up to "
                             f"{MOST_VARIABLES}. Beyond, use L-BFGS: method='lbfgs'")

    def step_time(self, dim: int) -> float:
        """Return the microseconds of a step, beside its evaluation, about: they were measured for 2 to 30 variables."""
        m = self.memory
        return 0.1 + 0.1 * self.features + (0.004 + 0.002 * m) * dim + (0.000125 + 0.000175 * m) * dim**2

    def step(self, weights: Weights, dim: int) -> Step:
        """Pack the weights for the kernel."""
        self.check_dim(dim)
        prior = np.empty(0) if self.prior is None else self.prior.packed(weights)
        W = weights["W"]
        lean = not self.features and not W[1:, 2:].any()
        rule = _constants(W) if lean else _transposed(W)
        size = HEADER + len(rule)
        block = _kernels.aligned((1, size + len(prior)))
        block[0, 0], block[0, 1:6] = self.memory, weights["start"]
        block[0, 6], block[0, 7] = size * (self.prior is not None), lean
        block[0, HEADER:size], block[0, size:] = rule, prior
        return Step(_kernels.quasi_newton.POLICY, block, length=1, state_size=self.state_size(dim), together=True)

    def state_size(self, dim: int) -> int:
        """Return the doubles that a run needs: numbers, vectors, pairs, the matrix."""
        stride = -(-dim // QUAD) * QUAD
        return NUMBERS + (3 + 2 * self.memory + dim) * stride + -(-self.memory // QUAD) * QUAD


def matrix_place(step: Step) -> int:
    """Return where in a block the matrix of the prior stands, (d, d) by rows."""
    return int(step.blocks[0, 6]) + PRIOR_HEADER


def _transposed(W: np.ndarray) -> np.ndarray:
    """Return W as the kernel multiplies it with all features."""
    padded = np.zeros((len(FEATURES), LANES))
    padded[: W.shape[1], : len(CONTROLS)] = W.T
    return padded.ravel()


def _constants(W: np.ndarray) -> np.ndarray:
    """Return the controls after accepted and after rejected trials, where only the drift depends on more than that."""
    rows = []
    for drift, cap, floor, psi, hermite in np.clip([W[:, 0], W[:, 0] + W[:, 1]], -6.0, 6.0):
        rows.append([0.0, np.exp(-2.0 * cap), np.exp(floor), 1.0 / (1.0 + np.exp(-psi)), np.tanh(hermite),
                     drift, W[0, 2], W[0, 3]])
    return np.ravel(rows)
