"""L-BFGS and Newton, ours and SciPy's: 90 regressions to a gradient of 1e-6, in seconds and evaluations."""

import l2o


class Solve:
    """All of a family in one call, on one worker."""

    params = (("lbfgs", "newton", "scipy-lbfgs"), ("logistic", "robust"))
    param_names = ("method", "family")

    def setup(self, method, family):
        self.problems = l2o.families.named(family).sample(90, rng=0)
        self.time_solve(method, family)

    def time_solve(self, method, family):
        l2o.minimize_many(self.problems, method=method, tol=1e-6)

    def track_evaluations(self, method, family):
        return float(l2o.minimize_many(self.problems, method=method, tol=1e-6).nfev.mean())
