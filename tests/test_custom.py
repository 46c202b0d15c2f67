"""A user's own objective and family: compiled, given as an address, sampled, trained on, sent to processes."""

import ctypes
import multiprocessing
import pickle
import re
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
import scipy.optimize
from exponentials import DOUBLES, called, decay, draw, formula, table
from numba import types

import l2o
from l2o.errors import CompilationError
from l2o.families import Custom, Logistic
from l2o.problems.objectives import CompiledObjective

POINTER = types.CPointer(types.float64)
NATIVE = types.intc(POINTER, POINTER, POINTER, types.intp, POINTER)
DATA = table(np.random.default_rng(0))


@numba.cfunc(NATIVE)
def bowl(x, f, g, n, user):
    """Write half the squared distance from the first entry of the data, and its gradient."""
    centre = user[2] if user[0] > 0 else 0.0
    f[0] = 0.0
    for j in range(n):
        f[0] += 0.5 * (x[j] - centre) ** 2
        g[j] = x[j] - centre
    return 0


@pytest.fixture(scope="module")
def family():
    """Return the family of decays."""
    return Custom(decay, dim=3, sample=draw)


# -- l2o.objective -------------------------------------------------------------------------------------


def test_objective_equals_its_formula():
    rng = np.random.default_rng(1)
    for rows in (1, 2, 20, 57):
        data, x = table(rng, rows), rng.standard_normal(3)
        value, gradient = decay.value_and_grad(x, data)
        expected, slope = formula(x, data)
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-15)


def test_objective_in_python_is_the_plain_function():
    grad, x = np.empty(3), np.array([0.1, 0.2, 0.3])
    value = decay(x, DATA, grad)
    np.testing.assert_allclose((value, *grad), (formula(x, DATA)[0], *formula(x, DATA)[1]), rtol=1e-12)
    assert decay.__doc__ == decay.function.__doc__
    assert repr(decay) == "CompiledObjective(exponentials.decay)"


@pytest.mark.parametrize("method", ["lbfgs", "momentum", "gradient-descent", "cg", "scipy-lbfgs"])
def test_minimize_takes_an_objective_with_its_data(method):
    result = l2o.minimize(decay, [0, 0, 0], args=(DATA,), method=method, options={"maxiter": 8})
    same = l2o.minimize(formula, [0, 0, 0], args=(DATA,), method=method, options={"maxiter": 8})
    np.testing.assert_allclose(result.x, same.x, rtol=1e-6, atol=1e-7)
    assert result.fun == decay.value_and_grad(result.x, DATA)[0] < 0.5 * decay.value_and_grad(np.zeros(3), DATA)[0]
    assert result.nfev == result.njev == same.nfev
    assert l2o.minimize(decay, [0, 0, 0], args=DATA, method=method, options={"maxiter": 8}).fun == result.fun


def test_minimize_takes_a_policy_and_a_callback_with_an_objective(random_policy):
    seen = []
    result = l2o.minimize(decay, [0, 0, 0], args=(DATA,), method=random_policy(3), callback=seen.append,
                          options={"maxiter": 4})
    assert result.nit == len(seen) > 0
    with pytest.raises(ValueError, match="dimension 3; the policy was trained for dimension 4"):
        l2o.minimize(decay, [0, 0, 0], args=(DATA,), method=random_policy(4))


def test_value_and_grad_is_a_function_for_scipy():
    theirs = scipy.optimize.minimize(decay.value_and_grad, np.zeros(3), args=(DATA,), jac=True, method="BFGS", tol=1e-9)
    ours = l2o.minimize(decay, [0, 0, 0], args=(DATA,), method="lbfgs", tol=1e-9)
    np.testing.assert_allclose(theirs.x, ours.x, atol=1e-6)


def test_objective_without_data_is_given_an_empty_table():
    @l2o.objective
    def rows_and_columns(x, data, grad):
        grad[0] = x[0]
        return 0.5 * x[0] ** 2 + data.shape[0] + 100 * data.shape[1]

    assert l2o.minimize(rows_and_columns, 3.0, method="lbfgs").fun == 0.0
    assert rows_and_columns.value_and_grad([0.0])[0] == 0.0
    assert rows_and_columns.value_and_grad([0.0], np.zeros((2, 3)))[0] == 302.0


