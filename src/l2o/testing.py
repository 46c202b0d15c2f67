"""Find the mistakes that objectives and samplers are apt to hold, and say where.

Every check raises AssertionError with a sentence that names the point, and the component of the gradient.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable

import numpy as np

from l2o.base import arguments
from l2o.base.typing import ArrayLike
from l2o.families import Family
from l2o.problems import Problems
from l2o.problems.layout import HEADER
from l2o.problems.objectives import CompiledObjective, is_compiled, kernel_of, one_problem
from l2o.solving.slopes import contradiction, ways
from l2o.training import streams

__all__ = ["check_family", "check_objective"]

GUARD, N_GUARDS = 7.25e77, 64  # a number that no gradient has, and how many stand on each side of an array
SIZES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)  # of the ways beside x, relative to a component
DIGITS = (-8, -3, 2, 7)  # units in the last place by which x is varied
TOLERANCE = 1e-4  # of a change of the value, relatively
LEAST = 1e-8  # of the steepest component: what is less does not count
LEAST_CURVED = 1e-6  # of the mean of two second derivatives: the same of the mixed one
RACE, ROUNDS = 0.03, 6  # seconds for which two threads evaluate at once, and how often

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, _DOUBLES, _DOUBLES, _DOUBLES, ctypes.c_ssize_t, ctypes.c_void_p)


def check_objective(objective: object, data: ArrayLike | None, x: ArrayLike) -> None:
    """Check a compiled objective at a point.

    It finds a value or gradient that is not finite, a gradient that is not that of the value or that is not written,
    writes outside of the arrays or into x and data, results that differ from call to call or between threads, and a NaN
    that is swallowed. A function of `l2o.objective` must do the same in Python as compiled; an exception that it raises
    there, such as an index out of range, is in the message. A Hessian of its own must be that of the gradient.

    Parameters
    ----------
    objective : CompiledObjective, Numba cfunc or scipy.LowLevelCallable
        The objective; `l2o.objective` makes one.
    data : array_like, shape (rows, columns), or None
        Its data; None for a LowLevelCallable with user_data, or for no data.
    x : array_like, shape (d,)
        A point inside the domain, at which the objective is smooth.

    Raises
    ------
    AssertionError
        If something is wrong; the message names the point and the component.
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> import l2o
    >>> @l2o.objective
    ... def slip(x, data, grad):
    ...     grad[0] = 2.0 * x[0]
    ...     grad[1] = x[1]
    ...     return x[0] ** 2 + x[1] ** 2
    >>> l2o.testing.check_objective(slip, None, [1.0, 2.0])
    Traceback (most recent call last):
    AssertionError: at x = [1.0, 2.0] component 1 of the gradient is 2.0, but differences of the value give 4.0
    """
    if not is_compiled(objective):
        kernel_of(objective)  # says what is expected
    problem = one_problem(objective, x, () if data is None else (data,))
    if isinstance(objective, CompiledObjective):
        _check_against_python(objective, problem)
    _check_member(problem)
    if isinstance(objective, CompiledObjective) and objective.hessian is not None:
        _check_hessian(objective.hessian, problem)
    _check_threads(problem[[0, 0]])


def check_family(family: Family, m: int = 5) -> None:
    """Check a family: what it draws, and its objective at drawn starting points.

    It makes the checks of `check_objective`. It also finds a sampler that gives different problems for the same seed or
    the same problems for another, whose first k of m members are not those of ``sample(k)``, or that repeats itself; a
    training function among those that ``sample`` gives for the seed of the training; and members that come out
    different in a batch.

    Parameters
    ----------
    family : Family
        The family, with a sampler.
    m : int
        Members to look at, at least 3.

    Raises
    ------
    AssertionError
        If something is wrong; the message names the problem, the point and the component.
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> import l2o
    >>> l2o.testing.check_family(l2o.families.Logistic())
    """
    if not isinstance(family, Family):
        raise TypeError(f"family is {type(family).__name__}; expected a Family")
    m = arguments.count("m", m, 3)
    problems = family.sample(m, rng=0)
    _check_sampler(family, problems)
    _check_starts(family)
    if isinstance(problems.kernel.source, CompiledObjective):
        _check_against_python(problems.kernel.source, problems[[0]], f"problem 0 of sample({m}, rng=0): ")
    points = [problems.x0, problems.x0 + 0.1 * np.random.default_rng(0).standard_normal(problems.x0.shape)]
    for x in points:
        for i in range(m):
            _check_member(problems[[i]].with_starts(x[[i]]), f"problem {i} of sample({m}, rng=0): ")
        _check_batch(problems.with_starts(x))
    _check_threads(problems)


# -- one problem -------------------------------------------------------------------------------------------


class _Guarded:
    """The function of one problem, called on arrays of its own with guards on both sides."""

    def __init__(self, problem: Problems, where: str) -> None:
        self.problem, self.where = problem, where
        self.function = _FUNCTION(problem.function)
        self.address = int(problem.addresses()[0])

    def __call__(self, x: np.ndarray, before: float = np.nan) -> tuple[float, np.ndarray]:
        """Return value and gradient at x; the gradient's entries are `before`, before the call."""
        parts = {"x": _fenced(x), "the value": _fenced(np.full(1, np.nan)),
                 "the gradient": _fenced(np.full(len(x), before))}
        code = self.function(*(part[N_GUARDS:].ctypes.data_as(_DOUBLES) for part in parts.values()), len(x),
                             self.address)
        for name, part in parts.items():
            for i in np.flatnonzero(part != GUARD) - N_GUARDS:
                if not 0 <= i < len(part) - 2 * N_GUARDS:
                    _fail(f"{self.at(x)} the objective writes outside {name}, to component {i}")
        x_after, value, gradient = (part[N_GUARDS:-N_GUARDS] for part in parts.values())
        for j in np.flatnonzero((x_after != x) & ~(np.isnan(x_after) & np.isnan(x))):
            _fail(f"{self.at(x)} the objective changes component {j} of x to {x_after[j]}; x is only to be read")
        if code < 0:
            value[:] = np.nan
        return (np.inf if code > 0 else float(value[0])), gradient.copy()

    def at(self, x: np.ndarray) -> str:
        """Say where."""
        return f"{self.where}at x = {x.tolist()}"


