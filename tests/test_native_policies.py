"""Policies behind policy.h: what they are told, when they hand over, what they bequeath; the example in C at work."""

import ctypes
import itertools
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from compiled import Compiled

import l2o
from l2o.methods import Stopping
from l2o.policies import Handoff, Native

DOUBLES = ctypes.POINTER(ctypes.c_double)
START, LOWER, HIGHER, NOT_FINITE = range(4)
REJECTING = Handoff(most_trials=None, rejections=8, flat=0.0)
STRICT = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{l2o.get_include()}"]

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


class Run(ctypes.Structure):
    """l2o_run of policy.h."""

    _fields_ = [("dim", ctypes.c_ssize_t), ("length", ctypes.c_ssize_t), ("count", ctypes.c_ssize_t),
                ("t", ctypes.c_ssize_t), ("x", DOUBLES), ("f", DOUBLES), ("g", DOUBLES), ("outcome", ctypes.c_int),
                ("best_x", DOUBLES), ("best_g", DOUBLES), ("best_f", ctypes.c_double), ("curvature", DOUBLES),
                ("state", DOUBLES)]


NEXT = ctypes.CFUNCTYPE(None, ctypes.POINTER(Run), ctypes.c_ssize_t, DOUBLES, ctypes.c_void_p)
BEQUEATH = ctypes.CFUNCTYPE(None, ctypes.POINTER(Run), DOUBLES, ctypes.c_void_p)


def told(run):
    """Return what a run tells its policy, but for its state: numbers."""
    def vector(pointer):
        return [pointer[j] for j in range(run.dim)]

    curvature = [run.curvature[j] for j in range(run.dim**2)] if run.curvature else None
    return {"t": run.t, "count": run.count, "x": vector(run.x), "f": run.f[0], "g": vector(run.g),
            "outcome": run.outcome, "best_x": vector(run.best_x), "best_g": vector(run.best_g), "best_f": run.best_f,
            "curvature": curvature}


def scripted(point, heard=None, inverse=None, **settings):
    """Return a policy whose points are point(what it is told); what it is told is appended to `heard`."""
    heard = [] if heard is None else heard

    def following(runs, n_runs, points, _):
        for i in range(n_runs):
            heard.append(told(runs[i]))
            for j, value in enumerate(point(heard[-1])):
                points[i * runs[i].dim + j] = value

    def leave(run, matrix, _):
        heard.append(told(run[0]))
        for j, value in enumerate(np.ravel(inverse)):
            matrix[j] = value

    return Native(NEXT(following), None if inverse is None else BEQUEATH(leave), **settings)


def square(x):
    """Return x^2 and its slope; NaN above 100."""
    return (float("nan") if x[0] > 100 else float(x @ x)), 2 * x


POINTS = [2.0, 5.0, 200.0, 1.0]  # lower, higher, not finite, lower


def along(points):
    """Return a policy's rule: these points, one after the other, then the last again."""
    return lambda run: [points[min(run["t"], len(points) - 1)]]


def minimised(method, objective, x0, hessian=None, **stopping):
    """Return the solution of one run and the objective that counted."""
    batch = Compiled(objective, [x0], hessian)
    stopping = Stopping(**{"gtol": 1e-8, "maxiter": 100, "maxfun": 1000, **stopping})
    return method.solve(batch, stopping)[:6], batch


# -- what a policy is told -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["rollout", "minimize"])
def test_policy_is_told_what_came_of_each_trial(way):
    heard = []
    method = scripted(along(POINTS), heard, handoff=REJECTING)
    if way == "rollout":
        method.record(Compiled(square, [[3.0]]), 5)
    else:
        minimised(method, square, [3.0], maxfun=6, safeguard=False)
    assert [run["outcome"] for run in heard] == [START, LOWER, HIGHER, NOT_FINITE, LOWER]
    assert [run["x"] for run in heard] == [[3.0], [2.0], [5.0], [200.0], [1.0]]
    assert [run["best_x"] for run in heard] == [[3.0], [2.0], [2.0], [2.0], [1.0]]
    assert [run["best_f"] for run in heard] == [9.0, 4.0, 4.0, 4.0, 1.0]
    assert [run["best_g"] for run in heard] == [[6.0], [4.0], [4.0], [4.0], [2.0]]
    assert [run["t"] for run in heard] == [0, 1, 2, 3, 4]
    assert [run["g"] for run in heard] == [[6.0], [4.0], [10.0], [400.0], [2.0]]
    assert [run["curvature"] for run in heard] == [None] * 5