@pytest.mark.parametrize(("mistake", "message"), [
    ("return missing", "NameError: name 'missing' is not defined"),
    ("x[0] = 1.0\n    return 0.0", "Cannot modify readonly array"),
    ("data[0, 0] = 1.0\n    return 0.0", "Cannot modify readonly array"),
    ("grad[0] = 1.0", "none to float64"),
    ("return grad", "array"),
    ("return open('file')", "open"),
])
def test_objective_that_numba_cannot_compile_says_what_numba_says(mistake, message):
    scope = {"l2o": l2o, "__name__": "mine"}
    exec(f"@l2o.objective\ndef wrong(x, data, grad):\n    {mistake}\n", scope)
    for use in (lambda: l2o.minimize(scope["wrong"], [1.0], method="lbfgs"), lambda: Custom(scope["wrong"], dim=1)):
        with pytest.raises(CompilationError, match=r"Numba cannot compile the objective mine\.wrong:") as caught:
            use()
        assert message in str(caught.value)


def test_objective_is_a_function_of_three_arguments():
    for bad in (lambda x, grad: 0.0, lambda x, data, grad, more: 0.0, lambda *args: 0.0):
        with pytest.raises(TypeError, match=r"takes \(.*\); expected \(x, data, grad\)"):
            l2o.objective(bad)
    for bad in (3, None, len, bowl, numba.njit(lambda x, data, grad: 0.0)):
        with pytest.raises(TypeError, match=r"objective is .*; expected a Python function of \(x, data, grad\)"):
            l2o.objective(bad)


def test_objective_that_raises_ends_its_own_run_only(capfd):
    @l2o.objective
    def picky(x, data, grad):
        grad[0] = x[0] - data[0, 0]
        if data[0, 0] == 2.0:
            raise ValueError("not this one")
        if data[0, 0] == 3.0:
            return np.nan
        return 0.5 * (x[0] - data[0, 0]) ** 2

    batch = l2o.minimize_many(Custom(picky, dim=1).from_data(np.arange(5.0).reshape(5, 1, 1), np.ones((5, 1))),
                              method="lbfgs")
    assert batch.status.tolist() == [0, 0, 4, 3, 0]
    np.testing.assert_allclose(batch.x[[0, 1, 4], 0], [0, 1, 4], atol=1e-5)
    assert capfd.readouterr() == ("", "")  # Numba would print an exception that leaves a cfunc


def test_index_out_of_range_is_an_error_of_the_run_not_of_memory():
    for x0, data in (([0.0, 0.0], DATA), ([0.0] * 3, DATA[:, :1])):
        result = l2o.minimize(decay, x0, args=(data,), method="lbfgs")
        assert (result.status, result.success, result.nfev) == (4, False, 1)
    assert np.isnan(decay.value_and_grad([0.0, 0.0], DATA)[0])


def test_division_by_zero_is_infinite_as_in_numpy():
    @l2o.objective
    def pole(x, data, grad):
        grad[0] = 1.0
        return 1.0 / x[0]

    assert pole.value_and_grad([0.0])[0] == np.inf


