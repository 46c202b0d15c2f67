"""Policy: a trained network with its card; saved, loaded, and called by SciPy."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from l2o.base import archive, arguments
from l2o.base.typing import ArrayLike, Card, File
from l2o.errors import PolicyFileError
from l2o.methods import Box, Callback, Handoff, Method, Runnable, Solution, Step, StepMethod, Stopping
from l2o.policies.architecture import Architecture, Beginning
from l2o.policies.kinds import architecture
from l2o.policies.limits import Limits
from l2o.policies.trainable import Imitable
from l2o.policies.weights import Weights
from l2o.problems import Problems

__all__ = ["FORMAT", "PRETRAINED", "Policy", "load"]

FORMAT = 2  # version of the file format; files of every version stay in the tests
READABLE = (1, 2)  # in 1, a policy is a network of one dimension

PRETRAINED = {name: Path(__file__).parents[1] / "pretrained" / f"{name}.npz"
              for name in ("logistic", "robust", "neural-net", "robust-short", "universal")}  # what is shipped


class Policy(StepMethod):
    """A learned optimizer: it turns the history of a run into the next point.

    Use it as ``method`` of `l2o.minimize`, `l2o.minimize_many`, `l2o.rollout`, `l2o.compare` or
    `scipy.optimize.minimize`. `l2o.train` and `l2o.load` make policies. In a minimisation L-BFGS takes over when the
    policy's steps no longer help, unless the option ``safeguard`` is False; rollouts run the policy alone.

    Parameters
    ----------
    network : Architecture
        Its kind, with settings, such as `l2o.policies.MLP`.
    weights : dict of ndarray
        Its weights, by name.
    card : dict
        Its record: family, dimension, settings, seeds, measured quality. The entry "precision", "float64" (the default)
        or, for a kind that has it, "float32", is the precision of the policy; the objective is always in float64.

    Raises
    ------
    ValueError, TypeError
        If the weights do not fit the kind.
    """

    safeguarded = True

    def __init__(self, network: Architecture, weights: Weights, card: Card | None = None) -> None:
        dim = network.dim(weights)
        self._network, self._dim = network, None if dim is None else arguments.count("the dimension of weights", dim)
        self._card = {**copy.deepcopy(card or {}), "format": FORMAT, "dim": self._dim, "network": network.card()}
        precision = arguments.choice("precision", self._card.get("precision", "float64"), network.precisions)
        self._weights = network.checked(weights, precision)
        limits = Limits.from_card(self._card.get("limits", {}))
        self._limits = None if limits is None else limits.widened()
        self._handoff = Handoff(**self._card.get("handoff", asdict(network.handoff)))
        self._card["handoff"] = asdict(self._handoff)
        self.gated = self._network.gate(self._weights) is not None
        self._steps: dict[int, Step] = {}
        self._elsewhere = self._card.get("elsewhere")
        if self._elsewhere is not None:
            arguments.choice("elsewhere", self._elsewhere, PRETRAINED)
            self._trained_for = [arguments.count("dimensions", dim) for dim in self._card["training"]["dimensions"]]

    def __repr__(self) -> str:
        family = self._card.get("family", "unknown family")
        family = family.get("name") if isinstance(family, dict) else family
        return f"Policy({family}, {'any dimension' if self.dim is None else f'dimension {self.dim}'}, {self._network})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Policy, (self._network, self._weights, self._card)

    @property
    def dim(self) -> int | None:
        """Number of variables of the problems it minimises; None if it serves any."""
        return self._dim

    @property
    def network(self) -> Architecture:
        """Its kind, with settings."""
        return self._network

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights; with ``card["network"]`` they are enough to rebuild the step."""
        return {name: value.copy() for name, value in self._weights.items()}

    @property
    def card(self) -> Card:
        """A copy of the card."""
        return copy.deepcopy(self._card)

    def with_card(self, **entries: Any) -> Policy:
        """Return the same policy with entries of the card replaced."""
        return Policy(self._network, self._weights, {**self._card, **entries})

    def astype(self, precision: str | np.dtype | type) -> Policy:
        """Return the policy, computed in another precision.

        Parameters
        ----------
        precision : {"float32", "float64"}
            Single precision is faster; steps then differ by about 1e-6 of their size.

        Returns
        -------
        Policy

        Raises
        ------
        ValueError
            If it is another precision.
        """
        try:
            name = np.dtype(precision).name
        except TypeError:
            name = str(precision)
        return self.with_card(precision=name)

    def check_dim(self, dim: int) -> None:
        """Raise ValueError if problems of that dimension are not for this policy."""
        if self._dim is not None and dim != self._dim:
            raise ValueError(f"the problem has dimension {dim}; the policy was trained for dimension {self._dim}")
        self._network.check_dim(dim)

    def starts(self, problems: Problems) -> np.ndarray:
        return self._beginning(problems)

    def serving(self, problems: Runnable) -> Method:
        method = self._network.serving(self._weights, problems)
        if method is None or (problems.normal_function is None and self._is_other(problems)):
            return self
        return method

    def _is_other(self, problems: Runnable) -> bool:
        """Whether it was trained on another objective."""
        learned, met = self._card.get("objective"), problems.objective_card
        return learned is not None and met is not None and learned != met

    @cached_property
    def _beginning(self) -> Beginning:
        return self._network.beginning(self._weights)

    def solve(self, problems: Runnable, stopping: Stopping, callback: Callback | None = None,
              box: Box | None = None) -> Solution:
        solution = super().solve(problems, stopping, callback, box)
        if solution.outside is not None and self._is_other(problems):
            solution.outside[:] = True
        return solution

    def step(self, dim: int) -> Step:
        """Return the policy as the kernels see it; of a shipped one, where the card says so for other dimensions."""
        if dim not in self._steps:
            self.check_dim(dim)
            if self._elsewhere is None or dim in self._trained_for:
                step = self._network.step(self._weights, dim)
            else:
                step = load(self._elsewhere).step(dim)
            self._steps[dim] = replace(step, limits=self._limits, handoff=self._handoff,
                                       gate=self._network.gate(self._weights))
        return self._steps[dim]

    def actions(self, observations: ArrayLike) -> np.ndarray:
        """Return the steps (..., d) at raw observations (..., H + H d).

        Raises
        ------
        TypeError
            If the kind of policy does not make its steps of these alone.
        """
        if not isinstance(self._network, Imitable):
            raise TypeError(f"policy is {type(self._network).__name__}, whose steps are no function of observations")
        return self._network.actions(self._weights, np.asarray(observations, np.float64))

    def save(self, path: File) -> None:
        """Write the policy to an .npz file: no pickle, the card as JSON.

        Parameters
        ----------
        path : path-like
            Where to; the file is replaced in one piece.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        archive.write(path, self._weights, card=self._card)


def load(path: File) -> Policy:
    """Read a policy: one that is shipped, by its name, or a file that `Policy.save` wrote.

    Parameters
    ----------
    path : path-like
        "universal", for any function; "logistic", "robust" or "neural-net"; or "robust-short", which makes the first
        steps of `minimize` on robust regressions and is not meant to run alone; or the file. A file of such a name
        needs a folder before it: "./robust".

    Returns
    -------
    Policy

    Raises
    ------
    OSError
        If the file cannot be read.
    PolicyFileError
        If it is not a policy, is damaged, or has a format that this version does not know.

    Examples
    --------
    >>> import l2o
    >>> problems = l2o.families.Logistic().sample(3, rng=0)
    >>> int(l2o.minimize_many(problems, method=l2o.load("logistic")).success.sum())
    3
    """
    name = os.fspath(path)
    try:
        arrays, card = archive.read(PRETRAINED.get(name, name), "card", "policy", PolicyFileError)
    except OSError as error:
        shipped = f"; expected a file, or one of {', '.join(map(repr, PRETRAINED))}" if _is_no_path(name) else ""
        raise type(error)(error.errno, f"{error.strerror}{shipped}", name) from None
    return _rebuild(name, arrays, card)


def _rebuild(name: str, arrays: dict[str, np.ndarray], card: Any) -> Policy:
    if not isinstance(card, dict) or "format" not in card:
        raise PolicyFileError(f"{name} is not a policy file: it has no card")
    if type(card["format"]) is not int or card["format"] not in READABLE:
        raise PolicyFileError(f"{name} has policy format {card['format']}; this version of l2o reads formats "
                              f"{' and '.join(map(str, READABLE))}")
    try:
        return Policy(architecture(card["network"]), arrays, card)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyFileError(f"{name} holds no complete policy: {error}") from None


def _is_no_path(name: Any) -> bool:
    """Whether a name that is no file was rather meant to be that of a shipped policy."""
    return isinstance(name, str) and not Path(name).exists() and Path(name).name == name and not Path(name).suffix
