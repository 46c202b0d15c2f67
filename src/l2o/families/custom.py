"""A user's own family: an objective of `l2o.objective`, and a law to draw data from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike, Seed
from l2o.families.family import Family
from l2o.problems import Problems, from_blocks
from l2o.problems.layout import blocks
from l2o.problems.objectives import kernel_of

__all__ = ["Custom"]

Sampler = Callable[[np.random.Generator], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True, init=False)
class Custom(Family):
    """A family of a user's own objective.

    Parameters
    ----------
    objective : CompiledObjective, Numba cfunc or scipy.LowLevelCallable
        The function, see `l2o.objective`.
    dim : int
        Number of variables.
    sample : callable, optional
        ``sample(rng) -> (data, x0)``: draw the data (rows, columns) of one problem, and where to start from, (d,),
        with nothing random but the generator rng. Only `sample`, `starts` and `l2o.train` need it. The number of rows
        may differ between problems.

    Raises
    ------
    TypeError, ValueError
        If the objective is not compiled or has another signature, or sample cannot be called.

    Examples
    --------
    >>> import l2o
    >>> @l2o.objective
    ... def bowl(x, data, grad):
    ...     f = 0.0
    ...     for j in range(len(x)):
    ...         grad[j] = data[0, j] * (x[j] - 1.0)
    ...         f += 0.5 * data[0, j] * (x[j] - 1.0) ** 2
    ...     return f
    >>> def draw(rng):
    ...     return rng.uniform(0.5, 2.0, (1, 3)), rng.standard_normal(3)
    >>> family = l2o.families.Custom(bowl, dim=3, sample=draw)
    >>> batch = l2o.minimize_many(family.sample(5, rng=0), method="lbfgs")
    >>> batch.x.round(4).tolist() == [[1.0, 1.0, 1.0]] * 5
    True
    """

    objective: object
    n_variables: int
    draw: Sampler | None

    def __init__(self, objective: object, *, dim: int, sample: Sampler | None = None) -> None:
        kernel_of(objective)  # what is wrong with it shows here, not in the first minimisation
        if sample is not None and not callable(sample):
            raise TypeError(f"sample is {sample!r}; expected a callable, sample(rng) -> (data, x0)")
        object.__setattr__(self, "objective", objective)
        object.__setattr__(self, "n_variables", arguments.count("dim", dim))
        object.__setattr__(self, "draw", sample)

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self.n_variables

    def settings(self) -> dict[str, Any]:
        """Return the settings as a record that JSON holds: of the sampler its qualified name."""
        name = None if self.draw is None else f"{self.draw.__module__}.{getattr(self.draw, '__qualname__', '')}"
        return {"dim": self.dim, "sample": name}

    def sample(self, m: int, rng: Seed = None) -> Problems:
        """Draw members, one after the other.

        The first k of m members are those of ``sample(k)`` with the same seed.

        Parameters
        ----------
        m : int
            How many.
        rng : None, int, SeedSequence or Generator, optional
            Source of randomness.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError
            If the family has no sampler, or what it returns does not fit.
        """
        m, rng = arguments.count("m", m), arguments.generator(rng)
        if self.draw is None:
            raise ValueError("sample is None; expected a callable: Custom(objective, dim=..., sample=draw), "
                             "draw(rng) -> (data, x0), or problems by from_data(data, x0)")
        drawn = [arguments.pair("sample", self.draw(rng), "data and x0") for _ in range(m)]
        starts = [arguments.array("x0 of sample", x0, (self.dim,)) for _, x0 in drawn]
        return self.from_data([data for data, _ in drawn], starts)

    def starts(self, m: int, rng: Seed = None) -> np.ndarray:
        """Draw starting points, those that the sampler gives; standard normal without one.

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
        return super().starts(m, rng) if self.draw is None else self.sample(m, rng).x0

    def from_data(self, data: Iterable[ArrayLike], x0: ArrayLike | None = None, *, check: str = "row") -> Problems:
        """Make the members of given data.

        Parameters
        ----------
        data : array_like, shape (m, rows, columns), or sequence of m array_like, each (rows, columns)
            Data of each of m functions, copied. They may differ in size, and need not be finite: what a NaN means is
            up to the objective.
        x0 : array_like, shape (m, d) or (d,)
            Starting points, or one for all. There is no default: nobody but you knows a good one.
        check : {"row", "raise"}
            A start that is not finite ends its row with status 3, or is an error, as are data that are not finite.

        Returns
        -------
        Problems

        Raises
        ------
        ValueError, TypeError
            If x0 is missing or nowhere finite, shapes do not fit, or `check` finds something.
        """
        made, offsets = blocks(data)
        m = len(made if offsets is None else offsets[1:])
        if x0 is None:
            raise ValueError(f"x0 is None; expected starting points, shape {(m, self.dim)}")
        x0 = arguments.starts(x0, m, self.dim)
        arguments.bad_rows(check, x0=x0)
        problems = from_blocks(kernel_of(self.objective), made, x0, offsets)
        if check == "raise":
            for i, table in enumerate(problems.data()):
                arguments.array(f"data[{i}]", table, table.shape)
        return problems
