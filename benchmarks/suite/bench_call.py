"""What a call costs before anything is computed to speak of."""

import scipy.optimize

import l2o

from .common import policy, problems


def bowl(x):
    """Return a quadratic and its gradient."""
    return 0.5 * (x @ x), x


class Rollout:
    """No step, and one."""

    params = (0, 1)
    param_names = ("n_steps",)

    def setup(self, n_steps):
        self.method, self.problems = policy(), problems(1)
        self.time_rollout(n_steps)

    def time_rollout(self, n_steps):
        l2o.rollout(self.problems, method=self.method, n_steps=n_steps)


class Minimize:
    """maxiter = 0: a built-in problem, a Python function, and the latter by way of SciPy."""

    def setup(self):
        self.method, self.problem, self.options = policy(), problems(1)[0], {"maxiter": 0}
        self.x0 = self.problem.x0
        self.time_scipy()

    def time_problem(self):
        l2o.minimize(self.problem, method=self.method, options=self.options)

    def time_python(self):
        l2o.minimize(bowl, self.x0, method=self.method, options=self.options)

    def time_scipy(self):
        scipy.optimize.minimize(bowl, self.x0, jac=True, method=self.method, options=self.options)

    def time_value_and_grad(self):
        self.problem.value_and_grad(self.x0)
