"""Prior of a quasi-Newton rule: its weights as the kernel has them.

l2o.learning.prior learns one; the kernel's part is _kernels/policies/_prior.pxd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o.base import arguments
from l2o.policies import gate
from l2o.policies.architecture import Beginning, own_starts
from l2o.policies.data_start import DataShape
from l2o.policies.weights import Weights

__all__ = ["CURVATURES", "MOST_FULL", "PriorShape"]

CURVATURES = ("mean", "scale", "diagonal", "full")  # as in the kernel: what is predicted of the matrix
HEADER = 8
LARGEST_SCALE = 700.0  # its exponential is a number
MOST_FULL = 8  # dimension up to which a whole matrix may be predicted: beyond, d (d + 1) / 2 outputs overfit


@dataclass(frozen=True)
class PriorShape:
    """What a prior consists of.

    Parameters
    ----------
    relative : bool
        Whether runs begin at a constant way from their own starts, or at a constant point.
    step : bool
        Whether a first step is predicted.
    curvature : {"mean", "scale", "diagonal", "full"}
        What is predicted of the inverse Hessian.
    quadratic : bool
        Whether predictions use products of inputs.
    data : DataShape, optional
        How starts are predicted from the problems' data, if they are.
    gate : bool
        Whether it is known what training has shown at first points, so that others can be told from them.
    newton : bool
        Whether Newton's method makes the runs where an objective has a Hessian, and no gate is asked for.
    """

    relative: bool = True
    step: bool = False
    curvature: str = "mean"
    quadratic: bool = False
    data: DataShape | None = None
    gate: bool = False
    newton: bool = False

    def __post_init__(self) -> None:
        for name in ("relative", "step", "quadratic", "gate", "newton"):
            object.__setattr__(self, name, arguments.flag(name, getattr(self, name)))
        arguments.choice("curvature", self.curvature, CURVATURES)
        if isinstance(self.data, dict):  # from a card
            object.__setattr__(self, "data", DataShape(**self.data))
        if not isinstance(self.data, (DataShape, type(None))):
            raise TypeError(f"data is {self.data!r}; expected a DataShape")

    @property
    def predicts(self) -> bool:
        """Whether anything is predicted from the first value and gradient."""
        return self.step or self.curvature != "mean"

    def n_inputs(self, dim: int) -> int:
        """Return the number k of inputs of a prediction: u (d + 2), x (d), products of u."""
        return 2 * dim + 2 + (self.quadratic and (dim + 2) * (dim + 3) // 2)

    def n_outputs(self, dim: int) -> int:
        """Return the number q of predicted numbers."""
        of_matrix = {"mean": 0, "scale": dim, "diagonal": dim, "full": dim * (dim + 1) // 2}
        return self.step * dim + of_matrix[self.curvature]

    def shapes(self, dim: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        always = {"base": (dim,), "matrix": (dim, dim), "scale": (1,)}
        if self.data is not None:
            always |= self.data.shapes(dim)
        if self.gate:
            always |= {"metric": (dim, dim), "unit": (1,), "met": (2, 2 * dim + 2)}
        if not self.predicts:
            return always
        k, q = self.n_inputs(dim), self.n_outputs(dim)
        return {**always, "metric": (dim, dim), "unit": (1,), "seen": (2, dim + 2), "inputs": (2, k),
                "ridge": (k + 1, q), "range": (2, q)}

    def initial(self, dim: int) -> Weights:
        """Return weights that expect the unit matrix at a problem's own start."""
        weights = {name: np.zeros(shape) for name, shape in self.shapes(dim).items()}
        for name in weights.keys() & {"matrix", "metric"}:
            weights[name] = np.eye(dim)
        for name in weights.keys() & {"unit", "inputs", "seen"}:
            weights[name] += 1.0
        return weights

    def beginning(self, weights: Weights) -> Beginning:
        """Return what tells where runs of problems are evaluated first."""
        if self.data is not None:
            return self.data.beginning(weights)
        base = weights["base"]
        if not self.relative:
            return lambda problems: base[None].repeat(len(problems), axis=0)
        return (lambda problems: problems.x0 + base) if base.any() else own_starts

    def limits(self, weights: Weights) -> np.ndarray | None:
        """Return the limits of first points as the loop reads them, if they are known."""
        return gate.packed(weights["metric"], weights["unit"][0], weights["met"]) if self.gate else None

    def packed(self, weights: Weights) -> np.ndarray:
        """Return the numbers as the kernel reads them, one after the other."""
        dim = len(weights["base"])
        head = np.zeros(HEADER)
        head[:4] = np.exp(weights["scale"][0]), CURVATURES.index(self.curvature), self.step, self.quadratic
        if self.predicts:
            head[4:7] = self.n_inputs(dim), self.n_outputs(dim), weights["unit"][0]
        names = ("matrix", *(("metric", "seen", "inputs", "ridge", "range") if self.predicts else ()))
        return np.concatenate([head, *(weights[name].ravel() for name in names)])

    def check(self, weights: Weights) -> None:
        """Raise ValueError if a matrix is not positive definite, or a unit is not above zero."""
        if self.data is not None:
            self.data.check(weights)
        if self.curvature == "full" and len(weights["base"]) > MOST_FULL:
            raise ValueError(f"curvature is 'full' in dimension {len(weights['base'])}; expected at most {MOST_FULL}")
        if not (np.linalg.eigvalsh(weights["matrix"]) > 0).all():
            raise ValueError("weights['matrix'] is not positive definite; expected an inverse Hessian")
        if not abs(weights["scale"][0]) <= LARGEST_SCALE:
            raise ValueError(f"weights['scale'] is {weights['scale'][0]}; expected a logarithm within {LARGEST_SCALE}")
        if "unit" in weights and not weights["unit"][0] > 0:
            raise ValueError(f"weights['unit'] is {weights['unit'][0]}; expected a number above 0")
        if self.gate and not (weights["met"][0] <= weights["met"][1]).all():
            raise ValueError("weights['met'] has a lowest value above the highest; expected ranges")