def test_rollout_of_a_kind_that_rejects_stands_at_its_best_point():
    method = scripted(along(POINTS), handoff=REJECTING)
    x, fun, jac, nfev, status, evaluations = method.record(Compiled(square, [[3.0]]), 4)
    assert x.ravel().tolist() == [3.0, 2.0, 2.0, 2.0, 1.0]
    assert fun.ravel().tolist() == [9.0, 4.0, 4.0, 4.0, 1.0]
    assert jac.ravel().tolist() == [6.0, 4.0, 4.0, 4.0, 2.0]
    assert evaluations.ravel().tolist() == [9.0, 4.0, 25.0, np.inf, 1.0]
    assert nfev.ravel().tolist() == [1, 2, 3, 4, 5]
    assert status.tolist() == [1]


def test_rollout_of_a_kind_that_does_not_reject_stands_at_its_trials():
    x, _, _, nfev, status, evaluations = scripted(along(POINTS)).record(Compiled(square, [[3.0]]), 4)
    assert x.ravel().tolist() == [3.0, 2.0, 5.0, 200.0, 200.0]
    assert nfev.ravel().tolist() == [1, 2, 3, 4, 4]
    assert status.tolist() == [3]
    np.testing.assert_array_equal(evaluations.ravel(), [9.0, 4.0, 25.0, np.inf, np.nan])


def test_iterations_of_a_kind_that_rejects_are_the_better_points():
    seen = []
    method = scripted(along(POINTS), handoff=REJECTING)
    problem = Compiled(square, [[3.0]])
    x, fun, _, nit, nfev, status = method.solve(problem, Stopping(1e-8, 100, 5, False), lambda x, f: seen.append(x))[:6]
    assert (x.tolist(), fun.tolist(), nit.tolist(), nfev.tolist(), status.tolist()) == ([[1.0]], [1.0], [2], [5], [1])
    assert seen == [[2.0], [1.0]]


def test_bare_kind_that_rejects_ends_after_its_rejections():
    method = scripted(along([2.0] + [5.0, 6.0] * 9), handoff=REJECTING)
    (x, _, _, nit, nfev, status), _ = minimised(method, square, [3.0], safeguard=False)
    assert (x.tolist(), nit.tolist(), nfev.tolist(), status.tolist()) == ([[2.0]], [1], [10], [2])


# -- the hand-over --------------------------------------------------------------------------------------


@pytest.mark.parametrize("heir", ["lbfgs", "bfgs"])
@pytest.mark.parametrize(("handoff", "trials"), [
    ({"most_trials": 3, "rejections": 9}, 3), ({"most_trials": None, "rejections": 2}, 5),
    ({"most_trials": None, "rejections": 1}, 3), ({"most_trials": None, "rejections": 9, "flat": 0.7}, 1)])
def test_handoff_follows_its_numbers(handoff, trials, heir):
    """Trials 2.9 ... 2.0 of a start at 3: the second and the fourth and later lead higher."""
    heard, points = [], [2.0, 1.9, 2.5, 1.8, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]
    points = [2.0, 1.9, 2.5, 2.5] if handoff.get("flat") is None else [2.0]
    if handoff["rejections"] == 2:
        points = [2.0, 2.5, 1.9, 2.5, 2.5]
    method = scripted(along(points), heard, handoff=Handoff(**{"flat": 0.0, **handoff}, heir=heir))
    (x, _, _, _, _, status), _ = minimised(method, square, [3.0])
    assert len(heard) == trials
    assert status.tolist() == [0]
    assert abs(x[0, 0]) <= 5e-9


