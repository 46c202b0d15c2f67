"""What came of curve fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from l2o.base import arguments
from l2o.base.status import CONVERGED, NON_FINITE, OBJECTIVE_FAILED, status_message
from l2o.base.table import QUANTILES, Table, named, spread
from l2o.base.typing import ArrayLike
from l2o.curves.adaptive import LearnedStart
from l2o.curves.beginnings import not_begun
from l2o.curves.chance import beyond_chance, common_scale
from l2o.curves.data import Curves
from l2o.problems.losses import Loss
from l2o.problems.models import Model
from l2o.problems.separation import NO_COUNTS, SENTENCES, said
from l2o.solving.cautions import Caution

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CurveFit"]

ROUNDING = 1e-24  # of the square of a value


@dataclass(frozen=True, eq=False, repr=False)
class CurveFit:
    """Result of `curve_fit_many`, an entry for each curve, and of `curve_fit`, where ... stands for nothing.

    Attributes
    ----------
    x : ndarray, shape (..., d)
        Parameters; those at the start where no fit was possible.
    cov : ndarray, shape (..., d, d)
        Their covariance. It is zero for fixed parameters, and NaN for a parameter on a bound, whose error is not
        normally distributed. That of the others is computed without the bound, since the bound need not be the truth.
        If the points do not determine a parameter, its variance is inf and its covariances are NaN. With a robust loss
        it is Huber's sandwich, with "poisson" the inverse of the Fisher information.
    chi2 : ndarray, shape (...)
        The minimised value: the sum of squares of the residuals, in units of sigma if it is given; the sum of the
        losses of those squares; or the deviance of the counts.
    dof : ndarray of int, shape (...)
        Number of unmasked points less the number of free parameters.
    status : ndarray of int, shape (...)
        0 converged, 1 limit of evaluations, 2 nothing lower was found, 3 not finite, 4 the model failed, 5 fewer points
        than free parameters, 6 the points leave a parameter undetermined, or the minimum lies at infinity.
    nfev, nit : ndarray of int, shape (...)
        Evaluations, each of all points with derivatives, and accepted steps.
    on_bound : ndarray of bool, shape (..., d)
        Which parameters ended on a bound.
    absolute_sigma : bool
        Whether errors are those of sigma; otherwise they are scaled so that chi2 is dof.
    agreement : ndarray of int, shape (...), or None
        With ``options={"starts": ...}``, the number of starts whose fits reached the least chi2; None with the adaptive
        method.
    learned : LearnedStart or None
        What the adaptive method learned; its repr is a sentence.
    """

    x: np.ndarray
    cov: np.ndarray
    chi2: np.ndarray
    dof: np.ndarray
    status: np.ndarray
    nfev: np.ndarray
    nit: np.ndarray
    on_bound: np.ndarray
    absolute_sigma: bool
    _loss: Loss
    _model: Model
    _curves: Curves
    _free: np.ndarray  # (...), how many parameters
    agreement: np.ndarray | None = None
    learned: LearnedStart | None = None

    @property
    def success(self) -> np.ndarray:
        """Whether each fit converged, (...)."""
        return self.status == CONVERGED

    @property
    def stderr(self) -> np.ndarray:
        """Standard errors of the parameters, (..., d)."""
        return np.sqrt(np.diagonal(self.cov, axis1=-2, axis2=-1))

    @property
    def correlation(self) -> np.ndarray:
        """Correlation of the parameters, (..., d, d); NaN where a covariance is, or a parameter was fixed."""
        stderr = self.stderr
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.cov / (stderr[..., :, None] * stderr[..., None, :])

    @property
    def rchi2(self) -> np.ndarray:
        """chi2 a degree of freedom, (...); NaN where there is none."""
        return self.chi2 / np.where(self.dof > 0, self.dof, np.nan)

    @property
    def aicc(self) -> np.ndarray:
        """Akaike's criterion with the correction for few points, (...), up to what all models of the same data share.

        With absolute_sigma, and for counts, chi2 is twice the negative log likelihood; else the scale of the errors is
        one more parameter. inf where there are too few points for it; NaN with a robust loss, which is no likelihood.
        """
        if self._loss.is_robust:
            return np.full(np.shape(self.chi2), np.nan)[()]
        n = self.dof + self._free
        k = self._free + (0 if self._scale_is_known else 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            misfit = self.chi2 if self._scale_is_known else n * np.log(self.chi2 / n)
            return np.where(n - k > 1, misfit + 2.0 * k + 2.0 * k * (k + 1) / np.where(n - k > 1, n - k - 1, 1), np.inf)

    @property
    def suspect(self) -> np.ndarray | None:
        """Which fits are likely wrong, (...): in a wrong minimum, or of a curve that the model does not describe.

        Those that have not converged, and those with a chi2 that only one right fit in 10,000 exceeds. With
        absolute_sigma, and for counts that are not few, this limit follows from dof; else all curves are taken to have
        the same errors, up to `sigma`, as the lower quartile of the fits tells them, and None stands where there are
        fewer than 20 fits to tell by. With a robust loss it is None, too, since no limit for its sum is known; a wrong
        minimum may show as a curve of which more points than usual have small `weights`.
        """
        if self._loss.is_robust:
            return None
        chi2, dof = np.ravel(self.chi2), np.ravel(self.dof)
        scale = 1.0 if self._scale_is_known else max(common_scale(chi2, dof), self._rounding)
        if np.isnan(scale):
            return None
        return (beyond_chance(chi2, dof, scale).reshape(np.shape(self.chi2)) | ~self.success)[()]

    @property
    def _rounding(self) -> float:
        """What rounding leaves of a point's square, in the mean."""
        y, sigma = self._curves.y, self._curves.sigma
        scaled = y if sigma is None else y.reshape(-1, len(sigma)) / sigma
        return ROUNDING * float(np.nanmean(scaled * scaled)) if np.isfinite(scaled).any() else 0.0

    @property
    def weights(self) -> np.ndarray | list[np.ndarray]:
        """The weight of each point against least squares, in the shape of Y: 1 but for a robust loss; NaN if masked."""
        residuals = np.array(self._residuals())
        if self._curves.sigma is not None:
            residuals.reshape(-1, len(self._curves.sigma))[:] /= self._curves.sigma
        return self._curves.parted(self._loss.weights(residuals))

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        return self._table(None).text()

    def _repr_html_(self) -> str:
        return self._table(None).html()

    def message(self, i: int | tuple[int, ...] = ()) -> str:
        """Say why fit i ended, and of a model that fails where, and what it raises; in an image i is (row, column)."""
        if np.ndim(self.status[i]):
            raise IndexError(f"i is {i!r}; expected the index of one fit, {np.ndim(self.status)} integers")
        for sentence, where in self._not_begun.items():
            if where.reshape(np.shape(self.status))[i]:
                return f"{sentence[0].upper()}{sentence[1:]}."
        if self.status[i] != OBJECTIVE_FAILED:
            return status_message(self.status[i]) + said(NO_COUNTS if self._without_counts[i] else 0)
        curves, which = self._curves, int(np.arange(np.size(self.status)).reshape(np.shape(self.status))[i])
        own = slice(*curves.offsets[which : which + 2]) if len(curves.t) == len(curves.y) else slice(None)
        return f"At the start {self._model.failure(curves.t[own], self.x[i])}."

    def predict(self, t: ArrayLike | None = None) -> np.ndarray | list[np.ndarray]:
        """Return the curves of the fitted parameters.

        Parameters
        ----------
        t : array_like, shape (n,) or (n, k), optional
            Where, the same for all; by default where each curve was measured.

        Returns
        -------
        ndarray, shape (..., n), or list of m of (n_i,)
            A list, if that was given. NaN where the model fails.
        """
        where, curves = self._at(t)
        return curves.parted(self._evaluated(where, curves.offsets, None)[0])

    def residuals(self) -> np.ndarray | list[np.ndarray]:
        """Return values less fitted ones, in their units; NaN where masked. Shapes are those of `predict`."""
        return self._curves.parted(self._residuals())

    def band(self, t: ArrayLike | None = None, *, confidence: float = 0.95
             ) -> tuple[np.ndarray | list[np.ndarray], np.ndarray | list[np.ndarray]]:
        """Return where the fitted curves are, point by point, with some confidence.

        It is the linear law: the derivatives by the parameters, their covariance, and Student's t for the degrees of
        freedom (the normal law with absolute_sigma, and for counts). Parameters on a bound count as known.

        Parameters
        ----------
        t : array_like, shape (n,) or (n, k), optional
            As in `predict`.
        confidence : float
            Between 0 and 1.

        Returns
        -------
        low, high : ndarray, shape (..., n), or list of m of (n_i,)
            Limits of the curve, not of a further measurement.
        """
        from scipy.special import ndtri, stdtrit

        if not 0.0 < arguments.number("confidence", confidence) < 1.0:
            raise ValueError(f"confidence is {confidence}; expected a number between 0 and 1")
        where, curves = self._at(t)
        d = self.x.shape[-1]
        cov = np.reshape(self.cov, (-1, d, d))
        values, variance = self._evaluated(where, curves.offsets, np.where(np.isnan(cov), 0.0, cov))
        upper = 0.5 + 0.5 * confidence
        dof = np.reshape(np.where(self.dof > 0, self.dof, np.nan), -1)
        times = np.full(len(curves), ndtri(upper)) if self._scale_is_known else stdtrit(dof, upper)
        half = np.sqrt(variance) * np.repeat(times, np.diff(curves.offsets))
        return curves.parted(values - half), curves.parted(values + half)

    def table(self, names: Sequence[str] | None = None) -> str:
        """Return a table of the parameters, as text: of one fit, or the middle of many.

        Parameters
        ----------
        names : sequence of str, optional
            Names of the d parameters; p[0], p[1] ... by default.
        """
        return self._table(names).text()

    def to_dataframe(self, names: Sequence[str] | None = None) -> DataFrame:
        """Return the results as a pandas DataFrame, a row a curve.

        Parameters
        ----------
        names : sequence of str, optional
            Names of the d parameters; p0, p1 ... by default.

        Returns
        -------
        pandas.DataFrame
            Columns of the parameters, of their standard errors (with "_stderr" after the name), then chi2, dof, nfev,
            status and success. Where curves have several leading axes, the index is of as many levels.

        Raises
        ------
        ValueError
            If there is not one name for each parameter.
        ImportError
            If pandas is not installed.
        """
        from pandas import DataFrame, MultiIndex

        d, leading = self.x.shape[-1], np.shape(self.status)
        names = named(names, d, "p{}", "parameter")
        columns: dict[str, np.ndarray] = dict(zip(names, self.x.reshape(-1, d).T))
        columns |= dict(zip([f"{name}_stderr" for name in names], self.stderr.reshape(-1, d).T))
        columns |= {name: np.ravel(getattr(self, name)) for name in ("chi2", "dof", "nfev", "status", "success")}
        index = MultiIndex.from_product([range(size) for size in leading]) if len(leading) > 1 else None
        return DataFrame(columns, index)

    @property
    def _without_counts(self) -> np.ndarray:
        """Which curves hold counts, and none above zero, (...)."""
        if self._loss.name != "poisson":
            return np.zeros(np.shape(self.status), bool)[()]
        above = np.append(0, np.cumsum(self._curves.y > 0.0))[self._curves.offsets]
        return ((above[1:] == above[:-1]).reshape(np.shape(self.status)) & (self.dof + self._free > 0))[()]

    @property
    def warnings(self) -> list[Caution]:
        """Sentences on what to look at before the results are used, with the `rows`, in an image counted through."""
        troubles = self._not_begun | {SENTENCES[NO_COUNTS]: np.ravel(self._without_counts)}
        return [Caution.of(sentence, where, "curves") for sentence, where in troubles.items() if where.any()]

    @property
    def _not_begun(self) -> dict[str, np.ndarray]:
        """What kept fits from beginning, and which, (m,)."""
        return not_begun(np.ravel((self.status == NON_FINITE) & (self.nit == 0)),
                         np.reshape(self.x, (-1, self.x.shape[-1])), self._curves)

    def _table(self, names: Sequence[str] | None) -> Table:
        names = named(names, self.x.shape[-1], "p[{}]", "parameter")
        title = f"CurveFit of {self._model.name.rpartition('.')[-1]}: "
        if self.x.ndim == 1:
            notes = [f"chi2 {self.chi2:.6g}, dof {self.dof}: {self.message()}"]
            rows = [(name, [f"{value:.6g}", f"{error:.3g}", "on a bound" if held else ""])
                    for name, value, error, held in zip(names, self.x, self.stderr, self.on_bound)]
            return Table(f"{title}one curve", ("value", "stderr", ""), rows, notes)
        good, rows = self.success, []
        for j, name in enumerate(names):
            held = f"{100.0 * np.mean(self.on_bound[good][:, j]):.1f} %" if good.any() else ""
            rows.append((name, [*spread(self.x[good][:, j]), spread(self.stderr[good][:, j], 3)[0], held]))
        notes = [f"{int(np.sum(self.status == each)):,} of status {each}: {status_message(each)}"
                 for each in np.unique(self.status) if each not in (CONVERGED, NON_FINITE)]
        notes += self.warnings
        return Table(f"{title}{int(good.sum()):,} of {self.status.size:,} curves converged",
                     (*QUANTILES, "stderr", "on a bound"), rows, notes)

    @property
    def _scale_is_known(self) -> bool:
        return self.absolute_sigma or self._loss.name == "poisson"

    def _residuals(self) -> np.ndarray:
        """Return values less fitted ones, (N,)."""
        curves = self._curves
        left = curves.y - self._evaluated(curves.t, curves.offsets, None)[0]
        if curves.sigma is not None:
            left.reshape(-1, len(curves.sigma))[:, np.isinf(curves.sigma)] = np.nan
        return left

    def _at(self, t: ArrayLike | None) -> tuple[np.ndarray, Curves]:
        """Return points (n, k) and how results for them are laid out."""
        curves = self._curves
        if t is None:
            return curves.t, curves
        points = arguments.array("t", t, None)
        if points.ndim not in (1, 2) or points.size != len(points) * curves.k:
            raise ValueError(f"t has shape {points.shape}; expected (n,) or (n, k), with k = {curves.k}")
        m, n = len(curves), len(points)
        shape = (*curves.leading, n)
        points = points.reshape(n, curves.k)
        return points, Curves(points, np.empty(m * n), None, np.arange(m + 1, dtype=np.intp) * n, shape)

    def _evaluated(self, t: np.ndarray, offsets: np.ndarray, cov: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return values (N,) at points (N, k), or (n, k) for all curves, and their variance, if cov is given."""
        return self._model.curves(t, offsets, np.reshape(self.x, (-1, self.x.shape[-1])), cov)
