"""Minimise one problem or many: 40 steps of the policy alone, and as many as it takes with the safeguard."""

import l2o

from .common import policy, problems

STEPS = {"maxiter": 40, "gtol": 0.0, "safeguard": False}


class Minimize:
    """One problem, 40 steps."""

    def setup(self):
        self.method, self.problem, self.options = policy(), problems(1)[0], STEPS
        self.time_minimize()

    def time_minimize(self):
        l2o.minimize(self.problem, method=self.method, options=self.options)


class MinimizeMany:
    """1,800 problems in one call, 40 steps, by workers."""

    params = (1, 2)
    param_names = ("workers",)

    def setup(self, workers):
        self.method, self.problems = policy(), problems(1800)
        self.options = STEPS
        self.time_minimize_many(workers)

    def time_minimize_many(self, workers):
        l2o.minimize_many(self.problems, method=self.method, workers=workers, options=self.options)


class Converge:
    """90 problems to a gradient of 1e-5: time, and exactly how many evaluations."""

    params = ("lbfgs", "learned")
    param_names = ("method",)

    def setup(self, method):
        self.method, self.problems = policy(inputs="raw") if method == "learned" else method, problems(90)
        self.options = {"gtol": 1e-5}
        self.time_minimize_many(method)

    def time_minimize_many(self, method):
        return l2o.minimize_many(self.problems, method=self.method, options=self.options)

    def track_evaluations(self, method):
        return int(self.time_minimize_many(method).nfev.sum())

    def track_converged(self, method):
        return int(self.time_minimize_many(method).success.sum())
