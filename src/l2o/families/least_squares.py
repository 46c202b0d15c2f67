"""Least-squares fits of a user's model: a family of curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families.family import Family
from l2o.problems import Problems
from l2o.problems.least_squares import least_squares
from l2o.problems.losses import Loss, read_loss
from l2o.problems.models import Model
from l2o.problems.models import model as model_of

__all__ = ["LeastSquares"]

NO_DRAW = "draw is missing; expected a callable, draw(rng) -> (y, x0), since curves are to be drawn"

Sampler = Callable[[np.random.Generator], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True, init=False)
class LeastSquares(Family):
    """Fits of a model to drawn curves: half the sum of squares of the residuals, in units of sigma.

    "lm" is the default method for them. Any other method but "newton" minimises them, too (they have no Hessian), and
    policies can be trained on them. `l2o.curve_fit_many` fits curves with standard errors.

    Parameters
    ----------
    model : Model or callable
        Of `l2o.model`, or what that takes.
    t : array_like, shape (n,) or (n, k)
        Where the points of all curves are.
    draw : callable, optional
        ``draw(rng) -> (y, x0)``: the values (n,) of one curve, and starting parameters (d,), with nothing random but
        the generator rng. `from_data` does without; `sample` and training need it.
    sigma : float or array_like, shape (n,), optional
        Standard errors of the values; by default 1, if the loss is not in units of sigma.
    loss : {"linear", "huber", "soft_l1", "cauchy", "geman-mcclure", "poisson"}
        The loss of the residuals, as in `l2o.curve_fit_many`.

    Raises
    ------
    TypeError, ValueError
        If the model is none, draw cannot be called, or what it returns does not fit; later, if something is to be
        drawn without it.

    Examples
    --------
    >>> import l2o
    >>> import numpy as np
    >>> @l2o.model
    ... def decay(t, p):
    ...     return p[0] * np.exp(-p[1] * t)
    >>> t = np.linspace(0.0, 3.0, 20)
    >>> def draw(rng):
    ...     return np.exp(-rng.uniform(0.5, 2.0) * t) + 0.01 * rng.standard_normal(20), np.ones(2)
    >>> family = l2o.families.LeastSquares(decay, t, draw, sigma=0.01)
    >>> batch = l2o.minimize_many(family.sample(50, rng=0))
    >>> bool(batch.success.all())
    True
    """

    n_training: ClassVar[int] = 1000

    model: Model
    t: np.ndarray
    draw: Sampler | None
    sigma: np.ndarray
    loss: Loss
    n_variables: int | None

    def __init__(self, model: Model | Callable[..., float], t: ArrayLike, draw: Sampler | None = None, *,
                 sigma: ArrayLike | None = None, loss: str = "linear") -> None:
        points = arguments.array("t", t, None)
        if points.ndim not in (1, 2) or points.size == 0:
            raise ValueError(f"t has shape {points.shape}; expected (n,) or (n, k)")
        if draw is not None and not callable(draw):
            raise TypeError(f"draw is {draw!r}; expected a callable, draw(rng) -> (y, x0)")
        law = read_loss(loss, sigma, False)
        errors = arguments.array("sigma", 1.0 if sigma is None else sigma, None)
        if errors.shape not in ((), (len(points),)) or (errors <= 0.0).any():
            raise ValueError(f"sigma is {sigma!r}; expected a number above 0, or ({len(points)},) of them")
        object.__setattr__(self, "model", model if isinstance(model, Model) else model_of(model))
        object.__setattr__(self, "t", points.reshape(len(points), -1))
        object.__setattr__(self, "draw", draw)
        object.__setattr__(self, "sigma", np.broadcast_to(errors, len(points)))
        object.__setattr__(self, "loss", law)
        drawn = None if draw is None else self._drawn(np.random.default_rng(0))
        object.__setattr__(self, "n_variables", drawn and len(drawn[1]))

    @property
    def dim(self) -> int:
        """Number of parameters; without draw only the data tell it."""
        if self.n_variables is None:
            raise TypeError(NO_DRAW)
        return self.n_variables

    def settings(self) -> dict[str, Any]:
        """Return the settings as a record that JSON holds: of model and sampler their names."""
        draw = f"{getattr(self.draw, '__module__', '')}.{getattr(self.draw, '__qualname__', '')}" if self.draw else None
        return {"model": self.model.name, "n_points": len(self.t), "dim": self.n_variables, "draw": draw,
                "loss": self.loss.name}

    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw members, one after the other: the first k of m are those of ``sample(k)`` with the same seed.

        Parameters
        ----------
        m : int
            How many.
        rng : None, int, SeedSequence or Generator, optional
            Source of randomness.

        Returns
        -------
        Problems
        """
        m, rng = arguments.count("m", m), arguments.generator(rng)
        drawn = [self._drawn(rng) for _ in range(m)]
        return self.from_data(np.array([y for y, _ in drawn]), np.array([x0 for _, x0 in drawn]))

    def from_data(self, Y: ArrayLike, x0: ArrayLike, *, check: str = "row") -> Problems:
        """Make the members of given curves.

        Parameters
        ----------
        Y : array_like, shape (m, n)
            Values. Where one is NaN, or masked, the point is left out.
        x0 : array_like, shape (m, d) or (d,)
            Starting parameters, or one start for all.
        check : {"row", "raise"}
            A start that is not finite ends its row with status 3, or is an error.

        Returns
        -------
        Problems
        """
        if isinstance(Y, np.ma.MaskedArray):
            Y = np.ma.filled(Y.astype(float), np.nan)
        values = arguments.array("Y", Y, (None, len(self.t)), "curves at the points of the family", finite=False)
        known = np.isfinite(values)
        table = np.column_stack([self.t, np.zeros(len(self.t)), 1.0 / self.sigma])
        tables = [table[each] for each in known]
        for each, row, kept in zip(tables, values, known):
            each[:, -2] = row[kept]
        if not tables:
            raise ValueError("Y has no rows; expected at least one curve")
        self.loss.check(values.reshape(-1), values.shape)
        d = np.shape(x0)[-1] if self.n_variables is None and np.ndim(x0) > 0 else self.n_variables
        x0 = arguments.starts(x0, len(values), d or 1)
        arguments.bad_rows(check, x0=x0)
        return least_squares(self.model, tables, x0, self.loss)

    def _drawn(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the values (n,) and the start (d,) of one curve."""
        if self.draw is None:
            raise TypeError(NO_DRAW)
        y, x0 = arguments.pair("draw", self.draw(rng), "y and x0")
        return arguments.array("y of draw", y, (len(self.t),)), arguments.array("x0 of draw", x0, (None,))