def _fail(sentence: str) -> None:
    raise AssertionError(sentence)


def _fenced(array: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full(N_GUARDS, GUARD), array, np.full(N_GUARDS, GUARD)])


def _check_member(problem: Problems, where: str = "") -> None:
    call, x = _Guarded(problem, where), problem.x0[0]
    data = problem.block(0).copy()
    value, gradient = call(x)
    if not np.isfinite(value):
        _fail(f"{call.at(x)} the value is {value}; expected a finite one")
    _check_written(call, x, value)
    for i in np.flatnonzero(~np.isfinite(gradient)):
        _fail(f"{call.at(x)} component {i} of the gradient is {gradient[i]}; expected a finite one")
    for j in range(len(x)):
        _check_slope(call, x, gradient, j)
        swallowed = x.copy()
        swallowed[j] = np.nan
        f, g = call(swallowed)
        if np.isfinite(f) and np.isfinite(g).all():
            _fail(f"{call.at(swallowed)} the value is {f}, the gradient {g.tolist()}; expected a NaN in one "
                  f"of them, as in component {j} of x")
    changed = problem.block(0)
    for i in np.flatnonzero(changed.view(np.int64) != data.view(np.int64)):
        _fail(f"{call.at(x)} the objective writes into its data: entry {i} of the block ({HEADER} sizes, then data)")


def _check_written(call: _Guarded, x: np.ndarray, value: float) -> None:
    """Raise if two calls differ, or what stands in the gradient before has a say in what is there after."""
    (f, g), (again, gradient), (_, other) = call(x, 1.0), call(x, 1.0), call(x, 2.0)
    if f != value or again != value:
        _fail(f"{call.at(x)} the value is {value} in one call and {f if f != value else again} in another")
    for j in np.flatnonzero((gradient != g) & np.isfinite(g)):
        _fail(f"{call.at(x)} component {j} of the gradient is {g[j]} in one call and {gradient[j]} in another")
    for j in np.flatnonzero((other != g) & np.isfinite(g)):
        _fail(f"{call.at(x)} component {j} of the gradient is not written, or added to what was there: it is "
              f"{g[j]} or {other[j]}, with 1.0 or 2.0 there before the call")


def _check_slope(call: _Guarded, x: np.ndarray, gradient: np.ndarray, j: int) -> None:
    """Raise if component j of the gradient is not that of the values on both sides of x, at any of several lengths."""
    size = np.where(x == 0, 1.0, np.abs(x))
    sizes, least = np.array(SIZES) * size[j], LEAST * np.abs(gradient * size).max() / size[j]

    def line(t: float) -> tuple[float, float]:
        point = x.copy()
        point[j] += t
        value, slope = call(point)
        return value, float(slope[j])

    sides = [list(ways(line, sign * sizes)) for sign in (-1.0, 1.0)]
    finite = [side for side in sides if any(way.is_finite for way in side)]  # the other is outside the domain
    if not finite:
        _fail(f"{call.at(x)} the value is not finite a step away in component {j}; choose a point inside the domain")
    found = [contradiction(side, TOLERANCE, least) for side in finite]
    if all(found):
        step = float(sizes[2])
        slope = (line(step)[0] - line(-step)[0]) / ((x[j] + step) - (x[j] - step))
        _fail(f"{call.at(x)} component {j} of the gradient is {gradient[j]:.6}, but differences of the value give "
              f"{slope:.6}")


