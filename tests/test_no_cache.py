"""Training and fitting work where nothing can be cached: packages and home can only be read, as in a container."""

import subprocess
import sys

PROGRAM = """
import numba.core.caching as caching
for kind in (caching.CacheImpl, caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
    kind._locator_classes = []
import numpy as np
import l2o
from l2o._kernels.training.adam import adam
from l2o.training import bank_objectives, unrolled_gradient

weights, mean, square = np.ones(2), np.zeros(2), np.zeros(2)
adam(weights, np.array([3.0, -4.0]), mean, square, 1, 0.1, 100.0)
assert abs(weights - [0.9, 1.1]).max() < 1e-8, weights
fit = l2o.curve_fit(lambda t, p: p[0] + p[1] * t, [0.0, 1.0, 2.0], [1.0, 3.0, 5.0], [0.0, 0.0])
assert abs(fit.x - [1.0, 2.0]).max() < 1e-8, fit.x
policy = l2o.train(l2o.families.Logistic(n_points=20), n_functions=20, n_validation=5, rng=0)
assert policy.card["quality"]["policy"] < 0.0
"""


def test_training_and_fitting_need_no_cache():
    """The first step of Adam is the learning rate against the gradient's sign, whatever the gradient."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
