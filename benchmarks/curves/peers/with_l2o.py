"""l2o: `curve_fit_many`, and "lm" and L-BFGS of `minimize_many` on the same sums of squares."""

import l2o

__all__ = ["LIBRARY", "engines"]

LIBRARY = "l2o"


def engines(curves):
    """Return what fits the curves, by name."""
    family = l2o.families.LeastSquares(curves.model, curves.points, lambda rng: (curves.Y[0], curves.p0[0]),
                                       sigma=curves.sigma)
    problems = family.from_data(curves.Y, curves.p0)

    def fitted(**settings):
        fit = l2o.curve_fit_many(curves.model, curves.points, curves.Y, curves.p0, sigma=curves.sigma, **settings)
        return fit.x, fit.nfev

    def minimised(method):
        batch = l2o.minimize_many(problems, method=method)
        return batch.x, batch.nfev

    return {"curve_fit_many": fitted, "curve_fit_many, Nielsen": lambda: fitted(options={"damping": "nielsen"}),
            "lm of minimize_many": lambda: minimised("lm"), "L-BFGS of l2o": lambda: minimised("lbfgs")}