def test_objective_is_compiled_once_for_several_threads(monkeypatch):
    @l2o.objective
    def flat(x, data, grad):
        grad[:] = 0.0
        return 1.0

    made, compiled = [], l2o.problems.objectives._compiled
    monkeypatch.setattr("l2o.problems.objectives._compiled", lambda function: made.append(1) or compiled(function))
    threads = [threading.Thread(target=lambda: flat.kernel) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert flat.kernel is flat.kernel


def test_hash_of_the_source_sees_code_and_no_comments():
    def compiled(body):
        path = Path(sys.modules[__name__].__file__).with_name("no_such_file.py")
        scope = {"__name__": "mine"}
        text = f"def f(x, data, grad):\n{body}"
        exec(compile(text, str(path), "exec"), scope)
        import linecache

        linecache.cache[str(path)] = (len(text), None, text.splitlines(True), str(path))
        return CompiledObjective(scope["f"]).source_hash

    first = compiled("    return x[0]  # a\n")
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert compiled("    # other\n    return  x[0]\n") == first
    assert compiled("    return x[1]\n") != first
    scope = {"__name__": "mine"}
    exec("def f(x, data, grad):\n    return 0.0", scope)
    assert CompiledObjective(scope["f"]).source_hash is None


def test_defining_an_objective_loads_no_compiler():
    code = ("import sys, l2o\n@l2o.objective\ndef f(x, data, grad):\n    return 0.0\n"
            "f(1, 2, 3)\nprint({'numba', 'scipy.optimize'} & set(sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# -- cfuncs and LowLevelCallables -----------------------------------------------------------------------


@pytest.mark.parametrize("given", [bowl, scipy.LowLevelCallable(bowl.ctypes)], ids=["cfunc", "LowLevelCallable"])
def test_address_is_an_objective(given):
    np.testing.assert_allclose(l2o.minimize(given, [3.0, 2.0], method="lbfgs").x, [0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(l2o.minimize(given, [3.0, 2.0], args=([[5.0]],), method="lbfgs").x, [5.0, 5.0])
    problems = Custom(given, dim=2).from_data([[[1.0]], [[2.0, 7.0], [3.0, 4.0]]], np.zeros((2, 2)))
    np.testing.assert_allclose(l2o.minimize_many(problems, method="lbfgs", workers=2).x, [[1, 1], [2, 2]], atol=1e-9)
    assert "dimension 2" in repr(problems)


def test_low_level_callable_is_given_its_user_data():
    def distance(x, f, g, n, user):
        centre = ctypes.cast(user, DOUBLES)[0]
        f[0], g[0] = 0.5 * (x[0] - centre) ** 2, x[0] - centre
        return 0

    centre = np.array([5.0])
    given = called(distance, centre.ctypes.data_as(ctypes.c_void_p))
    assert l2o.minimize(given, [0.0], method="lbfgs").x.tolist() == [5.0]
    with pytest.raises(ValueError, match="LowLevelCallable with user_data; expected no args"):
        l2o.minimize(given, [0.0], args=(DATA,), method="lbfgs")
    with pytest.raises(ValueError, match="LowLevelCallable with user_data; expected none: each problem has its own"):
        Custom(given, dim=1)


def test_function_of_another_signature_is_an_error_that_prints_both():
    @numba.cfunc(types.float64(types.float64))
    def scalar(x):
        return x

    low_level = scipy.LowLevelCallable(scalar.ctypes)
    for given, theirs in ((scalar, "(float64,) -> float64"), (low_level, "double (double)")):
        for use in (lambda fun: l2o.minimize(fun, [1.0], method="lbfgs"), lambda fun: Custom(fun, dim=1)):
            with pytest.raises(TypeError) as caught:
                use(given)
            assert f"signature '{theirs}'" in str(caught.value)
            assert "expected 'int (const double *, double *, double *, intptr_t, void *)'" in str(caught.value)


@pytest.mark.parametrize(("signature", "fits"), [
    ("int (double const *, double *, double *, intptr_t, void *)", True),
    ("int (const double*, double*, double*, Py_ssize_t, double *)", True),
    ("int32_t(double *,double *,double *,int64_t,void*)", True),
    ("int (double *, double *, double *, int, void *)", False),
    ("int (double *, double *, double *, intptr_t)", False),
    ("void (double *, double *, double *, intptr_t, void *)", False),
    ("int (float *, double *, double *, intptr_t, void *)", False),
    ("nonsense", False),
])
def test_signature_in_any_spelling_is_understood(signature, fits):
    given = scipy.LowLevelCallable(called(lambda *_: 0).function, signature=signature)
    if fits:
        assert Custom(given, dim=1).dim == 1
    else:
        with pytest.raises(TypeError, match="signature"):
            Custom(given, dim=1)


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"x0": None}, ValueError, "x0 is None; expected a starting point"),
    ({"x0": []}, ValueError, "x0 is empty"),
    ({"x0": [[1.0, 2.0, 3.0]]}, ValueError, "x0 has shape"),
    ({"x0": [np.nan, 0, 0]}, ValueError, "x0 holds nan"),
    ({"args": (DATA, DATA)}, ValueError, "args has 2 entries; expected one for a compiled objective, its data"),
    ({"args": (DATA[0],)}, ValueError, r"args\[0\] has shape \(2,\); expected \(any, any\): \(rows, columns\)"),
    ({"args": ("text",)}, TypeError, r"args\[0\] cannot be read as an array of real numbers"),
    ({"jac": "2-point"}, ValueError, "jac is '2-point'; expected True: fun has a gradient of its own"),
    ({"jac": lambda x: x}, ValueError, "jac is .*; expected True"),
])
def test_minimize_of_an_objective_rejects_what_does_not_fit(arguments, error, message):
    given = {"x0": [0.0, 0.0, 0.0], "args": (DATA,), "method": "lbfgs", **arguments}
    with pytest.raises(error, match=message):
        l2o.minimize(decay, **given)


def test_inputs_of_minimize_stay_as_they_are():
    x0, data = np.zeros(3), np.asfortranarray(DATA)
    x0.flags.writeable = data.flags.writeable = False
    result = l2o.minimize(decay, x0, args=(data,), method="lbfgs")
    assert not x0.any()
    same = l2o.minimize(decay, np.zeros(3, np.float32), args=(DATA.tolist(),), method="lbfgs")
    assert result.x.tolist() == same.x.tolist()