def bowl(matrix):
    """Return x -> 1/2 x'Ax and its gradient, which may overflow."""
    def value_and_grad(x):
        with np.errstate(all="ignore"):
            return 0.5 * x @ matrix @ x, matrix @ x

    return value_and_grad


def test_heir_starts_from_the_matrix_that_is_bequeathed():
    """With the inverse Hessian of a bowl its first step leads to the minimum; the newest trial is told before."""
    A = np.array([[3.0, 1.0], [1.0, 50.0]])
    heard = []
    handoff = Handoff(most_trials=2, rejections=5, flat=0.0, heir="bfgs")
    method = scripted(lambda run: [1.0 - 0.1 * run["t"], 1.0], heard, np.linalg.inv(A), handoff=handoff)
    (x, _, _, nit, nfev, status), batch = minimised(method, bowl(A), [1.5, 1.0])
    assert [run["t"] for run in heard] == [0, 1, 2]
    assert heard[-1]["x"] == batch.points[2].tolist()
    assert (nfev.tolist(), status.tolist(), nit.tolist()) == ([4], [0], [3])
    np.testing.assert_allclose(x[0], 0, atol=1e-9)


@pytest.mark.parametrize("matrix", [np.full((2, 2), np.nan), -np.eye(2), np.zeros((2, 2)), np.full((2, 2), 1e300)])
def test_heir_gets_over_a_matrix_that_is_of_no_use(matrix):
    handoff = Handoff(most_trials=1, flat=0.0, heir="bfgs")
    method = scripted(lambda run: [1.0, 1.0], inverse=matrix, handoff=handoff)
    (x, _, _, _, _, status), _ = minimised(method, bowl(np.diag([1.0, 30.0])), [1.5, 1.0])
    assert status.tolist() == [0]
    np.testing.assert_allclose(x[0], 0, atol=1e-7)


def test_bfgs_steps_along_its_formula():
    """Each step is along -H g, with H by equation 6.17 of Nocedal and Wright from all pairs before."""
    A = np.diag([1.0, 4.0, 9.0, 40.0]) + 0.3
    iterates = [np.array([1.0, -2.0, 0.5, 1.5])]
    method = scripted(lambda run: run["best_x"], handoff=Handoff(heir="bfgs"))  # nowhere: it hands over at once
    problem = Compiled(bowl(A), [iterates[0]])
    method.solve(problem, Stopping(1e-9, 12, 1000), lambda x, f: iterates.append(np.array(x)))
    H, pairs = None, 0
    for before, after in itertools.pairwise(iterates):
        s, g = after - before, A @ before
        p = -g if H is None else -H @ g
        if abs(g).max() < 1e-6:
            break
        np.testing.assert_allclose(s / np.linalg.norm(s), p / np.linalg.norm(p), rtol=0, atol=1e-7)
        y, pairs = A @ s, pairs + 1
        rho = 1 / (s @ y)
        H = (s @ y) / (y @ y) * np.eye(4) if H is None else H
        V = np.eye(4) - rho * np.outer(s, y)
        H = V @ H @ V.T + rho * np.outer(s, s)
    assert pairs >= 5


# -- curvature ------------------------------------------------------------------------------------------


def newton(run):
    """Return the Newton step from the best point; half a step of -g where there is no Hessian."""
    g = np.array(run["best_g"])
    H = np.eye(len(g)) * 2 if run["curvature"] is None else np.reshape(run["curvature"], (len(g), len(g)))
    return np.array(run["best_x"]) - np.linalg.solve(H, g)