def _check_against_python(objective: CompiledObjective, problem: Problems, where: str = "") -> None:
    """Raise if the Python function fails, which an index out of range does there only, or gives something else."""
    x, block = problem.x0[0].copy(), problem.block(0)
    rows, columns = block[:HEADER].astype(int)
    data = block[HEADER : HEADER + rows * columns].reshape(rows, columns).copy()
    x.flags.writeable = data.flags.writeable = False
    value, gradient = _Guarded(problem, where)(x)
    slope = np.full(len(x), np.nan)
    at = f"{where}at x = {x.tolist()}"
    with np.errstate(all="ignore"):
        try:
            result = objective(x, data, slope)
        except Exception as error:
            raise AssertionError(f"{at} the Python function raises {type(error).__name__}: {error}") from error
    rounding = _rounding(_Guarded(problem, where), x, np.append(gradient, value))
    names = [*(f"component {j} of the gradient" for j in range(len(x))), "the value"]
    for name, one, other, rounded in reversed(list(zip(names, [*gradient, value], [*slope, result], rounding))):
        if not np.isclose(one, other, rtol=1e-6, atol=rounded, equal_nan=True):
            _fail(f"{at} {name} is {one} compiled, but {other} in Python")


def _check_hessian(hessian: Callable[..., None], problem: Problems) -> None:
    """Raise if a Hessian, in Python or compiled, is not that of central differences of the gradient."""
    x, data = problem.x0[0].copy(), next(problem.data())
    written, at = np.full((len(x), len(x)), np.nan), f"at x = {x.tolist()}"
    with np.errstate(all="ignore"):
        try:
            hessian(x, data, written)
        except Exception as error:
            raise AssertionError(f"{at} the Hessian raises {type(error).__name__}: {error}") from error
    compiled, differences = problem.hessian(x[None])[0], _differences(problem, x)
    least = LEAST_CURVED * np.sqrt(np.abs(np.outer(np.diag(compiled), np.diag(compiled))))
    for i, j in itertools.product(range(len(x)), repeat=2):
        found, expected = written[i, j], differences[:, i, j]
        if not np.isfinite(found):
            _fail(f"{at} entry ({i}, {j}) of the Hessian is {found}; expected a finite one: all are to be written")
        nearest = float(expected[np.nanargmin(np.abs(expected - found))]) if np.isfinite(expected).any() else found
        if abs(nearest - found) > 1e-4 * max(abs(found), abs(nearest)) + least[i, j]:
            _fail(f"{at} entry ({i}, {j}) of the Hessian is {found:.6}, but differences of the gradient give "
                  f"{nearest:.6}")
    if not np.allclose(compiled, (written + written.T) / 2, rtol=1e-6, atol=0.0):
        _fail(f"{at} the Hessian is {compiled.tolist()} compiled, but {written.tolist()} in Python")


def _differences(problem: Problems, x: np.ndarray) -> np.ndarray:
    """Return Hessians by central differences of the gradient (s, d, d) at x (d,), at s lengths; column j is by x_j."""
    size = np.where(x == 0, 1.0, np.abs(x))
    result = np.empty((len(SIZES), len(x), len(x)))
    for k, j in itertools.product(range(len(SIZES)), range(len(x))):
        sides = np.stack([x, x])
        sides[:, j] += np.array([1.0, -1.0]) * SIZES[k] * size[j]
        gradients = problem[[0, 0]].value_and_grad(sides)[1]
        result[k, :, j] = (gradients[0] - gradients[1]) / (sides[0, j] - sides[1, j])
    return result


