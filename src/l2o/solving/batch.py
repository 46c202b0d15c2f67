"""What came of a batch of minimisations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o.base.status import CONVERGED, status_message
from l2o.base.table import QUANTILES, Table, named, spread
from l2o.methods import Box, Solution
from l2o.problems import Problems
from l2o.problems.separation import said
from l2o.solving.adaptive import Learned
from l2o.solving.cautions import Caution, cautions
from l2o.solving.errors import inverses_at, standard_errors

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["BatchResult"]


@dataclass(frozen=True, eq=False, repr=False)
class BatchResult:
    """Result of `minimize_many`, one row a problem. Its repr is a short table.

    Attributes
    ----------
    x : ndarray, shape (m, d)
        Best points seen.
    fun : ndarray, shape (m,)
        Their objective values.
    jac : ndarray, shape (m, d)
        Their gradients.
    nit, nfev : ndarray of int, shape (m,)
        Iterations and evaluations.
    status : ndarray of int, shape (m,)
        As in `minimize`.
    test : ndarray of int, shape (m,)
        Which test a run met: 1 the gradient is zero or within gtol, 2 the last decrease and the gap are within ftol, 3
        the last step is within xtol; 0 if none.
    success : ndarray of bool, shape (m,)
        Whether a tolerance was met.
    outside_training : ndarray of bool, shape (m,), or None
        Whether the policy left the range that it met in training, as in `minimize`; None without a policy, and where it
        leaves the batch to Newton's method.
    learned : Learned or None
        What the adaptive method learned and what that saved; its repr is a sentence.
    endless : ndarray of int, shape (m,), or None
        For problems whose minimum lies at infinity, the reason, as in `message`: 1 all labels are the same, 2 the data
        are separable, 3 in part, 4 a class has no points, 5 all counts are zero; 0 for the others. None if there is no
        such problem.
    cause : str
        The exception of the first objective with status 4, if it was written in Python.
    hess_inv : ndarray, shape (m, d, d)
        Inverse Hessians at x, computed when they are read, by the objective's Hessian or by differences, as in
        `minimize`; a pickle or a copy has lost the objective, and raises AttributeError.
    stderr : ndarray, shape (m, d)
        The roots of their diagonals: standard errors if each f is a negative log-likelihood. If f is the mean of n
        losses, divide by the root of n.
    warnings : list of str
        What to look at before the results are used: the same, runs that could not begin, objectives that reported an
        error, many runs that found nothing lower, policies outside their training. ``batch.warnings[0].rows`` are the
        numbers of its problems.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    status: np.ndarray
    test: np.ndarray
    outside_training: np.ndarray | None = None
    learned: Learned | None = None
    endless: np.ndarray | None = None
    cause: str = ""

    @classmethod
    def of(cls, solution: Solution, learned: Learned | None, endless: np.ndarray | None, cause: str,
           source: tuple[Problems, Box | None]) -> BatchResult:
        """Return the result of a solution, written at once: a frozen record alone takes a tenth of a short call."""
        result = cls.__new__(cls)
        vars(result).update(zip(_NAMES, (*solution, learned, endless, cause, source)))
        return result

    @cached_property
    def hess_inv(self) -> np.ndarray:
        """Inverse Hessians (m, d, d) at x."""
        source: tuple[Problems, Box | None] | None = vars(self).get("_source")
        if source is None:
            raise AttributeError("hess_inv was not read before the result was pickled or copied; its problems are lost")
        return inverses_at(source[0], self.x, self.jac, source[1])

    @property
    def stderr(self) -> np.ndarray:
        """Standard errors (m, d), where each f is a negative log-likelihood."""
        return standard_errors(self.hess_inv)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_source"}

    @property
    def warnings(self) -> list[Caution]:
        """Sentences with the rows that they are about."""
        return list(cautions(self.status, self.nit, self.outside_training, self.endless, self.cause))

    @property
    def success(self) -> np.ndarray:
        """Whether each run converged, (m,)."""
        return self.status == CONVERGED

    def message(self, i: int) -> str:
        """Say why run i ended, and by which test if it has converged."""
        reason = 0 if self.endless is None else int(self.endless[i])
        return status_message(self.status[i], self.test[i]) + said(reason)

    def to_dataframe(self, names: Sequence[str] | None = None) -> DataFrame:
        """Return the results as a pandas DataFrame, a row a problem.

        Parameters
        ----------
        names : sequence of str, optional
            Names of the d variables; x0, x1 ... by default.

        Returns
        -------
        pandas.DataFrame
            Columns of the variables, then fun, nit, nfev, status and success; where the minimum of a problem lies at
            infinity, endless, too, the reason.

        Raises
        ------
        ValueError
            If there is not one name for each variable.
        ImportError
            If pandas is not installed.
        """
        from pandas import DataFrame

        columns: dict[str, Any] = dict(zip(named(names, self.x.shape[1], "x{}", "variable"), self.x.T))
        shown = ["fun", "nit", "nfev", "status", "success"] + ["endless"] * (self.endless is not None)
        return DataFrame(columns | {name: getattr(self, name) for name in shown})

    def __len__(self) -> int:
        return len(self.fun)

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        (m, d), good = self.x.shape, int(self.success.sum())
        rows = [(name, spread(np.asarray(getattr(self, name), float))) for name in ("fun", "nfev", "nit")]
        notes = [f"{int((self.status == each).sum()):,} of status {each}: {status_message(each)}"
                 for each in np.unique(self.status) if each != CONVERGED]
        notes += self.warnings
        if self.learned is not None:
            notes.append(repr(self.learned))
        return Table(f"BatchResult: {good:,} of {m:,} problems of dimension {d} converged", tuple(QUANTILES),
                     rows if m else [], notes)


_NAMES = (*BatchResult.__match_args__, "_source")  # made once
