"""What is made of the residuals of a curve: their squares, a robust loss of these, or the deviance of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.typing import ArrayLike

__all__ = ["LINEAR", "Loss", "read_loss"]


@dataclass(frozen=True)
class Loss:
    """A loss. It pickles as its name: an address is of one process only.

    Attributes
    ----------
    name : str
        Its name.
    address : int
        Of its kernel.
    damping : str
        Name of the rule of `baselines.LevenbergMarquardt` that takes the fewest evaluations on it.
    """

    name: str
    address: int
    damping: str = "more"

    def __reduce__(self) -> tuple[object, ...]:
        return _of_name, (self.name,)

    @property
    def is_robust(self) -> bool:
        """Whether it gives outliers less weight."""
        return self.name not in ("linear", "poisson")

    def check(self, y: np.ndarray, shape: tuple[int, ...] | None) -> None:
        """Raise a ValueError if values (N,), which were given in that shape, are no counts and have to be."""
        if self.name == "poisson" and (y < 0.0).any():
            i = int(np.argmax(y < 0.0))
            where = i if shape is None else tuple(int(j) for j in np.unravel_index(i, shape))
            raise ValueError(f"Y holds {y[i]} at {where}; expected counts of at least 0 for loss=\"poisson\" (where a "
                             "background was taken off, add it to both, Y and the model)")

    def weights(self, residuals: np.ndarray) -> np.ndarray:
        """Return the weight of each point of residuals (N,), in standard errors, against least squares; NaN stays."""
        weights = np.where(np.isnan(residuals), np.nan, 1.0)
        if self.is_robust:
            _kernels.levenberg.weights_of(self.address, np.ascontiguousarray(residuals), weights)
        return weights


LINEAR = Loss("linear", _kernels.levenberg.LINEAR)
LOSSES = {loss.name: loss for loss in (
    LINEAR, Loss("huber", _kernels.levenberg.HUBER), Loss("soft_l1", _kernels.levenberg.SOFT_L1),
    Loss("cauchy", _kernels.levenberg.CAUCHY, "learned"),
    Loss("geman-mcclure", _kernels.levenberg.GEMAN_MCCLURE, "learned"), Loss("poisson", _kernels.levenberg.POISSON))}


def _of_name(name: str) -> Loss:
    return LOSSES[name]


def read_loss(name: str, sigma: ArrayLike | object | None, absolute_sigma: bool) -> Loss:
    """Return the loss of that name.

    Raises
    ------
    ValueError
        If there is none, or sigma is missing where the loss is in units of it, or given for counts.
    """
    loss = LOSSES[arguments.choice("loss", name, LOSSES)]
    if loss.name == "poisson" and sigma is not None:
        raise ValueError("loss is 'poisson' and sigma is given; expected no sigma: the errors of counts are known from "
                         "their rates")
    if loss.is_robust and sigma is None:
        raise ValueError(f"loss is {name!r} and sigma is None; expected sigma: outliers are told in units of it")
    if absolute_sigma and sigma is None:
        raise ValueError("absolute_sigma is True and sigma is None; expected sigma: without it the scale of the errors "
                         "is known from the residuals alone")
    return loss
