"""l2o.testing finds what is wrong: objectives and samplers that are broken on purpose, each in its own way."""

import ctypes
import os
import re
import shutil
import subprocess
import time

import numba
import numpy as np
import pytest
import scipy
from exponentials import DOUBLES, called, decay, draw, table

import l2o
from l2o.families import FAMILIES, Custom
from l2o.testing import check_family, check_objective

X = [0.5, -1.0, 2.0]


def quadratic(x, f, g):
    """Write the value and gradient of the sum of (j + 1) x_j^2."""
    f[0] = sum((j + 1) * x[j] ** 2 for j in range(3))
    for j in range(3):
        g[j] = 2 * (j + 1) * x[j]


def broken(then):
    """Return an objective that does right, then something wrong: then(x, f, g, user)."""

    def function(x, f, g, n, user):
        quadratic(x, f, g)
        return then(x, f, g, ctypes.cast(user, DOUBLES)) or 0

    return called(function)


def fails(given, message, data=None, x=X):
    """Check that the mistake is found, and the sentence."""
    with pytest.raises(AssertionError, match=message):
        check_objective(given, data, x)


# -- what is right passes --------------------------------------------------------------------------------


def test_right_objective_passes():
    check_objective(broken(lambda x, f, g, user: 0), None, X)
    check_objective(decay, table(np.random.default_rng(0)), [0.1, 0.2, 0.3])


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 1e6, 1e100])
def test_right_objective_passes_at_any_scale_of_its_values(scale):
    def scaled(x, f, g, user):
        f[0] *= scale
        for j in range(3):
            g[j] *= scale

    check_objective(broken(scaled), None, X)
    check_objective(broken(scaled), None, [0.0, 0.0, 0.0])
    check_objective(broken(scaled), None, [1e4, -1e-4, 1e-2])


@pytest.mark.parametrize("name", FAMILIES)
def test_family_that_ships_passes(name):
    check_family(FAMILIES[name]())


def test_custom_family_passes():
    check_family(Custom(decay, dim=3, sample=draw))
    check_family(Custom(broken(lambda x, f, g, user: 0), dim=3,
                        sample=lambda rng: (rng.standard_normal((1, 1)), rng.standard_normal(3))), 3)


# -- objectives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", [0, 1, 2])
@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.5, 1.001, 1e10])
def test_wrong_gradient_is_found_at_its_point_and_component(component, factor):
    def wrong(x, f, g, user):
        g[component] *= factor

    right = 2 * (component + 1) * X[component]
    fails(broken(wrong), re.escape(f"at x = [0.5, -1.0, 2.0] component {component} of the gradient is "
                                   f"{right * factor:.6}, but differences of the value give {right:.6}"))


def test_small_wrong_component_beside_large_ones_is_found():
    def wrong(x, f, g, user):
        f[0], g[1] = f[0] + 1e-3 * x[1], g[1] + 2e-3

    fails(broken(wrong), r"component 1 of the gradient is -3\.998, but differences of the value give -3\.999")


def test_component_that_is_not_written_is_found():
    @l2o.objective
    def forgetful(x, data, grad):
        grad[0] = 2.0 * x[0]
        return x[0] ** 2 + x[1] ** 2

    fails(forgetful, r"component 1 of the gradient is not written, or added to what was there: it is 1\.0 or 2\.0",
          None, X[:2])


def test_gradient_that_is_added_up_from_what_was_there_is_found():
    @l2o.objective
    def adding(x, data, grad):
        for j in range(len(x)):
            grad[j] += 2.0 * x[j]
        return (x**2).sum()

    fails(adding, r"component 0 of the gradient is not written, or added to what was there: it is 2\.0 or 3\.0")


@pytest.mark.parametrize(("at", "name"), [(3, 3), (5, 5), (-1, -1)])
def test_write_outside_the_gradient_is_found(at, name):
    def outside(x, f, g, user):
        ctypes.cast(ctypes.addressof(g.contents) + 8 * at, DOUBLES)[0] = 1.0

    fails(broken(outside), rf"^at x = \[.*\] the objective writes outside the gradient, to component {name}$")


