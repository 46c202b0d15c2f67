"""The paper's network: one hidden layer of units on the history of a run.

Here it is a function of arrays for training: features of observations, forward pass, Jacobian. What runs often states
it again, in blocks of memory that suit it: _kernels/policies/_mlp.pyx when minimising, and two gradients. On arrays the
forward pass of the unrolled gradient (_kernels/training/unrolled.py) would take 2.9 times as long, 66 us instead of 23
for 32 runs of 4 variables, and a batch of the regression (_kernels/training/_regression.pyx) 3.9 times in single and
2.8 times in double precision. The tests compare all four.

With observation o = [objective changes (H), gradients (H d)], newest first:

    r      = sqrt(floor^2 + s^2), s the largest of the three newest gradient norms (scaled inputs), else 1
    z      = phi([changes / r^2, gradients / r]) / deviation,  phi(v) = sign(v) log(1 + |v|) or v
    action = r (W2 sigma(W1 z + b1) + b2), shortened to max_step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import Card, Workers
from l2o.methods import Step
from l2o.policies.activations import ACTIVATIONS, Activation
from l2o.policies.architecture import Architecture
from l2o.policies.mlp_regression import Batches, Trained
from l2o.policies.trainable import Examples
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["MLP"]

HEADER, NEWEST, LEAST_SCALE = (_kernels.mlp.CONSTANTS[name] for name in ("HEADER", "NEWEST", "LEAST_SCALE"))
INPUTS = ("raw", "linear", "scaled")
LEAST_DEVIATION = 1e-3  # of a feature


@dataclass(frozen=True)
class MLP(Architecture):
    """Shape of the policy network.

    Trained networks make no step where all inputs are zero: their output bias follows from the other weights.

    Parameters
    ----------
    history : int
        Steps of history seen (H).
    width : int
        Hidden units.
    activation : {"softplus", "relu"}
        Activation sigma of the hidden layer: log(1 + e^x), as in the paper, or max(x, 0), whose derivative at 0
        is taken to be 0.
    inputs : {"linear", "scaled", "raw"}
        "raw": the observation as the paper has it. "linear": changes / r^2 and gradients / r, and
        steps times r, with the gradient scale r. "scaled": the same, through ``sign(v) log(1 + |v|)``.
    newest_gradient : bool
        Whether the gradient at the current point is seen (True), or only those before it, the literal
        reading of the paper's indices.
    max_step : float
        Longest step; longer ones are shortened to it.
    scale_floor : float
        Lower bound of r; below it the policy is no longer scale equivariant.
    """

    kind: ClassVar[str] = "mlp"
    precisions: ClassVar[tuple[str, ...]] = ("float64", "float32")
    knows_limits: ClassVar[bool] = True

    history: int = 25
    width: int = 50
    activation: str = "softplus"
    inputs: str = "linear"
    newest_gradient: bool = True
    max_step: float = 2.0
    scale_floor: float = 0.05

    def __post_init__(self) -> None:
        for name, value in (("history", arguments.count("history", self.history)),
                            ("width", arguments.count("width", self.width)),
                            ("newest_gradient", arguments.flag("newest_gradient", self.newest_gradient)),
                            ("max_step", arguments.number("max_step", self.max_step, exclusive=True, finite=False)),
                            ("scale_floor", arguments.number("scale_floor", self.scale_floor))):
            object.__setattr__(self, name, value)  # Python's own numbers, which JSON holds
        arguments.choice("activation", self.activation, ACTIVATIONS)
        arguments.choice("inputs", self.inputs, INPUTS)

    @property
    def _sigma(self) -> Activation:
        return ACTIVATIONS[self.activation]

    # -- sizes ---------------------------------------------------------------------------------------

    @property
    def kept(self) -> int:
        """Gradients that a state must hold for this network to see `history` of them."""
        return self.history + (not self.newest_gradient)

    def n_observations(self, dim: int) -> int:
        """Return the length of an observation, H + H d."""
        return self.history * (1 + dim)

    @property
    def one_dimension(self) -> bool:
        """Whether weights serve one number of variables: a network does."""
        return True

    def dim(self, weights: Weights) -> int:
        """Return the number of variables, by the output bias."""
        if "b2" not in weights or np.ndim(weights["b2"]) != 1:
            raise ValueError(f"weights are {', '.join(map(repr, weights))}; expected among them a vector 'b2', "
                             "one entry for each variable")
        return len(weights["b2"])

    def shapes(self, dim: int) -> dict[str, tuple[int, ...]]:  # type: ignore[override]  # for one dimension
        """Return the shape of every weight."""
        return {"W1": (self.width, self.n_observations(dim)), "b1": (self.width,), "W2": (dim, self.width),
                "b2": (dim,), "deviation": (self.n_observations(dim),)}

    def initial(self, dim: int, rng: np.random.Generator,  # type: ignore[override]
                observed: np.ndarray | None = None) -> Weights:
        """Draw starting weights; the output layer starts at a tenth of the usual size."""
        shapes = self.shapes(dim)
        drawn = {"W1": rng.standard_normal(shapes["W1"]) / np.sqrt(shapes["W1"][1]), "b1": np.zeros(self.width),
                "W2": 0.1 * rng.standard_normal(shapes["W2"]) / np.sqrt(self.width), "b2": np.zeros(dim),
                "deviation": np.ones(shapes["deviation"])}
        return drawn if observed is None else self.standardised(drawn, observed)

    def standardised(self, weights: Weights, observed: np.ndarray) -> Weights:
        """Return starting weights for observations like these, (..., n).

        What is zero in all of them has no weight, nor gets one in training: steps longer ago than the runs are long.
        """
        features = self.features(observed)[0]
        if features.size == 0:
            return weights
        deviation = features.std(axis=tuple(range(features.ndim - 1)))
        return {**weights, "W1": weights["W1"] * (deviation > 0), "deviation": np.maximum(deviation, LEAST_DEVIATION)}

    def at_rest(self, weights: Weights) -> Weights:
        """Return the weights with the output bias that makes the step zero where all that is seen is zero."""
        return {**weights, "b2": -weights["W2"] @ self._sigma.value(weights["b1"])}

    def check(self, weights: Weights) -> None:
        """Raise ValueError if the weights make no network."""
        if not (weights["deviation"] > 0).all():
            raise ValueError(f"weights['deviation'] holds {weights['deviation'].min()}; expected numbers above 0")
        with np.errstate(over="ignore"):
            packed = [_in_base_2(weights["W1"] / weights["deviation"]), _in_base_2(weights["b1"])]
        if not all(np.isfinite(each).all() for each in packed):
            raise ValueError("weights['W1'] over weights['deviation'], or weights['b1'], holds numbers that are not "
                             "finite times 1.45; expected smaller ones")

    # -- the kernel's view ----------------------------------------------------------------------------

    def step(self, weights: Weights, dim: int) -> Step:
        """Pack the weights for the kernel, in their own precision."""
        width = -(-self.width // 8) * 8
        n, precision = self.n_observations(dim), weights["W1"].dtype
        size = width * (1 + n + dim) + dim
        blocks = _kernels.aligned((1, HEADER + -(-size * precision.itemsize // 64) * 8))
        form = (_kernels.mlp.FORMS[name] for name in (self.inputs, self.activation))
        blocks[0, :7] = self.history, width, 0 if self.newest_gradient else 1, self.max_step, self.scale_floor, *form
        payload = blocks[0, HEADER:].view(precision)[:size]
        b1, W1, W2, b2 = np.split(payload, np.cumsum([width, n * width, dim * width]))
        b1[: self.width] = _in_base_2(weights["b1"])
        W1.reshape(n, width)[:, : self.width] = _in_base_2(weights["W1"] / weights["deviation"]).T
        W2.reshape(dim, width)[:, : self.width] = weights["W2"] * np.log(2)
        b2[:] = weights["b2"]
        return Step(_kernels.mlp.POLICIES[precision.name], blocks, self.history + 1)

    # -- a function of arrays, for training ------------------------------------------------------------

    def scale(self, observations: np.ndarray) -> np.ndarray:
        """Return r for observations (..., n): (...)."""
        if self.inputs == "raw":
            return np.ones(observations.shape[:-1])
        newest = self._newest(observations)
        largest = np.einsum("...ij,...ij->...i", newest, newest).max(axis=-1)
        return np.maximum(np.sqrt(self.scale_floor**2 + largest), LEAST_SCALE)

    def _newest(self, observations: np.ndarray) -> np.ndarray:
        """The up to three newest gradients seen, (..., 3, d)."""
        dim = observations.shape[-1] // self.history - 1
        n = min(NEWEST, self.history)
        return observations[..., self.history : self.history + n * dim].reshape(*observations.shape[:-1], n, dim)

    def _ratio(self, observations: np.ndarray, r: np.ndarray) -> np.ndarray:
        ratio = observations / r[..., None]
        ratio[..., : self.history] /= r[..., None]
        return ratio

    def features(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return phi([changes / r^2, gradients / r]) (..., n) and r (...)."""
        r = self.scale(observations)
        return self._compressed(self._ratio(observations, r)), r

    def _compressed(self, ratio: np.ndarray) -> np.ndarray:
        return np.copysign(np.log1p(np.abs(ratio)), ratio) if self.inputs == "scaled" else ratio

    def _layers(self, weights: Weights, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return W1 z + b1 and W2 sigma(W1 z + b1) + b2 for features (..., n), z these over their deviation."""
        pre = features / weights["deviation"] @ weights["W1"].T + weights["b1"]
        return pre, self._sigma.value(pre) @ weights["W2"].T + weights["b2"]

    def actions(self, weights: Weights, observations: np.ndarray) -> np.ndarray:
        """Return the steps (..., d) at observations (..., n)."""
        features, r = self.features(observations)
        action = r[..., None] * self._layers(weights, features)[1]
        return action * self._shortening(action)[..., None]

    def _shortening(self, action: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(action, axis=-1)
        return np.where(length > self.max_step, self.max_step / np.maximum(length, 1e-300), 1.0)

    def jacobian(self, weights: Weights, observations: np.ndarray) -> np.ndarray:
        """Return the derivative of the steps with respect to the observations, (rows, d, n)."""
        r = self.scale(observations)
        ratio = self._ratio(observations, r)
        slope = 1.0 / ((1.0 + np.abs(ratio)) if self.inputs == "scaled" else np.ones_like(ratio)) / weights["deviation"]
        pre, net = self._layers(weights, self._compressed(ratio))
        gate = self._sigma.pull(pre, 1.0)
        per_z = np.einsum("du,bu,un->bdn", weights["W2"], gate, weights["W1"], optimize=True)
        power = np.ones(observations.shape[-1])
        power[: self.history] = 2.0
        per_ratio = per_z * slope[:, None, :]
        jacobian = r[:, None, None] * per_ratio / r[:, None, None] ** power
        if self.inputs != "raw":  # through r, which is a function of the newest gradients
            per_r = net - np.einsum("bdn,bn,n->bd", per_ratio, ratio, power)
            newest = self._newest(observations)
            norms = np.linalg.norm(newest, axis=-1)
            which = norms.argmax(axis=-1)
            rows, dim = np.arange(len(r)), newest.shape[-1]
            slope_r = newest[rows, which] / r[:, None]
            columns = self.history + which[:, None] * dim + np.arange(dim)
            jacobian[rows[:, None, None], np.arange(dim)[:, None], columns[:, None, :]] += (
                per_r[:, :, None] * slope_r[:, None, :])
        action = r[:, None] * net
        length = np.linalg.norm(action, axis=-1)
        long = length > self.max_step
        unit = action[long] / length[long, None]
        jacobian[long] -= unit[:, :, None] * np.einsum("bd,bdn->bn", unit, jacobian[long])[:, None, :]
        jacobian[long] *= (self.max_step / length[long])[:, None, None]
        return jacobian

    # -- training -------------------------------------------------------------------------------------

    def parameters(self, weights: Weights) -> np.ndarray:
        """Return what is trained of the weights as one vector: W1, b1 and W2."""
        return Trained.of(weights, float).vector

    def with_parameters(self, weights: Weights, vector: np.ndarray) -> Weights:
        """Return weights with this vector for W1, b1 and W2, at rest."""
        return self.at_rest({**weights, **Trained.like(weights, vector).weights()})

    def standard_features(self, weights: Weights, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the features over their deviation (rows, n), and r (rows,), in the precision of the observations."""
        (z, r), precision = self.features(observations), observations.dtype
        z = z / weights["deviation"].astype(precision)
        return z.astype(precision, copy=False), r.astype(precision, copy=False)

    def regression(self, weights: Weights, examples: Examples) -> Batches:
        """Return the regression from these weights, in the precision of the examples."""
        return Batches(examples, Trained.of(weights, examples.features.dtype), self.activation)

    def cost_gradient(self, weights: Weights, problems: Problems, cost_weights: np.ndarray, turns: np.ndarray,
                      workers: Workers = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the costs of rollouts, which are usable, and the gradient: see mlp_unrolled.py."""
        from l2o.policies import mlp_unrolled  # it compiles with Numba, which minimising does without

        runs = mlp_unrolled.Unrolled(self, Trained.of(weights, float), weights["deviation"].astype(float), problems,
                                     cost_weights, turns)
        return mlp_unrolled.differentiate(runs, workers)

    # -- the card -------------------------------------------------------------------------------------

    def card(self) -> Card:
        """Return the settings as a record that JSON holds; a step without bound has null."""
        return {**super().card(), "max_step": None if np.isinf(self.max_step) else self.max_step}

    @classmethod
    def from_card(cls, card: Card) -> MLP:
        """Return the network that `card` describes."""
        settings = {key: value for key, value in card.items() if key != "kind"}
        if settings.get("max_step") is None:
            settings["max_step"] = np.inf
        return cls(**settings)


def _in_base_2(weights: np.ndarray) -> np.ndarray:
    """Return what the kernel, whose exponential is that of 2, has in the place of weights."""
    return weights * np.log2(np.e)