def test_custom_rejects_what_does_not_fit():
    for bad in (3, None, "decay", decay.function):
        with pytest.raises(TypeError, match=r"objective is .*; expected a function compiled by @l2o\.objective"):
            Custom(bad, dim=3)
    with pytest.raises(ValueError, match="dim is 0; expected at least 1"):
        Custom(decay, dim=0)
    with pytest.raises(TypeError, match=r"dim is 1\.5"):
        Custom(decay, dim=1.5)
    with pytest.raises(TypeError, match="sample is 3; expected a callable"):
        Custom(decay, dim=3, sample=3)


def test_from_data_rejects_what_does_not_fit():
    family = Custom(decay, dim=3)
    x0 = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"x0 is None; expected starting points, shape \(2, 3\)"):
        family.from_data([DATA, DATA])
    for bad in (x0[:1], x0[0, :2], x0[:, :2]):
        with pytest.raises(ValueError, match="x0 has shape"):
            family.from_data([DATA, DATA], bad)
    with pytest.raises(ValueError, match="x0 holds nan"):
        family.from_data([DATA, DATA], x0 * np.nan)
    with pytest.raises(ValueError, match=r"data\[0\] has shape \(2,\); expected \(any, any\): \(rows, columns\)"):
        family.from_data(DATA, x0)
    with pytest.raises(ValueError, match=r"data\[1\] has shape \(20, 2, 1\)"):
        family.from_data([DATA, DATA[:, :, None]], x0)
    with pytest.raises(TypeError, match="data is int; expected a table for each problem"):
        family.from_data(3, x0)
    with pytest.raises(TypeError, match=r"data\[1\] cannot be read"):
        family.from_data([DATA, "text"], x0)


@pytest.mark.parametrize(("drawn", "message"), [
    (3, r"sample returned int; expected a pair of data and x0"),
    ((DATA, [0.0, 0.0]), r"x0 of sample has shape \(2,\); expected \(3,\)"),
    ((DATA, [0.0, 0.0, np.inf]), "x0 of sample holds inf"),
    ((DATA[0], [0.0, 0.0, 0.0]), r"data\[0\] has shape \(2,\)"),
])
def test_sample_that_returns_something_else_is_an_error(drawn, message):
    with pytest.raises(ValueError, match=message):
        Custom(decay, dim=3, sample=lambda rng: drawn).sample(2, rng=0)


def test_family_without_a_sampler_says_so():
    family = Custom(decay, dim=3)
    with pytest.raises(ValueError, match=r"sample is None; expected a callable: Custom\(objective, dim=\.\.\."):
        family.sample(2, rng=0)
    with pytest.raises(ValueError, match="sample is None"):
        l2o.train(family, rng=0)
    assert family.starts(5, rng=0).shape == (5, 3)


# -- the family ----------------------------------------------------------------------------------------


def test_data_of_different_sizes_keep_their_values():
    rng = np.random.default_rng(2)
    data, x = [table(rng, rows) for rows in (5, 1, 33, 20)], rng.standard_normal((4, 3))
    f, g = Custom(decay, dim=3).from_data(data, x).value_and_grad(x)
    for i in range(4):
        np.testing.assert_allclose(f[i], formula(x[i], data[i])[0], rtol=1e-13)
        np.testing.assert_allclose(g[i], formula(x[i], data[i])[1], rtol=1e-12, atol=1e-15)


def test_data_are_copied_and_may_hold_nan():
    @l2o.objective
    def mean(x, data, grad):
        f = grad[0] = 0.0
        for value in data[:, 0]:
            if not np.isnan(value):
                f += 0.5 * (x[0] - value) ** 2
                grad[0] += x[0] - value
        return f

    data = np.array([[[1.0], [np.nan], [3.0]], [[np.nan], [np.nan], [7.0]]])
    problems = Custom(mean, dim=1).from_data(data, np.zeros((2, 1)))
    data[...] = 0.0
    np.testing.assert_allclose(l2o.minimize_many(problems, method="lbfgs").x[:, 0], [2.0, 7.0])


def test_no_problems_at_all_are_an_empty_batch():
    problems = Custom(decay, dim=3).from_data([], np.empty((0, 3)))
    assert len(problems) == len(l2o.minimize_many(problems, method="lbfgs")) == 0


def test_sample_follows_its_seed_and_begins_with_the_smaller_one(family):
    many, few = family.sample(7, rng=3), family.sample(3, rng=3)
    x = np.random.default_rng(0).standard_normal((3, 3))
    np.testing.assert_array_equal(many[:3].value_and_grad(x)[0], few.value_and_grad(x)[0])
    np.testing.assert_array_equal(many.x0[:3], few.x0)
    np.testing.assert_array_equal(family.starts(3, rng=3), few.x0)
    assert not np.array_equal(family.sample(3, rng=4).x0, few.x0)