def test_index_out_of_range_of_a_compiled_function_is_found():
    @l2o.objective
    def too_far(x, data, grad):
        f = 0.0
        for j in range(len(x)):
            grad[j] = 2.0 * x[j]
            f += x[j] ** 2
        return f + 0.0 * data[1, 0]  # there is one row

    fails(too_far, r"the Python function raises IndexError: index 1 is out of bounds", [[1.0]])


def test_function_that_is_another_in_python_is_found():
    flag = True

    @l2o.objective
    def changed(x, data, grad):
        grad[:] = 2.0 * x
        return (x**2).sum() if flag else 7.0

    assert changed.kernel  # compiled with what flag is now
    flag = False
    fails(changed, r"the value is 5\.25 compiled, but 7\.0 in Python")


@pytest.mark.parametrize(("write", "message"), [
    (lambda x, f, g, user: x.__setitem__(1, 9.0), r"changes component 1 of x to 9\.0; x is only to be read"),
    (lambda x, f, g, user: user.__setitem__(2, 9.0), r"writes into its data: entry 2 of the block"),
    (lambda x, f, g, user: f.__setitem__(1, 9.0), r"writes outside the value, to component 1"),
    (lambda x, f, g, user: f.__setitem__(0, np.nan), r"the value is nan; expected a finite one"),
    (lambda x, f, g, user: g.__setitem__(2, np.inf), r"component 2 of the gradient is inf; expected a finite one"),
    (lambda x, f, g, user: 1, r"the value is inf; expected a finite one"),
    (lambda x, f, g, user: -1, r"the value is nan; expected a finite one"),
], ids=["x", "data", "value", "nan", "inf", "positive", "negative"])
def test_write_to_an_input_and_value_that_is_not_finite_are_found(write, message):
    fails(broken(write), r"^at x = \[0\.5, -1\.0, 2\.0\] .*" + message, [[1.0]])


def test_value_that_changes_from_call_to_call_is_found():
    calls = []

    def counting(x, f, g, user):
        calls.append(1)
        f[0] += 1e-9 * len(calls)

    fails(broken(counting), r"the value is \S+ in one call and \S+ in another")


def test_gradient_that_changes_from_call_to_call_is_found():
    calls = []

    def counting(x, f, g, user):
        calls.append(1)
        g[2] += 1e-9 * len(calls)

    fails(broken(counting), r"component 2 of the gradient is \S+ in one call and \S+ in another")


def test_nan_that_is_swallowed_is_found():
    def cautious(x, f, g, user):
        if np.isnan(x[1]):
            f[0] = g[0] = g[1] = g[2] = 0.0

    fails(broken(cautious), r"^at x = \[0\.5, nan, 2\.0\] the value is 0\.0, the gradient \[0\.0, 0\.0, 0\.0\]; "
                            r"expected a NaN in one of them, as in component 1 of x$")


def test_nan_in_the_gradient_alone_is_enough():
    def no_value(x, f, g, user):
        f[0] = f[0] if f[0] == f[0] else 1e9

    check_objective(broken(no_value), None, X)