def _rounding(call: _Guarded, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how far a gradient and its value, (d + 1,), may differ between two ways of computing them.

    Terms that cancel are not seen from outside; what the last digits of x change shows how large they are.
    """
    changes = np.zeros(len(known))
    for j, shift in itertools.product(range(len(x)), DIGITS):
        near = x.copy()
        near[j] += shift * np.finfo(float).eps * (abs(x[j]) or 1.0)
        value, gradient = call(near)
        with np.errstate(all="ignore"):
            changes = np.fmax(changes, np.abs(np.append(gradient, value) - known))
    largest = np.abs(known[:-1][np.isfinite(known[:-1])]).max(initial=0.0)
    return np.where(np.isfinite(changes), 100 * changes, 0.0) + 1e-9 * largest


# -- many problems -----------------------------------------------------------------------------------------


def _check_threads(problems: Problems) -> None:
    """Raise if two threads, each with its own problem, do not get what one gets."""
    few, seconds = problems[[0] * 200], np.inf
    for _ in range(5):  # the shortest: others share the machine
        start = time.perf_counter()
        few.value_and_grad(few.x0)
        seconds = min(seconds, time.perf_counter() - start)
    n = int(np.clip(200 * RACE / seconds, 200, 100_000))
    rng = np.random.default_rng(0)
    both = [problems[[i] * n] for i in (0, -1)]
    points = [each.x0 + 0.1 * rng.standard_normal(each.x0.shape) for each in both]
    expected = [each.value_and_grad(x) for each, x in zip(both, points)]
    barrier = threading.Barrier(2)
    wrong: list[np.ndarray] = []

    def evaluate(each: Problems, x: np.ndarray, f: np.ndarray, g: np.ndarray) -> None:
        barrier.wait()
        value, gradient = each.value_and_grad(x)
        differ = (value.view(np.int64) != f.view(np.int64)) | (gradient.view(np.int64) != g.view(np.int64)).any(axis=1)
        wrong.extend(x[differ][:1])

    for _ in range(ROUNDS):
        threads = [threading.Thread(target=evaluate, args=(each, x, *known))
                   for each, x, known in zip(both, points, expected)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for x in wrong[:1]:
        _fail(f"at x = {x.tolist()} the objective gives one result alone and another while a second thread evaluates: "
              f"it keeps something outside its arguments")


def _check_batch(problems: Problems) -> None:
    """Raise if a row of a batch is not what the problem gives alone."""
    f, g = problems.value_and_grad(problems.x0)
    for i in range(len(problems)):
        value, gradient = problems[i].value_and_grad(problems.x0[i])
        if value != f[i] or (gradient != g[i]).any():
            _fail(f"at x = {problems.x0[i].tolist()} problem {i} has the value {value} alone and {f[i]} in a batch, or "
                  f"another gradient")


def _check_sampler(family: Family, problems: Problems) -> None:
    m = len(problems)
    if problems.dim != family.dim:
        _fail(f"sample gives problems of dimension {problems.dim}; expected {family.dim}, the family's dim")
    other = family.sample(m, rng=1)
    for k, what in ((m, "drawn twice, it is not the same: the sampler uses something else than rng"),
                    (m - 1, f"it is not that of sample({m}, rng=0): the first of many must be those of few")):
        drawn = family.sample(k, rng=0)
        for i, (x0, block) in enumerate(_members(drawn)):
            if not np.array_equal(x0, problems.x0[i]) or not _same(block, problems.block(i)):
                _fail(f"problem {i} of sample({k}, rng=0): {what}")
    training = family.sample(m, streams(0)["training"])
    seen = [(f"problem {i} of {name}", x0, block)
            for name, drawn in ((f"sample({m}, rng=0)", problems), (f"sample({m}, rng=1)", other),
                                ("the training functions of seed 0", training))
            for i, (x0, block) in enumerate(_members(drawn))]
    for (one, x, a), (another, y, b) in itertools.combinations(seen, 2):
        if np.array_equal(x, y) and _same(a, b):
            _fail(f"{one} and {another} are the same")


def _members(problems: Problems) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return starting point and block of each member."""
    return list(zip(problems.x0, map(problems.block, range(len(problems)))))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two blocks hold the same numbers; the longer one is filled up with zeros."""
    n = min(len(one), len(other))
    return np.array_equal(one[:n], other[:n], equal_nan=True) and not one[n:].any() and not other[n:].any()


def _check_starts(family: Family) -> None:
    starts, fewer = family.starts(4, rng=0), family.starts(2, rng=0)
    if starts.shape != (4, family.dim):
        _fail(f"starts(4, rng=0) has shape {starts.shape}; expected {(4, family.dim)}")
    for i, j in np.argwhere(~np.isfinite(starts)):
        _fail(f"component {j} of point {i} of starts(4, rng=0) is {starts[i, j]}; expected a finite one")
    if not np.array_equal(starts[:2], fewer):
        _fail("the first points of starts(4, rng=0) are not those of starts(2, rng=0)")
