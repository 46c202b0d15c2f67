"""The C interface of an objective: the header that is installed, and examples/ in C, Cython and Numba at work."""

import ctypes
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import scipy
from exponentials import DOUBLES, formula, table

import l2o
from l2o.families import Custom
from l2o.testing import check_objective

EXAMPLES = Path(__file__).parents[1] / "examples"
STRICT = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{l2o.get_include()}"]
X = np.array([0.3, -0.2, 0.1])

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def is_the_decay(objective):
    """Check an objective against the formula, and use it in a single run and in a batch in threads."""
    rng = np.random.default_rng(0)
    data = [table(rng, rows) for rows in (20, 7, 31)]
    check_objective(objective, data[0], X)
    problems = Custom(objective, dim=3).from_data(data, np.tile(X, (3, 1)))
    f, g = problems.value_and_grad(problems.x0)
    for i in range(3):
        value, gradient = formula(X, data[i])
        np.testing.assert_allclose(f[i], value, rtol=1e-12)
        np.testing.assert_allclose(g[i], gradient, rtol=1e-10, atol=1e-13)
    batch = l2o.minimize_many(problems, method="lbfgs", workers=2)
    single = l2o.minimize(objective, X, args=(data[1],), method="lbfgs")
    assert batch.success.all()
    assert single.x.tolist() == batch.x[1].tolist()


def refuses_other_data(objective):
    """Check that data of three columns end the run with the status of an error."""
    assert l2o.minimize(objective, X, args=(np.ones((4, 3)),), method="lbfgs").status == 4


def module(name, path):
    """Import a file as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_include_folder_has_the_header():
    header = (Path(l2o.get_include()) / "objective.h").read_text(encoding="utf-8")
    assert "l2o_objective_fn" in header


@needs_compiler
def test_header_compiles_on_its_own_in_c_and_stands_behind_the_example(tmp_path):
    (tmp_path / "check.c").write_text('#include "objective.h"\n#include "objective.h"\n'
                                      "int decay(const double *, double *, double *, intptr_t, void *);\n"
                                      "l2o_objective_fn check = decay;\n")
    subprocess.run([*STRICT, "-c", "check.c"], cwd=tmp_path, check=True)


@needs_compiler
def test_example_in_c(tmp_path):
    library = tmp_path / "decay.so"
    source = str(EXAMPLES / "decay.c")
    subprocess.run([*STRICT, "-O2", "-shared", "-fPIC", source, "-o", str(library), "-lm"], check=True)
    function = ctypes.CDLL(str(library)).decay
    function.restype, function.argtypes = ctypes.c_int, [DOUBLES] * 3 + [ctypes.c_ssize_t, ctypes.c_void_p]
    is_the_decay(scipy.LowLevelCallable(function))
    refuses_other_data(scipy.LowLevelCallable(function))


@needs_compiler
def test_example_in_cython(tmp_path):
    build = pytest.importorskip("Cython.Build")
    assert build
    shutil.copy(EXAMPLES / "decay_cython.pyx", tmp_path)
    subprocess.run([sys.executable, "-m", "cython", "-3", "decay_cython.pyx"], cwd=tmp_path, check=True)
    library = tmp_path / f"decay_cython{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{l2o.get_include()}", f"-I{sysconfig.get_path('include')}",
                    "decay_cython.c", "-o", str(library), "-lm"], cwd=tmp_path, check=True)
    objective = scipy.LowLevelCallable.from_cython(module("decay_cython", library), "decay")
    is_the_decay(objective)
    refuses_other_data(objective)


def test_example_in_numba():
    example = module("decay_numba", EXAMPLES / "decay_numba.py")
    is_the_decay(example.decay)
    is_the_decay(example.decay_cfunc)


def test_example_in_numba_runs_as_a_script():
    command = [sys.executable, str(EXAMPLES / "decay_numba.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[2.  1.5] 0.3\n" * 2