def valley(x, data, grad):
    f = (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2
    grad[0] = -2.0 * (1.0 - x[0]) - 400.0 * x[0] * (x[1] - x[0] ** 2)
    grad[1] = 200.0 * (x[1] - x[0] ** 2)
    return f


def valley_hessian(x, data, H):
    H[0, 0] = 2.0 - 400.0 * (x[1] - 3.0 * x[0] ** 2)
    H[0, 1] = H[1, 0] = -400.0 * x[0]
    H[1, 1] = 200.0


compiled_hessian = numba.njit(valley_hessian)


@pytest.mark.parametrize("x", [[-1.2, 1.0], [1e-3, 1e3], [0.0, 0.0]])
def test_right_hessian_passes(x):
    check_objective(l2o.objective(valley, hessian=valley_hessian), None, x)


def test_wrong_hessian_is_found_at_its_entry():
    def slip(x, data, H):
        compiled_hessian(x, data, H)
        H[0, 0] += 400.0 * x[0] ** 2

    def half(x, data, H):
        H[0, 0], H[0, 1], H[1, 1] = 2.0 - 400.0 * (x[1] - 3.0 * x[0] ** 2), -400.0 * x[0], 200.0

    def one_sided(x, data, H):
        compiled_hessian(x, data, H)
        H[1, 0] = 0.0

    for wrong, message in ((slip, r"entry \(0, 0\) of the Hessian is 1906.0, but .* the gradient give 1330"),
                           (half, r"entry \(1, 0\) of the Hessian is nan; .* all are to be written"),
                           (one_sided, r"entry \(1, 0\) of the Hessian is 0.0, but .* the gradient give 480")):
        with pytest.raises(AssertionError, match=message):
            check_objective(l2o.objective(valley, hessian=wrong), None, [-1.2, 1.0])


def test_objective_with_a_memory_that_threads_share_is_found():
    kept = [0.0, 0.0, 0.0]

    def remembering(x, f, g, n, user):
        kept[:] = [x[j] for j in range(3)]
        time.sleep(1e-5)  # another thread comes in
        quadratic(list(kept), f, g)
        return 0

    fails(called(remembering), r"^at x = \[.*\] the objective gives one result alone and another while a second thread "
                               r"evaluates: it keeps something outside its arguments$")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_static_memory_of_c_is_found(tmp_path):
    (tmp_path / "static.c").write_text("""
#include <stdint.h>
static volatile double kept[3];
int f(const double *x, double *f, double *g, intptr_t n, void *user)
{
    for (int j = 0; j < 3; j++)
        kept[j] = x[j];
    f[0] = 0.0;
    for (int pass = 0; pass < 64; pass++)
        for (int j = 0; j < 3; j++) {
            f[0] += kept[j] * kept[j] / 64;
            g[j] = 2.0 * kept[j];
        }
    return 0;
}
""")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "static.c", "-o", "static.so"], cwd=tmp_path, check=True)
    function = ctypes.CDLL(str(tmp_path / "static.so")).f
    function.restype, function.argtypes = ctypes.c_int, [DOUBLES] * 3 + [ctypes.c_ssize_t, ctypes.c_void_p]
    if len(os.sched_getaffinity(0)) > 1:  # on one CPU threads rarely meet in 100 nanoseconds
        fails(scipy.LowLevelCallable(function), r"a second thread evaluates: it keeps something outside its arguments")


def test_point_at_the_edge_of_the_domain_is_not_judged():
    def edge(x, f, g, user):
        return 1 if x[0] != 0.5 and x[0] == x[0] else 0

    fails(broken(edge), "not finite a step away in component 0; choose a point inside the domain")


@pytest.mark.parametrize(("given", "data", "x", "error", "message"), [
    (abs, None, X, TypeError, r"objective is .*; expected a function compiled by @l2o\.objective"),
    (decay, [1.0], X, ValueError, r"args\[0\] has shape \(1,\)"),
    (decay, [[1.0, 2.0]], [X], ValueError, "x0 has shape"),
    (decay, [[1.0, 2.0]], [np.nan] * 3, ValueError, "x0 holds nan"),
])
def test_check_objective_rejects_what_does_not_fit(given, data, x, error, message):
    with pytest.raises(error, match=message):
        check_objective(given, data, x)


# -- samplers ----------------------------------------------------------------------------------------------


class Broken(Custom):
    """A family whose `sample` is replaced."""

    def __init__(self, drawn):
        super().__init__(decay, dim=3, sample=draw)
        object.__setattr__(self, "drawn", drawn)

    def sample(self, m, rng=None):
        """Return what it was made of returns."""
        return self.drawn(self, m, np.random.default_rng(rng))


def from_draws(family, m, rng, shift=0.0):
    """Return m members, drawn one after the other."""
    pairs = [draw(rng) for _ in range(m)]
    return family.from_data([data for data, _ in pairs], np.array([x0 for _, x0 in pairs]) + shift)


def counted(family, m, rng):
    """Draw with m in the law."""
    return from_draws(family, m, rng, shift=m)


def careless(family, m, rng):
    """Draw from something else."""
    return from_draws(family, m, np.random.default_rng())


def seedless(family, m, rng):
    """Draw the same whatever the seed."""
    return from_draws(family, m, np.random.default_rng(7))


