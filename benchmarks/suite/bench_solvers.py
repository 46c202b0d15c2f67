"""L-BFGS and Newton, ours and SciPy's: 90 logistic regressions to a gradient of 1e-6, in seconds and evaluations."""

import l2o

from .common import problems


class Solve:
    """All in one call, on one worker."""

    params = ("lbfgs", "newton", "scipy-lbfgs")
    param_names = ("method",)

    def setup(self, method):
        self.problems = problems(1800)[::20]
        self.time_solve(method)

    def time_solve(self, method):
        l2o.minimize_many(self.problems, method=method, tol=1e-6)

    def track_evaluations(self, method):
        return float(l2o.minimize_many(self.problems, method=method, tol=1e-6).nfev.mean())
