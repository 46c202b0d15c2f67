"""curve_fit and curve_fit_many: check, fit, wrap the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from l2o import _kernels
from l2o.base import arguments
from l2o.base.parallel import check_progress, map_rows
from l2o.base.typing import ArrayLike, Workers
from l2o.base.watch import Watch
from l2o.baselines.damping import chosen
from l2o.curves.adaptive import LearnedStart, fit_adaptively
from l2o.curves.data import Curves, read_curves
from l2o.curves.learned import Start, begun, read_policy, read_start
from l2o.curves.result import CurveFit
from l2o.curves.scipy_words import answered
from l2o.curves.several import Columns, best_of
from l2o.curves.starts import check_listed, read_limits, read_more_starts, read_starts, within_bounds
from l2o.methods import Box
from l2o.policies import Policy
from l2o.problems.losses import Loss, read_loss
from l2o.problems.models import Model
from l2o.problems.models import model as model_of

if TYPE_CHECKING:
    from scipy.optimize import Bounds

__all__ = ["curve_fit", "curve_fit_many"]

MAXFEV = 2000


@answered
def curve_fit_many(model: Model | Callable[..., float], t: ArrayLike | Sequence[ArrayLike],
                   Y: ArrayLike | Sequence[ArrayLike], p0: Start = None, *,
                   sigma: ArrayLike | Sequence[ArrayLike] | None = None, absolute_sigma: bool = False,
                   bounds: Bounds | tuple[ArrayLike, ArrayLike] | None = None, fixed: ArrayLike | None = None,
                   loss: str = "linear", method: str | Policy = "lm", tol: float = 1e-3,
                   options: Mapping[str, object] | None = None, workers: Workers = 1,
                   progress: bool = False) -> CurveFit:
    """Fit a model to many curves: least squares by Levenberg and Marquardt, with standard errors and a status for each.

    Parameters
    ----------
    model : Model or callable
        A model of `l2o.model`, or a function that it takes: ``f(t, p)``.
    t : array_like, shape (n,), (n, k), (..., n) or (..., n, k), or a list of m of (n_i,) or (n_i, k)
        The points, the same for all curves or each curve's own; k numbers make a point.
    Y : array_like, shape (..., n), or a list of m of (n_i,)
        The curves. An image of curves stays an image, and a list may hold curves of different lengths. A point that is
        NaN, or masked in a masked array, is left out; so is one whose sigma is inf.
    p0 : array_like, shape (d,) or (..., d), callable or Policy
        Starting parameters, a function that guesses them, ``p0(t, Y)``, or what `l2o.train` has learned of where curves
        begin; the damping is then that of the options. There is no default: None needs the option
        `starts`, a policy as the method or, with the adaptive method, finite bounds.
    sigma : float or array_like, shape (n,), (..., n), (...) or (..., 1), or a list of m of (n_i,), optional
        Standard errors of the values, above 0; one for each curve is (..., 1), or (...) if its last axis is not n long.
    absolute_sigma : bool
        Whether sigma is the true error; otherwise `cov` is scaled so that `chi2` is `dof`.
    bounds : (low, high) or scipy.optimize.Bounds, optional
        Limits of the parameters: numbers, (d,) or (..., d). They are reached exactly; a start outside is moved there.
    fixed : array_like of bool, shape (d,) or (..., d), optional
        Parameters that stay at their start.
    loss : {"linear", "huber", "soft_l1", "cauchy", "geman-mcclure", "poisson"}
        What is minimised. "linear" is the sum of squares. The next four are for outliers. They are sums of a loss of
        the squares u in units of sigma, which they need: u up to 1 and 2 sqrt(u) - 1 from there, 2 (sqrt(1 + u) - 1),
        log(1 + u), u / (1 + u). For a wider threshold give a larger sigma; `cov` is that of the estimate (Huber's
        sandwich) for any sigma. "poisson" is the likelihood of counts Y >= 0, without sigma.
    method : {"lm", "adaptive"} or Policy
        Levenberg and Marquardt's; "adaptive" fits some of 200 curves or more from p0, learns from them how to begin by
        the values of a curve, wherever its points are (those of k > 1 numbers must be at most 1,024 different ones,
        unless all curves share them), and fits the others from there, if that takes fewer evaluations and ends as low.
        ``fit.learned`` says what came of it. A `Policy` that `l2o.train` made of a `families.LeastSquares` says where
        curves begin without p0, and how the damping does.
    tol : float
        How near to the minimum a fit ends, in standard errors (Bates and Watts, 1981). It has converged when the
        remaining step is at most tol standard errors a parameter. The fit takes that step, too.
    options : dict, optional
        maxfev : evaluations of a fit at most (2000). damping : "more", a trust region, "nielsen", or "learned"; by
        default what takes the fewest evaluations, "learned" for "cauchy" and "geman-mcclure" and "more" for the
        others. factor : radius of the first step in units of the start (100), or first damping of "nielsen" (0.01).
        starts : (s, d) or (s, ..., d), starts beside p0; of each curve's fits the one of least chi2 is kept, and
        `agreement` says how many have reached it.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.
    progress : bool
        Show a progress bar (needs the extra ``plot``).

    Returns
    -------
    CurveFit
        Its `suspect` marks the fits that are likely wrong.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit. No curve raises: each has its status.
    CompilationError
        If the model cannot be compiled.
    KeyboardInterrupt
        If Ctrl-C is pressed.

    Examples
    --------
    >>> import l2o
    >>> import numpy as np
    >>> @l2o.model
    ... def decay(t, p):
    ...     amplitude, rate, offset = p
    ...     return amplitude * np.exp(-rate * t) + offset
    >>> t = np.linspace(0.0, 4.0, 30)
    >>> rates = np.array([[0.5, 1.0, 1.5], [2.0, 2.5, 3.0]])
    >>> Y = 2.0 * np.exp(-rates[..., None] * t) + 0.1
    >>> fit = l2o.curve_fit_many(decay, t, Y, [1.0, 1.0, 0.0])
    >>> fit.x.shape, bool(fit.success.all())
    ((2, 3, 3), True)
    >>> fit.x[..., 1].round(6).tolist()
    [[0.5, 1.0, 1.5], [2.0, 2.5, 3.0]]
    """
    policy = read_policy(method)
    law = read_loss(loss, sigma, arguments.flag("absolute_sigma", absolute_sigma))
    model = model if isinstance(model, Model) else model_of(model)
    curves = read_curves(t, Y, sigma)
    law.check(curves.y, curves.shape)
    if policy is not None:
        p0, options = begun(policy, model, curves, p0, options)
    starts: Any = (options or {}).get("starts")
    check_listed(starts)
    if p0 is None and method == "adaptive" and starts is None:
        starts = within_bounds(bounds)
    if p0 is None and starts is not None and len(starts) > 0:
        p0, starts = starts[0], starts[1:]
    x = read_starts(read_start(p0, model, curves), t, Y, curves)
    box = read_limits(bounds, fixed, x, curves.leading)
    settings = _settings(tol, law, options)
    all_starts = [x, *read_more_starts(starts, x.shape, curves)]
    check_progress(progress)
    with Watch() as watch:
        task = _FitTask(model, curves, x, box, settings, watch)

        def fit(rows: np.ndarray, begins: np.ndarray | None) -> tuple[Columns, np.ndarray]:
            some = task.chosen(rows)
            starts = [start[rows] for start in all_starts] if begins is None else [begins]
            return best_of([Columns(*map_rows(replace(some, x0=each), len(rows), workers, progress, pieces=True,
                                              empty=some.empty)) for each in starts])

        learned, agreement = None, None
        if method == "adaptive":
            columns, learned = fit_adaptively(model, curves, lambda *given: fit(*given)[0])
        else:
            columns, agreement = fit(np.arange(len(curves)), None)
    if len(all_starts) == 1:
        agreement = None
    return _result(model, curves, box, columns, agreement, law, absolute_sigma, learned)


@answered
def curve_fit(model: Model | Callable[..., float], t: ArrayLike, y: ArrayLike,
              p0: Start = None, *, sigma: ArrayLike | None = None,
              absolute_sigma: bool = False, bounds: Bounds | tuple[ArrayLike, ArrayLike] | None = None,
              fixed: ArrayLike | None = None, loss: str = "linear", method: str | Policy = "lm", tol: float = 1e-3,
              options: Mapping[str, object] | None = None) -> CurveFit:
    """Fit a model to one curve: `curve_fit_many` of one.

    Parameters
    ----------
    model : Model or callable
        Of `l2o.model`, or what that takes: ``f(t, p)``.
    t : array_like, shape (n,) or (n, k)
        Where the points are.
    y : array_like, shape (n,)
        Values.
    p0 : array_like, shape (d,), callable or Policy
        Starting parameters, ``p0(t, y)``, or a policy that has learned them.
    sigma, absolute_sigma, bounds, fixed, loss, method, tol, options
        As in `curve_fit_many`.

    Returns
    -------
    CurveFit
        With x (d,), cov (d, d), and a number wherever there is one for each curve.

    Raises
    ------
    ValueError, TypeError, CompilationError, KeyboardInterrupt
        As in `curve_fit_many`.

    Examples
    --------
    >>> import l2o
    >>> fit = l2o.curve_fit(lambda t, p: p[0] + p[1] * t, [0.0, 1.0, 2.0, 3.0], [1.1, 2.9, 5.1, 6.9], [0.0, 0.0])
    >>> print(fit.table(["a", "b"]))
    CurveFit of <lambda>: one curve
       value  stderr
    a   1.06   0.106
    b   1.96  0.0566
    chi2 0.032, dof 2: Optimization terminated successfully: a tolerance is met.
    """
    if np.ndim(y) != 1:
        raise ValueError(f"y has shape {np.shape(y)}; expected one curve (n,), or use curve_fit_many")
    return curve_fit_many(model, t, y, p0, sigma=sigma, absolute_sigma=absolute_sigma, bounds=bounds, fixed=fixed,
                          loss=loss, method=method, tol=tol, options=options)


@dataclass(frozen=True)
class _Settings:
    """How a fit is made: the damping rule, by name, its factor, what is minimised, when it ends."""

    damping: str
    factor: float | None
    loss: Loss
    tol: float
    maxfev: int


def _settings(tol: float, loss: Loss, options: Mapping[str, object] | None) -> _Settings:
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options is {options!r}; expected a dict")
    given: dict[str, Any] = dict(options or ())
    factor = given.pop("factor", None)
    damping = given.pop("damping", loss.damping if factor is None else "more")
    chosen(damping, factor)
    maxfev = arguments.count("maxfev", given.pop("maxfev", MAXFEV))
    given.pop("starts", None)
    if given:
        raise ValueError(f"options has {', '.join(map(repr, given))}; expected some of 'damping', 'factor', 'maxfev', "
                         "'starts'")
    return _Settings(damping, factor, loss, arguments.number("tol", tol), maxfev)


@dataclass(frozen=True, eq=False)
class _FitTask:
    model: Model
    curves: Curves
    x0: np.ndarray
    box: Box | None
    settings: _Settings
    watch: Watch | None

    def __getitem__(self, rows: slice) -> _FitTask:
        box = None if self.box is None else self.box[rows]
        return _FitTask(self.model, self.curves[rows], self.x0[rows], box, self.settings, self.watch)

    def chosen(self, rows: np.ndarray) -> _FitTask:
        """Return the fits of some of the curves; all of them may be in any layout."""
        if len(rows) == len(self.curves):
            return self
        box = None if self.box is None else self.box[rows]
        return replace(self, curves=self.curves.chosen(rows), x0=self.x0[rows], box=box)

    def empty(self, m: int) -> Columns:
        """Return arrays for the results of m curves."""
        d = self.x0.shape[1]
        return Columns(np.empty((m, d)), np.empty((m, d, d)), np.empty(m), np.empty(m, np.intp), np.empty(m, np.intp),
                       np.empty(m, np.intp), np.empty(m, np.intc), np.empty((m, d), np.bool_))

    def __call__(self, out: Columns | None = None) -> Columns:
        (m, d), k = self.x0.shape, self.curves.k
        out = self.empty(m) if out is None else out
        out[0][:] = self.x0
        box = (None, None) if self.box is None else (self.box.low, self.box.high)
        address, user = self.model.address(d, k), self.model.user(d, k)
        if self.watch is not None:
            watched = self.watch.over_model(address, user)
            address, user = _kernels.watch.MODEL, watched.ctypes.data
        settings, curves = self.settings, self.curves
        damping = chosen(settings.damping, settings.factor)
        _kernels.levenberg.fit_many(address, user, damping.rule, damping.numbers, settings.loss.address, settings.tol,
                                    settings.maxfev, k, curves.t, curves.y, curves.sigma, curves.offsets, *box, *out)
        if self.watch is not None:
            self.watch.check()
        return out


def _result(model: Model, curves: Curves, box: Box | None, columns: Columns, agreement: np.ndarray | None,
            loss: Loss, absolute_sigma: bool, learned: LearnedStart | None) -> CurveFit:
    x, cov, chi2, used, nfev, nit, status, on_bound = columns
    free = np.full(len(x), x.shape[1]) if box is None else (box.low < box.high).sum(axis=1)
    dof = np.maximum(used - free, 0)
    if not absolute_sigma and loss.name == "linear":
        undetermined = np.isinf(cov)
        with np.errstate(invalid="ignore"):  # of these times a chi2 of zero
            cov *= (chi2 / np.where(dof > 0, dof, np.nan))[:, None, None]
        cov[undetermined] = np.inf

    def shaped(column: np.ndarray) -> np.ndarray:
        return column.reshape((*curves.leading, *column.shape[1:]))[()]

    return CurveFit(x=shaped(x), cov=shaped(cov), chi2=shaped(chi2), dof=shaped(dof), status=shaped(status),
                    nfev=shaped(nfev), nit=shaped(nit), on_bound=shaped(on_bound),
                    absolute_sigma=absolute_sigma, _loss=loss, _model=model, _curves=curves, _free=shaped(free),
                    agreement=None if agreement is None else shaped(agreement), learned=learned)