def test_kind_that_asks_is_given_the_hessian_at_the_best_point(problems):
    heard = []
    method = scripted(newton, heard, handoff=REJECTING, hessian=True)
    x0 = l2o.minimize_many(problems[:3], method="lbfgs", tol=1e-6).x + 0.01
    problems = problems[:3].with_starts(x0)
    batch = l2o.minimize_many(problems, method=method, tol=1e-9)
    assert batch.success.all()
    assert batch.nfev.max() < 8
    at = np.array([run["best_x"] for run in heard[:3]])
    np.testing.assert_array_equal([run["curvature"] for run in heard[:3]],
                                  problems.hessian(at).reshape(3, -1))
    runs = l2o.rollout(problems, method=method, n_steps=9)
    np.testing.assert_allclose(runs.fun[:, -1], batch.fun, rtol=1e-12)


def test_hessian_is_computed_where_the_best_point_moves():
    method = scripted(along([2.0, 5.0, 5.0, 1.0]), handoff=REJECTING, hessian=True)
    _, batch = minimised(method, square, [3.0], lambda x: 2 * np.eye(1), maxfun=5, safeguard=False)
    assert (len(batch.points), batch.hessians) == (5, 3)


def test_hessian_that_is_not_finite_is_not_shown_and_an_error_ends_the_run():
    heard = []
    method = scripted(newton, heard, handoff=REJECTING, hessian=True)
    (_, _, _, _, _, status), _ = minimised(method, square, [3.0], lambda x: np.full((1, 1), np.nan), safeguard=False)
    assert status.tolist() == [0]
    assert heard[0]["curvature"] is None
    for code, expected in ((1, 0), (-1, 4)):
        (x, fun, _, _, nfev, status), _ = minimised(method, square, [3.0], lambda x, code=code: code)
        assert status.tolist() == [expected]
    assert (x.tolist(), fun.tolist(), nfev.tolist()) == ([[3.0]], [9.0], [1])


def test_kind_that_asks_for_a_hessian_refuses_an_objective_without_one():
    method = scripted(newton, hessian=True)
    with pytest.raises(ValueError, match="asks for a Hessian; this objective has none"):
        l2o.minimize(lambda x: (x @ x, 2 * x), [1.0], method=method, jac=True)


# -- what a policy must not do --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("handoff", [Handoff(), REJECTING, Handoff(rejections=3, heir="bfgs")])
def test_points_that_are_none_are_a_status(value, handoff):
    method = scripted(along([2.0, value]), handoff=handoff)
    assert method.record(Compiled(square, [[3.0]]), 4)[4].tolist() == [3]
    (x, fun, _, _, _, status), _ = minimised(method, square, [3.0], safeguard=False)
    assert (x.tolist(), fun.tolist(), status.tolist()) == ([[2.0]], [4.0], [3])
    (x, _, _, _, _, status), _ = minimised(method, square, [3.0])
    assert status.tolist() == [0]
    assert abs(x[0, 0]) <= 5e-9


@pytest.mark.parametrize("m", [1, 3, 9])
def test_policy_that_writes_beyond_its_points_is_an_error(m):
    method = scripted(lambda run: [*run["best_x"], 1.0], handoff=REJECTING)
    problems = l2o.families.Logistic(n_points=9).sample(m, rng=0)
    for call in (lambda: l2o.rollout(problems, method=method, n_steps=3),
                 lambda: l2o.minimize_many(problems, method=method)):
        with pytest.raises(RuntimeError, match="wrote beyond its memory: points have 4 numbers a run"):
            call()


def test_policy_that_writes_beyond_its_state_is_an_error():
    def following(runs, n_runs, points, _):
        runs[0].state[2] = 1.0
        points[0] = 2.0

    method = Native(NEXT(following), state_size=lambda dim: 2 * dim)
    for call in (lambda: method.record(Compiled(square, [[3.0]]), 3), lambda: minimised(method, square, [3.0])):
        with pytest.raises(RuntimeError, match="the state has 2"):
            call()