@pytest.mark.slow
def test_batch_equals_single_calls_in_threads_and_processes(family):
    problems = family.sample(9, rng=0)
    batch = l2o.minimize_many(problems, method="lbfgs")
    assert batch.success.all()
    for i in range(9):
        assert l2o.minimize(problems[i], method="lbfgs").x.tobytes() == batch.x[i].tobytes()
    assert l2o.minimize_many(problems, method="lbfgs", workers=3).x.tobytes() == batch.x.tobytes()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # it compiles again, there
        assert l2o.minimize_many(problems, method="lbfgs", workers=pool).x.tobytes() == batch.x.tobytes()


def test_family_objective_and_problems_pickle(family):
    assert pickle.loads(pickle.dumps(decay)) is decay
    assert pickle.loads(pickle.dumps(family)) == family
    problems = family.sample(3, rng=0)
    again = pickle.loads(pickle.dumps(problems[1:]))
    assert again.kernel is decay.kernel
    np.testing.assert_array_equal(again.value_and_grad(again.x0)[0], problems[1:].value_and_grad(problems.x0[1:])[0])


def test_objective_that_does_not_pickle_says_what_to_do():
    @l2o.objective
    def local(x, data, grad):
        grad[0] = x[0]
        return 0.5 * x[0] ** 2

    problems = Custom(local, dim=1).from_data(np.zeros((2, 1, 1)), np.ones((2, 1)))
    for one in (local, problems):
        with pytest.raises(pickle.PicklingError, match=r"objective test_custom\.test_.*local cannot be sent to another "
                                                       r"process.*define it at the top level of a module"):
            pickle.dumps(one)
    for given in (bowl, scipy.LowLevelCallable(bowl.ctypes)):
        with pytest.raises(pickle.PicklingError, match=r"address means nothing; an objective of @l2o\.objective"):
            pickle.dumps(Custom(given, dim=1).from_data(np.zeros((2, 1, 1)), np.ones((2, 1))))


# -- training ------------------------------------------------------------------------------------------

SHORT = l2o.GuidedPolicySearch(n_iterations=2, n_samples=6, horizon=15, epochs=10)


@pytest.fixture(scope="module")
def trained(family):
    """Return a policy of a short training on the family."""
    return l2o.train(family, n_functions=12, n_validation=10, rng=0, trainer=SHORT, policy=l2o.policies.MLP(width=20))


def test_training_on_a_family_of_ones_own_learns(family, trained):
    unseen = family.sample(30, rng=5)
    runs = l2o.rollout(unseen, method=trained, n_steps=15)
    start, end = runs.fun[:, 0].mean(), runs.fun[:, 15].mean()
    lowest = l2o.minimize_many(unseen, method="lbfgs").fun.mean()
    assert end - lowest < 0.25 * (start - lowest)


def test_card_of_a_custom_family_names_objective_and_sampler(trained, tmp_path):
    settings = {"dim": 3, "sample": "exponentials.draw"}
    assert trained.card["family"] == {"name": "l2o.families.Custom", "settings": settings}
    assert trained.card["objective"] == {"name": "exponentials.decay", "source": decay.source_hash}
    trained.save(tmp_path / "decay.npz")
    again = l2o.load(tmp_path / "decay.npz")
    assert again.card == trained.card
    problem = Custom(decay, dim=3).from_data([DATA], np.zeros((1, 3)))
    assert l2o.rollout(problem, method=again).x.tobytes() == l2o.rollout(problem, method=trained).x.tobytes()
    result = l2o.minimize(decay, [0, 0, 0], args=(DATA,), method=again)
    assert result.fun < 0.05
    assert not result.outside_training


def test_training_goes_on_for_the_same_objective_only(family, trained):
    once = l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=5, epochs=1)
    more = {"n_functions": 4, "n_validation": 4, "rng": 1, "trainer": once}
    assert l2o.train(family, init=trained, **more).card["training"]["init"] == trained.card["training"]
    with pytest.raises(ValueError, match=r"init was trained on .*exponentials\.decay.*expected.*logistic"):
        l2o.train(Logistic(n_features=2), init=trained, **more)


def test_training_with_hessians_needs_an_objective_that_offers_them(family):
    with pytest.raises(NotImplementedError, match=r"'exponentials\.decay' offers no Hessian"):
        l2o.train(family, n_functions=3, n_validation=3, rng=0,
                  trainer=l2o.GuidedPolicySearch(n_iterations=1, local_model="hessian", epochs=1))