def repeated(family, m, rng):
    """Give the first member again as the fourth."""
    return from_draws(family, m, rng)[[0, 1, 2, 0, 4][:m]]


def wild(family, m, rng):
    """Start where the value overflows."""
    return from_draws(family, m, rng, shift=np.array([800.0, 0.0, 0.0]))


@pytest.mark.parametrize(("drawn", "message"), [
    (from_draws, None),
    (careless, r"problem 0 of sample\(5, rng=0\): drawn twice, it is not the same: the sampler uses something"),
    (counted, r"problem 0 of sample\(4, rng=0\): it is not that of sample\(5, rng=0\): the first of many"),
    (seedless, r"problem 0 of sample\(5, rng=0\) and problem 0 of sample\(5, rng=1\) are the same"),
    (repeated, r"problem 0 of sample\(5, rng=0\) and problem 3 of sample\(5, rng=0\) are the same"),
    (wild, r"problem 0 of sample\(5, rng=0\): at x = \[.*\] the value is inf; expected a finite one"),
])
def test_broken_sampler_is_found(drawn, message):
    if message is None:
        check_family(Broken(drawn))
    else:
        with pytest.raises(AssertionError, match=message):
            check_family(Broken(drawn))


def test_training_functions_that_are_sampled_ones_are_found(monkeypatch):
    monkeypatch.setattr("l2o.testing.streams", lambda seed: {"training": np.random.default_rng(seed)})
    with pytest.raises(AssertionError, match=r"problem 0 of sample\(5, rng=0\) and problem 0 of the training functions "
                                             r"of seed 0 are the same"):
        check_family(Custom(decay, dim=3, sample=draw))


def test_family_with_a_wrong_gradient_is_found_with_its_problem():
    @l2o.objective
    def slip(x, data, grad):
        f = 0.0
        for j in range(len(x)):
            grad[j] = data[0, 0] * x[j]
            f += 0.5 * data[0, 0] * x[j] ** 2
        if data[0, 0] > 1.0:
            grad[1] *= 1.01
        return f

    scale = iter([0.5, 0.6, 2.0] + [0.3 + 0.01 * i for i in range(100)])
    drawn = [(next(scale), np.random.default_rng(i).standard_normal(2)) for i in range(20)]

    def fixed(rng):
        i = int(rng.integers(1000))
        return [[drawn[fixed.count % 5][0] + 1e-6 * i]], rng.standard_normal(2)

    class Counted(Custom):
        def sample(self, m, rng=None):
            pairs = []
            rng = np.random.default_rng(rng)
            for fixed.count in range(m):
                pairs.append(fixed(rng))
            return self.from_data([data for data, _ in pairs], [x0 for _, x0 in pairs])

    with pytest.raises(AssertionError, match=r"^problem 2 of sample\(5, rng=0\): at x = \[\S+ \S+\] component 1 of the "
                                             r"gradient is \S+, but differences of the value give"):
        check_family(Counted(slip, dim=2, sample=draw))


def test_family_of_another_dimension_or_bad_starts_is_found():
    class Narrow(Custom):
        @property
        def dim(self):
            return 4

        def sample(self, m, rng=None):
            return Custom(decay, dim=3, sample=draw).sample(m, rng)

    class Nowhere(Custom):
        def starts(self, m, rng=None):
            starts = super().starts(m, rng)
            starts[1, 2] = np.nan
            return starts

    with pytest.raises(AssertionError, match="sample gives problems of dimension 3; expected 4"):
        check_family(Narrow(decay, dim=4, sample=draw))
    with pytest.raises(AssertionError, match=r"component 2 of point 1 of starts\(4, rng=0\) is nan"):
        check_family(Nowhere(decay, dim=3, sample=draw))


def test_check_family_rejects_what_does_not_fit():
    with pytest.raises(TypeError, match="family is CompiledObjective; expected a Family"):
        check_family(decay)
    with pytest.raises(ValueError, match="m is 2; expected at least 3"):
        check_family(Custom(decay, dim=3, sample=draw), 2)
    with pytest.raises(ValueError, match="sample is None"):
        check_family(Custom(decay, dim=3))