@pytest.mark.parametrize(("settings", "error", "match"), [
    ({"next": 0}, TypeError, "next is 0; expected the address"), ({"next": None}, TypeError, "next is None"),
    ({"next": True}, TypeError, "next is True"), ({"next": "rule"}, TypeError, "next is 'rule'"),
    ({"bequeath": 1.5}, TypeError, "bequeath is 1.5"), ({"weights": [np.nan]}, ValueError, "weights holds nan"),
    ({"length": 0}, ValueError, "length is 0"), ({"state_size": -1}, ValueError, "state_size is -1"),
    ({"handoff": "bfgs"}, TypeError, "handoff is 'bfgs'; expected a Handoff"), ({"hessian": 2}, TypeError, "hessian")])
def test_native_policy_refuses_what_does_not_fit(settings, error, match):
    with pytest.raises(error, match=match):
        Native(**{"next": NEXT(lambda *_: None), **settings})


@pytest.mark.parametrize(("settings", "error", "match"), [
    ({"most_trials": 0}, ValueError, "most_trials is 0"), ({"rejections": 0}, ValueError, "rejections is 0"),
    ({"flat": -1.0}, ValueError, "flat is -1.0"), ({"heir": "newton"}, ValueError, "heir is 'newton'"),
    ({"rejections": 1.5}, TypeError, "rejections is 1.5")])
def test_handoff_refuses_what_does_not_fit(settings, error, match):
    with pytest.raises(error, match=match):
        Handoff(**settings)


def test_native_policy_stays_in_its_process():
    with pytest.raises(pickle.PicklingError, match="cannot be sent to another process"):
        pickle.dumps(Native(NEXT(lambda *_: None)))


# -- the example in C -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return the example in C, compiled as its comment says."""
    path = tmp_path_factory.mktemp("policy") / "quasi_newton.so"
    source = str(Path(__file__).parents[1] / "examples" / "quasi_newton.c")
    subprocess.run([*STRICT, "-O2", "-shared", "-fPIC", source, "-o", str(path), "-lm"], check=True)
    return ctypes.CDLL(str(path))


def example(library, heir="bfgs"):
    return Native(library.next, library.bequeath, weights=[0.25], state_size=lambda d: d * d + 3 * d + 1,
                  handoff=Handoff(most_trials=None, rejections=8, flat=0.0, heir=heir))


@needs_compiler
def test_policy_header_compiles_on_its_own(tmp_path):
    (tmp_path / "check.c").write_text('#include "policy.h"\n#include "policy.h"\nint main(void) { l2o_run run; '
                                      "(void)run; return L2O_START; }\n")
    subprocess.run([*STRICT, "-c", "check.c"], cwd=tmp_path, check=True)


@needs_compiler
@pytest.mark.parametrize("features", [1, 3, 9, 19])
def test_example_minimises_in_any_dimension(features, library):
    method, problems = example(library), l2o.families.Logistic(features, n_points=60).sample(9, rng=0)
    batch = l2o.minimize_many(problems, method=method, workers=2, tol=1e-6)
    bare = l2o.minimize_many(problems, method=method, tol=1e-6, options={"safeguard": False})
    assert batch.success.all()
    assert bare.success.mean() > 0.5
    single = l2o.minimize(problems[4], method=method, tol=1e-6)
    assert (single.x.tolist(), single.nfev) == (batch.x[4].tolist(), batch.nfev[4])
    known = l2o.minimize_many(problems, method="lbfgs", tol=1e-8)
    np.testing.assert_allclose(batch.fun, known.fun, rtol=1e-7)
    runs = l2o.rollout(problems, method=method, n_steps=30)
    assert (np.diff(runs.fun, axis=1) <= 1e-12).all()


@needs_compiler
def test_example_is_compared_with_others(library):
    problems = l2o.families.RobustRegression(n_points=20).sample(6, rng=0)
    comparison = l2o.compare(problems, {"example": example(library), "lbfgs": "lbfgs"}, n_steps=30)
    assert "example" in repr(comparison) or "example" in str(comparison.table())
