"""What a call costs: minimise one problem or many, for no iteration, for 40, and with a Python objective."""

import scipy.optimize

import l2o

from .common import policy, problems


def bowl(x):
    """Return a quadratic and its gradient."""
    return 0.5 * (x @ x), x


class Minimize:
    """One problem; maxiter = 0 leaves the call alone."""

    params = (0, 40)
    param_names = ("maxiter",)

    def setup(self, maxiter):
        self.method, self.problem = policy(), problems(1)[0]
        self.options = {"maxiter": maxiter, "gtol": 0.0}
        self.time_problem(maxiter)
        self.time_scipy(maxiter)

    def time_problem(self, maxiter):
        l2o.minimize(self.problem, method=self.method, options=self.options)

    def time_python(self, maxiter):
        l2o.minimize(bowl, self.problem.x0, method=self.method, options=self.options)

    def time_scipy(self, maxiter):
        scipy.optimize.minimize(bowl, self.problem.x0, jac=True, method=self.method, options=self.options)


class MinimizeMany:
    """1,800 problems in one call, by workers."""

    params = (1, 2)
    param_names = ("workers",)

    def setup(self, workers):
        self.method, self.problems = policy(), problems(1800)
        self.options = {"maxiter": 40, "gtol": 0.0}
        self.time_minimize_many(workers)

    def time_minimize_many(self, workers):
        l2o.minimize_many(self.problems, method=self.method, workers=workers, options=self.options)
